# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a rotation of leaves came to, as the door returns it. Pure.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from .._core.plan import Json, Plan, digest
from .._core.ports import Operation
from . import many
from .plan import Observed, Target, step_name


@dataclass(frozen=True, slots=True)
class Part:
    """One operation's worth of a request: its targets, and what came of them."""

    targets: tuple[Target, ...]
    seen: tuple[Observed, ...] = ()
    plan: Plan | None = None
    operation: Operation | None = None
    changed: bool = False
    notes: tuple[dict[str, Json], ...] = ()


def report(parts: Sequence[Part]) -> dict[str, Json]:
    """What the door returns. ``operation`` is that of the last part that has one."""
    plans = [part.plan for part in parts if part.plan]
    operations = [part.operation for part in parts if part.operation]
    ran = [(part, _results(part)) for part in parts]
    proof = [row for part, results in ran for row in _proof(part, results)]
    generations = [row for part in parts for row in generations_of(part.operation)]
    changes = _differences(parts, [row for part in parts if part.changed for row in generations_of(part.operation)])
    return {
        "changed": any(part.changed for part in parts),
        "plan": [row for made in plans for row in made.shown()],
        "plan_hash": plans[0].hash if len(plans) == 1 else digest([made.hash for made in plans]),
        "operation": operations[-1].id if operations else "",
        "operations": [operation.id for operation in operations],
        "targets": [row for part in parts for row in targets_of(part)],
        "generations": generations,
        "proof": proof,
        "unproven": sorted(
            set(unproven_in(proof)) | {str(what) for _part, results in ran for what in _copies(results, "unsearched")}
        ),
        "trial": [dict(row) for _part, results in ran for row in _trial(results)],
        "soak": [dict(result) for _part, results in ran for result in _soaked(results)],
        "restarted": sorted({ref for _part, results in ran for ref in _restarted(results)}),
        "reloaded": sorted({pod for _part, results in ran for pod in _reloaded(results)}),
        "copies": [row for _part, results in ran for row in _copies(results, "copies")],
        "denied": sorted({str(r["spki"]) for _part, results in ran for r in results.values() if r.get("denied")}),
        "failed_handshakes": sum(int(r.get("failed", 0)) for _part, results in ran for r in results.values()),
        "undo_until": max((str(op.facts.get("undo_until", "")) for op in operations), default=""),
        "seen": [note for part in parts for note in part.notes],
        "diff": {
            "before": {row["target"]: {"fingerprint": row["old"]} for row in changes},
            "after": {row["target"]: {"fingerprint": row["new"]} for row in changes},
        },
    }


def _results(part: Part) -> Mapping[str, Mapping[str, Json]]:
    return part.operation.results if part.operation else {}


def generations_of(operation: Operation | None) -> Iterable[dict[str, Json]]:
    if operation is None:
        return
    if many.is_many(operation):
        yield from many.generations(operation)
        return
    results = operation.results
    for step in operation.plan.steps:
        if step.action not in ("tls.stage", "tls.renew") or "fingerprint" not in results.get(step.name, {}):
            continue
        new, params = results[step.name], step.params
        ref = f"{params['namespace']}/{params['secret']}"
        yield {
            "secret": params["secret"],
            "namespace": params["namespace"],
            "target": ref,
            "old": params["old"],
            "old_not_after": params["old_not_after"],
            "new": new["fingerprint"],
            "spki": new["spki"],
            "serial": new["serial"],
            "key": new["key"],
            "not_before": new["not_before"],
            "not_after": new["not_after"],
            "archive": results.get(step_name("commit", ref), {}).get("archive", ""),
        }


def _proof(part: Part, results: Mapping[str, Mapping[str, Json]]) -> list[dict[str, Json]]:
    """Rows of this run. Where nothing was run, what was seen just now stands in ``seen``."""
    if not part.changed:
        return []
    if part.operation and many.is_many(part.operation):
        return list(many.proof(part.operation))
    return [dict(row) for name, result in results.items() if name.startswith("prove ") for row in result["proof"]]


def _trial(results: Mapping[str, Mapping[str, Json]]) -> list[Mapping[str, Json]]:
    """What was proven on pods of our own, by the steps around the write."""
    words = tuple(f"{word} " for word in ("canary", "green", "switch", "switch_back"))
    return [row for name, result in results.items() if name.startswith(words) for row in result.get("proof", ())]


def _soaked(results: Mapping[str, Mapping[str, Json]]) -> list[Mapping[str, Json]]:
    return [result for name, result in results.items() if name.startswith("soak ") and result]


def _restarted(results: Mapping[str, Mapping[str, Json]]) -> list[str]:
    return [str(ref) for name, result in results.items() if name.startswith("restart ") for ref in result["restarted"]]


def _reloaded(results: Mapping[str, Mapping[str, Json]]) -> list[str]:
    return [str(pod) for name, result in results.items() if name.startswith("reload ") for pod in result["reloaded"]]


def _copies(results: Mapping[str, Mapping[str, Json]], word: str) -> list[Json]:
    return [row for name, result in results.items() if name.startswith("leaks ") for row in result.get(word, ())]


def unproven_in(proof: Iterable[Mapping[str, Json]]) -> list[str]:
    """Who could not be asked."""
    return sorted({_who(row) for row in proof if row["ok"] is None})


def _who(row: Mapping[str, Json]) -> str:
    """What was not seen: a pod, a Service, or what serves the Secret in their place."""
    if row["pod"]:
        return f"{row['target']}: pod {row['pod']}"
    through = [f"Service {row['service']}"] if row["service"] else row.get("named_by") or ()
    return f"{row['target']}: " + (f"through {', '.join(through)}" if through else str(row["why"]))


def targets_of(part: Part) -> list[dict[str, Json]]:
    """One row a target: ``changed``, ``due`` (check mode) or ``ok`` with the reason."""
    seen = {observed.target.ref: observed for observed in part.seen}
    return [_target(part, target, seen.get(target.ref)) for target in part.targets]


def _target(part: Part, target: Target, observed: Observed | None) -> dict[str, Json]:
    state = "changed" if part.operation else "due"
    if not part.changed:
        reason = "not due" if part.operation is None else f"already rotated by {part.operation.id}"
        return {"target": target.ref, "state": "ok", "reason": reason}
    if observed is None:
        return {"target": target.ref, "state": state, "reason": "an unfinished operation goes on"}
    if not observed.due:
        return {"target": target.ref, "state": "ok", "reason": "not due"}
    return {"target": target.ref, "state": state, "reason": observed.due}


def _differences(parts: Sequence[Part], generations: Sequence[Mapping[str, Json]]) -> list[dict[str, Json]]:
    """Old and new by target; in check mode the new one is not known, as no key is made."""
    if generations:
        return [dict(row) for row in generations]
    return [
        {"target": observed.target.ref, "old": observed.certificate.fingerprint, "new": "a new key and certificate"}
        for part in parts
        for observed in part.seen
        if observed.due
    ]
