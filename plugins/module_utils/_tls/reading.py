# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading the Secrets of a namespace, or of all: every one of them, or those that changed since an earlier run.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from .._cluster.client import PAGE, Cluster
from .known import Known, known
from .memory import Memory

_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Which:
    """The Secrets to read: of a namespace (None: of all), by label and by field."""

    namespace: str | None = None
    selector: str = ""
    field: str = ""


def secrets(cluster: Cluster, which: Which, passwords: Sequence[bytes], memory: Memory | None) -> Iterator[Known]:
    """Page by page; of a page nothing is kept but what is public.

    With a memory that knows something their metadata are listed first, and only those are read that it does not know.
    """
    if memory is None:
        for obj in cluster.each("Secret", which.namespace, selector=which.selector, field=which.field):
            yield known(obj, passwords)
    elif not memory.entries:
        yield from _all(cluster, which, passwords, memory, frozenset())
    else:
        yield from _changed(cluster, which, passwords, memory)


def _changed(cluster: Cluster, which: Which, passwords: Sequence[bytes], memory: Memory) -> Iterator[Known]:
    unknown: dict[str, tuple[str, str]] = {}
    listed = 0
    for meta in cluster.each_metadata("Secret", which.namespace, selector=which.selector, field=which.field):
        listed += 1
        found = memory.recall(meta["uid"], meta["resourceVersion"])
        if found is None:
            unknown[meta["uid"]] = (meta["namespace"], meta["name"])
        else:
            yield found
    if len(unknown) > max(_AT_ONCE, listed // PAGE):  # a page of 500 is one request, too
        yield from _all(cluster, which, passwords, memory, frozenset(memory.fresh))
    else:
        yield from _each(cluster, unknown.values(), passwords, memory)


def _all(
    cluster: Cluster, which: Which, passwords: Sequence[bytes], memory: Memory, without: frozenset[str]
) -> Iterator[Known]:
    for obj in cluster.each("Secret", which.namespace, selector=which.selector, field=which.field):
        meta = obj["metadata"]
        if meta["uid"] not in without:
            yield memory.keep(meta["uid"], meta["resourceVersion"], known(obj, passwords))


def _each(
    cluster: Cluster, names: Iterable[tuple[str, str]], passwords: Sequence[bytes], memory: Memory
) -> Iterator[Known]:
    """One by one; one that is gone by now is none."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for obj in pool.map(lambda one: cluster.find("Secret", one[1], one[0]), names):
            if obj is not None:
                meta = obj["metadata"]
                yield memory.keep(meta["uid"], meta["resourceVersion"], known(obj, passwords))
