# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fixtures over the real cluster. What a fixture gives is described in ``tests/cluster``."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import lifecycle, users
from tests.cluster.audit import AuditLog
from tests.cluster.errors import ClusterError
from tests.cluster.faults import Faults
from tests.cluster.handle import Cluster
from tests.cluster.instance import Instance
from tests.cluster.users import Rule
from tests.integration.volumes_app import App

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "tests" / "output" / "cluster"
_WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
if _WORKER:
    # Each worker has a cluster of its own, numbered from the chosen one on: tests wait more than they compute.
    os.environ["KNOWNGOOD_INSTANCE"] = str(Instance.chosen().number + int(_WORKER.removeprefix("gw")))
_FAILED = pytest.StashKey[bool]()


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A running cluster. One that was up before stays up; one that this session started goes with it."""
    existing = lifecycle.existing_cluster()
    if existing:
        yield Cluster(Path(existing))
        return
    instance = Instance.chosen()
    was_up = lifecycle.healthy(instance) is not None
    lifecycle.up(instance)
    yield Cluster(instance.kubeconfig(), instance)
    if not was_up:
        lifecycle.down(instance)


@pytest.fixture(scope="module")
def second_cluster(cluster: Cluster) -> Iterator[Cluster]:
    """Another cluster, whose CSI drivers see the first one's volumes and snapshots; it goes with the module's tests."""
    if cluster.instance is None:
        pytest.skip("a second cluster can share the storage of our own one only")
    instance = lifecycle.free_instance()
    try:
        lifecycle.up(instance, storage=cluster.instance)
        yield Cluster(instance.kubeconfig(), instance)
    finally:
        lifecycle.down(instance)


@pytest.fixture
def image(cluster: Cluster) -> str:
    """How pods name the work image (PostgreSQL, MariaDB, Redis, nginx ...); ``KNOWNGOOD_IMAGE_WORK`` elsewhere."""
    try:
        return cluster.image()
    except ClusterError as problem:
        pytest.skip(str(problem))


@pytest.fixture
def make_namespace(cluster: Cluster) -> Iterator[Callable[[], str]]:
    """Call it for one more fresh namespace; all are deleted after the test."""
    made: list[str] = []

    def make() -> str:
        name = f"t-{secrets.token_hex(4)}"
        cluster.kubectl("create", "namespace", name)
        made.append(name)
        # Pods are refused until the namespace's service account is there.
        cluster.wait("service account", lambda: cluster.get("serviceaccount", "default", "-n", name), 20)
        return name

    yield make
    for name in made:
        _remove_namespace(cluster, name)


@pytest.fixture
def namespace(make_namespace: Callable[[], str]) -> str:
    """The name of a fresh namespace, deleted after the test together with the volumes and snapshots it retained."""
    return make_namespace()


def _remove_namespace(cluster: Cluster, name: str) -> None:
    with suppress(ClusterError):
        _release(cluster, "volumesnapshotcontents", name, "deletionPolicy", "volumeSnapshotRef")
        _release(cluster, "persistentvolumes", name, "persistentVolumeReclaimPolicy", "claimRef")
    cluster.kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found", check=False)


def _release(cluster: Cluster, kind: str, namespace: str, policy: str, reference: str) -> None:
    """Turn what is retained for the namespace into what is deleted, so that no test leaves storage behind."""
    for item in cluster.get(kind)["items"]:
        spec = item["spec"]
        if spec.get(policy) != "Retain" or (spec.get(reference) or {}).get("namespace") != namespace:
            continue
        patch = json.dumps({"spec": {policy: "Delete"}})
        cluster.kubectl("patch", kind, item["metadata"]["name"], "--type=merge", "-p", patch, check=False)
        if kind == "volumesnapshotcontents":
            cluster.kubectl("delete", kind, item["metadata"]["name"], "--wait=false", check=False)


@pytest.fixture
def there(second_cluster: Cluster) -> Iterator[str]:
    """A namespace of the second cluster."""
    name = f"t-{secrets.token_hex(4)}"
    second_cluster.kubectl("create", "namespace", name)
    second_cluster.wait("account", lambda: second_cluster.get("serviceaccount", "default", "-n", name), 20)
    yield name
    second_cluster.kubectl("delete", "namespace", name, "--timeout=60s")


@pytest.fixture
def app(cluster: Cluster, make_namespace: Callable[[], str]) -> App:
    """The small application of the tests of volumes: a StatefulSet and a Deployment with their claims."""
    return App.deployed(cluster, make_namespace(), make_namespace())


@pytest.fixture
def files(cluster: Cluster, make_namespace: Callable[[], str]) -> App:
    """Only its Deployment: quick to come and go."""
    return App.deployed(cluster, make_namespace(), make_namespace(), only="files")


@pytest.fixture
def watched(files: App, user: Callable[..., User]) -> App:
    """The same with a user of its own: the audit log tells its requests from those of others."""
    files.user = user(cluster_roles=["cluster-admin"])
    files.kubeconfig = files.user.kubeconfig
    return files


@pytest.fixture
def audit(cluster: Cluster) -> AuditLog:
    """Requests to the API since the fixture was made or ``audit.mark()`` was called last."""
    if cluster.instance is None:
        pytest.skip("the audit log of a user's own cluster is not ours to read")
    return AuditLog(cluster.instance.audit_log)


@pytest.fixture
def faults(cluster: Cluster) -> Iterator[Faults]:
    """Faults of the CSI driver ``local``; none before and after the test."""
    if cluster.instance is None:
        pytest.skip("faults can be injected into our own CSI driver only")
    one = Faults(cluster.instance.faults())
    one.clear()
    yield one
    one.clear()


@dataclass(frozen=True, slots=True)
class User:
    name: str
    kubeconfig: Path


@pytest.fixture
def user(cluster: Cluster) -> Iterator[Callable[..., User]]:
    """Makes users with exactly the given rights.

    ``user(rules={"shop": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}, cluster_rules=[...],
    cluster_roles=["view"], manifests=[...], name="alice")``: rules by namespace, rules everywhere, roles that exist,
    and any manifests of roles and bindings to apply as they are. Rights go with the test.
    """
    if cluster.instance is None:
        pytest.skip("users are signed by our own cluster's authority")
    made: list[dict[str, Any]] = []

    def make(
        *,
        rules: dict[str, list[Rule]] | None = None,
        cluster_rules: list[Rule] | None = None,
        cluster_roles: tuple[str, ...] | list[str] = (),
        manifests: tuple[dict[str, Any], ...] | list[dict[str, Any]] = (),
        name: str = "",
    ) -> User:
        name = name or f"user-{secrets.token_hex(4)}"
        kubeconfig = cluster.make_user(name)
        wanted = [
            *users.grants(name, rules=rules, cluster_rules=cluster_rules or (), cluster_roles=cluster_roles),
            *manifests,
        ]
        if wanted:
            cluster.apply(*wanted)
            made.extend(wanted)
        return User(name, kubeconfig)

    yield make
    if made:
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": made})
        cluster.kubectl("delete", "--ignore-not-found", "--wait=false", "-f", "-", stdin=text, check=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep the logs of the cluster as a failed test leaves it: fixtures have not cleaned up yet."""
    report = yield
    held = getattr(item, "funcargs", {}).get("cluster")
    if report.failed and isinstance(held, Cluster) and not item.stash.get(_FAILED, False):
        item.stash[_FAILED] = True
        kept = _keep(held, item.nodeid)
        report.sections.append(("cluster", f"logs and objects kept in {kept}"))
    return report


def _keep(cluster: Cluster, test: str) -> Path:
    target = KEPT / re.sub(r"[^\w.-]+", "_", test)
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    if cluster.instance and cluster.instance.log.is_dir():
        shutil.copytree(cluster.instance.log, target / "log")
    kinds = "pods,pvc,pv,volumesnapshots,volumesnapshotcontents,statefulsets,deployments,jobs,networkpolicies"
    for name, arguments in {
        "objects.txt": ("get", kinds, "-A", "-o", "wide"),
        "events.txt": ("get", "events", "-A", "--sort-by=.lastTimestamp"),
    }.items():
        done = cluster.kubectl(*arguments, check=False)
        (target / name).write_text(done.stdout + done.stderr)
    return target
