# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Many Secrets on a real cluster: what an idle run asks for, and one operation for all that nobody uses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._core.ports import FINISHED, UNDONE
from ansible_collections.knowngood.kube.plugins.module_utils._tls import many
from tests.cluster.audit import AuditLog
from tests.cluster.handle import Cluster
from tests.integration.rotation_app import RULES, Web
from tests.unit.tls import pki

COUNT = many.LEAST + 2
NAMES = [f"spare-{number}" for number in range(COUNT)]


@pytest.fixture
def web(cluster: Cluster, namespace: str) -> Web:
    """The CA and its Secrets; nothing runs."""
    made = Web.make(cluster, namespace)
    begin, end = made.leaf.cert.not_valid_before_utc, made.leaf.cert.not_valid_after_utc
    pairs = [pki.leaf(made.ca, (f"DNS:{name}.{namespace}.svc",), begin=begin, end=end) for name in NAMES]
    secrets = [
        pki.secret(name, pair.pem, pki.key_pem(pair.key), more={"ca.crt": made.ca.pem})
        for name, pair in zip(NAMES, pairs, strict=True)
    ]
    cluster.apply(*map(pki.as_manifest, secrets), namespace=namespace)
    return made


def data_of(web: Web) -> dict[str, Any]:
    return {name: web.secret(name)["data"] for name in NAMES}


@pytest.mark.rig
def test_an_idle_run_lists_metadata_once_and_writes_nothing(web: Web, audit: AuditLog, tmp_path: Path) -> None:
    user = web.api().whoami()
    dest = tmp_path / "rows.ndjson"
    options = {"namespaces": [web.namespace], "cache": str(tmp_path / "cache"), "dest": str(dest)}
    first, _printed = web.door("certificate_info", options)
    assert first["cache"]["state"] == "new"
    mark = audit.mark()
    again, _printed = web.door("certificate_info", {**options, "return_rows": "none"})
    # The cluster's own controllers work as the same user in other namespaces.
    asked = [one for one in audit.requests(user, mark) if one.namespace == web.namespace]
    assert [one for one in audit.writes(user, mark) if one.namespace == web.namespace] == []
    assert len([one for one in asked if one.resource == "secrets"]) == 1
    assert (again["cache"]["state"], again["cache"]["read"], again["identities"]) == ("used", 0, [])
    rows = [json.loads(line) for line in dest.read_text().splitlines()]
    assert {row["secret"] for row in rows if row["part"] == "identities"} == {"web-tls", "web-ca", *NAMES}
    assert again["totals"] == first["totals"]
    web.cluster.kubectl("label", "secret", NAMES[0], "-n", web.namespace, "touched=yes")
    changed, _printed = web.door("certificate_info", options)
    assert changed["cache"]["read"] == 1
    assert [row["fingerprint"] for row in changed["identities"]] == [row["fingerprint"] for row in first["identities"]]


def test_what_nobody_uses_is_rotated_in_one_operation_and_back(web: Web, user: Callable[..., Any]) -> None:
    before = data_of(web)
    kubeconfig = user(rules={web.namespace: RULES}).kubeconfig
    targets = [{"secret": name, "namespace": web.namespace} for name in NAMES]
    options = web.options(targets=targets, waves=["100%"])
    found, printed = web.door("certificate_rotation", options, kubeconfig=kubeconfig)
    assert not found["failed"], printed
    assert len(found["operations"]) == 1
    after = data_of(web)
    assert all(after[name]["tls.key"] != before[name]["tls.key"] for name in NAMES)
    assert web.copies() == sorted(row["archive"] for row in found["generations"])
    again, _printed = web.door("certificate_rotation", options, kubeconfig=kubeconfig)
    assert again["changed"] is False
    assert data_of(web) == after
    engine = web.engine()
    assert [operation.state for operation in engine.journal.list()] == [FINISHED]
    undone = engine.undo(found["operation"]).operation
    assert undone is not None
    assert undone.state == UNDONE
    assert (data_of(web), web.copies()) == (before, [])
