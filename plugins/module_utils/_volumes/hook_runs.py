# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Running hooks: what was started before the cut is let go on every way out.

PRIVATE to this collection.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from .._cluster.kinds import named
from .._cluster.streams import run_in_pod
from .._core.application import Application, PodView
from .._core.errors import KnownGoodError, NotProven
from .._core.plan import Json
from .hooks import FAIL, Hook, Hooks, pods_for
from .tools import Tools


@dataclass(frozen=True, slots=True)
class HookRun:
    """One hook in one pod. ``rc`` is None when it did not end; ``problem`` says why it does not count as run well."""

    name: str
    side: str
    pod: str
    container: str
    rc: int | None
    ms: int
    problem: str = ""

    def to_dict(self) -> dict[str, Json]:
        return asdict(self)


@dataclass(slots=True)
class HookRunner:
    """Runs the hooks of one capture and keeps what came of each."""

    tools: Tools
    app: Application
    hooks: Hooks
    runs: list[HookRun] = field(default_factory=list)

    def before(self) -> None:
        """The pre hooks in order. Raises NotProven at the first that fails and must not."""
        for hook in self.hooks.pre:
            for run in self._run(hook, "pre"):
                if run.problem and hook.on_error == FAIL:
                    raise NotProven(
                        f"the hook {hook.name} failed, nothing was captured",
                        where=named("Pod", run.pod, self.app.spec.namespace),
                        why=run.problem,
                        next=f"run it with kubectl exec in the container {run.container} to see what it prints, or set "
                        "on_error: continue to capture with less consistency",
                    )

    def after(self) -> None:
        """All post hooks, whatever became of the others."""
        for hook in self.hooks.post:
            self._run(hook, "post")

    def let_go(self) -> None:
        """The counterparts of holding hooks, for what an earlier, killed run may have left held. Not recorded."""
        for hook in self.hooks.holding:
            thaw = self.hooks.thaw_of(hook)
            if thaw is not None:
                self._run(thaw, "post")
        self.runs.clear()

    def held_pods(self) -> set[str]:
        """Pods in which a holding hook and its counterpart both ran well."""
        good = {(run.name, run.side, run.pod) for run in self.runs if not run.problem}
        names = {hook.name for hook in self.hooks.holding}
        return {pod for name, side, pod in good if name in names and side == "pre" and (name, "post", pod) in good}

    def failures(self) -> list[str]:
        return [f"hook {run.name} ({run.side}) in {run.pod}: {run.problem}" for run in self.runs if run.problem]

    def _run(self, hook: Hook, side: str) -> list[HookRun]:
        runs = [self._one(hook, side, pod) for pod in pods_for(hook, self.app, self._selected(hook))]
        self.runs += runs
        return runs

    def _selected(self, hook: Hook) -> dict[str, set[str]]:
        if not hook.selector:
            return {}
        pods = self.tools.cluster.list("Pod", self.app.spec.namespace, selector=hook.selector)
        return {hook.selector: {pod["metadata"]["name"] for pod in pods}}

    def _one(self, hook: Hook, side: str, pod: PodView) -> HookRun:
        container = hook.container or next((c.name for c in pod.containers if not c.init), "")
        began = self.tools.clock.monotonic()
        rc, problem = None, ""
        try:
            result = run_in_pod(
                self.tools.cluster,
                self.app.spec.namespace,
                pod.name,
                hook.command,
                container=container,
                timeout_s=hook.timeout_s,
            )
            rc = result.rc
            if rc:
                # What a command in a pod prints may hold Secret data, and this goes to the ledger for ever.
                problem = f"exit code {rc}: nothing that it printed is repeated"
        except KnownGoodError as error:
            problem = str(error)
        ms = round((self.tools.clock.monotonic() - began) * 1000)
        return HookRun(hook.name, side, pod.name, container, rc, ms, problem)
