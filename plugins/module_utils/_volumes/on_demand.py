# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Actions of several packages, each loaded when something of it, or of a later one, is asked for.

Ansible compiles a module's whole code anew in every task: what a call does not use is better not loaded.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections import UserDict, deque
from collections.abc import Callable, Iterator, Mapping

from .._core.operation import Action

Load = Callable[[], Mapping[str, Action]]


class OnDemand(UserDict[str, Action]):
    """Actions by name. The packages are tried in the order given, so what is asked for most comes first."""

    def __init__(self, *packages: Load) -> None:
        super().__init__()
        self._left = deque(packages)

    def __missing__(self, name: str) -> Action:
        while self._left:
            self._load()
            if name in self.data:
                return self.data[name]
        raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        while name not in self.data and self._left:
            self._load()
        return name in self.data

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def _all(self) -> Mapping[str, Action]:
        while self._left:
            self._load()
        return self.data

    def _load(self) -> None:
        self.data = {**self._left.popleft()(), **self.data}
