# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Findings and scans for the tests of the outputs: made by hand, or generated as the reader would give them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import strategies as st

from ansible_collections.knowngood.kube.plugins.module_utils._core.findings import (
    Finding,
    Location,
    Scan,
    ScanStatus,
    Severity,
    State,
    Suppression,
    Totals,
)
from ansible_collections.knowngood.kube.plugins.module_utils._sast.text import visible

Record = dict[str, Any]
SHA = "ab" * 32
OTHER_SHA = "cd" * 32
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def finding(**more: Any) -> Finding:
    ready: dict[str, Any] = {
        "id": "f" * 32,
        "tool": "Tool",
        "rule": "R1",
        "severity": Severity.HIGH,
        "severity_source": "level:result",
        "native": "error",
        "state": State.LIVE,
        "message": "bad",
        "commit": COMMIT,
        "scan": SHA,
        "locations": (Location("src/app.py", line=7, column=3),),
    }
    return Finding(**{**ready, **more})


def record(**more: Any) -> Record:
    return finding(**more).to_dict()


def facts(**more: Any) -> Record:
    """One run of a scan."""
    return {
        "run": 0,
        "tool": "Tool",
        "tool_version": "1.2",
        "category": "",
        "run_id": "",
        "status": "ok",
        "commit": COMMIT,
        "repository": "https://git.example.com/shop/orders",
        "time": "2026-11-21T10:00:00Z",
        "ruleset": None,
        **more,
    }


def scan(*runs: Record, **more: Any) -> Record:
    none = {"by_severity": {}, "by_native": {}, "by_baseline": {}, "by_kind": {}}
    totals = Totals(results=1, findings=1, live=1, suppressed=0, absent=0, passed=0, dropped=0, **none)
    ready: dict[str, Any] = {
        "file": "report.sarif",
        "sha256": SHA,
        "format": "sarif",
        "tool": "Tool",
        "tool_version": "1.2",
        "commit": COMMIT,
        "status": ScanStatus.OK,
        "totals": totals,
        "runs": runs or (facts(),),
    }
    ready.update(more)
    return Scan(**{**ready, "status": ScanStatus(ready["status"])}).to_dict()


def again(*records: Record) -> Callable[[], Iterator[Record]]:
    """Records as the writers take them: fresh on each call, and never the same objects twice."""
    text = json.dumps(records)
    return lambda: iter(json.loads(text))


# What a report of an enemy holds: steering, hiding, breaking out of cells, links, formulas, half characters.
NASTY = [
    "=cmd|' /C calc'!A0",
    "+1",
    "-1+1|2",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\uff1d1",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[click](javascript:alert(1))",
    "![x](http://evil.example/x.png)",
    "[a]: javascript:x",
    "| a | b |",
    "\\| x",
    "```\nrm -rf\n```",
    "`` ` ```",
    "# head\n- item\n1. one\n> quote",
    "www.evil.example and http://evil.example/a?b and someone@evil.example and @admin",
    "&lt;b&gt; &copy;",
    "\x1b[31mred\x1b[0m",
    "\u202egnp.exe",
    "a\u200bb\ufeff",
    "\ud800 half",
    "a\r\nb\rc\nd",
    'he said "x", then y',
    "\0",
    "{{ lookup('pipe', 'id') }}",
    "${jndi:ldap://x}",
    "../../../etc/passwd",
    "file:///etc/passwd",
    "//host/share",
    "C:\\x",
    "a:b/c",
    "%2e%2e/%zz%",
    "a b#c?d",
    "~~x~~ **b** _i_ :smile:",
    "www.@x:// @@ ://@",
    "",
    " ",
    "'",
]
HOSTILE = st.one_of(st.sampled_from(NASTY), st.text(max_size=20), st.text("`|\\@:/<>[]()!w. \n", max_size=20))

# As the reader gives them: visible, on one line, not empty.
LABEL = (
    st.text(st.characters(exclude_categories=("Cs", "Cc", "Cf", "Zl", "Zp")), min_size=1, max_size=12)
    .map(lambda text: visible(text.replace("\n", " ")))
    .filter(lambda text: text == text.strip() and text)
)
SEGMENT = st.text("abcXYZ0 _-+%#?&=@!~'()[]{}\u00fc\u4e2d", min_size=1, max_size=6).filter(
    lambda text: text.strip(" ") == text
)
INSIDE = st.lists(SEGMENT, min_size=1, max_size=4).map("/".join)
NUMBER = st.integers(1, 5000)


@st.composite
def places(draw: st.DrawFn) -> Location:
    where = draw(st.sampled_from(["inside", "absolute"]))
    path = draw(INSIDE)
    if where == "absolute":
        path = draw(st.sampled_from(["/", "C:/"])) + path
    symbol = draw(st.none() | LABEL)
    if not draw(st.booleans()):
        return Location(path, where, char_offset=draw(st.none() | st.integers(0, 99)), symbol=symbol)
    line, column = draw(NUMBER), draw(st.none() | NUMBER)
    end_line = draw(st.none() | st.integers(line + 1, line + 9))
    end_column = draw(NUMBER) if end_line else None
    return Location(path, where, line, column, end_line, end_column, symbol=symbol)


@st.composite
def suppressions(draw: st.DrawFn) -> tuple[tuple[Suppression, ...], State]:
    """Suppressions and what they make of a finding, read strictly."""
    kind, status = st.sampled_from(["inSource", "external"]), st.sampled_from(["accepted", "underReview", "rejected"])
    found = draw(st.lists(st.builds(Suppression, kind, status, LABEL), max_size=2, unique=True))
    hidden = bool(found) and all(entry.status == "accepted" for entry in found)
    return tuple(found), State.SUPPRESSED if hidden else State.LIVE


@st.composite
def findings(draw: st.DrawFn) -> Finding:
    """A finding that the reader could have made: its severity follows from level, kind and number."""
    level, severity = draw(
        st.sampled_from(
            [
                ("error", Severity.HIGH),
                ("warning", Severity.MEDIUM),
                ("note", Severity.LOW),
                ("none", Severity.INFO),
            ]
        )
    )
    number = draw(
        st.none() | st.sampled_from([("9.8", Severity.CRITICAL), ("5.0", Severity.MEDIUM), ("HIGH", Severity.HIGH)])
    )
    kind = draw(st.sampled_from(["fail", "fail", "open", "review"]))
    if kind != "fail":
        level, severity = "none", Severity.INFO
    hidden, state = draw(suppressions())
    baseline = draw(st.sampled_from(["new", "unchanged", "updated", "absent"]))
    rule = draw(
        st.sampled_from(["R1", "CA5350", "py/sql-injection", "a b"]) | LABEL.filter(lambda text: "/" not in text)
    )
    finer = draw(st.booleans())
    numbers = draw(st.lists(st.sampled_from([22, 79, 89, 798]), unique=True, max_size=3))
    return finding(
        id=draw(st.text("0123456789abcdef", min_size=32, max_size=32)),
        rule=f"{rule}/md5" if finer else rule,
        descriptor=rule,
        rule_name=draw(LABEL | st.just("")),
        help_uri=draw(st.none() | st.sampled_from(["https://x.example/a?b=c#d", "http://x.example"])),
        severity=number[1] if number else severity,
        severity_source="result.security-severity" if number else "level:result",
        security_severity=number[0] if number else None,
        native=level,
        kind=kind,
        baseline=baseline,
        state=State.ABSENT if baseline == "absent" else state,
        message=draw(LABEL),
        locations=tuple(draw(st.lists(places(), max_size=3))),
        cwe=tuple(f"CWE-{number}" for number in sorted(numbers)),
        tags=tuple(draw(st.lists(st.sampled_from(["security", "external", "x y"]), unique=True))),
        fingerprints=draw(
            st.dictionaries(st.sampled_from(["a/v1", "primaryLocationLineHash"]), st.text("0af:", min_size=1))
        ),
        suppressions=hidden,
        rank=draw(st.none() | st.floats(0, 100)),
        run=draw(st.integers(0, 1)),
    )


@st.composite
def hostile_records(draw: st.DrawFn) -> Record:
    """What somebody may have written into a store: our keys, any text, also values that no reader gives."""
    words = ["severity", "state", "kind", "baseline", "native"]
    texts = ["id", "tool", "rule", "rule_name", "descriptor", "help_uri", "message", "security_severity", "confidence"]
    found: Record = {name: draw(HOSTILE) for name in texts}
    known = {**record(), "kind": "open", "baseline": "new"}
    found.update({name: draw(st.just(known[name]) | HOSTILE) for name in words})
    number = st.none() | st.integers(-2, 99) | st.booleans()
    place = st.fixed_dictionaries(
        {
            "path": HOSTILE,
            "place": st.sampled_from(["inside", "absolute", "outside_root"]),
            "symbol": st.none() | HOSTILE,
        },
        optional=dict.fromkeys(("line", "column", "end_line", "end_column", "char_offset"), number),
    )
    found["locations"] = draw(st.lists(place, max_size=3))
    found["cwe"] = draw(st.lists(st.sampled_from(["CWE-79", "CWE-0", "CWE-x", "CWE-79"]), max_size=3))
    found["tags"] = draw(st.lists(HOSTILE, max_size=3))
    found["fingerprints"] = draw(st.dictionaries(HOSTILE, HOSTILE, max_size=2))
    entry = st.fixed_dictionaries({"kind": HOSTILE, "status": HOSTILE | st.just("accepted"), "justification": HOSTILE})
    found["suppressions"] = draw(st.lists(entry, max_size=2))
    found["rank"] = draw(st.none() | st.sampled_from([-1.0, 3, 101, True]))
    found["scan"], found["run"] = draw(st.sampled_from([SHA, OTHER_SHA, ""])), draw(st.integers(0, 1))
    return found
