# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ledger on a real API server: immutable objects, appenders that race, tampering, and what it costs in rights."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._cluster.auth import AuthOptions
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.client import Cluster as Api
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.client import connect
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.deletes import delete_as_read
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.ledger import LedgerStore
from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import NotFound, Rejected
from ansible_collections.knowngood.kube.plugins.module_utils._core.statements import LedgerBroken
from tests.cluster.audit import AuditLog
from tests.cluster.handle import Cluster

TARGET = "shop/shop"


@pytest.fixture
def api(cluster: Cluster) -> Api:
    return connect(AuthOptions(kubeconfig=str(cluster.kubeconfig)))


@pytest.fixture
def store(api: Api, namespace: str) -> LedgerStore:
    return LedgerStore(api, namespace)


def test_statements_are_read_back_in_order_and_appended_once(api: Api, store: LedgerStore, namespace: str) -> None:
    made = [store.append(TARGET, "held", f"p{number}", {"n": number}, key=str(number)) for number in range(3)]
    assert store.read(TARGET) == tuple(made)
    assert store.append(TARGET, "held", "p0", {}, key="0") == made[0]
    assert made[0].by == api.whoami()
    names = {item["metadata"]["name"] for item in api.list("ConfigMap", namespace, selector="knowngood.io/ledger")}
    assert names == {"shop.shop-000001", "shop.shop-000002", "shop.shop-000003"}


def test_the_api_server_refuses_to_change_a_statement(api: Api, store: LedgerStore, namespace: str) -> None:
    store.append(TARGET, "held", "p1", {})
    there = api.get("ConfigMap", "shop.shop-000001", namespace)
    there["data"]["statement.json"] = "{}"
    with pytest.raises(Rejected, match="immutable"):
        api.update(there)


def test_a_statement_that_was_made_anew_with_another_content_is_named(
    api: Api, store: LedgerStore, namespace: str
) -> None:
    for number in range(3):
        store.append(TARGET, "judged", f"p{number}", {"verdict": "suspect"})
    there = api.get("ConfigMap", "shop.shop-000002", namespace)
    delete_as_read(api, "ConfigMap", there)
    with pytest.raises(LedgerBroken, match="statement 2 is missing"):
        store.read(TARGET)
    text = there["data"]["statement.json"].replace("suspect", "clean")
    meta = {key: there["metadata"][key] for key in ("name", "namespace", "labels")}
    api.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"statement.json": text}})
    with pytest.raises(LedgerBroken, match=r"statement 2 \(judged p1\).*it was altered"):
        store.read(TARGET)


def test_appenders_that_race_lose_nothing(cluster: Cluster, namespace: str) -> None:
    def write(writer: int) -> None:
        own = LedgerStore(connect(AuthOptions(kubeconfig=str(cluster.kubeconfig))), namespace)
        for number in range(8):
            own.append(TARGET, "held", f"p{number}", {"writer": writer}, by=f"w{writer}", key=f"{writer}-{number}")

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    chain = LedgerStore(connect(AuthOptions(kubeconfig=str(cluster.kubeconfig))), namespace).read(TARGET)
    assert len(chain) == 32
    assert {statement.key for statement in chain} == {f"{w}-{n}" for w in range(4) for n in range(8)}


def test_a_state_namespace_that_is_missing_is_named(api: Api) -> None:
    with pytest.raises(NotFound, match="state namespace 'not-there' does not exist"):
        LedgerStore(api, "not-there").append(TARGET, "held", "p1", {})


@pytest.mark.rig
def test_appending_takes_list_and_create_of_configmaps_and_no_more(
    namespace: str, user: Callable[..., Any], audit: AuditLog
) -> None:
    rules = {namespace: [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list", "create"]}]}
    one = user(rules=rules)
    store = LedgerStore(connect(AuthOptions(kubeconfig=str(one.kubeconfig))), namespace)
    audit.mark()
    store.append(TARGET, "held", "p1", {})
    assert store.read(TARGET)[0].by == one.name
    asked = audit.permissions(one.name) - {("authentication.k8s.io", "selfsubjectreviews", "create")}
    assert asked == {("", "configmaps", "list"), ("", "configmaps", "create")}
