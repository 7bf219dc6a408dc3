# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a hook runs: one container of one pod, and what a command there came to.

What a command in a pod prints may hold Secret data, and what is said here goes to the ledger for ever: exit codes and
times leave, output does not.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .._cluster.kinds import named
from .._cluster.streams import ExecResult, PodSession, open_session, run_in_pod
from .._core.errors import KnownGoodError, TimedOut
from .._core.plan import Json
from . import hook_scripts as scripts
from .tools import Tools

_LOOK_S = 15.0
_KILLED_S = 3.0
"""How much later than the limit in the container an answer may come."""
_KILLED, _NOT_THERE = (124, 137), (126, 127)


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


@dataclass(frozen=True, slots=True)
class Place:
    """A container. ``spec`` is that of its pod; ``limits``: it has ``timeout``, so that a command can be killed."""

    tools: Tools
    namespace: str
    pod: str
    container: str
    spec: Mapping[str, Any]
    limits: bool = False

    @property
    def where(self) -> str:
        return f"{named('Pod', self.pod, self.namespace)} container {self.container}"

    def ask(self, command: Sequence[str], timeout_s: float = _LOOK_S) -> ExecResult:
        """Runs a command that only looks."""
        return run_in_pod(
            self.tools.cluster, self.namespace, self.pod, command, container=self.container, timeout_s=timeout_s
        )

    def attempt(self, command: Sequence[str], timeout_s: float) -> tuple[int | None, str]:
        """Exit code and what is wrong (empty: nothing). A command that takes too long is killed where that can be."""
        limited = scripts.limited(timeout_s, command) if self.limits else command
        began = self.tools.clock.monotonic()
        try:
            rc: int | None = self.ask(limited, self.answer_s(timeout_s)).rc
        except TimedOut:
            rc = None
        except KnownGoodError as error:
            return None, str(error)
        return self.told(rc, timeout_s, began)

    def answer_s(self, timeout_s: float) -> float:
        """How long to wait for the end of a command that may take ``timeout_s``."""
        return timeout_s + (_KILLED_S if self.limits else 0.0)

    def told(self, rc: int | None, timeout_s: float, began: float) -> tuple[int | None, str]:
        """The exit code of a limited command that was started at ``began``, and what is wrong with it."""
        if rc is None:
            still = "and may still run" if self.limits else "and may still run: the container has no timeout to kill it"
            return None, f"it did not end within {timeout_s:g} s {still}"
        if self.limits and rc in _KILLED and self.tools.clock.monotonic() - began >= timeout_s:
            return rc, f"it did not end within {timeout_s:g} s and was killed"
        if rc in _NOT_THERE:
            return (
                rc,
                f"exit code {rc}: the command, or one that it calls, is not there: nothing that it printed is repeated",
            )
        return rc, f"exit code {rc}: nothing that it printed is repeated" if rc else ""

    def open(self, command: Sequence[str]) -> PodSession:
        return open_session(self.tools.cluster, self.namespace, self.pod, command, container=self.container)

    def claim_at(self, path: str) -> str:
        """The claim that a path in the container lies on, empty where it is none."""
        mount = self._mount(path)
        return self._claims().get(str(mount["name"]), "") if mount else ""

    def path_in_claim(self, path: str) -> str:
        """The same path as it is in the volume itself, without a slash at the start."""
        mount = self._mount(path) or {"mountPath": "/"}
        inner = path[len(str(mount["mountPath"]).rstrip("/")) :]
        return f"{mount.get('subPath') or ''}/{inner}".strip("/").replace("//", "/")

    def path_of(self, claim: str) -> str:
        """Where the container has the claim mounted, empty where it has not."""
        volumes = [name for name, found in self._claims().items() if found == claim]
        return next((str(m["mountPath"]) for m in self._mounts() if m["name"] in volumes), "")

    def _mount(self, path: str) -> Mapping[str, Any] | None:
        """The mount with the longest path that the given one is under."""
        above = [m for m in self._mounts() if f"{path}/".startswith(str(m["mountPath"]).rstrip("/") + "/")]
        return max(above, key=lambda m: len(str(m["mountPath"])), default=None)

    def _mounts(self) -> Sequence[Mapping[str, Any]]:
        everything = [*(self.spec.get("initContainers") or []), *self.spec["containers"]]
        ours = [one for one in everything if one["name"] == self.container]
        return [mount for one in ours for mount in one.get("volumeMounts") or []]

    def _claims(self) -> dict[str, str]:
        return claims_of(self.spec, self.pod)


def claims_of(spec: Mapping[str, Any], pod: str) -> dict[str, str]:
    """The claim behind each volume of a pod, by the volume's name."""
    found: dict[str, str] = {}
    for volume in spec.get("volumes") or []:
        if "persistentVolumeClaim" in volume:
            found[str(volume["name"])] = str(volume["persistentVolumeClaim"]["claimName"])
        elif "ephemeral" in volume:
            found[str(volume["name"])] = f"{pod}-{volume['name']}"
    return found
