# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Claims that go and claims that are made in their place: all at once, and one watch sees all of it.

What takes a deleted claim away and what binds a new one are two controllers, and each works on one claim after the
other. So that neither waits for the other, a claim is made as soon as the one before it is gone.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

from .._cluster.client import Objects
from .._cluster.kinds import named
from .._cluster.waits import Check, wait_until
from .._core.errors import TimedOut
from .binding import PVC, bound_to
from .claim_facts import mounting
from .objects import Object
from .tools import Tools

WAIT_S = 120.0
"""For so long nothing may change."""
AT_ONCE = 20
_LOOK_S = 2.0
Listed = tuple[Objects, str]


def exchange(
    tools: Tools,
    namespace: str,
    listed: Listed,
    going: Mapping[str, str],
    drop: Callable[[str], None],
    make: Callable[[str], None] = lambda name: None,
    wanted: Mapping[str, str] | None = None,
) -> dict[str, Object]:
    """Returns the ``wanted`` claims by name, once all that go are gone and all that are wanted are bound.

    ``going``: uids by name; ``drop`` asks for it. ``wanted``: by name the volume that a claim is to be bound to;
    ``make`` makes it where it is not there yet. ``listed``: the claims of the namespace as they were just read, and the
    version of that. Raises what ``drop`` and ``make`` raise, TimedOut saying how the claims stand.
    """
    wanted = wanted or {}
    left = dict(going)
    there = {claim["metadata"]["name"]: claim for claim in listed[0]}
    to_make = {name for name, volume in wanted.items() if name not in there or bound_to(there[name]) != volume}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        asked: list[Future[None]] = [pool.submit(drop, name) for name in sorted(left)]

        def check(claims: Mapping[str, Object]) -> str:
            for name in [n for n, uid in left.items() if n not in claims or claims[n]["metadata"]["uid"] != uid]:
                del left[name]
            for name in sorted(to_make - set(left)):
                to_make.remove(name)
                asked.append(pool.submit(make, name))
            for one in asked:
                if one.done():
                    one.result()
            held = [f"{named(PVC, name, namespace)} is held by: {_finalizers(claims[name])}" for name in sorted(left)]
            return "; ".join(
                held + [text for name, volume in wanted.items() if (text := _why_not(claims, name, volume))]
            )

        found = _wait(tools, namespace, check, listed, [*left, *wanted])
    for one in asked:
        one.result()
    return {name: found[name] for name in wanted}


def _finalizers(claim: Object) -> str:
    return ", ".join(claim["metadata"].get("finalizers") or []) or "nothing that it says"


def _why_not(claims: Mapping[str, Object], name: str, volume: str) -> str:
    claim = claims.get(name)
    if claim is None:
        return f"{name} is gone"
    phase = (claim.get("status") or {}).get("phase") or "?"
    return "" if phase == "Bound" and bound_to(claim) == volume else f"{name} is {phase}"


def _wait(tools: Tools, namespace: str, check: Check, first: Listed, names: list[str]) -> dict[str, Object]:
    """Looks every two seconds at what no event tells: a request that failed."""
    listed: Listed | None = first
    last, deadline = "", 0.0
    while True:
        try:
            return wait_until(
                tools.cluster,
                PVC,
                namespace,
                check,
                what=f"{named(PVC, ', '.join(sorted(set(names))), namespace)} to be exchanged",
                timeout_s=_LOOK_S,
                clock=tools.clock,
                listed=listed,
            )
        except TimedOut as error:
            listed, now = None, tools.clock.monotonic()
            if error.why != last:
                last, deadline = error.why, now + WAIT_S
            if now >= deadline:
                pods = tools.cluster.list("Pod", namespace)
                by = [f"{name} by {', '.join(found)}" for name in sorted(set(names)) if (found := mounting(pods, name))]
                error.why = f"nothing changed for {WAIT_S:g} s: {error.why.partition(': ')[2]}"
                error.why += f"; mounted: {'; '.join(by)}" if by else ""
                error.next = "a snapshot of it that is not ready, or a pod, holds it: kubectl describe pvc"
                raise
