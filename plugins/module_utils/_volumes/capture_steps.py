# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps of a capture: cut a wave of snapshots, keep them, state it.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping

from .._cluster.client import owned_by
from .._cluster.graph import resolve
from .._cluster.kinds import named
from .._cluster.ledger import LedgerStore
from .._core.application import Application, ApplicationSpec
from .._core.clock import parse_time
from .._core.errors import NotProven
from .._core.operation import Context
from .._core.plan import Json, Step
from .._core.statements import CAPTURED
from . import capture_body, consistency, snapshots
from . import snapshot_state as state
from .hook_runs import HookRunner
from .hooks import Hooks
from .names import OPERATION, POINT, point_id, suffixed, tail
from .objects import Object, create
from .tools import Tools, in_parallel

WAVE, RETAIN, RECORD = "snapshot", "retain", "record"


class Wave:
    """``volumes.wave``: hooks, all snapshots, one watch until the cut, hooks, one watch until ready.

    A wave that was killed is thrown away and cut anew: half of it would be hours older than the other half, and what
    the hooks had held is held no more.
    """

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def done(self, step: Step, context: Context) -> bool:
        cuts = context.results.get(step.name, {}).get("cuts") or {}
        return bool(cuts) and all(_content(self._tools, cut) is not None for cut in cuts.values())

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        tools, params = self._tools, step.params
        spec = ApplicationSpec.from_dict(params["spec"])
        app = resolve(tools.cluster, spec)
        _same_claims(app, params["volumes"])
        runner = HookRunner(tools, app, Hooks.from_dict(params["hooks"]))
        runner.let_go()
        selector = _selector(context)
        snapshots.discard(tools, spec.namespace, selector)
        began = tools.clock.monotonic()
        try:
            runner.before()
            made = self._create(step, context, spec.namespace)
            snapshots.wait_cut(tools, spec.namespace, made, selector, params["cut_timeout_s"])
        finally:
            runner.after()
        held_ms = round((tools.clock.monotonic() - began) * 1000) if runner.hooks.holding else 0
        names = [snapshot["metadata"]["name"] for snapshot in made.values()]
        ready = snapshots.wait_ready(tools, spec.namespace, names, params["ready_timeout_s"], selector=selector)
        cuts = {claim: self._cut(ready[snapshot["metadata"]["name"]]) for claim, snapshot in made.items()}
        return self._result(app, runner, cuts, made, held_ms, context)

    def undo(self, step: Step, context: Context) -> dict[str, Json] | None:
        """Lets go what hooks hold and frees the snapshots, unless the ledger has the point."""
        spec = ApplicationSpec.from_dict(step.params["spec"])
        hooks = Hooks.from_dict(step.params["hooks"])
        if hooks.holding:
            HookRunner(self._tools, resolve(self._tools.cluster, spec, strict=False), hooks).let_go()
        if recorded(self._tools, spec.target, context.operation_id):
            return {"kept": "the ledger has this recovery point"}
        return {"discarded": snapshots.discard(self._tools, spec.namespace, _selector(context))}

    def _create(self, step: Step, context: Context, namespace: str) -> dict[str, Object]:
        labels = owned_by(context.operation_id)
        volumes: list[Mapping[str, Json]] = step.params["volumes"]

        def one(volume: Mapping[str, Json]) -> Object:
            name = suffixed(volume["claim"], tail(context.operation_id))
            return create(
                self._tools,
                snapshots.snapshot_of(volume["claim"], namespace, name, volume["snapshot_class"], labels),
            )

        return dict(zip([v["claim"] for v in volumes], in_parallel(one, volumes), strict=True))

    def _cut(self, snapshot: Object) -> dict[str, Json]:
        content = snapshots.content_of(self._tools, snapshot)
        secret = state.deletion_secret(content)
        return {
            "snapshot": snapshot["metadata"]["name"],
            "snapshot_uid": snapshot["metadata"]["uid"],
            "content": content["metadata"]["name"],
            "content_uid": content["metadata"]["uid"],
            "snapshot_handle": state.handle(content),
            "restore_size": state.restore_size(content),
            "cut_at": state.cut_at(content, snapshot),
            **({"deletion_secret": secret} if secret else {}),
        }

    def _result(
        self,
        app: Application,
        runner: HookRunner,
        cuts: dict[str, dict[str, Json]],
        made: Mapping[str, Object],
        held_ms: int,
        context: Context,
    ) -> dict[str, Json]:
        times = {claim: str(cut["cut_at"]) for claim, cut in cuts.items()}
        mounted, held = consistency.pods_on(app), runner.held_pods()
        judged = consistency.judge(
            mounted,
            held,
            spread_s=capture_body.spread_s(times),
            hook_names=[hook.name for hook in (*runner.hooks.pre, *runner.hooks.post)],
            failures=runner.failures(),
        )
        for claim, cut in cuts.items():
            frozen = held_ms if set(mounted[claim]) & held else 0
            labels = self._labels(app.spec.namespace, claim)
            cut |= {"consistency": judged.claims[claim], "freeze_ms": frozen, "labels": labels}
        running = capture_body.images(app)
        first = min(parse_time(snapshot["metadata"]["creationTimestamp"]) for snapshot in made.values())
        return {
            "point": point_id(app.spec.name, first, context.operation_id),
            "cuts": cuts,
            "consistency": judged.level,
            "consistency_reason": judged.reason + self._moved(app),
            "images": running,
            "commits": capture_body.commits(app.spec, running),
            "writers": capture_body.writers(app),
            "hooks": [run.to_dict() for run in runner.runs],
            "cluster_uid": app.cluster_uid,
        }

    def _labels(self, namespace: str, claim: str) -> dict[str, str]:
        found = self._tools.cluster.get("PersistentVolumeClaim", claim, namespace)
        return dict(found["metadata"].get("labels") or {})

    def _moved(self, before: Application) -> str:
        """A note when pods came or went while the snapshots were cut: then the images are not the whole truth."""
        after = resolve(self._tools.cluster, before.spec, strict=False)
        if {pod.uid for pod in after.pods} == {pod.uid for pod in before.pods}:
            return ""
        return "; pods came or went meanwhile, the images are those that ran right before the cut"


class RetainContents:
    """``volumes.retain_contents``: the snapshots outlive the VolumeSnapshot objects and the namespace."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def done(self, step: Step, context: Context) -> bool:
        del step
        cuts = context.results.get(WAVE, {}).get("cuts") or {}
        contents = [_content(self._tools, cut) for cut in cuts.values()]
        return bool(contents) and all(c is not None and c["spec"]["deletionPolicy"] == "Retain" for c in contents)

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        del step
        wave = context.results[WAVE]
        labels = {OPERATION: context.operation_id, POINT: wave["point"]}

        def one(cut: Mapping[str, Json]) -> str:
            content = _content(self._tools, cut)
            if content is None:
                where = named(snapshots.CONTENT, cut["content"])
                raise NotProven("a snapshot is gone before it could be kept", where=where)
            snapshots.set_policy(self._tools, content, snapshots.RETAIN, labels)
            return str(cut["content"])

        return {"retained": in_parallel(one, wave["cuts"].values())}

    def undo(self, step: Step, context: Context) -> dict[str, Json] | None:
        """The step that cut them frees them, or leaves them to the ledger: there is nothing to put back here."""
        del step, context
        return None


class RecordCapture:
    """``volumes.record_capture``: the ``captured`` statement. From here on the point exists."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._store = LedgerStore(tools.cluster, tools.state_namespace, clock=tools.clock)

    def done(self, step: Step, context: Context) -> bool:
        return recorded(self._tools, step.params["target"], context.operation_id)

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        wave = context.results[WAVE]
        body = capture_body.body(step.params, wave, operation=context.operation_id)
        key = _key(context.operation_id)
        statement = self._store.append(step.params["target"], CAPTURED, wave["point"], body, key=key)
        return {"point": statement.point, "seq": statement.seq, "hash": statement.hash}

    def undo(self, step: Step, context: Context) -> dict[str, Json] | None:
        """The ledger forgets nothing: a recorded point stays, and is given up by pruning it."""
        del step, context
        return None


def recorded(tools: Tools, target: str, operation_id: str) -> bool:
    """Does the ledger hold the point that this capture made?"""
    store = LedgerStore(tools.cluster, tools.state_namespace, clock=tools.clock)
    return any(statement.key == _key(operation_id) for statement in store.read(target))


def _key(operation_id: str) -> str:
    return f"{CAPTURED}:{operation_id}"


def _selector(context: Context) -> str:
    return f"{OPERATION}={context.operation_id}"


def _content(tools: Tools, cut: Mapping[str, Json]) -> Object | None:
    """The content of a cut, when it is still the one that was made."""
    content = tools.cluster.find(snapshots.CONTENT, cut["content"])
    if content is None or content["metadata"]["uid"] != cut["content_uid"]:
        return None
    return content


def _same_claims(app: Application, planned: list[Mapping[str, Json]]) -> None:
    """The claims are those that were planned for. Raises NotProven naming the one that is not."""
    now = {volume.claim: (volume.claim_uid, volume.volume) for volume in app.volumes}
    for volume in planned:
        if now.get(volume["claim"]) != (volume["claim_uid"], volume["volume"]):
            raise NotProven(
                f"claim {volume['claim']} is not the one that was planned for",
                where=app.spec.target,
                why=f"planned for volume {volume['volume']}, now {now.get(volume['claim'], ('', 'none'))[1]}",
                next="run the same task again",
            )
