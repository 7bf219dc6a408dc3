# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps of a capture: cut a wave of snapshots, keep them, state it.

PRIVATE to this collection.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence

from .._cluster.graph import resolve
from .._cluster.kinds import named
from .._cluster.ledger import LedgerStore
from .._core.application import Application, ApplicationSpec
from .._core.clock import parse_time
from .._core.errors import Conflict, NotFound, NotProven
from .._core.operation import Context, NothingToUndo
from .._core.plan import Json, Step
from .._core.statements import CAPTURED
from . import capture_body, consistency, content_policy, groups, snapshots
from .cutting import Cutter, Group
from .groups import GroupApi
from .hook_runs import HookRunner
from .hooks import Hooks
from .keeping import Keeper
from .names import CAPTURE, OPERATION, POINT, point_id, point_label
from .objects import Object
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
        if not cuts:
            return False
        return len(_contents(self._tools, cuts.values())) == len(cuts) or self._recorded(step, context)

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        tools, params = self._tools, step.params
        before = context.results.get(step.name, {})
        if before.get("cuts") and self._recorded(step, context):  # what is left of the point is not ours to discard
            return dict(before)
        spec = ApplicationSpec.from_dict(params["spec"])
        app = resolve(tools.cluster, spec)
        labels = _same_claims(app, params["volumes"], tools.cluster.list("PersistentVolumeClaim", spec.namespace))
        atomic = bool((params.get("group") or {}).get("atomic"))
        runner = HookRunner(tools, app, Hooks.from_dict(params["hooks"]), params["cut_timeout_s"], atomic)
        if context.again:  # else nothing of ours is held, and what others hold is theirs
            runner.let_go()
        cutter = self._cutter(step, context)
        cutter.discard()
        cuts = self._cut(step, cutter, runner, context)
        for claim, cut in cuts.items():
            cut["labels"] = labels[claim]
        return self._result(step, app, runner, cuts, context)

    def _cut(self, step: Step, cutter: Cutter, runner: HookRunner, context: Context) -> dict[str, dict[str, Json]]:
        params, name = step.params, step.params["spec"]["name"]

        def marks(cut: dt.datetime) -> dict[str, str]:
            return _marks(context, point_id(name, cut, context.operation_id))

        held = bool(runner.hooks.holding or runner.hooks.velero_hooks)
        cutter.look()
        with Keeper(self._tools, marks, early=not held) as cutter.keeper:
            try:
                runner.before()
                for together in runner.phases([str(volume["claim"]) for volume in params["volumes"]]):
                    cutter.cut(together, params["cut_timeout_s"])
                    runner.cut(together)
            finally:
                runner.after()
            return cutter.ready(params["ready_timeout_s"])

    def undo(self, step: Step, context: Context) -> dict[str, Json] | None:
        """Lets go what hooks hold and frees the snapshots, unless the ledger has the point."""
        spec = ApplicationSpec.from_dict(step.params["spec"])
        hooks = Hooks.from_dict(step.params["hooks"])
        if hooks.holding or hooks.velero_hooks:
            HookRunner(self._tools, resolve(self._tools.cluster, spec, strict=False), hooks).let_go()
        if self._recorded(step, context):
            return {"kept": "the ledger has this recovery point"}
        return {"discarded": self._cutter(step, context).discard()}

    def _recorded(self, step: Step, context: Context) -> bool:
        target = ApplicationSpec.from_dict(step.params["spec"]).target
        return recorded(self._tools, target, context.operation_id)

    def _cutter(self, step: Step, context: Context) -> Cutter:
        params = step.params
        group = Group.of(params.get("group"))
        limits = params.get("max_parallel") or {}
        return Cutter(self._tools, params["spec"]["namespace"], context.operation_id, params["volumes"], limits, group)

    def _result(
        self,
        step: Step,
        app: Application,
        runner: HookRunner,
        cuts: dict[str, dict[str, Json]],
        context: Context,
    ) -> dict[str, Json]:
        times = {claim: str(cut["cut_at"]) for claim, cut in cuts.items()}
        mounted = {claim: pods for claim, pods in consistency.pods_on(app).items() if claim in cuts}
        grouped = {cut.get("group", "") for cut in cuts.values()}
        judged = consistency.judge(
            mounted,
            runner.held_pods(),
            spread_s=capture_body.spread_s(times),
            hook_names=runner.hooks.names,
            failures=runner.failures(),
            atomic=(step.params.get("group") or {}).get("atomic", "") if len(grouped) == 1 and all(grouped) else "",
            evidence=runner.evidence(),
        )
        frozen = runner.freeze_ms(mounted)
        for claim, cut in cuts.items():
            cut |= {"consistency": judged.claims[claim], "freeze_ms": frozen[claim], **runner.kept(claim)}
        running = capture_body.images(app)
        moments = [parse_time(cut) for cut in times.values() if cut]
        return {
            "point": point_id(app.spec.name, min(moments, default=self._tools.clock.now()), context.operation_id),
            "cuts": cuts,
            "consistency": judged.level,
            "consistency_reason": judged.reason + self._moved(app),
            "images": running,
            "commits": capture_body.commits(app.spec, running),
            "writers": capture_body.writers(app),
            "hooks": [run.to_dict() for run in runner.runs],
            "cluster_uid": app.cluster_uid,
        }

    def _moved(self, before: Application) -> str:
        """A note when pods came or went while the snapshots were cut: then the images are not the whole truth."""
        known = {pod.uid for pod in before.pods}
        there = self._tools.cluster.list("Pod", before.spec.namespace)
        if {pod["metadata"]["uid"] for pod in there if _of_application(pod, before, known)} == known:
            return ""
        return "; pods came or went meanwhile, the images are those that ran right before the cut"


def _of_application(pod: Object, app: Application, known: Collection[str]) -> bool:
    """A pod that was seen before, or that a workload of the application selects; none that has ended."""
    meta, phase = pod["metadata"], (pod.get("status") or {}).get("phase")
    if phase in ("Succeeded", "Failed"):
        return False
    labels = meta.get("labels") or {}
    selectors = [workload.selector.items() for workload in app.workloads if workload.selector]
    return meta["uid"] in known or any(selector <= labels.items() for selector in selectors)


class RetainContents(NothingToUndo):
    """``volumes.retain_contents``: the snapshots outlive the VolumeSnapshot objects and the namespace.

    Most are kept by the wave already, while it waits for the last. One that is gone stops the capture, unless the
    ledger has the point already: then it is named as ``missing``.

    There is nothing to put back: the step that cut them frees them, or leaves them to the ledger.
    """

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def done(self, step: Step, context: Context) -> bool:
        del step
        wave = context.results.get(WAVE, {})
        cuts = wave.get("cuts") or {}
        if not cuts:
            return False
        kept = self._kept(wave)
        return all(cut["content_uid"] in kept for cut in cuts.values()) and self._groups_kept(cuts)

    def _kept(self, wave: Mapping[str, Json]) -> set[str]:
        """The uids of the contents that are kept and labelled for the point."""
        there = self._tools.cluster.list(snapshots.CONTENT, selector=f"{POINT}={point_label(wave['point'])}")
        return {c["metadata"]["uid"] for c in there if c["spec"]["deletionPolicy"] == content_policy.RETAIN}

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        wave = context.results[WAVE]
        labels, kept = _marks(context, wave["point"]), self._kept(wave)

        def one(cut: Mapping[str, Json]) -> str:
            name, uid = str(cut["content"]), cut["content_uid"]
            if uid in kept:
                return name
            try:
                content_policy.set_policy(self._tools, snapshots.CONTENT, name, uid, content_policy.RETAIN, labels)
            except (Conflict, NotFound) as error:
                if recorded(self._tools, step.params["target"], context.operation_id):
                    return ""
                where = named(snapshots.CONTENT, name)
                raise NotProven("a snapshot is gone before it could be kept", where=where, why=error.why) from error
            return name

        for content, cut in _groups(wave["cuts"]).items():
            self._keep_group(content, cut, labels, step, context)
        cuts = list(wave["cuts"].values())
        retained = in_parallel(one, cuts)
        missing = [str(cut["content"]) for cut, name in zip(cuts, retained, strict=True) if not name]
        return {"retained": [name for name in retained if name], **({"missing": missing} if missing else {})}

    def _keep_group(
        self, content: str, cut: Mapping[str, Json], labels: Mapping[str, str], step: Step, context: Context
    ) -> None:
        try:
            uid = cut["group_content_uid"]
            content_policy.set_policy(self._tools, self._api().content, content, uid, content_policy.RETAIN, labels)
        except (Conflict, NotFound):
            if not recorded(self._tools, step.params["target"], context.operation_id):
                raise

    def _groups_kept(self, cuts: Mapping[str, Mapping[str, Json]]) -> bool:
        found = [self._tools.cluster.find(self._api().content, name) for name in _groups(cuts)]
        return all(c is not None and c["spec"]["deletionPolicy"] == content_policy.RETAIN for c in found)

    def _api(self) -> GroupApi:
        """The version that the server has now: that of the plan may be gone by the time it is taken up again."""
        return groups.needed(self._tools.cluster)


class RecordCapture(NothingToUndo):
    """``volumes.record_capture``: the ``captured`` statement. From here on the point exists.

    The ledger forgets nothing: a recorded point stays, and is given up by pruning it.
    """

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


def recorded(tools: Tools, target: str, operation_id: str) -> bool:
    """Does the ledger hold the point that this capture made?"""
    store = LedgerStore(tools.cluster, tools.state_namespace, clock=tools.clock)
    return any(statement.key == _key(operation_id) for statement in store.read(target))


def _marks(context: Context, point: str) -> dict[str, str]:
    """The labels of what a point keeps."""
    return {OPERATION: context.operation_id, POINT: point_label(point)}


def _key(operation_id: str) -> str:
    return f"{CAPTURED}:{operation_id}"


def _groups(cuts: Mapping[str, Mapping[str, Json]]) -> dict[str, Mapping[str, Json]]:
    """One cut of each group, by the name of the group's content."""
    return {str(cut["group_content"]): cut for cut in cuts.values() if cut.get("group_content")}


def _contents(tools: Tools, cuts: Iterable[Mapping[str, Json]]) -> dict[str, Object]:
    """The contents of the cuts that are still those that were made."""
    uids = {str(cut["content"]): cut["content_uid"] for cut in cuts}
    found = snapshots.contents(tools.cluster, uids)
    return {name: content for name, content in found.items() if content["metadata"]["uid"] == uids[name]}


def _same_claims(
    app: Application, planned: Sequence[Mapping[str, Json]], claims: Sequence[Object]
) -> dict[str, dict[str, str]]:
    """The labels of the claims, which are those that were planned for. Raises NotProven naming the one that is not."""
    now = {volume.claim: (volume.claim_uid, volume.volume) for volume in app.volumes}
    for volume in planned:
        if now.get(volume["claim"]) != (volume["claim_uid"], volume["volume"]):
            raise NotProven(
                f"claim {volume['claim']} is not the one that was planned for",
                where=app.spec.target,
                why=f"planned for volume {volume['volume']}, now {now.get(volume['claim'], ('', 'none'))[1]}",
                next="run the same task again",
            )
    found = {claim["metadata"]["name"]: claim["metadata"].get("labels") or {} for claim in claims}
    return {
        volume["claim"]: {key: value for key, value in found.get(volume["claim"], {}).items() if key != CAPTURE}
        for volume in planned
    }
