# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What hundreds of ports of pods really serve, asked of each by the inventory."""

from __future__ import annotations

import datetime as dt
from typing import Any

from tests.unit.tls import pki

from .figures import Measure, Section, Target
from .rig import Bench, loads

_PODS = 20
_FIRST_PORT = 9000
# Positional: the first port and how many. One loop serves all of them with the mounted pair.
_SERVER = """
import asyncio, ssl, sys
first, count = map(int, sys.argv[1:])
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/etc/tls/tls.crt", "/etc/tls/tls.key")
async def answer(reader, writer):
    writer.close()
async def main():
    for port in range(first, first + count):
        await asyncio.start_server(answer, "0.0.0.0", port, ssl=context, backlog=50)
    await asyncio.Event().wait()
asyncio.run(main())
"""


def many(bench: Bench, pairs: int, rounds: int) -> Section:
    each = pairs // _PODS
    section = Section(
        f"{pairs} ports of pods asked what they serve",
        f"`certificate_info` with `probe: true` in a namespace of {_PODS} pods with {each} TLS ports each (Python, one "
        "process a pod), asked through forwarded ports. The task's seconds contain Ansible's own.",
    )
    with loads(section):
        namespace = bench.namespace("bench-probe")
        _deploy(bench, namespace, each)
        options = {"namespaces": [namespace], "probe": True, "include": ["secrets"]}
        empty = [bench.empty_task() for _round in range(rounds)]
        plain = [bench.task("certificate_info", {**options, "probe": False}) for _round in range(rounds)]
        timed = [bench.task("certificate_info", options) for _round in range(rounds)]
        bench.delete(namespace)
    seen = [row for row in timed[-1].result["served"] if row["state"] == "in_step"]
    if len(seen) != _PODS * each:
        raise RuntimeError(f"{len(seen)} of {_PODS * each} ports were seen to serve what is stored")
    section.measures = [
        Measure("a task that does nothing (ping)", tuple(empty), note="contained in every task's figure"),
        Measure("without probe", tuple(one.seconds for one in plain)),
        Measure("with probe", tuple(one.seconds for one in timed)),
    ]
    section.targets = [Target(f"{len(seen)} pairs of pod and port", section.measures[2].value, most=10, unit="s")]
    return section


def _deploy(bench: Bench, namespace: str, ports: int) -> None:
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    ca = pki.ca("bench-ca", begin=now - pki.DAY, end=now + 900 * pki.DAY)
    pair = pki.leaf(ca, ("DNS:web",), begin=now - pki.DAY, end=now + 90 * pki.DAY)
    secret = pki.secret("web-tls", pair.pem, pki.key_pem(pair.key), namespace=namespace, more={"ca.crt": ca.pem})
    bench.cluster.apply(pki.as_manifest(secret), _deployment(bench.image, ports), namespace=namespace)
    bench.cluster.wait_ready(namespace, "deployment/web")


def _deployment(image: str, ports: int) -> dict[str, Any]:
    numbers = range(_FIRST_PORT, _FIRST_PORT + ports)
    container = {
        "name": "server",
        "image": image,
        "command": ["python3", "-c", _SERVER, str(_FIRST_PORT), str(ports)],
        "ports": [{"name": f"tls-{number}", "containerPort": number} for number in numbers],
        "volumeMounts": [{"name": "tls", "mountPath": "/etc/tls"}],
        "readinessProbe": {"tcpSocket": {"port": numbers[-1]}, "periodSeconds": 1},
    }
    spec = {"containers": [container], "volumes": [{"name": "tls", "secret": {"secretName": "web-tls"}}]}
    labels = {"app": "web"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "replicas": _PODS,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {**spec, "terminationGracePeriodSeconds": 1}},
        },
    }
