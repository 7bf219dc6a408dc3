# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How each value of one finding was derived, in words, from what its record says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_RESOLUTIONS = {
    "index": "by the index that the result states",
    "guid": "by the guid that the result states",
    "id": "by its id",
    "prefix": "by the beginning of its id",
    "none": "to none: the report describes no such rule",
}
_STATES = {
    "live": "nothing hides it",
    "suppressed": "what hides it is accepted",
    "absent": "the report says that it is history (baselineState absent)",
}
_PLACES = {
    "inside": "relative to the root of the repository",
    "absolute": "a path of the machine that scanned; its root is not known",
    "outside_root": "it leaves the root, or belongs to another one: a label that is never opened",
}


def explained(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One entry a value (``key``, ``value``, ``because``) of a record as ``Finding.to_dict`` gives it."""
    lines = [_severity(record), _rule(record), _state(record), *_weaknesses(record), _effect(record), _identity(record)]
    for at, place in enumerate(record.get("locations") or ()):
        lines.append(_line(f"locations[{at}]", place["path"], _PLACES.get(place["place"], "")))
    return lines


def _line(key: str, value: Any, because: str) -> dict[str, Any]:
    return {"key": key, "value": value, "because": because}


def _severity(record: Mapping[str, Any]) -> dict[str, Any]:
    native = f"the tool's own word is {record['native']}"
    if record.get("security_severity"):
        native += f", its security severity {record['security_severity']}"
    override = record.get("override")
    if override:
        because = (
            f"the policy's rule {override['match']} replaced {override['before']} (from {override['source_before']})"
            + (f": {override['reason']}" if override.get("reason") else "")
        )
    else:
        because = f"decided by {record['severity_source']}"
    return _line("severity", record["severity"], f"{because}; {native}")


def _rule(record: Mapping[str, Any]) -> dict[str, Any]:
    how = _RESOLUTIONS.get(str(record.get("rule_resolution")), str(record.get("rule_resolution")))
    resolved = f"resolved {how}"
    if record.get("descriptor"):
        resolved += f", which is {record['descriptor']}"
    return _line("rule", record["rule"], resolved)


def _state(record: Mapping[str, Any]) -> dict[str, Any]:
    said = [
        f"{entry['kind']} {entry['status']}" + (f" ({entry['justification']})" if entry.get("justification") else "")
        for entry in record.get("suppressions") or ()
    ]
    because = _STATES.get(record["state"], "")
    return _line("state", record["state"], f"{because}: {'; '.join(said)}" if said else because)


def _weaknesses(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    sources = record.get("cwe_sources") or {}
    return [_line("cwe", name, f"named by {', '.join(sources.get(name, ()))}") for name in record.get("cwe") or ()]


def _effect(record: Mapping[str, Any]) -> dict[str, Any]:
    decided = record.get("effect_cwe")
    return _line("effect", record["effect"], f"the worst that its CWEs do, by {decided}" if decided else "no CWE says")


def _identity(record: Mapping[str, Any]) -> dict[str, Any]:
    basis = record["identity"]
    of = "its message without numbers" if basis == "message" else f"the tool's {basis}"
    because = f"tool, rule, path and {of}"
    if record.get("occurrence"):
        because += f"; {record['occurrence']} of these came before it in the report"
    return _line("id", record["id"], because)
