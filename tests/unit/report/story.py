# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The case study as a report sees it: what each step of the incident response returned. Built fresh on each call."""

from __future__ import annotations

from typing import Any

OLD = "sha256:7a41c0de"
NEW = "sha256:03be9f12"
FIRST, SECOND, THIRD = "shop-20261121-090000-1a1a", "shop-20261121-110000-2b2b", "shop-20261121-130000-3c3c"
FORENSIC = "shop-20261121-140410-4d4d"
COMMITS = ("a1f0c93d21", "b2c4e81a07", "b3d9f62c58", "c4a7b05e94")


def incident() -> dict[str, Any]:
    return {
        "id": "INC-2026-001",
        "title": "Orders altered through the search of the orders API",
        "time": "2026-11-21T14:00:00Z",
        "finding": {"rule": "py/sql-injection", "cwe": "CWE-89", "path": "orders/search.py"},
        "mode": "strict",
        "evidence_at": "2026-11-21T13:41:07Z",
    }


def app() -> dict[str, Any]:
    return {
        "spec": {"name": "shop", "namespace": "shop"},
        "cluster_uid": "5f0c7d0e-4a4e-4a53-9b65-4f1f8f0d8c11",
        "workloads": [],
    }


def steps() -> dict[str, Any]:
    return {
        "preflight": {"checks": [{"name": "permissions", "ok": True}, {"name": "snapshot class", "ok": True}]},
        "held": {"operation": "mark-shop-aa00000001", "statements": _held()},
        "forensic": {
            "operation": "capture-shop-aa00000002",
            "plan_hash": "1c" * 32,
            "recovery_points": [
                {
                    "id": FORENSIC,
                    "cut_at": {"data-db-0": "2026-11-21T14:04:11.120Z", "uploads": "2026-11-21T14:04:11.480Z"},
                    "consistency": "fuzzy",
                    "snapshots": [
                        {"claim": claim, "snapshot": f"kg-4d4d-{claim}"} for claim in ("data-db-0", "uploads")
                    ],
                }
            ],
        },
        "containment": [_policy(), _scale_down()],
        "decision": _decision(),
        "restore": _restore(),
        "rotation": _rotation(),
        "release": _release(),
        "scans": _scans(),
        "certificates_before": _inventory(OLD, "2026-12-01T00:00:00Z"),
        "certificates_after": _inventory(NEW, "2027-02-19T14:08:00Z"),
        "approval": {"hash": "4f5c" * 16, "by": "the person on call", "at": "2026-11-21T14:04:02Z"},
        "timeline": [
            {
                "at": "2026-11-21T13:58:30Z",
                "what": "Support reports orders with a total of zero",
                "evidence": "ticket 4711",
            }
        ],
        "operations": {"operations": _journal()},
    }


def _held() -> list[dict[str, Any]]:
    return [
        {"kind": "held", "point": point, "at": f"2026-11-21T14:04:0{place}Z", "hash": f"{place}e" * 32}
        for place, point in enumerate((FIRST, SECOND, THIRD), 4)
    ]


def _policy() -> dict[str, Any]:
    return {
        "workloads": ["Deployment/orders"],
        "method": "network_policy",
        "state": "isolated",
        "enforced": False,
        "why": "still open: 10.66.0.15:8080, 10.96.31.9:8080; the policy was taken away again",
        "operation": "quarantine-shop-aa00000003",
        "proof": [_path("10.96.31.9:8080", "open", "open", False), _path("10.66.0.15:8080", "open", "open", False)],
        "notes": [],
    }


def _scale_down() -> dict[str, Any]:
    return {
        **_policy(),
        "method": "scale_down",
        "enforced": True,
        "why": "no pod is left, and 2 paths are closed",
        "operation": "quarantine-shop-aa00000004",
        "proof": [_path("10.96.31.9:8080", "open", "refused", True), _path("10.66.0.15:8080", "open", "timeout", True)],
    }


def _path(name: str, before: str | None, after: str, enforced: bool | None) -> dict[str, Any]:
    return {
        "path": name,
        "workload": "Deployment/orders",
        "via": "Service orders" if name.startswith("10.96") else "pod",
        "from": {},
        "direction": "ingress",
        "evidence": "in_cluster",
        "before": before,
        "after": after,
        "enforced": enforced,
    }


def _decision() -> dict[str, Any]:
    def candidate(name: str, hour: int, verdict: str, speaks: list[str], against: list[str]) -> dict[str, Any]:
        return {
            "id": name,
            "cut_at": {
                "data-db-0": f"2026-11-21T{hour:02d}:00:00.100Z",
                "uploads": f"2026-11-21T{hour:02d}:00:00.420Z",
            },
            "consistency": "fuzzy",
            "verdict": verdict,
            "code_at_cut": {"verdict": "clean" if verdict == "clean" else "exposed", "reasons": [], "notes": []},
            "data_exposure": {"verdict": verdict, "reasons": against if verdict != "clean" else [], "notes": []},
            "evidence": {"verdict": "clean", "reasons": [], "notes": ["no indicator was looked for"]},
            "for": speaks,
            "against": against,
            "loss_h": 14 - hour,
            "chosen_by": ["strict"] if verdict == "clean" else [],
        }

    return {
        "chosen": {"id": FIRST},
        "mode": "strict",
        "data_loss_h": 5.0,
        "candidates": [
            candidate(
                THIRD, 13, "suspect", ["newest point"], ["b3 was running and has py/sql-injection, which was exploited"]
            ),
            candidate(SECOND, 11, "suspect", [], ["b2 was running and has py/sql-injection, which was exploited"]),
            candidate(
                FIRST, 9, "clean", ["a1 was the only writer", "scan of a1 is ok and clean"], ["5 h of orders are lost"]
            ),
        ],
        "duties": [
            {"duty": "review_delta", "reason": "orders from 09:00 to 14:00 are in no clean point", "workloads": []},
            {"duty": "rotate_secrets", "reason": "the injection could read pg_shadow", "workloads": ["StatefulSet/db"]},
        ],
        "why": ["it is the newest point whose writers never ran the exploited finding"],
        "choices": {"strict": {"id": FIRST}, "evidence": {"id": SECOND}},
        "warnings": [],
        "image_overrides": {"Deployment/orders": "sha256:" + "c4" * 32},
        "images": [
            {
                "workload": "Deployment/orders",
                "container": "orders",
                "digest": "sha256:" + "c4" * 32,
                "commit": COMMITS[3],
                "reason": "newest commit without the finding",
            }
        ],
    }


def _restore() -> dict[str, Any]:
    return {
        "recovery_point": FIRST,
        "operation": "restore-shop-aa00000005",
        "plan_hash": "7d" * 32,
        "downtime_s": 21.4,
        "undo_until": "2026-11-28T14:06:00Z",
        "volumes": [
            _volume("data-db-0", "pvc-9b1f", "pvc-d07a"),
            _volume("uploads", "pvc-22c8", "pvc-e41b"),
        ],
        "verified": True,
        "verification": [
            {"probe": "orders count and checksum", "on": "staged", "state": "passed"},
            {"probe": "orders count and checksum", "on": "live", "state": "passed"},
        ],
    }


def _volume(claim: str, old: str, new: str) -> dict[str, Any]:
    return {"claim": claim, "from": old, "to": new, "kept": old, "kept_until": "2026-11-28T14:06:00Z"}


def _rotation() -> dict[str, Any]:
    return {
        "operation": "rotation-shop-aa00000006",
        "plan_hash": "e2" * 32,
        "operations": ["rotation-shop-aa00000006"],
        "generations": [
            {
                "namespace": "shop",
                "secret": "web-tls",
                "target": "shop/web-tls",
                "old": OLD,
                "old_not_after": "2026-12-01T00:00:00Z",
                "new": NEW,
                "serial": "5a11",
                "key": "ECDSA-P-256",
                "not_after": "2027-02-19T14:08:00Z",
            }
        ],
        "proof": [
            _served("port_forward", pod="web-6d9f-4xk2p", port=8443, connections=3),
            _served("port_forward", pod="web-6d9f-b7wqd", port=8443, connections=3),
            _served("in_cluster", service="web", port=443),
        ],
        "failed_handshakes": 0,
    }


def _served(path: str, **more: Any) -> dict[str, Any]:
    row = {"target": "shop/web-tls", "pod": "", "service": "", "port": 0, "path": path, "connections": 1, "why": ""}
    return {
        **row,
        "fingerprint": NEW,
        "expected": NEW,
        "ok": True,
        "status": "HTTP/1.1 200 OK",
        "verified": True,
        **more,
    }


def _release() -> dict[str, Any]:
    return {
        "workloads": ["Deployment/orders"],
        "method": "scale_down",
        "state": "released",
        "operation": "quarantine-shop-aa00000007",
        "enforced": False,
        "why": "1 paths are open again",
        "proof": [_path("10.96.31.9:8080", None, "open", None)],
    }


def _scans() -> dict[str, Any]:
    def scan(place: int, live: int) -> dict[str, Any]:
        return {
            "file": f"{COMMITS[place][:2]}.sarif",
            "sha256": f"{place}{place + 1}" * 32,
            "format": "sarif",
            "tool": "demo-scan",
            "tool_version": "2.0",
            "commit": COMMITS[place],
            "status": "ok",
            "status_reasons": [],
            "time": f"2026-11-21T13:5{place}:00Z",
            "totals": {"results": live, "findings": live, "live": live, "by_severity": {"high": live}},
        }

    def finding(place: int) -> dict[str, Any]:
        return {
            "id": f"f-{place}",
            "severity": "high",
            "rule": "py/sql-injection",
            "cwe": ["CWE-89"],
            "path": "orders/search.py",
            "line": 41,
            "commit": COMMITS[place],
            "state": "live",
            "tool": "demo-scan",
            "message": "Text of the request reaches the query without a parameter.",
        }

    return {"scans": [scan(0, 0), scan(1, 1), scan(2, 1), scan(3, 0)], "findings": [finding(1), finding(2)]}


def _inventory(fingerprint: str, until: str) -> dict[str, Any]:
    return {
        "identities": [
            {
                "namespace": "shop",
                "secret": "web-tls",
                "fingerprint": fingerprint,
                "not_after": until,
                "issuer": "CN=shop-ca",
            }
        ]
    }


def _journal() -> list[dict[str, Any]]:
    names = ("mark", "capture", "quarantine", "quarantine", "restore", "rotation", "quarantine")
    return [
        {
            "id": f"{kind}-shop-aa{place:08d}",
            "kind": kind,
            "state": "finished",
            "started": f"2026-11-21T14:04:{6 + place * 7:02d}Z" if place < 5 else f"2026-11-21T14:0{place}:10Z",
            "ended": f"2026-11-21T14:04:{9 + place * 7:02d}Z" if place < 5 else f"2026-11-21T14:0{place}:48Z",
        }
        for place, kind in enumerate(names, 1)
    ]
