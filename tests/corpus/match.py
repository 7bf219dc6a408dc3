# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether an answer holds what was expected of it, told place by place."""

from __future__ import annotations

from typing import Any

# Lists of which only some entries need to be named, in any order.
_SOME = ("warnings", "truncated", "status_reasons", "runs")


def differences(wanted: Any, given: Any, where: str = "") -> list[str]:
    """Where ``given`` lacks or contradicts ``wanted``; empty when it holds all of it.

    Of dictionaries only the named keys are looked at. Lists must agree entry by entry; of warnings, truncated,
    status_reasons and runs each wanted entry must be found somewhere, a reason also as a part of a longer one.
    """
    if isinstance(wanted, dict):
        if not isinstance(given, dict):
            return [f"{where}: wanted a dictionary, is {given!r}"]
        return [line for key, value in wanted.items() for line in differences(value, given.get(key), f"{where}.{key}")]
    if isinstance(wanted, list):
        if not isinstance(given, list):
            return [f"{where}: wanted a list, is {given!r}"]
        return _of_lists(wanted, given, where)
    return [] if _same(wanted, given) else [f"{where}: wanted {wanted!r}, is {given!r}"]


def _of_lists(wanted: list[Any], given: list[Any], where: str) -> list[str]:
    if where.rpartition(".")[2] in _SOME:
        return [f"{where}: nothing like {one!r} in {given!r}" for one in wanted if not _found(one, given)]
    if len(wanted) != len(given):
        return [f"{where}: wanted {len(wanted)} entries, has {len(given)}: {given!r}"]
    pairs = enumerate(zip(wanted, given, strict=True))
    return [line for place, (one, other) in pairs for line in differences(one, other, f"{where}[{place}]")]


def _found(wanted: Any, given: list[Any]) -> bool:
    if isinstance(wanted, str):
        return any(wanted in entry for entry in given)
    return any(not differences(wanted, entry) for entry in given)


def _same(wanted: Any, given: Any) -> bool:
    return wanted == given and isinstance(wanted, bool) == isinstance(given, bool)
