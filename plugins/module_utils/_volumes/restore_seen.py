# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a restore looks at before it plans, and what a plan of it comes with. Pure.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .._cluster.reconcilers import Found
from .._core.application import Application
from .._core.plan import Json, Plan
from .claim_facts import ClaimFacts

_WAITS = "WaitForFirstConsumer"


@dataclass(frozen=True, slots=True)
class StorageClass:
    """As far as staging goes. ``waits``: its volumes are made when a pod needs them."""

    name: str
    driver: str
    waits: bool = False

    @classmethod
    def of(cls, obj: Mapping[str, Json]) -> StorageClass:
        return cls(obj["metadata"]["name"], obj["provisioner"], obj.get("volumeBindingMode") == _WAITS)


@dataclass(frozen=True, slots=True)
class Place:
    """Where claims are made: a namespace with the claims that are there, and the classes of its cluster.

    ``where`` names another cluster (see :mod:`other_cluster`); empty for the application's own.
    """

    namespace: str
    claims: Mapping[str, ClaimFacts]
    classes: Mapping[str, StorageClass]
    where: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Seen:
    """What was observed. ``claims`` are all of the application's namespace, by name.

    ``place``: where the data goes, when that is not the application's namespace. ``convertible``: claims whose snapshot
    may become a volume of another mode, as an administrator has noted on its content. ``reconcilers``: who would start
    the application again while it is stopped.
    """

    app: Application
    claims: Mapping[str, ClaimFacts]
    classes: Mapping[str, StorageClass]
    place: Place | None = None
    convertible: frozenset[str] = frozenset()
    reconcilers: Found = Found()

    @property
    def there(self) -> Place:
        return self.place or Place(self.app.spec.namespace, self.claims, self.classes)


@dataclass(frozen=True, slots=True)
class Planned:
    """The plan, the probes that cannot run, and what a person should know before it runs."""

    plan: Plan
    left_out: tuple[Mapping[str, Json], ...] = ()
    notes: tuple[str, ...] = ()
