# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The shop's history as data: four commits of ``orders/app.py``, made into a real git repository by the demo.

a1 is good. b2 adds a search that pastes the word into its SQL (CWE-89). b3 ships a further feature with that hole still
in it. c4 closes the hole and keeps both features.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

BASE = Path(__file__).parent / "orders" / "app.py"


@dataclass(frozen=True)
class Edit:
    """Replaces the one place where ``old`` stands."""

    old: str
    new: str

    def applied(self, text: str) -> str:
        if text.count(self.old) != 1:
            raise ValueError(f"{self.old!r} stands {text.count(self.old)} times, not once")
        return text.replace(self.old, self.new)


@dataclass(frozen=True)
class Commit:
    """One step of the history. ``date`` is fixed, so that commit ids are the same on every machine."""

    name: str
    message: str
    date: str
    edits: tuple[Edit, ...] = ()


_ROUTE = '        else:\n            self.answer(404, {"error": "not found"})\n\n    def do_POST'
_UNSAFE = """def search(word):
    return query("SELECT id, customer, cents FROM orders WHERE customer LIKE '%" + word + "%' ORDER BY id")
"""
_SAFE = """def search(word):
    return query("SELECT id, customer, cents FROM orders WHERE customer LIKE %s ORDER BY id", ("%" + word + "%",))
"""

HISTORY = (
    Commit("a1", "Orders: place and list", "2026-03-02T09:00:00+00:00"),
    Commit(
        "b2",
        "Orders: search by a part of the name",
        "2026-03-09T09:00:00+00:00",
        (
            Edit("\n\nclass Handler", f"\n\n{_UNSAFE}\n\nclass Handler"),
            Edit(
                _ROUTE,
                '        elif url.path == "/search":\n            self.answer(200, search(words.get("q", "")))\n'
                + _ROUTE,
            ),
        ),
    ),
    Commit(
        "b3",
        "Orders: the turnover of a customer",
        "2026-03-16T09:00:00+00:00",
        (
            Edit(
                "\n\nclass Handler",
                "\n\ndef turnover(customer):\n"
                '    return query("SELECT coalesce(sum(cents), 0) FROM orders WHERE customer = %s", (customer,))\n'
                "\n\nclass Handler",
            ),
            Edit(
                _ROUTE,
                '        elif url.path == "/turnover":\n'
                '            self.answer(200, {"cents": turnover(words.get("customer", ""))[0][0]})\n' + _ROUTE,
            ),
        ),
    ),
    Commit(
        "c4",
        "Orders: search binds its word instead of pasting it (CWE-89)",
        "2026-03-23T09:00:00+00:00",
        (Edit(_UNSAFE, _SAFE),),
    ),
)


def sources() -> dict[str, str]:
    """The text of app.py at each commit, by name."""
    text, found = BASE.read_text(encoding="utf-8"), {}
    for commit in HISTORY:
        for edit in commit.edits:
            text = edit.applied(text)
        found[commit.name] = text
    return found


def write_repository(path: Path) -> dict[str, str]:
    """Makes the git repository anew; returns commit ids by name."""
    path.mkdir(parents=True)
    _git(path, "init", "-q", "-b", "main")
    ids = {}
    for commit, text in zip(HISTORY, sources().values(), strict=True):
        (path / "app.py").write_text(text, encoding="utf-8")
        _git(path, "add", "app.py")
        _git(path, "commit", "-q", "-m", commit.message, date=commit.date)
        _git(path, "tag", commit.name)
        ids[commit.name] = _git(path, "rev-parse", "HEAD").strip()
    return ids


def _git(path: Path, *arguments: str, date: str = "") -> str:
    who = {"GIT_AUTHOR_NAME": "shop", "GIT_AUTHOR_EMAIL": "shop@example.test"}
    who |= {name.replace("AUTHOR", "COMMITTER"): value for name, value in who.items()}
    when = {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date} if date else {}
    settings = ["-c", "commit.gpgsign=false", "-c", f"safe.directory={path}"]
    environment = {**os.environ, **who, **when, "GIT_CONFIG_GLOBAL": os.devnull}
    return subprocess.run(
        ["git", "-C", str(path), *settings, *arguments], check=True, text=True, capture_output=True, env=environment
    ).stdout
