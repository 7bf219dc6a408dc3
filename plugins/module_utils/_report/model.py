# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report as one JSON value; the HTML and Markdown pages show it and nothing else.

The shape is ``knowngood.io/incident-report/v1``, described in docs/incident_report.md. Unknown is null. Pure: the same
input gives the same value, and no clock is read.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._core.errors import BadInput
from .certificates import certificates
from .containment import containment
from .decision import decision
from .fields import Row, flag, lines, row, rows, text, words
from .findings import findings
from .gaps import gaps
from .intake import application, intake, results
from .operations import operations
from .phases import Phase, journal_of, phases
from .text import moment, seconds_between
from .timeline import timeline
from .verdict import verdict
from .volumes import volumes

SCHEMA = "knowngood.io/incident-report/v1"
UNSIGNED: Mapping[str, Any] = {"state": "unsigned", "algorithm": None, "key_sha256": None, "public_key": None}


def build(
    incident: Mapping[str, Any],
    app: Any,
    steps: Mapping[str, Any],
    *,
    check: bool = False,
    signature: Mapping[str, Any] | None = None,
) -> Row:
    """The report. Raises BadInput when the incident has no id or the application no name; all else may be missing."""
    return _build(intake(incident), intake(app), intake(steps), check, signature or UNSIGNED)


def _build(incident: Row, app: Any, steps: Row, check: bool, signature: Mapping[str, Any]) -> Row:
    journal = journal_of(steps)
    found = phases(steps, journal, check)
    about = _incident(incident)
    told: Row = {
        "decision": decision(steps),
        "containment": containment(steps),
        "volumes": volumes(steps),
        "certificates": certificates(steps),
        "findings": findings(steps, incident),
        "approval": _approval(steps),
        "signature": dict(signature),
    }
    told["figures"] = _figures(about, told, found)
    return {
        "schema": SCHEMA,
        "run": "check" if check else "apply",
        "incident": about,
        "application": application(app, steps),
        "verdict": verdict(told, found, check),
        "figures": told["figures"],
        "phases": [phase.to_dict() for phase in found.values()],
        "timeline": timeline(steps, about, told, found),
        "decision": told["decision"],
        "containment": told["containment"],
        "volumes": told["volumes"],
        "certificates": told["certificates"],
        "findings": told["findings"],
        "duties": _duties(steps),
        "gaps": gaps(steps, told, found),
        "operations": operations(steps, journal),
        "approval": told["approval"],
        "hashes": _hashes(steps, told),
        "signature": told["signature"],
        "inputs": {"incident": incident, "app": app, "steps": _without_plan_states(steps)},
    }


def _incident(incident: Row) -> Row:
    name = text(incident, "id")
    if not name:
        raise BadInput("the incident has no id", where="incident.id", next="for example INC-2026-001")
    finding = row(incident.get("finding"))
    return {
        "id": name,
        "title": text(incident, "title", "description"),
        "time": moment(text(incident, "time")),
        "mode": text(incident, "mode"),
        "evidence_at": moment(text(incident, "evidence_at")),
        "finding": {key: words(value) for key, value in sorted(finding.items()) if words(value)},
    }


def _figures(incident: Row, told: Row, found: Mapping[str, Phase]) -> Row:
    """Seconds from the declared incident: to the end of containment, and to the release (recovery)."""
    return {
        "downtime_s": told["volumes"]["downtime_s"],
        "data_loss_h": told["decision"]["data_loss_h"],
        "time_to_contain_s": _until(incident, found["containment"]),
        "time_to_restore_s": _until(incident, found["restore"]),
        "time_to_recover_s": _until(incident, found["release"]),
    }


def _until(incident: Row, phase: Phase) -> float | None:
    return seconds_between(incident["time"], phase.ended) if phase.happened else None


def _approval(steps: Row) -> Row:
    given = row(steps.get("approval"))
    return {
        "hash": text(given, "hash"),
        "by": text(given, "by"),
        "at": moment(text(given, "at")),
    }


def _duties(steps: Row) -> list[Row]:
    """What is left to do. A duty is open unless the step that named it says that it is done."""
    return [
        _duty(duty)
        for result in results(steps.get("decision"))
        for duty in (result["duties"] if isinstance(result.get("duties"), list) else lines(result.get("duties")))
    ]


def _duty(duty: Any) -> Row:
    given = row(duty)
    what = (text(given, "duty", "what") or words(duty)).replace("_", " ")
    workloads = lines(given.get("workloads"))
    return {
        "what": what + (f" ({', '.join(workloads)})" if workloads else ""),
        "why": text(given, "reason", "why"),
        "findings": lines(given.get("findings")),
        "open": flag(given, "done") is not True,
    }


def _hashes(steps: Row, told: Row) -> list[Row]:
    """Every hash that the evidence is known by."""
    found = [("approved plan", told["approval"]["hash"])]
    found += [(f"scan {scan['file'] or ''}".strip(), scan["sha256"]) for scan in told["findings"]["scans"]]
    for key in ("scans", "decision"):
        for result in results(steps.get(key)):
            found += [
                (f"{key} {name}", text(result, name)) for name in ("dest_sha256", "store_sha256") if text(result, name)
            ]
    for key in ("held", "forensic", "restore"):
        for result in results(steps.get(key)):
            points = [result, *rows(result.get("recovery_points"))]
            found += [
                (f"statement {text(entry, 'kind') or ''} {text(entry, 'point') or ''}".strip(), text(entry, "hash"))
                for point in points
                for entry in rows(point.get("statements"))
            ]
    return [{"what": what, "sha256": value} for what, value in dict.fromkeys(found) if value]


def _without_plan_states(steps: Row) -> Row:
    """Plans without ``state``: a step that was to do in the first run is done in the second, the plan is the same."""
    return {key: _plan_stripped(value) for key, value in steps.items()}


def _plan_stripped(value: Any) -> Any:
    if isinstance(value, list):
        return [_plan_stripped(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: [{name: item for name, item in step.items() if name != "state"} for step in rows(part)]
        if key == "plan" and isinstance(part, list)
        else _plan_stripped(part)
        for key, part in value.items()
    }
