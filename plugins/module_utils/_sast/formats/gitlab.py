# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""GitLab's security reports: static analysis and secret detection, versions 2.3 to 15.

``id`` is not unique in practice and ``cve`` (versions 2 and 3) is one key for many entries: nothing is merged by them.
Times have no zone in this format because it says that they are UTC.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from ..._core.findings import Severity, Suppression
from ..draft import Draft, Place, cwe_from
from ..look import JSON, Look
from ..recorder import Later, Recorder
from ..shape import as_dict, as_list, as_text
from ..window import Window
from .form import Form

_SCANS = frozenset({"sast", "secret_detection"})
_SEVERITIES = {
    "critical": Severity.CRITICAL,
    "high": Severity.HIGH,
    "medium": Severity.MEDIUM,
    "low": Severity.LOW,
    "info": Severity.INFO,
}
# Identifiers that name a class of weakness, not a rule: their bare value ("79") says little without the type.
_CLASSES = frozenset({"cwe", "owasp", "wasc", "cve", "capec"})
# What GitLab calls "location" is the line as text: it says where, not what.
_PLACES = frozenset({"location"})
_WITHOUT_ZONE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?")
_NO_COMMIT = re.compile(r"0*")
_LIKELY_FALSE = "flagged-as-likely-false-positive"
# Beyond so many entries repeated ids are not looked for any more; nothing but a warning and a tag depends on them.
_MOST_IDS = 500_000


def _recognise(look: Look) -> str:
    outer = look.json
    scan, entries = outer.at("scan", "type").value, outer.at("vulnerabilities")
    if isinstance(scan, str):
        described = outer.has("vulnerabilities") or outer.has("version")
        return f"its scan is of the type {scan}" if scan in _SCANS and described else ""
    category = entries.at("category").value
    if entries.has("identifiers", "location") or entries.has("cve", "location"):
        if isinstance(category, str):
            return f"its vulnerabilities are of the category {category}" if category.lower() in _SCANS else ""
        return "its vulnerabilities have identifiers and a file" if entries.at("location").has("file") else ""
    bare = entries.type == "list" and entries.first is None and outer.has("version", "remediations")
    return "it has version, vulnerabilities and remediations" if bare else ""


def _read(window: Window, out: Recorder) -> None:
    scan: dict[str, Any] = {}
    version, listed = "", False
    rows, marks = out.later(), _Marks(out)
    for name in window.members():
        if name == "vulnerabilities" and window.peek() == "[":
            listed = True
            for entry in window.entries():
                marks.entry(as_dict(entry))
                rows.put(as_dict(entry))
        elif name == "remediations" and window.peek() == "[":
            for entry in window.entries({"fixes": None}):
                marks.remedy(as_list(as_dict(entry).get("fixes")))
        elif name == "scan":
            stated = window.value()
            scan = as_dict(stated)
            if not scan:
                out.partial("its scan says nothing")
        elif name == "version":
            version = as_text(window.value())
        else:
            window.skip()
    if not listed:
        out.failed("its vulnerabilities are missing: the scanner did not produce any")
    _scan(scan, out)
    _entries(rows, scan, version, marks, out)


def _scan(scan: dict[str, Any], out: Recorder) -> None:
    out.rules(_name_of(as_dict(one)) for one in as_list(scan.get("primary_identifiers")))
    ended = as_text(scan.get("end_time"))
    out.time(f"{ended}Z" if _WITHOUT_ZONE.fullmatch(ended) else ended)
    status = as_text(scan.get("status"))
    if scan and status == "failure":
        out.failed("its scan says that it failed")
    elif scan and status != "success":
        out.partial(f"its scan does not say that it succeeded, but {status or 'nothing'}")
    for message in map(as_dict, as_list(scan.get("messages"))):
        level, text = as_text(message.get("level")), as_text(message.get("value"))
        if level in ("fatal", "error"):
            out.failed(f"its scanner says at level {level}: {text}")
        elif level != "info":
            out.partial(f"its scanner says at level {level or 'unknown'}: {text}")


class _Marks:
    """What only all entries together tell: ids and keys given more than once, and which entries have a remedy."""

    def __init__(self, out: Recorder) -> None:
        self._out = out
        self._ids: set[int] = set()
        self._keys: dict[int, int] = {}
        self._remedies: set[int] = set()

    def entry(self, entry: dict[str, Any]) -> None:
        identifier, key = hash(as_text(entry.get("id"))), hash(as_text(entry.get("cve")))
        if as_text(entry.get("id")) and identifier in self._ids:
            self._out.tally.warn("id_repeated", "an id is given to several entries: all of them are kept")
        elif len(self._ids) < _MOST_IDS:
            self._ids.add(identifier)
        if key in self._keys or len(self._keys) < _MOST_IDS:
            self._keys[key] = self._keys.get(key, 0) + 1

    def remedy(self, fixes: list[Any]) -> None:
        for fix in map(as_dict, fixes):
            for name in ("id", "cve"):
                if as_text(fix.get(name)) and len(self._remedies) < _MOST_IDS:
                    self._remedies.add(hash((name, as_text(fix[name]))))

    def has_remedy(self, entry: dict[str, Any]) -> bool:
        """By id; by the key of old versions only where one entry has it."""
        key = as_text(entry.get("cve"))
        by_key = self._keys.get(hash(key)) == 1 and hash(("cve", key)) in self._remedies
        return by_key or hash(("id", as_text(entry.get("id")))) in self._remedies


def _entries(rows: Later, scan: dict[str, Any], version: str, marks: _Marks, out: Recorder) -> None:
    """Only now the tool is known: the scan stands below the entries in most files, and in old ones there is none."""
    scanner = as_dict(scan.get("scanner"))
    stated = as_text(scanner.get("name"))
    out.tool(stated or "GitLab", as_text(scanner.get("version")), format_version=version)
    names: dict[str, None] = {}
    for entry in rows:
        name = stated or as_text(as_dict(entry.get("scanner")).get("name"))
        if name and name != stated:
            out.tool(name)
            if len(names) < 10:
                names[name] = None
        _entry(entry, as_text(scan.get("type")), marks, out)
    if names:
        out.tool(" + ".join(names))


def _entry(entry: dict[str, Any], kind: str, marks: _Marks, out: Recorder) -> None:
    identifiers = [as_dict(one) for one in as_list(entry.get("identifiers"))]
    title = as_text(entry.get("name"))
    rule = next((name for one in identifiers[:1] if (name := _name_of(one))), "") or title
    text = as_text(entry.get("message")) or as_text(entry.get("description")) or title
    if not rule and not text:
        out.dropped("entry_without_rule", "a vulnerability has no identifier, name or text")
        return
    word = as_text(entry.get("severity"))
    out.finding(
        Draft(
            rule=rule,
            rule_name=title,
            message=text,
            severity=_SEVERITIES.get(word.lower(), Severity.UNKNOWN),
            severity_source="severity",
            native=word,
            confidence=as_text(entry.get("confidence")),
            cwe=cwe_from(identifiers=[one.get("value") for one in identifiers if _type_of(one) == "cwe"]),
            help_uri=next((url for one in identifiers if (url := as_text(one.get("url")))), ""),
            snippet=as_text(entry.get("raw_source_code_extract")),
            secret="secret_detection" in (kind, as_text(entry.get("category")).lower()),
            places=(_place(as_dict(entry.get("location"))),),
            fingerprints=_fingerprints(entry.get("tracking")),
            suppressions=tuple(_doubts(entry.get("flags"))),
            tags=tuple(_tags(entry, identifiers, remedy=marks.has_remedy(entry))),
        )
    )


def _type_of(identifier: dict[str, Any]) -> str:
    return as_text(identifier.get("type")).lower()


def _name_of(identifier: dict[str, Any]) -> str:
    """The value is the rule's id; of a class of weaknesses ("79") only its name tells what it is."""
    name, value = as_text(identifier.get("name")), as_text(identifier.get("value"))
    return (name or value) if _type_of(identifier) in _CLASSES else (value or name)


def _place(location: dict[str, Any]) -> Place:
    owner, method = as_text(location.get("class")), as_text(location.get("method"))
    return Place(
        as_text(location.get("file")),
        location.get("start_line"),
        end_line=location.get("end_line"),
        symbol=".".join(part for part in (owner, method) if part),
    )


def _fingerprints(tracking: Any) -> dict[str, str]:
    """The signatures of the tracked place. The first one wins where several items give one algorithm."""
    found: dict[str, str] = {}
    for item in as_list(as_dict(tracking).get("items")):
        for signature in map(as_dict, as_list(as_dict(item).get("signatures"))):
            algorithm, value = as_text(signature.get("algorithm")), as_text(signature.get("value"))
            if algorithm and value and algorithm not in _PLACES:
                found.setdefault(algorithm, value)
    return found


def _doubts(flags: Any) -> Iterator[Suppression]:
    """A likely false positive is a doubt that somebody has to look into; it hides nothing."""
    for flag in map(as_dict, as_list(flags)):
        if flag.get("type") == _LIKELY_FALSE:
            yield Suppression("external", "underReview", as_text(flag.get("description")))


def _tags(entry: dict[str, Any], identifiers: list[dict[str, Any]], *, remedy: bool) -> Iterable[str]:
    for one in identifiers:
        if _type_of(one) == "owasp":
            yield _name_of(one)
    for flag in map(as_dict, as_list(entry.get("flags"))):
        if as_text(flag.get("type")):
            yield f"flag:{as_text(flag['type'])}"
    commit = as_text(as_dict(as_dict(entry.get("location")).get("commit")).get("sha"))
    if not _NO_COMMIT.fullmatch(commit):
        # Where a secret came in, which says nothing about the commit that was scanned.
        yield f"introduced-in:{commit}"
    if remedy:
        yield "remediation:given"


GITLAB = Form("gitlab", "GitLab security report", JSON, _recognise, _read)
