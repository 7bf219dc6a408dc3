# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bad input at the doors: one clear message, failed, nothing changed.

All cases are tasks of one play by a user who may do anything: what was not written was not tried.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

from tests.cluster import objects, users
from tests.cluster.audit import AuditLog, Request
from tests.cluster.handle import Cluster
from tests.integration.api_without import api_without
from tests.integration.doors import Call, Played, play
from tests.unit.tls import pki

STRANGER = "stranger.csi.knowngood.test"
SNAPSHOTS = "snapshot.storage.k8s.io"
DEEP = 100_000
MISSING_POINT = "shop-20200101-000000-beef"


@dataclass(frozen=True, slots=True)
class World:
    """The application ``shop`` in its namespace, ways to reach the cluster that do not work, and reports."""

    cluster: Cluster
    namespace: str
    state: str
    user: str
    kubeconfig: Path
    without_snapshots: Path
    expired: str
    work: Path

    def app(self, *workloads: str, **more: Any) -> dict[str, Any]:
        named = {"workloads": [f"Deployment/{name}" for name in workloads]} if workloads else {}
        return {"name": "shop", "namespace": self.namespace, **named, **more}

    def rotation(self, secret: str, ca: str, **more: Any) -> dict[str, Any]:
        targets = [{"secret": secret, "namespace": self.namespace}]
        return {"targets": targets, "issuer": {"ca_secret": ca}, "incident": "INC-1", **more}

    def report(self, name: str) -> dict[str, Any]:
        return {"path": [str(self.work / "reports" / name)], "dest": str(self.work / "findings.ndjson")}


@dataclass(frozen=True, slots=True)
class Case:
    """What is given to which door, the error code, and words that the message must have."""

    what: str
    door: str
    options: Callable[[World], dict[str, Any]]
    code: str
    says: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.door}: {self.what}"


def door_options(door: str, w: World) -> dict[str, Any]:
    """Options that the door would do its work with."""
    common = {"app": w.app("web"), "state_namespace": w.state}
    given: dict[str, dict[str, Any]] = {
        "ca_rotation": {"ca_secret": f"{w.namespace}/web-ca", "generation": 2, "state_namespace": w.state},
        "app_info": {"app": w.app("web")},
        "certificate_info": {"namespaces": [w.namespace]},
        "certificate_rotation": {**w.rotation("web-tls", "web-ca"), "state_namespace": w.state},
        "known_good": common,
        "operation": {"state_namespace": w.state},
        "preflight": common,
        "quarantine": {**common, "workloads": ["Deployment/web"], "method": "scale_down"},
        "recovery_point": common,
        "recovery_point_info": common,
        "recovery_point_mark": {**common, "state": "held", "all": True},
        "restore": {**common, "recovery_point": "latest"},
    }
    return given[door]


READERS = ("app_info", "certificate_info", "known_good", "operation", "preflight", "recovery_point_info")
CHANGERS = ("recovery_point", "recovery_point_mark", "restore", "quarantine", "certificate_rotation", "ca_rotation")


def at(door: str, what: str, code: str, *says: str, **more: Callable[[World], Any]) -> Case:
    """The door with options it would work with, some of them replaced."""

    def options(w: World) -> dict[str, Any]:
        return {**door_options(door, w), **{name: value(w) for name, value in more.items()}}

    return Case(what, door, options, code, says)


CASES = [
    # -- the way to the cluster -------------------------------------------------------------------------------------
    *(
        at(
            door,
            "no kubeconfig",
            "bad_input",
            "no kubeconfig",
            "nowhere/kubeconfig",
            "does not exist",
            "K8S_AUTH_KUBECONFIG",
            kubeconfig=lambda w: str(w.work / "nowhere" / "kubeconfig"),
        )
        for door in ("recovery_point", "certificate_rotation", "preflight")
    ),
    *(
        at(
            door,
            "unreachable server",
            "unreachable",
            "https://127.0.0.1:9 cannot be reached",
            "refused",
            "kubectl cluster-info",
            host=lambda w: "https://127.0.0.1:9",
        )
        for door in ("restore", "quarantine", "preflight")
    ),
    *(
        at(
            door,
            "expired token",
            "denied",
            "does not accept these credentials",
            "https://",
            "Unauthorized",
            "renew the token",
            kubeconfig=lambda w: kubeconfig_with_token(w.kubeconfig, w.expired),
        )
        for door in (*CHANGERS, *READERS)
    ),
    at(
        "recovery_point",
        "context that the kubeconfig does not have",
        "bad_input",
        "the kubeconfig cannot be used",
        "no-such-context",
        "kubectl config get-contexts",
        context=lambda w: "no-such-context",
    ),
    # -- what the cluster lacks -------------------------------------------------------------------------------------
    *(
        at(
            door,
            "no snapshot CRDs",
            "bad_input",
            "the cluster cannot make volume snapshots",
            "http://127.0.0.1",
            f"it does not serve VolumeSnapshot, VolumeSnapshotContent of {SNAPSHOTS}",
            "install the CRDs",
            kubeconfig=lambda w: str(w.without_snapshots),
        )
        for door in ("recovery_point", "restore")
    ),
    at(
        "recovery_point",
        "no snapshot class of the driver",
        "bad_input",
        "cannot be captured",
        "strange",
        f"there is no VolumeSnapshotClass of {STRANGER}",
        "local (local.csi.knowngood.test)",
        app=lambda w: w.app("strange"),
    ),
    at(
        "recovery_point",
        "snapshot class of another driver",
        "bad_input",
        "cannot be captured",
        "VolumeSnapshotClass local is of local.csi.knowngood.test, the volume of other.csi.knowngood.test",
        app=lambda w: w.app("other"),
        snapshot_class=lambda w: "local",
    ),
    at(
        "recovery_point",
        "snapshot class that does not exist",
        "bad_input",
        "there is no VolumeSnapshotClass gold",
        "local, local-retain",
        snapshot_class=lambda w: "gold",
    ),
    at(
        "recovery_point",
        "no default among the snapshot classes",
        "bad_input",
        "none of the VolumeSnapshotClasses",
        "is the default",
        app=lambda w: w.app("undefaulted"),
    ),
    at(
        "recovery_point",
        "claim not CSI",
        "bad_input",
        "cannot be captured as a whole",
        "claim plain is not on a CSI volume",
        "name the claims to capture",
        app=lambda w: w.app("web", "plain"),
    ),
    at(
        "recovery_point",
        "claim that does not exist",
        "bad_input",
        "no claim gone",
        "the namespace has: other, plain",
        app=lambda w: w.app("web", claims=["gone"]),
    ),
    at(
        "recovery_point",
        "namespace that does not exist",
        "not_found",
        "no-such-namespace",
        app=lambda w: {"name": "shop", "namespace": "no-such-namespace"},
    ),
    *(
        at(
            door,
            "state namespace that does not exist",
            "not_found",
            "no-such-state",
            "kubectl create namespace no-such-state",
            state_namespace=lambda w: "no-such-state",
        )
        for door in ("recovery_point", "quarantine", "certificate_rotation")
    ),
    at(
        "app_info",
        "workload that does not exist",
        "bad_input",
        "no workload Deployment/gone",
        "the namespace has: Deployment/other",
        app=lambda w: w.app("gone"),
    ),
    # -- what the catalogue lacks -----------------------------------------------------------------------------------
    at(
        "restore",
        "unknown recovery point",
        "bad_input",
        f"no recovery point {MISSING_POINT}",
        "the newest there are: shop-",
        "recovery_point_info",
        recovery_point=lambda w: MISSING_POINT,
    ),
    at(
        "restore",
        "no recovery point at all",
        "bad_input",
        "there is no recovery point to restore",
        "/new",
        "capture one",
        app=lambda w: {**w.app("web"), "name": "new"},
    ),
    at(
        "recovery_point_mark",
        "unknown recovery point",
        "bad_input",
        f"no recovery point {MISSING_POINT}",
        "the ledger has: shop-",
        "recovery_point_info",
        all=lambda w: False,
        ids=lambda w: [MISSING_POINT],
    ),
    at(
        "operation",
        "unknown operation",
        "not_found",
        "no operation restore-shop-0000000000",
        "state=listed",
        state=lambda w: "undone",
        id=lambda w: "restore-shop-0000000000",
    ),
    at(
        "quarantine",
        "workload that does not exist",
        "bad_input",
        "Deployment/gone",
        "Deployment/web",
        workloads=lambda w: ["Deployment/gone"],
    ),
    # -- certificates -----------------------------------------------------------------------------------------------
    *(
        Case(what, "certificate_rotation", lambda w, s=secret, c=ca: w.rotation(s, c, state_namespace=w.state), *rest)
        for what, secret, ca, *rest in (
            (
                "CA Secret without key",
                "web-tls",
                "keyless-ca",
                "bad_input",
                ("the CA Secret holds no private key", "keyless-ca", "it has tls.crt; tls.key", "issuer.ca_secret"),
            ),
            (
                "CA Secret with an empty key",
                "web-tls",
                "empty-ca",
                "bad_input",
                ("the CA Secret holds no private key", "empty-ca", "it is empty", "issuer.ca_secret"),
            ),
            (
                "certificate not signed by the CA",
                "web-tls",
                "foreign-ca",
                "bad_input",
                ("the certificate is not signed by this CA", "web-tls", "foreign-ca", "CN=web-ca", "name the CA that"),
            ),
            (
                "CA Secret that does not exist",
                "web-tls",
                "gone-ca",
                "not_found",
                ("no CA Secret", "gone-ca", "issuer.ca_secret"),
            ),
            ("Secret that does not exist", "gone-tls", "web-ca", "not_found", ("no Secret", "gone-tls", "targets")),
            ("Secret with something else", "broken-tls", "web-ca", "bad_input", ("broken-tls", "tls.crt")),
            (
                "key of another certificate in the CA Secret",
                "web-tls",
                "mixed-ca",
                "bad_input",
                ("the CA's key does not belong to its certificate", "mixed-ca"),
            ),
        )
    ),
    *(
        at("ca_rotation", what, code, *says, ca_secret=lambda w, n=name: f"{w.namespace}/{n}")
        for what, name, code, *says in (
            ("CA Secret that does not exist", "gone-ca", "not_found", "no CA Secret", "gone-ca", "check ca_secret"),
            ("CA Secret without key", "keyless-ca", "bad_input", "there is no PEM private key", "keyless-ca"),
            ("key of another certificate", "mixed-ca", "bad_input", "does not belong to", "mixed-ca"),
            ("leaf in place of a CA", "web-tls", "bad_input", "the CA cannot sign", "web-tls"),
            ("CA that nobody trusts", "foreign-ca", "bad_input", "nobody is seen to trust this CA", "no ConfigMap"),
        )
    ),
    at(
        "ca_rotation",
        "CA without its namespace",
        "bad_input",
        "ca_secret is not a name",
        "got 'web-ca'",
        "namespace/name",
        ca_secret=lambda w: "web-ca",
    ),
    at(
        "ca_rotation",
        "compromised CA without a generation",
        "bad_input",
        "generation that is named",
        "set generation",
        compromised=lambda w: True,
        generation=lambda w: None,
    ),
    Case(
        "Issuer that does not exist",
        "ca_rotation",
        lambda w: {"ca_issuer": f"{w.namespace}/gone-issuer", "generation": 2, "state_namespace": w.state},
        "not_found",
        ("no Issuer", "gone-issuer", "check ca_issuer"),
    ),
    Case(
        "ClusterIssuer without the namespaces it signs for",
        "ca_rotation",
        lambda w: {"ca_cluster_issuer": "company", "generation": 2},
        "bad_input",
        ("whom the ClusterIssuer signs for", "name the namespaces"),
    ),
    at(
        "ca_rotation",
        "who is told to reload and how is not said",
        "bad_input",
        "reload.signal is no signal",
        "a name such as HUP",
        reloads=lambda w: [{"workload": "Deployment/web", "signal": "please"}],
    ),
    # -- reports ----------------------------------------------------------------------------------------------------
    *(
        Case(what, "sast_report", lambda w, n=name: w.report(n), "bad_input", (name, *says))
        for what, name, says in (
            ("report missing", "gone.sarif", ("there is no such report", "check the path")),
            ("report truncated", "truncated.sarif", ("the report is cut off", "character", "produce the report again")),
            ("report of no format", "other.json", ("no report of a format that we know", "names results, errors")),
            ("text that is no report", "text.sarif", ("no report of a format that we know", "name the format")),
            ("report empty", "empty.sarif", ("the report is empty",)),
            ("nesting 10^5 deep in a result", "deep.sarif", ("nested too deeply", "character")),
            ("nesting 10^5 deep from the start", "abyss.sarif", ("nested too deeply", "character 5)")),
            ("directory without reports", "nothing", ("there are no reports in the directory", "name the files")),
        )
    ),
    Case(
        "findings store missing",
        "known_good",
        lambda w: {**door_options("known_good", w), "findings": [str(w.work / "gone.ndjson")]},
        "bad_input",
        ("a store of findings cannot be read", "gone.ndjson", "run sast_report"),
    ),
]


@pytest.fixture(scope="module")
def world(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    if cluster.instance is None:
        pytest.skip("users and tokens are signed by our own cluster's authority")
    name = f"bad-{secrets.token_hex(4)}"
    work = tmp_path_factory.mktemp("bad")
    shop, state, user = name, f"{name}-state", f"{name}-user"
    kubeconfig = cluster.make_user(user)
    everywhere = [
        *({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": one}} for one in (shop, state)),
        *users.grants(user, cluster_roles=["cluster-admin"]),
        static_volume(f"{name}-plain", shop, "plain", {"hostPath": {"path": "/tmp"}}),
        static_volume(f"{name}-strange", shop, "strange", csi(STRANGER)),
        static_volume(f"{name}-undefaulted", shop, "undefaulted", csi(f"{name}.csi.knowngood.test")),
        {
            "apiVersion": f"{SNAPSHOTS}/v1",
            "kind": "VolumeSnapshotClass",
            "metadata": {"name": name},
            "driver": f"{name}.csi.knowngood.test",
            "deletionPolicy": "Delete",
        },
    ]
    cluster.apply(*everywhere)
    try:
        cluster.wait("service account", lambda: cluster.get("serviceaccount", "default", "-n", shop))
        cluster.apply(*shop_objects(name), namespace=shop)
        write_reports(work / "reports")
        cluster.wait("bound claims", lambda: all_bound(cluster, shop))
        with api_without(SNAPSHOTS, kubeconfig, work / "without") as without:
            expired = expired_token(cluster, shop)
            made = World(cluster, shop, state, user, kubeconfig, without, expired, work)
            capture(made)
            yield made
    finally:
        release(cluster, shop)
        listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": everywhere})
        cluster.kubectl("delete", "--ignore-not-found", "--wait=false", "-f", "-", stdin=listed, check=False)


@dataclass(frozen=True, slots=True)
class Outcome:
    played: Played
    writes: list[Request]
    before: dict[str, str]
    after: dict[str, str]


@pytest.fixture(scope="module")
def outcome(world: World) -> Outcome:
    """All cases in one play, with what was written meanwhile."""
    log, before = AuditLog(world.cluster.own.audit_log), versions(world)
    calls = [Call(case.name, case.door, case.options(world)) for case in CASES]
    played = play(world.work / "play", calls, defaults={"kubeconfig": str(world.kubeconfig)})
    # Whether a namespace is there is found out by the API's answer to a write into it.
    writes = [one for one in log.writes(world.user) if one.namespace != "no-such-state"]
    return Outcome(played, writes, before, versions(world))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_is_said_in_one_clear_message(case: Case, outcome: Outcome) -> None:
    result = outcome.played[case.name]
    message = result["msg"]

    assert result["failed"] is True
    assert result["changed"] is False
    missing = [words for words in case.says if words not in message]
    assert not missing, message
    assert result["error"]["code"] == case.code, message
    # What, and where or why: a person needs a place or a cause to act on.
    assert result["error"]["what"], message
    assert result["error"]["where"] or result["error"]["why"], message
    assert "\n" not in message
    assert len(message) < 800, message
    assert "Traceback" not in json.dumps(result)


def test_nothing_is_written(outcome: Outcome) -> None:
    assert outcome.writes == []
    assert outcome.after == outcome.before


def test_no_store_is_left_of_reports_that_could_not_be_read(world: World, outcome: Outcome) -> None:
    assert outcome.played.results
    assert not (world.work / "findings.ndjson").exists()


def test_the_same_doors_work_with_what_they_need(world: World, outcome: Outcome) -> None:
    """The cases fail for the reason they name: the options they start from are good."""
    assert outcome.played.results
    doors = ("app_info", "preflight", "known_good", "operation", "recovery_point", "certificate_rotation")
    calls = [Call(door, door, door_options(door, world)) for door in doors]

    played = play(world.work / "good", calls, "--check", defaults={"kubeconfig": str(world.kubeconfig)})

    assert {name: result.get("msg", "") for name, result in played.results.items() if result.get("failed")} == {}


# -- the world --------------------------------------------------------------------------------------------------------


def csi(driver: str) -> dict[str, Any]:
    return {"csi": {"driver": driver, "volumeHandle": "handle-1"}}


def static_volume(name: str, namespace: str, claim: str, source: dict[str, Any]) -> dict[str, Any]:
    """A volume made by hand for one claim; no driver has to be there for the two to be bound."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": "",
            "claimRef": {"namespace": namespace, "name": claim},
            **source,
        },
    }


def shop_objects(name: str) -> list[dict[str, Any]]:
    """Deployments that stand at zero with a claim each, and Secrets of every sort: no pod is needed to be refused."""
    made: list[dict[str, Any]] = []
    for one, storage_class in (
        ("web", "local"),
        ("other", "other"),
        ("plain", ""),
        ("strange", ""),
        ("undefaulted", ""),
    ):
        claim = objects.claim(one, storage_class)
        if not storage_class:
            claim["spec"]["volumeName"] = f"{name}-{one}"
        pod = objects.pod(one, "example.test/none:1", "true", (one,))
        template = {"metadata": {"labels": {"app": one}}, "spec": pod["spec"]}
        spec = {"replicas": 0, "selector": {"matchLabels": {"app": one}}, "template": template}
        made += [claim, {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": one}, "spec": spec}]
    return made + [pki.as_manifest(secret) for secret in shop_secrets()]


def shop_secrets() -> list[dict[str, Any]]:
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    span = {"begin": now - pki.DAY, "end": now + 900 * pki.DAY}
    ca, foreign = pki.ca("web-ca", **span), pki.ca("foreign-ca", **span)
    leaf = pki.leaf(ca, ("DNS:web",), begin=now - 60 * pki.DAY, end=now + 30 * pki.DAY)
    return [
        pki.secret("web-tls", leaf.pem, pki.key_pem(leaf.key)),
        pki.secret("web-ca", ca.pem, pki.key_pem(ca.key)),
        pki.secret("foreign-ca", foreign.pem, pki.key_pem(foreign.key)),
        pki.secret("keyless-ca", ca.pem, None),
        pki.secret("empty-ca", ca.pem, b""),
        pki.secret("mixed-ca", ca.pem, pki.key_pem(foreign.key)),
        pki.secret("broken-tls", b"this is not a certificate", pki.key_pem(leaf.key)),
    ]


def capture(world: World) -> None:
    """One recovery point, so that an unknown one is not the only one."""
    call = Call("capture", "recovery_point", door_options("recovery_point", world))
    done = play(world.work / "capture", [call], defaults={"kubeconfig": str(world.cluster.kubeconfig)})["capture"]
    assert not done.get("failed"), done["msg"]


def release(cluster: Cluster, namespace: str) -> None:
    """Snapshots of the namespace are not retained any longer."""
    for content in cluster.get("volumesnapshotcontents")["items"]:
        if content["spec"]["volumeSnapshotRef"].get("namespace") == namespace:
            name, policy = content["metadata"]["name"], json.dumps({"spec": {"deletionPolicy": "Delete"}})
            cluster.kubectl("patch", "volumesnapshotcontent", name, "--type=merge", "-p", policy)


def all_bound(cluster: Cluster, namespace: str) -> bool:
    return all(item["status"].get("phase") == "Bound" for item in cluster.get("pvc", "-n", namespace)["items"])


def versions(world: World) -> dict[str, str]:
    """The resource version of everything that a door might touch."""
    kinds = "deployments,pvc,secrets,configmaps,leases,volumesnapshots,pods,networkpolicies"
    found = [item for ns in (world.namespace, world.state) for item in world.cluster.get(kinds, "-n", ns)["items"]]
    return {f"{i['kind']} {i['metadata']['name']}": i["metadata"]["resourceVersion"] for i in found}


def kubeconfig_with_token(kubeconfig: Path, token: str) -> dict[str, Any]:
    known: dict[str, Any] = json.loads(kubeconfig.read_text())
    known["users"][0]["user"] = {"token": token}
    return known


def expired_token(cluster: Cluster, namespace: str) -> str:
    """A token of the service account ``default`` that was good until an hour ago, signed by the cluster's own key."""
    header, payload, _signature = (
        cluster.kubectl("create", "token", "default", "-n", namespace).stdout.strip().split(".")
    )
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    now = int(time.time())
    claims.update(iat=now - 7200, nbf=now - 7200, exp=now - 3600)
    signed = f"{header}.{_encoded(json.dumps(claims).encode())}"
    key: Any = serialization.load_pem_private_key((cluster.own.pki / "sa.key").read_bytes(), None)
    return f"{signed}.{_encoded(key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def write_reports(folder: Path) -> None:
    (folder / "nothing").mkdir(parents=True)
    tool = {"driver": {"name": "scanner", "version": "1", "rules": [{"id": "r1"}]}}
    result = {"ruleId": "r1", "message": {"text": "found"}, "properties": {}}
    report = {"version": "2.1.0", "runs": [{"tool": tool, "results": [result] * 50}]}
    whole, nested = json.dumps(report), "[" * DEEP + "]" * DEEP
    (folder / "truncated.sarif").write_text(whole[: len(whole) * 2 // 3])
    (folder / "other.json").write_text(json.dumps({"results": [], "errors": []}))
    (folder / "text.sarif").write_text("scan finished, 0 findings\n")
    (folder / "empty.sarif").write_text("")
    (folder / "deep.sarif").write_text(whole.replace('"properties": {}', f'"properties": {{"x": {nested}}}', 1))
    (folder / "abyss.sarif").write_text(nested)
