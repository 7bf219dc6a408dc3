# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the door was asked for, checked before anything is read."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .._core.errors import BadInput
from .options import ReadOptions
from .policy import Policy

if TYPE_CHECKING:
    from .gate import Gate
    from .openvex import Vex
    from .waivers import Waivers

OPENVEX = "openvex"
OUTPUTS = ("sarif", "csv", "markdown", "codeclimate", OPENVEX)
_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_MOST_INLINE = 100


@dataclass(frozen=True, slots=True)
class Output:
    """A file to write: ``form`` is a name of OUTPUTS. ``author`` signs an OpenVEX document."""

    form: str
    path: str
    author: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """The options of one call. ``inline``: how many findings come back; ``explain``: the id of one to be explained."""

    paths: tuple[str, ...]
    options: ReadOptions
    dest: str = ""
    inline: int = _MOST_INLINE
    outputs: tuple[Output, ...] = ()
    baseline: tuple[str, ...] = ()
    renames: Mapping[str, str] | None = None
    source: str = ""
    waivers: Waivers | None = None
    vex: Vex | None = None
    gate: Gate | None = None
    explain: str = ""

    @classmethod
    def of(cls, params: Mapping[str, Any], now: dt.datetime) -> Request:
        """From the door's parameters. Raises BadInput for values that no report could meet."""
        waivers, vex, gate = _waivers(params, now), _vex(params), _gate(params)
        inline = params.get("return_findings")
        inline = _MOST_INLINE if inline is None else int(inline)
        if inline < 0:
            raise BadInput("return_findings must not be negative", next="0 returns none")
        return cls(
            paths=tuple(str(path) for path in params.get("path") or ()),
            options=options_of(params, tuple(judge for judge in (waivers, vex) if judge is not None)),
            dest=params.get("dest") or "",
            inline=inline,
            outputs=_outputs(params.get("outputs") or ()),
            baseline=tuple(str(path) for path in params.get("baseline") or ()),
            renames=_renames(params.get("renames")),
            source=params.get("source") or "",
            waivers=waivers,
            vex=vex,
            gate=gate,
            explain=params.get("explain") or "",
        )

    @property
    def totals_only(self) -> bool:
        """Whether counting is enough: nobody wants to see, keep or judge a single finding."""
        wanted = self.dest or self.inline or self.outputs or self.baseline or self.gate or self.explain
        return not wanted and not self.options.policy.severity and not self.options.judges

    def refuse_overwriting(self, files: Sequence[str | os.PathLike[str]]) -> None:
        """Raises BadInput when a file that is to be written is one that is read, or is named twice."""
        read = {os.path.realpath(os.fspath(file)) for file in files}
        for what, path in (("dest", self.dest), *((f"outputs: {one.form}", one.path) for one in self.outputs)):
            if path and os.path.realpath(path) in read:
                raise BadInput(f"{what} is one of the reports", where=path, next="write to another file")
            read.add(os.path.realpath(path))


def _renames(given: Mapping[str, Any] | None) -> dict[str, str] | None:
    """None and {} differ: nobody was asked which files were renamed, and none was."""
    return None if given is None else {str(old): str(new) for old, new in given.items()}


# Most calls want none of these three: what they need is loaded only for those that do.


def _waivers(params: Mapping[str, Any], now: dt.datetime) -> Waivers | None:
    if not params.get("waivers"):
        return None
    from .waivers import Waivers

    return Waivers.from_list(params["waivers"], now)


def _vex(params: Mapping[str, Any]) -> Vex | None:
    if not params.get("vex"):
        return None
    from . import openvex

    return openvex.read([one if isinstance(one, Mapping) else os.path.expanduser(str(one)) for one in params["vex"]])


def _gate(params: Mapping[str, Any]) -> Gate | None:
    if params.get("gate") is None:
        return None
    from .gate import Gate

    return Gate.from_dict(params["gate"])


def options_of(params: Mapping[str, Any], judges: tuple[Any, ...] = ()) -> ReadOptions:
    """Reader options from the door's parameters."""
    commit = str(params.get("commit") or "auto").strip().lower()
    if commit != "auto" and not _COMMIT.fullmatch(commit):
        raise BadInput("commit is not a commit id", where=commit[:80], next="give 7 to 64 hex digits, or auto")
    defaults = ReadOptions()
    return ReadOptions(
        format=params.get("format") or "auto",
        commit=commit,
        digests=_digests_of(params.get("digest")),
        suppressions=params.get("suppressions") or "strict",
        note_severity=params.get("note_severity") or "low",
        policy=Policy.from_dict(params.get("policy")),
        source_root=params.get("source_root") or "",
        uri_bases={str(name): str(path) for name, path in (params.get("uri_bases") or {}).items()},
        judges=judges,
        external_files=bool(params.get("external_files")),
        max_bytes=_positive(params, "max_bytes", defaults.max_bytes),
        max_results=_positive(params, "max_results", defaults.max_results),
    )


def _outputs(given: Sequence[Mapping[str, Any]]) -> tuple[Output, ...]:
    found = []
    for at, entry in enumerate(given):
        form, path, author = (str(entry.get(key) or "") for key in ("format", "dest", "author"))
        where = f"outputs[{at}]"
        if form not in OUTPUTS:
            raise BadInput(f"there is no output {form!r}", where=where, next=f"use one of {', '.join(OUTPUTS)}")
        if not path:
            raise BadInput("an output needs a dest", where=where)
        if form == OPENVEX and not author:
            raise BadInput("an OpenVEX document needs an author", where=where, next="say who answers for it")
        found.append(Output(form, path, author))
    return tuple(found)


def _digests_of(given: Any) -> Mapping[str, str] | str | None:
    """One digest for all reports, or a dictionary of image digest -> commit as in ``sources[].digests``."""
    if isinstance(given, str) and given.strip().startswith("{"):
        try:
            given = json.loads(given)
        except ValueError as error:
            raise BadInput("digest is neither a digest nor a dictionary", why=str(error)) from error
    if not given:
        return None
    if isinstance(given, Mapping):
        for digest, commit in given.items():
            _check_digest(str(digest))
            if not _COMMIT.fullmatch(str(commit).lower()):
                where = f"{digest}: {commit}"[:200]
                raise BadInput("digest maps an image to something that is no commit id", where=where)
        return {str(digest): str(commit).lower() for digest, commit in given.items()}
    _check_digest(str(given))
    return str(given)


def _check_digest(digest: str) -> None:
    if not _DIGEST.fullmatch(digest.rpartition("@")[2]):
        raise BadInput("this is not an image digest", where=digest[:200], next="give sha256: and 64 hex digits")


def _positive(params: Mapping[str, Any], name: str, default: int) -> int:
    value = params.get(name)
    if value is None:
        return default
    if int(value) < 1:
        raise BadInput(f"{name} must be at least 1", where=str(value))
    return int(value)
