# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A canary: pods like those of the workload, with the staged Secret, under real traffic before the Secret is written.

PRIVATE to this collection.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from .._cluster.amend import Ref, read
from .._cluster.client import Object
from .._cluster.waits import wait_gone
from .._core.errors import KnownGoodError
from .._core.operation import AskedOfJournal, Context
from .._core.plan import Json, Step
from .clones import canary_pod
from .consumers import PodSeen, look
from .secrets import staged_name
from .subject import Subject, Tools
from .trial import Trial, drop_ours, facts, made_once
from .watching import watch

_ENDED = ("Succeeded", "Failed")
_SPARE_S = 1800.0
"""A run that died leaves pods in the Service that nobody watches: they end by themselves after this."""


@dataclass(frozen=True, slots=True)
class Canary(AskedOfJournal):
    """``tls.canary``: proves the staged generation on pods of its own. Whatever comes of it, none of them is left."""

    tools: Tools

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        trial = Trial(Subject.of(self.tools, step, context))
        try:
            found = self._tried(trial)
        except KnownGoodError:
            with contextlib.suppress(KnownGoodError):  # the undo looks for them again
                trial.end_pods()
            raise
        return {**found, "pods": trial.end_pods()}

    def undo(self, step: Step, context: Context) -> dict[str, Json] | None:
        return {"deleted": Trial(Subject.of(self.tools, step, context)).end_pods()}

    def _tried(self, trial: Trial) -> dict[str, Json]:
        subject = trial.subject
        origins = {}
        for ref, manifest in _manifests(trial):
            _run(subject, manifest)
            origins[manifest["metadata"]["name"]] = ref
        subject.tools.reporter.say(f"canary: {', '.join(sorted(origins))}")
        trial.wait_started(len(origins))
        proof = trial.prove()
        trial.admit()
        ports = trial.ports

        def both() -> Sequence[PodSeen]:
            return _watched(subject, set(origins))

        seen = watch(
            subject,
            both,
            # What the workload's own pods serve is the old generation still; of them only readiness and restarts count.
            lambda pod: ports.get(origins.get(pod.name, ""), ()),
            float(subject.params["canary"]["watch_s"]),
            "as a canary",
        )
        return {**seen, **facts(replace(proof, failed=proof.failed + int(seen["failed"])))}


def _run(subject: Subject, manifest: Object) -> None:
    """Makes the pod. That of an earlier run is taken, unless it has ended by itself or is about to."""
    pod = made_once(subject, manifest)
    meta = pod["metadata"]
    if meta.get("deletionTimestamp") or (pod.get("status") or {}).get("phase") in _ENDED:
        drop_ours(subject, "Pod", meta["name"])
        timeout_s, clock = float(subject.params["timeout_s"]), subject.tools.clock
        wait_gone(
            subject.cluster, "Pod", meta["name"], subject.namespace, meta["uid"], timeout_s=timeout_s, clock=clock
        )
        made_once(subject, manifest)


def _manifests(trial: Trial) -> Iterator[tuple[str, Object]]:
    """The pods to make, each with the workload that it is a clone of."""
    subject = trial.subject
    operation_id, wanted = subject.context.operation_id, subject.params["canary"]
    copy = staged_name(subject.name, operation_id)
    life_s = float(subject.params["timeout_s"]) + float(wanted["watch_s"]) + _SPARE_S
    for tried in subject.params["trials"]:
        ref = str(tried["ref"])
        kind, slash, name = ref.partition("/")
        workload = read(subject.cluster, Ref(kind, name, subject.namespace, tried["uid"]))
        workload.setdefault("kind", kind)
        for number in range(int(wanted["pods"])):
            yield ref, canary_pod(workload, subject.name, copy, operation_id, trial.id, number, life_s)


def _watched(subject: Subject, canaries: set[str]) -> list[PodSeen]:
    """The canaries, and the pods of the workloads beside them."""
    tried = {str(one["ref"]) for one in subject.params["trials"]}
    return [
        pod
        for pod in look(subject.cluster, subject.namespace).pods
        if not pod.leaving and (pod.name in canaries or pod.workload in tried)
    ]
