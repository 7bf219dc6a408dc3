# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long capturing many claims takes, beside the floor, a loop of kubernetes.core and Velero."""

from __future__ import annotations

from .figures import Measure, Section, Target
from .floor import capture as floor
from .rig import CORE, Bench, collections, loads, play, velero


def many(bench: Bench, count: int, rounds: int, loop: int, velero_count: int) -> Section:
    section = Section(
        f"{count} claims captured",
        "Seconds until every snapshot is ready. The floor creates all VolumeSnapshots at once and keeps one watch. The "
        "collection's figure is its task, start of the module's process included; so is the loop's. All with the "
        "driver's Btrfs subvolumes, whose cut takes next to nothing.",
    )
    with loads(section):
        namespace = bench.namespace("bench-capture")
        claims = bench.claims(namespace, count)
        application = {"name": "many", "namespace": namespace, "claims": claims}
        floors, ours, peaks, empty = [], [], [], []
        for _round in range(rounds):
            empty.append(bench.empty_task())
            floors.append(floor(bench.kubeconfig, namespace, claims, "local").ready_s)
            done = bench.task("recovery_point", {"app": application, "snapshot_class": "local"})
            points = done.result.get("recovery_points") or []
            if len(points) != 1 or len(points[0]["snapshots"]) != count:
                raise RuntimeError(f"no point of {count} claims: {done.result.get('msg')}")
            ours.append(done.seconds)
            peaks.append(done.peak_mib)
        bench.delete(namespace)
    lowest, own = Measure("floor", tuple(floors)), Measure("knowngood.kube.recovery_point", tuple(ours))
    section.measures = [
        lowest,
        own,
        Measure("its largest memory", tuple(peaks), "MiB"),
        Measure("a task that does nothing (ping)", tuple(empty), note="contained in every task's figure"),
    ]
    section.targets = [
        Target("time beside the floor", own.value / lowest.value, most=1.15, unit="x"),
        Target("own overhead per claim", (own.value - lowest.value) / count * 1000, most=15, unit="ms"),
        Target("largest memory of the module's process", max(peaks), most=150, unit="MiB"),
        _beside_core(bench, section, own.value / count, loop),
        _beside_velero(bench, section, own.value / count, velero_count),
    ]
    return section


def _beside_core(bench: Bench, section: Section, own: float, count: int) -> Target:
    """``own``: seconds a claim."""
    target, python = "beside a loop of kubernetes.core.k8s, per claim", CORE / "bin" / "python"
    if not count or not python.exists():
        section.notes.append("kubernetes.core was not measured.")
        return Target(target, None, least=8, unit="x faster")
    with loads(section):
        namespace = bench.namespace("bench-core")
        claims = bench.claims(namespace, count)
        access = {"kubeconfig": str(bench.kubeconfig)}
        kind = {"api_version": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshot", "namespace": namespace}
        create = {
            "kubernetes.core.k8s": {
                **access,
                "definition": {
                    "apiVersion": kind["api_version"],
                    "kind": kind["kind"],
                    "metadata": {"name": "{{ item }}", "namespace": namespace},
                    "spec": {"volumeSnapshotClassName": "local", "source": {"persistentVolumeClaimName": "{{ item }}"}},
                },
            },
            "loop": claims,
            "loop_control": {"label": "{{ item }}"},
        }
        ready = {
            "kubernetes.core.k8s_info": {**access, **kind},
            "register": "answer",
            "until": f"answer.resources | selectattr('status.readyToUse', 'defined') | "
            f"selectattr('status.readyToUse') | length == {count}",
            "retries": 600,
            "delay": 1,
        }
        seconds, _answer = play([create, ready], python, paths=str(collections()))
        bench.delete(namespace)
    section.measures.append(
        Measure(
            f"loop of kubernetes.core.k8s over {count} claims, one wait for all", (seconds,), note=_each(seconds, count)
        )
    )
    return Target(target, seconds / count / own, least=8, unit="x faster")


def _beside_velero(bench: Bench, section: Section, own: float, count: int) -> Target:
    target = "beside a backup by Velero, per claim"
    if not count:
        section.notes.append("Velero was not measured.")
        return Target(target, None, least=3, unit="x faster")
    with loads(section):
        namespace = bench.namespace("bench-velero")
        bench.claims(namespace, count)
        _name, seconds = velero(bench, "Backup", includedNamespaces=[namespace], csiSnapshotTimeout="10m")
        bench.delete(namespace)
    section.measures.append(
        Measure(f"Velero 1.18 out of cluster, Backup of {count} claims", (seconds,), note=_each(seconds, count))
    )
    return Target(target, seconds / count / own, least=3, unit="x faster")


def _each(seconds: float, count: int) -> str:
    return f"{seconds / count:.2f} s a claim"


def again(bench: Bench) -> Section:
    section = Section(
        "A second capture with `not_older_than`",
        "Requests in the API server's audit log, of a run that finds a point young enough.",
    )
    with loads(section):
        namespace = bench.namespace("bench-again")
        claims = bench.claims(namespace, 3)
        options = {
            "app": {"name": "again", "namespace": namespace, "claims": claims},
            "not_older_than": "6h",
            "snapshot_class": "local",
        }
        first = bench.task("recovery_point", options)
        bench.audit.mark()
        second = bench.task("recovery_point", options)
        requests, writes = len(bench.audit.requests("bench")), len(bench.audit.writes("bench"))
        bench.delete(namespace)
    if second.result["changed"] or not first.result["changed"]:
        raise RuntimeError("the first run is to capture and the second is not")
    section.measures = [Measure("first run", (first.seconds,)), Measure("second run", (second.seconds,))]
    section.targets = [
        Target("API calls of the second run", requests, most=3),
        Target("writes of the second run", writes, most=0),
    ]
    return section
