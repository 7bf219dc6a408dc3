# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options that several doors share: how to reach the cluster, and where our own objects live.

The names, aliases and environment variables are those of kubernetes.core, so inventories, AWX credentials and
``module_defaults`` written for it work here too. Documented once in the doc fragments ``kube_auth`` and ``operation``.

PRIVATE to this collection.
"""

from __future__ import annotations

from typing import Any

from ansible.module_utils.common.parameters import env_fallback


def _option(type_: str, variable: str, **more: Any) -> dict[str, Any]:
    return {"type": type_, "fallback": (env_fallback, [variable]), **more}


# A kubeconfig may be given inline and then holds credentials: masked as a whole until frame.run_door() has told the
# secret parts from the harmless ones.
AUTH_ARGS: dict[str, dict[str, Any]] = {
    "kubeconfig": _option("raw", "K8S_AUTH_KUBECONFIG", no_log=True),
    "context": _option("str", "K8S_AUTH_CONTEXT"),
    "host": _option("str", "K8S_AUTH_HOST"),
    "api_key": _option("str", "K8S_AUTH_API_KEY", no_log=True),
    "username": _option("str", "K8S_AUTH_USERNAME"),
    "password": _option("str", "K8S_AUTH_PASSWORD", no_log=True),
    "validate_certs": _option("bool", "K8S_AUTH_VERIFY_SSL", aliases=["verify_ssl"]),
    "ca_cert": _option("path", "K8S_AUTH_SSL_CA_CERT", aliases=["ssl_ca_cert"]),
    "client_cert": _option("path", "K8S_AUTH_CERT_FILE", aliases=["cert_file"]),
    "client_key": _option("path", "K8S_AUTH_KEY_FILE", aliases=["key_file"], no_log=False),
    "proxy": _option("str", "K8S_AUTH_PROXY"),
    "no_proxy": _option("str", "K8S_AUTH_NO_PROXY"),
    "impersonate_user": _option("str", "K8S_AUTH_IMPERSONATE_USER"),
    "impersonate_groups": _option("list", "K8S_AUTH_IMPERSONATE_GROUPS", elements="str"),
}

# For doors that read or write our ledger and journals.
COMMON_ARGS: dict[str, dict[str, Any]] = {
    "state_namespace": _option("str", "KNOWNGOOD_STATE_NAMESPACE", default="knowngood"),
}
