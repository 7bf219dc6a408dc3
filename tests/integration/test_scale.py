# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Workloads stopped and started for real."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._cluster.amend import Ref
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.scale import (
    images_step,
    start_step,
    stop,
    stop_step,
)
from ansible_collections.knowngood.kube.plugins.module_utils._core.clock import SystemClock
from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import Conflict, NotProven
from ansible_collections.knowngood.kube.plugins.module_utils._core.plan import Plan, Step
from tests.cluster.handle import Cluster
from tests.integration.small_app import App, cron_job, daemon_set, deployment, job, stateful_set


@pytest.fixture
def app(cluster: Cluster, namespace: str) -> App:
    return App(cluster, namespace, namespace, cluster.kubeconfig)


def pods(app: App, name: str) -> list[Any]:
    found: list[Any] = app.cluster.get("pods", "-n", app.namespace, "-l", f"app={name}")["items"]
    return found


def plan(app: App, *steps: Step) -> Plan:
    return Plan("restore", f"{app.namespace}/app", "k", steps)


def test_a_set_that_would_delete_its_claims_keeps_data_over_stop_and_start(app: App) -> None:
    app.cluster.apply(stateful_set("db", app.cluster.image()), namespace=app.namespace)
    app.cluster.wait_ready(app.namespace, "statefulset/db")
    app.cluster.exec(app.namespace, "db-0", "sh", "-c", "echo precious > /data/f")
    before = app.cluster.get("pvc", "data-db-0", "-n", app.namespace)["metadata"]["uid"]
    db = app.resolve().workload("StatefulSet/db")

    stopped = app.engine.run(plan(app, stop_step(db)))
    assert stopped.result("stop StatefulSet/db")["claims_protected_from"] == "Delete"
    assert pods(app, "db") == []
    down = app.cluster.get("statefulset", "db", "-n", app.namespace)["spec"]
    assert down["persistentVolumeClaimRetentionPolicy"]["whenScaled"] == "Retain"

    app.engine.undo(stopped.operation_id)
    up = app.cluster.get("statefulset", "db", "-n", app.namespace)
    assert up["spec"]["persistentVolumeClaimRetentionPolicy"]["whenScaled"] == "Delete"
    assert not [key for key in up["metadata"].get("annotations", {}) if key.startswith("knowngood.io/")]
    assert app.cluster.exec(app.namespace, "db-0", "cat", "/data/f") == "precious\n"
    assert app.cluster.get("pvc", "data-db-0", "-n", app.namespace)["metadata"]["uid"] == before


def test_each_kind_goes_down_and_comes_back(app: App) -> None:
    image = app.cluster.image()
    objects = [deployment("web", image, 2), daemon_set("agent", image), cron_job("nightly", image), job("once", image)]
    app.cluster.apply(*objects, namespace=app.namespace)
    cron = app.cluster.get("cronjob", "nightly", "-n", app.namespace)
    app.cluster.apply(job("nightly-1", image, cron), namespace=app.namespace)
    names = ("web", "agent", "once", "nightly-1")
    app.cluster.wait("all pods", lambda: all(pods(app, name) for name in names))
    workloads = app.resolve().workloads
    assert [w.ref for w in workloads] == ["CronJob/nightly", "DaemonSet/agent", "Deployment/web", "Job/once"]

    app.engine.run(plan(app, *(stop_step(w) for w in workloads)))
    assert [pods(app, name) for name in names] == [[], [], [], []]

    started = Plan("restore", f"{app.namespace}/app", "up", tuple(start_step(w) for w in workloads))
    assert app.engine.run(started).changed
    app.cluster.wait("all pods again", lambda: all(pods(app, name) for name in names))
    assert len(pods(app, "web")) == 2
    again = Plan("restore", f"{app.namespace}/app", "again", tuple(start_step(w) for w in workloads))
    outcome = app.engine.run(again)
    assert [entry.result for entry in outcome.operation.entries.values()] == [{"already": True}] * 4


def test_somebody_who_scales_up_again_is_noticed(app: App) -> None:
    app.cluster.apply(deployment("web", app.cluster.image()), namespace=app.namespace)
    app.cluster.wait_ready(app.namespace, "deployment/web")
    web = app.resolve().workload("Deployment/web")
    enough = threading.Event()

    def fight() -> None:
        while not enough.wait(0.2):
            app.cluster.kubectl("scale", "deployment/web", "--replicas=1", "-n", app.namespace, check=False)

    fighter = threading.Thread(target=fight)
    fighter.start()
    try:
        ref = Ref("Deployment", "web", app.namespace, web.uid)
        with pytest.raises(NotProven) as raised:
            stop(app.api, ref, "op-1", timeout_s=60, settle_s=2, keeper="somebody's operator", clock=SystemClock())
    finally:
        enough.set()
        fighter.join()
    assert "somebody starts Deployment/web again" in str(raised.value)
    assert "kubectl wrote spec.replicas through the subresource scale" in raised.value.why
    assert "somebody's operator" in raised.value.why


def test_an_autoscaler_s_number_stands_once_it_was_started(app: App) -> None:
    """A run that is taken up again after the start does not set back what an autoscaler has set since."""
    app.cluster.apply(deployment("web", app.cluster.image()), namespace=app.namespace)
    app.cluster.wait_ready(app.namespace, "deployment/web")
    web = replace(app.resolve().workload("Deployment/web"), scaled_by="HorizontalPodAutoscaler/web")
    steps = (stop_step(web, until="start Deployment/web"), start_step(web))
    app.engine.run(plan(app, *steps))
    app.cluster.kubectl("scale", "deployment/web", "--replicas=2", "-n", app.namespace)
    app.engine.run(Plan("restore", f"{app.namespace}/app", "again", (start_step(web),)))
    assert app.cluster.get("deployment", "web", "-n", app.namespace)["spec"]["replicas"] == 2


def test_another_one_of_the_same_name_is_not_touched(app: App) -> None:
    app.cluster.apply(deployment("web", app.cluster.image()), namespace=app.namespace)
    web = app.resolve().workload("Deployment/web")
    app.cluster.kubectl("delete", "deployment", "web", "-n", app.namespace)
    app.cluster.apply(deployment("web", app.cluster.image()), namespace=app.namespace)
    with pytest.raises(Conflict, match="not the one that was planned for"):
        app.engine.run(plan(app, stop_step(web)))
    assert app.cluster.get("deployment", "web", "-n", app.namespace)["spec"]["replicas"] == 1


def test_images_are_set_and_put_back(app: App) -> None:
    first, second = app.cluster.image("work"), app.cluster.image("pause")
    app.cluster.apply(deployment("web", first), namespace=app.namespace)
    web = app.resolve().workload("Deployment/web")
    outcome = app.engine.run(plan(app, images_step(web, {"main": second})))

    def image() -> str:
        template = app.cluster.get("deployment", "web", "-n", app.namespace)["spec"]["template"]
        return str(template["spec"]["containers"][0]["image"])

    assert image() == second
    app.engine.undo(outcome.operation_id)
    assert image() == first
