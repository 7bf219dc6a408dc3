# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A thousand leaves issued and written by one rotation, beside cert-manager issuing as many on the same cluster."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ansible_collections.knowngood.kube.plugins.module_utils._cluster.auth import AuthOptions
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.client import connect
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.kinds import Kind
from tests.cluster.audit import Request
from tests.unit.tls import pki

from .figures import Measure, Section, Target
from .inventory import create_all
from .rig import STATE_NAMESPACE, Bench, Timed, loads, poll

_API = "cert-manager.io/v1"
_CERTIFICATE = Kind("Certificate", "cert-manager.io", "v1", "certificates", True)
_AT_ONCE = 16


def many(bench: Bench, count: int, rounds: int) -> Section:
    section = Section(
        f"{count} P-256 leaves issued and written",
        "`certificate_rotation` with `force`, all targets in one wave, from a CA Secret: new keys staged, checked, the "
        "old pairs archived, the new ones written. Nobody uses the Secrets. Each round has a new namespace, on both "
        "sides. Its seconds are the task's, Ansible's own included. cert-manager 1.21 with its CA issuer and its own "
        f"defaults: from the first Certificate, by {_AT_ONCE} connections, until the last one is Ready.",
    )
    with loads(section):
        ca = _ca()
        empty = [bench.empty_task() for _round in range(rounds)]
        ran = [_ours(bench, ca, count) for _round in range(rounds)]
        timed, writes = [one for one, _writes in ran], [write for _one, wrote in ran for write in wrote]
        theirs = [_cert_manager(bench, ca, count) for _round in range(rounds)]
    for one in timed:
        if len(one.result["generations"]) != count:
            raise RuntimeError(f"{len(one.result['generations'])} of {count} were issued")
    journal = sum(one.resource == "configmaps" for one in writes) / rounds
    section.measures = [
        Measure("a task that does nothing (ping)", tuple(empty), note="contained in the task's figure"),
        Measure("certificate_rotation", tuple(one.seconds for one in timed)),
        Measure("its largest memory", tuple(one.peak_mib for one in timed), "MiB"),
        Measure("cert-manager 1.21", tuple(theirs)),
    ]
    ours, theirs_s = section.measures[1].value, section.measures[3].value
    section.targets = [
        Target("beside cert-manager", theirs_s / ours, least=5, unit="x faster"),
        Target("operations", max(len(one.result["operations"]) for one in timed), most=1),
    ]
    section.notes.append(
        f"Writes of a run: {len(writes) / rounds:.0f}, of these {journal:.0f} of the journal (namespace "
        f"{STATE_NAMESPACE}); {count / ours:.0f} leaves a second, cert-manager {count / theirs_s:.0f}."
    )
    return section


def _ca() -> pki.Pair:
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    return pki.ca("bench-ca", begin=now - pki.DAY, end=now + 900 * pki.DAY)


def _secrets(namespace: str, ca: pki.Pair, count: int) -> Iterator[dict[str, Any]]:
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    yield pki.secret("ca", ca.pem, pki.key_pem(ca.key), namespace=namespace)
    for number in range(count):
        pair = pki.leaf(ca, (f"DNS:web-{number}.{namespace}.svc",), begin=now - pki.DAY, end=now + 90 * pki.DAY)
        key = pki.key_pem(pair.key)
        yield pki.secret(f"web-{number}", pair.pem, key, namespace=namespace, more={"ca.crt": ca.pem})


def _rotation(namespace: str, count: int) -> dict[str, Any]:
    return {
        "targets": [{"namespace": namespace, "secret": f"web-{number}"} for number in range(count)],
        "issuer": {"ca_secret": "ca"},
        "force": True,
        "waves": ["100%"],
    }


def _ours(bench: Bench, ca: pki.Pair, count: int) -> tuple[Timed, list[Request]]:
    """One task over as many Secrets in a namespace of their own, and what it wrote."""
    namespace = bench.namespace("bench-issue")
    create_all(bench, _secrets(namespace, ca, count))
    mark = bench.audit.mark()
    timed = bench.task("certificate_rotation", _rotation(namespace, count))
    writes = bench.audit.writes("bench", mark)
    bench.delete(namespace)
    return timed, writes


def _cert_manager(bench: Bench, ca: pki.Pair, count: int) -> float:
    """Seconds until as many Certificates are Ready."""
    bench.cluster.add("certmanager")
    namespace = bench.namespace("bench-cm")
    create_all(bench, iter([pki.secret("ca", ca.pem, pki.key_pem(ca.key), namespace=namespace)]))
    issuer = {"apiVersion": _API, "kind": "Issuer", "metadata": {"name": "ca"}, "spec": {"ca": {"secretName": "ca"}}}
    bench.cluster.apply(issuer, namespace=namespace)
    bench.cluster.kubectl("wait", "-n", namespace, "issuer/ca", "--for=condition=Ready", "--timeout=120s")
    api = connect(AuthOptions(kubeconfig=str(bench.cluster.kubeconfig)))
    begin = time.monotonic()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(api.create, [_certificate(namespace, number) for number in range(count)]))
    poll(f"{count} Certificates", lambda: sum(map(_ready, api.each(_CERTIFICATE, namespace))) == count, 3600, 0.5)
    took = time.monotonic() - begin
    bench.delete(namespace)
    return took


def _certificate(namespace: str, number: int) -> dict[str, Any]:
    name = f"web-{number}"
    spec = {
        "secretName": name,
        "dnsNames": [f"{name}.{namespace}.svc"],
        "issuerRef": {"name": "ca"},
        "privateKey": {"algorithm": "ECDSA", "size": 256},
    }
    return {
        "apiVersion": _API,
        "kind": "Certificate",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


def _ready(obj: dict[str, Any]) -> bool:
    conditions = (obj.get("status") or {}).get("conditions") or []
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
