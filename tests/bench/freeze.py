# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long writers stand still while many volumes are cut."""

from __future__ import annotations

from tests.cluster.objects import recreated

from .figures import Measure, Section, Target
from .floor import capture as floor
from .rig import Bench, loads

_MARK = "date +%s.%N >> /tmp/marks"


def window(bench: Bench, count: int, rounds: int) -> Section:
    section = Section(
        f"Freeze window of {count} volumes",
        "One pod freezes its ext4 volumes (a loop device each) in a pre hook and thaws them in a post hook. The window "
        "is taken by the pod's own clock, from the first freeze to the last thaw. The driver's cut time is that of the "
        "floor: all VolumeSnapshots created at once, until the last content has its handle.",
    )
    with loads(section):
        namespace = bench.namespace("bench-freeze")
        claims = bench.claims(namespace, count, "local-ext4")
        bench.cluster.apply(_deployment(bench.image, claims), namespace=namespace)
        bench.cluster.wait_ready(namespace, "deployment/app", limit_s=180)
        folders = " ".join(f"/{one}" for one in claims)
        hooks = {
            "pre": [_hook(f"{_MARK}; for d in {folders}; do fsfreeze --freeze $d || exit 1; done", True)],
            "post": [_hook(f"for d in {folders}; do fsfreeze --unfreeze $d; done; {_MARK}", False)],
        }
        cuts, windows, said = [], [], []
        for _round in range(rounds):
            cuts.append(floor(bench.kubeconfig, namespace, claims, "local", cuts=True).cut_s)
            bench.cluster.exec(namespace, "deploy/app", "rm", "-f", "/tmp/marks")
            application = {"name": "freeze", "namespace": namespace}
            done = bench.task("recovery_point", {"app": application, "hooks": hooks, "snapshot_class": "local"})
            if not done.result.get("recovery_points"):
                raise RuntimeError(f"no point: {done.result.get('msg')}")
            marks = [float(line) for line in bench.cluster.exec(namespace, "deploy/app", "cat", "/tmp/marks").split()]
            windows.append(marks[-1] - marks[0])
            said.append(max(done.result["recovery_points"][0]["freeze_ms"].values()) / 1000)
        bench.delete(namespace)
    cut, own = Measure("driver's cut time", tuple(cuts)), Measure("freeze window", tuple(windows))
    section.measures = [cut, own, Measure("freeze_ms as the point states it", tuple(said))]
    section.targets = [Target("window beyond the cut time", (own.value - cut.value) * 1000, most=300, unit="ms")]
    return section


def _hook(script: str, holds: bool) -> dict[str, object]:
    hook: dict[str, object] = {"name": "freeze", "workload": "Deployment/app", "command": ["sh", "-c", script]}
    return {**hook, "holds": True} if holds else hook


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
