# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Damage to reports, by chance but repeatable: bytes that flip, parts that are missing or doubled, other types."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from typing import Any

_STRANGE: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    1e300,
    2**70,
    "",
    "\u202e\x1b[31m",
    "\ud800",
    "../../etc/passwd",
    "x" * 5000,
    [],
    {},
    [[]],
    [None],
    {"": None},
    [{"id": []}],
)


def damaged(content: bytes, chance: random.Random) -> bytes:
    """The same report, hurt in one of many ways."""
    ways: list[Callable[[bytes, random.Random], bytes]] = [_flipped, _without, _doubled]
    tree = _tree(content)
    if tree is not None:
        ways += [_other_types, _other_types, _other_types, _double_names]
    return chance.choice(ways)(content, chance)


def _tree(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _flipped(content: bytes, chance: random.Random) -> bytes:
    bytes_ = bytearray(content)
    for _time in range(chance.choice((1, 1, 1, 3, 20))):
        if bytes_:
            bytes_[chance.randrange(len(bytes_))] = chance.choice((chance.randrange(256), 0, 34, 44, 60, 123, 255))
    return bytes(bytes_)


def _without(content: bytes, chance: random.Random) -> bytes:
    start, end = sorted(chance.randrange(len(content) + 1) for _end in range(2))
    return content[:start] + content[min(end, start + 40) :]


def _doubled(content: bytes, chance: random.Random) -> bytes:
    start, end = sorted(chance.randrange(len(content) + 1) for _end in range(2))
    return content[:end] + content[start:]


def _other_types(content: bytes, chance: random.Random) -> bytes:
    """Some values of the tree become others, or are gone."""
    tree = _tree(content)
    for _time in range(chance.choice((1, 1, 2, 5))):
        places = list(_places(tree))
        if not places:
            break
        holder, name = chance.choice(places)
        if chance.random() < 0.25:
            del holder[name]
        else:
            holder[name] = _strange(chance)
    return json.dumps(tree).encode()


def _double_names(content: bytes, chance: random.Random) -> bytes:
    """One object names one of its members twice, with a strange value the second time."""
    tree = _tree(content)
    objects = [(holder, name) for holder, name in _places(tree) if isinstance(holder, dict)]
    if not objects:
        return content
    holder, name = chance.choice(objects)
    mark = "\x00again"
    holder[mark] = _strange(chance)
    return json.dumps(tree).encode().replace(json.dumps(mark).encode(), json.dumps(name).encode())


def _strange(chance: random.Random) -> Any:
    return copy.deepcopy(chance.choice(_STRANGE))


def _places(tree: Any) -> list[tuple[Any, Any]]:
    """Every (holder, name or position) of a tree, without recursion: it may be deep."""
    found: list[tuple[Any, Any]] = []
    waiting = [tree]
    while waiting:
        value = waiting.pop()
        names = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
        for name in names:
            found.append((value, name))
            waiting.append(value[name])
    return found
