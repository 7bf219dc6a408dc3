# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Policies, documents and records of any shape give an answer or one clear error, never another exception."""

from __future__ import annotations

import contextlib
import copy
import datetime as dt

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput
from ansible_collections.knowngood.kube.plugins.module_utils._sast.gate import Gate
from ansible_collections.knowngood.kube.plugins.module_utils._sast.openvex import read
from ansible_collections.knowngood.kube.plugins.module_utils._sast.openvex_out import document
from ansible_collections.knowngood.kube.plugins.module_utils._sast.waivers import Waivers

NOW = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
DIGEST = "sha256:" + "1" * 64
FINDING = {
    "id": "f1",
    "tool": "T",
    "rule": "CVE-2024-12345",
    "severity": "high",
    "state": "live",
    "kind": "fail",
    "cwe": ["CWE-89"],
    "effect": "taints",
    "tags": ["CVE-2023-1111"],
    "confidence": "low",
    "suppressions": [{"kind": "waiver", "status": "accepted", "justification": "W: x"}],
    "locations": [{"path": "src/a", "place": "inside"}],
}
SCAN = {
    "file": "x",
    "status": "partial",
    "status_reasons": ["a"],
    "tool": "T",
    "totals": {"findings": 1, "live": 1, "dropped": 0},
    "truncated": [{"what": "x", "kept": 1, "seen": 2}],
    "runs": [{"tool": "T"}],
}
SCOPE = {
    "finding": "f1",
    "rule": "CVE*",
    "cwe": "CWE-89",
    "path": "src/**",
    "tool": "T",
    "digests": [DIGEST],
    "match": "rule != 'x'",
}
WAIVERS = [{"id": "W", "owner": "o", "reason": "r", "expires": "2027-01-01", "vex": "affected", "scope": SCOPE}]
PRODUCT = {
    "@id": f"pkg:oci/x@{DIGEST}?digest={DIGEST}",
    "identifiers": {"purl": "pkg:x"},
    "hashes": {"sha-256": "1" * 64},
    "subcomponents": [{"@id": "file:src/a"}],
}
STATEMENT = {
    "vulnerability": {"name": "CVE-2024-12345", "aliases": ["CVE-2023-1111"]},
    "status": "not_affected",
    "justification": "component_not_present",
    "timestamp": "2026-01-01T00:00:00Z",
    "products": [PRODUCT],
}
VEX = {
    "@context": "https://openvex.dev/ns/v0.2.0",
    "author": "a",
    "timestamp": "2026-01-01T00:00:00Z",
    "statements": [STATEMENT],
}
GATE = {
    "max": {"high": 0, "unknown": 1},
    "severity": "high",
    "cwe": ["CWE-89"],
    "path": {"include": ["src/**"], "exclude": ["a/**"]},
    "new_only": True,
    "confidence": "low",
    "tools": ["T"],
    "match": "rule != 'x'",
    "effects": ["taints"],
    "rules": [{"name": "a", "max": 1, "cwe": ["CWE-1"]}],
    "allow": ["partial"],
}
ODD = st.sampled_from(
    [None, True, 0, -1, 1.5, 10**400, "", "x", "**", "CWE-89", [], {}, [None], [[]], {"a": None}, "\ud800", "\0", b"x"]
)


def places(value, path=()):
    """The path of each value within a value."""
    yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(inner, (*path, key))


@st.composite
def broken(draw, value):
    """The value with one or two odd ones in it."""
    made = copy.deepcopy(value)
    for path in draw(st.lists(st.sampled_from([path for path in places(value) if path]), min_size=1, max_size=2)):
        inner = made
        for key in path[:-1]:
            inner = inner[key] if isinstance(inner, (dict, list)) and has(inner, key) else None
        if isinstance(inner, (dict, list)) and has(inner, path[-1]):
            inner[path[-1]] = draw(ODD)
    return made


def has(value, key):
    return key in value if isinstance(value, dict) else isinstance(key, int) and key < len(value)


def outcome(call):
    """An answer or an error of ours; anything else goes through and fails the test."""
    with contextlib.suppress(BadInput):
        call()
        return "answer"
    return "error"


@settings(max_examples=120)
@given(broken(WAIVERS), broken(VEX), broken(GATE), broken(SCAN), broken(FINDING), st.booleans())
def test_odd_values_anywhere_are_clean_errors(waivers, vex, gate, scan, finding, odd):
    one = finding if odd else FINDING
    calls = (
        lambda: Waivers.from_list(waivers, NOW).judge(one, None, [DIGEST]),
        lambda: Waivers.from_list(WAIVERS, NOW).judge(finding, None, [DIGEST]),
        lambda: read(vex).judge(one, None, [DIGEST]),
        lambda: read(VEX).judge(finding, None, [DIGEST]),
        lambda: Gate.from_dict(gate).decide([one], [scan] if odd else [SCAN]),
        lambda: Gate.from_dict(GATE).decide([finding], [scan], {"f1": "new"}).to_dict(),
        lambda: document([finding], author="a", digest=DIGEST, now=NOW),
    )
    assert {outcome(call) for call in calls} <= {"answer", "error"}
