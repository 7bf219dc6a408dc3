# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The actions of a rotation, for the engine's registry.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping

from .._cluster.client import Cluster
from .._cluster.state import engine
from .._core.clock import Clock
from .._core.operation import Action, Engine
from .._core.progress import Reporter
from .blue_green import Green, Remove, Switch, SwitchBack
from .ca_bridge import Unbridge
from .ca_compromised_kept import Able, AskAll, RenewLeaf
from .ca_compromised_steps import Prepare, ProveLeaf, Swap
from .ca_compromised_steps import Renew as RenewAll
from .ca_issuer import DestroyKept
from .ca_kept import Point, StageKept
from .ca_leaves import Leaves, Reissue, Unused
from .ca_probes import CaBaseline, Negative
from .ca_steps import CaStage, CaTrust, Destroy, Distrust, ProveTrust, Try
from .canary import Canary
from .certmanager import Renew
from .csr import Ask
from .emergency import Deny, Leaks
from .generation import Check, Clean, Commit, Purge, Stage
from .many_steps import many_actions
from .reload import Reload
from .serving import Baseline, Deliver, Prove, Restart
from .soak import Soak
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
    """Everything a plan of kind ``rotation`` or ``ca-rotation`` may name, for a run and for the door of operations.

    ``given``: pairs that the caller hands over, by ``namespace/secret``; they are in no plan.
    """
    tools = Tools(cluster, clock, reporter, state_namespace, given or {})
    leaf = leaf_actions(tools)

    def leaves() -> Engine:
        return engine(cluster, state_namespace, leaf, reporter=reporter, stopping=lambda: False, clock=clock)

    return {**leaf, **ca_actions(tools, leaves)}


def leaf_actions(tools: Tools) -> dict[str, Action]:
    """Those of a plan of kind ``rotation``."""
    return {
        "tls.baseline": Baseline(tools),
        "tls.deny": Deny(tools),
        "tls.request": Ask(tools),
        "tls.renew": Renew(tools),
        "tls.stage": Stage(tools),
        "tls.check": Check(tools),
        "tls.canary": Canary(tools),
        "tls.green": Green(tools),
        "tls.switch": Switch(tools),
        "tls.commit": Commit(tools),
        "tls.deliver": Deliver(tools),
        "tls.reload": Reload(tools),
        "tls.restart": Restart(tools),
        "tls.prove": Prove(tools),
        "tls.switch_back": SwitchBack(tools),
        "tls.remove": Remove(tools),
        "tls.soak": Soak(tools),
        "tls.clean": Clean(tools),
        "tls.purge": Purge(tools),
        "tls.leaks": Leaks(tools),
        **many_actions(tools),
    }


def ca_actions(tools: Tools, leaves: Leaves) -> dict[str, Action]:
    """What a plan of kind ``ca-rotation`` has beside them. ``leaves`` makes the engine of each leaf's own rotation."""
    reissue = Reissue(tools, leaves)
    return {
        "tls.ca_baseline": CaBaseline(tools),
        "tls.ca_stage": CaStage(tools),
        "tls.ca_trust": CaTrust(tools),
        "tls.ca_prove_trust": ProveTrust(tools),
        "tls.ca_try": Try(tools),
        "tls.ca_reissue": reissue,
        "tls.ca_unused": Unused(reissue),
        "tls.ca_distrust": Distrust(tools),
        "tls.ca_negative": Negative(tools),
        "tls.ca_destroy": Destroy(tools),
        "tls.ca_stage_kept": StageKept(tools),
        "tls.ca_point": Point(reissue),
        "tls.ca_destroy_kept": DestroyKept(tools),
        "tls.ca_unbridge": Unbridge(tools),
        "tls.ca_prepare": Prepare(tools),
        "tls.ca_able": Able(tools),
        "tls.ca_ask": AskAll(tools),
        "tls.ca_renew_leaf": RenewLeaf(tools),
        "tls.ca_swap": Swap(tools),
        "tls.ca_renew": RenewAll(tools),
        "tls.ca_prove": ProveLeaf(tools),
    }
