# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Walking a SARIF document once, in whatever order its parts come.

Results are reduced to rows and spooled, because ``results`` may stand before the ``tool``, the invocations or the
artifacts that give them meaning; they are resolved when their run is complete.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ..._core.errors import BadInput
from ..finish import Finish
from ..options import ReadOptions
from ..shape import as_dict, as_str
from ..tally import Tally
from ..window import Keep, Window
from .external import Part, Parts
from .locations import Artifact
from .rows import EachResult, SortsOfResults
from .run import RawRun

_MESSAGE: Keep = {"text": None, "id": None, "arguments": None, "markdown": None}
_REQUEST: Keep = {"index": None, "method": None, "target": None}
_REFERENCE: Keep = {"id": None, "index": None, "guid": None, "toolComponent": None}
_PROPERTIES: Keep = {
    "security-severity": None,
    "securitySeverity": None,
    "cybersecuritySeverity": None,
    "cybersecurity-severity": None,
    "cwe": None,
    "cwe_id": None,
    "cweId": None,
    "cwe-id": None,
    "CWE": None,
    "cwes": None,
    "tags": None,
}
_RESULT: dict[str, Keep] = {
    "ruleId": None,
    "ruleIndex": None,
    "rule": _REFERENCE,
    "kind": None,
    "level": None,
    "message": _MESSAGE,
    "locations": {
        "physicalLocation": {
            "artifactLocation": {"uri": None, "uriBaseId": None, "index": None},
            "region": {
                "startLine": None,
                "startColumn": None,
                "endLine": None,
                "endColumn": None,
                "charOffset": None,
                "byteOffset": None,
                "snippet": {"text": None},
            },
        },
        "logicalLocations": {"fullyQualifiedName": None, "name": None, "index": None},
    },
    "fingerprints": None,
    "partialFingerprints": None,
    "baselineState": None,
    "suppressions": {"kind": None, "status": None, "state": None, "justification": None},
    "taxa": _REFERENCE,
    "properties": _PROPERTIES,
    "provenance": {"invocationIndex": None},
    "rank": None,
    "correlationGuid": None,
    "occurrenceCount": None,
    "webRequest": _REQUEST,
}
_WANTED = frozenset(_RESULT)
_RULE: dict[str, Keep] = {
    "id": None,
    "guid": None,
    "deprecatedIds": None,
    "deprecatedGuids": None,
    "name": None,
    "shortDescription": {"text": None},
    "fullDescription": {"text": None},
    "helpUri": None,
    "defaultConfiguration": {"level": None, "rank": None},
    "properties": _PROPERTIES,
    "relationships": {"target": _REFERENCE, "kinds": None},
    "messageStrings": None,
}
_ARTIFACT: dict[str, Keep] = {"location": {"uri": None, "uriBaseId": None}, "parentIndex": None}
_LOGICAL: dict[str, Keep] = {"fullyQualifiedName": None, "name": None}
_TAXON: dict[str, Keep] = {"id": None, "guid": None}
_NOTIFICATION: Keep = {"level": None, "message": {"text": None, "id": None}, "descriptor": _REFERENCE}
_OVERRIDES: Keep = {"descriptor": _REFERENCE, "configuration": {"level": None, "rank": None}}
_INVOCATION: dict[str, Keep] = {
    "executionSuccessful": None,
    "exitCode": None,
    "exitSignalName": None,
    "processStartFailureMessage": None,
    "startTimeUtc": None,
    "endTimeUtc": None,
    "ruleConfigurationOverrides": _OVERRIDES,
    "notificationConfigurationOverrides": _OVERRIDES,
    "toolExecutionNotifications": _NOTIFICATION,
    "toolConfigurationNotifications": _NOTIFICATION,
}
_COMPONENT_LISTS = {"rules": _RULE, "taxa": _TAXON, "notifications": _RULE}
_COMPONENT_VALUES = frozenset({"name", "guid", "version", "semanticVersion", "globalMessageStrings"})
_RUN_VALUES: dict[str, Keep] = {
    "originalUriBaseIds": None,
    "versionControlProvenance": None,
    "automationDetails": {"id": None, "guid": None},
    "externalPropertyFileReferences": None,
    "conversion": {
        "tool": {"driver": {"name": None, "version": None, "semanticVersion": None}},
        "invocation": _INVOCATION,
    },
    "webRequests": _REQUEST,
}
_MOST_ENTRIES = 200_000


@dataclass(slots=True)
class Document:
    """What stands around the runs. ``runs`` is ``list``, ``null`` or ``absent``."""

    version: Any = None
    schema: Any = None
    runs: str = "absent"
    left_over: int = 0
    """Parts of runs that belong to none."""
    room: int = 0
    """How many more results may be kept."""


OpenText = Callable[[str], Iterator[str]]
"""The text of a file beside the report, by its relative path. Raises BadInput for what is not to be opened."""


def read_document(
    window: Window,
    *,
    name: str,
    options: ReadOptions,
    tally: Tally,
    each_run: Callable[[RawRun], None],
    open_text: OpenText | None = None,
) -> Document:
    """Walk the whole document and hand over each run when it is complete. Raises BadInput for what is not SARIF 2.1.

    ``open_text``: may be asked for the parts of runs that lie in other files; without it they count as not read.
    """
    if window.peek() != "{":
        _refuse_other(window, name)
    document = Document(room=options.max_results)
    around = _Around(name, options, tally, document)

    parts = Parts(each_run, _opener(open_text, around) if open_text is not None else None, tally)
    try:
        _read_members(window, around, parts)
        window.finish()
        _check_document(document, name, tally)
        parts.finish()
    finally:
        parts.close()
    document.left_over = parts.left_over
    return document


@dataclass(frozen=True, slots=True)
class _Around:
    """What every step of the walk needs."""

    name: str
    options: ReadOptions
    tally: Tally
    document: Document


def _read_members(window: Window, around: _Around, parts: Parts) -> None:
    document, name = around.document, around.name
    for key in window.members():
        if key == "version":
            document.version = window.value()
            _check_version(document.version, name)
        elif key == "$schema":
            document.schema = window.value()
        elif key == "runs":
            _read_runs(window, around, parts)
        elif key == "inlineExternalProperties":
            _read_inline(window, around, parts)
        else:
            window.skip()


def _refuse_other(window: Window, name: str) -> None:
    """The document is no object: malformed JSON says so itself, anything else is JSON but not SARIF."""
    if not window.peek():
        raise BadInput("the report is empty", where=name, why="nothing but white space")
    window.skip()
    window.finish()
    raise _not_sarif(name, "the outermost value is not an object")


def _not_sarif(name: str, why: str) -> BadInput:
    return BadInput("the report is JSON but not SARIF", where=name, why=why, next="give a SARIF 2.1.0 file")


def _check_version(version: Any, name: str) -> None:
    if version is None:
        return
    if not isinstance(version, str) or not (version == "2.1" or version.startswith("2.1.")):
        shown = repr(version[:20]) if isinstance(version, str) else f"a {type(version).__name__}"
        raise BadInput(
            "this version of SARIF is not supported",
            where=name,
            why=f"the file says {shown}, supported is 2.1.0",
            next="let the tool write SARIF 2.1.0, or convert the file",
        )


def _check_document(document: Document, name: str, tally: Tally) -> None:
    if document.runs == "absent":
        raise _not_sarif(name, "it has no runs")
    if document.version is None:
        if not (isinstance(document.schema, str) and "sarif" in document.schema.lower() and "2.1" in document.schema):
            raise _not_sarif(name, "it has runs but neither a version nor the schema of SARIF 2.1")
        tally.warn("version_missing", "the report names no version; its schema says 2.1")


def _read_runs(window: Window, around: _Around, parts: Parts) -> None:
    if window.peek() != "[":
        if window.value({}) is not None:
            raise _not_sarif(around.name, "runs is not a list")
        around.document.runs = "null"
        return
    around.document.runs = "list"
    for index in window.items():
        if window.peek() != "{":
            raise _not_sarif(around.name, f"run {index} is not an object")
        run = RawRun(index, _rows_for(around.options, around.tally))
        try:
            for key in window.members():
                if key == "tool":
                    run.tool = _read_tool(window, around.tally)
                else:
                    _read_part_of(window, key, run, around)
        except BaseException:
            run.rows.close()
            raise
        parts.run(run)


def _read_inline(window: Window, around: _Around, parts: Parts) -> None:
    if window.peek() != "[":
        window.skip()
        return
    for position in window.items():
        if window.peek() == "{" and not parts.full:
            _read_part(window, around, parts.add)
        else:
            window.skip()
            if parts.full:
                around.tally.cut("inlineExternalProperties", 0, 1)
            else:
                first = f"entry {position}"
                around.tally.warn("part_not_an_object", "an entry of inlineExternalProperties is no object", first)


def _read_part(window: Window, around: _Around, keep: Callable[[Part], None]) -> None:
    """An externalProperties object; ``keep`` takes it over before it is read, so that it is closed whatever happens."""
    part = Part(RawRun(-1, EachResult(_WANTED, around.options.spool_bytes // 8, plain=False)))
    keep(part)
    content = part.content
    for key in window.members():
        if key in ("guid", "runGuid"):
            value = as_str(window.value({})) or ""
            part.guid, part.run_guid = (value, part.run_guid) if key == "guid" else (part.guid, value)
        elif key == "driver":
            content.tool["driver"] = _component(window, around.tally)
        elif key == "extensions":
            content.tool["extensions"] = _components(window, around.tally)
        elif key in _RUN_VALUES:
            # A part has no parts and names no repository.
            window.skip()
        else:
            _read_part_of(window, key, content, around)
    content.rows.park()


def _opener(open_text: OpenText, around: _Around) -> Callable[[str], Part]:
    return lambda path: _read_file(open_text(path), path, around)


def _read_file(text: Iterator[str], path: str, around: _Around) -> Part:
    window = Window(
        text, name=f"{around.name}, its part {ascii(path[:200])}", tally=around.tally, limit=around.options.window
    )
    found: list[Part] = []
    try:
        _read_part(window, around, found.append)
        window.finish()
    except BaseException:
        for part in found:
            part.content.rows.close()
        raise
    return found[0]


def _rows_for(options: ReadOptions, tally: Tally) -> EachResult | SortsOfResults:
    if options.totals_only:
        return SortsOfResults(options.spool_bytes)
    # Who judges findings wants to see them whole, one by one.
    return EachResult(_WANTED, options.spool_bytes, plain=Finish(options, tally).idle)


def _read_part_of(window: Window, key: str, run: RawRun, around: _Around) -> None:
    """One member of a run that may also stand outside of it."""
    tally = around.tally
    if key == "results":
        _read_results(window, run, around)
    elif key == "invocations":
        run.invocations = [as_dict(entry) for entry in _listed(window, _INVOCATION, tally, key)]
    elif key == "taxonomies":
        run.taxonomies = _components(window, tally)
    elif key == "artifacts":
        run.artifacts = [Artifact.of(entry) for entry in _listed(window, _ARTIFACT, tally, key)]
    elif key == "logicalLocations":
        entries = map(as_dict, _listed(window, _LOGICAL, tally, key))
        run.symbols = [as_str(entry.get("fullyQualifiedName")) or as_str(entry.get("name")) or "" for entry in entries]
    elif key in _RUN_VALUES:
        run.values[key] = window.value(_RUN_VALUES[key])
    else:
        window.skip()


def _read_results(window: Window, run: RawRun, around: _Around) -> None:
    tally, room, rows = around.tally, around.document.room, run.rows
    if window.peek() != "[":
        if window.value({}) is not None:
            whose = f"run {run.index}" if run.index >= 0 else "a part"
            raise _not_sarif(around.name, f"the results of {whose} are not a list")
        run.results = "null"
        return
    run.results = "list"
    for batch in window.batches(_RESULT):
        run.seen += len(batch)
        results = [entry for entry in batch if isinstance(entry, dict)]
        if len(results) < len(batch):
            tally.warn("result_not_an_object", "an entry of results is not an object and was dropped")
        kept = results[: room - rows.count]
        run.dropped += len(batch) - len(kept)
        try:
            rows.put(kept)
        except ValueError:
            raise BadInput("the report is nested too deeply", where=around.name, why="inside a result") from None
    if rows.count >= room and run.dropped:
        tally.cut("results", rows.count, run.seen)
    around.document.room -= rows.count


def _read_tool(window: Window, tally: Tally) -> dict[str, Any]:
    if window.peek() != "{":
        window.skip()
        return {}
    tool: dict[str, Any] = {}
    for key in window.members():
        if key == "driver":
            tool[key] = _component(window, tally)
        elif key == "extensions":
            tool[key] = _components(window, tally)
        else:
            window.skip()
    return tool


def _components(window: Window, tally: Tally) -> list[dict[str, Any]]:
    if window.peek() != "[":
        window.skip()
        return []
    return [_component(window, tally) for _position in window.items()]


def _component(window: Window, tally: Tally) -> dict[str, Any]:
    """A toolComponent, entry by entry: rule sets with their help texts may be many megabytes."""
    if window.peek() != "{":
        window.skip()
        return {}
    component: dict[str, Any] = {}
    for key in window.members():
        if key in _COMPONENT_LISTS:
            component[key] = _listed(window, _COMPONENT_LISTS[key], tally, key)
        elif key in _COMPONENT_VALUES:
            component[key] = window.value()
        else:
            window.skip()
    return component


def _listed(window: Window, keep: dict[str, Keep], tally: Tally, what: str) -> list[Any]:
    """The entries of a list, their members those of ``keep``; anything but a list counts as empty."""
    if window.peek() != "[":
        window.skip()
        return []
    found: list[Any] = []
    seen = 0
    for entries in window.batches(keep):
        seen += len(entries)
        for entry in entries[: _MOST_ENTRIES - len(found)]:
            found.append({key: entry[key] for key in entry if key in keep} if isinstance(entry, dict) else entry)
    if seen > len(found):
        tally.cut(what, len(found), seen)
    return found
