# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was not checked and what is not known: the part of a report that is usually missing.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .containment import last_word
from .fields import Row, rows, text
from .intake import results
from .phases import FAILED, NOT_REPORTED, PLANNED, SKIPPED, UNDONE, UNFINISHED, Phase

_PHASE_WORDS = {
    NOT_REPORTED: "not done, or its result was not handed to this report",
    SKIPPED: "skipped",
    PLANNED: "planned and not run",
    FAILED: "failed",
    UNDONE: "done and taken back, so what this report shows of it no longer holds",
    UNFINISHED: "begun and not finished",
}


def gaps(steps: Mapping[str, Any], told: Mapping[str, Any], found: Mapping[str, Phase]) -> list[Row]:
    """Rows with ``about`` and ``what``; empty when this report knows of no gap (not: when there is none)."""
    entries = [
        *_phases(found),
        *_preflight(steps),
        *_decision(told["decision"]),
        *_scans(told["findings"]),
        *_containment(told["containment"]),
        *_certificates(told["certificates"], steps),
        *_volumes(told["volumes"], found["restore"]),
        *_figures(told["figures"]),
        *_approval(told["approval"]),
    ]
    if told["signature"]["state"] == "unsigned":
        entries.append(("Signature", "this report is unsigned: who wrote it cannot be proven from it"))
    return [{"about": about, "what": what} for about, what in dict.fromkeys(entries)]


def _phases(found: Mapping[str, Phase]) -> list[tuple[str, str]]:
    return [
        (phase.to_dict()["title"], _PHASE_WORDS[phase.state] + (f": {phase.note}" if phase.note else ""))
        for phase in found.values()
        if phase.state in _PHASE_WORDS
    ]


def _preflight(steps: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        (
            "Preflight",
            f"{text(check, 'name') or 'a check'} {'could not be made' if check.get('ok') is None else 'did not pass'}: "
            + (text(check, "what") or "no reason given"),
        )
        for result in results(steps.get("preflight"))
        for check in rows(result.get("checks"))
        if check.get("ok") is not True
    ]


def _decision(decision: Row) -> list[tuple[str, str]]:
    entries = [("Decision", warning) for warning in decision["warnings"]]
    for point in decision["candidates"]:
        if point["verdict"] in (None, "unverified"):
            entries.append(
                ("Decision", f"{point['id']}: {point['verdict'] or 'no verdict'}, so neither good nor bad is known")
            )
    if not decision["candidates"]:
        entries.append(("Decision", "no recovery point was compared in this report"))
    if decision["data_loss_h"] is None:
        entries.append(("Decision", "how much data is lost is not known"))
    return entries


def _scans(findings: Row) -> list[tuple[str, str]]:
    entries = []
    if not findings["scans"]:
        entries.append(("Findings", "no scan was handed to this report"))
    for scan in findings["scans"]:
        name = scan["file"] or scan["sha256"] or "a scan"
        if scan["status"] != "ok":
            reasons = "; ".join(scan["status_reasons"])
            entries.append(
                (
                    "Findings",
                    f"{name} is {scan['status'] or 'of unknown status'}, it cannot show absence"
                    + (f": {reasons}" if reasons else ""),
                )
            )
        if not scan["commit"]:
            entries.append(("Findings", f"{name} names no commit, so what it scanned is not known"))
        if scan["truncated"]:
            entries.append(("Findings", f"{name} was read up to a limit only"))
    if findings["left_out"]:
        entries.append(("Findings", f"{findings['left_out']} live findings are not listed here, only counted"))
    return entries


def _containment(containment: Row) -> list[tuple[str, str]]:
    """What no attempt closed: a method that failed and was followed by one that works is no gap."""
    entries = []
    for isolation in containment["isolations"]:
        if not isolation["enforced"] and not isolation["paths"]:
            name = ", ".join(isolation["workloads"]) or "the workloads"
            what = f"whether {isolation['method'] or 'the method'} is enforced for {name} is not known"
            entries.append(("Containment", f"{what}: {isolation['why'] or 'no path was tried'}"))
        entries += [("Containment", note) for note in isolation["notes"]]
    for path, enforced in last_word(containment["isolations"]).items():
        if enforced is not True:
            seen = "a probe still came through" if enforced is False else "nothing proves it closed"
            entries.append(("Containment", f"path {path or 'of unknown name'}: {seen}"))
    return entries


def _certificates(certificates: Row, steps: Mapping[str, Any]) -> list[tuple[str, str]]:
    entries = [
        ("Certificates", f"no inventory {word} the incident response was handed to this report")
        for key, word in (("certificates_before", "before"), ("certificates_after", "after"))
        if not results(steps.get(key))
    ]
    for entry in certificates["proof"]:
        where = f"{entry['where'] or 'a place not named'}" + (f" port {entry['port']}" if entry["port"] else "")
        if entry["ok"] is not True:
            word = "unknown" if entry["ok"] is None else "not as expected"
            entries.append(
                (
                    "Certificates",
                    f"{where}: what is served is {word}" + (f" ({entry['detail']})" if entry["detail"] else ""),
                )
            )
        elif not entry["path"]:
            entries.append(("Certificates", f"{where}: by which path the evidence came is not known"))
    if any(entry["path"] == "port_forward" for entry in certificates["proof"]) and not any(
        entry["path"] == "in_cluster" for entry in certificates["proof"]
    ):
        entries.append(
            ("Certificates", "seen through port-forwards only: Services and network policies were not on that path")
        )
    return entries


def _volumes(volumes: Row, phase: Phase) -> list[tuple[str, str]]:
    if not phase.happened:
        return []
    entries = [
        (
            "Restore",
            f"check {check['name'] or 'of unknown name'}{' on ' + check['where'] if check['where'] else ''}: "
            + (check["outcome"] or "outcome unknown")
            + (f" ({check['detail']})" if check["detail"] else ""),
        )
        for check in volumes["checks"]
        if check["outcome"] != "passed"
    ]
    if not volumes["checks"]:
        entries.append(("Restore", "no check of the restored data was reported"))
    if not volumes["rows"]:
        entries.append(("Restore", "which volumes were put back is not known"))
    return entries


def _figures(figures: Row) -> list[tuple[str, str]]:
    names = {
        "downtime_s": "the downtime",
        "time_to_contain_s": "the time to contain",
        "time_to_recover_s": "the time to recover",
    }
    return [("Figures", f"{name} is not known") for key, name in names.items() if figures[key] is None]


def _approval(approval: Row) -> list[tuple[str, str]]:
    entries = []
    if not approval["hash"]:
        entries.append(("Approval", "no approval was recorded"))
    elif not approval["by"]:
        entries.append(("Approval", "who approved is not recorded"))
    return entries
