# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All actions that a journal may name, for the doors that take up operations of any kind.

PRIVATE to this collection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._core.clock import Clock
from .._core.progress import Reporter

if TYPE_CHECKING:
    from .._cluster.client import Cluster
    from .._core.operation import Action


def all_actions(cluster: Cluster, state_namespace: str, clock: Clock, reporter: Reporter) -> dict[str, Action]:
    """The actions of every package by name."""
    from .._cluster import freezing, ledger, quarantine_actions, resting, scale
    from .._tls import actions as tls
    from .._volumes import actions as volumes

    found: dict[str, Action] = {}
    for package in (scale, freezing, resting, quarantine_actions, ledger, volumes, tls):
        found.update(package.actions(cluster, state_namespace=state_namespace, clock=clock, reporter=reporter))
    return found
