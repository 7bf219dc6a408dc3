# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Evidence that a change of trust has arrived: in the object (T1), in the file (T2), in the process (T3).

A row: ``phase``, ``subject``, ``level``, ``how`` (``object``, ``file``, ``start``, ``restart``, ``reload``,
``declared``, ``waived``, ``application``), ``ok`` (None: not seen), ``pods``, ``sha256`` (of the text), ``why``.

A process that was started after the file was seen in every pod of its node has read the file that was seen; so the
files come first, then the restart, then the files of the new pods.

PRIVATE to this collection.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .._cluster.amend import Ref
from .._cluster.pods import wait_ready
from .._cluster.streams import run_in_pod
from .._core.errors import KnownGoodError, NotProven
from .._core.plan import Json
from .._core.redact import redact_text
from .consumers import ENV, INIT, VOLUME
from .reload import command
from .rollout import restart
from .subject import Tools
from .trusters import Scene, Truster, TrustPod, TrustUse, scene
from .workloads import RESTARTABLE

_POLL_S = 0.5
_LEAVING_S = 60.0
_NUDGE = "knowngood.io/trust"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to have arrived: the text of each store by its ref, and how long that may take, in seconds.

    ``together``: all are restarted at once, none waits for another.
    """

    phase: str
    texts: Mapping[str, bytes]
    mark: str
    propagation_s: float
    timeout_s: float
    together: bool = False

    def sha256(self, store: str) -> str:
        return "sha256:" + hashlib.sha256(self.texts[store]).hexdigest()


@dataclass(frozen=True, slots=True)
class Glimpse:
    """One file of one pod. ``same`` is None where it could not be read."""

    pod: str
    use: TrustUse
    same: bool | None
    why: str = ""


def arrive(tools: Tools, trusters: Sequence[Truster], wanted: Wanted) -> list[dict[str, Json]]:
    """Waits until the texts have arrived in every consumer, with new processes where they need them; the evidence.

    Raises NotProven (a pod goes on with another text), TimedOut (a rollout does not end), BadInput (cannot restart).
    """
    before = _wait_files(tools, trusters, wanted, by_files_only=True)
    blind = [glimpse for glimpse in before if glimpse.same is None]
    if blind:  # files that cannot be read: the kubelet gets the time that it may take
        tools.reporter.say(f"{blind[0].pod}: files cannot be read there, waiting {wanted.propagation_s:g} s")
        tools.clock.sleep(wanted.propagation_s)
    renewed = [truster for truster in trusters if truster.restarts and truster.kind in RESTARTABLE]
    _tell(tools, [truster for truster in trusters if truster.reload and not truster.restarts])
    _renew(tools, renewed, wanted)
    after = _wait_files(tools, trusters, wanted, by_files_only=False)
    rows = _file_rows(after, trusters, wanted, bool(blind))
    scenes = _scenes(tools, trusters)
    return rows + [_loaded(truster, scenes[truster.namespace], wanted, after) for truster in trusters]


def objects(wanted: Wanted, refs: Sequence[str]) -> list[dict[str, Json]]:
    """T1: the objects hold it. The caller has read them."""
    return [row(wanted, ref, "T1", "object", True, 0, wanted.sha256(ref)) for ref in refs]


def row(
    wanted: Wanted, subject: str, level: str, how: str, ok: bool | None, pods: int, sha256: str = "", why: str = ""
) -> dict[str, Json]:
    return {
        "phase": wanted.phase,
        "subject": subject,
        "level": level,
        "how": how,
        "ok": ok,
        "pods": pods,
        "sha256": sha256,
        "why": why,
    }


# -- files -------------------------------------------------------------------------------------------------------


def _scenes(tools: Tools, trusters: Sequence[Truster]) -> dict[str, Scene]:
    return {namespace: scene(tools.cluster, namespace) for namespace in sorted({t.namespace for t in trusters})}


def _wait_files(
    tools: Tools, trusters: Sequence[Truster], wanted: Wanted, *, by_files_only: bool
) -> tuple[Glimpse, ...]:
    """The files of every living pod, once none is behind. ``by_files_only``: those that the kubelet updates."""
    clock = tools.clock
    deadline = clock.monotonic() + wanted.timeout_s
    nudged: set[str] = set()
    while True:
        found = _look(tools, trusters, wanted, nudged, by_files_only)
        behind = [glimpse for glimpse in found if glimpse.same is False]
        if not behind:
            return found
        if clock.monotonic() >= deadline:
            raise NotProven(
                f"pod {behind[0].pod} does not get the trust store",
                where=f"{behind[0].use.store}, file {behind[0].use.path}",
                why=f"it still holds another text after {wanted.timeout_s:g} s",
                next="nothing was taken from anybody's trust; look at the kubelet of that pod's node",
            )
        clock.sleep(_POLL_S)


def _look(
    tools: Tools, trusters: Sequence[Truster], wanted: Wanted, nudged: set[str], by_files_only: bool
) -> tuple[Glimpse, ...]:
    found = []
    scenes = _scenes(tools, trusters)
    for truster in trusters:
        for pod in scenes[truster.namespace].pods_of(truster.ref):
            if pod.leaving or not pod.ready:
                continue
            if pod.uid not in nudged:
                nudged.add(pod.uid)
                _nudge(tools, truster.namespace, pod, wanted)
            uses = [u for u in truster.uses if u.path and u.delivery != INIT and u.store in wanted.texts]
            found += [
                _read(tools, truster.namespace, pod, use, wanted)
                for use in uses
                if use.delivery == VOLUME or not by_files_only
            ]
    return tuple(found)


def _nudge(tools: Tools, namespace: str, pod: TrustPod, wanted: Wanted) -> None:
    """Makes the kubelet look at once. Only speeds things up: that it fails is no failure."""
    body = {"metadata": {"annotations": {_NUDGE: wanted.mark}}}
    try:
        tools.cluster.patch("Pod", pod.name, namespace, body, uid=pod.uid)
    except KnownGoodError:
        return


def _read(tools: Tools, namespace: str, pod: TrustPod, use: TrustUse, wanted: Wanted) -> Glimpse:
    try:
        answer = run_in_pod(
            tools.cluster, namespace, pod.name, ["cat", use.path], container=use.container, timeout_s=30.0
        )
    except KnownGoodError as error:
        return Glimpse(pod.name, use, None, error.what)
    if answer.rc != 0:
        return Glimpse(pod.name, use, None, (answer.stderr.strip().splitlines() or ["it cannot be read"])[-1][:200])
    return Glimpse(pod.name, use, _plain(answer.stdout) == _plain(wanted.texts[use.store].decode(errors="replace")))


def _plain(text: str) -> bytes:
    """What PEM is made of: other characters, as of comments, may not survive the stream."""
    return text.encode("ascii", "ignore")


def _file_rows(
    seen: Sequence[Glimpse], trusters: Sequence[Truster], wanted: Wanted, waited: bool
) -> list[dict[str, Json]]:
    """T2, a row a consumer and store. Where files cannot be read: by the start of the pod after the time for it."""
    rows = []
    for truster in trusters:
        for store in sorted({use.store for use in truster.uses if use.store in wanted.texts}):
            here = [g for g in seen if g.use in truster.uses and g.use.store == store]
            subject = f"{truster.where} {store}"
            unread = [g for g in here if g.same is None]
            if here and not unread:
                count = len({g.pod for g in here})
                rows.append(row(wanted, subject, "T2", "file", True, count, wanted.sha256(store)))
            elif unread and waited and truster.restarts:
                rows.append(row(wanted, subject, "T2", "start", True, len(unread), why=unread[0].why))
            else:
                why = unread[0].why if unread else _why_unseen(truster)
                rows.append(row(wanted, subject, "T2", "file", None, len(unread), why=why))
    return rows


def _why_unseen(truster: Truster) -> str:
    deliveries = {use.delivery for use in truster.uses}
    if deliveries <= {ENV, INIT}:
        return "it comes by environment or through an init container"
    return "no pod of it is ready"


# -- processes ---------------------------------------------------------------------------------------------------


def _renew(tools: Tools, trusters: Sequence[Truster], wanted: Wanted) -> None:
    refs = [Ref(t.kind, t.name, t.namespace, t.uid) for t in trusters]
    for ref in refs:
        if restart(tools.cluster, ref, wanted.mark):
            tools.reporter.say(f"{ref.kind}/{ref.name}: a new process for another trust")
        if not wanted.together:
            wait_ready(tools.cluster, ref, timeout_s=wanted.timeout_s, clock=tools.clock)
    for ref in refs if wanted.together else ():
        wait_ready(tools.cluster, ref, timeout_s=wanted.timeout_s, clock=tools.clock)
    deadline = tools.clock.monotonic() + _LEAVING_S
    while tools.clock.monotonic() < deadline:
        scenes = _scenes(tools, trusters)
        if not any(pod.leaving for t in trusters for pod in scenes[t.namespace].pods_of(t.ref)):
            return
        tools.clock.sleep(_POLL_S)


def _tell(tools: Tools, trusters: Sequence[Truster]) -> None:
    """Those that are told to load their files anew. Raises NotProven where that cannot be said to one."""
    scenes = _scenes(tools, trusters)
    for truster in trusters:
        told = truster.reload or {}
        for pod in scenes[truster.namespace].pods_of(truster.ref):
            if pod.leaving or not pod.ready:
                continue
            into = str(told.get("container") or truster.uses[0].container)
            argv = command(told)
            answer = run_in_pod(tools.cluster, truster.namespace, pod.name, argv, container=into, timeout_s=30.0)
            if answer.rc:
                raise NotProven(
                    f"pod {pod.name} could not be told to load another trust",
                    where=truster.where,
                    why=f"the reload ended with {answer.rc}: {redact_text(answer.stderr.strip())[-200:]}",
                    next="look at reloads",
                )


def _loaded(truster: Truster, view: Scene, wanted: Wanted, seen: Sequence[Glimpse]) -> dict[str, Json]:
    """T3: each of its processes began after the text had arrived."""
    pods = [pod for pod in view.pods_of(truster.ref) if not pod.leaving]
    if not pods:
        return row(wanted, truster.where, "T3", "restart", None, 0, why="it has no pod: it reads the text when started")
    if not truster.restarts:
        if truster.reload:
            return row(wanted, truster.where, "T3", "reload", None, len(pods), why="it was told to load the file anew")
        unread = any(g.same is None for g in seen if g.use in truster.uses)
        why = "its user says that it reads the file anew" + ("; the file could not be read" if unread else "")
        return row(wanted, truster.where, "T3", "declared", None, len(pods), why=why)
    if truster.kind not in RESTARTABLE:
        return row(
            wanted, truster.where, "T3", "restart", None, len(pods), why=f"no controller restarts a {truster.kind}"
        )
    older = [pod.name for pod in pods if pod.mark != wanted.mark]
    if older:
        raise NotProven(
            f"pod {older[0]} is older than the trust that it has to load",
            where=truster.where,
            next="wait for its rollout, then run the same task again",
        )
    return row(wanted, truster.where, "T3", "restart", True, len(pods))
