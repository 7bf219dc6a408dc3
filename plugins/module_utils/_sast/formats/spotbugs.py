# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SpotBugs' XML (``BugCollection``), also of its plugin Find Security Bugs and of FindBugs before it.

``rank`` (1 scariest .. 20 of concern) is the severity; ``priority`` is how sure the tool is and stays apart. The
categories of SpotBugs that are about quality, not security, are information here whatever their rank, with
``severity_source`` ``category`` and the category among the tags, so that a policy can judge otherwise. A category that
is not known counts by its rank. An instance that has a ``last`` version is gone from the code: history.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from xml.etree.ElementTree import Element

from ..._core.findings import Severity, Suppression
from ..draft import Draft, Place, cwe_from
from ..look import XML, Look
from ..markup import Markup
from ..recorder import Recorder
from .form import Form

_BANDS = ((4, Severity.CRITICAL), (9, Severity.HIGH), (14, Severity.MEDIUM), (20, Severity.LOW))
_RANKS = {
    str(rank): next(severity for most, severity in _BANDS if rank <= most) for rank in range(1, _BANDS[-1][0] + 1)
}
_SURE = {"1": "high", "2": "normal", "3": "low", "4": "experimental", "5": "ignore"}
_QUALITY = frozenset(
    {"BAD_PRACTICE", "CORRECTNESS", "EXPERIMENTAL", "I18N", "MT_CORRECTNESS", "NOISE", "PERFORMANCE", "STYLE"}
)
_SUPPRESSED = (Suppression("inSource", "accepted"),)
_MOST_PATTERNS = 20_000
_MOST_ALIKE = 1000
_NO_DETAILS: dict[str, Any] = {"short": "", "long": "", "line": {}, "symbol": "", "review": ""}


class _Patterns:
    """What is known of the bug patterns, which stand behind the instances; until then those without a CWE wait."""

    def __init__(self, out: Recorder) -> None:
        self._out = out
        self._later = out.later()
        self._waiting = False
        self._cwe: dict[str, str] = {}

    def note(self, pattern: Element) -> None:
        rule, cwe = pattern.get("type"), pattern.get("cweid")
        if rule and cwe and len(self._cwe) < _MOST_PATTERNS:
            self._cwe[rule] = cwe

    def take(self, entry: Element, suppressed: bool) -> None:
        """Once one waits all that follow wait, too: the order of the report is kept."""
        row = _row(entry, suppressed)
        if self._waiting or "cweid" not in row["of"]:
            self._waiting = True
            self._later.put(row)
        else:
            self._out.finding(_draft(row, {}))

    def finish(self) -> None:
        if self._waiting:
            for row in self._later:
                self._out.finding(_draft(row, self._cwe))


class _Alike:
    """Instances that count alike, when only totals are asked for: by rank, category, suppression and history."""

    def __init__(self, out: Recorder) -> None:
        self._out = out
        self._times: dict[tuple[str, str, bool, str], int] = {}

    def take(self, of: Mapping[str, str], suppressed: bool) -> None:
        kind = (of.get("rank", ""), of.get("category", ""), suppressed, of.get("last", ""))
        self._times[kind] = self._times.get(kind, 0) + 1
        if len(self._times) > _MOST_ALIKE:
            self.finish()

    def finish(self) -> None:
        for (rank, category, suppressed, last), times in self._times.items():
            row = {"of": {"type": "", "rank": rank, "category": category, "last": last}, **_NO_DETAILS}
            self._out.counted(_draft({**row, "suppressed": suppressed}, {}), times)
        self._times.clear()


def _recognise(look: Look) -> str:
    return "its root element is BugCollection" if look.root == "BugCollection" else ""


def _read(markup: Markup, out: Recorder) -> None:
    patterns, alike, suppressed, analysed, found = _Patterns(out), _Alike(out), False, None, 0
    totals_only = out.options.totals_only
    for entry in markup.elements():
        name = entry.tag
        if name == "BugInstance":
            found += 1
            if not entry.get("type"):
                out.dropped("bug_without_type", "an instance names no bug pattern")
            elif totals_only:
                alike.take(entry.attrib, suppressed)
            else:
                patterns.take(entry, suppressed)
        elif name == "BugPattern":
            patterns.note(entry)
        elif name in ("SuppressedBugs", "/SuppressedBugs"):
            suppressed = name == "SuppressedBugs"
        elif name == "Errors":
            _errors(entry, out)
        elif name == "FindBugsSummary":
            analysed = _number(entry.get("total_classes"))
    patterns.finish()
    alike.finish()
    _scan(markup.attributes, analysed, found, out)


def _scan(root: Mapping[str, str], analysed: int | None, found: int, out: Recorder) -> None:
    out.tool("SpotBugs", root.get("version"))
    out.time(_time(root.get("analysisTimestamp")))
    if analysed:
        out.artifacts(analysed)
    elif analysed == 0 and not found:
        out.empty("no class was analysed")


def _errors(errors: Element, out: Recorder) -> None:
    missing = [node for node in errors if node.tag == "MissingClass"]
    broken = [node for node in errors if node.tag in ("Error", "AnalysisError")]
    if count := max(len(broken), _number(errors.get("errors")) or 0):
        first = broken[0].findtext("ErrorMessage") or broken[0].text or "" if broken else "not told"
        out.partial(f"{count} errors stopped a part of the analysis, first: {first.strip()}")
    if count := max(len(missing), _number(errors.get("missingClasses")) or 0):
        first = (missing[0].text or "") if missing else "not told"
        out.partial(f"{count} classes that the code needs were missing, first: {first.strip()}")


def _severity(of: Mapping[str, str]) -> tuple[Severity, str]:
    if of.get("category") in _QUALITY:
        return Severity.INFO, "category"
    return _RANKS.get(of.get("rank", ""), Severity.UNKNOWN), "rank"


def _row(entry: Element, suppressed: bool) -> dict[str, Any]:
    """What of an instance is needed, as JSON values."""
    line = _line_of(entry)
    review = entry.find("UserAnnotation")
    return {
        "of": dict(entry.attrib),
        "short": entry.findtext("ShortMessage") or "",
        "long": entry.findtext("LongMessage") or "",
        "line": dict(line.attrib) if line is not None else {},
        "symbol": _symbol(entry),
        "review": review.get("designation", "") if review is not None else "",
        "suppressed": suppressed,
    }


def _line_of(entry: Element) -> Element | None:
    """The primary line, else the last; an instance about a method, a field or a class has the lines of that."""
    lines = entry.findall("SourceLine")
    for line in lines:
        if line.get("primary") == "true":
            return line
    if lines:
        return lines[-1]
    within = (entry.find(f"{name}/SourceLine") for name in ("Method", "Field", "Class"))
    return next((line for line in within if line is not None), None)


def _symbol(entry: Element) -> str:
    for name in ("Method", "Field"):
        node = entry.find(name)
        if node is not None and node.get("name"):
            return f"{node.get('classname', '')}.{node.get('name')}"
    node = entry.find("Class")
    return node.get("classname", "") if node is not None else ""


def _draft(row: dict[str, Any], patterns: Mapping[str, str]) -> Draft:
    of, line = row["of"], row["line"]
    severity, source = _severity(of)
    category, reviewed, stated = of.get("category"), row["review"], of.get("instanceHash")
    return Draft(
        rule=of["type"],
        rule_name=row["short"],
        message=row["long"] or row["short"] or of["type"],
        severity=severity,
        severity_source=source,
        native=of.get("rank", ""),
        confidence=_SURE.get(of.get("priority", ""), ""),
        cwe=cwe_from(cweid=of["cweid"]) if "cweid" in of else cwe_from(BugPattern=patterns.get(of["type"])),
        fingerprints={"instanceHash": stated} if stated else {},
        baseline="absent" if _number(of.get("last")) is not None else None,
        suppressions=_SUPPRESSED if row["suppressed"] else (),
        tags=tuple(tag for tag in (category, f"designation:{reviewed}" if reviewed else "") if tag),
        places=(
            Place(
                line.get("relSourcepath") or line.get("sourcepath") or line.get("sourcefile", ""),
                line.get("start"),
                end_line=line.get("end"),
                symbol=row["symbol"],
            ),
        ),
    )


def _number(text: str | None) -> int | None:
    """A count as the tool writes it; -1 is its word for none."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 16 else None


def _time(milliseconds: str | None) -> str:
    number = _number(milliseconds)
    try:
        return datetime.fromtimestamp(number / 1000, UTC).isoformat() if number else ""
    except (ValueError, OverflowError, OSError):
        return milliseconds or ""


SPOTBUGS = Form(
    "spotbugs",
    "SpotBugs",
    XML,
    _recognise,
    _read,
    elements=("BugInstance", "BugPattern", "Errors"),
    around=("SuppressedBugs", "FindBugsSummary"),
    counted=("BugInstance",),
)
