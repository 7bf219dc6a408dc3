# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The inventory of many TLS Secrets: the door on the API server, and the reading alone on the same Secrets."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from ansible_collections.knowngood.kube.plugins.module_utils._cluster.auth import AuthOptions
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.client import connect
from tests.unit.tls import pki

from .figures import Measure, Section, Target
from .rig import CORE, ROOT, Bench, collections, loads, play

_NAMESPACES = 20
_AT_ONCE = 8
# Reads the Secrets of a file, one a line, as the cluster would give them; prints seconds of CPU and the peak in MiB.
_ALONE = """
import datetime, json, resource, sys, time
from ansible_collections.knowngood.kube.plugins.module_utils._tls.inventory import Question, answer
class Listed:
    def each(self, kind, namespace=None, **more):
        if kind == "Secret":
            with open(sys.argv[1]) as lines:
                yield from map(json.loads, lines)
    def find(self, *given):
        return None
begun = time.process_time()
found = answer(Listed(), Question(), datetime.datetime.now(datetime.UTC))
cpu = time.process_time() - begun
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps([len(found["identities"]), cpu, peak]))
"""


def many(bench: Bench, count: int, rounds: int, sample: int) -> Section:
    section = Section(
        f"Inventory of {count} TLS Secrets",
        f"P-256 leaves of one CA, each with tls.crt, tls.key and ca.crt, in {_NAMESPACES} namespaces; every part "
        "of the inventory is read. Rows go into a file and those with findings come back, unless it is said that all "
        "do. Warm: with a `cache` of the run before. The task's seconds contain Ansible's own.",
    )
    with loads(section), tempfile.TemporaryDirectory(prefix="kg-bench-") as folder:
        namespaces = [bench.namespace("bench-tls") for _number in range(_NAMESPACES)]
        kept = Path(folder) / "secrets.ndjson"
        with kept.open("w") as file:
            file.writelines(json.dumps(one) + "\n" for one in _secrets(count, namespaces))
        _create(bench, kept)
        alone = [_alone(kept) for _round in range(rounds)]
        options = {"dest": f"{folder}/rows.ndjson", "return_rows": "findings"}
        cached = {**options, "cache": f"{folder}/cache"}
        cold = _asked(bench, options, rounds)
        whole = _asked(bench, {}, rounds)
        _asked(bench, cached, 1)
        warm = _asked(bench, cached, rounds)
        empty = [bench.empty_task() for _round in range(rounds)]
        peer = _peer(bench, section, namespaces[0], sample)
        for namespace in namespaces:
            bench.delete(namespace)
    if min(one.found for one in (cold, whole, warm)) < count:
        raise RuntimeError(f"not all of the {count} were found")
    section.measures[:0] = [
        Measure("a task that does nothing (ping)", tuple(empty), note="contained in every task's figure"),
        Measure("cold", cold.seconds),
        Measure("warm", warm.seconds),
        Measure("cold, all rows into a variable", whole.seconds),
        Measure("largest memory, cold", cold.peaks, "MiB"),
        Measure("largest memory, warm", warm.peaks, "MiB"),
        Measure("reading alone, CPU", tuple(cpu for cpu, _peak in alone)),
        Measure("its peak alone", tuple(peak for _cpu, peak in alone), "MiB"),
    ]
    section.targets = _targets(count, cold, warm, whole, peer)
    return section


def _targets(count: int, cold: Asked, warm: Asked, whole: Asked, peer: float | None) -> list[Target]:
    pages = -(-count // 500)
    ratio = None if peer is None else peer * count / median(cold.seconds)
    return [
        Target(f"{count} TLS Secrets, cold", median(cold.seconds), most=15, unit="s"),
        Target(f"{count} TLS Secrets, warm", median(warm.seconds), most=3, unit="s"),
        Target("cold, all rows into a variable", median(whole.seconds), most=15, unit="s"),
        Target("memory", max(*cold.peaks, *warm.peaks, *whole.peaks), most=250, unit="MiB"),
        Target("requests of an idle second run for 500 Secrets, all kinds", warm.requests / pages, most=2),
        Target("writes", cold.writes + warm.writes + whole.writes, most=0),
        Target("beside a loop of x509_certificate_info, for all Secrets", ratio, least=50, unit="x faster"),
    ]


@dataclass(frozen=True, slots=True)
class Asked:
    """Some runs of the door: seconds and MiB of each; of the last, its requests; writes of all; rows of identities."""

    seconds: tuple[float, ...]
    peaks: tuple[float, ...]
    requests: int
    writes: int
    found: int


def _asked(bench: Bench, options: dict[str, Any], rounds: int) -> Asked:
    timed, writes = [], 0
    for _round in range(rounds):
        bench.audit.mark()
        timed.append(bench.task("certificate_info", options))
        writes += len(bench.audit.writes("bench"))
    return Asked(
        tuple(one.seconds for one in timed),
        tuple(one.peak_mib for one in timed),
        len(bench.audit.requests("bench")),
        writes,
        min(one.result["totals"]["identities"] for one in timed),
    )


def _peer(bench: Bench, section: Section, namespace: str, sample: int) -> float | None:
    """Seconds a Secret of a task that lists them and one that loops over them; None: not measured."""
    python = CORE / "bin" / "python"
    if not sample or not python.exists():
        section.notes.append("The loop of community.crypto was not measured.")
        return None
    listing = {
        "kubernetes.core.k8s_info": {
            "kubeconfig": str(bench.kubeconfig),
            "kind": "Secret",
            "namespace": namespace,
            "field_selectors": ["type=kubernetes.io/tls"],
        },
        "register": "secrets",
    }
    reading = {
        "community.crypto.x509_certificate_info": {"content": "{{ item.data['tls.crt'] | b64decode }}"},
        "loop": f"{{{{ secrets.resources[:{sample}] }}}}",
        "loop_control": {"label": "{{ item.metadata.name }}"},
        "register": "answer",
    }
    seconds, answer = play([listing, reading], python, paths=str(collections()))
    if len(answer["results"]) != sample:
        raise RuntimeError(f"the peers read {len(answer['results'])} of {sample}")
    name = f"kubernetes.core.k8s_info, then a loop of community.crypto.x509_certificate_info over {sample}"
    section.measures.append(Measure(name, (seconds,), note=f"{seconds / sample:.2f} s a Secret"))
    return seconds / sample


def _secrets(count: int, namespaces: list[str]) -> Iterator[dict[str, Any]]:
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    ca = pki.ca("bench-ca", begin=now - pki.DAY, end=now + 900 * pki.DAY)
    for number in range(count):
        namespace = namespaces[number % len(namespaces)]
        pair = pki.leaf(ca, (f"DNS:web-{number}.{namespace}.svc",), begin=now - pki.DAY, end=now + 90 * pki.DAY)
        key = pki.key_pem(pair.key)
        yield pki.secret(f"web-{number}", pair.pem, key, namespace=namespace, more={"ca.crt": ca.pem})


def _create(bench: Bench, kept: Path) -> None:
    with kept.open() as file:
        create_all(bench, map(json.loads, file))


def create_all(bench: Bench, secrets: Iterable[dict[str, Any]]) -> None:
    """Puts Secrets, as :func:`pki.secret` gives them, into the cluster."""
    api = connect(AuthOptions(kubeconfig=str(bench.cluster.kubeconfig)))

    def one(obj: dict[str, Any]) -> None:
        made = pki.as_manifest(obj)
        api.create({**made, "metadata": {**made["metadata"], "namespace": obj["metadata"]["namespace"]}})

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for _done in pool.map(one, secrets):
            pass


def _alone(kept: Path) -> tuple[float, float]:
    command = [sys.executable, "-c", _ALONE, str(kept)]
    environment = {"PYTHONPATH": str(ROOT / ".ac"), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True, timeout=600)
    _count, cpu, peak = json.loads(done.stdout)
    return cpu, peak
