# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Applications and recovery points made up for the tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.knowngood.kube.plugins.module_utils._core.application import (
    Application,
    ApplicationSpec,
    Container,
    Mount,
    PodView,
    Volume,
    Workload,
)
from ansible_collections.knowngood.kube.plugins.module_utils._core.statements import (
    CAPTURED,
    HELD,
    PRUNED,
    Draft,
    RecoveryPoint,
    Statement,
    fold,
    next_statement,
)
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.claim_facts import ClaimFacts
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.restore_seen import Seen, StorageClass

DRIVER = "csi.example"
TARGET = "shop/shop"


def volume(claim: str, mounted_by: Sequence[str] = (), **more: Any) -> Volume:
    base = Volume(
        claim=claim,
        claim_uid=f"uid-{claim}",
        phase="Bound",
        volume=f"pv-{claim}",
        handle=f"handle-{claim}",
        driver=DRIVER,
        storage_class="fast",
        size="1Gi",
        access_modes=("ReadWriteOnce",),
        reclaim_policy="Delete",
        mounted_by=tuple(mounted_by),
    )
    return replace(base, **more)


def workload(ref: str, claims: Sequence[str] = (), replicas: int | None = 1, **more: Any) -> Workload:
    kind, slash, name = ref.partition("/")
    base = Workload(
        kind=kind,
        name=name,
        namespace="shop",
        uid=f"uid-{name}",
        api_version="apps/v1",
        replicas=replicas,
        resting_replicas=replicas,
        containers=(Container("main", f"registry.example/{name}:1"),),
        mounts=tuple(Mount(claim, "main", "/data") for claim in claims),
    )
    return replace(base, **more)


def pod(ref: str, claims: Sequence[str] = (), name: str = "", digest: str = "sha256:1") -> PodView:
    name = name or f"{ref.partition('/')[2]}-0"
    containers = (Container("main", "registry.example/x:1", digest),)
    return PodView(name, f"uid-{name}", ref, "Running", True, containers=containers, claims=tuple(claims))


def application(
    workloads: Sequence[Workload], *, declared: Sequence[str] = (), volumes: Sequence[Volume] | None = None, **spec: Any
) -> Application:
    """Every workload runs one pod per replica; every mounted claim is a bound volume."""
    reached: dict[str, list[str]] = {}
    for item in workloads:
        for mount in item.mounts:
            reached.setdefault(mount.claim, []).append(item.ref)
    found = volumes if volumes is not None else [volume(claim, refs) for claim, refs in sorted(reached.items())]
    pods = [pod(w.ref, [m.claim for m in w.mounts]) for w in workloads if w.replicas]
    return Application(
        ApplicationSpec("shop", "shop", workloads=tuple(declared), **spec),
        "cluster-1",
        tuple(workloads),
        tuple(pods),
        tuple(found),
    )


def captured(claims: Sequence[str], **more: Any) -> dict[str, Any]:
    """The body of a ``captured`` statement."""
    cut = "2026-11-21T10:00:00Z"
    volumes = [
        {
            "claim": claim,
            "claim_uid": f"uid-{claim}",
            "volume": f"pv-{claim}",
            "volume_handle": f"handle-{claim}",
            "driver": DRIVER,
            "storage_class": "fast",
            "size": "1Gi",
            "mode": "Filesystem",
            "access_modes": ["ReadWriteOnce"],
            "snapshot_class": "snap",
            "snapshot": f"{claim}-abc",
            "content": f"snapcontent-{claim}",
            "snapshot_handle": f"snap-{claim}",
            "restore_size": 1073741824,
            "cut_at": cut,
            "labels": {"tier": "db"},
        }
        for claim in claims
    ]
    body = {"cut_at": dict.fromkeys(claims, cut), "consistency": "crash", "volumes": volumes, "purpose": "scheduled"}
    return {**body, **more}


def points(
    *bodies: tuple[str, dict[str, Any]], held: Sequence[str] = (), pruned: Sequence[str] = ()
) -> tuple[RecoveryPoint, ...]:
    drafts = [Draft(CAPTURED, name, body, f"captured:{name}") for name, body in bodies]
    drafts += [Draft(HELD, name, {"reason": "look at it", "incident": "INC-1"}, f"held:{name}") for name in held]
    drafts += [Draft(PRUNED, name, {"reason": "old"}, f"pruned:{name}") for name in pruned]
    chain: list[Statement] = []
    for draft in drafts:
        chain.append(next_statement(chain, TARGET, draft, at="2026-11-21T10:00:05Z", by="tester"))
    return fold(chain)


def point(claims: Sequence[str], name: str = "shop-20261121-100000-abcd", **more: Any) -> RecoveryPoint:
    return points((name, captured(claims, **more)))[0]


def facts(claim: str, **more: Any) -> ClaimFacts:
    base = ClaimFacts(
        name=claim,
        uid=f"uid-{claim}",
        phase="Bound",
        deleting=False,
        volume=f"pv-{claim}",
        volume_uid=f"uid-pv-{claim}",
        request="1Gi",
        capacity="1Gi",
        storage_class="fast",
        mode="Filesystem",
        restored_from="",
        again={
            "labels": {"tier": "db"},
            "annotations": {"note": "mine"},
            "owners": [],
            "access_modes": ["ReadWriteOnce"],
            "request": "1Gi",
            "storage_class": "fast",
            "mode": "Filesystem",
        },
    )
    return replace(base, **more)


def seen(app: Application, *claims: ClaimFacts, classes: Sequence[StorageClass] | None = None) -> Seen:
    found = claims or tuple(facts(v.claim) for v in app.volumes)
    storage = classes if classes is not None else [StorageClass("fast", DRIVER)]
    return Seen(app, {c.name: c for c in found}, {c.name: c for c in storage})
