# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Made-up histories of findings: a source tree before and after a change, and the truth of what became of each."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.knowngood.kube.plugins.module_utils._core.findings import Finding, Location, Severity, State
from ansible_collections.knowngood.kube.plugins.module_utils._sast.identity import Identifier, basis_of

TOOL = "Scanner"
RULES = [f"sec/rule-{number}" for number in range(25)]


def record(**more: Any) -> dict[str, Any]:
    """A finding as the store has it; ``path``, ``line``, ``fingerprints`` and all other fields may be given."""
    path, line = more.pop("path", "src/a.py"), more.pop("line", 10)
    symbol = more.pop("symbol", None)
    identifier = more.pop("identifier", None) or Identifier()
    fields = {"tool": TOOL, "rule": "R1", "message": "bad", "state": State.LIVE, **more}
    identity, basis = basis_of(fields.get("fingerprints") or {}, {}, fields["message"])
    name, occurrence = identifier.identify(fields["tool"], fields["rule"], path or symbol or "", basis)
    fields.setdefault("id", name)
    finding = Finding(
        severity=Severity.HIGH,
        severity_source="level",
        native="error",
        locations=(Location(path, line=line, symbol=symbol),) if path or symbol else (),
        identity=identity,
        occurrence=occurrence,
        **fields,
    )
    return finding.to_dict()


def records(*each: dict[str, Any]) -> list[dict[str, Any]]:
    """Findings of one scan: equal ones are numbered."""
    identifier = Identifier()
    return [record(**{"identifier": identifier, **one}) for one in each]


@dataclass(frozen=True)
class Flaw:
    """One finding as the tree has it; ``key`` is what it really is."""

    key: int
    path: str
    line: int
    rule: str
    code: str


@dataclass(frozen=True)
class Sort:
    """What the made-up scanner tells: fingerprints, quoted code, messages that say what they are about."""

    fingerprints: bool = False
    snippets: bool = False
    telling: bool = False


@dataclass
class History:
    """``before`` and ``after`` are records; ``truth`` maps ids of after to ids of before; the rest is new or gone."""

    before: list[dict[str, Any]]
    after: list[dict[str, Any]]
    renames: dict[str, str]
    truth: dict[str, str] = field(default_factory=dict)


def history(
    seed: int, *, sort: Sort, kept: int, gone: int, new: int, files: int, renamed: int, moved_names: bool = False
) -> History:
    """A tree of ``files`` files with ``kept`` + ``gone`` findings, of which ``gone`` go; ``new`` ones come.

    Lines come and go at three points of each file; ``renamed`` files move to another folder, with ``moved_names`` to
    another name as well.
    """
    dice = random.Random(seed)
    paths = [f"src/part{number % 17}/file{number // 3}_{number % 3}.py" for number in range(files)]
    flaws = [_flaw(dice, key, dice.choice(paths)) for key in range(kept + gone)]
    survivors = flaws[:kept]
    moved = dice.sample(paths, renamed)
    renames = {path: _renamed(path, moved_names) for path in moved}
    cuts = {path: [(dice.randrange(1, 3000), dice.randrange(-3, 9)) for _point in range(3)] for path in paths}
    later = [_shifted(flaw, cuts[flaw.path], renames) for flaw in survivors]
    targets = [renames.get(path, path) for path in paths]
    later += [_flaw(dice, key, dice.choice(targets)) for key in range(kept + gone, kept + gone + new)]
    before, after = _reported(flaws, sort, dice), _reported(later, sort, dice)
    by_key = {key: one["id"] for key, one in before}
    truth = {one["id"]: by_key[key] for key, one in after if key in by_key}
    return History([one for _key, one in before], [one for _key, one in after], renames, truth)


def _flaw(dice: random.Random, key: int, path: str) -> Flaw:
    # One in twenty quotes code that stands elsewhere, too.
    code = f"run(common{dice.randrange(3)})" if dice.random() < 0.05 else f"run(value_{key})"
    return Flaw(key, path, dice.randrange(1, 3000), dice.choice(RULES), code)


def _renamed(path: str, moved_names: bool) -> str:
    folder, name = path.rsplit("/", 1)
    return f"lib/{folder}/{'new_' if moved_names else ''}{name}"


def _shifted(flaw: Flaw, cuts: list[tuple[int, int]], renames: dict[str, str]) -> Flaw:
    line = flaw.line + sum(by for at, by in cuts if at <= flaw.line)
    return replace(flaw, path=renames.get(flaw.path, flaw.path), line=max(1, line))


def _reported(flaws: list[Flaw], sort: Sort, dice: random.Random) -> list[tuple[int, dict[str, Any]]]:
    identifier = Identifier()
    found = []
    for flaw in sorted(flaws, key=lambda one: (one.path, one.line, one.key)):
        about = "".join(chr(97 + int(digit)) for digit in str(flaw.key))
        more: dict[str, Any] = {}
        if sort.fingerprints:
            more["fingerprints"] = {"contextHash/v1": _hash(f"{flaw.key}"), "startLine/v1": str(flaw.line)}
        if sort.snippets:
            more["snippet_sha256"] = _hash(flaw.code)
        message = f"{flaw.rule} in line {flaw.line}" + (f" about {about}" if sort.telling else "")
        one = record(identifier=identifier, path=flaw.path, line=flaw.line, rule=flaw.rule, message=message, **more)
        found.append((flaw.key, one))
    dice.shuffle(found)
    return found


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
