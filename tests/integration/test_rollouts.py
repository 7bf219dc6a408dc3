# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Canary, blue and green, and the soak with real pods, real endpoints and clients that never stop connecting."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._cluster.rbac import manifests
from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import NotProven
from ansible_collections.knowngood.kube.plugins.module_utils._tls.plan import Canary
from tests.cluster.audit import AuditLog
from tests.cluster.handle import Cluster
from tests.integration.rotation_app import ROOT, Web
from tests.integration.rotation_clients import Clients


@pytest.fixture
def web(cluster: Cluster, namespace: str) -> Web:
    return Web.make(cluster, namespace)


def ours(web: Web) -> list[str]:
    """Pods and Deployments that a trial made."""
    selector = "knowngood.io/operation"
    return [
        item["metadata"]["name"]
        for kind in ("pods", "deployments")
        for item in web.cluster.get(kind, "-n", web.namespace, "-l", selector)["items"]
    ]


def selector(web: Web) -> dict[str, str]:
    found: dict[str, str] = web.cluster.get("service", "web", "-n", web.namespace)["spec"]["selector"]
    return found


def wait_begun(web: Web, step: str, and_so: Callable[[], bool], timeout_s: float = 120.0) -> None:
    """Until that step of the rotation is under way."""
    end, journal = time.monotonic() + timeout_s, web.engine().journal
    while True:
        operations = journal.list()
        if operations and operations[0].entry(f"{step} {web.namespace}/web-tls").state == "started" and and_so():
            return
        assert time.monotonic() < end, f"{step} was not begun"
        time.sleep(0.05)


def assert_as_before(web: Web, data: dict[str, str]) -> None:
    assert web.secret()["data"] == data
    assert (selector(web), ours(web), web.copies()) == ({"app": "web"}, [], [])
    assert set(web.served().values()) == {web.leaf.fingerprint}


def test_a_canary_under_clients_and_no_connection_fails(web: Web, audit: AuditLog) -> None:
    web.deploy(strategy="RollingUpdate")
    clients, mark = Clients.start(web), audit.mark()
    found = web.rotate(rollout="canary", canary=Canary(pods=1, watch_s=4.0), soak_s=3.0)
    seen = clients.wait(20)
    assert (seen["failed"], seen["why"]) == (0, [])
    assert set(seen["served"]) == {web.leaf.fingerprint, web.stored()}
    assert set(web.served().values()) == {web.stored()}
    assert [(row["path"], row["ok"]) for row in found["trial"]] == [("port_forward", True), ("in_cluster", True)]
    assert found["soak"][0]["failed"] == 0
    assert ours(web) == []
    writes = [one for one in audit.writes("", mark) if one.namespace == web.namespace]
    told = [(one.verb, one.resource) for one in writes if "canary" in one.name or one.name == "web-tls"]
    assert told.index(("delete", "pods")) < told.index(("update", "secrets"))
    assert told.count(("update", "secrets")) == 1


@pytest.mark.rig
def test_blue_and_green_under_clients_with_exactly_the_shipped_rights(web: Web, user: Callable[..., Any]) -> None:
    name = f"u-{web.namespace}"
    roles = deepcopy(
        manifests("rotate_certificates", app_namespace=web.namespace, state_namespace=web.namespace, user=name)
    )
    for one in roles:
        one["metadata"]["name"] += f"-{name}"
        if "roleRef" in one:
            one["roleRef"]["name"] += f"-{name}"
    someone = user(name=name, manifests=roles)
    web.deploy(strategy="Recreate")
    clients = Clients.start(web)
    options = web.options(rollout="blue_green", soak="2s")
    shown, printed = web.door("certificate_rotation", options, "--check", kubeconfig=someone.kubeconfig)
    assert not shown["failed"], printed
    steps = [row["name"].split()[0] for row in shown["plan"]]
    assert steps[3:] == [
        "green",
        "switch",
        "commit",
        "deliver",
        "restart",
        "prove",
        "switch_back",
        "remove",
        "soak",
        "clean",
    ]
    found, printed = web.door("certificate_rotation", options, kubeconfig=someone.kubeconfig)
    assert not found["failed"], printed
    assert found["plan_hash"] == shown["plan_hash"]
    seen = clients.wait(20)
    assert (seen["failed"], seen["why"]) == (0, [])
    assert set(seen["served"]) == {web.leaf.fingerprint, web.stored()}
    assert set(web.served().values()) == {web.stored()}
    assert (selector(web), ours(web)) == ({"app": "web"}, [])
    assert found["restarted"] == ["Deployment/web"]
    assert {row["ok"] for row in found["trial"]} == {True}


def test_a_server_that_does_not_like_it_leaves_nothing_changed(web: Web) -> None:
    old = web.leaf.fingerprint.removeprefix("sha256:")
    seen = "openssl x509 -in /etc/tls/tls.crt -noout -fingerprint -sha256 | tr -d : | tr A-F a-f"
    web.deploy(replicas=1, before=f"{seen} | grep -q {old} || exec sleep 100;")
    before = web.secret()["data"]
    with pytest.raises(NotProven, match="do not come up") as caught:
        web.rotate(rollout="canary", wait_timeout_s=6.0, probe_image="")
    assert not caught.value.changed
    assert_as_before(web, before)


def test_trouble_in_the_soak_brings_the_old_one_back(web: Web) -> None:
    web.deploy(replicas=1)
    before = web.secret()["data"]

    def stop_the_server() -> None:
        wait_begun(web, "soak", lambda: True)
        web.cluster.exec(web.namespace, web.pods()[0], "nginx", "-c", "/etc/web/nginx.conf", "-s", "stop")

    somebody = threading.Thread(target=stop_the_server)
    somebody.start()
    with pytest.raises(NotProven, match="did not stand the soak.*was restarted") as caught:
        web.rotate(soak_s=120.0, probe_image="")
    somebody.join()
    assert caught.value.details["undone"] is True
    assert_as_before(web, before)


@pytest.mark.parametrize(("rollout", "step", "way"), [("canary", "canary", "undo"), ("blue_green", "switch", "resume")])
def test_killed_while_clients_are_led_elsewhere(web: Web, rollout: str, step: str, way: str) -> None:
    web.deploy(replicas=1)
    before = web.secret()["data"]
    command = [sys.executable, "-m", "tests.integration.rotation_worker", str(web.cluster.kubeconfig), web.namespace]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / '.ac'}"}
    worker = subprocess.Popen([*command, "ca_secret", rollout], cwd=ROOT, env=environment)
    wait_begun(web, step, lambda: bool(ours(web)))
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    assert worker.returncode == -signal.SIGKILL
    if way == "undo":
        web.engine().undo(web.engine().journal.list()[0].id)
        assert_as_before(web, before)
        return
    web.rotate(probe_image="", rollout=rollout)
    assert web.stored() != web.leaf.fingerprint
    assert set(web.served().values()) == {web.stored()}
    assert (selector(web), ours(web)) == ({"app": "web"}, [])
