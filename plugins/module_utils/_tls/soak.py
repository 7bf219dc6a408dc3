# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The soak: what was proven is watched for a while before the rotation counts as done.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .._core.operation import AskedOfJournal, Context, NothingToUndo
from .._core.plan import Json, Step
from .consumers import PodSeen
from .proof import prove_service, why_blind
from .subject import Subject, Tools, as_ports
from .trial import refuse
from .watching import watch


@dataclass(frozen=True, slots=True)
class Soak(AskedOfJournal, NothingToUndo):
    """``tls.soak``: certificate, readiness and restarts of every user, and the Service at the end.

    A run that was killed soaks anew: nobody looked meanwhile. Raises NotProven, which ends as the caller's policy says;
    Conflict where somebody else has put another certificate into the Secret.
    """

    tools: Tools

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        subject = Subject.of(self.tools, step, context)
        ports, soak_s = as_ports(subject.result("baseline").get("ports")), float(subject.params["soak_s"])
        subject.tools.reporter.say(f"soak: {subject.ref} is watched for {soak_s:g} s")

        def users() -> Sequence[PodSeen]:
            found = subject.secret()
            if found.certificate.fingerprint != subject.new:
                raise subject.foreign(found)
            return subject.pods()

        seen = watch(subject, users, lambda pod: ports.get(pod.workload, ()), soak_s, "the soak")
        blind = str(subject.result("baseline").get("blind", "")) or why_blind(subject, ports)
        if not blind:
            proof = prove_service(subject, subject.new)
            refuse(subject, proof)
            seen["failed"] = int(seen["failed"]) + proof.failed
        return {"target": subject.ref, **seen}
