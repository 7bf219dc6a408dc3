# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which files are meant by a list of files, directories and globs."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from dataclasses import dataclass

from .._core.errors import BadInput
from .options import ReadOptions
from .read import form_of

_NAMES = (".sarif", ".sarif.json", ".sarif.gz", ".sarif.json.gz")
_PERHAPS = (".json", ".xml", ".csv", ".json.gz", ".xml.gz", ".csv.gz")
_MOST_IGNORED = 20


@dataclass(frozen=True, slots=True)
class Selection:
    """``files`` to read, in a stable order without repeats; ``ignored`` are files of given directories (the first few,
    ``ignored_count`` all) that are no reports."""

    files: tuple[str, ...]
    ignored: tuple[str, ...]
    ignored_count: int


def select(paths: Sequence[str], options: ReadOptions) -> Selection:
    """Expand ``paths``. A directory gives, at any depth, files named as SARIF, and JSON, XML and CSV files that begin
    like a report; links in it are not followed. A file that is named, or matched by a glob, is taken whatever its name.

    Raises BadInput for a path that does not exist, a glob without match and a directory without reports.
    """
    if not paths:
        raise BadInput("no report was named", next="give a file, a directory or a glob in path")
    files: dict[str, str] = {}
    ignored: list[str] = []
    for path in paths:
        if os.path.isdir(path):
            found = _in_directory(path, options, ignored)
            if not found:
                raise BadInput(
                    "there are no reports in the directory",
                    where=path,
                    why=f"no file is named like {', '.join(_NAMES)} and no JSON, XML or CSV file begins like a report",
                    next="name the files",
                )
        elif os.path.lexists(path) or not glob.has_magic(path):
            found = [path]
        else:
            found = sorted(match for match in glob.glob(path, recursive=True) if not os.path.isdir(match))
            if not found:
                raise BadInput("no file matches", where=path, next="check the glob, or produce the report first")
        for file in found:
            files.setdefault(os.path.realpath(file), file)
    return Selection(tuple(files.values()), tuple(ignored[:_MOST_IGNORED]), len(ignored))


def _in_directory(path: str, options: ReadOptions, ignored: list[str]) -> list[str]:
    found = []
    for folder, folders, names in os.walk(path):
        folders.sort()
        for name in sorted(names):
            file = os.path.join(folder, name)
            if not os.path.islink(file) and _is_report(file, options):
                found.append(file)
            else:
                ignored.append(file)
    return found


def _is_report(path: str, options: ReadOptions) -> bool:
    lower = path.lower()
    if lower.endswith(_NAMES):
        return True
    return lower.endswith(_PERHAPS) and form_of(path, options) is not None
