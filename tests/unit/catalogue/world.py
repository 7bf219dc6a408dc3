# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Builds scans, commits, images and ledgers from the short words in which scenarios are told (tests/scenarios)."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from typing import Any

from ansible_collections.knowngood.kube.plugins.module_utils._catalogue.commits import CommitGraph
from ansible_collections.knowngood.kube.plugins.module_utils._catalogue.images import Source, image_map
from ansible_collections.knowngood.kube.plugins.module_utils._catalogue.incident import Incident
from ansible_collections.knowngood.kube.plugins.module_utils._catalogue.known_good import Decision, decide
from ansible_collections.knowngood.kube.plugins.module_utils._catalogue.policy import Policy
from ansible_collections.knowngood.kube.plugins.module_utils._catalogue.presence import Presences
from ansible_collections.knowngood.kube.plugins.module_utils._catalogue.scans import ScanIndex, index
from ansible_collections.knowngood.kube.plugins.module_utils._catalogue.verdict import Judge
from ansible_collections.knowngood.kube.plugins.module_utils._core.clock import parse_time
from ansible_collections.knowngood.kube.plugins.module_utils._core.findings import Finding, Scan
from ansible_collections.knowngood.kube.plugins.module_utils._core.statements import (
    Draft,
    Statement,
    fold,
    next_statement,
)

TARGET = "shop/shop"
DAY = "2026-01-{:02d}T00:00:00Z"


def commit(name: str) -> str:
    """The id of the commit that a scenario calls ``name``."""
    return hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()


def digest(name: str) -> str:
    """The digest of the image that a scenario calls ``name``."""
    return "sha256:" + hashlib.sha256(name.encode()).hexdigest()


def at(moment: Any) -> str | None:
    """A number is a day of January 2026, a text is a time."""
    return DAY.format(moment) if isinstance(moment, int) else moment


def graph(told: Mapping[str, list[str] | None]) -> CommitGraph:
    """``{name: [parents]}``, told oldest first."""
    return CommitGraph({commit(n): tuple(commit(p) for p in parents or ()) for n, parents in reversed(told.items())})


def finding(name: str, told: Mapping[str, Any], scan: str, where: str) -> Finding:
    return Finding.from_dict(
        {
            "id": name,
            "tool": told.get("tool", "scan"),
            "rule": told.get("rule", name),
            "severity": told.get("severity", "critical"),
            "severity_source": "test",
            "native": "error",
            "state": told.get("state", "live"),
            "kind": told.get("kind", "fail"),
            "message": name,
            "effect": told.get("effect", "taints"),
            "cwe": told.get("cwe", ["CWE-89"]),
            "locations": [{"path": told.get("path", "app.py")}],
            "scan": scan,
            "commit": commit(where),
        }
    )


def scan(number: int, told: Mapping[str, Any]) -> Scan:
    """``commit``, ``rules``, ``finds``; optionally ``status``, ``version``, ``time``, ``tool``, ``lost`` findings."""
    rules = told.get("rules")
    return Scan.from_dict(
        {
            "file": f"scan-{number}.sarif",
            "sha256": f"scan-{number}",
            "format": "sarif",
            "tool": told.get("tool", "scan"),
            "tool_version": str(told.get("version", "1")),
            "commit": commit(told["commit"]) if told.get("commit") else None,
            "status": told.get("status", "ok"),
            "time": at(told.get("time")),
            "ruleset": "sha256:" + "".join(sorted(rules)) if rules else None,
            "coverage": {"rules": rules or []},
            "totals": {
                "results": len(told.get("finds", [])),
                "findings": len(told.get("finds", [])) + told.get("lost", 0),
                "live": len(told.get("finds", [])),
                "suppressed": 0,
                "absent": 0,
                "passed": 0,
                "dropped": told.get("dropped", 0),
                "by_severity": {},
                "by_native": {},
                "by_baseline": {},
                "by_kind": {},
            },
        }
    )


def scans(story: Mapping[str, Any], known: CommitGraph) -> ScanIndex:
    """``scans`` of a story; what is found is described once in ``findings`` and may differ in a scan (``as``)."""
    records = [scan(number, told) for number, told in enumerate(story.get("scans", []))]
    found = [
        finding(
            name, {**story.get("findings", {}).get(name, {}), **told.get("as", {})}, f"scan-{number}", told["commit"]
        )
        for number, told in enumerate(story.get("scans", []))
        for name in told.get("finds", [])
    ]
    return index(records, found, known)


def images(runs: Mapping[str, Any]) -> dict[str, Any]:
    """``{workload: name}`` or ``{workload: [names]}`` or ``{workload: {container: name}}``."""
    found: dict[str, Any] = {}
    for workload, what in runs.items():
        containers = what if isinstance(what, Mapping) else {"main": what}
        found[workload] = {}
        for container, names in containers.items():
            several = names if isinstance(names, list) else [names]
            base = workload.partition("/")[2]
            for number, name in enumerate(several, start=1):
                line = container if number == 1 else f"{container} ({number})"
                shown = f"registry.test/{base}:{name or 'latest'}"
                found[workload][line] = {"image": shown, "digest": digest(name) if name else ""}
    return found


def captured(told: Mapping[str, Any], volumes: Mapping[str, str]) -> dict[str, Any]:
    """``volumes`` of a point: ``{claim: handle}``; ``cuts`` may tell each claim's own time."""
    cuts = {claim: at(told.get("cuts", {}).get(claim, told["at"])) for claim in volumes}
    return {
        "cut_at": cuts,
        "consistency": told.get("consistency", "crash"),
        "volumes": [{"claim": c, "volume_handle": h, "cut_at": cuts[c]} for c, h in volumes.items()],
        "images": images(told.get("runs", {})),
        "commits": {digest(d): commit(c) for d, c in told.get("commits", {}).items()},
        "writers": told.get("writers", {}),
        "purpose": told.get("purpose", "scheduled"),
        "incident": "",
        "left_out": [{"claim": claim, "reason": why} for claim, why in told.get("left_out", {}).items()],
    }


def ledger(story: Mapping[str, Any]) -> list[Statement]:
    """``point`` entries are captures; others have one key that is the kind of statement."""
    chain: list[Statement] = []
    volumes = story.get("volumes", {"data": "h0"})
    for number, told in enumerate(story["ledger"]):
        if "point" in told:
            point, kind, body = told["point"], "captured", captured(told, told.get("volumes", volumes))
        elif "restored" in told:
            claims = told.get("claims", {claim: claim for claim in volumes})
            point, kind = told["restored"], "restored"
            body = {
                "operation": "r",
                "volumes": [{"claim": s} if c == s else {"claim": s, "as": c} for c, s in claims.items()],
            }
            if told.get("undone"):
                body["undone"] = True
            if "runs" in told:
                body["images"] = images(told["runs"])
        else:
            kind, point = next(
                (key, told[key]) for key in ("held", "released", "judged", "pruned", "drilled") if key in told
            )
            body = {key: value for key, value in told.items() if key != kind}
        draft = Draft(kind, point, body, f"k{number}")
        chain.append(next_statement(chain, TARGET, draft, at=DAY.format(1), by="tester"))
    return chain


def incident(told: Mapping[str, Any] | None) -> Incident:
    if not told:
        return Incident()
    times = {key: at(told[key]) for key in ("time", "evidence_at", "disclosed_at") if told.get(key)}
    return Incident.from_dict({**told, **times})


def judge(story: Mapping[str, Any]) -> tuple[list[Statement], Judge]:
    """The ledger of a story, and who judges it."""
    known, chain = graph(story["commits"]), ledger(story)
    unmapped = set(story.get("unmapped", []))
    mapped = {name: name for name in story["commits"] if name not in unmapped}
    mapped.update(story.get("rebuilt", {}))
    source = Source("/src/orders", {digest(d): commit(c) for d, c in mapped.items()}, tuple(story.get("for", ())))
    external = [{"digest": digest(name), "assume": word} for name, word in story.get("external", {}).items()]
    policy = Policy.from_dict(story.get("policy"))
    presences = Presences(scans(story, known), known, by_version=policy.comparable == "version")
    facts = image_map([source], external, fold(chain), known)
    now = parse_time(at(story.get("now", 31)))
    assert isinstance(now, dt.datetime)
    return chain, Judge(presences, facts, policy, incident(story.get("incident")), now)


def play(story: Mapping[str, Any]) -> Decision:
    """What is decided in a story."""
    chain, who = judge(story)
    return decide(chain, who, narrower=story.get("writers"))
