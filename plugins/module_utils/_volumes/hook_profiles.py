# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is known of databases: how each is asked for its role and held for a cut. Pure.

A profile is a probe (shell that prints facts) and a function from these facts to how the server is held.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._core.errors import BadInput
from .._core.plan import Json
from .profiles import mongodb, mysql, postgresql, redis
from .profiles.common import OPTIONS, Profile, checked_options

NAMES = {
    "postgresql": "postgresql",
    "mysql": "mysql",
    "mariadb": "mysql",
    "mongodb": "mongodb",
    "redis": "redis",
}
"""Which profile a name in ``hooks`` means."""

_PROFILES: Mapping[str, Profile] = {
    "postgresql": postgresql.PROFILE,
    "mysql": mysql.PROFILE,
    "mongodb": mongodb.PROFILE,
    "redis": redis.PROFILE,
}


def profile(name: str) -> Profile:
    """The profile of a name out of :data:`NAMES`."""
    return _PROFILES[NAMES[name]]


def options_of(name: str, data: Any, where: str) -> dict[str, Json]:
    """The options of a profile: texts under ``OPTIONS``. Raises BadInput."""
    if not isinstance(data, Mapping):
        raise BadInput(f"{where}.options is not a dictionary", why=f"got {type(data).__name__}")
    unknown = sorted(str(key) for key in set(data) - set(OPTIONS))
    if unknown:
        why = ", ".join(unknown)
        raise BadInput(f"{where}.options of {name} has keys that nothing reads", why=why, next=", ".join(OPTIONS))
    return checked_options(data, where)
