# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Probes that prove a restored volume: a command (or a query) in a pod, and what is expected of its answer. Pure.

PRIVATE to this collection.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from .._core.application import Application
from .._core.errors import BadInput
from .._core.plan import Json
from . import fields

STAGED, LIVE, BOTH = "staged", "live", "both"
_KEYS = (
    "name",
    "kind",
    "on",
    "workload",
    "container",
    "command",
    "query",
    "user",
    "database",
    "host",
    "port",
    "path",
    "scheme",
    "claim",
    "image",
    "mount_path",
    "start",
    "env",
    "timeout_s",
    "expect",
)
_EXPECT = ("rc", "stdout_contains", "stdout_equals", "stdout_regex", "status")
_OK = 200


@dataclass(frozen=True, slots=True)
class Expect:
    """What makes an answer good. Texts that are None are not looked at."""

    rc: int = 0
    stdout_contains: str | None = None
    stdout_equals: str | None = None
    stdout_regex: str | None = None

    def problem(self, rc: int, stdout: str) -> str:
        """Why the answer is not good; empty when it is. The answer itself is not repeated: it may hold anything."""
        if rc != self.rc:
            return f"exit code {rc}, expected {self.rc}"
        if self.stdout_contains is not None and self.stdout_contains not in stdout:
            return f"the output does not contain {self.stdout_contains!r}"
        if self.stdout_equals is not None and stdout.strip() != self.stdout_equals.strip():
            return f"the output is not {self.stdout_equals!r}"
        if self.stdout_regex is not None and not re.search(self.stdout_regex, stdout):
            return f"the output does not match {self.stdout_regex!r}"
        return ""


@dataclass(frozen=True, slots=True)
class Probe:
    """One check.

    It runs ``command`` in a container of ``workload``. On the staged volume that is a pod of its own, made from the
    workload's template with the restored claims replaced by throwaway copies; ``image``, ``start`` (what the container
    runs meanwhile) and ``env`` replace the template's. Without a workload the pod is made from ``image`` with the copy
    of ``claim`` at ``mount_path``. With ``http`` (``port``, ``path``, ``scheme``, ``host``) no command is run, but the
    page asked for; its status is expected as ``rc`` and its body as the output. It is tried until it is good or
    ``timeout_s`` are over: servers need time to start.
    """

    name: str
    command: tuple[str, ...]
    on: str = BOTH
    workload: str = ""
    container: str = ""
    claim: str = ""
    image: str = ""
    mount_path: str = ""
    start: tuple[str, ...] = ()
    env: tuple[Mapping[str, Json], ...] = ()
    timeout_s: float = 60.0
    expect: Expect = field(default_factory=Expect)
    http: Mapping[str, Json] | None = None

    def to_dict(self) -> dict[str, Json]:
        return {
            **asdict(self),
            "command": list(self.command),
            "start": list(self.start),
            "env": [dict(item) for item in self.env],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Probe:
        """Reads what :meth:`to_dict` wrote."""
        lists = {key: tuple(data[key]) for key in ("command", "start", "env")}
        return cls(**{**data, **lists, "expect": Expect(**data["expect"])})

    def runs_on(self, side: str) -> bool:
        return self.on in (side, BOTH)


def parse(items: Any) -> tuple[Probe, ...]:
    """Probes as users write them. Raises BadInput naming the one that is wrong."""
    if not isinstance(items, (list, tuple)):
        raise BadInput("verify has to be a list of probes", why=f"got {type(items).__name__}")
    probes = tuple(_probe(item, f"verify[{number}]") for number, item in enumerate(items))
    names = [probe.name for probe in probes]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BadInput("verify has a name twice", why=", ".join(twice))
    return probes


def _probe(item: Any, where: str) -> Probe:
    data = fields.known(item, _KEYS, where)
    page = _page(data, where)
    probe = Probe(
        name=fields.text(data, "name", where, required=True),
        command=() if page else _command(data, where),
        on=fields.choice(data, "on", where, (STAGED, LIVE, BOTH), BOTH),
        workload=fields.text(data, "workload", where),
        container=fields.text(data, "container", where),
        claim=fields.text(data, "claim", where),
        image=fields.text(data, "image", where),
        mount_path=fields.text(data, "mount_path", where),
        start=fields.argv(data, "start", where),
        env=_env(data.get("env") or [], where),
        timeout_s=fields.number(data, "timeout_s", where, 60.0),
        expect=_expect(data.get("expect") or {}, f"{where}.expect", page=page is not None),
        http=page,
    )
    if not probe.workload and probe.on != STAGED:
        raise BadInput(f"{where} needs a workload", why="it runs on the live application", next="or set on: staged")
    if not probe.workload and not (probe.image and probe.claim and probe.mount_path):
        raise BadInput(f"{where} needs a workload, or image, claim and mount_path")
    return probe


def _page(data: Mapping[str, Any], where: str) -> dict[str, Json] | None:
    """What an ``http`` probe asks for; None for another kind."""
    if data.get("kind") != "http":
        return None
    port = data.get("port", 80)
    if isinstance(port, bool) or not str(port).isdigit() or not 0 < int(port) < 65536:
        raise BadInput(f"{where}.port is not a port", why=f"got {port!r}", next="1 to 65535")
    path = fields.text(data, "path", where) or "/"
    if not path.startswith("/"):
        raise BadInput(f"{where}.path has to begin with /", why=f"got {path!r}")
    scheme = fields.choice(data, "scheme", where, ("http", "https"), "http")
    return {"port": int(port), "path": path, "scheme": scheme, "host": fields.text(data, "host", where)}


def _command(data: Mapping[str, Any], where: str) -> tuple[str, ...]:
    kind = fields.choice(data, "kind", where, ("exec", "sql", "http"), "exec")
    if kind == "exec":
        return fields.argv(data, "command", where, required=True)
    query = fields.text(data, "query", where, required=True)
    user = fields.text(data, "user", where) or "postgres"
    database = fields.text(data, "database", where) or user
    host = fields.text(data, "host", where)
    reach = ("-h", host) if host else ()
    return ("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", *reach, "-U", user, "-d", database, "-c", query)


def _env(items: Any, where: str) -> tuple[Mapping[str, Json], ...]:
    if not isinstance(items, (list, tuple)) or not all(isinstance(i, Mapping) and i.get("name") for i in items):
        why = "it has to be a list of variables as a pod has them"
        raise BadInput(f"{where}.env cannot be read", why=why, next="[{name: A, value: b}]; secrets by valueFrom only")
    return tuple(dict(item) for item in items)


def _expect(item: Any, where: str, *, page: bool) -> Expect:
    data = fields.known(item, _EXPECT, where)
    key, other = ("status", "rc") if page else ("rc", "status")
    if other in data:
        raise BadInput(f"{where}.{other} is not read for this kind of probe", next=f"give {key}")
    rc = data.get(key, _OK if page else 0)
    if isinstance(rc, bool) or not isinstance(rc, int):
        raise BadInput(f"{where}.{key} has to be a whole number", why=f"got {rc!r}")
    texts = {key: None if data.get(key) is None else str(data[key]) for key in _EXPECT[1:4]}
    try:
        re.compile(texts["stdout_regex"] or "")
    except re.error as error:
        raise BadInput(f"{where}.stdout_regex is not a regular expression", why=str(error)) from error
    return Expect(rc, **texts)


def sorted_out(
    probes: Sequence[Probe], app: Application, claims: Sequence[str], asleep: Sequence[str], *, live: bool
) -> tuple[list[Probe], list[Probe], list[dict[str, Json]]]:
    """Which probes run on the staged volumes, which on the live application, and which cannot run and why.

    ``claims``: those restored; ``asleep``: workloads that will not run afterwards (at zero, or held by a quarantine);
    ``live``: is there a live side at all? Raises BadInput for workloads and claims that do not exist.
    """
    staged, running, left_out = [], [], []
    for probe in probes:
        mounts = {mount.claim for mount in app.workload(probe.workload).mounts} if probe.workload else {probe.claim}
        if probe.runs_on(STAGED):
            if mounts & set(claims):
                staged.append(probe)
            else:
                left_out.append(_left_out(probe, STAGED, "it reaches none of the restored claims"))
        if probe.runs_on(LIVE):
            if not live:
                left_out.append(_left_out(probe, LIVE, "the live application is not touched"))
            elif probe.workload in asleep:
                left_out.append(_left_out(probe, LIVE, f"{probe.workload} does not run"))
            else:
                running.append(probe)
    return staged, running, left_out


def _left_out(probe: Probe, side: str, why: str) -> dict[str, Json]:
    return {"probe": probe.name, "on": side, "state": "skipped", "reason": why}
