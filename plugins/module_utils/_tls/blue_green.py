# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Blue and green: a second Deployment with the staged Secret takes over the Service while the first one is renewed.

The Service is switched by one write to its selector: the label of the second Deployment's pods is added to it, and
taken away again. Clients are therefore never without a proven server, also where the first Deployment ends all of its
pods before it starts new ones.

PRIVATE to this collection.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

from .._cluster.amend import Ref, amend, read, read_or_none
from .._cluster.client import Object
from .._core.errors import Conflict, KnownGoodError, NotProven
from .._core.operation import Context, LooksAgain, NothingToUndo
from .._core.plan import Json, Step
from .clones import TRIAL, green_deployment, green_name
from .proof import Proof, prove_service
from .secrets import staged_name
from .services import ServicePort
from .serving import bring_back
from .subject import Subject, Tools
from .trial import Trial, drop_ours, facts, made_once, refuse


@dataclass(frozen=True, slots=True)
class Green:
    """``tls.green``: the second Deployment, started and proven, not yet in the Service."""

    tools: Tools

    def done(self, step: Step, context: Context) -> bool:
        subject = Subject.of(self.tools, step, context)
        there = subject.cluster.find("Deployment", _name(subject), subject.namespace)
        return bool(subject.result("green")) and there is not None

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        subject = Subject.of(self.tools, step, context)
        trial, operation_id = Trial(subject), context.operation_id
        blue = read(subject.cluster, _blue(subject))
        blue.setdefault("kind", "Deployment")
        copy = staged_name(subject.name, operation_id)
        made = made_once(subject, green_deployment(blue, subject.name, copy, operation_id, trial.id))
        trial.wait_started(int(made["spec"].get("replicas", 1)))
        return {"deployment": made["metadata"]["name"], **facts(trial.prove())}

    def undo(self, step: Step, context: Context) -> dict[str, Json] | None:
        return {"deleted": _removed(Subject.of(self.tools, step, context))}


@dataclass(frozen=True, slots=True)
class Switch:
    """``tls.switch``: the Service leads to the second Deployment alone, and is seen to from inside the cluster."""

    tools: Tools

    def done(self, step: Step, context: Context) -> bool:
        subject = Subject.of(self.tools, step, context)
        service = read(subject.cluster, _service(subject))
        return bool(subject.result("switch")) and _selector(service).get(TRIAL) == Trial(subject).id

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        subject = Subject.of(self.tools, step, context)
        trial = Trial(subject)
        try:
            trial.admit()
            names = {pod["metadata"]["name"] for pod in trial.pods()}
            amend(subject.cluster, _service(subject), lambda service: _to_green(subject, trial, service))
            if not trial.settled(names, exactly=True):
                raise NotProven("the Service does not lead to the second Deployment alone", where=subject.where)
            return facts(_asked(subject))
        except KnownGoodError:
            with contextlib.suppress(KnownGoodError):  # the undo does the same
                _back_to_blue(subject)
                trial.lead_out()
            raise

    def undo(self, step: Step, context: Context) -> dict[str, Json] | None:
        """The first Deployment is brought back to the old generation before clients are led to it again."""
        subject = Subject.of(self.tools, step, context)
        service = read_or_none(subject.cluster, _service(subject))
        if service is None or _selector(service).get(TRIAL) != Trial(subject).id:
            return None
        found = bring_back(subject) if subject.result("commit").get("put_back") else {}
        _back_to_blue(subject)
        return found


@dataclass(frozen=True, slots=True)
class SwitchBack(LooksAgain, NothingToUndo):
    """``tls.switch_back``: the Service leads to the first Deployment again, whose pods were proven before."""

    tools: Tools

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        subject = Subject.of(self.tools, step, context)
        if not _back_to_blue(subject):
            raise NotProven("the Service does not lead to the renewed pods", where=subject.where)
        return facts(_asked(subject))


@dataclass(frozen=True, slots=True)
class Remove(NothingToUndo):
    """``tls.remove``: the second Deployment goes, once its pods are out of the Service."""

    tools: Tools

    def done(self, step: Step, context: Context) -> bool:
        subject = Subject.of(self.tools, step, context)
        return (
            subject.cluster.find("Deployment", _name(subject), subject.namespace) is None and not Trial(subject).pods()
        )

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        subject = Subject.of(self.tools, step, context)
        return {"deleted": _removed(subject)}


def _blue(subject: Subject) -> Ref:
    (tried,) = subject.params["trials"]
    kind, slash, name = str(tried["ref"]).partition("/")
    return Ref(kind, name, subject.namespace, tried["uid"])


def _name(subject: Subject) -> str:
    return green_name(_blue(subject).name, Trial(subject).id)


def _port(subject: Subject) -> ServicePort:
    found = subject.service()
    if found is None:
        raise NotProven("no Service is known to switch", where=subject.where)
    return found


def _service(subject: Subject) -> Ref:
    port = _port(subject)
    return Ref("Service", port.service, port.namespace, port.uid)


def _selector(service: Object) -> dict[str, Any]:
    return dict((service.get("spec") or {}).get("selector") or {})


def _to_green(subject: Subject, trial: Trial, service: Object) -> Object | None:
    """One more label in the selector. Raises Conflict where it is not the one that was planned with."""
    there, planned = _selector(service), dict(_port(subject).selector)
    if there == {**planned, TRIAL: trial.id}:
        return None
    if there != planned:
        raise Conflict(
            "somebody else changed the Service's selector during the rotation",
            where=_service(subject).where,
            why=f"it is {there}, planned with {planned}",
            next="find out who writes it; nothing of theirs was overwritten",
        )
    return {"spec": {"selector": {TRIAL: trial.id}}}


def _back_to_blue(subject: Subject) -> bool:
    """Our label out of the selector; what others made of it meanwhile is left as it is.

    Gives whether the Service then leads to all ready pods of the first Deployment.
    """
    mine = Trial(subject).id

    def change(service: Object) -> Object | None:
        return {"spec": {"selector": {TRIAL: None}}} if _selector(service).get(TRIAL) == mine else None

    amend(subject.cluster, _service(subject), change)
    return Trial(subject).settled({pod.name for pod in subject.pods() if pod.ready})


def _asked(subject: Subject) -> Proof:
    """The proof through the Service, where it could be asked before the change as well. Raises NotProven."""
    blind = str(subject.result("baseline").get("blind", ""))
    proof = prove_service(subject, subject.new, blind=blind)
    if not blind:
        refuse(subject, proof)
    return proof


def _removed(subject: Subject) -> str:
    """The name of the second Deployment, whose pods are led out first; empty where there was none."""
    trial = Trial(subject)
    trial.lead_out()
    name = _name(subject)
    gone = drop_ours(subject, "Deployment", name)
    trial.wait_gone()
    return name if gone else ""
