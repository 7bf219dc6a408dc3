# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the rows of an inventory go: all of them into a file, and back to the caller those that he asked for.

Ansible takes longer over ten thousand rows in a variable than the inventory takes to read them from a cluster.

PRIVATE to this collection.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .._core.errors import BadInput
from .files import PRIVATE, replace

ALL, FINDINGS, NO_ROWS = "all", "findings", "none"
CHOICES = (ALL, FINDINGS, NO_ROWS)
LISTS = ("identities", "bundles", "references", "requests", "served")
_WRITTEN = (*LISTS, "without_secret", "unread")


def shown(rows: Mapping[str, Any], which: str) -> dict[str, Any]:
    """Of each list all rows, those with a finding, or none."""
    if which == ALL:
        return {}
    return {word: [row for row in rows[word] if which == FINDINGS and row["lint"]] for word in LISTS}


def totals(rows: Mapping[str, Any]) -> dict[str, Any]:
    """How many rows there are of each list, and how many findings of each severity."""
    severities = Counter(one["severity"] for word in LISTS for row in rows[word] for one in row["lint"])
    return {**{word: len(rows[word]) for word in LISTS}, "findings": {"error": 0, "warning": 0, **severities}}


def must_be_writable(path: str) -> None:
    """Raises BadInput: found before anything is read."""
    target = Path(path).expanduser()
    if not target.parent.is_dir():
        raise BadInput("the directory of dest does not exist", where=str(target.parent), next="make it first")
    if target.is_dir() or not os.access(target.parent, os.W_OK):
        raise BadInput("dest cannot be written", where=str(target), next="name a file")


def write(path: str, rows: Mapping[str, Any], *, dry: bool) -> dict[str, Any]:
    """One JSON object a line with its list as ``part``; replaced at once, mode 0600, where anything is different.

    Raises BadInput.
    """
    target, lines = Path(path).expanduser(), list(_lines(rows))
    content = "".join(lines).encode()
    digest = hashlib.sha256(content).hexdigest()
    changed = digest != _digest(target)
    if changed and not dry:
        try:
            replace(target, content, PRIVATE)
        except OSError as error:
            why = str(error.strerror or error)
            raise BadInput("dest cannot be written", where=str(target), why=why) from error
    return {"path": path, "rows": len(lines), "sha256": digest, "changed": changed}


def _lines(rows: Mapping[str, Any]) -> Iterator[str]:
    for word in _WRITTEN:
        for row in rows[word]:
            yield json.dumps({"part": word, **row}) + "\n"


def _digest(target: Path) -> str:
    try:
        with target.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""
