# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Quarantine on a cluster that does not enforce policies, and on one that does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._cluster import containment
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.quarantine_holds import holds
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.rbac import manifests
from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput, Conflict
from tests.cluster.audit import AuditLog
from tests.cluster.handle import Cluster
from tests.integration.small_app import ROOT, App, deployment, service

WORKER = Path(__file__).with_name("quarantine_worker.py")


@pytest.fixture
def app(cluster: Cluster, make_namespace: Callable[[], str]) -> App:
    namespace, state = make_namespace(), make_namespace()
    image = cluster.image()
    cluster.apply(deployment("web", image, 2), service("web"), deployment("other", image), namespace=namespace)
    cluster.wait_ready(namespace, "deployment/web", "deployment/other")
    return App(cluster, namespace, state, cluster.kubeconfig)


@pytest.fixture
def as_responder(app: App, user: Callable[..., Any]) -> App:
    """A user with exactly the role that is shipped for incident_response."""
    responder = user(name=f"responder-{app.namespace}")
    granted = manifests(
        "incident_response", app_namespace=app.namespace, state_namespace=app.state, user=responder.name
    )
    for one in granted:  # cluster roles of several tests must not be one
        if "namespace" not in one["metadata"]:
            one["metadata"]["name"] += f"-{app.namespace}"
            if "roleRef" in one:
                one["roleRef"]["name"] = one["metadata"]["name"]
    app.cluster.apply(*granted)
    return app.as_user(responder.kubeconfig)


def web(app: App) -> dict[str, Any]:
    found: dict[str, Any] = app.cluster.get("deployment", "web", "-n", app.namespace)
    return found


def ours(obj: dict[str, Any]) -> dict[str, str]:
    return {k: v for k, v in obj["metadata"].get("annotations", {}).items() if k.startswith("knowngood.io/")}


def policies(app: App) -> list[Any]:
    found: list[Any] = app.cluster.get("networkpolicy", "-n", app.namespace)["items"]
    return found


@contextmanager
def enforcing(app: App) -> Iterator[None]:
    """As if a network plugin acted on the policy: traffic to the pods is dropped from when it is there."""
    addresses = [p["status"]["podIP"] for p in app.cluster.get("pods", "-n", app.namespace, "-l", "app=web")["items"]]
    enough = threading.Event()

    def act() -> None:
        while not policies(app):
            if enough.wait(0.1):
                return
        with app.cluster.dropping(addresses):
            enough.wait()

    agent = threading.Thread(target=act)
    agent.start()
    try:
        yield
    finally:
        enough.set()
        agent.join()


def test_a_policy_that_nobody_enforces_is_found_out_and_taken_away(app: App) -> None:
    told = app.quarantine(incident="INC-1")
    assert (told["changed"], told["enforced"]) == (True, False)
    assert {(row["before"], row["after"], row["evidence"]) for row in told["proof"]} == {("open", "open", "in_cluster")}
    assert len(told["proof"]) == 3
    assert policies(app) == []
    assert ours(web(app)) == {}


def test_left_in_place_when_asked_to(app: App) -> None:
    told = app.quarantine(keep_unenforced=True)
    assert not told["enforced"]
    assert len(policies(app)) == 1
    assert app.quarantine("released")["changed"]
    assert policies(app) == []


@pytest.mark.rig
def test_dropped_traffic_flips_the_verdict(app: App) -> None:
    with enforcing(app):
        told = app.quarantine(incident="INC-1")
        assert (told["enforced"], told["changed"]) == (True, True)
        assert {row["after"] for row in told["proof"]} == {"timeout"}
        again = app.quarantine(incident="INC-1")
        assert (again["enforced"], again["changed"]) == (True, False)
        assert web(app)["spec"]["replicas"] == 2
    released = app.quarantine("released", incident="INC-1")
    assert {row["after"] for row in released["proof"]} == {"open"}
    assert policies(app) == []


@pytest.mark.rig
def test_scaled_down_proven_once_and_brought_back(as_responder: App, audit: AuditLog) -> None:
    app, name = as_responder, f"responder-{as_responder.namespace}"
    told = app.quarantine(method="scale_down", incident="INC-1")
    assert told["enforced"]
    assert {row["before"] for row in told["proof"]} == {"open"}
    assert "open" not in {row["after"] for row in told["proof"]}
    marks = ours(web(app))
    assert marks["knowngood.io/quarantine"] == told["operation"]
    assert marks["knowngood.io/resting-replicas"] == "2"
    assert app.resolve().workload("Deployment/web").resting_replicas == 2

    audit.mark()
    again = app.quarantine(method="scale_down", incident="INC-1")
    assert (again["changed"], again["enforced"], again["operation"]) == (False, True, told["operation"])
    assert audit.writes(name) == []

    released = app.quarantine("released", incident="INC-1")
    assert released["changed"]
    assert {row["after"] for row in released["proof"]} == {"open"}
    assert (web(app)["spec"]["replicas"], ours(web(app))) == (2, {})

    audit.mark()
    assert not app.quarantine("released", incident="INC-1")["changed"]
    after = app.quarantine(method="scale_down", incident="INC-1")
    assert (after["changed"], after["enforced"]) == (False, False)
    assert "released since" in after["why"]
    assert audit.writes(name) == []
    assert {request.code for request in audit.requests(name)} <= {200, 201, 404}


@pytest.mark.rig
def test_check_mode_writes_nothing_and_shows_the_plan_that_runs(as_responder: App, audit: AuditLog) -> None:
    audit.mark()
    shown = as_responder.quarantine(method="scale_down", check_mode=True)
    assert audit.writes(f"responder-{as_responder.namespace}") == []
    done = as_responder.quarantine(method="scale_down")
    assert shown["changed"]
    assert shown["plan_hash"] == done["plan_hash"]


def test_without_an_incident_the_state_counts(app: App) -> None:
    assert app.quarantine(method="scale_down")["changed"]
    assert not app.quarantine(method="scale_down")["changed"]
    app.quarantine("released")
    assert app.quarantine(method="scale_down")["changed"]


def test_another_incident_does_not_let_go(app: App) -> None:
    app.quarantine(method="scale_down", incident="INC-1")
    with pytest.raises(Conflict, match="INC-1"):
        app.quarantine("released", incident="INC-2")
    assert web(app)["spec"]["replicas"] == 0


def holders(app: App) -> list[str]:
    return [hold.incident for hold in holds(web(app))]


def test_two_incidents_hold_it_and_the_last_to_let_go_opens_it(app: App) -> None:
    first = app.quarantine(method="scale_down", incident="INC-1")
    second = app.quarantine(method="scale_down", incident="INC-2")
    assert (second["changed"], second["enforced"]) == (True, True)
    assert holders(app) == ["INC-1", "INC-2"]
    assert any("INC-1 and incident INC-2" in note for note in second["notes"])

    one = app.quarantine("released", incident="INC-1")
    assert (one["changed"], one["released"], one["proof"]) == (True, False, [])
    assert "still held by incident INC-2" in one["why"]
    assert (web(app)["spec"]["replicas"], holders(app)) == (0, ["INC-2"])
    with pytest.raises(Conflict, match="held by incident INC-2"):
        app.quarantine("released", incident="INC-3")
    twice = app.quarantine("released", incident="INC-1")
    assert (twice["changed"], twice["released"], twice["operation"]) == (False, False, one["operation"])
    asked_again = app.quarantine(method="scale_down", incident="INC-1")
    assert (asked_again["changed"], asked_again["operation"]) == (False, first["operation"])

    app.engine.undo(one["operation"])
    assert sorted(holders(app)) == ["INC-1", "INC-2"]
    app.quarantine("released", incident="INC-1")
    last = app.quarantine("released", incident="INC-2")
    assert (last["changed"], last["released"]) == (True, True)
    assert {row["after"] for row in last["proof"]} == {"open"}
    assert (web(app)["spec"]["replicas"], ours(web(app))) == (2, {})


def test_each_holder_takes_its_own_method_with_it(app: App) -> None:
    app.quarantine(method="network_policy", incident="INC-1", keep_unenforced=True)
    by_scale = app.quarantine(method="scale_down", incident="INC-2")
    assert (web(app)["spec"]["replicas"], len(policies(app))) == (0, 1)

    app.engine.undo(by_scale["operation"])
    assert (web(app)["spec"]["replicas"], len(policies(app)), holders(app)) == (2, 1, ["INC-1"])

    app.quarantine(method="scale_down", incident="INC-3")
    app.quarantine("released", incident="INC-1")
    assert (web(app)["spec"]["replicas"], policies(app), holders(app)) == (0, [], ["INC-3"])
    app.quarantine("released")
    assert (web(app)["spec"]["replicas"], ours(web(app))) == (2, {})


def test_a_plan_that_somebody_was_faster_than_changes_nothing(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both look at a running workload; the other one isolates it while this one waits for the lease."""
    winners: list[str] = []

    def look_late(*given: Any) -> Any:
        if not winners:
            winners.append("")
            winners[0] = app.quarantine(method="scale_down", incident="INC-1")["operation"]
        return plan_of(*given)

    plan_of = containment._plan
    monkeypatch.setattr(containment, "_plan", look_late)
    with pytest.raises(Conflict, match="since this plan was made") as caught:
        app.quarantine(method="scale_down", incident="INC-2", workloads=("Deployment/other",))
    assert caught.value.details["changed_by"] == winners[0]
    assert len(app.engine.journal.list()) == 1


def test_undo_puts_it_back(app: App) -> None:
    told = app.quarantine(method="scale_down", incident="INC-1")
    app.engine.undo(told["operation"])
    assert (web(app)["spec"]["replicas"], ours(web(app))) == (2, {})


def killed_when(app: App, reached: Callable[[], bool]) -> None:
    """An isolation by a process of its own, which is killed as soon as that is reached."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / '.ac'}:{ROOT}"}
    command = [sys.executable, str(WORKER), str(app.kubeconfig), app.namespace, app.state]
    process = subprocess.Popen(command, env=environment)
    end = time.monotonic() + 30
    while not reached() and time.monotonic() < end:
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()


@pytest.mark.parametrize("moment", ["marked", "stopping"])
def test_killed_in_the_middle_the_same_task_finishes(app: App, moment: str) -> None:
    def reached() -> bool:
        now = web(app)
        return bool(ours(now)) and (moment == "marked" or now["spec"]["replicas"] == 0)

    killed_when(app, reached)
    told = app.quarantine(method="scale_down", incident="INC-1")
    assert told["enforced"]
    assert len(app.engine.journal.list()) == 1
    assert ours(web(app))["knowngood.io/resting-replicas"] == "2"
    app.quarantine("released", incident="INC-1")
    assert web(app)["spec"]["replicas"] == 2


def test_killed_while_it_tries_paths_an_undo_leaves_no_pod_of_ours(app: App) -> None:
    def probes() -> list[str]:
        found = app.api.list("Pod", app.namespace, selector="app.kubernetes.io/managed-by=knowngood")
        return [pod["metadata"]["name"] for pod in found]

    killed_when(app, lambda: bool(probes()))
    assert probes()
    (left,) = app.engine.journal.list()
    app.engine.undo(left.id)
    assert probes() == []
    assert (web(app)["spec"]["replicas"], ours(web(app))) == (2, {})


def test_bad_input_is_refused_before_anything_is_written(app: App) -> None:
    for wrong in ({"workloads": ("Deployment/nope",)}, {"workloads": ()}):
        with pytest.raises(BadInput):
            app.quarantine(**wrong)
    assert app.engine.journal.list() == []


def test_the_door(app: App) -> None:
    given = {"app": {"name": "app", "namespace": app.namespace}, "state_namespace": app.state}
    shown = app.door("quarantine", check=True, workloads=["Deployment/web"], method="scale_down", **given)
    assert (shown["changed"], shown["operation"]) == (True, "")
    told = app.door("quarantine", workloads=["Deployment/web"], method="scale_down", **given)
    assert (told["enforced"], told["plan_hash"]) == (True, shown["plan_hash"])
    assert app.door("quarantine", state="released", **given)["changed"]
    wrong = app.door("quarantine", workloads=["Deployment/nope"], **given)
    assert wrong["failed"]
    assert "Deployment/web" in wrong["msg"]
