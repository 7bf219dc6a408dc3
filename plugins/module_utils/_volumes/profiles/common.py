# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all profiles share. Pure.

A password is read in the pod, by the shell there, out of a file or out of the container's own environment. It is never
in a command line (``ps`` shows that, and the API server's audit log) and never printed.

PRIVATE to this collection.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ..._core.errors import BadInput
from ..._core.plan import Json

OPTIONS = ("user", "host", "port", "database", "password_env", "password_file")
HELD = "KNOWNGOOD-HELD"
"""The line that a session of ours prints when the server is held."""
STILL = "KNOWNGOOD-STILL"
"""The line that it prints when it lets go, if what it lets go is what it took."""
REFUSED = "KNOWNGOOD-REFUSED"
REPLICA, PRIMARY = "replica", "primary"
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Facts:
    """What a probe printed: ``key=value`` lines, a list of values each. ``claims``: claim by path of the container."""

    values: Mapping[str, Sequence[str]]
    claims: Callable[[str], str] = field(default=lambda path: "")

    def first(self, key: str) -> str:
        return next(iter(self.values.get(key, ())), "")

    def all(self, key: str) -> tuple[str, ...]:
        return tuple(self.values.get(key, ()))

    @property
    def role(self) -> str:
        return self.first("role") or PRIMARY

    def claims_of(self, key: str) -> set[str]:
        """The claims that the paths under ``key`` lie on; what lies on none counts as ''."""
        return {self.claims(path) for path in self.all(key)}


@dataclass(frozen=True, slots=True)
class Holding:
    """How one server is held.

    With ``session`` a command stays open: it is sent ``opening``, says ``HELD``, and lets go at ``release`` or at the
    end of its stdin, after it has said ``proof`` where that is given. With ``freeze`` a command holds and ``thaw`` lets
    go. With neither nothing is held. ``note`` says in the point's reason what a person has to know. ``covers`` is false
    where being held does not make the server's volumes fit each other. ``backup`` names the claims of a PostgreSQL base
    backup, ``first`` claims that have to be cut before all others.
    """

    session: tuple[str, ...] = ()
    opening: str = ""
    release: str = ""
    proof: str = ""
    freeze: tuple[str, ...] = ()
    thaw: tuple[str, ...] = ()
    note: str = ""
    covers: bool = True
    backup: Backup | None = None
    first: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Backup:
    """Where a PostgreSQL server keeps what. ``data_path`` is its data directory as the container sees it."""

    data_path: str
    data_claim: str
    wal_claim: str
    claims: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Profile:
    """``probe`` prints facts of the server; ``plan(facts, options, budget_s)`` says how it is held.

    ``stale(options)``: what lets go what a killed run may have left held and that no process in the pod would: a
    command, harmless when nothing is held; empty where there is no such thing.
    """

    name: str
    probe: str
    plan: Callable[[Facts, Mapping[str, Json], float], Holding]
    stale: Callable[[Mapping[str, Json]], tuple[str, ...]] = field(default=lambda options: ())

    def probe_command(self, options: Mapping[str, Json]) -> tuple[str, ...]:
        return shell(self.probe, options)


def shell(script: str, options: Mapping[str, Json], *more: str) -> tuple[str, ...]:
    """``script`` with the options as ``$1`` to ``$6`` (empty where not given), then ``more``."""
    return ("sh", "-c", script, "knowngood", *(str(options.get(key) or "") for key in OPTIONS), *more)


def password(variable: str, *names: str) -> str:
    """Shell that exports ``variable`` from the file ``$6``, the variable named ``$5``, or what images use: ``names``.

    Each name is looked for as it is and with ``_FILE``, as the official images do.
    """
    lines = ["password=''", 'if [ -n "$6" ]; then password=$(cat "$6") || exit 8']
    lines.append('elif [ -n "$5" ]; then eval "password=\\${$5:-}"')
    for name in names:
        lines.append(f'elif [ -n "${{{name}:-}}" ]; then password=${name}')
        lines.append(f'elif [ -n "${{{name}_FILE:-}}" ]; then password=$(cat "${name}_FILE") || exit 8')
    lines.append("fi")
    lines.append(f'if [ -n "$password" ]; then {variable}=$password; export {variable}; fi')
    return "\n".join(lines)


def checked_options(data: Mapping[str, Json], where: str) -> dict[str, Json]:
    """The options as texts. Raises BadInput."""
    found: dict[str, Json] = {}
    for key, value in data.items():
        number = key == "port" and isinstance(value, int) and not isinstance(value, bool)
        if not isinstance(value, str) and not number:
            raise BadInput(f"{where}.options.{key} has to be a text", why=f"got {type(value).__name__}")
        found[key] = str(value)
    name = str(found.get("password_env") or "")
    if name and not _VARIABLE.fullmatch(name):
        # What was given is not repeated: it may be the password itself.
        raise BadInput(f"{where}.options.password_env is not the name of a variable", next="for example PGPASSWORD")
    return found
