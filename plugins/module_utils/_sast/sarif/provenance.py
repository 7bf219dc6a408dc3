# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which repository and commit a run looked at, and as what it was run."""

from __future__ import annotations

import re

from ..secrets import without_credentials
from ..shape import as_dict, as_list, as_str
from ..text import Cleaner
from .run import RawRun

_COMMIT = re.compile(r"[0-9a-fA-F]{7,64}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z")


def commits_of(run: RawRun) -> list[tuple[str, str]]:
    """(commit, repository) of each entry of versionControlProvenance that names a commit, in order, without repeats."""
    found = []
    for raw in as_list(run.values.get("versionControlProvenance")):
        entry = as_dict(raw)
        commit = as_str(entry.get("revisionId")) or ""
        if _COMMIT.fullmatch(commit):
            pair = (commit.lower(), as_str(entry.get("repositoryUri")) or "")
            if pair not in found:
                found.append(pair)
    return found


def root_bases(run: RawRun) -> frozenset[str]:
    """The uriBaseIds that the report maps to a repository root. One with a path of its own ("sub/") is not the root."""
    found = set()
    for raw in as_list(run.values.get("versionControlProvenance")):
        mapped = as_dict(as_dict(raw).get("mappedTo"))
        name = as_str(mapped.get("uriBaseId"))
        if name and not mapped.get("uri"):
            found.add(name)
    return frozenset(found)


def category_of(run: RawRun, cleaner: Cleaner) -> tuple[str, str]:
    """(category, run id): automationDetails.id split at its last slash, as code hosting services do."""
    identifier = cleaner.label(as_dict(run.values.get("automationDetails")).get("id"))
    category, slash, run_id = identifier.rpartition("/")
    return (category, run_id) if slash else ("", identifier)


def converter_of(run: RawRun, cleaner: Cleaner) -> str | None:
    """What turned another tool's output into this report: name and version; None when nothing is said of such."""
    driver = as_dict(as_dict(as_dict(run.values.get("conversion")).get("tool")).get("driver"))
    version = as_str(driver.get("semanticVersion")) or as_str(driver.get("version")) or ""
    return cleaner.label(f"{as_str(driver.get('name')) or ''} {version}".strip(), 200) or None


def ended_at(run: RawRun) -> str | None:
    """The latest end of its invocations, as stated (UTC); None when none is stated in the standard's form."""
    stated = (invocation.get("endTimeUtc") for invocation in run.invocations)
    return max((value for value in stated if isinstance(value, str) and _TIME.fullmatch(value)), default=None)


def repository_label(uri: str, cleaner: Cleaner) -> str | None:
    """A repository's address without credentials."""
    return cleaner.label(without_credentials(uri), 512) or None
