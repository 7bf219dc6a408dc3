# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is unfinished is shown, resumed, undone, given up and cleared away by another process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._cluster.rbac import manifests
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.scale import start_step, stop_step
from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import Conflict, NotFound
from ansible_collections.knowngood.kube.plugins.module_utils._core.plan import Plan
from tests.cluster.handle import Cluster
from tests.integration.doors import Call, play
from tests.integration.small_app import ROOT, App, deployment, service
from tests.integration.volumes_app import App as Volumes

WORKER = Path(__file__).with_name("quarantine_worker.py")


@pytest.fixture
def app(cluster: Cluster, make_namespace: Callable[[], str]) -> App:
    namespace, state = make_namespace(), make_namespace()
    cluster.apply(deployment("web", cluster.image()), service("web"), namespace=namespace)
    cluster.wait_ready(namespace, "deployment/web")
    return App(cluster, namespace, state, cluster.kubeconfig)


@pytest.fixture
def interrupted(app: App) -> App:
    """A quarantine whose process was killed while it stopped the workload."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / '.ac'}:{ROOT}"}
    command = [sys.executable, str(WORKER), str(app.kubeconfig), app.namespace, app.state]
    process = subprocess.Popen(command, env=environment)
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if app.cluster.get("deployment", "web", "-n", app.namespace)["spec"]["replicas"] == 0:
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    return app


def replicas(app: App) -> int:
    return int(app.cluster.get("deployment", "web", "-n", app.namespace)["spec"]["replicas"])


def test_listed_and_resumed(interrupted: App) -> None:
    app = interrupted
    given = {"app": {"name": "app", "namespace": app.namespace}, "state_namespace": app.state}
    listed = app.door("operation", **given)
    (row,) = listed["operations"]
    assert (listed["changed"], row["kind"], row["state"], row["target"]) == (
        False,
        "quarantine",
        "open",
        f"{app.namespace}/app",
    )
    assert row["step"] in ("isolate Deployment/web", "try the paths after")
    resumed = app.door("operation", state="resumed", **given)
    assert (resumed["changed"], resumed["operations"][0]["state"]) == (True, "finished")
    assert replicas(app) == 0
    assert not app.door("operation", state="resumed", id=row["id"], **given)["changed"]


def test_undone(interrupted: App) -> None:
    app = interrupted
    given = {"state_namespace": app.state}
    (row,) = app.door("operation", **given)["operations"]
    check = app.door("operation", check=True, state="undone", id=row["id"], **given)
    assert (check["changed"], check["operations"][0]["state"], replicas(app)) == (True, "open", 0)
    undone = app.door("operation", state="undone", id=row["id"], **given)
    assert (undone["changed"], undone["operations"][0]["state"], replicas(app)) == (True, "undone", 1)
    assert not app.door("operation", state="undone", id=row["id"], **given)["changed"]


def test_a_later_one_is_undone_first(app: App) -> None:
    isolated = app.quarantine(method="scale_down")["operation"]
    released = app.quarantine("released")["operation"]
    refused = app.door("operation", state="undone", id=isolated, state_namespace=app.state)
    assert refused["failed"]
    assert refused["error"]["code"] == "conflict"
    assert released in refused["msg"]
    app.door("operation", state="undone", id=released, state_namespace=app.state)
    assert replicas(app) == 0
    app.door("operation", state="undone", id=isolated, state_namespace=app.state)
    assert replicas(app) == 1


def test_what_is_not_there_is_said(app: App) -> None:
    nothing = app.door("operation", state="undone", id="restore-app-0000000000", state_namespace=app.state)
    assert (nothing["failed"], nothing["error"]["code"]) == (True, "not_found")
    wrong = app.door("operation", state="resumed", state_namespace=app.state)
    assert (wrong["failed"], wrong["error"]["code"]) == (True, "bad_input")


def test_what_can_go_neither_way_is_given_up(app: App, tmp_path: Path) -> None:
    """Its workload was made anew: nothing of the operation fits it any more, and others must not wait for ever."""
    found = app.resolve().workload("Deployment/web")
    plan = Plan("restore", app.spec().target, "k", (stop_step(found), start_step(replace(found, name="gone"))))
    with pytest.raises(NotFound):
        app.engine.run(plan)
    assert replicas(app) == 0
    app.cluster.kubectl("delete", "deployment", "web", "-n", app.namespace, "--cascade=foreground")
    app.cluster.apply(deployment("web", app.cluster.image()), namespace=app.namespace)
    app.cluster.wait_ready(app.namespace, "deployment/web")
    (operation,) = (op.id for op in app.engine.journal.list())
    for way in (app.engine.resume, app.engine.undo):
        with pytest.raises(Conflict, match="made anew") as caught:
            way(operation)
        assert "state=abandoned" in caught.value.next
    with pytest.raises(Conflict, match="is unfinished"):
        app.quarantine(method="network_policy", incident="INC-2")

    given = {"state_namespace": app.state, "state": "abandoned", "id": operation, "reason": "web was made anew"}
    played = play(
        tmp_path,
        [Call("check", "operation", {**given, "reason": ""}), Call("do", "operation", given)],
        "--check",
        "--diff",
        defaults={"kubeconfig": str(app.kubeconfig)},
    )
    assert (played["check"]["failed"], "without a reason" in played["check"]["msg"]) == (True, True)
    assert (played["do"]["changed"], played["do"]["operations"][0]["state"]) == (True, "open")
    assert played["do"]["diff"] == {"before": {operation: "open"}, "after": {operation: "abandoned"}}
    assert app.engine.journal.list()[0].state == "open"

    told = app.door("operation", **given)
    (row,) = told["operations"]
    assert (told["changed"], row["state"], row["step"]) == (True, "abandoned", "")
    assert (row["abandoned"]["by"], row["abandoned"]["reason"]) == (app.api.whoami(), "web was made anew")
    assert [(step["name"], step["touches"], step["state"]) for step in row["left"]] == [
        ("stop Deployment/web", [f"Deployment {app.namespace}/web"], "started"),
        ("start Deployment/gone", [f"Deployment {app.namespace}/gone"], "started"),
    ]
    assert replicas(app) == 1, "nothing but the journal is touched"
    again = app.door("operation", **given)
    assert (again["changed"], again["operations"][0]["abandoned"]) == (False, row["abandoned"])
    assert app.quarantine(method="scale_down", incident="INC-1")["enforced"], "the application is free again"


def test_an_undo_whose_volume_is_gone_changes_nothing(cluster: Cluster, make_namespace: Callable[[], str]) -> None:
    app = Volumes.deployed(cluster, make_namespace(), make_namespace(), only="files")
    app.write_file("good")
    point = app.point()
    app.write_file("bad")
    done = app.restore(point)
    old = next(row["from"] for row in done["volumes"] if row["claim"] == "files")
    cluster.kubectl("delete", "pv", old)
    pods = cluster.get("pods", "-n", app.namespace)["items"]

    with pytest.raises(Conflict, match=f"the old volume {old} of claim files is gone"):
        app.undo(done["operation"])

    assert app.house().engine.journal.get(done["operation"]).state == "finished"
    assert [p["metadata"]["uid"] for p in cluster.get("pods", "-n", app.namespace)["items"]] == [
        p["metadata"]["uid"] for p in pods
    ]
    assert app.read_file() == "good"


def test_journals_that_nobody_needs_are_cleared_away(app: App, user: Callable[..., Any]) -> None:
    """By a user with exactly the role that is shipped for maintenance."""
    held = app.quarantine(method="scale_down", incident="INC-1")["operation"]
    app.cluster.apply(deployment("other", app.cluster.image()), namespace=app.namespace)
    other = {"workloads": ("Deployment/other",), "incident": "INC-2"}
    isolated = app.quarantine(method="scale_down", **other)["operation"]
    released = app.quarantine("released", **other)["operation"]
    keeper = user(name=f"keeper-{app.namespace}")
    namespaced = {"app_namespace": app.namespace, "state_namespace": app.state, "user": keeper.name}
    app.cluster.apply(*[one for one in manifests("maintenance", **namespaced) if "namespace" in one["metadata"]])
    mine = app.as_user(keeper.kubeconfig)
    given = {"app": {"name": "app", "namespace": app.namespace}, "state_namespace": app.state, "state": "cleared"}

    assert not mine.door("operation", **given)["changed"], "they are young"
    shown = mine.door("operation", check=True, older_than="0s", **given)
    assert (shown["changed"], [row["id"] for row in shown["operations"]]) == (True, [isolated])
    assert [step["state"] for step in shown["plan"]] == ["todo"]
    assert {op.id for op in app.engine.journal.list()} == {held, isolated, released}

    done = mine.door("operation", older_than="0s", **given)
    assert (done["changed"], [row["id"] for row in done["operations"]]) == (True, [isolated])
    assert {op.id for op in app.engine.journal.list()} == {held, released}, "one holds a workload, one is the newest"
    again = mine.door("operation", older_than="0s", **given)
    assert (again["changed"], again["operations"], again["plan"]) == (False, [], [])
