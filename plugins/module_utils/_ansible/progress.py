# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module's end of the progress bridge: lines go to a file that the action plugin reads while the module works.

The action plugin makes the file (in a directory only it can enter) and names it in the environment. Each line is one
JSON object, ``{"text": "..."}``. No variable, or a file that cannot be written: nobody listens and nothing fails.

PRIVATE to this collection.
"""

from __future__ import annotations

import json
import os

from .._core.progress import Reporter, SilentReporter
from .._core.redact import redact_text

PATH_VARIABLE = "KNOWNGOOD_PROGRESS_PATH"
_LONGEST = 500


class FileReporter:
    """Appends one JSON line per call; safe for threads (one ``write`` a line on a file opened for appending)."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def say(self, text: str) -> None:
        line = json.dumps({"text": plain(redact_text(text))}) + "\n"
        try:
            os.write(self._descriptor, line.encode("ascii"))
        except OSError:
            # Progress is a courtesy: a full disk must not break the work it describes.
            return


def plain(text: str) -> str:
    """One printable line: texts may hold words of others (events, pod output), and those no control characters."""
    return "".join(char if char.isprintable() else " " for char in text).strip()[:_LONGEST]


def reporter_from_environment() -> Reporter:
    """The reporter for the file that the environment names, else one that says nothing."""
    path = os.environ.get(PATH_VARIABLE, "")
    if not path:
        return SilentReporter()
    try:
        return FileReporter(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC))
    except OSError:
        return SilentReporter()
