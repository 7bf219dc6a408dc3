# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The fault-injecting proxy before the real API server, as kubectl and the Python client meet it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, config, watch
from kubernetes.client.rest import ApiException

from tests.cluster import strikes
from tests.cluster.audit import AuditLog
from tests.cluster.faultproxy import FaultProxy
from tests.cluster.handle import Cluster
from tests.cluster.objects import pod
from tests.cluster.strikes import Rule, Script, Seeded, Strike

pytestmark = pytest.mark.rig

EVERYTHING = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]


def kubectl(cluster: Cluster, kubeconfig: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(cluster.own.bin / "kubectl"), f"--kubeconfig={kubeconfig}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def core(kubeconfig: Path) -> client.CoreV1Api:
    settings = client.Configuration()
    config.load_kube_config(str(kubeconfig), client_configuration=settings)
    settings.retries = False
    return client.CoreV1Api(client.ApiClient(settings))


def test_requests_streams_and_watches_pass_as_the_user(
    cluster: Cluster, namespace: str, user: Callable[..., Any], audit: AuditLog
) -> None:
    person = user(rules={namespace: EVERYTHING})
    cluster.apply(pod("web", cluster.image(), "sleep 1000"), namespace=namespace)
    cluster.wait_ready(namespace, "pod/web")
    audit.mark()
    with FaultProxy(cluster, person.kubeconfig) as proxy:
        said = kubectl(cluster, proxy.kubeconfig, "exec", "-n", namespace, "web", "--", "echo", "through")
        assert said.stdout == "through\n", said.stderr
        api = core(proxy.kubeconfig)
        api.create_namespaced_config_map(namespace, {"metadata": {"name": "a"}})
        listed = watch.Watch().stream(api.list_namespaced_config_map, namespace, timeout_seconds=20)
        assert "a" in (event["object"].metadata.name for event in listed)
        with pytest.raises(ApiException) as refused:
            api.list_namespace()
        assert refused.value.status == 403
        assert any(entry.request.upgrade and entry.status == 101 for entry in proxy.log), proxy.told(bool)
        assert proxy.strikes == []
    assert "configmaps" in {one.resource for one in audit.writes(person.name)}
    assert not proxy.kubeconfig.exists()


def test_a_create_that_is_cut_after_it_was_done_was_done(cluster: Cluster, namespace: str) -> None:
    def creates(request: strikes.Request) -> bool:
        return request.method == "POST" and request.resource == "configmaps"

    script = Script(
        Rule(creates, Strike(strikes.CUT_BEFORE)), Rule(creates, Strike(strikes.CUT_AFTER), first=2, last=2)
    )
    with FaultProxy(cluster, schedule=script) as proxy:
        api = core(proxy.kubeconfig)
        for name in ("before", "after"):
            with pytest.raises(Exception, match=r"(?i)connection|remote end|protocol"):
                api.create_namespaced_config_map(namespace, {"metadata": {"name": name}})
        names = {one.metadata.name for one in api.list_namespaced_config_map(namespace).items}
    assert "after" in names
    assert "before" not in names
    assert [(entry.strike.kind, entry.reached) for entry in proxy.strikes if entry.strike] == [
        ("cut_before", False),
        ("cut_after", True),
    ]


def test_a_seeded_storm_is_survived_by_a_client_that_tries_again(cluster: Cluster, namespace: str) -> None:
    storm = Seeded(7, rate=0.5, seconds=0.2, kinds=(strikes.UNAVAILABLE, strikes.CUT_BEFORE, strikes.SLOW))
    with FaultProxy(cluster, schedule=storm) as proxy:
        api = core(proxy.kubeconfig)
        made = 0
        for _attempt in range(200):
            try:
                api.create_namespaced_config_map(namespace, {"metadata": {"name": f"n{made}"}})
            except Exception:
                continue
            made += 1
            if made == 20:
                break
        assert len(proxy.strikes) >= 5, proxy.told(bool)
    names = {one["metadata"]["name"] for one in cluster.get("configmaps", "-n", namespace)["items"]}
    assert {f"n{number}" for number in range(20)} <= names
