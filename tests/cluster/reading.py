# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ``kubectl get -o json`` answers, without a process for each question: tests ask it thousands of times."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import quote, urlencode

from .api import Api
from .errors import ClusterError
from .instance import Instance

_DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_OPTIONS = {
    "-n": "namespace",
    "--namespace": "namespace",
    "-l": "labelSelector",
    "--selector": "labelSelector",
    "--field-selector": "fieldSelector",
}
_mine = threading.local()


@dataclass(frozen=True, slots=True)
class Resource:
    """Where a kind is served (``/api/v1``, ``/apis/group/version``), its plural, and what its objects are called."""

    prefix: str
    plural: str
    kind: str
    namespaced: bool

    def path(self, namespace: str, name: str) -> str:
        within = f"/namespaces/{quote(namespace)}" if self.namespaced and namespace else ""
        return f"{self.prefix}{within}/{self.plural}" + (f"/{quote(name)}" if name else "")


@dataclass(frozen=True, slots=True)
class Question:
    """One kind, one name or all of them, and what narrows these down."""

    word: str
    name: str
    namespace: str
    query: dict[str, str]


def question(arguments: tuple[str, ...]) -> Question | None:
    """As the arguments of ``kubectl get`` say it; None where they say more than this module knows."""
    words: list[str] = []
    given = {"namespace": "default"}
    left = list(arguments)
    while left:
        word, equals, value = left.pop(0).partition("=")
        if word == "-A":
            given["namespace"] = ""
        elif word in _OPTIONS:
            given[_OPTIONS[word]] = value if equals else left.pop(0)
        elif word.startswith("-"):
            return None
        else:
            words.append(word + equals + value)
    if not 1 <= len(words) <= 2 or any(mark in words[0] for mark in ",/"):
        return None
    namespace = given.pop("namespace")
    return Question(words[0], words[1] if len(words) == 2 else "", namespace, given)


def get(instance: Instance, asked: Question) -> Any:
    """The object, or a ``List`` of them. Raises ClusterError with what the server said, also where there is none."""
    api = _api(instance)
    resource = _known(instance.number, _generation(instance)).get(asked.word) or _served(api).get(asked.word)
    if resource is None:
        raise ClusterError(f"the server has no resource {asked.word!r}")
    path = resource.path(asked.namespace, asked.name)
    status, body = api.request("GET", path + (f"?{urlencode(asked.query)}" if asked.query else ""))
    found = json.loads(body)
    if status != 200:
        raise ClusterError(f"get {path}: {status} {found.get('message', '')}")
    if asked.name:
        return _as_shown(found)
    version = found["apiVersion"]
    items = [{"apiVersion": version, "kind": resource.kind, **_as_shown(item)} for item in found["items"]]
    return {"apiVersion": "v1", "kind": "List", "items": items, "metadata": {"resourceVersion": ""}}


def _as_shown(obj: dict[str, Any]) -> dict[str, Any]:
    """Without what kubectl leaves out unless it is asked for it."""
    obj["metadata"].pop("managedFields", None)
    return obj


def _api(instance: Instance) -> Api:
    """A connection of this thread's own, made anew where the cluster was."""
    kept = getattr(_mine, "apis", None)
    if kept is None:
        kept = _mine.apis = {}
    key = (instance.number, _generation(instance))
    if key not in kept:
        kept[key] = Api(instance)
    api: Api = kept[key]
    return api


def _generation(instance: Instance) -> int:
    """Another one for each start of the cluster, which makes its certificates anew."""
    return (instance.pki / "ca.crt").stat().st_mtime_ns


@cache
def _known(number: int, generation: int) -> dict[str, Resource]:
    """What was served when it was first asked for; what is defined later is looked up each time."""
    del generation
    return _served(_api(Instance(number)))


def _served(api: Api) -> dict[str, Resource]:
    """By plural, singular, short name, and plural with its group; the first one of a name counts, as for kubectl."""
    found: dict[str, Resource] = {}
    for root in ("/api", "/apis"):
        status, body = api.request("GET", root, accept=_DISCOVERY)
        if status != 200:
            raise ClusterError(f"get {root}: {status}")
        for group in json.loads(body)["items"]:
            for words, resource in _resources(root, group):
                for word in words:
                    found.setdefault(word, resource)
    return found


def _resources(root: str, group: dict[str, Any]) -> Any:
    name = group["metadata"].get("name", "")
    for version in group["versions"]:
        prefix = f"{root}/{name}/{version['version']}" if name else f"{root}/{version['version']}"
        for one in version.get("resources", ()):
            plural, kind = one["resource"], one["responseKind"]["kind"]
            words = [plural, one.get("singularResource") or kind.lower(), *one.get("shortNames", ())]
            words += [f"{plural}.{name}", kind.lower(), kind]
            yield words, Resource(prefix, plural, kind, one["scope"] == "Namespaced")
