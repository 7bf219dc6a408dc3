# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A process of its own that runs a slow plan on ConfigMaps: ``engine_worker.py KUBECONFIG NAMESPACE SECONDS``.

The tests kill it. Each step sets one key of the ConfigMap ``world`` and appends its name to ``history``.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from ansible_collections.knowngood.kube.plugins.module_utils._cluster.auth import AuthOptions
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.client import Cluster, connect
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.state import (
    ConfigMapJournal,
    LeaseStore,
    new_holder,
)
from ansible_collections.knowngood.kube.plugins.module_utils._core.clock import SystemClock
from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import KnownGoodError
from ansible_collections.knowngood.kube.plugins.module_utils._core.operation import Context, Engine
from ansible_collections.knowngood.kube.plugins.module_utils._core.plan import Plan, Step
from ansible_collections.knowngood.kube.plugins.module_utils._core.progress import SilentReporter

TARGET = "test/world"


class SetKey:
    def __init__(self, cluster: Cluster, namespace: str, seconds: float) -> None:
        self.cluster, self.namespace, self.seconds = cluster, namespace, seconds

    def world(self) -> dict[str, Any]:
        return self.cluster.get("ConfigMap", "world", self.namespace)

    def done(self, step: Step, context: Context) -> bool:
        del context
        return bool(self.world()["data"].get(step.name) == "yes")

    def apply(self, step: Step, context: Context) -> dict[str, Any]:
        if not self.done(step, context):
            self._set(step.name, "yes")
        time.sleep(self.seconds)
        return {"value": "yes"}

    def undo(self, step: Step, context: Context) -> None:
        if self.done(step, context):
            self._set(step.name, "no")

    def _set(self, name: str, value: str) -> None:
        world = self.world()
        history = world["data"]["history"] + f" {name}={value}"
        self.cluster.update({**world, "data": {**world["data"], name: value, "history": history}})


def plan(key: str = "k") -> Plan:
    names = [f"step-{number}" for number in range(4)]
    return Plan("test", TARGET, key, tuple(Step(name, "set", (f"ConfigMap {name}",)) for name in names))


def engine(cluster: Cluster, namespace: str, seconds: float = 0.0, wait_s: float = 30.0) -> Engine:
    clock = SystemClock()
    leases = LeaseStore(cluster, namespace, clock=clock, duration_s=3, wait_s=wait_s)
    actions = {"set": SetKey(cluster, namespace, seconds)}
    return Engine(ConfigMapJournal(cluster, namespace), leases, clock, SilentReporter(), actions, new_holder())


def main() -> int:
    kubeconfig, namespace, seconds = sys.argv[1:4]
    try:
        engine(connect(AuthOptions(kubeconfig=kubeconfig)), namespace, float(seconds)).run(plan())
    except KnownGoodError as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
