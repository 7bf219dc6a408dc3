# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values of an object that are replaced for a while and put back exactly: the patches. Pure.

What was found is kept on the object itself, in the annotation ``knowngood.io/frozen``, written by the same patch:
whoever puts it back finds it there, also after a crash between patch and journal. What somebody else has written since
is theirs and stays.

PRIVATE to this collection.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._core.errors import Conflict
from .._core.plan import Json, canonical
from .client import Object
from .kinds import describe

FROZEN = "knowngood.io/frozen"
_ALWAYS_MAPS = (("metadata",), ("metadata", "annotations"), ("metadata", "labels"), ("spec",))
"""Maps that other people write into as well: they are never put in or taken out as a whole."""
_MARK = ("metadata", "annotations", FROZEN)


@dataclass(frozen=True, slots=True)
class Change:
    """One value: where it is, what it is to be, and what it was when the plan was made (None: not there)."""

    path: tuple[str, ...]
    value: Json
    before: Json

    def to_dict(self) -> dict[str, Json]:
        return {"path": list(self.path), "value": self.value, "before": self.before}

    @classmethod
    def of(cls, data: Mapping[str, Json]) -> Change:
        return cls(tuple(data["path"]), data["value"], data["before"])


@dataclass(frozen=True, slots=True)
class _Note:
    """What the annotation says: who froze the object, and what stood there, by path."""

    by: str
    before: tuple[tuple[tuple[str, ...], Json], ...]


def changes_of(obj: Object, patch: Mapping[str, Any]) -> tuple[Change, ...]:
    """What a merge patch (RFC 7396) would change of the object, value by value; nothing of what it has already.

    A map that the object does not have is one value, so that putting back takes it out as a whole again.
    """
    return tuple(_walk(obj, patch, ()))


def _walk(now: Mapping[str, Any], patch: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[Change]:
    for key, value in sorted(patch.items()):
        here, present = (*path, key), now.get(key)
        if isinstance(value, Mapping) and (isinstance(present, Mapping) or here in _ALWAYS_MAPS):
            yield from _walk(present if isinstance(present, Mapping) else {}, value, here)
        elif not holds(present, value):
            yield Change(here, _without_nulls(value), present)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return value


def holds(present: Any, wanted: Any) -> bool:
    """Is that the value? A map may have more in it: the server fills in defaults."""
    if isinstance(wanted, Mapping):
        if present is None and wanted:  # nothing there is as good as a map without what is not wanted
            present = {}
        return isinstance(present, Mapping) and all(holds(present.get(key), value) for key, value in wanted.items())
    return bool(present == wanted)


def is_frozen(obj: Object, changes: Iterable[Change]) -> bool:
    """Has the object all the values, whoever wrote them?"""
    return all(holds(_at(obj, change.path), change.value) for change in changes)


def not_taken(obj: Object, changes: Iterable[Change]) -> list[str]:
    """The values (dotted paths) that the server did not take, as it drops what a schema does not know."""
    return [".".join(change.path) for change in changes if not holds(_at(obj, change.path), change.value)]


def freeze_patch(obj: Object, changes: Iterable[Change], operation_id: str) -> Object | None:
    """A merge patch that writes the values and notes what it replaces; None where they stand already.

    Raises Conflict where another operation holds the object: it would put back what this one needs.
    """
    note = _note(obj)
    if note and note.by != operation_id:
        raise frozen_by_another(describe(obj), note.by)
    missing = [change for change in changes if not holds(_at(obj, change.path), change.value)]
    if not missing:
        return None
    before = dict(note.before) if note else {}
    patch: Object = {}
    for change in missing:
        before.setdefault(change.path, _at(obj, change.path))
        _put(patch, change.path, change.value)
    _put(patch, _MARK, _told(operation_id, before))
    return patch


def thaw_patch(obj: Object, changes: Sequence[Change], operation_id: str, *, sure: bool = False) -> Object | None:
    """A merge patch that puts back exactly what this operation replaced; None where it froze nothing here.

    ``sure``: the journal says that it did. Where the note on the object is lost, the plan's values count then.
    """
    note = _note(obj)
    if note is None and sure and is_frozen(obj, changes):
        note = _Note(operation_id, tuple((change.path, change.before) for change in changes))
    if note is None or note.by != operation_id:
        return None
    wanted = {change.path: change.value for change in changes}
    others = {path: before for path, before in note.before if path not in wanted}
    patch: Object = {}
    for path, before in note.before:
        now = _at(obj, path)
        if path in wanted and holds(now, wanted[path]) and now != before:
            _put(patch, path, _turned(now, before))
    _put(patch, _MARK, _told(operation_id, others) if others else None)
    return patch


def changed_since(obj: Object, changes: Sequence[Change], operation_id: str) -> list[str]:
    """Which values (dotted paths) somebody else wrote after this operation froze them: they are not put back."""
    note = _note(obj)
    if note is None or note.by != operation_id:
        return []
    frozen = {path for path, before in note.before}
    return not_taken(obj, [change for change in changes if change.path in frozen])


def frozen_by_another(title: str, by: str, where: str = "") -> Conflict:
    """``title``: the object, as ``Kind namespace/name``. An operation that was given up leaves it as it is."""
    return Conflict(
        f"{title} is frozen by operation {by}",
        where=where,
        next=(
            f"wait for it, or knowngood.kube.operation id={by} with state=resumed or state=undone; where it was "
            f"abandoned or is not known any more: put back by hand what the annotation {FROZEN} of {title} has under "
            "before (path and value found; null: not there), then remove that annotation"
        ),
    )


def frozen_by(obj: Object) -> str:
    """The operation that froze the object, empty where none did."""
    note = _note(obj)
    return note.by if note else ""


def _turned(now: Any, before: Any) -> Any:
    """The merge patch that turns one value into the other."""
    if not (isinstance(now, Mapping) and isinstance(before, Mapping)):
        return before
    gone = {key: None for key in now if key not in before}
    return {**gone, **{key: _turned(now.get(key), value) for key, value in before.items() if now.get(key) != value}}


def _at(obj: Mapping[str, Any], path: Sequence[str]) -> Any:
    value: Any = obj
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _put(patch: Object, path: Sequence[str], value: Any) -> None:
    for key in path[:-1]:
        patch = patch.setdefault(key, {})
    patch[path[-1]] = value


def _told(operation_id: str, before: Mapping[tuple[str, ...], Json]) -> str:
    return canonical({"by": operation_id, "before": [[list(path), before[path]] for path in sorted(before)]})


def _note(obj: Object) -> _Note | None:
    """The annotation. One that cannot be read is as good as none: what it replaced is known to the plan as well."""
    text = (obj["metadata"].get("annotations") or {}).get(FROZEN)
    if text is None:
        return None
    try:
        kept = json.loads(text)
        return _Note(str(kept["by"]), tuple((tuple(path), value) for path, value in kept["before"]))
    except (ValueError, TypeError, KeyError):
        return None
