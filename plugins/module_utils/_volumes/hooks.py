# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hooks around a capture, as they are declared: what is done in the pods before the first cut and after the last.

A hook *holds* when it stops the writers until its counterpart lets them go (a lock, a frozen filesystem). Of a command
only the user can know that, so it is declared (``holds``), and only a hook that was held through all cuts counts. A
CHECKPOINT holds nothing: it shortens recovery and leaves the volume crash-consistent.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from .._core.application import Application, PodView
from .._core.errors import BadInput
from .._core.plan import Json
from . import fields
from . import hook_profiles as profiles

FAIL, CONTINUE = "fail", "continue"
EXEC, SESSION, FSFREEZE, PROFILE = "exec", "session", "fsfreeze", "profile"
_COMMON = ("name", "kind", "workload", "selector", "container", "timeout_s", "on_error", "order")
_KEYS = {
    EXEC: (*_COMMON, "command", "holds"),
    SESSION: (*_COMMON, "command", "ready", "release"),
    FSFREEZE: (*_COMMON, "path", "claim", "claims"),
    PROFILE: (*_COMMON, "profile", "options"),
}


@dataclass(frozen=True, slots=True)
class Hook:
    """What is done in every running pod of ``workload`` (``Kind/name``), or in those that ``selector`` matches.

    ``on_error``: ``fail`` ends the capture before anything is cut, ``continue`` goes on and the point's consistency
    says so. After the cut an error never stops the other hooks. ``order``: pods (by name) that come first, in that
    order; the others follow together, of a profile the replicas before the primaries. ``pod``: the one pod that it is
    for, where it was found there (an annotation). ``counts``: whether being held by it makes a volume ``application``.
    ``claims``: several filesystems that are frozen, and thawed, side by side.
    """

    name: str
    command: tuple[str, ...] = ()
    workload: str = ""
    selector: str = ""
    container: str = ""
    timeout_s: float = 30.0
    on_error: str = FAIL
    holds: bool = False
    kind: str = EXEC
    ready: str = ""
    release: str = ""
    path: str = ""
    claim: str = ""
    claims: tuple[str, ...] = ()
    profile: str = ""
    options: Mapping[str, Json] = field(default_factory=dict)
    order: tuple[str, ...] = ()
    pod: str = ""
    counts: bool = True

    @property
    def holding(self) -> bool:
        return self.holds or self.kind != EXEC

    def to_dict(self) -> dict[str, Json]:
        """The keys that its kind has, as :meth:`Hooks.from_dict` reads them."""
        keys = [key for key in _KEYS[self.kind] if key not in ("workload", "selector") or getattr(self, key)]
        found = {key: value for key, value in asdict(self).items() if key in keys}
        return {key: list(value) if isinstance(value, tuple) else value for key, value in found.items()}


@dataclass(frozen=True, slots=True)
class Hooks:
    """``pre`` in the order given, before the cut; ``post`` in the order given, after what was held is let go.

    ``budget_s``: the longest time that writers are held, 0 for as long as the cut may take. ``velero_hooks``: run what
    Velero's hook annotations on the pods say, too.
    """

    pre: tuple[Hook, ...] = ()
    post: tuple[Hook, ...] = ()
    budget_s: float = 0.0
    velero_hooks: bool = False

    @property
    def holding(self) -> tuple[Hook, ...]:
        return tuple(hook for hook in self.pre if hook.holding)

    @property
    def names(self) -> list[str]:
        return [hook.name for hook in (*self.pre, *self.post)]

    def thaw_of(self, hook: Hook) -> Hook | None:
        """The post hook that lets go what this one holds: it has the same name."""
        return next((post for post in self.post if post.name == hook.name), None)

    def to_dict(self) -> dict[str, Json]:
        return {
            "pre": [hook.to_dict() for hook in self.pre],
            "post": [hook.to_dict() for hook in self.post],
            **({"budget_s": self.budget_s} if self.budget_s else {}),
            **({"velero_hooks": True} if self.velero_hooks else {}),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any] | None) -> Hooks:
        """Checks shapes and pairs. Raises BadInput naming the hook."""
        given = fields.known(data or {}, ("pre", "post", "budget_s", "velero_hooks"), "hooks")
        hooks = cls(
            _hooks(given, "pre"),
            _hooks(given, "post"),
            fields.number(given, "budget_s", "hooks", 1.0) if "budget_s" in given else 0.0,
            fields.flag(given, "velero_hooks", "hooks"),
        )
        for hook in hooks.holding:
            _paired(hook, hooks.thaw_of(hook))
        return hooks


def _paired(hook: Hook, thaw: Hook | None) -> None:
    if hook.kind != EXEC:
        if thaw is not None:
            why = f"a {hook.kind} hook lets go by itself"
            raise BadInput(f"hooks.post has a hook of the name {hook.name}", why=why, next="give it another name")
        return
    if thaw is None:
        raise BadInput(
            f"the hook {hook.name} holds and nothing lets go",
            where="hooks.pre",
            next=f"add a post hook named {hook.name} that undoes it; it has to be harmless when run twice",
        )
    if (thaw.workload, thaw.selector) != (hook.workload, hook.selector):
        raise BadInput(
            f"the hook {hook.name} holds in other pods than its counterpart lets go",
            where="hooks.post",
            why=f"{hook.workload or hook.selector} and {thaw.workload or thaw.selector}",
        )


def _hooks(given: Mapping[str, Any], side: str) -> tuple[Hook, ...]:
    items = given.get(side) or []
    if not isinstance(items, (list, tuple)):
        raise BadInput(f"hooks.{side} has to be a list", why=f"got {type(items).__name__}")
    hooks = tuple(_hook(item, f"hooks.{side}[{number}]", side) for number, item in enumerate(items))
    names = [hook.name for hook in hooks]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BadInput(f"hooks.{side} has a name twice", why=", ".join(twice))
    return hooks


def _hook(item: Any, where: str, side: str) -> Hook:
    if not isinstance(item, Mapping):
        raise BadInput(f"{where} is not a dictionary", why=f"got {type(item).__name__}")
    given = fields.choice(item, "kind", where, tuple(_KEYS), PROFILE if "profile" in item else EXEC)
    if side == "post" and given != EXEC:
        raise BadInput(f"{where} is of the kind {given}", why="after the cut there is nothing left to hold")
    data = fields.known(item, _KEYS[given], where)
    profile = _profile(data, where) if given == PROFILE else ""
    hook = Hook(
        name=fields.text(data, "name", where, required=not profile) or profile,
        command=fields.argv(data, "command", where, required=given in (EXEC, SESSION)),
        workload=fields.text(data, "workload", where),
        selector=fields.text(data, "selector", where),
        container=fields.text(data, "container", where),
        timeout_s=fields.number(data, "timeout_s", where, 30.0),
        on_error=fields.choice(data, "on_error", where, (FAIL, CONTINUE), FAIL),
        holds=fields.flag(data, "holds", where),
        kind=given,
        ready=fields.text(data, "ready", where, required=given == SESSION),
        release=fields.text(data, "release", where),
        path=fields.text(data, "path", where),
        claim=fields.text(data, "claim", where),
        profile=profile,
        options=profiles.options_of(profile, data.get("options") or {}, where) if profile else {},
        order=_names(data, "order", where, "pod names"),
        claims=_names(data, "claims", where, "names of claims"),
    )
    if bool(hook.workload) == bool(hook.selector):
        raise BadInput(f"{where} needs either workload or selector", next="for example workload: StatefulSet/db")
    if given == FSFREEZE and [bool(hook.path), bool(hook.claim), bool(hook.claims)].count(True) != 1:
        raise BadInput(f"{where} needs either path or claim or claims", why="what is to be frozen?")
    return hook


def _profile(data: Mapping[str, Any], where: str) -> str:
    name = fields.choice(data, "profile", where, profiles.NAMES, "")
    return profiles.NAMES[name]


def _names(data: Mapping[str, Any], key: str, where: str, what: str) -> tuple[str, ...]:
    value = data.get(key)
    if value is None:
        return ()
    if not isinstance(value, (list, tuple)) or not all(isinstance(name, str) for name in value):
        raise BadInput(f"{where}.{key} has to be a list of {what}", why=f"got {value!r}")
    return tuple(value)


def missing_workloads(hooks: Hooks, app: Application) -> list[str]:
    """What is wrong with the workloads and claims that hooks name: one line each, empty when all are there."""
    there = {workload.ref for workload in app.workloads}
    claims = {volume.claim for volume in app.volumes}
    wrong = [
        f"hook {hook.name}: no workload {hook.workload}"
        for hook in (*hooks.pre, *hooks.post)
        if hook.workload and hook.workload not in there
    ]
    return wrong + [
        f"hook {hook.name}: no claim {claim}"
        for hook in hooks.pre
        for claim in (hook.claim, *hook.claims)
        if claim and claim not in claims
    ]


def pods_for(hook: Hook, app: Application, selected: Mapping[str, set[str]]) -> tuple[PodView, ...]:
    """The running pods of the application that the hook runs in. ``selected``: pod names by selector."""
    running = (pod for pod in app.pods if pod.phase == "Running")
    if hook.pod:
        return tuple(pod for pod in running if pod.name == hook.pod)
    if hook.workload:
        return tuple(pod for pod in running if pod.workload == hook.workload)
    return tuple(pod for pod in running if pod.name in selected.get(hook.selector, set()))
