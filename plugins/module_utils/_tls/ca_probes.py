# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What servers say to clients of the old CA and of the new one: before the rotation, on the way, and at its end.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .._cluster.probe import clear_probes, probe_pod
from .._core.clock import rfc3339
from .._core.errors import NotProven
from .._core.operation import AskedOfJournal, Context, NothingToUndo
from .._core.plan import Json, Step
from .authority import authority
from .ca_subject import CaSubject, stored
from .certificates import read_chain
from .issue import Issued, issue
from .mutual import Answer, Mutual, ask
from .plan import Target
from .secrets import CRT
from .subject import Subject, Tools
from .trust_proof import Wanted, row
from .trusters import scene

_SETTLE_S = 15.0


@dataclass(frozen=True, slots=True)
class CaBaseline(AskedOfJournal):
    """``tls.ca_baseline``: what holds before the change. A server that turns its present clients away stops it here.

    Its undo comes last on the way back: the archive of the old pair, which is in service again, goes, and what is left
    of probe pods.
    """

    tools: Tools

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        ca = CaSubject.of(self.tools, step, context)
        old = ca.in_service().certificate
        wanted, rows = ca.wanted(), []
        for server in servers_in(step):
            answer = _ask(ca, server, old.fingerprint)
            if answer.accepted is not True and not step.params.get("compromised"):
                raise NotProven(
                    f"{server.ref} does not let in a client of the present CA",
                    where=ca.subject.where,
                    why=answer.status or answer.why,
                    next="nothing was changed; check mutual_tls",
                )
            rows.append(answered(wanted, server, "old CA", answer, True))
        unknown = [row(wanted, text, "T1", "waived", None, 0) for text in step.params["unknown"]]
        return {"evidence": [*rows, *unknown]}

    def undo(self, step: Step, context: Context) -> dict[str, Json] | None:
        subject = Subject.of(self.tools, step, context)
        places = [server.namespace for server in servers_in(step)]
        clear_probes(self.tools.cluster, [*subject.params["namespaces"], *places], context.operation_id)
        if subject.params.get("issuer_of") or subject.secret().certificate.fingerprint != subject.params["old"]:
            return None
        return {"deleted": subject.drop(subject.archive())}


@dataclass(frozen=True, slots=True)
class Negative(AskedOfJournal, NothingToUndo):
    """``tls.ca_negative``: a leaf of the old CA is turned away and one of the new CA let in, by application bytes."""

    tools: Tools

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        ca = CaSubject.of(self.tools, step, context)
        wanted, rows, telling = ca.wanted(), [], []
        for server in servers_in(step):
            new, old = _both(ca, server)
            rows.append(answered(wanted, server, "new CA", new, True))
            if old is not None:
                rows.append(answered(wanted, server, "old CA turned away", old, False))
                telling += [server] if old.accepted is False else []
        tried = behind(ca, telling)
        for truster in ca.trusters():
            if truster.where in tried:
                rows.append(row(wanted, truster.where, "T3", "application", True, 0, why="through its Service"))
            else:
                text = f"{truster.where}: that it turns the old CA away"
                rows.append(row(wanted, text, "T3", "application", None, 0, why=_NOT_TRIED))
        return {"evidence": rows if ca.params["root"] else [*rows, _stands(ca, wanted)]}


_NOT_TRIED = "no Service that leads to it was declared as one that asks clients for certificates (mutual_tls)"


def _both(ca: CaSubject, server: Mutual) -> tuple[Answer, Answer | None]:
    """What the server says to a client of the new CA and to one of the old one.

    Below a root that stays, the latter is let in by right; it is asked where that CA is compromised, to be told of.
    Raises NotProven.
    """
    root = bool(ca.params["root"])
    new = settled(ca, server, ca.subject.new, True)
    old = settled(ca, server, str(ca.params["old"]), False) if root else None
    if old is None and ca.params.get("compromised"):
        old = _ask(ca, server, str(ca.params["old"]))
    if new.accepted is not True or (root and old is not None and old.accepted is True):
        told = f"; old CA: {old.status or old.why}" if old is not None else ""
        raise NotProven(
            f"{server.ref} does not tell the CAs apart" if root else f"{server.ref} turns clients of the new CA away",
            where=ca.subject.where,
            why=f"new CA: {new.status or new.why}{told}",
            next="look at what it trusts; the old CA's key is not destroyed while this stands",
        )
    return new, old


def _stands(ca: CaSubject, wanted: Wanted) -> dict[str, Json]:
    """Of a CA below a root: nobody's trust in that was changed, seen here or not."""
    old = ca.old_ca
    why = (
        f"it stands below the same root: whoever trusts {old.issuer} accepts what it signs until "
        f"{rfc3339(old.not_after)}, unless it is revoked there and that is looked at"
    )
    return row(wanted, f"CA {old.subject}: that nobody accepts it any more", "T3", "application", None, 0, why=why)


def behind(ca: CaSubject, servers: Sequence[Mutual]) -> set[str]:
    """The workloads whose pods answer behind these Services, as ``namespace/Kind/name``."""
    found = set()
    for server in servers:
        service = ca.tools.cluster.get("Service", server.service, server.namespace)
        wanted = ((service.get("spec") or {}).get("selector") or {}).items()
        for pod in scene(ca.tools.cluster, server.namespace).pods:
            if wanted and wanted <= pod.labels.items():
                found.add(f"{server.namespace}/{pod.workload}")
    return found


def servers_in(step: Step) -> list[Mutual]:
    """The servers of the plan that ask clients for certificates."""
    return [Mutual.from_dict(one) for one in step.params["mutual"]]


def answered(wanted: Wanted, server: Mutual, what: str, answer: Answer, expected: bool) -> dict[str, Json]:
    """The row of an answer: it holds where the client was let in, or turned away, as expected."""
    ok = None if answer.accepted is None else answer.accepted is expected
    why = answer.status or answer.why
    return row(wanted, f"{server.ref}: {what}", "T3", "application", ok, answer.connections, why=why)


def settled(ca: CaSubject, server: Mutual, generation: str, wanted: bool) -> Answer:
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
