# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps of a CA's rotation that are not those of a leaf: trust given, proven, taken away.

Each looks at the cluster for what it needs to be true, so that a step that comes too early, or after somebody else's
change, holds instead of cutting somebody off.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from .._core.errors import BadInput, Conflict, NotProven, TimedOut
from .._core.operation import AskedOfJournal, Context, NothingToUndo
from .._core.plan import Json, Step
from .authority import Authority, authority
from .ca_cross import make_bridge
from .ca_issue import ca_lint, make_ca
from .ca_plan import OLD_UNUSED
from .ca_probes import answered, behind, servers_in, settled
from .ca_subject import CaSubject, issued
from .certificates import Certificate, read_chain
from .generation import Stage, issued_in, put_aside
from .issue import issue
from .path import path_problems
from .secrets import TlsSecret, must_be_ours_to_write
from .subject import Subject, Tools
from .trust import grown, holds, put_back, shrunk
from .trust_proof import arrive, objects
from .trust_stores import Store, listed, stores_in
from .trusters import Truster, scene


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
        facts = staged_facts(copy, secret.certificate, parent or authority(copy.obj, self.tools.clock.now()))
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


def staged_facts(copy: TlsSecret, old: Certificate, top: Authority) -> dict[str, Json]:
    """What later steps need of the new CA and of the old one: nothing secret.

    ``top``: the new CA, or the one above it, with what is trusted for their sake (``anchors``).
    """
    new = copy.certificate
    return {
        "secret": copy.name,
        "fingerprint": new.fingerprint,
        "spki": new.spki,
        "subject": new.subject,
        "key": new.key,
        "new_pem": new.pem().decode(),
        "old_pem": old.pem().decode(),
        "anchors": [anchor.pem().decode() for anchor in top.anchors],
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
        for server in servers_in(step):
            answer = settled(ca, server, ca.new_ca.fingerprint, True)
            if answer.accepted is not True:
                raise NotProven(
                    f"{server.ref} does not let in a client of the new CA",
                    where=ca.subject.where,
                    why=answer.status or answer.why,
                    next="nothing of the new CA is in service; look at what the server loads its trust from",
                )
            rows.append(answered(wanted, server, "new CA", answer, True))
        return {"evidence": _with_reloads_shown(rows, behind(ca, servers_in(step)))}


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
