# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the usual options to a client configuration: kubeconfig, token, certificates, in-cluster.

PRIVATE to this collection.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

from .._core.errors import BadInput

CONNECTIONS = 24
"""Connections that are kept open: as many as are used at once. One above that costs a handshake for each request."""


@dataclass(frozen=True, slots=True)
class AuthOptions:
    """The auth options of a door, named as in kubernetes.core. Nothing here is ever printed."""

    kubeconfig: str | dict[str, Any] | None = None
    context: str | None = None
    host: str | None = None
    api_key: str | None = field(default=None, repr=False)
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    validate_certs: bool | None = None
    ca_cert: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    proxy: str | None = None
    no_proxy: str | None = None
    impersonate_user: str | None = None
    impersonate_groups: tuple[str, ...] = ()


def configuration(auth: AuthOptions) -> Any:
    """A ``kubernetes.client.Configuration``.

    A ``host`` given directly wins over a kubeconfig's; without both, ``KUBECONFIG`` or ``~/.kube/config`` is used, and
    inside a pod its service account. Raises BadInput naming what was looked for.
    """
    from kubernetes import client

    config = client.Configuration()
    if not auth.host or auth.kubeconfig:
        _load(auth, config)
    if auth.host:
        config.host = auth.host
    if auth.api_key:
        config.api_key["authorization"] = f"Bearer {auth.api_key}"
    for option, attribute in (
        ("username", "username"),
        ("password", "password"),
        ("ca_cert", "ssl_ca_cert"),
        ("client_cert", "cert_file"),
        ("client_key", "key_file"),
        ("proxy", "proxy"),
        ("no_proxy", "no_proxy"),
    ):
        value = getattr(auth, option)
        if value is not None:
            setattr(config, attribute, value)
    if auth.validate_certs is not None:
        config.verify_ssl = auth.validate_certs
    for path in (config.ssl_ca_cert, config.cert_file, config.key_file):
        if path and not os.path.isfile(path):
            raise BadInput("a certificate or key file of the cluster's access is missing", where=str(path))
    config.retries = False
    config.connection_pool_maxsize = CONNECTIONS
    return config


def _load(auth: AuthOptions, config: Any) -> None:
    from kubernetes import config as kubeconfig

    try:
        if isinstance(auth.kubeconfig, dict):
            kubeconfig.load_kube_config_from_dict(auth.kubeconfig, context=auth.context, client_configuration=config)
            return
        path = auth.kubeconfig or os.environ.get("KUBECONFIG") or os.path.expanduser("~/.kube/config")
        if auth.kubeconfig is None and not os.path.exists(path) and os.environ.get("KUBERNETES_SERVICE_HOST"):
            kubeconfig.load_incluster_config(client_configuration=config)
            return
        if not any(os.path.isfile(part) for part in path.split(os.pathsep)):
            raise BadInput(
                "no kubeconfig",
                where=path,
                why="the file does not exist",
                next="give kubeconfig=PATH, set K8S_AUTH_KUBECONFIG, or give host and api_key",
            )
        kubeconfig.load_kube_config(config_file=path, context=auth.context, client_configuration=config)
    except kubeconfig.ConfigException as error:
        raise BadInput(
            "the kubeconfig cannot be used",
            where=auth.kubeconfig if isinstance(auth.kubeconfig, str) else "",
            why=str(error).splitlines()[0],
            next="kubectl config get-contexts shows the contexts there are",
        ) from error
