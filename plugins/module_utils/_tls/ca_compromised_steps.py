# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps of giving up a compromised CA that no other rotation has.

There is no undo among them: what changes something that is in use comes behind the commit of the new CA, from which
there is no way back.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from .._core.errors import BadInput, Conflict, NotProven
from .._core.operation import Context, LooksAgain, NothingToUndo
from .._core.plan import Json, Step
from .ca_steps import now_trusting
from .ca_subject import CaSubject
from .certificates import Certificate, read_chain
from .generation import Stage, issued_in, signing
from .issue import judged
from .plan import step_name
from .serving import Prove
from .subject import Subject, Tools
from .trust import grown, holds, shrunk
from .trust_proof import arrive, objects
from .trust_stores import Store, listed, stores_in


def _staged(step: Step, context: Context) -> Mapping[str, Json]:
    found = context.results.get(step_name("stage", str(step.params["of"])), {})
    if not found:
        raise Conflict("the new CA was not made yet", where=str(step.params["of"]))
    return found


def new_ca_of(step: Step, context: Context) -> Certificate:
    """The new CA of a step that knows it by ``of``."""
    return read_chain(str(_staged(step, context)["new_pem"]).encode()).certificates[0]


def of_new_ca(step: Step, context: Context) -> Step:
    """A leaf's step with the new CA, which was not there when the plan was made."""
    staged = _staged(step, context)
    found = {"ca_secret": staged["secret"], "ca": staged["fingerprint"], "trust": staged["anchors"]}
    return replace(step, params={**step.params, **found})


@dataclass(frozen=True, slots=True)
class Prepare:
    """``tls.ca_prepare``: a leaf of the new CA, staged and judged while the old one is still in service."""

    tools: Tools

    def done(self, step: Step, context: Context) -> bool:
        return Stage(self.tools).done(step, context)

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        step = of_new_ca(step, context)
        made = Stage(self.tools).apply(step, context)
        subject = Subject.of(self.tools, step, context)
        copy, secret = subject.staged(), subject.secret()
        if copy is None:
            raise Conflict("the staged Secret has vanished", where=subject.where, next="undo this operation")
        problems = judged(secret.certificate, issued_in(copy), signing(subject, secret), self.tools.clock.now())
        if problems:
            raise NotProven(
                "the new certificate is not fit for service",
                where=subject.where,
                why="; ".join(problems),
                next="nothing was put into service",
            )
        return made

    def undo(self, step: Step, context: Context) -> dict[str, Json] | None:
        return Stage(self.tools).undo(step, context)


@dataclass(frozen=True, slots=True)
class Swap(NothingToUndo):
    """``tls.ca_swap``: the new CA into the place of the old one in a store, by one write."""

    tools: Tools

    def done(self, step: Step, context: Context) -> bool:
        text = Store.from_dict(step.params["store"]).read(self.tools.cluster)[1]
        new = str(CaSubject.of(self.tools, step, context).subject.result("stage").get("spki", ""))
        return bool(new) and holds(text, new) and not holds(text, str(step.params["old_spki"]))

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        ca, store = CaSubject.of(self.tools, step, context), Store.from_dict(step.params["store"])
        new, old = ca.new_ca, str(step.params["old_spki"])
        store.change(self.tools.cluster, lambda text: shrunk(grown(text, new), old)[0])
        return {"trusted": new.fingerprint}


@dataclass(frozen=True, slots=True)
class Renew(LooksAgain, NothingToUndo):
    """``tls.ca_renew``: new processes for all, together, which have loaded the new trust and nothing else."""

    tools: Tools

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        ca = CaSubject.of(self.tools, step, context)
        stores = [Store.from_dict(one) for one in step.params["stores"]]
        _refuse_left(ca, stores)
        wanted = ca.wanted(stores)
        found = {truster.where: truster for truster in (*ca.trusters(), *now_trusting(ca, stores))}
        living = [found[where] for where in sorted(found) if where not in set(ca.params["waive"])]
        try:
            rows = arrive(self.tools, living, wanted)
        except BadInput as error:
            error.next = f"the old CA is trusted by no store any more: {error.next}"
            raise
        return {"evidence": objects(wanted, sorted(wanted.texts)) + rows}


def _refuse_left(ca: CaSubject, known: Sequence[Store]) -> None:
    """Stores that came after the plan still hold the compromised CA."""
    there = listed(ca.tools.cluster, ca.params["namespaces"], webhooks=bool(ca.params["webhooks"]))
    waived = set(ca.params["waive"])
    found = stores_in(there, str(ca.params["old_spki"]), kept=ca.kept)
    left = [store.ref for store in found if store.where not in waived]
    if left:
        planned = left[0] in {store.ref for store in known}
        raise Conflict(
            "a trust store holds the compromised CA",
            where=", ".join(left),
            why="it was put back" if planned else "it has come up since the plan was made",
            next="take it out there and put the new one in, then run the same task again",
            details={"new_ca": ca.new_ca.pem().decode()},
        )


@dataclass(frozen=True, slots=True)
class ProveLeaf(LooksAgain, NothingToUndo):
    """``tls.ca_prove``: every pod, and the Service from inside the cluster, serve the leaf of the new CA."""

    tools: Tools

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        return Prove(self.tools).apply(of_new_ca(step, context), context)
