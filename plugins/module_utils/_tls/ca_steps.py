# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps of a CA's rotation that are not those of a leaf: trust given, proven, taken away; leaves issued anew.

Each looks at the cluster for what it needs to be true, so that a step that comes too early, or after somebody else's
change, holds instead of cutting somebody off.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from .._cluster.probe import probe_pod
from .._core.errors import BadInput, Conflict, NotProven, TimedOut
from .._core.operation import AskedOfJournal, Context, Engine, LooksAgain, NothingToUndo
from .._core.plan import Json, Step, digest
from .._core.ports import TO_DO, UNDONE, Operation
from .authority import Authority, authority
from .ca_cross import make_bridge
from .ca_issue import ca_lint, make_ca
from .ca_issuer import next_secret, signs
from .ca_look import issued_by
from .ca_plan import OLD_UNUSED, leaf_in, rollout_of
from .certificates import Certificate, read_chain
from .consumers import look
from .generation import Stage, issued_in, put_aside
from .inventory import BEHIND, drift, served_by
from .issue import Issued, issue
from .mutual import Answer, Mutual, ask
from .path import path_problems
from .plan import KIND as LEAF_KIND
from .plan import Request, Target
from .rotation import rotate
from .secrets import CRT, TlsSecret, must_be_ours_to_write, read_secret
from .source import CERT_MANAGER, Source
from .subject import Subject, Tools
from .trust import grown, holds, put_back, shrunk
from .trust_proof import Wanted, arrive, objects, row
from .trust_stores import Store, listed, stores_in
from .trusters import Truster, scene

_SETTLE_S = 15.0
Leaves = Callable[[], Engine]
"""Makes the engine that rotates leaves: each is an operation of its own within this one."""


@dataclass(frozen=True, slots=True)
class CaSubject:
    """The CA that a step is about."""

    subject: Subject

    @classmethod
    def of(cls, tools: Tools, step: Step, context: Context) -> CaSubject:
        return cls(Subject.of(tools, step, context))

    @property
    def params(self) -> Mapping[str, Json]:
        return self.subject.params

    @property
    def tools(self) -> Tools:
        return self.subject.tools

    @property
    def new_ca(self) -> Certificate:
        return self._from_stage("new_pem")

    @property
    def old_ca(self) -> Certificate:
        return self._from_stage("old_pem")

    @property
    def bridge(self) -> bytes:
        """PEM of the new CA signed by the old one; empty where none is wanted."""
        return str(self.subject.result("stage").get("bridge_pem", "")).encode()

    def _from_stage(self, key: str) -> Certificate:
        text = str(self.subject.result("stage").get(key, ""))
        found = read_chain(text.encode()).leaf
        if found is None:
            raise Conflict("the new CA was not made yet", where=self.subject.where)
        return found

    def wanted(self, stores: Sequence[Store] = ()) -> Wanted:
        """What the stores hold now is to arrive. The mark of its restarts follows from the objects' versions: a text
        that was written again, be it the same, needs processes that began after that.
        """
        read = {store.ref: store.read(self.tools.cluster) for store in stores}
        versions = digest(sorted((ref, obj["metadata"]["resourceVersion"]) for ref, (obj, _text) in read.items()))
        return Wanted(
            phase=str(self.params["phase"]),
            texts={ref: text for ref, (_obj, text) in read.items()},
            mark=f"{self.subject.context.operation_id}.{versions[:8]}",
            propagation_s=float(self.params["propagation_s"]),
            timeout_s=float(self.params["timeout_s"]),
            together=bool(self.params.get("compromised")),
        )

    def trusters(self) -> tuple[Truster, ...]:
        return tuple(Truster.from_dict(one) for one in self.params["trusters"])

    @property
    def kept(self) -> bool:
        """Does cert-manager keep this CA?"""
        return bool(self.params.get("issuer_of"))

    def pairs(self) -> list[TlsSecret]:
        """The CA's pairs: in service, staged, archived; of an Issuer both generations, as far as they are there."""
        subject = self.subject
        if not self.kept:
            return [one for one in (subject.secret(), subject.staged(), subject.archive()) if one is not None]
        old = subject.cluster.find("Secret", subject.name, subject.namespace)
        found = (None if old is None else read_secret(subject.same(old)), next_secret(subject))
        return [one for one in found if one is not None]

    def pair(self, fingerprint: str) -> TlsSecret | None:
        """The one of that generation."""
        return next((one for one in self.pairs() if one.certificate.fingerprint == fingerprint), None)

    def in_service(self) -> TlsSecret:
        """The pair that signs now."""
        if not self.kept:
            return self.subject.secret()
        name = signs(self.tools.cluster, self.subject)
        return read_secret(self.tools.cluster.get("Secret", name, self.subject.namespace))


@dataclass(frozen=True, slots=True)
class CaStage(Stage):
    """``tls.ca_stage``: the new CA, in an immutable Secret until it is in service, and judged at once.

    Its undo is that of any staged pair, and it comes last: by then nobody trusts it and nothing of it is in service.
    """

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        subject = Subject.of(self.tools, step, context)
        copy = subject.staged() or self._make(subject)
        secret = subject.secret()
        parent = parent_of(subject)
        above = parent.path if parent else ()
        problems = ca_lint(secret.certificate, issued_in(copy), self.tools.clock.now(), above)
        if problems:
            raise NotProven(
                "the new CA is not fit to sign",
                where=subject.where,
                why="; ".join(problems),
                next="undo this operation",
            )
        facts = staged_facts(copy, secret.certificate)
        return {**facts, **self._bridged(subject, secret, copy)}

    def _bridged(self, subject: Subject, secret: TlsSecret, copy: TlsSecret) -> dict[str, Json]:
        """The bridge, where one is wanted. One that was made by a run that died was in use nowhere."""
        if not subject.params["bridge"]:
            return {}
        now = self.tools.clock.now()
        old = authority(secret.obj, now, secret.trust.certificates)
        return {"bridge_pem": make_bridge(old, copy.certificate, now).pem().decode()}

    def _make(self, subject: Subject) -> TlsSecret:
        secret = subject.secret()
        if secret.certificate.fingerprint != subject.params["old"]:
            raise subject.foreign(secret)
        must_be_ours_to_write(secret)
        params = subject.params
        new = make_ca(
            secret.certificate,
            self.tools.clock.now(),
            int(params["generation"]),
            key_format=str(params["key_format"]),
            kind=str(params["key"]),
            parent=parent_of(subject),
        )
        return put_aside(subject, secret, new)


def parent_of(subject: Subject) -> Authority | None:
    """The CA that signs this one, None of a root. Raises Conflict where it is another one than was planned with."""
    given = subject.params.get("parent")
    if not given:
        return None
    found = authority(subject.cluster.get("Secret", given["name"], given["namespace"]), subject.tools.clock.now())
    if found.certificate.fingerprint != given["fingerprint"]:
        raise Conflict(
            "the CA above is another one than at planning time",
            where=found.where,
            next="undo this operation, then plan again",
        )
    return found


def staged_facts(copy: TlsSecret, old: Certificate) -> dict[str, Json]:
    """What later steps need of the new CA and of the old one: nothing secret."""
    new = copy.certificate
    return {
        "secret": copy.name,
        "fingerprint": new.fingerprint,
        "spki": new.spki,
        "subject": new.subject,
        "key": new.key,
        "new_pem": new.pem().decode(),
        "old_pem": old.pem().decode(),
    }


@dataclass(frozen=True, slots=True)
class CaTrust:
    """``tls.ca_trust``: the new CA appended to one store. Its undo takes it out, if nothing of the new CA is in use."""

    tools: Tools

    def done(self, step: Step, context: Context) -> bool:
        ca = CaSubject.of(self.tools, step, context)
        spki = str(ca.subject.result("stage").get("spki", ""))
        return bool(spki) and holds(Store.from_dict(step.params["store"]).read(self.tools.cluster)[1], spki)

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        ca, store = CaSubject.of(self.tools, step, context), Store.from_dict(step.params["store"])
        new, old = ca.new_ca, str(step.params["old_spki"])

        def grow(text: bytes) -> bytes:
            if not holds(text, old):
                raise Conflict(
                    "somebody else has taken the old CA out of the trust store",
                    where=store.ref,
                    next="find out who writes it, then run the same task again",
                )
            return grown(text, new)

        store.change(self.tools.cluster, grow)
        return {"added": new.fingerprint}

    def undo(self, step: Step, context: Context) -> dict[str, Json] | None:
        ca, store = CaSubject.of(self.tools, step, context), Store.from_dict(step.params["store"])
        new = ca.new_ca
        left = issued(ca, new)
        if left:
            raise Conflict(
                "the new CA has issued certificates that this operation did not",
                where=store.ref,
                why=", ".join(left),
                next="give them certificates of the old CA first",
            )
        store.change(self.tools.cluster, lambda text: shrunk(text, new.spki)[0])
        return {"removed": new.fingerprint}


def issued(ca: CaSubject, by: Certificate) -> list[str]:
    """Secrets within the scope that hold something which that CA signed; those that were waived left out."""
    found = listed(ca.tools.cluster, ca.params["namespaces"], webhooks=False)
    waived = set(ca.params["waive"])
    between = {ca.new_ca.spki} if ca.bridge else set()
    return [secret.ref for secret in issued_by(found, by, between) if f"Secret {secret.ref}" not in waived]


@dataclass(frozen=True, slots=True)
class ProveTrust(AskedOfJournal, NothingToUndo):
    """``tls.ca_prove_trust``: the gate before anything is signed by the new CA. Every consumer has loaded both."""

    tools: Tools

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        ca = CaSubject.of(self.tools, step, context)
        stores = [Store.from_dict(one) for one in step.params["stores"]]
        _refuse_new_stores(ca, stores)
        wanted = ca.wanted(stores)
        both = (ca.new_ca.spki, str(step.params["old_spki"]))
        lacking = [ref for ref, text in wanted.texts.items() if not all(holds(text, spki) for spki in both)]
        if lacking:
            raise Conflict(
                "a trust store does not hold both CAs",
                where=lacking[0],
                why="somebody else wrote it",
                next="undo this operation, or put the missing one in",
            )
        rows = objects(wanted, sorted(wanted.texts))
        rows += arrive(self.tools, now_trusting(ca, stores), wanted)
        for server in _servers(step):
            answer = _settled(ca, server, ca.new_ca.fingerprint, True)
            if answer.accepted is not True:
                raise NotProven(
                    f"{server.ref} does not let in a client of the new CA",
                    where=ca.subject.where,
                    why=answer.status or answer.why,
                    next="nothing of the new CA is in service; look at what the server loads its trust from",
                )
            rows.append(_answered(wanted, server, "new CA", answer, True))
        return {"evidence": _with_reloads_shown(rows, _behind(ca, _servers(step)))}


def _with_reloads_shown(rows: Sequence[Mapping[str, Json]], shown: set[str]) -> list[dict[str, Json]]:
    """What was told to load its trust has loaded it where a server of it has let in a client of the new CA."""
    return [{**one, "ok": True} if one["how"] == "reload" and one["subject"] in shown else dict(one) for one in rows]


def _refuse_new_stores(ca: CaSubject, known: Sequence[Store]) -> None:
    """Stores that came after the plan: the new CA is not in them."""
    found = listed(ca.tools.cluster, ca.params["namespaces"], webhooks=bool(ca.params["webhooks"]))
    waived, names = set(ca.params["waive"]), {store.ref for store in known}
    late = [
        s
        for s in stores_in(found, str(ca.params["old_spki"]), kept=ca.kept)
        if s.ref not in names and s.where not in waived
    ]
    late = [s for s in late if not holds(s.read(ca.tools.cluster)[1], ca.new_ca.spki)]
    if late:
        raise Conflict(
            "a trust store has come up since the plan was made",
            where=late[0].ref,
            next="append the new CA to it (evidence and stage hold its certificate), then run the same task again",
            details={"new_ca": ca.new_ca.pem().decode()},
        )


def now_trusting(ca: CaSubject, stores: Sequence[Store]) -> tuple[Truster, ...]:
    """The consumers as they are now: planned ones keep what was declared of them, new ones count as well."""
    planned = {truster.where: truster for truster in ca.trusters()}
    waived = set(ca.params["waive"])
    found = []
    for namespace in sorted({store.namespace for store in stores if store.namespace}):
        for truster in scene(ca.tools.cluster, namespace).trusters(stores):
            if truster.where in planned:
                known = planned[truster.where]
                truster = replace(truster, rereads=known.rereads, reload=known.reload)
            if not waived & {truster.where, truster.ref}:
                found.append(truster)
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Try(AskedOfJournal, NothingToUndo):
    """``tls.ca_try``: a leaf from the CA that is in service now, judged under the new trust and under both."""

    tools: Tools

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        ca = CaSubject.of(self.tools, step, context)
        new, old, now = ca.new_ca, ca.old_ca, self.tools.clock.now()
        signer = authority(ca.in_service().obj, now)
        probe = _probe_leaf(signer.certificate)
        made = issue(probe, signer, now, key_format="PKCS8")
        bridge = read_chain(ca.bridge).certificates
        judges = [(new,), (old, new), *([(old,)] if bridge else [])]
        problems = [p for trust in judges for p in path_problems(made.certificate, bridge, trust, now)]
        if problems:
            raise NotProven("a leaf of the new CA does not hold", where=ca.subject.where, why="; ".join(problems))
        return {"tried": made.certificate.fingerprint}


def _probe_leaf(signer: Certificate) -> Certificate:
    """What a short-lived leaf is modelled on: it is thrown away, and its key with it."""
    import datetime as dt

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509.oid import NameOID

    from .certificates import read_der

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "knowngood-probe")])
    begin = signer.not_before
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(begin + dt.timedelta(hours=2))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return read_der(made.public_bytes(Encoding.DER))


# -- leaves ------------------------------------------------------------------------------------------------------


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


def stored(tools: Tools, target: Target) -> TlsSecret:
    """The leaf's Secret as it is now."""
    return read_secret(tools.cluster.get("Secret", target.secret, target.namespace))


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


# -- distrust ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Distrust:
    """``tls.ca_distrust``: the old CA out of one store, and its consumers renewed; back at once where that fails.

    Its undo puts the old CA where it was and is done when every consumer has loaded it again.
    """

    tools: Tools

    def done(self, step: Step, context: Context) -> bool:
        del context
        return not holds(Store.from_dict(step.params["store"]).read(self.tools.cluster)[1], step.params["old_spki"])

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        ca, store = CaSubject.of(self.tools, step, context), Store.from_dict(step.params["store"])
        new, old = ca.new_ca, ca.old_ca
        left = issued(ca, old)
        if left:
            raise NotProven(
                "certificates of the old CA are stored again",
                where=", ".join(left),
                why="the old CA would be distrusted under them",
                next=f"run the same task again with phase {OLD_UNUSED} once they are gone",
            )
        cuts: list[Mapping[str, Json]] = list(context.results.get(step.name, {}).get("cuts", ()))

        def shrink(text: bytes) -> bytes:
            nonlocal cuts
            if not holds(text, new.spki):
                raise Conflict("the new CA is not in the trust store", where=store.ref, why="somebody else took it out")
            if holds(text, old.spki):
                text, cuts = shrunk(text, old.spki)
            return text

        store.change(self.tools.cluster, shrink)
        wanted = ca.wanted((store,))
        rows = objects(wanted, [store.ref])
        try:
            rows += arrive(self.tools, now_trusting(ca, (store,)), wanted)
        except (BadInput, NotProven, TimedOut) as error:
            self._back(ca, store, cuts)
            error.next = "the old CA is trusted there again; cure the cause, then run the same task again"
            raise
        return {"evidence": rows, "cuts": [dict(cut) for cut in cuts]}

    def undo(self, step: Step, context: Context) -> dict[str, Json] | None:
        ca, store = CaSubject.of(self.tools, step, context), Store.from_dict(step.params["store"])
        self._back(ca, store, context.results.get(step.name, {}).get("cuts", ()))
        arrive(self.tools, now_trusting(ca, (store,)), ca.wanted((store,)))
        return {"put_back": ca.old_ca.fingerprint}

    def _back(self, ca: CaSubject, store: Store, cuts: Sequence[Mapping[str, Json]]) -> None:
        old = ca.old_ca
        store.change(self.tools.cluster, lambda text: grown(put_back(text, cuts), old))


# -- probes with a client's certificate --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CaBaseline(AskedOfJournal):
    """``tls.ca_baseline``: what holds before the change. A server that turns its present clients away stops it here.

    Its undo comes last on the way back: the archive of the old pair, which is in service again, goes.
    """

    tools: Tools

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        ca = CaSubject.of(self.tools, step, context)
        old = ca.in_service().certificate
        wanted, rows = ca.wanted(), []
        for server in _servers(step):
            answer = _ask(ca, server, old.fingerprint)
            if answer.accepted is not True and not step.params.get("compromised"):
                raise NotProven(
                    f"{server.ref} does not let in a client of the present CA",
                    where=ca.subject.where,
                    why=answer.status or answer.why,
                    next="nothing was changed; check mutual_tls",
                )
            rows.append(_answered(wanted, server, "old CA", answer, True))
        unknown = [row(wanted, text, "T1", "waived", None, 0) for text in step.params["unknown"]]
        return {"evidence": [*rows, *unknown]}

    def undo(self, step: Step, context: Context) -> dict[str, Json] | None:
        subject = Subject.of(self.tools, step, context)
        if subject.params.get("issuer_of") or subject.secret().certificate.fingerprint != subject.params["old"]:
            return None
        return {"deleted": subject.drop(subject.archive())}


@dataclass(frozen=True, slots=True)
class Negative(AskedOfJournal, NothingToUndo):
    """``tls.ca_negative``: a leaf of the old CA is turned away and one of the new CA let in, by application bytes."""

    tools: Tools

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        ca = CaSubject.of(self.tools, step, context)
        wanted, rows = ca.wanted(), []
        servers = _servers(step)
        for server in servers:
            new = _settled(ca, server, ca.subject.new, True)
            if not step.params["root"]:
                rows.append(_answered(wanted, server, "new CA", new, True))
                rows.append(row(wanted, f"{server.ref}: {_STANDS}", "T3", "application", None, 0, why=_BELOW))
                continue
            old = _settled(ca, server, str(step.params["old"]), False)
            if new.accepted is not True or old.accepted is True:
                raise NotProven(
                    f"{server.ref} does not tell the CAs apart",
                    where=ca.subject.where,
                    why=f"new CA: {new.status or new.why}; old CA: {old.status or old.why}",
                    next="look at what it trusts; the old CA's key is not destroyed while this stands",
                )
            rows.append(_answered(wanted, server, "new CA", new, True))
            rows.append(_answered(wanted, server, "old CA turned away", old, False))
        tried = _behind(ca, servers)
        for truster in ca.trusters():
            if truster.where in tried:
                rows.append(row(wanted, truster.where, "T3", "application", True, 0, why="through its Service"))
            else:
                text = f"{truster.where}: that it turns the old CA away"
                rows.append(row(wanted, text, "T3", "application", None, 0, why=_NOT_TRIED))
        return {"evidence": rows}


_STANDS, _BELOW = "that it turns the old CA away", "it does not: the old CA stands below the same root until it ends"
_NOT_TRIED = "no Service that leads to it was declared as one that asks clients for certificates (mutual_tls)"


def _behind(ca: CaSubject, servers: Sequence[Mutual]) -> set[str]:
    """The workloads whose pods answer behind these Services, as ``namespace/Kind/name``."""
    found = set()
    for server in servers:
        service = ca.tools.cluster.get("Service", server.service, server.namespace)
        wanted = ((service.get("spec") or {}).get("selector") or {}).items()
        for pod in scene(ca.tools.cluster, server.namespace).pods:
            if wanted and wanted <= pod.labels.items():
                found.add(f"{server.namespace}/{pod.workload}")
    return found


def _servers(step: Step) -> list[Mutual]:
    return [Mutual.from_dict(one) for one in step.params["mutual"]]


def _answered(wanted: Wanted, server: Mutual, what: str, answer: Answer, expected: bool) -> dict[str, Json]:
    ok = None if answer.accepted is None else answer.accepted is expected
    why = answer.status or answer.why
    return row(wanted, f"{server.ref}: {what}", "T3", "application", ok, answer.connections, why=why)


def _settled(ca: CaSubject, server: Mutual, generation: str, wanted: bool) -> Answer:
    """As :func:`_ask`, given a moment: a server that was told to load its files does so when it comes to it."""
    clock = ca.tools.clock
    deadline = clock.monotonic() + _SETTLE_S
    while True:
        answer = _ask(ca, server, generation)
        if answer.accepted is wanted or clock.monotonic() >= deadline:
            return answer
        clock.sleep(1.0)


def _ask(ca: CaSubject, server: Mutual, generation: str) -> Answer:
    """The server asked with a client's certificate like that of ``client_secret``, signed by that generation."""
    tools, now = ca.tools, ca.tools.clock.now()
    pair = ca.pair(generation)
    if pair is None:
        return Answer(None, 0, why="the key of that CA is not kept any more")
    signer = authority(pair.obj, now)
    model = stored(tools, Target(server.namespace, server.client_secret)).certificate
    client: Issued = issue(model, signer, now, key_format="PKCS8")
    trusted = [read_chain(copy.value(CRT)).certificates[0] for copy in ca.pairs()]
    image, operation_id = str(ca.params["probe_image"]), ca.subject.context.operation_id
    with probe_pod(tools.cluster, server.namespace, image, operation_id, clock=tools.clock, purpose="client") as pod:
        return ask(pod, server, client, trusted)


# -- the end -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Destroy:
    """``tls.ca_destroy``: the old CA's key goes; from here on there is only the way forward."""

    tools: Tools

    def done(self, step: Step, context: Context) -> bool:
        return Subject.of(self.tools, step, context).archive() is None

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        subject = Subject.of(self.tools, step, context)
        if subject.secret().certificate.fingerprint != subject.new:
            raise subject.foreign(subject.secret())
        return {"deleted": subject.drop(subject.archive())}

    def undo(self, step: Step, context: Context) -> dict[str, Json] | None:
        del step, context
        return None

    def undoable(self, step: Step, context: Context) -> str | None:
        gone = self.done(step, context)
        return "the old CA's key was destroyed, as was asked for: there is no way back" if gone else None
