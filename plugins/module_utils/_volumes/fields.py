# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading option dictionaries: every key is known, every value has its type, each mistake is one clear message.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from .._core.errors import BadInput


def known(data: Any, keys: Collection[str], where: str) -> Mapping[str, Any]:
    """The dictionary, when it is one and has no other keys. Raises BadInput."""
    if not isinstance(data, Mapping):
        raise BadInput(f"{where} is not a dictionary", why=f"got {type(data).__name__}")
    unknown = sorted(str(key) for key in set(data) - set(keys))
    if unknown:
        raise BadInput(f"{where} has keys that nothing reads", why=", ".join(unknown), next=f"known: {_list(keys)}")
    return data


def text(data: Mapping[str, Any], key: str, where: str, *, required: bool = False) -> str:
    """A string; empty where it is left out."""
    value = data.get(key)
    if value is None:
        value = ""
    if not isinstance(value, str) or (required and not value):
        raise BadInput(f"{where}.{key} has to be a text", why=f"got {value!r}")
    return value


def argv(data: Mapping[str, Any], key: str, where: str, *, required: bool = False) -> tuple[str, ...]:
    """A command as a list of words. A single string is refused: there is no shell to split it."""
    value = data.get(key)
    if value is None and not required:
        return ()
    if not isinstance(value, (list, tuple)) or not value or not all(isinstance(word, str) for word in value):
        why = f"got {value!r}"
        raise BadInput(f"{where}.{key} has to be a list of words", why=why, next='for example ["sh", "-c", "sync"]')
    return tuple(value)


def number(data: Mapping[str, Any], key: str, where: str, default: float) -> float:
    """A number above zero."""
    value = data.get(key, default)
    try:
        if isinstance(value, bool) or float(value) <= 0:
            raise ValueError
        return float(value)
    except (TypeError, ValueError):
        raise BadInput(f"{where}.{key} has to be a number above 0", why=f"got {value!r}") from None


def flag(data: Mapping[str, Any], key: str, where: str) -> bool:
    """True or false; false where it is left out."""
    value = data.get(key, False)
    if not isinstance(value, bool):
        raise BadInput(f"{where}.{key} has to be true or false", why=f"got {value!r}")
    return value


def choice(data: Mapping[str, Any], key: str, where: str, choices: Collection[str], default: str) -> str:
    """One of the words."""
    value = data.get(key, default)
    if value not in choices:
        raise BadInput(f"{where}.{key} is unknown", why=f"got {value!r}", next=f"one of {_list(choices)}")
    return str(value)


def _list(words: Collection[str]) -> str:
    return ", ".join(sorted(words))
