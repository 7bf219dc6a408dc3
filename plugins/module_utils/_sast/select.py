# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which files are meant by a list of files, directories and globs, and which members by archives among them."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from dataclasses import dataclass

from .._core.errors import BadInput
from . import archive
from .archive import Member
from .options import ReadOptions
from .read import form_of
from .source import PROJECT
from .text import one_line

_NAMES = (".sarif", ".sarif.json", ".sarif.gz", ".sarif.json.gz")
_PERHAPS = (".json", ".xml", ".csv", ".json.gz", ".xml.gz", ".csv.gz")
_ARCHIVES = (".zip", ".fpr")
_MOST_IGNORED = 20


@dataclass(frozen=True, slots=True)
class Selection:
    """``files`` to read, in a stable order without repeats: paths, and members of archives. ``ignored`` are files of
    given directories and archives (the first few, ``ignored_count`` all) that are no reports."""

    files: tuple[str | Member, ...]
    ignored: tuple[str, ...]
    ignored_count: int


def select(paths: Sequence[str], options: ReadOptions) -> Selection:
    """Expand ``paths``. A directory gives, at any depth, files named as SARIF, and JSON, XML and CSV files that begin
    like a report; links in it are not followed. A file that is named, or matched by a glob, is taken whatever its name.
    A zip archive stands for its members, chosen as in a directory; one that is a Fortify project is a report itself.

    Raises BadInput for a path that does not exist, a glob without match, a directory or a named archive without
    reports, and an archive that is damaged, ambiguous or beyond the caps.
    """
    if not paths:
        raise BadInput("no report was named", next="give a file, a directory or a glob in path")
    files: dict[tuple[str, str], str | Member] = {}
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
            for report in _opened(file, options, ignored, named=not os.path.isdir(path)):
                member = report.name if isinstance(report, Member) else ""
                files.setdefault((os.path.realpath(report), member), report)
    if not files:
        raise BadInput("there are no reports in the archives", where=", ".join(map(one_line, paths))[:400])
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
    if lower.endswith(_ARCHIVES):
        return archive.is_archive(path)
    return lower.endswith(_PERHAPS) and form_of(path, options) is not None


def _opened(path: str, options: ReadOptions, ignored: list[str], *, named: bool) -> list[str | Member]:
    """The file itself, or the reports in it if it is an archive. ``named``: the user asked for this very file."""
    if not archive.is_archive(path):
        return [path]
    members = archive.members(path, options)
    if any(member.name == PROJECT for member in members):
        return [path]
    candidates = [member for member in members if _may_be_report(member)]
    _check_sizes(path, candidates, options)
    found: list[str | Member] = [member for member in candidates if _is_report_inside(member, options)]
    if not found and named:
        raise BadInput(
            "there are no reports in the archive",
            where=one_line(path),
            why=f"none of its {len(members)} members is named or begins like a report",
            next="name the reports",
        )
    chosen = set(map(id, found))
    ignored.extend(one_line(str(member)) for member in members if id(member) not in chosen)
    return found


def _may_be_report(member: Member) -> bool:
    """Links and devices are none. An archive in the archive is an error: it is not opened, and may hold reports."""
    lower = member.name.lower()
    if member.special:
        return False
    if lower.endswith((*_ARCHIVES, ".gz")) and (lower.endswith(_ARCHIVES) or lower.endswith((*_NAMES, *_PERHAPS))):
        raise BadInput(
            "an archive inside of an archive is not opened",
            where=one_line(str(member)),
            next="unpack the outer one and name what is in it",
        )
    return lower.endswith((*_NAMES, *_PERHAPS))


def _check_sizes(path: str, candidates: Sequence[Member], options: ReadOptions) -> None:
    """Before anything is unpacked: a member gives no byte more than the directory says, so these are the most."""
    total, stored = sum(member.size for member in candidates), os.path.getsize(path)
    if total > options.max_bytes:
        raise BadInput(
            "the archive is too large",
            where=one_line(path),
            why=f"its reports take {total} bytes, {options.max_bytes} are allowed",
            next="raise max_bytes if you trust the file",
        )
    if total > max(options.ratio_from, options.max_ratio * stored):
        raise BadInput(
            "the archive looks like a decompression bomb",
            where=one_line(path),
            why=f"{stored} bytes would become {total}: over {options.max_ratio} to 1",
            next="unpack it yourself if you trust the file",
        )


def _is_report_inside(member: Member, options: ReadOptions) -> bool:
    archive.probe(member)
    return member.name.lower().endswith(_NAMES) or form_of(member, options) is not None
