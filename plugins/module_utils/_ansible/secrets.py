# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which strings of the options Ansible has to mask wherever they appear.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

# Fields of a kubeconfig that hold credentials (client-go, clientcmd/api/v1), wherever they stand in it.
_CREDENTIALS = frozenset(
    {"token", "password", "client-key-data", "id-token", "refresh-token", "access-token", "client-secret"}
)
_KUBECONFIGS = ("kubeconfig", "target_kubeconfig")
# Masking a short string would blot out unrelated words of every message.
_SHORTEST = 8


def narrowed_mask(mask: set[str], params: Mapping[str, Any]) -> set[str]:
    """The strings to mask, with those that only stand in a kubeconfig and are no credential taken out.

    ``mask`` is what the argument specification makes of ``no_log``: for an inline kubeconfig every string in it (the
    server, names, namespaces), for a path the path. Messages that may not name those cannot help anybody.
    A kubeconfig given as text where a path is wanted stays masked as a whole.
    """
    given = [params.get(option) for option in _KUBECONFIGS]
    if any(map(is_text, given)):
        return mask
    kept = {str(params[name]) for name in ("api_key", "password", "target_api_key") if params.get(name)}
    return (mask - set(_strings(given))) | set(_credentials(given)) | kept


def is_text(kubeconfig: Any) -> bool:
    """Is it the content of a kubeconfig (YAML or JSON) instead of a path to one?"""
    return isinstance(kubeconfig, str) and ("\n" in kubeconfig.strip() or kubeconfig.lstrip().startswith("{"))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _strings(item)
    elif value is not None:
        yield str(value)


def _credentials(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            if name in _CREDENTIALS:
                yield from (text for text in _strings(item) if len(text) >= _SHORTEST)
            else:
                yield from _credentials(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _credentials(item)
