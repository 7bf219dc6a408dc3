# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The leaves of a CA that is rotated: each issued anew by a rotation of its own, until nothing of the old CA is in use.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .._core.errors import Conflict, NotProven
from .._core.operation import Context, Engine, LooksAgain
from .._core.plan import Json, Step
from .._core.ports import TO_DO, UNDONE, Operation
from .ca_plan import leaf_in, rollout_of
from .ca_subject import CaSubject, issued, stored
from .consumers import look
from .inventory import BEHIND, drift, served_by
from .plan import KIND as LEAF_KIND
from .plan import Request, Target
from .rotation import rotate
from .source import CERT_MANAGER, Source
from .subject import Tools
from .trust_proof import row

Leaves = Callable[[], Engine]
"""Makes the engine that rotates leaves: each is an operation of its own within this one."""


@dataclass(frozen=True, slots=True)
class Reissue:
    """``tls.ca_reissue``: one leaf from the new CA by a rotation of its own: staged, proven, put back if it fails."""

    tools: Tools
    leaves: Leaves

    def done(self, step: Step, context: Context) -> bool:
        ca = CaSubject.of(self.tools, step, context)
        if not ca.subject.result("stage"):
            return False
        return stored(self.tools, leaf_in(step.params["leaf"]).target).certificate.signed_by(ca.new_ca)

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        ca = CaSubject.of(self.tools, step, context)
        if ca.in_service().certificate.fingerprint != ca.subject.new:
            raise ca.subject.foreign(ca.in_service())
        return reissue(self, ca, leaf_in(step.params["leaf"]).target)

    def undo(self, step: Step, context: Context) -> dict[str, Json] | None:
        ca = CaSubject.of(self.tools, step, context)
        if ca.kept:  # renewed once more when the Issuer signs with the old CA again
            return settle(self, ca, leaf_in(step.params["leaf"]).target)
        return {"undone": take_back(self, ca, leaf_in(step.params["leaf"]).target)}

    def undoable(self, step: Step, context: Context) -> str | None:
        """Not without the old pair of the leaf."""
        ca, engine = CaSubject.of(self.tools, step, context), self.leaves()
        operation = None if ca.kept else _rotation_of(engine, ca, leaf_in(step.params["leaf"]).target)
        if operation is None:
            return None
        try:
            engine.check_undo(operation)
        except Conflict as error:
            return error.why or error.what
        return None


def leaf_request(ca: CaSubject, target: Target, *, back: bool = False) -> tuple[Request, Target]:
    """The leaf's rotation as asked for: once for this operation, and ``back`` once for its undo."""
    params = ca.params
    both = ca.old_ca.pem() + ca.new_ca.pem()
    asked = Request(
        (target,),
        ca.subject.ref,
        incident=ca.subject.context.operation_id + (".undo" if back else ""),
        source=Source(CERT_MANAGER, trust=both.decode()) if ca.kept else Source(),
        probe_image=str(params["probe_image"]),
        reload_wait_s=float(params["reload_wait_s"]),
        wait_timeout_s=float(params["timeout_s"]),
        keep_previous_s=float(params["keep_leaves_s"]),
        new_issuer=True,
        rollout=rollout_of([target]),
        bridge=ca.bridge.decode(),
    )
    return asked, target


def reissue(action: Reissue, ca: CaSubject, target: Target, *, back: bool = False) -> dict[str, Json]:
    """Rotates the leaf, or goes on with that; what it came to. Raises what the rotation raises, undone where it can."""
    tools, signer = action.tools, ca.old_ca if back else ca.new_ca
    asked, target = leaf_request(ca, target, back=back)
    done = rotate(tools.cluster, asked, action.leaves(), clock=tools.clock, on_failure="undo", check_mode=False)
    found = stored(tools, target).certificate
    if not found.signed_by(signer):
        raise NotProven(
            f"the leaf is not one of {signer.subject}",
            where=f"Secret {target.ref}",
            why=f"it holds {found.fingerprint}, issued by {found.issuer}",
            next="find out who wrote it",
        )
    return {
        "operation": done["operation"],
        "fingerprint": found.fingerprint,
        "proof": done["proof"],
        "unproven": done["unproven"],
        "restarted": done["restarted"],
        "failed": done["failed_handshakes"],
    }


def take_back(action: Reissue, ca: CaSubject, target: Target) -> str:
    """The leaf's rotation undone; its id, empty where there was none."""
    engine = action.leaves()
    operation = _rotation_of(engine, ca, target)
    if operation is not None and operation.state != UNDONE:
        engine.undo(operation.id)
    return operation.id if operation else ""


def settle(action: Reissue, ca: CaSubject, target: Target) -> dict[str, Json] | None:
    """Ends a leaf's rotation that was killed: forwards where cert-manager was asked, as it does not turn back."""
    engine = action.leaves()
    operation = _rotation_of(engine, ca, target)
    if operation is None or not operation.unfinished:
        return None
    asked = any(s.action == "tls.renew" and operation.entry(s.name).state != TO_DO for s in operation.plan.steps)
    (engine.resume if asked else engine.undo)(operation.id)
    return {"ended": operation.id}


def _rotation_of(engine: Engine, ca: CaSubject, target: Target) -> Operation | None:
    """The rotation of that leaf within this operation."""
    asked, target = leaf_request(ca, target)
    for operation in engine.mark(asked.lease([target])).operations:
        if (operation.plan.kind, operation.plan.key) == (LEAF_KIND, asked.plan_key([target])):
            return operation
    return None


@dataclass(frozen=True, slots=True)
class Unused(LooksAgain):
    """``tls.ca_unused``: nothing of the old CA is stored or served, seen twice. What came late is issued anew first."""

    reissue: Reissue

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        tools = self.reissue.tools
        ca = CaSubject.of(tools, step, context)
        late = issued(ca, ca.old_ca)
        done = [{"target": ref, **reissue(self.reissue, ca, _target(ref))} for ref in late]
        rows = self._scan(ca, step, late)
        tools.clock.sleep(float(step.params["soak_s"]))
        rows = self._scan(ca, step, late)
        return {"evidence": rows, "late": late, "operations": [one["operation"] for one in done]}

    def undo(self, step: Step, context: Context) -> dict[str, Json] | None:
        """Those that came late and were issued anew, also by a run that died before it said so."""
        ca = CaSubject.of(self.reissue.tools, step, context)
        mine = {leaf_in(one).target.ref for one in step.params["leaves"]}
        if ca.kept:
            for ref in {*issued(ca, ca.old_ca), *issued(ca, ca.new_ca)} - mine:
                settle(self.reissue, ca, _target(ref))
            return None
        late = [ref for ref in issued(ca, ca.new_ca) if ref not in mine]
        undone = [ref for ref in late if take_back(self.reissue, ca, _target(ref))]
        return {"undone": undone} if undone else None

    def _scan(self, ca: CaSubject, step: Step, late: Sequence[str]) -> list[dict[str, Json]]:
        """One look at the store and at the wire. Raises NotProven."""
        tools, wanted = ca.tools, ca.wanted()
        left = issued(ca, ca.old_ca)
        if left:
            raise NotProven(
                "certificates of the old CA are still stored",
                where=", ".join(left),
                next="find out who writes them, then run the same task again",
            )
        scope = f"namespaces {', '.join(ca.params['namespaces'])}"
        rows = [row(wanted, f"store scan of {scope}", "T1", "object", True, 0)]
        targets = [leaf_in(one).target for one in step.params["leaves"]] + [_target(ref) for ref in late]
        for target in targets:
            secret, view = stored(tools, target), look(tools.cluster, target.namespace)
            served = served_by(tools.cluster, view, secret, view.consumers(target.secret))
            state = drift(secret.certificate.fingerprint, served)
            if state == BEHIND:
                stale = next(one for one in served if one["fingerprint"] != secret.certificate.fingerprint)
                raise NotProven(
                    f"pod {stale['pod']} still serves another certificate",
                    where=f"Secret {target.ref}, port {stale['port']}",
                    why=f"it serves {stale['fingerprint']}",
                    next="restart it, then run the same task again",
                )
            why = "" if served else "no port of its users could be seen"
            rows.append(
                row(wanted, f"Secret {target.ref}", "T3", "handshake", True if served else None, len(served), why=why)
            )
        return rows


def _target(ref: str) -> Target:
    namespace, _slash, name = ref.partition("/")
    return Target(namespace, name)
