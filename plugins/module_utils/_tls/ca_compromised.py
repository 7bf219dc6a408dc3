# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan for a CA whose key is known to somebody else: given up without overlap. Pure.

Everything that takes time is made beforehand and may wait there (phase ``NEW_CA``): the new CA, and a new pair for each
leaf; cert-manager makes those that it keeps only when they are to be used. Then the new CA takes the old one's place in
every trust store, the leaves follow, all processes are renewed together, and the old CA has to be turned away. In
between nobody trusts anybody: the plan says so, and what it costs.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping

from .._cluster.kinds import named
from .._core.clock import rfc3339
from .._core.plan import Json, Plan, Step
from .ca_issue import is_root
from .ca_plan import (
    BASELINE,
    DONE,
    ISSUER_SWITCHED,
    KIND,
    LEAVES_REISSUED,
    NEGATIVE_OK,
    NEW_CA,
    OLD_DISTRUSTED,
    OLD_UNUSED,
    CaObserved,
    CaRequest,
    ca_params,
    destroying,
    leaf_params,
    leaf_request,
    ordered,
    staging,
    step,
    switching,
)
from .ca_plan import plan as ordinary
from .certificates import Certificate
from .plan import Observed, step_name
from .plan import plan as leaf_plan
from .trusters import Truster
from .workloads import RESTARTABLE


def give_up(request: CaRequest, seen: CaObserved) -> Plan:
    """The steps; those of a CA that was given up already are as of any CA that is not due."""
    if not seen.due:
        return ordinary(request, seen)
    return Plan(KIND, request.lease, request.plan_key, (*_before(request, seen), *_strike(request, seen)))


def cost(seen: CaObserved) -> list[str]:
    """What it takes, in words: part of the plan, and so of what is approved."""
    renewed = [truster.where for truster in everybody(seen) if truster.kind in RESTARTABLE]
    return [
        _downtime(seen),
        "restarted together, without regard to each other: " + (", ".join(renewed) or "nobody"),
        "no way back: from the moment in which the new CA signs, neither this operation nor another brings the old one "
        "back",
        *([] if is_root(seen.certificate) else [stands(seen.certificate)]),
    ]


def _downtime(seen: CaObserved) -> str:
    stores = ", ".join(store.ref for store in seen.stores)
    if seen.issuer_of and stores:
        return (
            "downtime: from the first leaf that cert-manager renews until all processes are new, connections between "
            f"those who trust by these stores fail ({stores}), and by what cert-manager puts beside leaves"
        )
    if stores:
        return (
            f"downtime: from the first change of a trust store ({stores}) until all processes are new, connections "
            "between those who trust by these stores fail"
        )
    return (
        f"downtime: none by trust, as no store holds the CA itself and {seen.certificate.issuer} above it stays; "
        "that of the restarts"
    )


def stands(old: Certificate) -> str:
    """Of a CA that is no root, what giving it up does not do."""
    return (
        f"not the end of it: whoever trusts {old.issuer} goes on accepting what is signed with the key that was given "
        f"up, until {rfc3339(old.not_after)}, unless {old.issuer} revokes it and that is looked at, or is replaced "
        "itself"
    )


def everybody(seen: CaObserved) -> tuple[Truster, ...]:
    """All who need new processes: users of trust stores, whatever is said of their rereading, and of leaves."""
    found = {truster.where: truster for truster in seen.trusters}
    for observed in seen.observed:
        for consumer in observed.consumers:
            one = Truster(consumer.ref, observed.target.namespace, consumer.uid, ())
            found.setdefault(one.where, one)
    return tuple(found[where] for where in sorted(found))


def _ca(request: CaRequest, seen: CaObserved) -> dict[str, Json]:
    return {
        **ca_params(request, seen),
        "compromised": True,
        "why": f"compromised CA, generation {request.generation} takes its place",
        "cost": cost(seen),
        "purge": [],
        "keep_leaves_s": 0.0,
    }


def _before(request: CaRequest, seen: CaObserved) -> list[Step]:
    """What changes nothing that anybody uses."""
    ref, ca = request.ref, _ca(request, seen)
    mutual = [server.to_dict() for server in seen.mutual]
    looked = {**ca, "mutual": mutual, "unknown": list(seen.unknown)}
    commit = step_name("commit", ref)
    steps = [
        step("deny", ref, "tls.deny", BASELINE, ca, ("ConfigMap knowngood-denied-*",)),
        step("baseline", ref, "tls.ca_baseline", BASELINE, looked, until=commit),
        staging(request, seen, ca),
    ]
    for observed in _in_order(seen):
        target, made = observed.target, _leaf(request, seen, observed)
        until = step_name("renew" if observed.kept else "commit", target.ref)
        steps.append(step("baseline", target.ref, "tls.baseline", NEW_CA, made, until=until))
        if not observed.kept:
            copy = f"{named('Secret', target.secret, target.namespace)}-next-*"
            steps.append(step("stage", target.ref, "tls.ca_prepare", NEW_CA, made, (copy,), until=until))
    if seen.issuer_of:
        steps.append(step("able", ref, "tls.ca_able", NEW_CA, _renewals(request, seen), until=commit))
    return steps


def _renewals(request: CaRequest, seen: CaObserved) -> dict[str, Json]:
    """What there is to know of leaves whose renewal is asked of cert-manager."""
    leaves = [
        {
            "namespace": observed.target.namespace,
            "secret": observed.target.secret,
            "uid": observed.uid,
            "certificate": dict(observed.kept or {}),
        }
        for observed in _in_order(seen)
    ]
    return {"compromised": True, "of": request.ref, "leaves": leaves}


def _switch(request: CaRequest, seen: CaObserved) -> list[Step]:
    """From its first step on there is no return. What cert-manager may fail in comes before trust is touched."""
    first, *_after = switching(request, seen, _ca(request, seen))
    if not seen.issuer_of:
        return [first]
    asked = [_certificate(observed) for observed in _in_order(seen)]
    steps = [first, step("ask", request.ref, "tls.ca_ask", ISSUER_SWITCHED, _renewals(request, seen), tuple(asked))]
    for observed in _in_order(seen):
        made, prove = _leaf(request, seen, observed), step_name("prove", observed.target.ref)
        touched = (named("Secret", observed.target.secret, observed.target.namespace),)
        steps.append(
            step("renew", observed.target.ref, "tls.ca_renew_leaf", ISSUER_SWITCHED, made, touched, until=prove)
        )
    return steps


def _certificate(observed: Observed) -> str:
    return named("Certificate", str((observed.kept or {})["name"]), observed.target.namespace)


def _strike(request: CaRequest, seen: CaObserved) -> list[Step]:
    """From the point of no return to the end."""
    ref, ca = request.ref, _ca(request, seen)
    steps = _switch(request, seen)
    for store in seen.stores:
        params = {**ca, "store": store.to_dict()}
        steps.append(step("swap", store.ref, "tls.ca_swap", OLD_DISTRUSTED, params, (store.where,)))
    leaves = [(observed.target, _leaf(request, seen, observed)) for observed in _in_order(seen)]
    for target, made in () if seen.issuer_of else leaves:
        touched = (named("Secret", target.secret, target.namespace),)
        steps.append(step("commit", target.ref, "tls.commit", LEAVES_REISSUED, made, touched))
    trusters = everybody(seen)
    all_of_it = {**ca, "stores": [s.to_dict() for s in seen.stores], "trusters": [t.to_dict() for t in trusters]}
    new_processes = tuple(named(t.kind, t.name, t.namespace) for t in trusters)
    steps.append(step("renew", ref, "tls.ca_renew", LEAVES_REISSUED, all_of_it, new_processes))
    steps += [step("prove", target.ref, "tls.ca_prove", LEAVES_REISSUED, made) for target, made in leaves]
    if not seen.issuer_of:
        copies = f"{named('Secret', request.secret, request.namespace)}-next-*"
        steps += [step("clean", target.ref, "tls.clean", LEAVES_REISSUED, made) for target, made in leaves]
        steps.append(step("clean", ref, "tls.clean", OLD_UNUSED, ca, (copies,)))
    known = {**ca, "leaves": [leaf_params(leaf) for leaf in seen.leaves]}
    proven = {**all_of_it, "mutual": [server.to_dict() for server in seen.mutual]}
    return [
        *steps,
        step("unused", ref, "tls.ca_unused", OLD_UNUSED, known, until=step_name("destroy", ref)),
        step("negative", ref, "tls.ca_negative", NEGATIVE_OK, proven),
        destroying(request, seen, ca),
        step("leaks", ref, "tls.leaks", DONE, ca),
    ]


def _in_order(seen: CaObserved) -> list[Observed]:
    by_ref = {observed.target.ref: observed for observed in seen.observed}
    return [by_ref[leaf.target.ref] for leaf in ordered(seen.leaves)]


def _leaf(request: CaRequest, seen: CaObserved, observed: Observed) -> Mapping[str, Json]:
    """What the steps of a leaf know, as its own emergency rotation would have it."""
    (first, *_others) = leaf_plan(leaf_request(request, (observed.target,)), (observed,)).steps
    role = next(leaf.role for leaf in seen.leaves if leaf.target == observed.target)
    return {**first.params, "compromised": True, "of": request.ref, "trust": [], "role": role}
