# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The engine on a real API server: journals, leases, and processes that are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._cluster.auth import AuthOptions
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.client import Cluster as Api
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.client import connect
from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import Conflict, NotFound
from tests.cluster.audit import AuditLog
from tests.cluster.handle import Cluster
from tests.integration.engine_worker import TARGET, engine, plan

ROOT = Path(__file__).resolve().parents[2]
WORKER = Path(__file__).with_name("engine_worker.py")


@pytest.fixture
def api(cluster: Cluster, namespace: str) -> Api:
    found = connect(AuthOptions(kubeconfig=str(cluster.kubeconfig)))
    meta = {"name": "world", "namespace": namespace}
    found.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"history": ""}})
    return found


def history(api: Api, namespace: str) -> list[str]:
    return str(api.get("ConfigMap", "world", namespace)["data"]["history"]).split()


def worker(cluster: Cluster, namespace: str, seconds: float) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / '.ac'}:{ROOT}"}
    command = [sys.executable, str(WORKER), str(cluster.kubeconfig), namespace, str(seconds)]
    return subprocess.Popen(command, text=True, stdout=subprocess.PIPE, env=environment)


def until(test: object, limit_s: float = 20) -> None:
    assert callable(test)
    end = time.monotonic() + limit_s
    while not test():
        assert time.monotonic() < end, "not within the time"
        time.sleep(0.05)


ALL = [f"step-{number}=yes" for number in range(4)]


def test_a_plan_runs_once_and_leaves_its_journal(api: Api, namespace: str) -> None:
    outcome = engine(api, namespace).run(plan())
    assert outcome.changed
    assert history(api, namespace) == ALL
    (kept,) = engine(api, namespace).journal.list(TARGET)
    assert kept.state == "finished"
    assert engine(api, namespace).ended("test", TARGET, "k") is not None


def test_killed_in_the_middle_the_next_run_takes_over_and_finishes(api: Api, cluster: Cluster, namespace: str) -> None:
    process = worker(cluster, namespace, 5.0)
    until(lambda: len(history(api, namespace)) == 2)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert engine(api, namespace).run(plan()).changed
    assert history(api, namespace) == ALL


def test_two_at_once_one_works_and_the_other_waits(api: Api, cluster: Cluster, namespace: str) -> None:
    first, second = worker(cluster, namespace, 0.5), worker(cluster, namespace, 0.5)
    assert (first.wait(60), second.wait(60)) == (0, 0)
    assert history(api, namespace) == ALL


def test_a_lease_that_is_renewed_is_not_taken(api: Api, cluster: Cluster, namespace: str) -> None:
    process = worker(cluster, namespace, 8.0)
    until(lambda: len(history(api, namespace)) == 1)
    with pytest.raises(Conflict, match="being worked on"):
        engine(api, namespace, wait_s=5.0).run(plan())
    process.kill()
    process.wait()


def test_a_writer_that_was_asleep_is_stopped_by_the_journal(api: Api, cluster: Cluster, namespace: str) -> None:
    """Stopped (SIGSTOP) past its lease, another run finishes; woken up, it must not write any more."""
    process = worker(cluster, namespace, 1.0)
    until(lambda: len(history(api, namespace)) == 1)
    process.send_signal(signal.SIGSTOP)
    engine(api, namespace).run(plan())
    process.send_signal(signal.SIGCONT)
    out, _errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "taken over" in out or "lease was lost" in out
    assert history(api, namespace) == ALL


def test_an_undo_puts_back_what_was_done_last_first(api: Api, namespace: str) -> None:
    operation = engine(api, namespace).run(plan()).operation_id
    engine(api, namespace).undo(operation)
    undone = [entry.replace("yes", "no") for entry in reversed(ALL)]
    assert history(api, namespace) == ALL + undone


@pytest.mark.rig
def test_a_finished_operation_asked_for_again_writes_nothing(api: Api, namespace: str, audit: AuditLog) -> None:
    machine = engine(api, namespace)
    operation = machine.run(plan()).operation_id
    audit.mark()
    assert not machine.resume(operation).changed
    assert [entry for entry in audit.writes() if entry.namespace == namespace] == []


def test_a_state_namespace_that_is_not_there_is_named(api: Api) -> None:
    with pytest.raises(NotFound, match="kubectl create namespace nowhere"):
        engine(api, "nowhere").run(plan())
