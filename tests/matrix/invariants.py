# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What must hold, each as a function with a name: it returns what is wrong, empty when nothing is.

:class:`Guard` looks at every change of every volume while a run is on; the others look at the cluster after it.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.knowngood.kube.plugins.module_utils._cluster.client import Gone
from ansible_collections.knowngood.kube.plugins.module_utils._core.clock import parse_time
from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import KnownGoodError
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.snapshots import held_by_provisioner
from tests.matrix.tiny import Tiny

Manifest = dict[str, Any]


@dataclass(slots=True)
class Guard:
    """At every moment a retained (or still bound) volume of each claim holds each of the words.

    It follows a watch of all volumes, so it judges every state that they went through, and it reads the word from the
    storage each time. ``words``: what must not be lost; every claim has it.
    """

    tiny: Tiny
    words: tuple[str, ...]
    broken: list[str] = field(default_factory=list)
    looked: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _claims: dict[str, str] = field(default_factory=dict)

    def __enter__(self) -> Guard:
        volumes, version = self.tiny.api.list_at("PersistentVolume")
        seen = {v["metadata"]["name"]: v for v in volumes if self._ours(v)}
        # Volumes change their claim's name while they are staged and kept; whose data they hold is known now.
        for volume in seen.values():
            name = volume["spec"]["claimRef"]["name"]
            if name in self.tiny.claims:
                self._claims[volume["metadata"]["name"]] = name
        self._judge(seen)
        self._thread = threading.Thread(target=self._follow, args=(seen, version), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        assert self._thread is not None
        self._thread.join(10)
        # The last word is had from a list of its own: the watch may lag behind what the run has done.
        self._judge({v["metadata"]["name"]: v for v in self.tiny.volumes()})

    def _ours(self, volume: Manifest) -> bool:
        return bool((volume["spec"].get("claimRef") or {}).get("namespace") == self.tiny.namespace)

    def _follow(self, seen: dict[str, Manifest], version: str) -> None:
        while not self._stop.is_set():
            try:
                for event in self.tiny.api.watch("PersistentVolume", resource_version=version, timeout_s=2):
                    version = event.object["metadata"]["resourceVersion"]
                    name = event.object["metadata"].get("name", "")
                    if event.type == "BOOKMARK" or not (name in seen or self._ours(event.object)):
                        continue
                    if event.type == "DELETED":
                        seen.pop(name, None)
                    else:
                        seen[name] = event.object
                    self._judge(seen)
            except Gone:
                items, version = self.tiny.api.list_at("PersistentVolume")
                seen = {v["metadata"]["name"]: v for v in items if self._ours(v)}
                self._judge(seen)
            except KnownGoodError:
                continue

    def _judge(self, volumes: Mapping[str, Manifest]) -> None:
        self.looked += 1
        for word in self.words:
            held = {self._claims.get(name, "") for name, v in volumes.items() if _safe(v) and self.tiny.word(v) == word}
            for claim in sorted(set(self.tiny.claims) - held):
                states = "; ".join(f"{name}: {_state(v)}" for name, v in sorted(volumes.items()))
                self.broken.append(f"nothing safe holds {word!r} of {claim}: {states}")


def _safe(volume: Manifest) -> bool:
    """It does not go with its claim, or its claim is bound to it."""
    if volume["metadata"].get("deletionTimestamp"):
        return False
    retained = volume["spec"].get("persistentVolumeReclaimPolicy") == "Retain"
    return retained or (volume.get("status") or {}).get("phase") == "Bound"


def _state(volume: Manifest) -> str:
    phase = (volume.get("status") or {}).get("phase")
    going = ", being deleted" if volume["metadata"].get("deletionTimestamp") else ""
    return f"{phase} {volume['spec'].get('persistentVolumeReclaimPolicy')}{going}"


def no_claim_pending(tiny: Tiny) -> list[str]:
    return [f"claim {name} is not bound" for name in tiny.pending()]


def everything_as_declared(tiny: Tiny, before: Mapping[str, Any]) -> list[str]:
    """Replicas, HPA, CronJobs, retention policies, budgets, labels: as they were."""
    now = tiny.objects()
    return [
        f"{name} is not as it was: {_difference(before.get(name), now.get(name))}"
        for name in sorted({*before, *now})
        if before.get(name) != now.get(name)
    ]


def _difference(old: Any, new: Any, path: str = "") -> str:
    if isinstance(old, dict) and isinstance(new, dict):
        keys = [key for key in sorted({*old, *new}) if old.get(key) != new.get(key)]
        return "; ".join(_difference(old.get(key), new.get(key), f"{path}.{key}") for key in keys)
    return f"{path} {old!r} -> {new!r}"


def pods_are_back(tiny: Tiny) -> list[str]:
    try:
        tiny.until("pods", tiny.running, 60)
    except AssertionError:
        states = [f"{p['metadata']['name']} {(p.get('status') or {}).get('phase')}" for p in tiny.pods()]
        return [f"pods are not as wanted: {', '.join(states) or 'none'}"]
    return []


def nothing_frozen(tiny: Tiny) -> list[str]:
    return [f"{name} is still held" for name in tiny.frozen()]


def data_is(tiny: Tiny, word: str) -> list[str]:
    """The live volume of every claim holds the word."""
    return [f"claim {name} holds {found!r}, not {word!r}" for name, found in tiny.words().items() if found != word]


def pods_saw(tiny: Tiny, word: str) -> list[str]:
    """The pods that run found the word when they started: they are on the volume that the claim names."""
    return [f"the pod on {name} saw {found!r}, not {word!r}" for name, found in tiny.seen().items() if found != word]


def statement_true(tiny: Tiny) -> list[str]:
    """The ledger verifies; its points are there, in the cluster and on the storage; every snapshot has a point."""
    wrong = []
    points = tiny.ledger.points(tiny.target)  # verifies the chain
    contents = {c["metadata"]["name"]: c for c in tiny.api.list("VolumeSnapshotContent")}
    stated = set()
    for point in points:
        if point.pruned:
            continue
        for volume in point.volumes:
            content, handle = contents.get(volume["content"]), volume["snapshot_handle"]
            stated.add(handle)
            if content is None or (content.get("status") or {}).get("snapshotHandle") != handle:
                wrong.append(f"{point.id}: content {volume['content']} is not there")
            elif content["spec"]["deletionPolicy"] != "Retain":
                wrong.append(f"{point.id}: content {volume['content']} is not retained")
            if not tiny.stored_snapshots({handle}):
                wrong.append(f"{point.id}: the storage has no snapshot {handle}")
    for name, content in contents.items():
        of = (content["spec"].get("volumeSnapshotRef") or {}).get("namespace")
        handle = (content.get("status") or {}).get("snapshotHandle")
        if of == tiny.namespace and handle not in stated:
            wrong.append(f"content {name} belongs to no point of the ledger")
    given_up = {v["snapshot_handle"] for point in points if point.pruned for v in point.volumes}
    wrong += [f"the storage still has {handle}, which was given up" for handle in tiny.stored_snapshots(given_up)]
    return wrong


def nothing_left_over(tiny: Tiny) -> list[str]:
    """No claim, snapshot or pod of ours is left, and no volume that nobody answers for.

    What stays of a snapshot that only external-provisioner holds is not ours: its physical snapshot is gone.
    """
    wrong = []
    claims = tiny.api.list("PersistentVolumeClaim", tiny.namespace)
    names, live = {c["metadata"]["name"] for c in claims}, {c["spec"].get("volumeName") for c in claims}
    wrong += [f"claim {name} is left over" for name in sorted(names - set(tiny.claims))]
    contents = {v["content"] for p in tiny.ledger.points(tiny.target) for v in p.volumes if not p.pruned}
    for snapshot in tiny.api.list("VolumeSnapshot", tiny.namespace):
        bound = (snapshot.get("status") or {}).get("boundVolumeSnapshotContentName")
        if bound not in contents and not held_by_provisioner(snapshot):
            wrong.append(f"snapshot {snapshot['metadata']['name']} is left over")
    for volume in tiny.volumes():
        kept = (volume["metadata"].get("labels") or {}).get("knowngood.io/kept") == "true"
        phase = (volume.get("status") or {}).get("phase")
        if phase != "Bound" and volume["spec"].get("persistentVolumeReclaimPolicy") == "Retain" and not kept:
            wrong.append(f"volume {volume['metadata']['name']} is {phase} and says not until when it is kept")
        if volume["metadata"]["name"] in live and kept:
            wrong.append(f"volume {volume['metadata']['name']} is live and says that it is kept for a while")
    return wrong


def nobody_at_work(tiny: Tiny) -> list[str]:
    """No operation is unfinished, no lease is held."""
    wrong = [f"{op.id} is {op.state} at {op.position}" for op in tiny.journal.list(tiny.target) if op.unfinished]
    for lease in tiny.api.list("Lease", tiny.state):
        if _held(lease["spec"]):
            wrong.append(f"lease {lease['metadata']['name']} is held by {lease['spec']['holderIdentity']}")
    return wrong


def _held(spec: Mapping[str, Any]) -> bool:
    """A holder that was killed holds it until it runs out."""
    if not spec.get("holderIdentity"):
        return False
    ends = parse_time(spec["renewTime"]) + dt.timedelta(seconds=spec["leaseDurationSeconds"])
    return ends > dt.datetime.now(dt.UTC)


def at_rest(tiny: Tiny, before: Mapping[str, Any]) -> list[str]:
    """All that must hold whenever nobody is at work."""
    return [
        *pods_are_back(tiny),
        *no_claim_pending(tiny),
        *everything_as_declared(tiny, before),
        *nothing_frozen(tiny),
        *statement_true(tiny),
        *nothing_left_over(tiny),
        *nobody_at_work(tiny),
    ]
