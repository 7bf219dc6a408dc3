# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Probe pods that a run left, because it died, go with the undo of its operation, and nothing else does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.knowngood.kube.plugins.module_utils._cluster.probe import clear_probes, pod_manifest
from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import Denied, Unreachable


@dataclass
class Pods:
    """The client, as far as probe pods need it; namespaces in ``closed`` may not be listed."""

    pods: Sequence[dict[str, Any]]
    closed: str = ""
    broken: bool = False
    asked: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)

    def list(self, kind: str, namespace: str, *, selector: str) -> list[dict[str, Any]]:
        self.asked.append(namespace)
        if namespace == self.closed:
            raise Denied("not allowed")
        labels = dict(part.split("=") for part in selector.split(","))
        here = [pod for pod in self.pods if pod["metadata"]["namespace"] == namespace and pod["kind"] == kind]
        return [pod for pod in here if labels.items() <= pod["metadata"]["labels"].items()]

    def delete(self, kind: str, name: str, namespace: str, *, uid: str, **more: Any) -> None:
        del kind, name, namespace, more
        if self.broken:
            raise Unreachable("no answer")
        self.deleted.append(uid)


def probe(uid: str, *, namespace: str = "shop", operation: str = "op-1", name: str = "") -> dict[str, Any]:
    made = pod_manifest(namespace, "tools", operation, {}, (), uid)
    made["metadata"].update(uid=uid, **({"name": name} if name else {}))
    return made


def cleared(given: Pods, *namespaces: str) -> Pods:
    cluster: Any = given
    clear_probes(cluster, namespaces, "op-1")
    return given


def test_those_of_the_operation_go_in_each_of_its_namespaces() -> None:
    pods = [probe("a"), probe("b"), probe("far", namespace="billing"), probe("other", namespace="elsewhere")]
    found = cleared(Pods(pods), "shop", "billing", "shop")
    assert (sorted(found.deleted), found.asked) == (["a", "b", "far"], ["billing", "shop"])


def test_those_of_another_operation_and_other_pods_of_this_one_stay() -> None:
    pods = [probe("theirs", operation="op-2"), probe("canary", name="web-canary-1")]
    assert cleared(Pods(pods), "shop").deleted == []


def test_what_may_not_be_looked_for_or_deleted_ends_by_itself_and_stops_no_undo() -> None:
    found = cleared(Pods([probe("a"), probe("far", namespace="billing")], closed="billing"), "billing", "shop")
    assert found.deleted == ["a"]
    assert cleared(Pods([probe("a")], broken=True), "shop").deleted == []
