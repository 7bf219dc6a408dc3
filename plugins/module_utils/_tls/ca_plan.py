# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan of a CA's rotation: from what was seen to steps in phases. Pure.

Two rules carry it. Trust only grows until nothing of the old CA is stored or served any more, and what a leaf is signed
by changes only once its signer was seen to be trusted by everybody.

PRIVATE to this collection.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from .._cluster.kinds import named
from .._core.clock import rfc3339
from .._core.errors import BadInput
from .._core.plan import Json, Plan, Step, digest
from .._core.ports import DONE as ENTRY_DONE
from .._core.ports import FINISHED, Operation
from .ca_issue import generation_of, is_root
from .ca_issuer import ISSUER, named_issuer
from .certificates import Certificate
from .keys import SAME
from .mutual import Mutual
from .plan import RELOAD, Observed, Request, Target, step_name
from .source import CERT_MANAGER, Source
from .trust_stores import Store
from .trusters import Truster

KIND = "ca-rotation"
BASELINE, NEW_CA, TRUST_BOTH, TRUST_PROVEN, ISSUER_SWITCHED, LEAVES_REISSUED, OLD_UNUSED, OLD_DISTRUSTED = (
    "BASELINE",
    "NEW_CA",
    "TRUST_BOTH",
    "TRUST_PROVEN",
    "ISSUER_SWITCHED",
    "LEAVES_REISSUED",
    "OLD_UNUSED",
    "OLD_DISTRUSTED",
)
NEGATIVE_OK, DONE = "NEGATIVE_OK", "DONE"
PHASES = (
    BASELINE,
    NEW_CA,
    TRUST_BOTH,
    TRUST_PROVEN,
    ISSUER_SWITCHED,
    LEAVES_REISSUED,
    OLD_UNUSED,
    OLD_DISTRUSTED,
    NEGATIVE_OK,
    DONE,
)
GIVEN_UP = (
    BASELINE,
    NEW_CA,
    ISSUER_SWITCHED,
    OLD_DISTRUSTED,
    LEAVES_REISSUED,
    OLD_UNUSED,
    NEGATIVE_OK,
    DONE,
)
"""The phases of a compromised CA in their order: at no moment are both trusted."""
_MAY_WAIT = (BASELINE, NEW_CA, DONE)
"""Where that may be stopped: in between nobody trusts anybody."""
CLIENT, SERVER = "client", "server"
RESTART = "restart"
_KEPT_S = 3650 * 86400.0
"""The old CA's pair is kept until its destruction is asked for."""
_LEASE_NAME = 40


@dataclass(frozen=True, slots=True)
class Leaf:
    """A TLS Secret that the CA issued. ``role`` as declared; what is not declared is taken for a server."""

    target: Target
    role: str = SERVER


@dataclass(frozen=True, slots=True)
class CaRequest:
    """What the caller asks for. Times in seconds.

    ``generation``: the CA's generation to reach; without it, it is due by its age (``expiring_within_s``; None: in the
    last third of its validity). ``reloads``: workloads by name that are told to load their files, and how.
    ``compromised``: the old CA is given up without overlap. ``issuer``: the Issuer of cert-manager whose CA it is, or
    the ClusterIssuer (``issuer_kind``); the Secret is then the one that it signs with. ``parent``: the Secret of the CA
    above, of one that is no root. ``namespaces``: where is looked for users and leaves; names without a namespace are
    meant in the first of them.
    """

    namespace: str
    secret: str
    namespaces: tuple[str, ...]
    generation: int | None = None
    expiring_within_s: float | None = None
    leaves: tuple[Leaf, ...] = ()
    mutual: tuple[Mapping[str, Json], ...] = ()
    rereads: tuple[str, ...] = ()
    reloads: tuple[Mapping[str, Json], ...] = ()
    waive: tuple[str, ...] = ()
    webhooks: bool = True
    key: str = SAME
    probe_image: str = ""
    overlap_s: float = 86400.0
    soak_s: float = 5.0
    propagation_s: float = 90.0
    reload_wait_s: float = 5.0
    wait_timeout_s: float = 300.0
    keep_previous_s: float = 30 * 86400.0
    destroy_old_key: bool = False
    compromised: bool = False
    issuer: str = ""
    issuer_kind: str = ISSUER
    parent: str = ""
    bridge: bool = False
    state_namespace: str = ""

    @property
    def ref(self) -> str:
        return f"{self.namespace}/{self.secret}"

    @property
    def home(self) -> str:
        """Where names are meant that come without a namespace: that of the CA, but for a ClusterIssuer's."""
        return self.namespaces[0]

    @property
    def plan_key(self) -> str:
        """What makes asking again the same operation; not what was found, as that changes while it runs."""
        why = f"generation:{self.generation}" if self.generation is not None else "expiring"
        why = f"{self.issuer_kind.lower()}:{self.issuer}:{why}" if self.issuer else why
        return f"compromised:{why}" if self.compromised else why

    @property
    def lease(self) -> str:
        name = self.issuer or self.secret
        if len(name) > _LEASE_NAME:
            name = f"{name[: _LEASE_NAME - 11].rstrip('-.')}-{digest(f'{self.namespace}/{name}')[:10]}"
        return f"{self.namespace}/{name}"


@dataclass(frozen=True, slots=True)
class CaObserved:
    """A CA as the cluster shows it, fit for rotation. ``due``: why, empty where it is not.

    ``unknown``: what was seen and not looked into, by name; ``archives``: names and uids of old pairs of this CA;
    ``observed``: each leaf as its rotation sees it, looked at only where the CA is compromised; ``issuer_of``: what
    stands behind the Issuer, of a CA that cert-manager keeps; ``parent``: the Secret of the CA above and what it holds.
    """

    uid: str
    certificate: Certificate
    due: str = ""
    key_format: str = ""
    rotated_for: str = ""
    stores: tuple[Store, ...] = ()
    trusters: tuple[Truster, ...] = ()
    leaves: tuple[Leaf, ...] = ()
    mutual: tuple[Mutual, ...] = ()
    unknown: tuple[str, ...] = ()
    archives: tuple[tuple[str, str], ...] = ()
    observed: tuple[Observed, ...] = ()
    issuer_of: Mapping[str, Json] | None = None
    parent: Mapping[str, Json] | None = None


def due(certificate: Certificate, request: CaRequest, now: dt.datetime) -> str:
    """Why this CA is to be rotated now; empty when it is not."""
    if request.generation is not None:
        have = generation_of(certificate)
        return "" if have >= request.generation else f"generation {have} is to become {request.generation}"
    left = certificate.not_after - now
    life = certificate.not_after - certificate.not_before
    limit = life / 3 if request.expiring_within_s is None else dt.timedelta(seconds=request.expiring_within_s)
    return f"{certificate.days_left(now)} days left" if left <= limit else ""


def plan(request: CaRequest, seen: CaObserved) -> Plan:
    """The steps, phase after phase; those of a CA that is not due are the destruction of old keys, where asked for."""
    if not seen.due:
        wanted = request.destroy_old_key and seen.archives
        return Plan(KIND, request.lease, request.plan_key, (purge(request, seen),) if wanted else ())
    return Plan(KIND, request.lease, request.plan_key, _steps(request, seen))


def _steps(request: CaRequest, seen: CaObserved) -> tuple[Step, ...]:
    ref, ca = request.ref, ca_params(request, seen)
    commit = step_name("commit", ref)
    first_cut = step_name("distrust", seen.stores[0].ref) if seen.stores else step_name("negative", ref)
    mutual = [server.to_dict() for server in seen.mutual]
    steps = [
        step("baseline", ref, "tls.ca_baseline", BASELINE, {**ca, "mutual": mutual, "unknown": list(seen.unknown)}),
        staging(request, seen, ca),
    ]
    steps += [
        step("trust", store.ref, "tls.ca_trust", TRUST_BOTH, {**ca, "store": store.to_dict()}, (store.where,))
        for store in seen.stores
    ]
    everybody = {**ca, "stores": [s.to_dict() for s in seen.stores], "trusters": [t.to_dict() for t in seen.trusters]}
    restarted = tuple(named(t.kind, t.name, t.namespace) for t in seen.trusters if t.restarts)
    proven = {**everybody, "mutual": mutual}
    steps += [
        step("prove-trust", ref, "tls.ca_prove_trust", TRUST_PROVEN, proven, restarted, until=commit),
        *switching(request, seen, ca),
        step("try", ref, "tls.ca_try", ISSUER_SWITCHED, ca),
    ]
    steps += [_reissue(request, ca, leaf) for leaf in ordered(seen.leaves)]
    unused = {**ca, "leaves": [leaf_params(leaf) for leaf in seen.leaves]}
    steps.append(step("unused", ref, "tls.ca_unused", OLD_UNUSED, unused, until=first_cut))
    for store in seen.stores:
        using = [t for t in seen.trusters if any(use.store == store.ref for use in t.uses)]
        params = {**ca, "store": store.to_dict(), "trusters": [t.to_dict() for t in using]}
        touched = (store.where, *(named(t.kind, t.name, t.namespace) for t in using if t.restarts))
        steps.append(step("distrust", store.ref, "tls.ca_distrust", OLD_DISTRUSTED, params, touched))
    steps.append(step("negative", ref, "tls.ca_negative", NEGATIVE_OK, proven))
    if request.bridge:
        steps += [_unbridging(ca, leaf) for leaf in ordered(seen.leaves)]
    if request.destroy_old_key:
        steps.append(destroying(request, seen, ca))
    return tuple(steps)


def destroying(request: CaRequest, seen: CaObserved, ca: Mapping[str, Json]) -> Step:
    """The old CA's key goes."""
    secret = named("Secret", request.secret, request.namespace)
    action, gone = ("tls.ca_destroy_kept", secret) if seen.issuer_of else ("tls.ca_destroy", f"{secret}-prev-*")
    return step("destroy", request.ref, action, DONE, ca, (gone,))


def staging(request: CaRequest, seen: CaObserved, ca: Mapping[str, Json]) -> Step:
    """The new CA, beside the old one: a Secret of ours, or a Certificate of cert-manager."""
    commit = step_name("commit", request.ref)
    if not seen.issuer_of:
        copy = f"{named('Secret', request.secret, request.namespace)}-next-*"
        return step("stage", request.ref, "tls.ca_stage", NEW_CA, ca, (copy,), until=commit)
    made = named("Certificate", str(seen.issuer_of["next"]), request.namespace)
    return step("stage", request.ref, "tls.ca_stage_kept", NEW_CA, ca, (made,), until=commit)


def switching(request: CaRequest, seen: CaObserved, ca: Mapping[str, Json]) -> list[Step]:
    """From here on the new CA signs."""
    ref, secret = request.ref, named("Secret", request.secret, request.namespace)
    if seen.issuer_of:
        pointed = named_issuer(request.issuer_kind, request.issuer, request.namespace)
        return [step("commit", ref, "tls.ca_point", ISSUER_SWITCHED, ca, (pointed,))]
    return [
        step("commit", ref, "tls.commit", ISSUER_SWITCHED, ca, (secret, f"{secret}-prev-*")),
        step("clean", ref, "tls.clean", ISSUER_SWITCHED, ca, (f"{secret}-next-*",)),
    ]


def leaf_request(request: CaRequest, targets: tuple[Target, ...]) -> Request:
    """The request that each leaf's rotation will be, to find out now what would refuse it then."""
    asked = Request(targets, request.ref, force=True, new_issuer=True, probe_image=request.probe_image)
    source = Source(CERT_MANAGER) if request.issuer else Source()
    asked = replace(asked, rollout=rollout_of(targets), source=source)
    if not request.compromised:
        return asked
    return replace(asked, emergency=True, accept_downtime=True, wait_timeout_s=request.wait_timeout_s)


def rollout_of(targets: Sequence[Target]) -> str:
    """Are their servers told to load new files, or restarted?"""
    return RELOAD if any(target.reload for target in targets) else RESTART


def ordered(leaves: Sequence[Leaf]) -> tuple[Leaf, ...]:
    """Clients first: a server that asks them for certificates trusts both by then, whoever is behind."""
    return tuple(sorted(leaves, key=lambda leaf: (leaf.role != CLIENT, leaf.target.ref)))


def step(
    word: str,
    ref: str,
    action: str,
    phase: str,
    params: Mapping[str, Json],
    touches: tuple[str, ...] = (),
    until: str = "",
) -> Step:
    """A step of a phase."""
    return Step(step_name(word, ref), action, touches, {**params, "phase": phase}, until)


def _reissue(request: CaRequest, ca: Mapping[str, Json], leaf: Leaf) -> Step:
    target = leaf.target
    touched = (named("Secret", target.secret, target.namespace),)
    return step("reissue", target.ref, "tls.ca_reissue", LEAVES_REISSUED, {**ca, "leaf": leaf_params(leaf)}, touched)


def _unbridging(ca: Mapping[str, Json], leaf: Leaf) -> Step:
    target = leaf.target
    touched = (named("Secret", target.secret, target.namespace),)
    return step("unbridge", target.ref, "tls.ca_unbridge", DONE, {**ca, "leaf": leaf_params(leaf)}, touched)


def leaf_params(leaf: Leaf) -> dict[str, Json]:
    """A leaf as the steps know it; :func:`leaf_in` gives it back."""
    target = leaf.target
    return {
        "namespace": target.namespace,
        "secret": target.secret,
        "service": target.service,
        "port": target.port,
        "server_name": target.server_name,
        "protocol": target.protocol,
        "workloads": list(target.workloads),
        "reload": None if target.reload is None else dict(target.reload),
        "role": leaf.role,
    }


def leaf_in(data: Mapping[str, Json]) -> Leaf:
    """A leaf back from a step's parameters."""
    given = {key: value for key, value in data.items() if key not in ("role", "workloads")}
    return Leaf(Target(**given, workloads=tuple(data["workloads"])), data["role"])


def ca_params(request: CaRequest, seen: CaObserved) -> dict[str, Json]:
    """What every step knows. No secrets; nothing that depends on the time of day."""
    old = seen.certificate
    return {
        "namespace": request.namespace,
        "secret": request.secret,
        "uid": seen.uid,
        "old": old.fingerprint,
        "old_spki": old.spki,
        "old_not_after": rfc3339(old.not_after),
        "generation": request.generation or generation_of(old) + 1,
        "key": request.key,
        "key_format": seen.key_format,
        "rotated_for": seen.rotated_for,
        "rotated_for_before": seen.rotated_for,
        "keep_s": _KEPT_S,
        "namespaces": list(request.namespaces),
        "webhooks": request.webhooks,
        "waive": list(request.waive),
        "probe_image": request.probe_image,
        "soak_s": request.soak_s,
        "propagation_s": request.propagation_s,
        "reload_wait_s": request.reload_wait_s,
        "timeout_s": request.wait_timeout_s,
        "keep_leaves_s": request.keep_previous_s,
        "parent": None if seen.parent is None else dict(seen.parent),
        "root": is_root(old),
        "bridge": request.bridge,
        "issuer_of": None if seen.issuer_of is None else dict(seen.issuer_of),
    }


def purge(request: CaRequest, seen: CaObserved) -> Step:
    """Old pairs that earlier rotations of this CA kept."""
    params = {
        "namespace": request.namespace,
        "secret": request.secret,
        "archives": [{"name": name, "uid": uid} for name, uid in seen.archives],
    }
    touched = tuple(named("Secret", name, request.namespace) for name, _uid in seen.archives)
    return step("destroy", request.ref, "tls.purge", DONE, params, touched)


# -- phases ------------------------------------------------------------------------------------------------------


def phases_of(made: Plan) -> tuple[str, ...]:
    """The phases of a plan in their order."""
    return GIVEN_UP if any(one.params.get("compromised") for one in made.steps) else PHASES


def first_after(made: Plan, phase: str) -> str:
    """The first step behind a phase, empty where there is none.

    Raises BadInput for a word that is no phase, and for one after which a compromised CA cannot wait.
    """
    if phase not in PHASES:
        raise BadInput(f"there is no phase {phase!r}", next=f"one of {', '.join(PHASES)}")
    phases = phases_of(made)
    if phases is GIVEN_UP and phase not in _MAY_WAIT:
        raise BadInput(
            f"a compromised CA is not left in phase {phase}",
            why="there is no overlap: until its end, clients and servers do not trust each other",
            next=f"one of {', '.join(_MAY_WAIT)}",
        )
    last = phases.index(phase)
    return next((s.name for s in made.steps if phases.index(s.params["phase"]) > last), "")


def reached(operation: Operation) -> str:
    """The last phase all of whose steps, and of those before it, are done; empty before the first."""
    if operation.state == FINISHED:
        return DONE
    last = ""
    for phase in phases_of(operation.plan)[:-1]:
        steps = [one for one in operation.plan.steps if one.params["phase"] == phase]
        if any(operation.entry(one.name).state != ENTRY_DONE for one in steps):
            break
        last = phase
    return last
