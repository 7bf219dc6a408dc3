# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reports of any size for the benchmarks: the same bytes for the same size, never kept in the repository."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

_RULES = 300
_FILES = 4001
_LEVELS = ("error", "warning", "note")
_PARTS = ("request", "session", "query", "template", "archive", "upload", "render", "cache")
_MEGABYTE = 1_000_000
_MESSAGE = "of this class comes from the request and is used here without a check of its form."


def small_results(path: Path, megabytes: int) -> int:
    """Many results of about 0.7 kB, as most tools write them. Gives their number."""
    return _report(path, megabytes, _small)


def long_flows(path: Path, megabytes: int) -> int:
    """Fewer results, each with a long code flow, as data-flow tools write them."""
    return _report(path, megabytes, _with_flow)


def one_result(path: Path, megabytes: int) -> int:
    """A single result whose code flow fills the file."""
    step = json.dumps(_step(1))
    with path.open("w") as file:
        file.write(_head())
        flow = json.dumps({**_small(1), "codeFlows": "@"})
        before, after = flow.split('"@"')
        file.write(f'{before}[{{"threadFlows": [{{"locations": [{step}')
        for _number in range(megabytes * _MEGABYTE // (len(step) + 2)):
            file.write(f", {step}")
        file.write(f"]}}]}}]{after}]}}]}}")
    return 1


def spotbugs(path: Path, megabytes: int) -> int:
    """XML of SpotBugs: bug instances of about 0.7 kB."""
    count, size = 0, 0
    with path.open("w") as file:
        file.write('<?xml version="1.0" encoding="UTF-8"?>\n<BugCollection version="4.8.6" sequence="0" ')
        file.write('timestamp="1700000000000" analysisTimestamp="1700000001000" release="">\n')
        file.write('<Project projectName="shop"><Jar>target/classes</Jar></Project>\n')
        while size < megabytes * _MEGABYTE:
            text = _bug(count)
            file.write(text)
            size += len(text)
            count += 1
        file.write('<Errors errors="0" missingClasses="0"></Errors>\n')
        file.write(f'<FindBugsSummary total_classes="900" total_bugs="{count}"></FindBugsSummary>\n</BugCollection>\n')
    return count


def many(folder: Path, files: int, *, rules: int = _RULES, results: int = 20) -> int:
    """So many small reports, each of another name and with all rules of its tool. Gives the size of one in bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    size = 0
    for number in range(files):
        with (folder / f"report-{number:04}.sarif").open("w") as file:
            size = file.write(_head(rules))
            found = (json.dumps(_small(number * results + place, rules)) for place in range(results))
            size += file.write(",\n".join(found) + "]}]}")
    return size


def _report(path: Path, megabytes: int, make: Callable[[int], dict[str, Any]]) -> int:
    count, size = 0, 0
    with path.open("w") as file:
        size += file.write(_head())
        while size < megabytes * _MEGABYTE:
            size += file.write((",\n" if count else "") + json.dumps(make(count)))
            count += 1
        file.write("]}]}")
    return count


def _head(rules: int = _RULES) -> str:
    driver = {"name": "Synthetic", "semanticVersion": "2.4.0", "rules": list(_rules(rules))}
    run = {
        "tool": {"driver": driver},
        "invocations": [{"executionSuccessful": True}],
        "versionControlProvenance": [{"repositoryUri": "https://git.example.com/shop", "revisionId": "5e" * 20}],
        "results": "@",
    }
    text = json.dumps({"version": "2.1.0", "runs": [run]})
    return text[: text.index('"@"')] + "[\n"


def _rules(count: int) -> Iterator[dict[str, Any]]:
    for number in range(count):
        rule: dict[str, Any] = {
            "id": f"java/{_PARTS[number % 8]}-{number:03}",
            "name": f"Unsafe{_PARTS[number % 8].title()}{number}",
            "shortDescription": {"text": f"Unsafe use of a {_PARTS[number % 8]}"},
            "fullDescription": {"text": "Input that an attacker chooses reaches a place that trusts it. " * 4},
            "helpUri": f"https://rules.example.com/{number}",
            "defaultConfiguration": {"level": _LEVELS[number % 3]},
            "properties": {"tags": ["security", f"external/cwe/cwe-{20 + number:03}"]},
        }
        if number % 2:
            rule["properties"]["security-severity"] = f"{number % 10}.{number % 7}"
        yield rule


def _small(number: int, rules: int = _RULES) -> dict[str, Any]:
    rule, part, file = number % rules, _PARTS[number % 8], number % _FILES
    path = f"service/src/main/java/com/example/shop/module{file % 97}/{_PARTS[file % 8].title()}Handler{file}.java"
    line = number % 1500 + 1
    region = {"startLine": line, "startColumn": 9, "endLine": line, "endColumn": 62}
    snippet = f"String value = {part}.get(input{number % 31});"
    return {
        "guid": f"5e3a{number % 65536:04x}-0000-4000-8000-{number:012x}",
        "ruleId": f"java/{_PARTS[rule % 8]}-{rule:03}",
        "ruleIndex": rule,
        "level": _LEVELS[rule % 3],
        "message": {"text": f"The value of {part} number {number} {_MESSAGE}"},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": path, "uriBaseId": "%SRCROOT%", "index": file},
                    "region": {**region, "snippet": {"text": snippet}},
                }
            }
        ],
        "partialFingerprints": {
            "primaryLocationLineHash": f"{number * 2654435761 % 2**64:016x}:1",
            "primaryLocationStartColumnFingerprint": "4",
        },
    }


def _step(number: int) -> dict[str, Any]:
    location = {"artifactLocation": {"uri": f"src/Step{number % 211}.java"}, "region": {"startLine": number % 900 + 1}}
    return {"location": {"physicalLocation": location, "message": {"text": f"the value passes here, step {number}"}}}


def _with_flow(number: int) -> dict[str, Any]:
    steps = [_step(number + place) for place in range(20)]
    return {**_small(number), "codeFlows": [{"threadFlows": [{"locations": steps}]}]}


def _bug(number: int) -> str:
    part, line = _PARTS[number % 8], number % 1500 + 1
    kind = f"{part.upper()}_{number % 60}"
    name = f"com.example.shop.module{number % 97}.{part.title()}Handler{number % 4001}"
    source = name.replace(".", "/") + ".java"
    place = (
        f'<SourceLine classname="{name}" start="{line}" end="{line + 1}" sourcefile="{source.rpartition("/")[2]}" '
        f'sourcepath="{source}"/>'
    )
    return (
        f'<BugInstance type="{kind}" priority="{number % 3 + 1}" rank="{number % 20 + 1}" abbrev="X" '
        f'category="SECURITY" instanceHash="{number * 2654435761 % 2**64:032x}" cweid="{20 + number % 60}">'
        f"<ShortMessage>Unsafe use of a {part}</ShortMessage>"
        f"<LongMessage>Unsafe use of {part} number {number} in {name}</LongMessage>"
        f'<Class classname="{name}" primary="true">{place}</Class>'
        f'<Method classname="{name}" name="handle" signature="()V" isStatic="false" primary="true"></Method>'
        f"{place}</BugInstance>\n"
    )
