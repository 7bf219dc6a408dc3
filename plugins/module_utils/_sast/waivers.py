# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waivers as data: who accepts which findings, why, and until when.

A waiver without owner or reason, or past its time, is no error and hides nothing: the outcome names it, with the number
of findings that it would have hidden. What could be meant either way narrows: all conditions of a scope must hold, a
path must match every place of a finding, a digest every image that the scan speaks about.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from .._core.clock import rfc3339
from .._core.errors import BadInput
from .._core.expressions import Expression
from .._core.findings import Finding, State, Suppression
from . import conditions
from .conditions import AnyFinding, NameGlob, PathGlob, Subject

VALID, EXPIRED, OWNERLESS, REASONLESS = "valid", "expired", "ownerless", "reasonless"
# The machine-readable reasons of VEX; ``affected`` is for a risk that is accepted although it is real.
JUSTIFICATIONS = (
    "component_not_present",
    "vulnerable_code_not_present",
    "vulnerable_code_not_in_execute_path",
    "vulnerable_code_cannot_be_controlled_by_adversary",
    "inline_mitigations_already_exist",
)
AFFECTED = "affected"

_KEYS = ("id", "owner", "reason", "expires", "scope", "vex")
_SCOPE_KEYS = ("finding", "rule", "cwe", "path", "tool", "commits", "digests", "match")
_MOST = 10_000
_MOST_CACHED = 16_384
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,199}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class Ground(Protocol):
    """Why a finding is hidden: a waiver or a VEX statement."""

    def suppression(self) -> Suppression:
        """How that is written on the finding."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Which findings a waiver is about. Every condition that is given must hold."""

    given: Mapping[str, Any]
    finding: str = ""
    rule: NameGlob | None = None
    cwe: str = ""
    path: PathGlob | None = None
    tool: str = ""
    commits: tuple[str, ...] = ()
    digests: frozenset[str] = frozenset()
    match: Expression | None = None

    @classmethod
    def of(cls, data: Any, where: str) -> Scope:
        """Raises BadInput for a scope that is missing, misspelt, or would hold for everything."""
        if not data:
            raise BadInput("a waiver needs a scope", where=where, next=f"give one or more of {', '.join(_SCOPE_KEYS)}")
        given = conditions.mapping(data, where)
        conditions.only(given, _SCOPE_KEYS, where)
        read = {name: _READERS[name](value, f"{where}.{name}") for name, value in given.items()}
        globs = [str(value) for name, value in given.items() if name in ("rule", "path")]
        if len(globs) == len(given) and all(conditions.names_anything(glob) for glob in globs):
            raise BadInput(
                "this scope would hold for every finding",
                where=where,
                why=", ".join(globs)[:200],
                next="name a rule, a path, a CWE or a finding",
            )
        return cls(given={name: _plain(given[name]) for name in _SCOPE_KEYS if name in given}, **read)

    def holds(self, subject: Subject, commit: str | None, digests: Sequence[str]) -> bool:
        """Cheap conditions first, the expression last. Raises BadInput where that cannot be evaluated."""
        if self.finding and self.finding != subject.id:
            return False
        if self.cwe and self.cwe not in subject.cwe:
            return False
        if self.tool and self.tool != str(subject.get("tool") or "").lower():
            return False
        if self.rule and not any(self.rule.matches(name) for name in subject.rules):
            return False
        if self.path and not self._path_holds(self.path, subject):
            return False
        if self.commits and not (commit and any(conditions.same_commit(commit, own) for own in self.commits)):
            return False
        if self.digests and not (digests and self.digests.issuperset(digests)):
            return False
        return self.match is None or self.match.holds(subject.record)

    @staticmethod
    def _path_holds(glob: PathGlob, subject: Subject) -> bool:
        """A place outside the root is a label that the report chose: no path of ours means it."""
        return bool(subject.places) and all(
            place != "outside_root" and glob.matches(path) for path, place in subject.places
        )


@dataclass(frozen=True, slots=True)
class Waiver:
    """One waiver. ``until`` is its end as it is shown; ``state`` valid, expired, ownerless or reasonless."""

    id: str
    owner: str
    reason: str
    until: str
    expires: dt.datetime
    state: str
    scope: Scope
    vex: str = ""

    def suppression(self) -> Suppression:
        return Suppression("waiver", "accepted", f"{self.id}: {self.reason} ({self.owner}, until {self.until})")


def waived(finding: Finding, ground: Ground) -> Finding:
    """The finding, suppressed, with the ground for it among its suppressions."""
    return replace(finding, state=State.SUPPRESSED, suppressions=(*finding.suppressions, ground.suppression()))


@dataclass(slots=True)
class _Use:
    """How often a waiver hid a finding, or would have, and the first of them."""

    used: int = 0
    would_have_hidden: int = 0
    first: dict[str, str] | None = None


@dataclass(slots=True)
class Waivers:
    """All waivers of a run, with the count of what they did. Ask once for each finding.

    Each waiver stands in one index, that of its narrowest condition, so that a finding meets only those that may be
    about it; globs are asked once for each rule and path.
    """

    entries: tuple[Waiver, ...]
    _ids: dict[str, int] = field(default_factory=dict)
    _uses: list[_Use] = field(default_factory=list)
    _index: dict[tuple[str, Any], list[int]] = field(default_factory=dict)
    _deepest: int = 0
    _rule_globs: list[int] = field(default_factory=list)
    _cache: dict[tuple[str, Any], list[int]] = field(default_factory=dict)

    @classmethod
    def from_list(cls, data: Any, now: dt.datetime) -> Waivers:
        """``[{id, owner, reason, expires, scope: {...}, vex}]`` as ``now`` judges them.

        Raises BadInput naming the entry for unknown keys, a repeated id, a missing scope and a bad date.
        """
        if not isinstance(data, (list, tuple)) or len(data) > _MOST:
            raise BadInput(f"waivers must be a list of at most {_MOST} dictionaries", where="waivers")
        waivers = cls(tuple(_waiver(entry, f"waivers[{at}]", now) for at, entry in enumerate(data)))
        for at, waiver in enumerate(waivers.entries):
            if waiver.id in waivers._ids:
                why = f"waivers[{waivers._ids[waiver.id]}] has it too"
                raise BadInput(f"the id {waiver.id} is used twice", where=f"waivers[{at}].id", why=why)
            waivers._ids[waiver.id] = at
            waivers._enter(at, waiver.scope)
        return waivers

    def judge(self, finding: AnyFinding, commit: str | None = None, digests: Sequence[str] = ()) -> Waiver | None:
        """The first valid waiver that holds for the finding, counted; else the invalid ones that would are counted.

        ``commit`` (default: the finding's own) and ``digests`` are what the scan speaks about. A finding that is hidden
        already uses up no waiver.
        """
        if not self.entries:
            return None
        subject = Subject(finding)
        if subject.hidden:
            return None
        commit = (commit or str(subject.get("commit") or "")).lower() or None
        images = [digest.lower() for digest in digests]
        invalid = []
        for at in self._candidates(subject):
            waiver = self.entries[at]
            if waiver.scope.holds(subject, commit, images):
                if waiver.state == VALID:
                    self._count(at, subject)
                    return waiver
                invalid.append(at)
        for at in invalid:
            self._count(at, subject, hidden=False)
        return None

    def get(self, name: str) -> Waiver | None:
        """The waiver with that id."""
        at = self._ids.get(name)
        return None if at is None else self.entries[at]

    def report(self) -> dict[str, Any]:
        """``waivers`` (each with state, used, would_have_hidden and first), and ids: ``invalid``, ``unused``."""
        rows = [
            {
                "id": waiver.id,
                "owner": waiver.owner,
                "reason": waiver.reason,
                "expires": waiver.until,
                "scope": dict(waiver.scope.given),
                "state": waiver.state,
                "used": use.used,
                "would_have_hidden": use.would_have_hidden,
                "first": use.first,
            }
            for waiver, use in zip(self.entries, self._uses, strict=True)
        ]
        return {
            "waivers": rows,
            "hidden": sum(use.used for use in self._uses),
            "would_have_hidden": {row["id"]: row["would_have_hidden"] for row in rows if row["would_have_hidden"]},
            "invalid": [row["id"] for row in rows if row["state"] != VALID],
            "unused": [row["id"] for row in rows if row["state"] == VALID and not row["used"]],
        }

    def _enter(self, at: int, scope: Scope) -> None:
        self._uses.append(_Use())
        if scope.rule and not scope.finding and not scope.rule.exact and not scope.cwe and not scope.path:
            self._rule_globs.append(at)
            return
        key: tuple[str, Any] = ("", "")
        if scope.finding:
            key = ("finding", scope.finding)
        elif scope.rule and scope.rule.exact:
            key = ("rule", scope.rule.text)
        elif scope.path:
            key = ("path", scope.path.prefix)
            self._deepest = max(self._deepest, len(scope.path.prefix))
        elif scope.cwe:
            key = ("cwe", scope.cwe)
        elif scope.tool:
            key = ("tool", scope.tool)
        self._index.setdefault(key, []).append(at)

    def _candidates(self, subject: Subject) -> list[int]:
        """The positions of the waivers that may be about the finding, in order."""
        index = self._index
        found = [*index.get(("", ""), ()), *index.get(("finding", subject.id), ())]
        found += index.get(("tool", str(subject.get("tool") or "").lower()), ())
        for rule in subject.rules:
            found += index.get(("rule", rule), ())
            if self._rule_globs:
                found += self._cached(("rule", rule), self._by_rule)
        for name in subject.cwe:
            found += index.get(("cwe", name), ())
        if subject.places:
            found += self._cached(("path", subject.first_path), self._by_path)
        return sorted(set(found)) if len(found) > 1 else found

    def _by_rule(self, rule: str) -> list[int]:
        return [at for at in self._rule_globs if _fits(self.entries[at].scope.rule, rule)]

    def _by_path(self, path: str) -> list[int]:
        folders = tuple(path.split("/", self._deepest)[: self._deepest])
        at_hand = [at for end in range(len(folders) + 1) for at in self._index.get(("path", folders[:end]), ())]
        return [at for at in at_hand if _fits(self.entries[at].scope.path, path)]

    def _cached(self, key: tuple[str, str], compute: Callable[[str], list[int]]) -> list[int]:
        found = self._cache.get(key)
        if found is None:
            if len(self._cache) >= _MOST_CACHED:
                self._cache.clear()
            found = self._cache[key] = compute(key[1])
        return found

    def _count(self, at: int, subject: Subject, *, hidden: bool = True) -> None:
        use = self._uses[at]
        if hidden:
            use.used += 1
        else:
            use.would_have_hidden += 1
        if use.first is None:
            use.first = subject.label()


def _fits(glob: NameGlob | PathGlob | None, name: str) -> bool:
    return glob is not None and glob.matches(name)


def _waiver(data: Any, where: str, now: dt.datetime) -> Waiver:
    entry = conditions.mapping(data, where)
    conditions.only(entry, _KEYS, where)
    name = conditions.text(entry.get("id"), f"{where}.id")
    if not _ID.fullmatch(name):
        raise BadInput("this id cannot be used", where=f"{where}.id", next="use letters, digits and . _ / - only")
    owner, reason = (_perhaps(entry.get(key), f"{where}.{key}") for key in ("owner", "reason"))
    expires, until = _end(entry.get("expires"), f"{where}.expires")
    state = EXPIRED if now >= expires else VALID
    if not reason:
        state = REASONLESS
    if not owner:
        state = OWNERLESS
    vex = entry.get("vex")
    if vex is not None:
        conditions.choice(vex, (*JUSTIFICATIONS, AFFECTED), f"{where}.vex")
    return Waiver(name, owner, reason, until, expires, state, Scope.of(entry.get("scope"), f"{where}.scope"), vex or "")


def _perhaps(value: Any, where: str) -> str:
    """Text that may be missing: its absence makes a waiver invalid, not wrong."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return ""
    return conditions.text(value, where, 4096)


def _end(value: Any, where: str) -> tuple[dt.datetime, str]:
    """The moment from which a waiver holds no more. A day counts whole, in UTC."""
    if value is None:
        raise BadInput("a waiver needs an end", where=where, next="for example 2026-12-31")
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        value = value.isoformat()
    if not isinstance(value, str) or not _DAY.fullmatch(value.strip()):
        end = conditions.moment(value, where)
        return end, rfc3339(end)
    try:
        day = dt.datetime.fromisoformat(value.strip()).replace(tzinfo=dt.UTC)
        return day + dt.timedelta(days=1), value.strip()
    except (ValueError, OverflowError) as error:
        raise BadInput("this is not a day", where=where, why=str(error), next="for example 2026-12-31") from error


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, (list, tuple)) else str(value)


_READERS: dict[str, Callable[[Any, str], Any]] = {
    "finding": conditions.text,
    "rule": lambda value, where: NameGlob(conditions.text(value, where)),
    "cwe": conditions.weakness,
    "path": lambda value, where: PathGlob(conditions.text(value, where)),
    "tool": lambda value, where: conditions.text(value, where).lower(),
    "commits": lambda value, where: tuple(conditions.commit_id(one, where) for one in conditions.texts(value, where)),
    "digests": lambda value, where: frozenset(
        conditions.image_digest(one, where) for one in conditions.texts(value, where)
    ),
    "match": lambda value, where: conditions.expression(value, "a waiver's match", where),
}
