# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A CA rotated under clients and servers that judge each other with every connection, and none fails."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
from cryptography import x509

from ansible_collections.knowngood.kube.plugins.module_utils._cluster.rbac import CLUSTER_ISSUER, manifests
from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput, Conflict
from tests.cluster.audit import AuditLog
from tests.cluster.handle import Cluster
from tests.integration.ca_app import Shop
from tests.integration.ca_certmanager import KeptShop, WideShop
from tests.integration.ca_database import Database
from tests.integration.ca_webhook import KIND, Judge
from tests.integration.rotation_app import ROOT

OLD, NEW = "CN=web-ca", "CN=web-ca g2"
SomeShop = TypeVar("SomeShop", bound=Shop)


@pytest.fixture
def shop(cluster: Cluster, namespace: str) -> Shop:
    return Shop.make(cluster, namespace).deploy()


def killed_at(shop: Shop, step: str) -> None:
    """A run of its own, killed once it has begun that step."""
    command = [sys.executable, "-m", "tests.integration.ca_worker", str(shop.cluster.kubeconfig), shop.namespace]
    given = {"PYTHONPATH": f"{ROOT}:{ROOT / '.ac'}", "KNOWNGOOD_IMAGE_WORK": shop.cluster.image()}
    worker = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **given})
    journal, end = shop.engine().journal, time.monotonic() + 300
    try:
        while time.monotonic() < end and worker.poll() is None:
            mine = [op for op in journal.list() if op.plan.kind == "ca-rotation"]
            if mine and mine[0].entry(step).state != "todo":
                break
            time.sleep(0.05)
    finally:
        assert worker.poll() is None, "it ended before it could be killed"
        worker.send_signal(signal.SIGKILL)
        worker.wait()


@pytest.mark.rig
def test_none_of_the_connections_fails_though_it_is_killed_on_the_way(shop: Shop, audit: AuditLog) -> None:
    shop.wait_counts(10)
    assert shop.rotate(phase="TRUST_PROVEN")["phase"] == "TRUST_PROVEN"
    assert shop.trust() == [OLD, NEW]
    assert shop.leaf("web-ca").subject.rfc4514_string() == OLD
    killed_at(shop, f"reissue {shop.namespace}/web-tls")
    found = shop.rotate()
    counts = shop.wait_counts(20)
    assert (counts["failed"], counts["why"]) == (0, [])
    assert found["phase"] == "DONE"
    assert shop.trust() == [NEW]
    for name in ("web-tls", "client-tls"):
        assert shop.leaf(name).issuer.rfc4514_string() == NEW
    rows = {(row["phase"], row["level"], row["how"], row["ok"]) for row in found["evidence"]}
    assert ("TRUST_PROVEN", "T2", "file", True) in rows
    assert ("TRUST_PROVEN", "T3", "restart", True) in rows
    assert ("TRUST_PROVEN", "T3", "application", True) in rows
    assert ("NEGATIVE_OK", "T3", "application", True) in rows
    turned_away = [row for row in found["evidence"] if row["subject"].endswith("old CA turned away")]
    assert [(row["ok"], row["why"].split()[1]) for row in turned_away] == [(True, "400")]
    mark, user = audit.mark(), shop.api().whoami()
    again = shop.rotate()
    assert (again["changed"], again["plan"], again["operation"]) == (False, [], found["operation"])
    assert [one for one in audit.writes(user, mark) if one.namespace == shop.namespace] == []


@pytest.fixture
def webhook(cluster: Cluster, shop: Shop) -> Iterator[str]:
    """The name of a webhook configuration that trusts the CA, and that nothing matches."""
    text = cluster.get("configmap", "trust", "-n", shop.namespace)["data"]["ca.crt"]
    rule = {"apiGroups": ["none.example.com"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["none"]}
    client = {
        "service": {"name": "web", "namespace": shop.namespace},
        "caBundle": base64.b64encode(text.encode()).decode(),
    }
    one = {
        "name": "judge.example.com",
        "clientConfig": client,
        "rules": [rule],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    kind = "ValidatingWebhookConfiguration"
    meta = {"name": shop.namespace}
    cluster.apply({"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": meta, "webhooks": [one]})
    yield shop.namespace
    cluster.kubectl("delete", kind, shop.namespace)


def bundle_of(cluster: Cluster, webhook: str) -> list[str]:
    found = cluster.get("validatingwebhookconfiguration", webhook)["webhooks"][0]["clientConfig"]["caBundle"]
    return [c.subject.rfc4514_string() for c in x509.load_pem_x509_certificates(base64.b64decode(found))]


def granted(shop: Shop, name: str, namespace: str = "", what: str = "rotate_ca") -> list[dict[str, Any]]:
    """The roles that ``docs/rbac/rotate_ca.yaml`` ships, under names of this test; ``namespace``: the application's."""
    where = {"app_namespace": namespace or shop.namespace, "state_namespace": shop.namespace}
    made = deepcopy(manifests(what, **where, user=name))
    for one in made:
        one["metadata"]["name"] += f"-{name}"
        if "roleRef" in one:
            one["roleRef"]["name"] += f"-{name}"
    return made


def somebody(shop: Shop) -> str:
    return f"u-{shop.namespace}"


def by_somebody(shop: SomeShop, user: Callable[..., Any]) -> SomeShop:
    """The shop as one who has exactly the rights that are shipped sees it."""
    name = somebody(shop)
    return replace(shop, kubeconfig=str(user(name=name, manifests=granted(shop, name)).kubeconfig))


def kept_shop(cluster: Cluster, namespace: str, user: Callable[..., Any]) -> KeptShop:
    """With clients that connect."""
    shop = KeptShop.make(cluster, namespace)
    shop.deploy()
    shop.wait_counts(10)
    return by_somebody(shop, user)


@pytest.mark.rig
def test_taken_back_from_the_middle_and_a_naive_swap_for_the_control(
    shop: Shop, webhook: str, user: Callable[..., Any]
) -> None:
    shop = by_somebody(shop, user)
    before = {name: shop.leaf(name) for name in ("web-ca", "web-tls", "client-tls")}
    shown = shop.door("ca_rotation", "--check")
    assert (shown["failed"], shown["changed"], shown["phase"]) == (False, True, "")
    found = shop.rotate(phase="LEAVES_REISSUED", webhooks=True)
    assert found["phase"] == "LEAVES_REISSUED"
    assert found["plan_hash"] == shown["plan_hash"]
    assert bundle_of(shop.cluster, webhook) == [OLD, NEW]
    shop.engine().undo(found["operation"])
    assert {name: shop.leaf(name) for name in before} == before
    assert shop.trust() == [OLD]
    assert bundle_of(shop.cluster, webhook) == [OLD]
    counts = shop.wait_counts(10)
    assert (counts["failed"], counts["why"]) == (0, [])
    shop.swap_without_overlap()
    end = time.monotonic() + 120
    while shop.counts()["failed"] < 10:
        assert time.monotonic() < end, shop.counts()
        time.sleep(0.5)


@pytest.mark.rig
def test_postgresql_and_its_clients_check_each_other_whole_through_a_rotation(cluster: Cluster, namespace: str) -> None:
    database = Database.make(cluster, namespace).deploy()
    database.wait_counts(10)
    before = database.server_pods()
    found = database.rotate()
    counts = database.wait_counts(20)
    assert (counts["failed"], counts["why"]) == (0, [])
    assert counts["ok"] > 100
    assert (found["phase"], database.trust()) == ("DONE", [NEW])
    assert database.server_pods() == before
    assert [database.leaf(name).issuer.rfc4514_string() for name in ("web-tls", "client-tls")] == [NEW, NEW]
    rows = {(row["phase"], row["subject"].partition("/")[2], row["how"], row["ok"]) for row in found["evidence"]}
    assert ("TRUST_PROVEN", "Deployment/web", "reload", True) in rows
    assert ("TRUST_PROVEN", "Deployment/client", "restart", True) in rows
    answers = {row["subject"].partition(": ")[2]: row for row in found["evidence"] if row["phase"] == "NEGATIVE_OK"}
    assert answers["new CA"]["why"] == "PostgreSQL R 0"
    assert answers["old CA turned away"]["ok"] is True
    proof = [row for leaf in found["leaves"] for row in leaf["proof"] if row["path"] == "in_cluster" and row["ok"]]
    assert [row["status"].split()[:2] for row in proof] == [["PostgreSQL", "E"]]  # a stranger: by its own protocol


@pytest.fixture
def judge(cluster: Cluster, namespace: str) -> Iterator[Judge]:
    yield Judge.make(cluster, namespace).deploy()
    cluster.kubectl("delete", KIND, namespace)


def rotate_ca(shop: Shop, work: Path, given: dict[str, Any], *arguments: str) -> str:
    """What ``ansible-playbook knowngood.kube.rotate_ca`` prints to a user."""
    variables = {
        "knowngood_ca": {"ca_secret": f"{shop.namespace}/web-ca", "generation": 2, "soak": "1s", **given},
        "knowngood_probe_image": shop.cluster.image(),
        "knowngood_state_namespace": shop.namespace,
        "ansible_python_interpreter": sys.executable,
    }
    (work / "vars.json").write_text(json.dumps(variables))
    program = [sys.executable, "-m", "ansible", "playbook", "knowngood.kube.rotate_ca", "-i", "localhost,"]
    settings = {
        "K8S_AUTH_KUBECONFIG": shop.kubeconfig or str(shop.cluster.kubeconfig),
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".ac"),
        "ANSIBLE_NOCOLOR": "true",
    }
    done = subprocess.run(
        [*program, "-e", f"@{work / 'vars.json'}", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **settings},
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert "PRIVATE KEY" not in done.stdout + done.stderr
    return done.stdout


@pytest.mark.rig
def test_a_webhook_is_called_while_the_playbook_rotates_its_bundle_and_no_admission_fails(
    judge: Judge, user: Callable[..., Any], tmp_path: Path
) -> None:
    old = judge.cluster.get("configmap", "trust", "-n", judge.namespace)["data"]["ca.crt"]
    played = by_somebody(judge, user)
    with judge.called() as admissions:
        admissions.wait(10)
        told = rotate_ca(played, tmp_path, {}, "-e", "knowngood_ca_phase=TRUST_BOTH")
        assert "TRUST_BOTH" in told
        assert bundle_of(judge.cluster, judge.namespace) == [OLD, NEW]
        told = rotate_ca(played, tmp_path, {})
        admissions.wait(10)
    assert admissions.failed == []
    assert "changed=1" in told
    assert "changed=0" in rotate_ca(played, tmp_path, {})
    found = judge.rotate(webhooks=True, leaves=(), mutual=())
    assert not found["changed"]
    assert (found["phase"], bundle_of(judge.cluster, judge.namespace)) == ("DONE", [NEW])
    assert judge.leaf("web-tls").issuer.rfc4514_string() == NEW
    seen = {(row["phase"], row["level"], row["how"], row["ok"]) for row in found["evidence"] if KIND in row["subject"]}
    assert seen == {("TRUST_PROVEN", "T1", "object", True), ("OLD_DISTRUSTED", "T1", "object", True)}
    judge.cluster.apply(judge.configuration(old))  # the control: who trusts the old one alone cannot call it any more
    with judge.called() as cut_off:
        end = time.monotonic() + 60
        while not cut_off.failed:
            assert time.monotonic() < end, cut_off
            time.sleep(0.1)
    assert "certificate signed by unknown authority" in cut_off.failed[0]


@pytest.mark.rig
def test_a_ca_that_cert_manager_keeps_is_rotated_through_it_and_back(
    cluster: Cluster, namespace: str, audit: AuditLog, user: Callable[..., Any]
) -> None:
    shop = kept_shop(cluster, namespace, user)
    mark = audit.mark()
    half = shop.rotate(phase="LEAVES_REISSUED")
    assert (half["phase"], shop.signs(), shop.certificates()) == (
        "LEAVES_REISSUED",
        "ca-g2",
        ["ca", "ca-g2", "client", "web"],
    )
    assert [shop.leaf(name).issuer.rfc4514_string() for name in ("web-tls", "client-tls")] == [NEW, NEW]
    shop.engine().undo(half["operation"])
    assert (shop.trust(), shop.signs(), shop.certificates()) == ([OLD], "web-ca", ["ca", "client", "web"])
    assert [shop.leaf(name).issuer.rfc4514_string() for name in ("web-tls", "client-tls")] == [OLD, OLD]
    found = shop.rotate()
    counts = shop.wait_counts(20)
    assert (counts["failed"], counts["why"]) == (0, [])
    assert (found["phase"], shop.trust(), shop.signs()) == ("DONE", [NEW], "ca-g2")
    assert [shop.leaf(name).issuer.rfc4514_string() for name in ("web-tls", "client-tls")] == [NEW, NEW]
    assert any("cert-manager puts the new CA there" in text for text in found["unproven"])
    verbs = {one.verb for one in audit.writes(somebody(shop), mark) if one.permission[1] == "secrets"}
    assert verbs == {"delete"}  # of the generation that was taken back; none is written
    again = shop.rotate()
    assert (again["changed"], again["operation"]) == (False, found["operation"])


@pytest.fixture
def wide(cluster: Cluster, namespace: str) -> Iterator[WideShop]:
    made = WideShop(cluster, namespace)
    yield WideShop.make(cluster, namespace)
    made.remove()


@pytest.mark.rig
def test_the_ca_of_a_cluster_issuer_is_rotated_for_all_of_its_namespaces_with_few_rights(
    wide: WideShop, make_namespace: Callable[[], str], audit: AuditLog, user: Callable[..., Any]
) -> None:
    cluster, other, name = wide.cluster, make_namespace(), somebody(wide)
    wide.issue(other, "far", "far-tls", dnsNames=["far"])
    with pytest.raises(BadInput, match="namespaces that were not named") as caught:
        wide.rotate()
    assert caught.value.where == f"Certificate {other}/far"
    wide.trust_in(other)
    grants = [*granted(wide, name), *granted(wide, name, other)[:2]]
    someone = user(name=name, manifests=[*grants, *granted(wide, name, wide.home, CLUSTER_ISSUER)])
    wide, mark = replace(wide, kubeconfig=str(someone.kubeconfig)), audit.mark()
    asked: dict[str, Any] = {"namespaces": (wide.namespace, other), "destroy_old_key": True, "mutual": ()}

    half = wide.rotate(**asked, phase="LEAVES_REISSUED")
    assert (half["phase"], wide.signs()) == ("LEAVES_REISSUED", f"{wide.names[1]}-g2")
    far = replace(wide, namespace=other)
    assert [one.issuer.rfc4514_string() for one in (wide.leaf("web-tls"), far.leaf("far-tls"))] == [NEW, NEW]
    wide.engine().undo(half["operation"])
    assert (wide.trust(), far.trust(), wide.signs()) == ([OLD], [OLD], wide.names[1])
    assert [one.issuer.rfc4514_string() for one in (wide.leaf("web-tls"), far.leaf("far-tls"))] == [OLD, OLD]
    found = wide.rotate(**asked)
    assert (found["phase"], wide.trust(), far.trust(), wide.signs()) == ("DONE", [NEW], [NEW], f"{wide.names[1]}-g2")
    assert sorted(leaf["target"] for leaf in found["leaves"]) == sorted(
        [f"{other}/far-tls", f"{wide.namespace}/client-tls", f"{wide.namespace}/web-tls"]
    )
    gone = cluster.kubectl("get", "secret", wide.names[1], "-n", wide.home, "--ignore-not-found").stdout
    assert gone == ""
    again = wide.rotate(**asked)
    assert (again["changed"], again["operation"]) == (False, found["operation"])

    third = wide.rotate(**asked, generation=3, compromised=True)
    assert (third["phase"], wide.signs(), wide.trust(), far.trust()) == (
        "DONE",
        f"{wide.names[1]}-g3",
        ["CN=web-ca g3"],
        ["CN=web-ca g3"],
    )
    assert far.leaf("far-tls").issuer.rfc4514_string() == "CN=web-ca g3"
    assert [text for text in third["unproven"] if "not allowed" in text] == [
        f"copies of the key in {kind}s of namespace cert-manager: not allowed to look"
        for kind in ("ConfigMap", "Secret")
    ]
    verbs = {one.verb for one in audit.writes(name, mark) if one.permission[1] == "secrets"}
    assert verbs == {"delete"}


@pytest.mark.rig
def test_a_compromised_ca_is_given_up_by_the_playbook_and_its_cost_said_first(shop: Shop, tmp_path: Path) -> None:
    shop.wait_counts(10)
    mutual = [{"service": "web", "client_secret": "client-tls", "server_name": "web"}]
    given = {"compromised": True, "mutual_tls": mutual, "leaves": [{"secret": "client-tls", "role": "client"}]}
    told = rotate_ca(shop, tmp_path, given, "-e", "knowngood_ca_phase=NEW_CA")
    assert "no way back" in told
    assert (shop.trust(), shop.counts()["failed"]) == ([OLD], 0)
    told = rotate_ca(shop, tmp_path, given)
    assert "changed=1" in told
    assert shop.trust() == [NEW]
    assert [shop.leaf(name).issuer.rfc4514_string() for name in ("web-ca", "web-tls", "client-tls")] == [NEW] * 3
    down = shop.counts()
    after = shop.wait_counts(20)
    assert down["failed"] > 0  # what was said: there is no overlap
    assert after["failed"] == down["failed"]
    found = shop.rotate(compromised=True)
    assert (found["changed"], found["phase"]) == (False, "DONE")
    assert 0 < found["downtime_s"] < 300
    answers = {row["subject"].partition(": ")[2]: row for row in found["evidence"] if row["phase"] == "NEGATIVE_OK"}
    assert (answers["new CA"]["ok"], answers["old CA turned away"]["ok"]) == (True, True)
    labels = "knowngood.io/role=denied"
    assert len(shop.cluster.get("configmaps", "-n", shop.namespace, "-l", labels)["items"]) == 1
    names = [one["metadata"]["name"] for one in shop.cluster.get("secrets", "-n", shop.namespace)["items"]]
    assert sorted(names) == ["client-tls", "web-ca", "web-tls"]
    with pytest.raises(Conflict, match="compromised and was given up"):
        shop.engine().undo(found["operation"])


@pytest.mark.rig
def test_a_compromised_ca_that_cert_manager_keeps_is_given_up_through_it(
    cluster: Cluster, namespace: str, audit: AuditLog, user: Callable[..., Any]
) -> None:
    shop = kept_shop(cluster, namespace, user)
    mark = audit.mark()
    prepared = shop.rotate(compromised=True, phase="NEW_CA")
    assert "from the first leaf that cert-manager renews" in prepared["cost"][0]
    assert (shop.trust(), shop.signs(), shop.counts()["failed"]) == ([OLD], "web-ca", 0)
    found = shop.rotate(compromised=True)
    down = shop.counts()
    after = shop.wait_counts(20)
    assert after["failed"] == down["failed"]
    assert (found["phase"], shop.trust(), shop.signs()) == ("DONE", [NEW], "ca-g2")
    assert shop.certificates() == ["ca-g2", "client", "web"]
    assert [shop.leaf(name).issuer.rfc4514_string() for name in ("web-tls", "client-tls")] == [NEW, NEW]
    assert found["restarted"] == [f"{namespace}/Deployment/client", f"{namespace}/Deployment/web"]
    answers = {row["subject"].partition(": ")[2]: row for row in found["evidence"] if row["phase"] == "NEGATIVE_OK"}
    assert (answers["new CA"]["ok"], answers["old CA turned away"]["ok"]) == (True, True)
    assert 0 < found["downtime_s"] < 300
    assert found["copies"] == []
    verbs = {one.verb for one in audit.writes(somebody(shop), mark) if one.permission[1] == "secrets"}
    assert verbs == {"delete"}
    with pytest.raises(Conflict, match="compromised and was given up"):
        shop.engine().undo(found["operation"])
    again = shop.rotate(compromised=True)
    assert (again["changed"], again["operation"]) == (False, found["operation"])
