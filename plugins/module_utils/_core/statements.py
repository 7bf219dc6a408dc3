# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Statements, the chain they form, and the recovery points that are the fold of them.

A statement is one immutable fact about a recovery point. Each holds the hash of the one before it, so that nothing in
the middle can be changed, left out or moved without the chain showing it. That the *end* was cut off cannot be seen
from the chain alone; a mirror outside the cluster shows that.

PRIVATE to this collection.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .clock import parse_time
from .errors import KnownGoodError
from .plan import Json, canonical, digest
from .signatures import UNSIGNED, Signer, Verifier, well_formed

CAPTURED, COPIED, DRILLED, JUDGED = "captured", "copied", "drilled", "judged"
HELD, RELEASED, RESTORED, PRUNED, EXPIRED = "held", "released", "restored", "pruned", "expired"
KINDS = (CAPTURED, COPIED, DRILLED, JUDGED, HELD, RELEASED, RESTORED, PRUNED, EXPIRED)


class LedgerBroken(KnownGoodError):
    """A statement is missing, was altered or stands in the wrong place; ``what`` names it."""

    code = "ledger_broken"


@dataclass(frozen=True, slots=True)
class Statement:
    """One fact. ``seq`` counts from 1 in the ledger of ``target`` (``namespace/name`` of the application).

    ``key`` makes appending idempotent: no two statements of a ledger have the same. ``at`` is RFC 3339 by the clock of
    the writer; order is given by ``seq`` alone. ``by`` is the writer's user name in the cluster. ``prev`` is the hash
    of the statement before, empty for the first. ``hash`` is SHA-256 (hex) over everything but itself and
    ``signature``, which is ``unsigned`` or ``ed25519:<key id>:<base64>``.
    """

    target: str
    seq: int
    kind: str
    point: str
    at: str
    by: str
    key: str
    body: Mapping[str, Json]
    prev: str
    hash: str
    signature: str = UNSIGNED

    @property
    def name(self) -> str:
        """How errors call it."""
        return f"statement {self.seq} ({self.kind} {self.point})"

    def to_dict(self) -> dict[str, Json]:
        """JSON values; this is also what is stored."""
        return {**_hashed(self), "hash": self.hash, "signature": self.signature}

    def to_json(self) -> str:
        """The one spelling in which a statement is stored."""
        return canonical(self.to_dict())

    @classmethod
    def from_json(cls, text: str, *, where: str = "") -> Statement:
        """Reads what :meth:`to_json` wrote. Raises LedgerBroken for anything else, be it one space."""
        try:
            data = json.loads(text)
            statement = cls(**data)
            same = canonical(data) == text and _types_hold(statement)
        except (TypeError, ValueError, RecursionError) as error:
            raise LedgerBroken("a statement cannot be read", where=where, why=repr(error)[:200]) from error
        if not same:
            raise LedgerBroken("a statement is not in the form in which it was written", where=where)
        return statement


def _types_hold(statement: Statement) -> bool:
    texts = (statement.target, statement.kind, statement.point, statement.at, statement.by, statement.key)
    more = (statement.prev, statement.hash, statement.signature)
    whole = isinstance(statement.seq, int) and not isinstance(statement.seq, bool)
    return whole and all(isinstance(text, str) for text in texts + more) and isinstance(statement.body, dict)


def _hashed(statement: Statement) -> dict[str, Json]:
    return {
        "target": statement.target,
        "seq": statement.seq,
        "kind": statement.kind,
        "point": statement.point,
        "at": statement.at,
        "by": statement.by,
        "key": statement.key,
        "body": dict(statement.body),
        "prev": statement.prev,
    }


@dataclass(frozen=True, slots=True)
class Draft:
    """What is to be stated, before it has a place in the chain."""

    kind: str
    point: str
    body: Mapping[str, Json]
    key: str

    def __post_init__(self) -> None:
        if self.kind not in KINDS or not self.key:
            raise ValueError(f"not a statement: kind {self.kind!r}, key {self.key!r}")


def next_statement(
    chain: Sequence[Statement], target: str, draft: Draft, *, at: str, by: str, signer: Signer | None = None
) -> Statement:
    """The statement that follows the chain."""
    last = chain[-1] if chain else None
    bare = Statement(
        target=target,
        seq=last.seq + 1 if last else 1,
        kind=draft.kind,
        point=draft.point,
        at=at,
        by=by,
        key=draft.key,
        body=dict(draft.body),
        prev=last.hash if last else "",
        hash="",
    )
    own = digest(_hashed(bare))
    return replace(bare, hash=own, signature=signer.sign(own) if signer else UNSIGNED)


def verify_chain(target: str, chain: Sequence[Statement], verifier: Verifier | None = None, *, where: str = "") -> None:
    """Checks sequence, hashes, links and keys; with a verifier also the signatures.

    From the first signed statement on, a verifier asks for a good signature on each: a ledger that began unsigned may
    go on signed, not the other way round. Raises LedgerBroken naming the first statement that is wrong.
    """
    prev, signed = "", False
    keys: set[str] = set()
    for seq, statement in enumerate(chain, start=1):
        why = _problem(statement, target, seq, prev, keys)
        if not why and verifier and (signed or statement.signature != UNSIGNED):
            signed = True
            why = verifier.problem(statement.hash, statement.signature)
        if why:
            raise LedgerBroken(
                f"the ledger of {target} is broken at {statement.name}",
                where=where,
                why=why,
                next="compare with a mirror of the ledger; trust no decision made from it until then",
                details={"statement": statement.seq},
            )
        prev = statement.hash
        keys.add(statement.key)


def _problem(statement: Statement, target: str, seq: int, prev: str, keys: set[str]) -> str:
    """Why this is not the statement that belongs here; empty when it is."""
    if statement.seq != seq:
        return f"statement {seq} is missing" if statement.seq > seq else f"there are two statements {statement.seq}"
    if statement.target != target:
        return f"it belongs to the ledger of {statement.target}"
    if statement.hash != digest(_hashed(statement)):
        return "its hash does not match its content: it was altered"
    if statement.prev != prev:
        return "it does not follow from the statement before it"
    if statement.kind not in KINDS:
        return f"{statement.kind!r} is not a kind of statement"
    if statement.key in keys:
        return f"its key {statement.key!r} was used before"
    if not well_formed(statement.signature):
        return "its signature is malformed"
    return ""


# -- recovery points ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hold:
    """Why a point must stay. ``incident`` may be empty: held without one."""

    incident: str
    reason: str
    at: str

    def to_dict(self) -> dict[str, Json]:
        return {"incident": self.incident, "reason": self.reason, "at": self.at}


@dataclass(frozen=True, slots=True)
class RecoveryPoint:
    """A recovery point: the fold of its statements in the order of the ledger.

    ``captured`` is the body of its first ``captured`` statement. ``holds`` are those not released since. ``judged`` is
    the body of the last ``judged`` statement with ``at``, or None. ``pruned`` is when its data was given up, or empty.
    """

    id: str
    captured: Mapping[str, Json]
    holds: tuple[Hold, ...] = ()
    judged: Mapping[str, Json] | None = None
    pruned: str = ""
    statements: tuple[Statement, ...] = ()

    @property
    def cut_at(self) -> dict[str, str]:
        """When each claim was cut: ``{claim: RFC 3339}``."""
        return dict(self.captured.get("cut_at") or {})

    @property
    def earliest(self) -> dt.datetime | None:
        """The first cut; None when none is known. What was written after it may be missing from the point."""
        cuts = _moments(self.cut_at.values())
        return min(cuts) if cuts else None

    @property
    def latest(self) -> dt.datetime | None:
        """The last cut; None when none is known. What happened before it may be in the point."""
        cuts = _moments(self.cut_at.values())
        return max(cuts) if cuts else None

    @property
    def volumes(self) -> tuple[Mapping[str, Json], ...]:
        return tuple(self.captured.get("volumes") or ())

    @property
    def images(self) -> Mapping[str, Mapping[str, Mapping[str, str]]]:
        """``{"Kind/name": {container: {"image": reference, "digest": "sha256:..." or ""}}}`` at the cut.

        Where several images of a container ran at once (a rollout), each has a line: ``app``, ``app (2)``.
        """
        return dict(self.captured.get("images") or {})

    @property
    def commits(self) -> Mapping[str, str | None]:
        """``{digest: commit or None}`` as it was known at the cut."""
        return dict(self.captured.get("commits") or {})

    @property
    def writers(self) -> Mapping[str, Sequence[str]]:
        """``{claim: ["Kind/name", ...]}``: who may write it."""
        return dict(self.captured.get("writers") or {})

    @property
    def consistency(self) -> str:
        return str(self.captured.get("consistency") or "fuzzy")

    @property
    def left_out(self) -> Mapping[str, str]:
        """Claims of the application that it does not hold, with the reason: such a point is partial."""
        return {str(item["claim"]): str(item["reason"]) for item in self.captured.get("left_out") or ()}

    @property
    def purpose(self) -> str:
        return str(self.captured.get("purpose") or "")

    @property
    def forensic(self) -> bool:
        """Taken to keep evidence, not to go back to."""
        return self.purpose == "forensic"

    @property
    def held(self) -> bool:
        return bool(self.holds)

    def held_for(self, incident: str) -> bool:
        return any(hold.incident == incident for hold in self.holds)

    @property
    def verdict(self) -> str | None:
        """The last verdict, None while it was never judged."""
        return str(self.judged["verdict"]) if self.judged else None

    @property
    def verified(self) -> bool:
        """Was it restored in a drill that passed?"""
        return any(s.kind == DRILLED and s.body.get("passed") is True for s in self.statements)

    @property
    def state(self) -> str:
        """``available`` or ``pruned``."""
        return "pruned" if self.pruned else "available"

    def digests(self) -> dict[str, list[str]]:
        """Known image digests by workload, sorted."""
        return {
            ref: sorted({entry["digest"] for entry in containers.values() if entry.get("digest")})
            for ref, containers in sorted(self.images.items())
        }

    def row(self) -> dict[str, Json]:
        """What the doors return for a point."""
        volumes = self.volumes
        return {
            "id": self.id,
            "cut_at": self.cut_at,
            "consistency": self.consistency,
            "consistency_reason": str(self.captured.get("consistency_reason") or ""),
            "left_out": dict(self.left_out),
            "freeze_ms": {v["claim"]: v.get("freeze_ms") for v in volumes},
            "snapshots": [_snapshot(v) for v in volumes],
            "digests": self.digests(),
            "commits": dict(self.commits),
            "writers": {claim: list(refs) for claim, refs in self.writers.items()},
            "purpose": self.purpose,
            "incident": str(self.captured.get("incident") or ""),
            "held": self.held,
            "holds": [hold.to_dict() for hold in self.holds],
            "verdict": self.verdict,
            "judged": dict(self.judged) if self.judged else None,
            "verified": self.verified,
            "state": self.state,
            "statements": [statement.to_dict() for statement in self.statements],
        }


_SNAPSHOT_KEYS = (
    "claim",
    "snapshot",
    "content",
    "snapshot_handle",
    "snapshot_class",
    "driver",
    "size",
    "restore_size",
    "cut_at",
    "consistency",
)


def _snapshot(volume: Mapping[str, Json]) -> dict[str, Json]:
    return {key: volume.get(key) for key in _SNAPSHOT_KEYS}


def _moments(texts: Iterable[Any]) -> list[dt.datetime]:
    return [parse_time(text) for text in texts if text]


@dataclass(slots=True)
class _Folding:
    """A point under construction."""

    captured: Mapping[str, Json] | None = None
    holds: dict[str, Hold] = field(default_factory=dict)
    judged: Mapping[str, Json] | None = None
    pruned: str = ""
    statements: list[Statement] = field(default_factory=list)

    def take(self, statement: Statement) -> None:
        body, incident = statement.body, str(statement.body.get("incident") or "")
        self.statements.append(statement)
        if statement.kind == CAPTURED and self.captured is None:
            self.captured = body
        elif statement.kind == HELD:
            self.holds[incident] = Hold(incident, str(body.get("reason") or ""), statement.at)
        elif statement.kind == RELEASED:
            self.holds.pop(incident, None)
        elif statement.kind == JUDGED:
            self.judged = {**body, "at": statement.at}
        elif statement.kind == PRUNED:
            self.pruned = self.pruned or statement.at  # marked; what was freed is stated after it


def fold(chain: Iterable[Statement]) -> tuple[RecoveryPoint, ...]:
    """The recovery points of a ledger, in the order in which they were captured.

    A hold is ended only by a release for the same incident: releasing what one incident held leaves the others. What
    is stated about a point that was never captured is left out.
    """
    points: dict[str, _Folding] = {}
    for statement in chain:
        points.setdefault(statement.point, _Folding()).take(statement)
    found = [
        (next(s.seq for s in p.statements if s.kind == CAPTURED), name, p)
        for name, p in points.items()
        if p.captured is not None
    ]
    return tuple(
        RecoveryPoint(name, p.captured or {}, tuple(p.holds.values()), p.judged, p.pruned, tuple(p.statements))
        for _seq, name, p in sorted(found, key=lambda item: item[0])
    )
