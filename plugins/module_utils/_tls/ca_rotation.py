# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A CA's rotation from the request to the report: observe, plan, run up to a phase, and say where it stands.

Nothing is taken back by itself: between any two steps both CAs are trusted by all, or the old one is not used any more,
so that waiting for a person cuts nobody off. (A leaf that fails its proof is put back by its own rotation.)

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from .._cluster.client import Cluster
from .._core.clock import Clock, parse_time
from .._core.operation import Engine, Outcome
from .._core.plan import Json, Plan
from .._core.ports import DONE as ENTRY_DONE
from .._core.ports import TO_DO, Operation
from .ca_compromised import give_up
from .ca_issuer import behind, destroy_later
from .ca_look import look_at_ca
from .ca_plan import DONE, KIND, NEGATIVE_OK, CaObserved, CaRequest, first_after, phases_of, plan, reached
from .plan import step_name
from .rotation_report import unproven_in

_Results = Mapping[str, Mapping[str, Json]]


def rotate_ca(
    cluster: Cluster, request: CaRequest, engine: Engine, *, clock: Clock, phase: str, check_mode: bool
) -> dict[str, Json]:
    """Brings the rotation to the end of ``phase`` and reports. Asked again, it goes on from where it stands.

    Raises KnownGoodError; what was changed is then kept for the next run, or for an undo.
    """
    marked = engine.settled(KIND, request.lease, request.plan_key, planning=check_mode)
    there = marked.unfinished(KIND, request.plan_key, planning=check_mode)
    if there is not None:
        return _go_on(engine, there, phase, check_mode)
    if request.issuer:
        kept = behind(cluster, request.issuer_kind, request.namespace, request.issuer)
        request = replace(request, secret=kept.secret)
    seen = look_at_ca(cluster, request, clock.now())
    made = give_up(request, seen) if request.compromised else plan(request, seen)
    if made.empty and request.issuer and request.destroy_old_key:
        made = destroy_later(cluster, made, marked.ended(KIND, request.plan_key))
    if made.empty:
        return report(Outcome(False, made, marked.ended(KIND, request.plan_key)), seen)
    before = first_after(made, phase)
    if check_mode:
        return report(Outcome(True, made), seen)
    return report(engine.run(made, seen=marked, before=before), seen)


def _go_on(engine: Engine, there: Operation, phase: str, check_mode: bool) -> dict[str, Json]:
    before = first_after(there.plan, phase)
    steps = there.plan.steps
    names = [step.name for step in steps]
    todo = names[: names.index(before)] if before else names
    left = any(there.entry(name).state != ENTRY_DONE for name in todo)
    gone_past = bool(before) and there.entry(before).state != TO_DO
    if not before or (left and not gone_past):
        if check_mode:
            return report(Outcome(True, there.plan, there), None)
        return report(engine.run(there.plan, there.facts, before=before), None)
    return report(Outcome(False, there.plan, there), None)


# -- the report: pure --------------------------------------------------------------------------------------------


def report(outcome: Outcome, seen: CaObserved | None) -> dict[str, Json]:
    """What the door returns. ``seen`` is None where an operation went on with what it had planned."""
    operation, made = outcome.operation, outcome.plan
    results: _Results = operation.results if operation else {}
    rows = _with_states(made, operation)
    evidence = [dict(row) for result in results.values() for row in result.get("evidence", ())]
    leaves = _leaves(operation, results)
    shown = {row["subject"] for row in evidence if row["phase"] == NEGATIVE_OK and row["ok"]}
    untold = [row for row in evidence if row["how"] != "reload" or row["subject"] not in shown]
    unproven = [_said(row) for row in untold if row["ok"] is None]
    unproven += [text for leaf in leaves for text in leaf["unproven"]]
    unproven += [str(text) for result in results.values() for text in result.get("unsearched", ())]
    before, after = _ca(operation, made, results, seen)
    return {
        "changed": outcome.changed,
        "phase": _phase(operation, made),
        "phases": _phases(made, operation),
        "ca": {"old": before, "new": after},
        "evidence": evidence,
        "unproven": sorted(set(unproven)),
        "stores": _stores(operation.plan if operation else made, operation),
        "leaves": leaves,
        "restarted": sorted(
            {row["subject"] for row in evidence if (row["level"], row["how"]) == ("T3", "restart") and row["ok"]}
        ),
        "cost": _cost(operation.plan if operation else made),
        "downtime_s": _downtime(operation),
        "copies": [row for name, result in results.items() if name.startswith("leaks ") for row in result["copies"]],
        "failed_handshakes": sum(int(result.get("failed", 0)) for result in results.values()),
        "plan": rows.shown(),
        "plan_hash": made.hash,
        "operation": operation.id if operation else "",
        "diff": {
            "before": {"ca": before},
            "after": {"ca": after or ("a new key and certificate" if made.steps else before)},
        },
    }


def _with_states(made: Plan, operation: Operation | None) -> Plan:
    if operation is None or not made.steps:
        return made
    steps = tuple(replace(step, done=operation.entry(step.name).state == ENTRY_DONE) for step in made.steps)
    return replace(made, steps=steps)


def _phase(operation: Operation | None, made: Plan) -> str:
    if operation is not None:
        return reached(operation)
    return "" if made.steps else DONE


def _phases(made: Plan, operation: Operation | None) -> list[dict[str, Json]]:
    """Each phase with its steps counted; a phase without steps has nothing to do."""
    found = []
    source = operation.plan if operation else made
    for phase in phases_of(source):
        names = [step.name for step in source.steps if step.params["phase"] == phase]
        done = sum(operation.entry(name).state == ENTRY_DONE for name in names) if operation else 0
        found.append({"phase": phase, "steps": len(names), "done": done})
    return found


def _ca(operation: Operation | None, made: Plan, results: _Results, seen: CaObserved | None) -> tuple[str, str]:
    """Fingerprints of the old CA and of the new one, empty where it is not made."""
    for step in operation.plan.steps if operation else ():
        if step.action in ("tls.ca_stage", "tls.ca_stage_kept") and step.name in results:
            return str(step.params["old"]), str(results[step.name].get("fingerprint", ""))
    olds = [str(step.params["old"]) for step in made.steps if "old" in step.params]
    return (olds[0] if olds else seen.certificate.fingerprint if seen else ""), ""


def _stores(made: Plan, operation: Operation | None) -> list[dict[str, Json]]:
    found = []
    for step in made.steps:
        if step.action not in ("tls.ca_trust", "tls.ca_swap"):
            continue
        store = step.params["store"]
        ref = step.name.partition(" ")[2]
        last = step.name if step.action == "tls.ca_swap" else step_name("distrust", ref)
        cut = operation is not None and operation.entry(last).state == ENTRY_DONE
        both = operation is not None and operation.entry(step.name).state == ENTRY_DONE
        state = "new" if cut else "both" if both else "old"
        found.append({**{k: store[k] for k in ("kind", "namespace", "name", "key")}, "state": state})
    return found


def _leaves(operation: Operation | None, results: _Results) -> list[dict[str, Json]]:
    if operation is None:
        return []
    found = []
    for step in operation.plan.steps:
        if step.action not in ("tls.ca_reissue", "tls.ca_prepare", "tls.ca_renew_leaf"):
            continue
        result, leaf = results.get(step.name, {}), step.params.get("leaf") or step.params
        target = f"{leaf['namespace']}/{leaf['secret']}"
        proof = list(result.get("proof") or results.get(step_name("prove", target), {}).get("proof", ()))
        found.append(
            {
                "target": target,
                "role": leaf["role"],
                "new": result.get("fingerprint", ""),
                "operation": result.get("operation", operation.id if result else ""),
                "proof": proof,
                "unproven": list(result.get("unproven") or unproven_in(proof)),
            }
        )
    return found


def _cost(made: Plan) -> list[str]:
    """What giving up a CA costs; nothing for a rotation with overlap."""
    return next((list(step.params["cost"]) for step in made.steps if "cost" in step.params), [])


def _downtime(operation: Operation | None) -> float | None:
    """Seconds from the first swap of trust, or leaf renewed by cert-manager, to the end of the last proof, as the
    journal has them; None: not over.
    """
    steps = operation.plan.steps if operation else ()
    between = ("tls.ca_renew_leaf", "tls.ca_swap", "tls.ca_prove")
    ends = [operation.entry(s.name) for s in steps if operation and s.action in between]
    if not ends or any(entry.state != ENTRY_DONE for entry in ends):
        return None
    times = [parse_time(entry.at) for entry in ends]
    return (max(times) - min(times)).total_seconds()


def _said(row: Mapping[str, Json]) -> str:
    return f"{row['phase']} {row['level']} {row['subject']}" + (f": {row['why']}" if row["why"] else "")
