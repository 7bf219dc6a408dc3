# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The actions of this package by name, for the engine.

PRIVATE to this collection.
"""

from __future__ import annotations

from .._cluster.client import Cluster
from .._core.clock import Clock
from .._core.operation import Action
from .._core.progress import Reporter
from .tools import Tools


def actions(
    cluster: Cluster,
    *,
    state_namespace: str,
    clock: Clock,
    reporter: Reporter,
    elsewhere: Cluster | None = None,
) -> dict[str, Action]:
    """All ``volumes.*`` actions. ``elsewhere``: another cluster that this call was given access to."""
    tools = Tools(cluster, state_namespace, clock, reporter, elsewhere)
    return {**of_capture(tools), **of_restore(tools), **of_giving_up(tools)}


def of_capture(tools: Tools) -> dict[str, Action]:
    """Those of the steps of a capture."""
    from .capture_steps import RecordCapture, RetainContents, Wave

    return {
        "volumes.wave": Wave(tools),
        "volumes.retain_contents": RetainContents(tools),
        "volumes.record_capture": RecordCapture(tools),
    }


def of_restore(tools: Tools) -> dict[str, Action]:
    """Those of the steps of a restore that are about volumes."""
    from .backup_label import WriteFiles
    from .manifest_steps import MakeManifests
    from .restore_record import RecordRestore
    from .stage import Stage, Tidy
    from .swap import RetainVolumes, Swap
    from .verify import VerifyLive, VerifyStaged

    return {
        "volumes.stage": Stage(tools),
        "volumes.write_files": WriteFiles(tools),
        "volumes.manifest": MakeManifests(tools),
        "volumes.verify_staged": VerifyStaged(tools),
        "volumes.retain_volumes": RetainVolumes(tools),
        "volumes.swap": Swap(tools),
        "volumes.verify_live": VerifyLive(tools),
        "volumes.tidy": Tidy(tools),
        "volumes.record_restore": RecordRestore(tools),
    }


def of_giving_up(tools: Tools) -> dict[str, Action]:
    """Those of the steps that prune points, expire volumes and clear away what was left."""
    from .expire_steps import Expire
    from .orphan_steps import RemoveOrphan
    from .prune_steps import Free, MarkPruned

    return {
        "volumes.mark_pruned": MarkPruned(tools),
        "volumes.free": Free(tools),
        "volumes.remove_orphan": RemoveOrphan(tools),
        "volumes.expire": Expire(tools),
    }
