# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps of giving up a compromised CA that cert-manager keeps: its leaves are renewed by cert-manager, all at once.

A pair for each leaf cannot be made beforehand, as cert-manager puts what it makes into service itself. So what can fail
there is looked at before anything is changed, and comes before anybody's trust is touched.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .._cluster.amend import read
from .._core.errors import Conflict, NotProven
from .._core.operation import Context, LooksAgain, NothingToUndo
from .._core.plan import Json, Step
from .ca_compromised_steps import new_ca_of, of_new_ca
from .certificates import Certificate
from .certmanager import ISSUING, POLL_S, READY, ask, condition_is, judge, keeper, late, ref_of, refuse_failed, renewed
from .subject import Subject, Tools

_ASKED_AT_MOST = 3


def _leaves(tools: Tools, step: Step, context: Context) -> Iterator[Subject]:
    for params in step.params["leaves"]:
        yield Subject(tools, params, context)


@dataclass(frozen=True, slots=True)
class Able(LooksAgain, NothingToUndo):
    """``tls.ca_able``: cert-manager keeps every leaf, and keeps it well, right before the old CA is given up."""

    tools: Tools

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        for leaf in _leaves(self.tools, step, context):
            kept = keeper(self.tools.cluster, leaf.secret())
            if kept.uid != leaf.params["certificate"]["uid"]:
                raise Conflict(
                    "another Certificate keeps the leaf than at planning time",
                    where=leaf.where,
                    why=f"it is {kept.name}",
                    next="nothing in use was changed; undo this operation, then plan again",
                )
            found = read(self.tools.cluster, ref_of(leaf))
            if not condition_is(found, READY) or condition_is(found, ISSUING):
                raise NotProven(
                    "cert-manager is not at rest with the leaf",
                    where=ref_of(leaf).where,
                    why="it is being renewed" if condition_is(found, ISSUING) else "it is not ready",
                    next="nothing in use was changed; look at that Certificate, then run the same task again",
                )
        return {"able": len(step.params["leaves"])}


@dataclass(frozen=True, slots=True)
class AskAll(LooksAgain, NothingToUndo):
    """``tls.ca_ask``: the renewal of every leaf that is not the new CA's yet, asked for together."""

    tools: Tools

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        new, asked = new_ca_of(step, context), 0
        for leaf in _leaves(self.tools, step, context):
            if not leaf.secret().certificate.signed_by(new):
                ask(leaf, ref_of(leaf), read(self.tools.cluster, ref_of(leaf)), _never)
                asked += 1
        return {"asked": asked}


def _never(found: object) -> bool:
    """How often it was renewed before says nothing: that may have been with the old CA."""
    del found
    return False


@dataclass(frozen=True, slots=True)
class RenewLeaf(NothingToUndo):
    """``tls.ca_renew_leaf``: waits until the leaf is the new CA's and cert-manager is done with it; judges it.

    A renewal that was under way when the issuer was pointed at the new CA may end with a leaf of the old one: then it
    is asked for once more.
    """

    tools: Tools

    def done(self, step: Step, context: Context) -> bool:
        subject = Subject.of(self.tools, step, context)
        return bool(subject.new) and subject.secret().certificate.fingerprint == subject.new

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        subject = Subject.of(self.tools, of_new_ca(step, context), context)
        return self._wait(subject, new_ca_of(step, context))

    def _wait(self, subject: Subject, new: Certificate) -> dict[str, Json]:
        clock, ref, asked = self.tools.clock, ref_of(subject), 0
        deadline = clock.monotonic() + float(subject.params["issue_timeout_s"])
        while True:
            found = read(subject.cluster, ref)
            secret = subject.secret()
            ours, busy = secret.certificate.signed_by(new), condition_is(found, ISSUING)
            if ours and not busy and condition_is(found, READY):
                judge(subject, secret)
                return renewed(secret, found)
            if not ours and not busy:
                self._again(subject, found, asked)
                asked += 1
            if clock.monotonic() >= deadline:
                raise late(subject, found)
            clock.sleep(POLL_S)

    def _again(self, subject: Subject, found: dict[str, Json], asked: int) -> None:
        """Raises NotProven where it was asked for by this run and has failed, or another CA goes on signing."""
        ref = ref_of(subject)
        if asked:
            refuse_failed(ref, found)
        if asked >= _ASKED_AT_MOST:
            raise NotProven(
                "cert-manager goes on signing with another CA",
                where=ref.where,
                why=f"it was renewed {asked} times, and is issued by {subject.secret().certificate.issuer}",
                next="see which issuer the Certificate names and what that is pointed at, then run the same task again",
                details={"waiting": True},
            )
        ask(subject, ref, found, _never)
