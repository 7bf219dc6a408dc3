# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The actions of a rotation, for the engine's registry.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping

from .._cluster.client import Cluster
from .._core.clock import Clock
from .._core.operation import Action
from .._core.progress import Reporter
from .certmanager import Renew
from .csr import Ask
from .emergency import Deny, Leaks
from .generation import Check, Clean, Commit, Purge, Stage
from .reload import Reload
from .serving import Baseline, Deliver, Prove, Restart
from .source import Given
from .subject import Tools


def actions(
    cluster: Cluster,
    *,
    state_namespace: str,
    clock: Clock,
    reporter: Reporter,
    given: Mapping[str, Given] | None = None,
) -> dict[str, Action]:
    """Everything a plan of kind ``rotation`` may name, for a run and for ``knowngood.kube.operation``.

    ``given``: pairs that the caller hands over, by ``namespace/secret``; they are in no plan.
    """
    tools = Tools(cluster, clock, reporter, state_namespace, given or {})
    return {
        "tls.baseline": Baseline(tools),
        "tls.deny": Deny(tools),
        "tls.request": Ask(tools),
        "tls.renew": Renew(tools),
        "tls.stage": Stage(tools),
        "tls.check": Check(tools),
        "tls.commit": Commit(tools),
        "tls.deliver": Deliver(tools),
        "tls.reload": Reload(tools),
        "tls.restart": Restart(tools),
        "tls.prove": Prove(tools),
        "tls.clean": Clean(tools),
        "tls.purge": Purge(tools),
        "tls.leaks": Leaks(tools),
    }
