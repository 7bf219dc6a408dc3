# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What may go wrong between a client and the API server, and schedules that decide when. Pure.

A schedule sees each request once, in the order of their arrival, and answers with a :class:`Strike` or None.
:class:`Seeded` decides by seed, verb, kind of resource and how many requests of that sort came before: names and the
interleaving of threads do not matter, so that a printed seed makes the same run again as far as the client does.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import parse_qs, urlsplit

# Before the request reached the server: nothing of it was done.
CONFLICT, GONE, THROTTLED, FAILED, UNAVAILABLE = "conflict", "gone", "throttled", "failed", "unavailable"
CUT_BEFORE, HANG_BEFORE, SLOW = "cut_before", "hang_before", "slow"
# After the server did it: the client must find out by itself.
TIMEOUT_AFTER, CUT_AFTER, HANG_AFTER = "timeout_after", "cut_after", "hang_after"
# In the middle of a watch or of a stream (exec, attach, port-forward).
DROP, EXPIRED = "drop", "expired"

KINDS = (
    *(CONFLICT, GONE, THROTTLED, FAILED, UNAVAILABLE, CUT_BEFORE, HANG_BEFORE, SLOW),
    *(TIMEOUT_AFTER, CUT_AFTER, HANG_AFTER, DROP, EXPIRED),
)
_WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_VERSION = re.compile(r"^/(?:api/[^/]+|apis/([^/]+)/[^/]+)/(.*)$")


@dataclass(frozen=True, slots=True)
class Request:
    """One request as the proxy sees it; ``target`` is path and query. ``number`` counts from 1 over all."""

    number: int
    method: str
    target: str
    upgrade: bool = False

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def watch(self) -> bool:
        return parse_qs(urlsplit(self.target).query).get("watch", [""])[0] in ("true", "1")

    @property
    def dry_run(self) -> bool:
        return "dryRun" in parse_qs(urlsplit(self.target).query)

    @property
    def resource(self) -> str:
        """``snapshot.storage.k8s.io/volumesnapshots``, ``pods/exec``, "" for what is no resource."""
        found = _VERSION.match(self.path)
        if not found:
            return ""
        parts = found[2].split("/")
        if parts[0] == "namespaces" and len(parts) > 2:
            parts = parts[2:]
        kept = [parts[0], *parts[2:3]]
        return "/".join([*([found[1]] if found[1] else []), *kept])

    @property
    def sort(self) -> str:
        """What requests that differ in names only share."""
        return f"{'WATCH' if self.watch else self.method} {self.resource or self.path}"


@dataclass(frozen=True, slots=True)
class Strike:
    """``kind`` is one of :data:`KINDS`. ``seconds`` is the Retry-After of ``throttled``, how long ``slow`` waits and
    the hanging kinds hang before they cut, and when ``drop`` and ``expired`` end a watch or stream at the latest;
    ``events``, where above 0, ends it after so many pieces."""

    kind: str
    seconds: float = 1
    events: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"{self.kind!r} is none of {', '.join(KINDS)}")


def fits(kind: str, request: Request) -> bool:
    """Whether an API server and the network could do this to this request."""
    if kind == EXPIRED:
        return request.watch
    if kind == DROP:
        return request.watch or request.upgrade
    if request.watch or request.upgrade:
        return kind in (THROTTLED, FAILED, UNAVAILABLE, CUT_BEFORE, HANG_BEFORE, SLOW) or (
            kind == GONE and request.watch
        )
    if kind == CONFLICT:
        # A create that conflicts would say that the object exists: a lie no server tells.
        return request.method in ("PUT", "PATCH", "DELETE")
    if kind == GONE:
        return request.method == "GET" and "continue=" in request.target
    if kind in (TIMEOUT_AFTER, CUT_AFTER, HANG_AFTER):
        return request.method in _WRITES
    return True


class Schedule(Protocol):
    def strike(self, request: Request) -> Strike | None: ...


class Calm:
    """Nothing ever happens."""

    def strike(self, request: Request) -> Strike | None:
        return None


class Seeded:
    """Strikes one request in ``1 / rate``, at most ``streak`` times in a row among those of one sort, so that whoever
    tries again comes through. ``only`` narrows the requests, ``most`` ends it all after so many strikes."""

    def __init__(
        self,
        seed: int,
        *,
        rate: float = 0.1,
        kinds: Iterable[str] = KINDS,
        streak: int = 2,
        most: int = 0,
        seconds: float = 1,
        only: Callable[[Request], bool] = lambda request: True,
    ) -> None:
        self.seed, self.rate, self.kinds = seed, rate, tuple(kinds)
        self.streak, self.most, self.seconds, self.only = streak, most, seconds, only
        self._seen: Counter[str] = Counter()
        self._row: Counter[str] = Counter()
        self._done = 0

    def strike(self, request: Request) -> Strike | None:
        sort = request.sort
        self._seen[sort] += 1
        chosen = self._chosen(request, random.Random(f"{self.seed} {sort} {self._seen[sort]}"))
        if chosen is None or self._row[sort] >= self.streak or (self.most and self._done >= self.most):
            self._row[sort] = 0
            return None
        self._row[sort] += 1
        self._done += 1
        return chosen

    def _chosen(self, request: Request, dice: random.Random) -> Strike | None:
        kinds = [kind for kind in self.kinds if fits(kind, request)]
        if not kinds or not self.only(request) or dice.random() >= self.rate:
            return None
        return Strike(dice.choice(kinds), seconds=self.seconds, events=dice.randint(1, 3))


@dataclass(frozen=True, slots=True)
class Rule:
    """``strike`` hits the requests that ``test`` holds for: those numbered ``first`` to ``last`` of them (from 1)."""

    test: Callable[[Request], bool]
    strike: Strike
    first: int = 1
    last: int = 1


class Script:
    """Exactly these strikes: ``Script(Rule(lambda r: r.method == "POST", Strike(CUT_AFTER)))`` hits the first POST."""

    def __init__(self, *rules: Rule) -> None:
        self.rules = rules
        self._seen = [0] * len(rules)

    def strike(self, request: Request) -> Strike | None:
        found = None
        for number, rule in enumerate(self.rules):
            if not rule.test(request):
                continue
            self._seen[number] += 1
            if found is None and rule.first <= self._seen[number] <= rule.last:
                found = rule.strike
        return found
