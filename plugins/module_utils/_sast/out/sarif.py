# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SARIF 2.1.0 written anew from findings: our verdicts beside the tool's own words, in bounded memory.

One run for each run of each scan, with rules, CWE taxa, and how the scan went; a result a line. The document holds
ASCII only and names no schema but that of the standard.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..tally import Tally
from .escape import json_text, one_line, shown, web_uri
from .sarif_result import OURS, ROOT, result_of
from .sarif_runs import Plan, Run, changed_meanwhile
from .words import Changes, Records, Scans

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

_TIME = re.compile(r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?Z")
_WORD = re.compile(r"\S{1,200}")
_OF_RUN = re.compile(r"run (\d+) \(")
_SCAN_FACTS = ("file", "sha256", "format", "status", "status_reasons", "digest", "warnings", "truncated")
_RUN_FACTS = ("commit", "ruleset")


def document(
    scans: Scans, records: Records, changes: Changes | None = None, *, tally: Tally | None = None
) -> Iterator[str]:
    """The document in pieces. ``records`` gives a fresh iterator each time; it is called at least twice.

    ``scans``: as ``Scan.to_dict``; a scan without findings is a run too. ``changes``: finding id -> new, unchanged,
    updated or absent, as ``baselineState``; without it the report's own. ``tally`` counts what had to be changed.

    Raises BadInput for unknown words in ``changes`` and for records that change between two walks.
    """
    tally = tally if tally is not None else Tally()
    plan = Plan(scans, records, changes, tally)
    yield f'{{"$schema":{json_text(SCHEMA)},"version":"2.1.0","runs":['
    before = "\n"
    for run, group in plan.groups():
        # The head is an object whose closing brace makes way for the results.
        yield f'{before}{json_text(_head(run, tally))[:-1]},"results":['
        written = 0
        for record in group:
            yield ("\n" if not written else ",\n") + json_text(result_of(record, run, changes, tally))
            written += 1
        changed_meanwhile(run, written)
        yield "]}"
        before = ",\n"
    yield "]}\n"


def write(
    scans: Scans, records: Records, changes: Changes | None = None, *, tally: Tally | None = None
) -> Iterator[bytes]:
    """``document`` in bytes."""
    for piece in document(scans, records, changes, tally=tally):
        yield piece.encode("ascii")


def _head(run: Run, tally: Tally) -> dict[str, Any]:
    head: dict[str, Any] = {"tool": {"driver": _driver(run, tally)}}
    if run.taxa:
        head["taxonomies"] = [_taxonomy(run)]
    head["originalUriBaseIds"] = {ROOT: {"description": {"text": "the root of the repository"}}}
    if run.facts:
        head["invocations"] = [_invocation(run)]
    head.update(_provenance(run, tally))
    category, run_id = one_line(run.facts.get("category")), one_line(run.facts.get("run_id"))
    if category or run_id:
        head["automationDetails"] = {"id": f"{category}/{run_id}" if category else run_id}
    told = {f"{OURS}{name}": run.scan[name] for name in _SCAN_FACTS if run.scan.get(name)}
    told.update({f"{OURS}{name}": run.facts[name] for name in _RUN_FACTS if run.facts.get(name)})
    if told:
        head["properties"] = told
    return head


def _driver(run: Run, tally: Tally) -> dict[str, Any]:
    driver: dict[str, Any] = {"name": run.tool}
    version = one_line(run.facts.get("tool_version") or run.scan.get("tool_version"))
    if version:
        driver["version"] = version
    driver["rules"] = [_rule(*key, tally) for key in run.rules]
    if run.taxa:
        driver["supportedTaxonomies"] = [{"name": "CWE", "index": 0}]
    return driver


def _rule(identifier: str, name: str, help_uri: str, tally: Tally) -> dict[str, Any]:
    """A name of one word is a name, a sentence is a description."""
    rule: dict[str, Any] = {"id": identifier}
    if name:
        rule.update({"name": name} if _WORD.fullmatch(name) else {"shortDescription": {"text": name}})
    if help_uri:
        uri = web_uri(help_uri)
        if uri is None:
            tally.warn("sarif_help_uri_left_out", "a rule's help is no web address; it is a property of ours")
            rule["properties"] = {f"{OURS}help_uri": shown(help_uri)}
        else:
            rule["helpUri"] = uri
    return rule


def _taxonomy(run: Run) -> dict[str, Any]:
    taxa = [{"id": number, "helpUri": f"https://cwe.mitre.org/data/definitions/{number}.html"} for number in run.taxa]
    return {
        "name": "CWE",
        "organization": "MITRE",
        "shortDescription": {"text": "The MITRE Common Weakness Enumeration"},
        "isComprehensive": False,
        "taxa": taxa,
    }


def _invocation(run: Run) -> dict[str, Any]:
    """Success only for what finished; each reason why a scan is not whole is a notification of level error."""
    status, reasons = _status(run)
    invocation: dict[str, Any] = {"executionSuccessful": status not in ("failed", "empty")}
    time = run.facts.get("time")
    if isinstance(time, str) and _TIME.fullmatch(time):
        invocation["endTimeUtc"] = time
    if status != "ok":
        texts = reasons or [f"the scan is {status}"]
        invocation["toolExecutionNotifications"] = [{"level": "error", "message": {"text": text}} for text in texts]
    return invocation


def _status(run: Run) -> tuple[str, list[str]]:
    """The run's status and why. What keeps the whole file from being ok counts for a run that is."""
    status = str(run.facts.get("status") or run.scan.get("status") or "ok")
    number = run.facts.get("run")
    of_run, of_file = [], []
    for text in map(one_line, run.scan.get("status_reasons") or ()):
        about = _OF_RUN.match(text)
        if about is None:
            of_file.append(text)
        elif about.group(1) == str(number):
            of_run.append(text)
    if status == "ok" and run.scan.get("status") == "partial" and of_file:
        status = "partial"
    return status, of_run + of_file


def _provenance(run: Run, tally: Tally) -> Mapping[str, Any]:
    """Where the code came from, when the repository's address and the commit are both known."""
    commit, repository = one_line(run.facts.get("commit")), run.facts.get("repository")
    if not commit or not repository:
        return {}
    uri = web_uri(repository)
    if uri is None:
        tally.warn("sarif_repository_left_out", "a repository is no web address; its commit is a property of ours")
        return {}
    return {"versionControlProvenance": [{"repositoryUri": uri, "revisionId": commit, "mappedTo": {"uriBaseId": ROOT}}]}
