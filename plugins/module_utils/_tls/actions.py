# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The actions of a rotation, for the engine's registry.

PRIVATE to this collection.
"""

from __future__ import annotations

from .._cluster.client import Cluster
from .._core.clock import Clock
from .._core.operation import Action
from .._core.progress import Reporter
from .generation import Check, Clean, Commit, Purge, Stage
from .serving import Baseline, Deliver, Prove, Restart
from .subject import Tools


def actions(cluster: Cluster, *, state_namespace: str, clock: Clock, reporter: Reporter) -> dict[str, Action]:
    """Everything a plan of kind ``rotation`` may name, for a run and for ``knowngood.kube.operation``."""
    del state_namespace  # nothing of a rotation is kept there but the journal, which is the engine's
    tools = Tools(cluster, clock, reporter)
    return {
        "tls.baseline": Baseline(tools),
        "tls.stage": Stage(tools),
        "tls.check": Check(tools),
        "tls.commit": Commit(tools),
        "tls.deliver": Deliver(tools),
        "tls.restart": Restart(tools),
        "tls.prove": Prove(tools),
        "tls.clean": Clean(tools),
        "tls.purge": Purge(tools),
    }
