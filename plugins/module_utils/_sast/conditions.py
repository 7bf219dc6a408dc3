# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What waivers, VEX and gates share: options checked key by key, globs, and a finding seen as they ask about it."""

from __future__ import annotations

import datetime as dt
import fnmatch
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from .._core.clock import parse_time
from .._core.errors import BadInput
from .._core.expressions import Expression
from .._core.findings import Finding
from . import cwe
from .identity import stable_rule
from .text import visible

AnyFinding: TypeAlias = "Finding | Mapping[str, Any]"

_LONGEST = 1024
_MOST_ENTRIES = 1000
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,12})?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_SET = re.compile(r"\[[^\]]*\]")
_MAGIC = re.compile(r"[*?\[]")


def mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise BadInput("this must be a dictionary", where=where, why=f"it is {_kind(value)}")
    return value


def only(data: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    """Raises BadInput for keys that nothing reads: a misspelt condition must not be an absent one."""
    names = sorted(known)
    unknown = sorted(visible(str(name))[:80] for name in data if name not in names)
    if unknown:
        raise BadInput(
            f"there are unknown keys: {', '.join(unknown[:10])}", where=where, next=f"known are: {', '.join(names)}"
        )


def text(value: Any, where: str, longest: int = _LONGEST) -> str:
    """Text that is not empty, made visible. Anything else is an error: an empty condition would be a wide one."""
    if not isinstance(value, str) or not value.strip():
        raise BadInput("this must be a text that is not empty", where=where, why=f"it is {_kind(value)}")
    if len(value) > longest:
        raise BadInput("this text is too long", where=where, why=f"{len(value)} characters", next=f"at most {longest}")
    return visible(value.strip())


def texts(value: Any, where: str) -> tuple[str, ...]:
    """A list of texts that is not empty."""
    if not isinstance(value, (list, tuple)) or not value or len(value) > _MOST_ENTRIES:
        raise BadInput(f"this must be a list of 1 to {_MOST_ENTRIES} texts", where=where, why=f"it is {_kind(value)}")
    return tuple(text(entry, f"{where}[{position}]") for position, entry in enumerate(value))


def records(value: Any, where: str) -> list[Mapping[str, Any]]:
    """A list of dictionaries, as a module returned it; nothing is an empty one."""
    if not isinstance(value, (list, tuple)) and value is not None:
        raise BadInput("this must be a list", where=where, why=f"it is {_kind(value)}")
    return [mapping(entry, where) for entry in value or ()]


def choice(value: Any, words: Iterable[str], where: str) -> str:
    allowed = [str(word) for word in words]
    if not isinstance(value, str) or value not in allowed:
        shown = visible(repr(value))[:80]
        raise BadInput(f"there is no such word: {shown}", where=where, next=f"use one of {', '.join(allowed)}")
    return str(value)


def choices(value: Any, words: Sequence[str], where: str) -> tuple[str, ...]:
    return tuple(choice(entry, words, f"{where}[{at}]") for at, entry in enumerate(texts(value, where)))


def moment(value: Any, where: str) -> dt.datetime:
    """A time as RFC 3339 writes it, or one that YAML has read already. A time without a zone is refused."""
    try:
        if isinstance(value, dt.datetime) and value.tzinfo is not None:
            return value.astimezone(dt.UTC)
        if isinstance(value, str) and _TIME.fullmatch(value.strip()):
            return parse_time(value)
        why = f"it is {_kind(value)}"
    except (ValueError, OverflowError) as error:
        why = str(error)
    raise BadInput("this is not a time with a zone", where=where, why=why, next="for example 2026-11-21T14:03:05Z")


def weakness(value: Any, where: str) -> str:
    """``CWE-89`` from any of its usual spellings; exactly one."""
    numbers = cwe.number_of(value) if isinstance(value, (str, int)) else []
    if len(numbers) != 1:
        raise BadInput("this is not one CWE", where=where, why=f"it is {_kind(value)}", next="for example CWE-89")
    return f"CWE-{numbers[0]}"


def expression(value: Any, what: str, where: str) -> Expression:
    """A compiled JMESPath. One that mentions no field of a finding would hold for all of them or for none: refused."""
    compiled = Expression.of(text(value, where, 4096), what, where)
    import jmespath  # the line above has said what to do where it is missing

    if not _mentions_a_field(jmespath.compile(compiled.text).parsed):
        raise BadInput(f"{what} looks at nothing", where=where, why=compiled.text[:200], next="compare a field")
    return compiled


def _mentions_a_field(node: Any) -> bool:
    if not isinstance(node, Mapping):
        return False
    return node.get("type") == "field" or any(_mentions_a_field(child) for child in node.get("children") or ())


def commit_id(value: Any, where: str) -> str:
    commit = text(value, where).lower()
    if not _COMMIT.fullmatch(commit):
        raise BadInput("this is not a commit id", where=where, why=commit[:80], next="give 7 to 64 hex digits")
    return commit


def image_digest(value: Any, where: str) -> str:
    digest = text(value, where).lower()
    if not _DIGEST.fullmatch(digest):
        raise BadInput("this is not an image digest", where=where, why=digest[:80], next="give sha256:<64 hex digits>")
    return digest


def same_commit(one: str, other: str) -> bool:
    """One may be the shortened form of the other."""
    return min(len(one), len(other)) >= 7 and (one.startswith(other) or other.startswith(one))


def names_anything(glob: str) -> bool:
    """Does a glob hold no letter or digit outside brackets? Then it matches (nearly) everything."""
    return not any(char.isalnum() for char in _SET.sub("", glob))


class NameGlob:
    """A glob over a name such as a rule id: ``*`` is anything, ``?`` one character, ``[ab]`` a choice."""

    __slots__ = ("_match", "exact", "text")

    def __init__(self, glob: str) -> None:
        self.text = glob
        self.exact = not _MAGIC.search(glob)
        self._match = re.compile(fnmatch.translate(glob)).match

    def matches(self, name: str) -> bool:
        return name == self.text if self.exact else self._match(name) is not None


class PathGlob:
    """A glob over a whole path: ``*`` and ``?`` stay within a folder, ``**`` is any number of folders.

    A glob that ends in "/" means everything below. Time is bounded by (parts of the glob) x (folders of the path): a
    report chooses its paths, so nothing here may backtrack over their characters.
    """

    __slots__ = ("_literal", "_parts", "prefix", "text")

    def __init__(self, glob: str) -> None:
        plain = glob.removeprefix("./")
        names = (f"{plain}**" if plain.endswith("/") else plain).split("/")
        self.text = glob
        self._parts = [_part(name) for at, name in enumerate(names) if name != "**" or names[at - 1 : at] != ["**"]]
        # Most paths lack the longest plain name of a glob, which is quick to see.
        self._literal = max((part for part in self._parts if isinstance(part, str)), key=len, default="")
        literal = 0
        while literal < len(self._parts) and isinstance(self._parts[literal], str):
            literal += 1
        self.prefix = tuple(names[:literal])

    def matches(self, path: str) -> bool:
        if self._literal not in path:
            return False
        names, parts = path.split("/"), self._parts
        at = name = again = 0
        star = -1
        while name < len(names):
            part = parts[at] if at < len(parts) else ""
            if part is None:
                star, again, at = at, name, at + 1
            elif at < len(parts) and (part == names[name] if isinstance(part, str) else part(names[name])):
                at, name = at + 1, name + 1
            elif star >= 0:
                again += 1
                at, name = star + 1, again
            else:
                return False
        return all(part is None for part in parts[at:])


def _part(name: str) -> str | Callable[[str], Any] | None:
    """A folder's name as text, as a matcher, or None for ``**``."""
    if name == "**":
        return None
    return re.compile(fnmatch.translate(name)).match if _MAGIC.search(name) else name


class Subject:
    """A finding, given as such or as its record, with what is asked about it again and again."""

    __slots__ = ("_places", "_record", "_rules", "get")

    def __init__(self, finding: Finding | Mapping[str, Any]) -> None:
        self._record: Mapping[str, Any] | None = finding if isinstance(finding, Mapping) else None
        # The value of a key or an attribute, None without it; asked some ten times a finding.
        self.get: Callable[[str], Any] = (
            finding.get if isinstance(finding, Mapping) else lambda name: getattr(finding, name, None)
        )
        self._rules: tuple[str, ...] | None = None
        self._places: tuple[tuple[str, str], ...] | None = None

    @property
    def record(self) -> Mapping[str, Any]:
        """As a dictionary, for expressions."""
        if self._record is None:
            self._record = self.get("to_dict")()
        return self._record

    @property
    def hidden(self) -> bool:
        """Does it not count already? A finding that does not say is live."""
        return self.get("state") in ("suppressed", "absent")

    @property
    def id(self) -> str:
        return str(self.get("id") or "")

    @property
    def cwe(self) -> Sequence[str]:
        return self._texts("cwe")

    @property
    def tags(self) -> Sequence[str]:
        return self._texts("tags")

    @property
    def rules(self) -> tuple[str, ...]:
        """The names of its rule: as reported, as resolved, and without the path of a configuration."""
        if self._rules is None:
            rule = str(self.get("rule") or "")
            names = (rule, str(self.get("descriptor") or ""), stable_rule(str(self.get("tool") or ""), rule))
            self._rules = tuple(dict.fromkeys(name for name in names if name))
        return self._rules

    @property
    def places(self) -> tuple[tuple[str, str], ...]:
        """(path, place) of each of its locations."""
        if self._places is None:
            found = self._list("locations")
            try:
                self._places = tuple(
                    (str(one.get("path") or ""), str(one.get("place") or "inside"))
                    if isinstance(one, Mapping)
                    else (one.path, one.place)
                    for one in found
                )
            except AttributeError:
                raise self._odd("locations", found) from None
            if not self._places and self.get("path"):
                self._places = ((str(self.get("path")), "inside"),)
        return self._places

    @property
    def suppressions(self) -> list[tuple[str, str, str]]:
        """(kind, status, justification) of each."""
        found = self._list("suppressions")
        try:
            records = [one if isinstance(one, Mapping) else one.to_dict() for one in found]
        except AttributeError:
            raise self._odd("suppressions", found) from None
        return [(str(one.get("kind")), str(one.get("status")), str(one.get("justification") or "")) for one in records]

    def _list(self, name: str) -> Sequence[Any]:
        value = self.get(name) or ()
        if not isinstance(value, (list, tuple)):
            raise self._odd(name, value)
        return value

    def _texts(self, name: str) -> Sequence[str]:
        value = self._list(name)
        for entry in value:
            if not isinstance(entry, str):
                raise self._odd(name, value)
        return value

    def _odd(self, name: str, value: Any) -> BadInput:
        return BadInput(f"this is not a finding: {name}", where=f"finding {visible(self.id)[:80]}", why=_kind(value))

    def label(self) -> dict[str, str]:
        """Enough to recognise it: ``id``, ``rule`` and ``path``."""
        return {"id": self.id, "rule": self.rules[0] if self.rules else "", "path": self.first_path}

    @property
    def first_path(self) -> str:
        return self.places[0][0] if self.places else ""


def _kind(value: Any) -> str:
    if value is None:
        return "missing or null"
    if isinstance(value, (str, list, tuple, Mapping)) and not value:
        return "empty"
    return f"{visible(repr(value))[:80]}, a {type(value).__name__}"
