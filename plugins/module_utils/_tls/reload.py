# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Servers that load new files when they are told to: a signal or a command in each pod that is behind.

A pod is told once its files are seen to hold the new certificate, and again every few seconds while it is behind: a
reload that fails silently shows on the wire, not in an exit code.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .._cluster.streams import run_in_pod
from .._core.errors import KnownGoodError, NotProven
from .._core.operation import Context, LooksAgain, NothingToUndo
from .._core.plan import Json, Step
from .._core.redact import redact_text
from .certificates import read_chain
from .consumers import VOLUME, PodSeen
from .proof import failures, glance
from .secrets import CRT
from .subject import Ports, Subject, Tools, as_ports

_POLL_S = 0.5
_AGAIN_S = 5.0
_COMMAND_S = 30.0


@dataclass(frozen=True, slots=True)
class Reload(LooksAgain, NothingToUndo):
    """``tls.reload``: the pods that are behind and have the new files are told to load them."""

    tools: Tools

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        subject = Subject.of(self.tools, step, context)
        return reload(subject, as_ports(subject.result("baseline").get("ports")), subject.new)


@dataclass(slots=True)
class _Round:
    """What was sent where, and what came of it."""

    sent: dict[str, float] = field(default_factory=dict)
    told: dict[str, str] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)
    failed: int = 0


def reload(subject: Subject, ports: Ports, expected: str) -> dict[str, Json]:
    """Until every pod that gets all of its uses as files serves it. Raises NotProven: one never does.

    Pods of which no port is known are told once: nothing can be seen of them.
    """
    delivered = {consumer.ref: consumer for consumer in subject.consumers() if consumer.uses and consumer.delivered}
    containers = {
        ref: next(use.container for use in consumer.uses if use.delivery == VOLUME)
        for ref, consumer in delivered.items()
    }
    pods = [pod for pod in subject.pods() if pod.workload in delivered and pod.ready]
    clock, seen = subject.tools.clock, _Round()
    deadline = clock.monotonic() + float(subject.params["timeout_s"])
    while True:
        sights = glance(subject, pods, ports)
        seen.failed += failures(sights)
        current = {s.port.pod for s in sights} - {s.port.pod for s in sights if s.served.fingerprint != expected}
        left = [pod for pod in pods if pod.name not in current | seen.done]
        if not left:
            break
        if clock.monotonic() >= deadline:
            raise _stuck(subject, left[0], seen)
        for pod in left:
            if clock.monotonic() - seen.sent.get(pod.name, -_AGAIN_S) >= _AGAIN_S:
                _tell(subject, pod, containers[pod.workload], expected, seen)
                if pod.name in seen.sent and not seen.told.get(pod.name) and not ports.get(pod.workload):
                    seen.done.add(pod.name)
        clock.sleep(_POLL_S)
    return {"reloaded": sorted(seen.sent), "failed": seen.failed}


def _tell(subject: Subject, pod: PodSeen, container: str, expected: str, seen: _Round) -> None:
    """Nothing is sent while its files are known to be the old ones."""
    if _on_disk(subject, pod, container) not in ("", expected):
        return
    wanted: Mapping[str, Json] = subject.params["reload"]
    into = str(wanted.get("container") or container)
    seen.sent[pod.name] = subject.tools.clock.monotonic()
    try:
        answer = run_in_pod(
            subject.cluster, subject.namespace, pod.name, command(wanted), container=into, timeout_s=_COMMAND_S
        )
    except KnownGoodError as error:
        seen.told[pod.name] = f"{error.what}: {error.why}" if error.why else error.what
        return
    said = redact_text((answer.stderr or answer.stdout).strip())[-200:]
    seen.told[pod.name] = f"it ended with {answer.rc}: {said}" if answer.rc else ""


def command(wanted: Mapping[str, Json]) -> list[str]:
    """The argv: as given, or a signal to the first process of the container."""
    if wanted.get("command"):
        return [str(word) for word in wanted["command"]]
    return ["sh", "-c", f"kill -s {str(wanted['signal']).removeprefix('SIG')} 1"]


def _on_disk(subject: Subject, pod: PodSeen, container: str) -> str:
    """The certificate in the pod's file, empty where it cannot be read (another file name, no ``cat``)."""
    path = next((use.path for use in pod.uses if use.secret == subject.name and use.container == container), "")
    if not path:
        return ""
    argv = ["cat", f"{path.rstrip('/')}/{CRT}"]
    try:
        answer = run_in_pod(subject.cluster, subject.namespace, pod.name, argv, container=container, timeout_s=10.0)
    except KnownGoodError:
        return ""
    leaf = read_chain(answer.stdout.encode()).leaf if not answer.rc else None
    return leaf.fingerprint if leaf else ""


def _stuck(subject: Subject, pod: PodSeen, seen: _Round) -> NotProven:
    told = seen.told.get(pod.name, "")
    why = f"the reload failed: {told}" if told else "it was told to reload and goes on with the other certificate"
    if pod.name not in seen.sent:
        why = "its files have not become the new ones"
    return NotProven(f"pod {pod.name} does not serve the new certificate after a reload", where=subject.where, why=why)
