# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Velero's hook annotations on pods, read as hooks of ours. Pure.

``pre.hook.backup.velero.io/command``, ``/container``, ``/on-error``, ``/timeout``, the same with ``post.``, and the old
names without ``pre.`` (Velero's documentation, "Backup Hooks"). A pre hook that has a counterpart may freeze something,
so it is thawed as safely as if it were declared to. Only ``fsfreeze`` shows by itself that it holds.

PRIVATE to this collection.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from .._core.errors import BadInput
from .hooks import CONTINUE, FAIL, Hook

_SUFFIX = "hook.backup.velero.io"
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_SPAN = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s)")


def annotated(pods: Sequence[Mapping[str, Any]]) -> tuple[tuple[Hook, ...], tuple[Hook, ...]]:
    """The pre and the post hooks of these pods, by pod name. Raises BadInput naming the pod and the annotation."""
    sides = ("pre", "post")
    found = {side: {name: hook for name, hook in (_hook(pod, side) for pod in pods) if hook} for side in sides}
    pre = tuple(_paired(hook, name in found["post"]) for name, hook in sorted(found["pre"].items()))
    return pre, tuple(hook for name, hook in sorted(found["post"].items()))


def _paired(hook: Hook, paired: bool) -> Hook:
    if not paired:
        return hook
    return _with(hook, holds=True, counts=_freezes(hook.command))


def _with(hook: Hook, *, holds: bool, counts: bool) -> Hook:
    return Hook(
        name=hook.name,
        command=hook.command,
        container=hook.container,
        timeout_s=hook.timeout_s,
        on_error=hook.on_error,
        pod=hook.pod,
        holds=holds,
        counts=counts,
    )


def _freezes(command: Sequence[str]) -> bool:
    words = " ".join(command).split()
    return "fsfreeze" in words[0].rpartition("/")[2] and bool({"-f", "--freeze"} & set(words))


def _hook(pod: Mapping[str, Any], side: str) -> tuple[str, Hook | None]:
    name = str(pod["metadata"]["name"])
    given = pod["metadata"].get("annotations") or {}
    prefixes = [f"{side}.{_SUFFIX}/", *([f"{_SUFFIX}/"] if side == "pre" else [])]
    prefix = next((one for one in prefixes if given.get(one + "command")), "")
    if not prefix:
        return name, None
    where = f"the annotation {prefix}command of pod {name}"
    return name, Hook(
        name=f"velero {name}",
        command=_command(str(given[prefix + "command"]), where),
        container=str(given.get(prefix + "container") or ""),
        timeout_s=_seconds(str(given.get(prefix + "timeout") or "30s"), f"{prefix}timeout of pod {name}"),
        on_error=CONTINUE if given.get(prefix + "on-error") == "Continue" else FAIL,
        pod=name,
    )


def _command(text: str, where: str) -> tuple[str, ...]:
    """A JSON list of words, else the whole text as one word, as Velero reads it."""
    if not text.startswith("["):
        return (text,)
    try:
        words = json.loads(text)
    except ValueError as error:
        raise BadInput(f"{where} is not a list in JSON", why=str(error)) from error
    if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words):
        raise BadInput(f"{where} is not a list of words")
    return tuple(words)


def _seconds(text: str, where: str) -> float:
    """A duration as Go writes it: ``30s``, ``1m30s``."""
    if not re.fullmatch(f"(?:{_SPAN.pattern})+", text):
        raise BadInput(f"{where} is not a duration", why=f"got {text!r}", next="for example 30s")
    return sum(float(number) * _UNITS[unit] for number, unit in _SPAN.findall(text))
