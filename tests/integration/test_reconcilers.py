# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who would start the application again is frozen while its data is exchanged, and put back exactly."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._cluster import rbac
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.freezing import brackets
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.graph import resolve
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.recipes import parse
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.reconcilers import find
from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput, Denied, NotProven
from ansible_collections.knowngood.kube.plugins.module_utils._core.plan import Plan
from tests.cluster.audit import AuditLog
from tests.cluster.handle import Cluster
from tests.cluster.objects import autoscaler
from tests.integration.reconciler_app import (
    ALL_FROZEN,
    Kept,
    Seeing,
    fighting,
    frozen,
    install,
    mounting,
    operating,
    remove,
)
from tests.integration.small_app import template
from tests.integration.volumes_app import KILL_EVERY, App, Killed, dying_after

RECIPE = {"kind": "Database", "api_version": "test.knowngood.io/v1", "name": "main", "patch": {"spec": {"stop": True}}}


@pytest.fixture(scope="module")
def definitions(cluster: Cluster) -> Iterator[None]:
    install(cluster)
    yield
    remove(cluster)


@pytest.fixture
def files(definitions: None, cluster: Cluster, make_namespace: Callable[[], str]) -> App:
    return App.deployed(cluster, make_namespace(), make_namespace(), only="files")


@pytest.fixture
def kept(files: App, make_namespace: Callable[[], str]) -> Kept:
    return Kept.deployed(files, make_namespace())


def changed_after_a_point(app: App) -> str:
    app.write_file("good")
    point = app.point()
    app.write_file("bad")
    return point


def granted(app: App, name: str, without: str = "") -> list[dict[str, Any]]:
    """The shipped roles, as far as they are not about one API group."""
    manifests = rbac.manifests("restore", app_namespace=app.namespace, state_namespace=app.state, user=name)
    for one in manifests:
        if "rules" in one:
            one["rules"] = [rule for rule in one["rules"] if without not in rule["apiGroups"] or not without]
    return manifests


def test_everybody_is_frozen_for_the_swap_and_put_back_exactly(kept: Kept, user: Callable[..., Any]) -> None:
    """As a user who may do what the shipped roles say; there and back."""
    app = kept.app
    point = changed_after_a_point(app)
    name = "knowngood-reconcilers-test"
    app.kubeconfig = user(name=name, manifests=granted(app, name)).kubeconfig
    before, tools = kept.state(), app.house()
    claims = {claim: app.volume_of(claim) for claim in ("data-db-0", "files")}
    seeing = Seeing(tools.engine.actions["volumes.swap"], kept.state)
    tools.engine.actions["volumes.swap"] = seeing

    done = app.restore_with(tools, point)

    assert [frozen(state) for state in seeing.seen] == [ALL_FROZEN]
    assert seeing.seen[0]["Application/bystander"] == before["Application/bystander"]
    assert kept.state() == before
    assert app.read_file() == "good"
    told = "\n".join(done["notes"])
    assert "PodDisruptionBudget/files is about Deployment/files: not touched" in told
    assert "HorizontalPodAutoscaler/db leaves StatefulSet/db alone while it is at zero" in told
    assert "too early" not in told

    tools.engine.undo(done["operation"])

    assert [frozen(state) for state in seeing.seen] == [ALL_FROZEN] * 2, "an undo stops them, too"
    assert kept.state() == before
    assert app.read_file() == "bad"
    assert {claim: app.volume_of(claim) for claim in claims} == claims, "no claim went with its set"


@pytest.mark.parametrize("back", [False, True], ids=["resumed", "undone"])
def test_killed_while_all_is_frozen_everything_comes_back(kept: Kept, back: bool) -> None:
    app = kept.app
    point = changed_after_a_point(app)
    before = kept.state()
    # A finalizer of our own holds the old claim: the swap stands in the middle for as long as we like.
    held = '{"metadata": {"finalizers": ["knowngood.test/hold", "kubernetes.io/pvc-protection"]}}'
    app.cluster.kubectl("patch", "pvc", "files", "-n", app.namespace, "--type=merge", "-p", held)
    running = app.module("restore", recovery_point=point)
    app.cluster.wait(
        "the delete",
        lambda: app.cluster.get("pvc", "files", "-n", app.namespace)["metadata"].get("deletionTimestamp"),
        120,
    )
    log = app.house().engine.journal.list(app.spec.target)[0]
    os.kill(int(log.holder.split("/")[1]), signal.SIGKILL)
    running.communicate(timeout=60)
    assert frozen(kept.state()) == ALL_FROZEN
    app.cluster.kubectl(
        "patch", "pvc", "files", "-n", app.namespace, "--type=merge", "-p", '{"metadata": {"finalizers": null}}'
    )

    if back:
        app.undo(log.id)
    else:
        done = app.run_module("restore", recovery_point=point)
        assert done.get("operation") == log.id, done

    assert kept.state() == before
    assert app.read_file() == ("bad" if back else "good")


@pytest.mark.parametrize("back", [False, True], ids=["resumed", "undone"])
def test_killed_after_any_write_of_it_the_values_come_back(
    definitions: None, cluster: Cluster, make_namespace: Callable[[], str], back: bool
) -> None:
    """Freezing and putting back alone, killed a few writes later each time, until it is not killed any more."""
    app = App(cluster, make_namespace(), make_namespace(), cluster.kubeconfig)
    kept = Kept.at_rest(app, make_namespace())
    before = kept.state()
    number, killed = 1 - KILL_EVERY, True
    while killed:
        number += KILL_EVERY
        tools, killed = dying_after(app.house(), number), False
        plan = freezing(app, number)
        try:
            tools.engine.run(plan)
        except Killed:
            killed = True
        engine = app.house().engine
        left = [operation for operation in engine.journal.list(app.spec.target) if operation.unfinished]
        if back and left:
            engine.undo(left[0].id)
        elif killed:
            engine.run(plan)
        assert kept.state() == before, f"killed after write {number}"
    assert number > 20, "so many writes there are"


def freezing(app: App, number: int) -> Plan:
    """Freezes everybody and puts all back."""
    api = app.house().cluster
    seen = resolve(api, app.spec)
    held = brackets(find(api, seen), seen, seen.workloads, ready_timeout_s=9)
    return Plan("restore", app.spec.target, f"run {number}", (*held.before, *held.after))


def test_who_rescales_every_two_seconds_is_named_and_nothing_is_swapped(files: App) -> None:
    """Its pod takes its time to end: the fighter strikes while it does."""
    slow = '{"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 6}}}}'
    files.cluster.kubectl("patch", "deployment", "files", "-n", files.namespace, "--type=merge", "-p", slow)
    files.cluster.wait_ready(files.namespace, "deployment/files")
    point = changed_after_a_point(files)
    volume = files.volume_of("files")

    with fighting(files, "deployment/files") as times, pytest.raises(NotProven) as caught:
        files.restore(point)

    told = str(caught.value)
    assert "somebody starts Deployment/files again" in told
    assert "rogue-operator wrote spec.replicas" in told
    fighter: Any = caught.value.details["fighter"]
    assert (fighter["manager"], fighter["at"]) in [("rogue-operator", at) for at in near(times)]
    assert caught.value.details["undone"]
    assert files.volume_of("files") == volume
    files.cluster.wait_ready(files.namespace, "deployment/files")
    assert files.read_file() == "bad"
    assert files.restore(point)["changed"], "once it is gone the same task succeeds"
    assert files.read_file() == "good"


def near(times: list[str]) -> set[str]:
    """The times, and the second before each: the patch was sent before its time was noted."""
    found = set(times)
    for at in times:
        second = int(at[17:19])
        found.add(f"{at[:17]}{max(0, second - 1):02d}Z")
    return found


def test_who_strikes_right_before_the_swap_is_seen_at_the_gate(files: App) -> None:
    point = changed_after_a_point(files)
    volume, tools = files.volume_of("files"), files.house()

    def strike() -> None:
        arguments = ("-n", files.namespace, "--replicas=1")
        files.cluster.kubectl("scale", "deployment/files", *arguments)

    tools.engine.actions["workloads.see_stopped"] = Seeing(tools.engine.actions["workloads.see_stopped"], strike)
    with pytest.raises(NotProven, match="somebody starts Deployment/files again.*subresource scale") as caught:
        files.restore_with(tools, point)

    assert caught.value.details["undone"]
    assert files.volume_of("files") == volume
    files.cluster.wait_ready(files.namespace, "deployment/files")
    assert files.read_file() == "bad"


def test_the_real_autoscaler_leaves_zero_alone_and_takes_over_again(files: App) -> None:
    point = changed_after_a_point(files)
    files.cluster.apply(autoscaler("Deployment", "files", 2), namespace=files.namespace)
    files.cluster.wait("two replicas", lambda: replicas(files) == 2, 120)
    before = files.cluster.get("hpa", "files", "-n", files.namespace)["spec"]
    tools = files.house()

    def looked_at() -> str:
        """Until the autoscaler has looked at the workload at zero."""
        files.cluster.wait("the autoscaler", lambda: scaling(files) == ("False", "ScalingDisabled"), 120)
        return f"{replicas(files)} of {pods(files)}"

    seeing = Seeing(tools.engine.actions["volumes.swap"], looked_at)
    tools.engine.actions["volumes.swap"] = seeing
    done = files.restore_with(tools, point)

    assert seeing.seen == ["0 of 0"]
    assert files.read_file() == "good"
    assert replicas(files) == 2
    files.cluster.kubectl("scale", "deployment/files", "-n", files.namespace, "--replicas=1")
    files.cluster.wait("the autoscaler at work", lambda: replicas(files) == 2, 120)
    assert files.cluster.get("hpa", "files", "-n", files.namespace)["spec"] == before
    assert "HorizontalPodAutoscaler/files leaves Deployment/files alone" in "\n".join(done["notes"])


def replicas(app: App) -> int:
    return int(app.cluster.get("deployment", "files", "-n", app.namespace)["spec"]["replicas"])


def pods(app: App) -> int:
    return len(app.cluster.get("pods", "-n", app.namespace)["items"])


def scaling(app: App) -> tuple[str, str]:
    status = app.cluster.get("hpa", "files", "-n", app.namespace).get("status") or {}
    found = [c for c in status.get("conditions") or [] if c["type"] == "ScalingActive"]
    return (found[0]["status"], found[0]["reason"]) if found else ("", "")


def test_an_autoscaler_that_may_scale_to_zero_is_kept_from_scaling_up_and_put_back_exactly(files: App) -> None:
    """The server fills in the rest of its behavior meanwhile; all of that goes again."""
    metric = {"type": "External", "external": {"metric": {"name": "q"}, "target": {"type": "Value", "value": "1"}}}
    hpa = autoscaler("Deployment", "files", 0, metrics=[metric])
    point = changed_after_a_point(files)
    files.cluster.apply(hpa, namespace=files.namespace)
    before, tools = files.cluster.get("hpa", "files", "-n", files.namespace)["spec"], files.house()

    def behavior() -> Any:
        return files.cluster.get("hpa", "files", "-n", files.namespace)["spec"].get("behavior")

    seeing = Seeing(tools.engine.actions["volumes.swap"], behavior)
    tools.engine.actions["volumes.swap"] = seeing
    files.restore_with(tools, point)

    assert seeing.seen[0]["scaleUp"]["selectPolicy"] == "Disabled"
    assert files.cluster.get("hpa", "files", "-n", files.namespace)["spec"] == before


def test_rights_that_are_missing_are_named_before_anything_is_changed(
    kept: Kept, user: Callable[..., Any], audit: AuditLog
) -> None:
    app = kept.app
    point = changed_after_a_point(app)
    name = "knowngood-no-argo-test"
    app.kubeconfig = user(name=name, manifests=granted(app, name, "argoproj.io")).kubeconfig
    audit.mark()

    with pytest.raises(Denied, match=r"cannot be frozen.*Application.*docs/rbac/restore.yaml") as caught:
        app.restore(point)

    assert "applications.argoproj.io" in caught.value.why
    assert audit.writes(name) == []


def test_a_foreign_kind_is_stopped_by_its_recipe_only(files: App) -> None:
    cluster, namespace = files.cluster, files.namespace
    cluster.kubectl("scale", "deployment/files", "-n", namespace, "--replicas=0")
    database = {"apiVersion": "test.knowngood.io/v1", "kind": "Database", "metadata": {"name": "main"}, "spec": {}}
    cluster.apply({**database, "spec": {"mode": "fast"}}, namespace=namespace)
    with operating(files, "main"):
        note = ("exec", "-n", namespace, "main-0", "--", "sh", "-c")
        cluster.wait("its pod", lambda: cluster.kubectl(*note, "true", check=False).returncode == 0)
        cluster.kubectl(*note, "echo good > /v/note; sync")
        point = files.point()
        cluster.kubectl(*note, "echo bad > /v/note; sync")
        before = cluster.get("databases.test.knowngood.io", "main", "-n", namespace)["spec"]

        with pytest.raises(BadInput, match="Database/main cannot be stopped.*pause recipe for Database/main"):
            files.restore(point)
        with pytest.raises(BadInput, match="no object to pause"):
            files.restore(point, pause=parse([{**RECIPE, "name": "other"}]))
        with pytest.raises(BadInput, match=r"does not take spec\.sotp"):
            files.restore(point, pause=parse([{**RECIPE, "patch": {"spec": {"sotp": True}}}]))

        done = files.restore(point, pause=parse([{**RECIPE, "wait_for": "spec.stop"}]))

        assert cluster.kubectl(*note, "cat /v/note").stdout == "good\n"
        assert done["downtime_s"] > 0
        assert cluster.get("databases.test.knowngood.io", "main", "-n", namespace)["spec"] == before
        files.undo(done["operation"])
        assert cluster.kubectl(*note, "cat /v/note").stdout == "bad\n"
        assert cluster.get("databases.test.knowngood.io", "main", "-n", namespace)["spec"] == before


def test_a_bare_pod_is_refused(files: App, audit: AuditLog, user: Callable[..., Any]) -> None:
    point = changed_after_a_point(files)
    made = template("lone", files.cluster.image("work"), **mounting("files"))
    files.cluster.apply(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "lone"}, "spec": made["spec"]},
        namespace=files.namespace,
    )
    person = user(cluster_roles=["cluster-admin"])
    files.kubeconfig = person.kubeconfig
    audit.mark()

    with pytest.raises(BadInput, match="Pod/lone cannot be stopped.*nothing would start a bare pod again"):
        files.restore(point)

    assert audit.writes(person.name) == []
