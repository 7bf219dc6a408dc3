# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Many Secrets in one operation: those that nobody uses, so that nothing has to be delivered, restarted or proven.

The plan has a step for all of them where that of one target has a step for each: the intent for a thousand writes is
one write of the journal. What is different from target to target stands in rows, what is not once. Pure.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from .._core.errors import KnownGoodError
from .._core.operation import Seen
from .._core.plan import Json, Plan, Step, canonical, digest
from .._core.ports import Operation
from .plan import KIND, RELOAD, Observed, Request, Target, params_of, step_name
from .proof import NO_SERVICE, NOT_ASKED
from .secrets import archive_name
from .sights import IN_CLUSTER
from .source import CA_SECRET, PROVIDED

LEAST = 8
"""Fewer gain nothing by it."""
WORDS = ("stage", "check", "commit", "use", "clean")
PREFIX = "tls.many_"
_ROOM = 470_000
"""Bytes of a journal (512 KiB) for what is known of the targets, what is made for them included."""
_RESULT = 260
_NEEDED = (
    "namespace",
    "secret",
    "uid",
    "old",
    "old_not_after",
    "why",
    "ca_namespace",
    "ca_secret",
    "ca",
    "trust",
    "key",
    "key_format",
    "rotated_for",
    "rotated_for_before",
    "keep_s",
    "issuer",
    "accept",
    "given",
    "emergency",
    "named_by",
)
Rows = Sequence[Mapping[str, Json]]


# -- which, and the plan -----------------------------------------------------------------------------------------


def wanted(request: Request) -> bool:
    """Can targets go together? Not where somebody is waited for, or a way through pods was asked for."""
    plain = request.rollout in ("restart", RELOAD) and not request.emergency
    return plain and not request.app and request.source.kind in (CA_SECRET, PROVIDED)


def fits(seen: Observed) -> bool:
    """To be rotated, and with nobody who would have to see the new one."""
    alone = not seen.consumers and seen.service is None and not seen.target.service and not seen.target.workloads
    return bool(seen.due) and alone and not seen.copies and not seen.expired_archives


def sorted_out(
    targets: Iterable[Target], look: Callable[[Target], Observed], *, incident: bool
) -> tuple[list[Observed], list[Observed]]:
    """Those that go together, and those of which nothing is to be done. None where they are too few to gain by it.

    A target that cannot be looked at is in neither, as is one that an incident was about before: each says so itself.
    """
    together, nothing = [], []
    for target in targets:
        try:
            seen = look(target)
        except KnownGoodError:
            continue
        if fits(seen):
            together.append(seen)
        elif not seen.due and not seen.expired_archives and not incident:
            nothing.append(seen)
    return (together if len(together) >= LEAST else []), nothing


def must_be_asked_for(operation: Operation, request: Request, targets: Sequence[Target], *, planning: bool) -> None:
    """Raises Conflict where an unfinished operation is about more than these, or was asked for in another way."""
    Seen(operation.plan.target, (operation,)).unfinished(KIND, key(request, targets), planning=planning)


def batches(request: Request, seen: Sequence[Observed]) -> list[list[Observed]]:
    """In their order, as many together as one journal can hold."""
    found: list[list[Observed]] = []
    room = 0
    for one in seen:
        size = len(canonical([one.target.namespace, one.target.secret])) + len(canonical(_own(request, one))) + _RESULT
        if not found or size > room:
            found.append([])
            room = _ROOM - sum(len(pem) for pem in one.anchors)
        found[-1].append(one)
        room -= size
    return found


def _own(request: Request, seen: Observed) -> Json:
    params = params_of(request, seen)
    own = ("uid", "old", "old_not_after", "rotated_for", "rotated_for_before", "given", "named_by")
    return [params[name] for name in own]


def lease(targets: Iterable[Target]) -> str:
    """``namespace/name`` to hold for a wave of them."""
    refs = sorted(target.ref for target in targets)
    return f"{refs[0].partition('/')[0]}/many-{digest(refs)[:10]}"


def plan_many(request: Request, seen: Sequence[Observed], target: str) -> Plan:
    """The steps of a batch, each for all of its targets."""
    rows = [{name: value for name, value in params_of(request, one).items() if name in _NEEDED} for one in seen]
    params, what = packed(rows), f"{len(seen)} Secrets"
    touched = _touched(seen)
    until = dict.fromkeys(("stage", "check"), f"commit {what}")
    steps = tuple(
        Step(f"{word} {what}", PREFIX + word, touched if word == "commit" else (), params, until.get(word, ""))
        for word in WORDS
    )
    return Plan(KIND, target, key(request, [one.target for one in seen]), steps)


def key(request: Request, targets: Iterable[Target]) -> str:
    """As of one target, with the names shortened to a digest: there may be a thousand."""
    why, _colon, _names = request.plan_key(tuple(targets)).rpartition(":")
    return f"{why}:many:{digest(sorted(target.ref for target in targets))[:16]}"


def _touched(seen: Sequence[Observed]) -> tuple[str, ...]:
    by_namespace: dict[str, int] = {}
    for one in seen:
        by_namespace[one.target.namespace] = by_namespace.get(one.target.namespace, 0) + 1
    return tuple(f"{count} Secrets in {namespace}" for namespace, count in sorted(by_namespace.items()))


# -- rows --------------------------------------------------------------------------------------------------------


def packed(rows: Rows) -> dict[str, Json]:
    """``shared``: what all have alike; ``columns`` and ``rows``: the rest. All rows have the same keys."""
    first = rows[0]
    shared = {name: value for name, value in first.items() if all(row[name] == value for row in rows)}
    columns = [name for name in first if name not in shared]
    return {"shared": shared, "columns": columns, "rows": [[row[name] for name in columns] for row in rows]}


def unpacked(params: Mapping[str, Any]) -> list[dict[str, Json]]:
    return [{**params["shared"], **dict(zip(params["columns"], row, strict=True))} for row in params["rows"]]


def ref_of(params: Mapping[str, Any]) -> str:
    return f"{params['namespace']}/{params['secret']}"


# -- what became of one ------------------------------------------------------------------------------------------


def is_many(operation: Operation) -> bool:
    return any(step.action.startswith(PREFIX) for step in operation.plan.steps)


def refs(operation: Operation) -> frozenset[str]:
    """The targets of such an operation."""
    return frozenset(ref_of(row) for row in unpacked(operation.plan.steps[0].params))


def ends(step: Step) -> list[str]:
    """When the old certificates of a step end."""
    return [str(row["old_not_after"]) for row in unpacked(step.params)]


def generations(operation: Operation) -> Iterator[dict[str, Json]]:
    """Old and new of each target, as a rotation reports them."""
    step = operation.plan.steps[0]
    made = operation.results.get(step.name, {}).get("made")
    if not made:
        return
    committed = any(
        step.action == f"{PREFIX}commit" and step.name in operation.results for step in operation.plan.steps
    )
    for params, new in zip(unpacked(step.params), unpacked(made), strict=True):
        kept = committed and params["keep_s"]
        yield {
            "secret": params["secret"],
            "namespace": params["namespace"],
            "target": ref_of(params),
            "old": params["old"],
            "old_not_after": params["old_not_after"],
            "new": new["fingerprint"],
            **{name: new[name] for name in ("spki", "serial", "key", "not_before", "not_after")},
            "archive": archive_name(str(params["secret"]), operation.id) if kept else "",
        }


def proof(operation: Operation) -> Iterator[dict[str, Json]]:
    """One row a target: there is nobody to ask, and so nothing was seen on the wire."""
    used: Mapping[str, Sequence[str]] = {}
    for name, result in operation.results.items():
        if name.startswith("use "):
            used = result.get("used", {})
    named = {ref_of(params): params.get("named_by") or [] for params in unpacked(operation.plan.steps[0].params)}
    for row in generations(operation):
        since = ", ".join(used.get(row["target"], ()))
        alone = NOT_ASKED if named[row["target"]] else f"nobody uses the Secret; {NO_SERVICE}"
        yield {
            "target": row["target"],
            "pod": "",
            "service": "",
            "port": 0,
            "path": IN_CLUSTER,
            "fingerprint": "",
            "expected": row["new"],
            "ok": None,
            "bytes": None,
            "status": "",
            "verified": False,
            "connections": 0,
            "why": f"{since} uses it since this began" if since else alone,
            "named_by": list(named[row["target"]]),
        }


def single(word: str, params: Mapping[str, Json]) -> Step:
    """The step of one target behind that of all."""
    return Step(step_name(word, ref_of(params)), f"tls.{word}", (), params)
