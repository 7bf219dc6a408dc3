# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long writers stand still while many volumes are cut."""

from __future__ import annotations

from tests.cluster.objects import recreated

from .figures import Measure, Section, Target
from .floor import capture as floor
from .rig import Bench, loads


def window(bench: Bench, count: int, rounds: int) -> Section:
    section = Section(
        f"Freeze window of {count} volumes",
        "One pod has its ext4 volumes (a loop device each) frozen by one hook. The window is what the point states as "
        "freeze_ms: from before the freeze is sent into the pod until the thaw of the last volume is answered, so it "
        "contains the time that writers waited. The driver's cut time is that of the floor: all VolumeSnapshots "
        "created at once, until the last content has its handle.",
    )
    with loads(section):
        namespace = bench.namespace("bench-freeze")
        claims = bench.claims(namespace, count, "local-ext4")
        bench.cluster.apply(_deployment(bench.image, claims), namespace=namespace)
        bench.cluster.wait_ready(namespace, "deployment/app", limit_s=180)
        freeze = {"name": "disks", "workload": "Deployment/app", "kind": "fsfreeze", "claims": claims}
        options = {"app": {"name": "freeze", "namespace": namespace}, "hooks": {"pre": [freeze]}}
        cuts, windows = [], []
        for _round in range(rounds):
            cuts.append(floor(bench.kubeconfig, namespace, claims, "local", cuts=True).cut_s)
            done = bench.task("recovery_point", {**options, "snapshot_class": "local"})
            (point,) = done.result.get("recovery_points") or [{}]
            if point.get("consistency") != "application":
                raise RuntimeError(f"not frozen through all cuts: {done.result.get('msg') or point}")
            windows.append(max(point["freeze_ms"].values()) / 1000)
        bench.delete(namespace)
    cut, own = Measure("driver's cut time", tuple(cuts)), Measure("freeze window", tuple(windows))
    section.measures = [cut, own]
    section.targets = [Target("window beyond the cut time", (own.value - cut.value) * 1000, most=300, unit="ms")]
    return section


def _deployment(image: str, claims: list[str]) -> dict[str, object]:
    container: dict[str, object] = {
        "name": "app",
        "image": image,
        "command": ["sleep", "infinity"],
        "securityContext": {"privileged": True},
        "volumeMounts": [{"name": one, "mountPath": f"/{one}"} for one in claims],
    }
    return deployment("app", container, claims)


def deployment(name: str, container: dict[str, object], claims: list[str]) -> dict[str, object]:
    volumes = [{"name": one, "persistentVolumeClaim": {"claimName": one}} for one in claims]
    spec = {"containers": [container], "terminationGracePeriodSeconds": 0, "volumes": volumes}
    return recreated(name, {"metadata": {"labels": {"app": name}}, "spec": spec})
