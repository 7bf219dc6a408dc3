# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hooks around a capture: commands in the application's pods before the first cut and after the last.

A hook *holds* when it stops the writers until its counterpart lets them go (a lock, a frozen filesystem). Only the user
can know that, so it is declared, and only a declared and paired hook that ran well on both sides counts. A CHECKPOINT
holds nothing: it shortens recovery and leaves the volume crash-consistent.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from .._core.application import Application, PodView
from .._core.errors import BadInput
from .._core.plan import Json
from . import fields

FAIL, CONTINUE = "fail", "continue"
_KEYS = ("name", "workload", "selector", "container", "command", "timeout_s", "on_error", "holds")


@dataclass(frozen=True, slots=True)
class Hook:
    """One command, for every running pod of ``workload`` (``Kind/name``), or for those that ``selector`` matches.

    ``on_error``: ``fail`` ends the capture before anything is cut, ``continue`` goes on and the point's consistency
    says so. After the cut an error never stops the other hooks.
    """

    name: str
    command: tuple[str, ...]
    workload: str = ""
    selector: str = ""
    container: str = ""
    timeout_s: float = 30.0
    on_error: str = FAIL
    holds: bool = False

    def to_dict(self) -> dict[str, Json]:
        return {**asdict(self), "command": list(self.command)}


@dataclass(frozen=True, slots=True)
class Hooks:
    """``pre`` in the order given, before the cut; ``post`` in the order given, after it."""

    pre: tuple[Hook, ...] = ()
    post: tuple[Hook, ...] = ()

    @property
    def holding(self) -> tuple[Hook, ...]:
        return tuple(hook for hook in self.pre if hook.holds)

    def thaw_of(self, hook: Hook) -> Hook | None:
        """The post hook that lets go what this one holds: it has the same name."""
        return next((post for post in self.post if post.name == hook.name), None)

    def to_dict(self) -> dict[str, Json]:
        return {"pre": [hook.to_dict() for hook in self.pre], "post": [hook.to_dict() for hook in self.post]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any] | None) -> Hooks:
        """Checks shapes and pairs. Raises BadInput naming the hook."""
        given = fields.known(data or {}, ("pre", "post"), "hooks")
        hooks = cls(_hooks(given, "pre"), _hooks(given, "post"))
        for hook in hooks.holding:
            if hooks.thaw_of(hook) is None:
                raise BadInput(
                    f"the hook {hook.name} holds and nothing lets go",
                    where="hooks.pre",
                    next=f"add a post hook named {hook.name} that undoes it; it has to be harmless when run twice",
                )
        return hooks


def _hooks(given: Mapping[str, Any], side: str) -> tuple[Hook, ...]:
    items = given.get(side) or []
    if not isinstance(items, (list, tuple)):
        raise BadInput(f"hooks.{side} has to be a list", why=f"got {type(items).__name__}")
    hooks = tuple(_hook(item, f"hooks.{side}[{number}]") for number, item in enumerate(items))
    names = [hook.name for hook in hooks]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BadInput(f"hooks.{side} has a name twice", why=", ".join(twice))
    return hooks


def _hook(item: Any, where: str) -> Hook:
    data = fields.known(item, _KEYS, where)
    hook = Hook(
        name=fields.text(data, "name", where, required=True),
        command=fields.argv(data, "command", where, required=True),
        workload=fields.text(data, "workload", where),
        selector=fields.text(data, "selector", where),
        container=fields.text(data, "container", where),
        timeout_s=fields.number(data, "timeout_s", where, 30.0),
        on_error=fields.choice(data, "on_error", where, (FAIL, CONTINUE), FAIL),
        holds=fields.flag(data, "holds", where),
    )
    if bool(hook.workload) == bool(hook.selector):
        raise BadInput(f"{where} needs either workload or selector", next="for example workload: StatefulSet/db")
    return hook


def missing_workloads(hooks: Hooks, app: Application) -> list[str]:
    """What is wrong with the workloads that hooks name: one line each, empty when all are there."""
    there = {workload.ref for workload in app.workloads}
    return [
        f"hook {hook.name}: no workload {hook.workload}"
        for hook in (*hooks.pre, *hooks.post)
        if hook.workload and hook.workload not in there
    ]


def pods_for(hook: Hook, app: Application, selected: Mapping[str, set[str]]) -> tuple[PodView, ...]:
    """The running pods of the application that the hook runs in. ``selected``: pod names by selector."""
    running = (pod for pod in app.pods if pod.phase == "Running")
    if hook.workload:
        return tuple(pod for pod in running if pod.workload == hook.workload)
    return tuple(pod for pod in running if pod.name in selected.get(hook.selector, set()))
