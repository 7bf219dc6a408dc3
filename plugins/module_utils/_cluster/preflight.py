# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looking before anything starts: each check with what was seen and, where it is not good, what to do.

PRIVATE to this collection.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace

from .._core.application import Application, ApplicationSpec, Volume
from .._core.clock import Clock
from .._core.errors import BadInput, Denied, KnownGoodError, NotFound
from .._core.plan import Json
from .claims import MISSING
from .client import Cluster, Object
from .graph import resolve
from .rbac import APP, CLUSTER, CLUSTER_ISSUER, IF_SERVED, STATE, Permission, permissions
from .reconcilers import groups
from .state import ConfigMapJournal

MAX_SKEW_S = 5.0
_SNAPSHOT_KINDS = ("VolumeSnapshot", "VolumeSnapshotContent", "VolumeSnapshotClass")
_PARALLEL = 8

ClassProblem = Callable[[Sequence[Object], str], str]
"""Given the VolumeSnapshotClasses and a driver: why no class can be chosen for it; empty when one can."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check. ``ok`` None: it could not be looked at, and ``what`` says why."""

    name: str
    ok: bool | None
    what: str
    cure: str = ""

    def to_dict(self) -> dict[str, Json]:
        return asdict(self)


def look(
    cluster: Cluster,
    spec: ApplicationSpec,
    grants: Sequence[str],
    *,
    state_namespace: str,
    cluster_resource_namespace: str,
    clock: Clock,
    class_problem: ClassProblem,
) -> list[Check]:
    """All checks. Raises only what ends any look: no kubeconfig, server not reachable, credentials refused."""
    checks = [_version(cluster), _identity(cluster), _clock(cluster, clock)]
    for grant in grants:
        app_namespace = cluster_resource_namespace if grant == CLUSTER_ISSUER else spec.namespace
        checks.append(_allowed(cluster, grant, app_namespace, state_namespace))
    checks.append(_state(cluster, state_namespace))
    served = _snapshot_api(cluster)
    checks.append(served)
    standing = _operations(cluster, spec, state_namespace)
    checks.append(standing)
    app, found = _application(cluster, spec)
    checks.append(excused(found, standing))
    if app is not None:
        checks += [excused(claim_check(volume), standing) for volume in app.volumes]
        if served.ok:
            checks += _classes(cluster, app, class_problem)
    return checks


def _version(cluster: Cluster) -> Check:
    found = cluster.version()
    return Check("server", True, f"{cluster.server} runs Kubernetes {found.get('gitVersion', 'of unknown version')}")


def _identity(cluster: Cluster) -> Check:
    try:
        return Check("identity", True, f"the server sees {cluster.whoami() or 'no user name'}")
    except NotFound:
        return Check("identity", None, "the server has no SelfSubjectReview (it is older than Kubernetes 1.28)")


def _clock(cluster: Cluster, clock: Clock) -> Check:
    before = clock.now()
    served = cluster.server_time()
    after = clock.now()
    if served is None:
        return Check("clock", None, "the server's answers carry no date")
    return clock_check(served, before, after)


def clock_check(served: dt.datetime, before: dt.datetime, after: dt.datetime) -> Check:
    """The server's time has whole seconds and was taken between ``before`` and ``after``. Pure."""
    ahead = (before - served).total_seconds() - 1.0
    behind = (served - after).total_seconds()
    skew = max(ahead, behind, 0.0)
    if skew <= MAX_SKEW_S:
        return Check("clock", True, f"this machine and the server agree within {max(skew, 1.0):.0f} s")
    word = "ahead of" if ahead > behind else "behind"
    return Check(
        "clock",
        False,
        f"this machine is {skew:.0f} s {word} the server",
        "synchronise both (NTP): times of cuts, certificates and incidents are compared with each other",
    )


def _allowed(cluster: Cluster, grant: str, app_namespace: str, state_namespace: str) -> Check:
    namespaces = {APP: app_namespace, STATE: state_namespace, CLUSTER: None}
    served = groups(cluster)
    wanted = [p for p in permissions(grant) if p.group in served or p.group not in IF_SERVED]

    def granted(permission: Permission) -> bool:
        resource, slash, subresource = permission.resource.partition("/")
        return cluster.can_i(
            permission.verb,
            resource,
            permission.group,
            namespaces[permission.scope],
            subresource=subresource,
            name=permission.name,
        )

    with ThreadPoolExecutor(_PARALLEL) as pool:
        answers = list(pool.map(granted, wanted))
    missing = [permission for permission, answer in zip(wanted, answers, strict=True) if not answer]
    return rbac_check(grant, missing, namespaces, len(wanted))


def rbac_check(grant: str, missing: Sequence[Permission], namespaces: Mapping[str, str | None], wanted: int) -> Check:
    """Names each permission that is missing, and where. Pure."""
    name = f"rbac {grant}"
    if not missing:
        return Check(name, True, f"all {wanted} permissions are there")
    named = []
    for scope, namespace in namespaces.items():
        shown = [permission.shown for permission in missing if permission.scope == scope]
        if shown:
            where = f"in namespace {namespace}" if namespace else "in the cluster"
            named.append(f"{where}: {', '.join(shown)}")
    cure = f"a cluster administrator applies docs/rbac/{grant}.yaml for this user and namespace"
    return Check(name, False, f"{len(missing)} of {wanted} permissions are missing; " + "; ".join(named), cure)


def _state(cluster: Cluster, namespace: str) -> Check:
    """Seen through what is kept there: reading the Namespace itself is not among the permissions."""
    name, cure = "state namespace", f"kubectl create namespace {namespace}, or set state_namespace"
    try:
        if cluster.find("Namespace", namespace) is not None:
            return Check(name, True, f"{namespace} exists")
        return Check(name, False, f"namespace {namespace} does not exist", cure)
    except Denied:
        return Check(name, None, f"this user may not look whether namespace {namespace} exists", cure)


def _snapshot_api(cluster: Cluster) -> Check:
    missing = [kind for kind in _SNAPSHOT_KINDS if not cluster.serves(kind)]
    if not missing:
        return Check("snapshot api", True, "snapshot.storage.k8s.io/v1 is served")
    return Check(
        "snapshot api",
        False,
        f"the server has no {', '.join(missing)} in snapshot.storage.k8s.io/v1",
        "install the CRDs and the snapshot-controller of kubernetes-csi/external-snapshotter",
    )


def _operations(cluster: Cluster, spec: ApplicationSpec, namespace: str) -> Check:
    name = "operations"
    try:
        left = [op for op in ConfigMapJournal(cluster, namespace).list(spec.target) if op.unfinished]
    except (Denied, NotFound) as error:
        return Check(name, None, str(error))
    if not left:
        return Check(name, True, "none is unfinished")
    told = ", ".join(f"{op.id} stands at step '{op.position}'" for op in left)
    return Check(name, None, told, "run the same task again, or knowngood.kube.operation state=resumed or undone")


def excused(check: Check, standing: Check) -> Check:
    """What is missing while an operation is unfinished may be missing because of it: that is not known. Pure."""
    if check.ok is not False or standing.ok is not None:
        return check
    return replace(check, ok=None, what=f"{check.what}; an operation is unfinished, which may be why")


def _application(cluster: Cluster, spec: ApplicationSpec) -> tuple[Application | None, Check]:
    name = "application"
    try:
        app = resolve(cluster, spec)
    except (BadInput, NotFound) as error:
        return None, Check(name, False, str(error), "correct the application's entry")
    except Denied as error:
        return None, Check(name, None, str(error), "grant what the rbac checks name")
    held = [f"{w.ref} (by {w.quarantine})" for w in app.workloads if w.quarantine]
    seen = f"{len(app.workloads)} workloads, {len(app.pods)} pods, {len(app.volumes)} claims"
    if held:
        seen += f"; in quarantine: {', '.join(held)}"
    if not app.workloads and not app.volumes:
        return app, Check(name, False, "nothing belongs to it", "correct namespace, selector or workloads")
    return app, Check(name, True, seen)


def claim_check(volume: Volume) -> Check:
    """Can this claim be captured and restored? Pure."""
    name = f"claim {volume.claim}"
    if volume.phase == MISSING:
        users = ", ".join(volume.mounted_by)
        return Check(name, False, f"{users} mounts it and it does not exist", "create it, or correct the workload")
    if volume.deleting:
        return Check(name, False, "it is being deleted", "wait until it is gone, then look again")
    if volume.phase != "Bound":
        cure = "kubectl describe pvc says what it waits for (a claim of a WaitForFirstConsumer class: a pod)"
        return Check(name, False, f"it is {volume.phase or 'without phase'}, not Bound", cure)
    if not volume.driver:
        what = f"volume {volume.volume} is not of a CSI driver: it cannot be snapshotted"
        return Check(name, False, what, "move its data to a claim of a CSI storage class, or leave it out with claims")
    return Check(name, True, f"bound to {volume.volume} of {volume.driver}")


def _classes(cluster: Cluster, app: Application, class_problem: ClassProblem) -> list[Check]:
    drivers = sorted({volume.driver for volume in app.volumes if volume.driver})
    if not drivers:
        return []
    try:
        classes = cluster.list("VolumeSnapshotClass")
    except KnownGoodError as error:
        return [Check("snapshot class", None, str(error), "grant list volumesnapshotclasses.snapshot.storage.k8s.io")]
    return [class_check(driver, class_problem(classes, driver)) for driver in drivers]


def class_check(driver: str, problem: str) -> Check:
    """Pure."""
    name = f"snapshot class of {driver}"
    if not problem:
        return Check(name, True, "one can be chosen")
    cure = (
        f"make one VolumeSnapshotClass with driver {driver} the default (annotation "
        "snapshot.storage.kubernetes.io/is-default-class), or name it with snapshot_class"
    )
    return Check(name, False, problem, cure)


def answer(checks: Iterable[Check]) -> dict[str, Json]:
    """What the door returns."""
    found = list(checks)
    return {
        "changed": False,
        "ok": all(check.ok is not False for check in found),
        "checks": [check.to_dict() for check in found],
        "problems": [f"{c.name}: {c.what}. Next: {c.cure}" for c in found if c.ok is False],
    }
