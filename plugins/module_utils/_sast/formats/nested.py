# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reports that list files and, in each, what was found in it: read without holding all of one file's findings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..shape import as_list, as_text
from ..window import Window


class FileEntry:
    """The object of one file. ``path`` and ``listed`` (which of its lists were there) are known after the walk."""

    def __init__(self, window: Window, *, path: str, lists: tuple[str, ...]) -> None:
        self.path = ""
        self.listed: set[str] = set()
        self._window = window
        self._names = (path, lists)

    def entries(self) -> Iterator[Any]:
        """What its lists hold. Tools write the path first; lists before it are held, as far as the window goes."""
        window, (path, lists) = self._window, self._names
        if window.peek() != "{":
            window.skip()
            return
        held: list[Any] = []
        known = False
        for name in window.members():
            if name == path:
                self.path, known = as_text(window.value()), True
            elif name in lists and window.peek() == "[":
                self.listed.add(name)
                if known:
                    yield from window.entries()
                else:
                    held.extend(as_list(window.value()))
            else:
                window.skip()
        yield from held
