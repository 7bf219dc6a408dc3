# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps of many Secrets: what is done for one target, done for each, several at a time.

A run that died within such a step does it again for all: each target is asked of the cluster and not of the journal, by
the very code that works on one alone. So a batch can be taken up, and taken back, wherever it stopped.

PRIVATE to this collection.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from .._cluster.client import Cluster
from .._core.errors import KnownGoodError
from .._core.operation import Context, LooksAgain, NothingToUndo
from .._core.plan import Json, Step
from .consumers import look
from .crates import Crates
from .generation import Check, Clean, Commit, Stage
from .many import packed, ref_of, single, unpacked
from .plan import step_name
from .secrets import archive_name, pending_name, staged_name
from .shelf import shelf
from .subject import Subject, Tools

_AT_ONCE = 16
_MADE = ("fingerprint", "spki", "serial", "key", "not_before", "not_after")
One = Callable[[Tools], Any]
Pair = tuple[Step, Context]


@dataclass(frozen=True, slots=True)
class Opened:
    """The action of one target, each target's own step and context, and where what is staged lies."""

    action: Any
    pairs: list[Pair]
    beneath: Cluster
    crates: Crates


@dataclass(frozen=True, slots=True)
class Many:
    """The action of one target, for all targets of a step.

    ``shelves``: by operation, the Secrets as the step before has read and written them. A step of the same run works on
    with these: each write is held against what is in the cluster, so what is old in them makes one fail and look.
    """

    tools: Tools
    word: str
    one: One
    shelves: dict[str, Cluster] = field(repr=False)
    looked: dict[tuple[str, str], Opened] = field(default_factory=dict, repr=False)
    """What was read to see that a step is not done, for the step itself, which follows at once."""

    def done(self, step: Step, context: Context) -> bool:
        opened = self._opened(step, context)
        if all(opened.action.done(*pair) for pair in opened.pairs):
            return True
        self.looked[context.operation_id, step.name] = opened
        return False

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        opened = self.looked.pop((context.operation_id, step.name), None) or self._opened(step, context)
        results = side_by_side(opened.action.apply, opened.pairs, all_of_them=False)
        opened.crates.close()
        self.shelves[context.operation_id] = opened.beneath
        return self.told(results)

    def told(self, results: Sequence[Mapping[str, Json]]) -> dict[str, Json]:
        """What of the single results is kept."""
        return {"secrets": len(results)}

    def undo(self, step: Step, context: Context) -> dict[str, Json] | None:
        """Of every target, also where another one fails: what can be put back is."""
        self.shelves.pop(context.operation_id, None)
        opened = self._opened(step, context)
        try:
            side_by_side(self.way_back(opened.action), opened.pairs, all_of_them=True)
        except KnownGoodError:
            opened.crates.close()
            raise
        opened.crates.close()
        return {"put_back": len(opened.pairs)}

    def way_back(self, action: Any) -> Callable[[Step, Context], Any]:
        """What takes back one of them."""
        back: Callable[[Step, Context], Any] = action.undo
        return back

    def _opened(self, step: Step, context: Context) -> Opened:
        """The action on Secrets that are read at once, and for each target its own step and context."""
        rows = unpacked(step.params)
        staged = [(str(row["namespace"]), staged_name(str(row["secret"]), context.operation_id)) for row in rows]
        beneath = self.shelves.pop(context.operation_id, None) or _shelf(self.tools.cluster, rows, context)
        crates = Crates(self.tools.cluster, beneath, context.operation_id, staged)
        tools = replace(self.tools, cluster=crates.cluster, signers={})
        made = _made(rows, context)
        pairs = [
            (single(self.word, row), Context(context.operation_id, made.get(ref_of(row), {}), context.again))
            for row in rows
        ]
        return Opened(self.one(tools), pairs, beneath, crates)


def _shelf(cluster: Cluster, rows: Sequence[Mapping[str, Json]], context: Context) -> Cluster:
    """The Secrets of these targets, what their rotation may have made, and their CAs."""
    names = [(row["namespace"], name) for row in rows for name in _names(str(row["secret"]), context.operation_id)]
    authorities = {(row["ca_namespace"], row["ca_secret"]) for row in rows if row["ca_secret"]}
    return shelf(cluster, [*names, *authorities])


def _names(secret: str, operation_id: str) -> tuple[str, ...]:
    """The Secret, and those that its rotation may have made."""
    return secret, *(name(secret, operation_id) for name in (staged_name, archive_name, pending_name))


def _made(rows: Sequence[Mapping[str, Json]], context: Context) -> dict[str, dict[str, dict[str, Json]]]:
    """The results of each target as its own steps would have left them: of what was staged."""
    staged = next((found["made"] for found in context.results.values() if found.get("made")), None)
    if staged is None:
        return {}
    refs = [ref_of(row) for row in rows]
    return {ref: {step_name("stage", ref): found} for ref, found in zip(refs, unpacked(staged), strict=True)}


@dataclass(frozen=True, slots=True)
class StageMany(Many):
    """``tls.many_stage``: keeps what was made, as the later steps are held against it."""

    def told(self, results: Sequence[Mapping[str, Json]]) -> dict[str, Json]:
        return {"made": packed([{name: found[name] for name in _MADE} for found in results])}


@dataclass(frozen=True, slots=True)
class CommitMany(Many):
    """``tls.many_commit``. On the way back the archive of each goes once the old pair is in its Secret again."""

    def undoable(self, step: Step, context: Context) -> str | None:
        self.shelves.pop(context.operation_id, None)
        opened = self._opened(step, context)
        reasons = [why for pair in opened.pairs if (why := opened.action.undoable(*pair))]
        more = f" and {len(reasons) - 3} more" if len(reasons) > 3 else ""
        return "; ".join(reasons[:3]) + more if reasons else None

    def way_back(self, action: Any) -> Callable[[Step, Context], Any]:
        def back(step: Step, context: Context) -> Any:
            undone = action.undo(step, context)
            subject = Subject.of(action.tools, step, context)
            subject.drop(subject.archive())
            return undone

        return back


@dataclass(frozen=True, slots=True)
class Use(LooksAgain, NothingToUndo):
    """``tls.many_use``: every Secret holds what was made; and who has begun to use one of them meanwhile.

    What it reads for that is read anew, and left to the step that follows (``shelves``).
    """

    tools: Tools
    shelves: dict[str, Cluster] = field(repr=False)

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        rows = unpacked(step.params)
        made, wanted = _made(rows, context), [(str(row["namespace"]), str(row["secret"])) for row in rows]
        tools = replace(self.tools, cluster=_shelf(self.tools.cluster, rows, context))
        for row in rows:
            alone = Context(context.operation_id, made.get(ref_of(row), {}))
            subject = Subject(tools, row, alone)
            found = subject.secret()
            if found.certificate.fingerprint != subject.new:
                raise subject.foreign(found)
        views = {name: look(self.tools.cluster, name) for name in sorted({namespace for namespace, _name in wanted})}
        used = {f"{ns}/{name}": [one.ref for one in views[ns].consumers(name)] for ns, name in wanted}
        self.shelves[context.operation_id] = tools.cluster
        return {"secrets": len(rows), "used": {ref: found for ref, found in used.items() if found}}


def side_by_side(call: Callable[[Step, Context], Any], pairs: Sequence[Pair], *, all_of_them: bool) -> list[Any]:
    """What came of each, in their order. Raises the first failure; ``all_of_them``: after all the others are done.

    Without it no other one is begun after a failure.
    """
    failed = threading.Event()

    def one(pair: Pair) -> Any:
        if failed.is_set() and not all_of_them:
            return None
        try:
            return call(*pair)
        except KnownGoodError as error:
            failed.set()
            return error
        except BaseException:
            failed.set()
            raise

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        came = list(pool.map(one, pairs))
    errors = [found for found in came if isinstance(found, KnownGoodError)]
    if errors:
        raise errors[0]
    return came


def many_actions(tools: Tools) -> dict[str, Any]:
    """Those of a plan for many Secrets that nobody uses."""
    shelves: dict[str, Cluster] = {}
    return {
        "tls.many_stage": StageMany(tools, "stage", Stage, shelves),
        "tls.many_check": Many(tools, "check", Check, shelves),
        "tls.many_commit": CommitMany(tools, "commit", Commit, shelves),
        "tls.many_use": Use(tools, shelves),
        "tls.many_clean": Many(tools, "clean", Clean, shelves),
    }
