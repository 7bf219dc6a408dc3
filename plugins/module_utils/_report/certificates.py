# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates before and after, and what was seen on the wire.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .fields import Row, flag, lines, number, rows, text
from .intake import results
from .text import moment


def certificates(steps: Mapping[str, Any]) -> Row:
    """``rows`` per Secret with ``before`` and ``after``, ``proof`` per pod and path, ``failed_handshakes``,
    ``proven``: True when every path tried served what was expected, None when none was tried.

    The rotation's own word on old and new generation goes before the two inventories: it is about that one change.
    """
    rotated = [result for result in results(steps.get("rotation")) if result.get("skipped") is not True]
    table = _inventories(steps)
    for result in rotated:
        for generation in rows(result.get("generations")):
            entry = table.setdefault(_secret(generation), _empty(_secret(generation)))
            entry["before"] = _of_one(_old(generation), entry["before"])
            entry["after"] = _of_one(_new(generation), entry["after"])
            entry["rotated"] = True
    proof = [_proof(entry) for result in rotated for entry in rows(result.get("proof")) or _looked_again(result)]
    counts = [count for result in rotated if (count := _failed_handshakes(result)) is not None]
    return {
        "rows": [table[name] for name in sorted(table)],
        "proof": proof,
        "proven": all(entry["ok"] is True for entry in proof) if proof else None,
        "failed_handshakes": sum(counts) if counts else None,
    }


def _of_one(told: Row | None, listed: Row | None) -> Row | None:
    """What the rotation says, filled up by the inventory where both are about the same certificate."""
    if told is None or listed is None or told["fingerprint"] != listed["fingerprint"]:
        return told or listed
    return {key: value or listed[key] for key, value in told.items()}


def _failed_handshakes(result: Row) -> float | int | None:
    return number(result, "failed_handshakes")


def _inventories(steps: Mapping[str, Any]) -> dict[str, Row]:
    table: dict[str, Row] = {}
    for side, key in (("before", "certificates_before"), ("after", "certificates_after")):
        for result in results(steps.get(key)):
            for identity in rows(result.get("identities")):
                name = _secret(identity)
                table.setdefault(name, _empty(name))[side] = _certificate(identity)
    return table


def _empty(name: str) -> Row:
    return {"secret": name, "before": None, "after": None, "rotated": False}


def _secret(entry: Row) -> str:
    name = text(entry, "secret", "name") or "unknown"
    namespace = text(entry, "namespace")
    return f"{namespace}/{name}" if namespace and "/" not in name else name


def _old(generation: Row) -> Row | None:
    return _certificate({"fingerprint": generation.get("old"), "not_after": generation.get("old_not_after")})


def _new(generation: Row) -> Row | None:
    return _certificate({**generation, "fingerprint": generation.get("new")})


def _certificate(entry: Row) -> Row | None:
    found = {
        "fingerprint": text(entry, "fingerprint"),
        "serial": text(entry, "serial"),
        "issuer": text(entry, "issuer"),
        "key": text(entry, "key"),
        "not_after": moment(text(entry, "not_after")),
        "names": lines(entry.get("sans")),
    }
    return found if any(found.values()) else None


def _looked_again(result: Row) -> list[Row]:
    """What a rotation that had nothing left to do saw just now, as rows of proof."""
    return [
        {
            **sight,
            "target": text(note, "target"),
            "expected": text(note, "stored"),
            "ok": text(sight, "fingerprint") == text(note, "stored") if text(sight, "fingerprint") else None,
        }
        for note in rows(result.get("seen"))
        for sight in rows(note.get("served"))
    ]


def _proof(entry: Row) -> Row:
    service, port = text(entry, "service"), text(entry, "port")
    where = text(entry, "pod") or (f"Service {service}" if service else None)
    return {
        "secret": text(entry, "target"),
        "where": where,
        "port": port if port != "0" else None,
        "path": text(entry, "path"),
        "expected": text(entry, "expected"),
        "served": text(entry, "fingerprint", "served"),
        "ok": flag(entry, "ok"),
        "connections": number(entry, "connections"),
        "detail": text(entry, "why") or text(entry, "status"),
    }
