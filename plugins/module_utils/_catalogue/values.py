# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options given as dictionaries: checked key by key, each mistake one clear message.

PRIVATE to this collection.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

from .._core.clock import parse_time
from .._core.durations import seconds
from .._core.errors import BadInput


def only(data: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    """Raises BadInput for keys that nothing reads."""
    unknown = sorted(str(key) for key in data if key not in set(known))
    if unknown:
        what = f"{where} has keys that nothing reads"
        raise BadInput(what, why=", ".join(unknown), next=f"known are: {', '.join(sorted(known))}")


def mapping(value: Any, where: str) -> Mapping[str, Any]:
    """The dictionary; an empty one for nothing. Raises BadInput."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise BadInput(f"{where} is not a dictionary", why=f"it is a {type(value).__name__}")
    return value


def entries(value: Any, where: str) -> list[Mapping[str, Any]]:
    """A list of dictionaries; an empty one for nothing. Raises BadInput."""
    if value is None:
        return []
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, Mapping) for item in value):
        raise BadInput(f"{where} is not a list of dictionaries")
    return list(value)


def texts(value: Any, where: str) -> tuple[str, ...]:
    """A list of texts; an empty one for nothing. Raises BadInput."""
    if value is None:
        return ()
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
        raise BadInput(f"{where} is not a list of texts")
    return tuple(value)


def choice(value: Any, words: Iterable[str], where: str) -> str:
    """One of the words. Raises BadInput naming them."""
    allowed = list(words)
    if value not in allowed:
        raise BadInput(f"{where} is not one of {', '.join(allowed)}", why=f"got {value!r}")
    return str(value)


def moment(value: Any, where: str) -> dt.datetime | None:
    """A time; None for nothing. Raises BadInput, also for a time without zone."""
    if value is None or value == "":
        return None
    if isinstance(value, dt.datetime) and value.tzinfo is not None:
        return value.astimezone(dt.UTC)
    try:
        return parse_time(str(value))
    except ValueError as error:
        raise BadInput(f"{where} is not a time", why=str(error), next="for example 2026-11-21T14:03:05Z") from error


def span(value: Any, where: str) -> dt.timedelta:
    """A span of time: ``36h``, ``1d12h``, or seconds; nothing is zero. Raises BadInput."""
    return dt.timedelta(seconds=0 if value in (None, "") else seconds(value, where))


def count(value: Any, where: str) -> int:
    """A whole number from 0 on; nothing is 0. Raises BadInput."""
    if value is None:
        return 0
    try:
        number = int(str(value))
    except ValueError:
        number = -1
    if number < 0 or isinstance(value, bool):
        raise BadInput(f"{where} is not a number from 0 on", why=f"got {value!r}")
    return number
