# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Watching what was proven for a while: what is served, who is ready, what was restarted.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._core.errors import NotProven
from .._core.plan import Json
from .consumers import PodSeen
from .proof import prove_ports
from .sights import TlsPort
from .starttls import before_tls
from .subject import Subject

_EVERY_S = 5.0
_PATIENCE_S = 10.0
"""So long may a pod be silent or not ready: one that ends, or is looked at in a bad moment, is no trouble yet."""


@dataclass(slots=True)
class Watch:
    """What was seen since the watch began. ``first``: the pods then, by uid."""

    first: Mapping[str, PodSeen]
    bad_since: dict[str, float] = field(default_factory=dict)

    def trouble(self, now: float, pods: Sequence[PodSeen], rows: Iterable[Mapping[str, Any]]) -> str:
        """Why what is seen at this moment is no good state to go on from, or nothing.

        Another certificate and a restart are trouble at once. Silence, and a pod of the beginning that is not ready,
        are when they last; so is a workload that had ready pods and has none.
        """
        for pod in pods:
            before = self.first[pod.uid].restarts if pod.uid in self.first else 0
            if pod.restarts > before:
                return f"pod {pod.name} was restarted {pod.restarts - before} times"
        bad: dict[str, str] = {}
        for row in rows:
            if row["fingerprint"] and row["fingerprint"] != row["expected"]:
                return f"pod {row['pod']} serves {row['fingerprint']}"
            if not row["ok"]:
                bad[f"port {row['pod']}:{row['port']}"] = f"pod {row['pod']} gives no good answer: {row['why']}"
        ready = {pod.uid for pod in pods if pod.ready}
        for pod in pods:
            if pod.uid in self.first and self.first[pod.uid].ready and pod.uid not in ready:
                bad[f"pod {pod.name}"] = f"pod {pod.name} is not ready any more"
        alive = {pod.workload for pod in pods if pod.ready}
        for ref in sorted({pod.workload for pod in self.first.values() if pod.ready} - alive):
            bad[ref] = f"{ref} has no ready pod any more"
        self.bad_since = {what: self.bad_since.get(what, now) for what in bad}
        lasting = [what for what, since in self.bad_since.items() if now - since >= _PATIENCE_S]
        return bad[lasting[0]] if lasting else ""


def watch(
    subject: Subject,
    pods: Callable[[], Sequence[PodSeen]],
    ports: Callable[[PodSeen], Iterable[int]],
    duration_s: float,
    what: str,
) -> dict[str, Json]:
    """Looks at the pods until the time is over, and longer while something may yet be trouble. Raises NotProven.

    Gives for how long, how often it looked, and how many connections failed.
    """
    clock = subject.tools.clock
    began = clock.monotonic()
    seen = Watch({pod.uid: pod for pod in pods()})
    looks = failed = 0
    while True:
        now_there = pods()
        wanted = [
            TlsPort(pod.name, port, before_tls(pod.ports, port))
            for pod in now_there
            if pod.ready
            for port in ports(pod)
        ]
        proof = prove_ports(subject, wanted, subject.new, connections=1)
        looks, failed = looks + 1, failed + proof.failed
        passed = clock.monotonic() - began
        why = seen.trouble(passed, now_there, proof.rows)
        if why:
            raise NotProven(
                f"the new certificate did not stand {what}",
                where=subject.where,
                why=f"after {passed:.0f} s: {why}",
                details={"proof": list(proof.rows)},
            )
        if passed >= duration_s and not seen.bad_since:
            return {"watched_s": round(passed, 1), "looks": looks, "failed": failed}
        clock.sleep(min(_EVERY_S, max(0.5, duration_s - passed)))
