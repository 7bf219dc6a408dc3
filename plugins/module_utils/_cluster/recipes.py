# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pause recipes: how a user says what makes an operator let go of a workload. Checked here; pure.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._core.errors import BadInput
from .._core.expressions import Expression
from .kinds import KINDS

WAIT_S = 300
_KEYS = ("api_version", "kind", "name", "namespace", "patch", "annotations", "workloads", "wait_for", "timeout")
_OURS = "knowngood.io/"


@dataclass(frozen=True, slots=True)
class Recipe:
    """One object and the merge patch that pauses what it stands for.

    ``workloads``: ``Kind/name`` of those it is for, none means all that are stopped. ``wait_for``: a JMESPath
    expression over the object that is true once the pause has come about, empty for no wait.
    """

    api_version: str
    kind: str
    name: str
    namespace: str = ""
    patch: Mapping[str, Any] = field(default_factory=dict)
    workloads: tuple[str, ...] = ()
    wait_for: str = ""
    timeout_s: int = WAIT_S


def parse(given: Sequence[Any]) -> tuple[Recipe, ...]:
    """The option ``pause``. Raises BadInput naming the entry and the key."""
    recipes = tuple(_recipe(item, f"pause[{number}]") for number, item in enumerate(given))
    seen: dict[tuple[str, ...], int] = {}
    for number, recipe in enumerate(recipes):
        key = (recipe.api_version, recipe.kind, recipe.namespace, recipe.name)
        if key in seen:
            raise BadInput(f"pause[{seen[key]}] and pause[{number}] are about the same object", next="make them one")
        seen[key] = number
    return recipes


def _recipe(given: Any, where: str) -> Recipe:
    if not isinstance(given, Mapping):
        raise BadInput("a pause recipe is not a dictionary", where=where, why=f"got {type(given).__name__}")
    unknown = sorted(str(key) for key in set(given) - set(_KEYS))
    if unknown:
        raise BadInput("a pause recipe has keys that nothing reads", where=where, why=", ".join(unknown))
    kind, name = _text(given, "kind", where), _text(given, "name", where)
    if not kind or not name:
        raise BadInput("a pause recipe needs kind and name", where=where)
    if kind == "Secret":
        raise BadInput("a pause recipe cannot change a Secret", where=where, why="values found before are kept")
    return Recipe(
        api_version=_api_version(given, kind, where),
        kind=kind,
        name=name,
        namespace=_text(given, "namespace", where),
        patch=_patch(given, where),
        workloads=_workloads(given, where),
        wait_for=_wait_for(given, where),
        timeout_s=_timeout(given, where),
    )


def _text(given: Mapping[str, Any], key: str, where: str) -> str:
    value = given.get(key) or ""
    if not isinstance(value, str):
        raise BadInput(f"{key} of a pause recipe is not text", where=where, why=f"got {value!r}")
    return value


def _api_version(given: Mapping[str, Any], kind: str, where: str) -> str:
    version = _text(given, "api_version", where)
    if version:
        return version
    if kind not in KINDS:
        raise BadInput(f"a pause recipe for a {kind} needs api_version", where=where, next="kubectl api-resources")
    return KINDS[kind].api_version


def _patch(given: Mapping[str, Any], where: str) -> dict[str, Any]:
    patch, annotations = given.get("patch") or {}, given.get("annotations") or {}
    if not isinstance(patch, Mapping) or not isinstance(annotations, Mapping):
        raise BadInput("patch and annotations of a pause recipe are dictionaries", where=where)
    meta = patch.get("metadata") or {}
    if not isinstance(meta, Mapping):
        raise BadInput("patch.metadata of a pause recipe is a dictionary", where=where)
    wrong = sorted({*(set(patch) - {"metadata", "spec"}), *(f"metadata.{k}" for k in set(meta) - _META)})
    if wrong:
        why = f"it has {', '.join(wrong)}"
        raise BadInput("a pause recipe patches spec, annotations and labels only", where=where, why=why)
    values = {str(key): None if value is None else str(value) for key, value in annotations.items()}
    values = {**(meta.get("annotations") or {}), **values}
    if any(str(key).startswith(_OURS) for key in values):
        raise BadInput(f"a pause recipe cannot set annotations of {_OURS}", where=where)
    whole: dict[str, Any] = {key: value for key, value in patch.items() if value}
    if values:
        whole["metadata"] = {**meta, "annotations": values}
    if not whole:
        raise BadInput("a pause recipe needs patch or annotations", where=where)
    return whole


_META = frozenset({"annotations", "labels"})


def _workloads(given: Mapping[str, Any], where: str) -> tuple[str, ...]:
    refs = given.get("workloads") or ()
    if isinstance(refs, str) or not all(isinstance(ref, str) and ref.count("/") == 1 for ref in refs):
        raise BadInput("workloads of a pause recipe is a list of Kind/name", where=where, why=f"got {refs!r}")
    return tuple(refs)


def _wait_for(given: Mapping[str, Any], where: str) -> str:
    text = _text(given, "wait_for", where)
    return Expression.of(text, "wait_for of a pause recipe", where).text if text else ""


def _timeout(given: Mapping[str, Any], where: str) -> int:
    value = given.get("timeout", WAIT_S)
    try:
        seconds = int(str(value))
    except ValueError:
        seconds = 0
    if seconds <= 0:
        raise BadInput("timeout of a pause recipe is not a number of seconds", where=where, why=f"got {value!r}")
    return seconds
