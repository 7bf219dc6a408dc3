# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A second cluster as a place to restore into: how a plan names it, and how a run finds it again.

The plan keeps its uid and, where the access came from a kubeconfig file, that file's path and the context. Credentials
are never kept: where they were given in another way, only the task that gave them can go on.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .._cluster.auth import AuthOptions
from .._cluster.client import Cluster, connect
from .._core.errors import BadInput
from .._core.plan import Json


@dataclass(frozen=True, slots=True)
class OtherCluster:
    """The second cluster of a call. ``where`` is what a plan keeps of it: ``uid``, ``server``; ``kubeconfig`` (a path)
    and ``context``, empty where none were given.
    """

    cluster: Cluster
    where: dict[str, str]

    @classmethod
    def of(cls, auth: AuthOptions) -> OtherCluster:
        """Raises BadInput, Unreachable or Denied. What is not in ``auth`` comes from the environment's kubeconfig."""
        cluster = connect(auth)
        path = auth.kubeconfig if isinstance(auth.kubeconfig, str) else ""
        where = {"uid": cluster.uid(), "server": cluster.server, "kubeconfig": path, "context": auth.context or ""}
        return cls(cluster, where)


def reach(given: Cluster | None, wanted: Mapping[str, Json]) -> Cluster:
    """The cluster that a plan names: the one ``given``, else by its kubeconfig. Raises BadInput when it is not it."""
    if given is not None and given.uid() == wanted["uid"]:
        return given
    if not wanted["kubeconfig"]:
        raise BadInput(
            "the cluster that was restored into cannot be reached from here",
            where=str(wanted["server"]),
            why="its access was not given by a kubeconfig file, and credentials are not kept",
            next="run the restore task again that was given the access: it goes on",
        )
    found = connect(AuthOptions(kubeconfig=str(wanted["kubeconfig"]), context=str(wanted["context"]) or None))
    if found.uid() != wanted["uid"]:
        raise BadInput(
            "the kubeconfig leads to another cluster than when the restore began",
            where=f"{wanted['kubeconfig']} {wanted['context']}".strip(),
            why=f"it is {found.server}, it was {wanted['server']}",
        )
    return found
