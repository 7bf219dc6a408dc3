# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One wave of snapshots: sets of claims are cut, then all are waited for until they can be restored from.

Cutting is what the writers wait for, so it is one method that returns the moment the driver has cut the last of a set;
it can be called for one set after another (data first, write-ahead log last). Reading what came of it comes after.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .._cluster.client import owned_by
from .._cluster.waits import follow, position
from .._core.errors import NotProven, TimedOut
from .._core.plan import Json
from . import groups, snapshots
from . import snapshot_state as state
from .groups import GroupApi
from .keeping import Keeper
from .names import OPERATION, suffixed, tail
from .objects import Object, create
from .quantity import in_bytes
from .tools import Tools, in_parallel

_LOOK_S = 2.0


@dataclass(frozen=True, slots=True)
class Group:
    """Cut the claims of a set by one group snapshot of this class, by this version of the API."""

    api: GroupApi
    group_class: str

    @classmethod
    def of(cls, data: Mapping[str, Json] | None) -> Group | None:
        """From the plan: ``{"api": version, "class": name}``."""
        return cls(GroupApi(data["api"]), data["class"]) if data else None


@dataclass(slots=True)
class Cutter:
    """The wave of one operation. ``volumes``: rows of the plan; ``limits``: snapshots that a driver makes at a time.

    ``keeper`` is told of each content.
    """

    tools: Tools
    namespace: str
    operation_id: str
    volumes: Sequence[Mapping[str, Json]]
    limits: Mapping[str, int] = field(default_factory=dict)
    group: Group | None = None
    keeper: Keeper | None = None
    made: dict[str, Object] = field(default_factory=dict)
    contents: dict[str, Object] = field(default_factory=dict)
    grouped: list[_Grouped] = field(default_factory=list)
    version: str = ""

    @property
    def selector(self) -> str:
        return f"{OPERATION}={self.operation_id}"

    def discard(self) -> int:
        """Removes what an earlier, killed run of this operation has left, marks on claims included."""
        gone = 0
        if self.group:
            groups.unlabel_claims(self.tools, self.namespace, self.operation_id)
            for group in self.tools.cluster.list(self.group.api.group, self.namespace, selector=self.selector):
                gone += 1
                groups.free(self.tools, self.group.api, group)
        return gone + snapshots.discard(self.tools, self.namespace, self.selector)

    def look(self) -> None:
        """Where to look for contents from: what can be asked before the writers are held need not be asked later."""
        if not self.group:
            self.version = position(self.tools.cluster, snapshots.CONTENT)

    def cut(self, claims: Sequence[str], timeout_s: float) -> None:
        """Snapshots of these claims, all at once; returns as soon as the driver has cut the last one.

        Raises NotProven for an error that no retry cures, TimedOut with what each snapshot said last.
        """
        rows = [volume for volume in self.volumes if volume["claim"] in claims]
        if self.group and len(rows) > 1:
            self._cut_group(self.group, rows, timeout_s)
        elif rows:
            _Singles(self, rows).cut(timeout_s)

    def ready(self, timeout_s: float) -> dict[str, dict[str, Json]]:
        """Waits until everything that was cut can be restored from. Returns the facts of each cut, by claim.

        Raises NotProven where a snapshot and its content do not name each other.
        """
        deadline = self.tools.clock.monotonic() + timeout_s
        found = self._ready_singles(timeout_s) if self.made else {}
        for one in self.grouped:
            found |= self._ready_group(one, max(1.0, deadline - self.tools.clock.monotonic()))
        if self.grouped:
            groups.unlabel_claims(self.tools, self.namespace, self.operation_id)
        return found

    def _ready_singles(self, timeout_s: float) -> dict[str, dict[str, Json]]:
        claims = {str(made["metadata"]["name"]): claim for claim, made in self.made.items()}

        def each(snapshot: Object) -> None:
            if self.keeper is not None:
                self.keeper.keep(self.contents[claims[snapshot["metadata"]["name"]]])

        seen = snapshots.wait_ready(
            self.tools, self.namespace, list(claims), timeout_s, selector=self.selector, each=each
        )
        return {claim: facts(seen[name], self.contents[claim]) for name, claim in claims.items()}

    def _cut_group(self, group: Group, rows: Sequence[Mapping[str, Json]], timeout_s: float) -> None:
        number = len(self.grouped) + 1
        made, content = groups.cut(
            self.tools, group.api, self.namespace, group.group_class, rows, self.operation_id, number, timeout_s
        )
        self.grouped.append(_Grouped(group.api, made, content, tuple(row["claim"] for row in rows)))

    def _ready_group(self, one: _Grouped, timeout_s: float) -> dict[str, dict[str, Json]]:
        group, members = groups.wait_members(self.tools, one.api, one.made, one.claims, timeout_s)
        if not groups.is_bound(group, one.content):
            raise NotProven(
                f"group snapshot {group['metadata']['name']} is not bound both ways",
                why=f"its content {one.content['metadata']['name']} does not name it with its uid",
            )
        names = {claim: str(state.status(m).get("boundVolumeSnapshotContentName")) for claim, m in members.items()}
        contents = snapshots.contents(self.tools.cluster, names.values())
        meta = one.content["metadata"]
        about = {
            "group": group["metadata"]["name"],
            "group_content": meta["name"],
            "group_content_uid": meta["uid"],
            "group_handle": groups.handle(one.content),
        }
        return {claim: {**facts(members[claim], contents.get(names[claim])), **about} for claim in one.claims}


@dataclass(frozen=True, slots=True)
class _Grouped:
    api: GroupApi
    made: Object
    content: Object
    claims: tuple[str, ...]


class _Singles:
    """One snapshot a claim. Where a driver has a limit, the next is made when one is cut."""

    def __init__(self, cutter: Cutter, rows: Sequence[Mapping[str, Json]]) -> None:
        self._cutter = cutter
        self._waiting: dict[str, deque[Mapping[str, Json]]] = {}
        for row in rows:
            self._waiting.setdefault(row["driver"], deque()).append(row)
        self._at_work = dict.fromkeys(self._waiting, 0)
        self._driver = {str(row["claim"]): str(row["driver"]) for row in rows}
        self._by_uid: dict[str, str] = {}
        self._left = set(self._driver)
        self._errors: dict[str, str] = {}

    def cut(self, timeout_s: float) -> None:
        tools = self._cutter.tools
        deadline = tools.clock.monotonic() + timeout_s
        # Whatever is made after this position is seen from here on: older contents are never read.
        version = self._cutter.version or position(tools.cluster, snapshots.CONTENT)
        self._make()
        while self._left:
            left = deadline - tools.clock.monotonic()
            version = follow(
                tools.cluster,
                snapshots.CONTENT,
                None,
                self._take,
                done=lambda: not self._left,
                timeout_s=max(0.0, min(_LOOK_S, left)),
                clock=tools.clock,
                version=version,
            )
            if self._left and (left <= _LOOK_S or self._unseen()):
                self._look(left, timeout_s)

    def _unseen(self) -> bool:
        """Is there a snapshot without a content? What comes of the others is told by their contents."""
        return not self._cutter.contents.keys() >= set(self._by_uid.values())

    def _make(self) -> None:
        """As many as the limits allow now."""
        rows = []
        for driver, waiting in self._waiting.items():
            limit = self._cutter.limits.get(driver) or len(self._driver)
            while waiting and self._at_work[driver] < limit:
                self._at_work[driver] += 1
                rows.append(waiting.popleft())
        for row, snapshot in zip(rows, in_parallel(self._create, rows), strict=True):
            self._cutter.made[row["claim"]] = snapshot
            self._by_uid[snapshot["metadata"]["uid"]] = row["claim"]

    def _create(self, row: Mapping[str, Json]) -> Object:
        cutter = self._cutter
        name, labels = suffixed(row["claim"], tail(cutter.operation_id)), owned_by(cutter.operation_id)
        wanted = snapshots.snapshot_of(row["claim"], cutter.namespace, name, row["snapshot_class"], labels)
        return create(cutter.tools, wanted)

    def _take(self, content: Object, deleted: bool) -> None:
        claim = self._by_uid.get((content["spec"].get("volumeSnapshotRef") or {}).get("uid") or "")
        if claim is None or deleted:
            return
        self._errors[claim] = state.error(content)
        self._cutter.contents[claim] = content
        if self._cutter.keeper is not None:
            self._cutter.keeper.seen(content)
        if claim in self._left and state.is_cut(content):
            self._left.discard(claim)
            self._at_work[self._driver[claim]] -= 1
            self._make()

    def _look(self, left: float, timeout_s: float) -> None:
        """A snapshot that the controller refused never gets a content: only the snapshot itself says so."""
        cutter = self._cutter
        there = cutter.tools.cluster.list(snapshots.SNAPSHOT, cutter.namespace, selector=cutter.selector)
        snapshots.raise_final(there)
        if left > _LOOK_S:
            return
        said = [f"{claim}: {error}" for claim, error in sorted(self._errors.items()) if error and claim in self._left]
        why = "; ".join([f"not cut yet: {', '.join(sorted(self._left))}", *said, *snapshots.errors(there)])
        raise TimedOut(
            f"timed out waiting for {len(self._driver)} snapshots to be cut",
            where=cutter.namespace,
            why=f"after {timeout_s:g} s: {why}",
            next=snapshots.LOOK,
        )


def facts(snapshot: Object, content: Object | None) -> dict[str, Json]:
    """What a statement keeps of one cut. Raises NotProven where the two do not name each other."""
    bound = snapshots.bound_both_ways(snapshot, content)
    secret = state.deletion_secret(bound)
    size = state.restore_size(bound)
    said = state.status(snapshot).get("restoreSize")
    return {
        "snapshot": snapshot["metadata"]["name"],
        "snapshot_uid": snapshot["metadata"]["uid"],
        "content": bound["metadata"]["name"],
        "content_uid": bound["metadata"]["uid"],
        "snapshot_handle": state.handle(bound),
        "restore_size": (in_bytes(str(said)) or None) if size is None and said else size,
        "cut_at": state.cut_at(bound, snapshot),
        **({"deletion_secret": secret} if secret else {}),
    }
