# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Claims and the volumes behind them, from their objects. Pure.

PRIVATE to this collection.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from .._core.application import Volume
from .client import Object

MISSING = "Missing"
"""Phase of a claim that a workload mounts and that does not exist."""
RESTORED_FROM = "knowngood.io/restored-from"


def template_claims(workload: Mapping[str, Any], existing: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The claims made from a StatefulSet's templates, by template name; only those that exist.

    They are named ``<template>-<set>-<ordinal>``; those of ordinals that are not wanted now (scaled down, or below
    ``spec.ordinals.start``) still hold data of the set and belong to it.
    """
    name = str(workload["metadata"]["name"])
    there = sorted(existing)
    found = {}
    for template in (workload.get("spec") or {}).get("volumeClaimTemplates") or []:
        pattern = re.compile(rf"{re.escape(template['metadata']['name'])}-{re.escape(name)}-\d+")
        found[template["metadata"]["name"]] = tuple(claim for claim in there if pattern.fullmatch(claim))
    return found


def volume_of(claim: Object, volume: Object | None, mounted_by: tuple[str, ...]) -> Volume:
    """A claim with its volume (None while unbound, or where it may not be read)."""
    meta, spec, status = claim["metadata"], claim.get("spec") or {}, claim.get("status") or {}
    pv_spec = (volume or {}).get("spec") or {}
    csi = pv_spec.get("csi") or {}
    capacity = (status.get("capacity") or {}).get("storage") or (pv_spec.get("capacity") or {}).get("storage")
    requested = ((spec.get("resources") or {}).get("requests") or {}).get("storage", "")
    return Volume(
        claim=meta["name"],
        claim_uid=meta["uid"],
        phase=str(status.get("phase", "")),
        volume=spec.get("volumeName") or "",
        handle=csi.get("volumeHandle", ""),
        driver=csi.get("driver", ""),
        storage_class=spec.get("storageClassName") or pv_spec.get("storageClassName") or "",
        size=str(capacity or requested),
        mode=spec.get("volumeMode") or "Filesystem",
        access_modes=tuple(spec.get("accessModes") or ()),
        reclaim_policy=pv_spec.get("persistentVolumeReclaimPolicy", ""),
        mounted_by=mounted_by,
        deleting=bool(meta.get("deletionTimestamp")),
        restored_from=_restored_from(claim),
        fs_type=str(csi.get("fsType") or ""),
        ephemeral=any(owner["kind"] == "Pod" for owner in meta.get("ownerReferences") or []),
    )


def missing(claim: str, mounted_by: tuple[str, ...]) -> Volume:
    """A claim that is mounted and not there."""
    return Volume(claim=claim, claim_uid="", phase=MISSING, mounted_by=mounted_by)


def _restored_from(claim: Object) -> str:
    """A recovery point where we restored it, else the data source (``VolumeSnapshot/name``)."""
    noted = (claim["metadata"].get("annotations") or {}).get(RESTORED_FROM)
    if noted:
        return str(noted)
    source = claim["spec"].get("dataSourceRef") or claim["spec"].get("dataSource") or {}
    return f"{source['kind']}/{source['name']}" if source else ""
