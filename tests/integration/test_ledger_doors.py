# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The doors of the catalogue as plays run them: scans of the shop's commits, a ledger, and the decision from both."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._cluster.auth import AuthOptions
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.client import connect
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.ledger import LedgerStore
from examples.shop import history
from tests.cluster.audit import AuditLog
from tests.cluster.handle import Cluster

ROOT = Path(__file__).resolve().parents[2]
DIGESTS = {version: f"sha256:{number:064x}" for number, version in enumerate(("a1", "b2", "b3", "c4"), start=1)}
DATABASE = f"sha256:{9:064x}"
RUNS = (("p1", "a1", 2), ("p2", "b2", 3), ("p3", "b3", 4))
MARKING = [
    {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "create", "update"]},
    {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "update"]},
]


def captured(version: str, day: int) -> dict[str, Any]:
    at = f"2026-01-{day:02d}T00:00:00Z"
    orders, database = f"registry.test/orders@{DIGESTS[version]}", f"registry.test/postgres@{DATABASE}"
    return {
        "cut_at": {"data-db-0": at, "uploads": at},
        "consistency": "fuzzy",
        "volumes": [{"claim": c, "volume_handle": f"handle-{c}", "cut_at": at} for c in ("data-db-0", "uploads")],
        "images": {
            "Deployment/orders": {"orders": {"image": orders, "digest": DIGESTS[version]}},
            "StatefulSet/db": {"postgres": {"image": database, "digest": DATABASE}},
        },
        "writers": {c: ["Deployment/orders", "StatefulSet/db"] for c in ("data-db-0", "uploads")},
    }


@pytest.fixture
def shop(cluster: Cluster, namespace: str, tmp_path: Path) -> dict[str, Any]:
    """The shop's git history, its reports (old rules for b2 and b3, new ones for all), and a ledger of three points."""
    commits = history.write_repository(tmp_path / "orders")
    (tmp_path / "reports").mkdir()
    for version, ruleset in (("b2", 1), ("b3", 1), ("a1", 2), ("b2", 2), ("b3", 2), ("c4", 2)):
        command = [sys.executable, str(ROOT / "examples" / "shop" / "scan.py"), str(tmp_path / "orders"), version]
        command += ["--ruleset", str(ruleset), "--when", f"2026-01-{4 + ruleset:02d}T00:00:00Z"]
        command += ["--output", str(tmp_path / "reports" / f"{version}-{ruleset}.sarif")]
        subprocess.run(command, check=True, cwd=ROOT)
    store = LedgerStore(connect(AuthOptions(kubeconfig=str(cluster.kubeconfig))), namespace)
    for point, version, day in RUNS:
        store.append("shop/shop", "captured", point, captured(version, day), key=point)
    return {
        "app": {
            "name": "shop",
            "namespace": "shop",
            "sources": [{"path": str(tmp_path / "orders"), "digests": {DIGESTS[v]: commits[v] for v in DIGESTS}}],
            "external_images": [{"digest": DATABASE, "assume": "ok"}],
        },
        "reports": str(tmp_path / "reports"),
        "store": str(tmp_path / "findings.ndjson"),
        "commits": commits,
    }


@pytest.fixture
def play(cluster: Cluster, namespace: str, tmp_path: Path) -> Callable[..., list[dict[str, Any]]]:
    """Runs tasks on localhost; what each task returned, in order."""

    def run(tasks: list[dict[str, Any]], *arguments: str, kubeconfig: Path | None = None) -> list[dict[str, Any]]:
        names = [task.get("register", f"result_{number}") for number, task in enumerate(tasks)]
        told = [
            {"name": f"Task {name}", "ignore_errors": True, "register": name, **task}
            for name, task in zip(names, tasks, strict=True)
        ]
        results = tmp_path / "results.json"
        content = "{{ [" + ", ".join(names) + "] | to_json }}"
        keep = {"ansible.builtin.copy": {"content": content, "dest": str(results), "mode": "0600"}, "check_mode": False}
        head = {"name": "P", "hosts": "localhost", "connection": "local", "gather_facts": False}
        (tmp_path / "play.yml").write_text(json.dumps([{**head, "tasks": [*told, {"name": "Keep", **keep}]}]))
        environment = {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".ac"),
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
            "K8S_AUTH_KUBECONFIG": str(kubeconfig or cluster.kubeconfig),
            "KNOWNGOOD_STATE_NAMESPACE": namespace,
        }
        program = [str(Path(sys.executable).parent / "ansible-playbook"), str(tmp_path / "play.yml"), *arguments]
        done = subprocess.run(program, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        found: list[dict[str, Any]] = json.loads(results.read_text())
        return found

    return run


def decide(shop: dict[str, Any]) -> list[dict[str, Any]]:
    incident = {"id": "INC-1", "time": "2026-01-05T00:00:00Z", "finding": {"rule": "shop/python/sql-injection"}}
    return [
        {"knowngood.kube.sast_report": {"path": [shop["reports"]], "dest": shop["store"]}, "register": "sast"},
        {
            "knowngood.kube.known_good": {
                "app": shop["app"],
                "incident": {**incident, "title": "Orders were altered"},
                "scans": "{{ sast.scans }}",
                "findings": [shop["store"]],
                "policy": {"gate": "high"},
            },
            "register": "decision",
        },
        {
            "knowngood.kube.recovery_point_mark": {
                "app": shop["app"],
                "state": "judged",
                "verdicts": "{{ decision.verdicts }}",
                "incident": "INC-1",
            }
        },
    ]


def test_reports_and_ledger_lead_to_the_point_before_the_injection(
    shop: dict[str, Any], play: Callable[..., list[dict[str, Any]]]
) -> None:
    _sast, decision, marked = play(decide(shop))
    assert decision["chosen"]["id"] == "p1", decision
    assert {row["id"]: row["verdict"] for row in decision["candidates"]} == {
        "p1": "clean",
        "p2": "suspect",
        "p3": "suspect",
    }
    assert decision["data_loss_h"] == 72.0
    assert decision["image_overrides"] == {"Deployment/orders": {"orders": f"registry.test/orders@{DIGESTS['c4']}"}}
    assert decision["images"][0]["commit"] == shop["commits"]["c4"]
    assert not decision["changed"]
    assert [(s["point"], s["body"]["verdict"]) for s in marked["statements"]] == [
        ("p1", "clean"),
        ("p2", "suspect"),
        ("p3", "suspect"),
    ]
    *_rest, again = play(decide(shop))
    assert (again["changed"], again["statements"]) == (False, [])


@pytest.mark.rig
def test_holding_twice_writes_once_and_check_mode_never(
    shop: dict[str, Any],
    play: Callable[..., list[dict[str, Any]]],
    user: Callable[..., Any],
    audit: AuditLog,
    namespace: str,
) -> None:
    one = user(rules={namespace: MARKING})
    tasks = [
        {
            "knowngood.kube.recovery_point_mark": {
                "app": shop["app"],
                "state": "held",
                "all": True,
                "incident": "INC-1",
                "reason": "evidence",
            }
        },
        {"knowngood.kube.recovery_point_info": {"app": shop["app"], "query": "[?held].id"}},
    ]
    audit.mark()
    checked, info = play(tasks, "--check", "--diff", kubeconfig=one.kubeconfig)
    assert (checked["changed"], info["result"], audit.writes(one.name)) == (True, [], [])
    held, info = play(tasks, kubeconfig=one.kubeconfig)
    assert not held.get("failed"), held
    assert held["plan_hash"] == checked["plan_hash"]
    assert (held["changed"], info["result"]) == (True, ["p1", "p2", "p3"])
    assert {s["by"] for s in held["statements"]} == {one.name}
    before = audit.mark()
    again, _info = play(tasks, kubeconfig=one.kubeconfig)
    assert (again["changed"], audit.writes(one.name, before)) == (False, [])


def test_a_broken_ledger_stops_a_decision(
    shop: dict[str, Any], play: Callable[..., list[dict[str, Any]]], cluster: Cluster, namespace: str
) -> None:
    cluster.kubectl("-n", namespace, "delete", "configmap", "shop.shop-000002")
    (info,) = play([{"knowngood.kube.recovery_point_info": {"app": shop["app"]}}])
    assert info["failed"]
    assert info["error"]["code"] == "ledger_broken"
    assert "statement 2 is missing" in info["msg"]
