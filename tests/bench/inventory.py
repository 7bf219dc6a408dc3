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
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ansible_collections.knowngood.kube.plugins.module_utils._cluster.auth import AuthOptions
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.client import connect
from tests.unit.tls import pki

from .figures import Measure, Section, Target
from .rig import ROOT, Bench, loads

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


def many(bench: Bench, count: int, rounds: int) -> Section:
    section = Section(
        f"Inventory of {count} TLS Secrets",
        f"P-256 leaves of one CA, each with tls.crt, tls.key and ca.crt, in {_NAMESPACES} namespaces; every part "
        "of the inventory is read. The task's seconds contain Ansible's own.",
    )
    with loads(section):
        namespaces = [bench.namespace("bench-tls") for _number in range(_NAMESPACES)]
        with tempfile.TemporaryDirectory(prefix="kg-bench-") as folder:
            kept = Path(folder) / "secrets.ndjson"
            with kept.open("w") as file:
                file.writelines(json.dumps(one) + "\n" for one in _secrets(count, namespaces))
            _create(bench, kept)
            alone = [_alone(kept) for _round in range(rounds)]
        bench.audit.mark()
        timed = [bench.task("certificate_info", {}) for _round in range(rounds)]
        lists = [one for one in bench.audit.requests("bench") if one.resource == "secrets"]
        for namespace in namespaces:
            bench.delete(namespace)
    found = len(timed[0].result["identities"])
    if found < count:
        raise RuntimeError(f"{found} of {count} were found")
    section.measures = [
        Measure("certificate_info", tuple(one.seconds for one in timed)),
        Measure("its peak", tuple(one.peak_mib for one in timed), "MiB"),
        Measure("reading alone, CPU", tuple(cpu for cpu, _peak in alone)),
        Measure("its peak alone", tuple(peak for _cpu, peak in alone), "MiB"),
    ]
    pages = -(-found // 500)
    section.targets = [
        Target(f"{count} TLS Secrets, cold", section.measures[0].value, most=15, unit="s"),
        Target("memory", section.measures[1].value, most=250, unit="MiB"),
        Target("requests for 500 Secrets", len(lists) / rounds / pages, most=2),
        Target("writes", len(bench.audit.writes("bench")), most=0),
    ]
    return section


def _secrets(count: int, namespaces: list[str]) -> Iterator[dict[str, Any]]:
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    ca = pki.ca("bench-ca", begin=now - pki.DAY, end=now + 900 * pki.DAY)
    for number in range(count):
        namespace = namespaces[number % len(namespaces)]
        pair = pki.leaf(ca, (f"DNS:web-{number}.{namespace}.svc",), begin=now - pki.DAY, end=now + 90 * pki.DAY)
        key = pki.key_pem(pair.key)
        yield pki.secret(f"web-{number}", pair.pem, key, namespace=namespace, more={"ca.crt": ca.pem})


def _create(bench: Bench, kept: Path) -> None:
    api = connect(AuthOptions(kubeconfig=str(bench.cluster.kubeconfig)))

    def one(line: str) -> None:
        obj = json.loads(line)
        namespace = obj["metadata"]["namespace"]
        api.create({**pki.as_manifest(obj), "metadata": {**pki.as_manifest(obj)["metadata"], "namespace": namespace}})

    with kept.open() as file, ThreadPoolExecutor(_AT_ONCE) as pool:
        for _done in pool.map(one, file):
            pass


def _alone(kept: Path) -> tuple[float, float]:
    command = [sys.executable, "-c", _ALONE, str(kept)]
    environment = {"PYTHONPATH": str(ROOT / ".ac"), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True, timeout=600)
    _count, cpu, peak = json.loads(done.stdout)
    return cpu, peak
