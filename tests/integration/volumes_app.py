# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A small application with real data for the tests of capture and restore: PostgreSQL, and a Deployment with files.

It works on the API server through the collection's own code, as the doors do.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.knowngood.kube.plugins.module_utils._cluster.auth import AuthOptions
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.client import connect
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.waits import wait_gone
from ansible_collections.knowngood.kube.plugins.module_utils._core.application import ApplicationSpec
from ansible_collections.knowngood.kube.plugins.module_utils._core.clock import SystemClock
from ansible_collections.knowngood.kube.plugins.module_utils._core.progress import SilentReporter
from ansible_collections.knowngood.kube.plugins.module_utils._volumes import probes
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.capture import capture
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.capture_plan import CaptureWish
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.hooks import Hooks
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.house import House, house
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.restore import restore
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.restore_wish import RestoreWish
from tests.cluster.handle import Cluster

# The kill tests die after every n-th write; 1 tries them all.
KILL_EVERY = int(os.environ.get("KNOWNGOOD_KILL_EVERY", "5"))
ROOT = Path(__file__).resolve().parents[2]
_START = """
set -eu
chown postgres: /data
[ -s /data/pg/PG_VERSION ] || setpriv --reuid=postgres --regid=postgres --init-groups initdb -D /data/pg -A trust
exec setpriv --reuid=postgres --regid=postgres --init-groups postgres -D /data/pg -c listen_addresses= \
  -c unix_socket_directories=/tmp
"""
CHECKPOINT = {
    "pre": [
        {
            "name": "checkpoint",
            "workload": "StatefulSet/db",
            "command": ["psql", "-h", "/tmp", "-U", "postgres", "-c", "CHECKPOINT"],
        }
    ]
}


def manifests(image: str, storage_class: str) -> list[dict[str, Any]]:
    """``StatefulSet/db`` with the claim ``data-db-0``, ``Deployment/files`` with the claim ``files``."""
    claim = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
        "storageClassName": storage_class,
    }
    database = {
        "name": "postgres",
        "image": image,
        "command": ["sh", "-c", _START],
        "readinessProbe": {
            "exec": {"command": ["pg_isready", "-h", "/tmp", "-U", "postgres"]},
            "periodSeconds": 1,
        },
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }
    files = {
        "name": "files",
        "image": image,
        "command": ["sleep", "infinity"],
        "volumeMounts": [{"name": "files", "mountPath": "/files"}],
    }
    return [
        {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": {"name": "db"},
            "spec": {
                "serviceName": "db",
                "replicas": 1,
                "selector": {"matchLabels": {"app": "db"}},
                "template": {
                    "metadata": {"labels": {"app": "db"}},
                    "spec": {"containers": [database], "terminationGracePeriodSeconds": 20},
                },
                "volumeClaimTemplates": [{"metadata": {"name": "data", "labels": {"tier": "db"}}, "spec": claim}],
            },
        },
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "files"}, "spec": claim},
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "files"},
            "spec": {
                "replicas": 1,
                "strategy": {"type": "Recreate"},
                "selector": {"matchLabels": {"app": "files"}},
                "template": {
                    "metadata": {"labels": {"app": "files"}},
                    "spec": {
                        "containers": [files],
                        "terminationGracePeriodSeconds": 0,
                        "volumes": [{"name": "files", "persistentVolumeClaim": {"claimName": "files"}}],
                    },
                },
            },
        },
    ]


@dataclass(slots=True)
class App:
    """The application in a namespace, and what tests ask of it."""

    cluster: Cluster
    namespace: str
    state: str
    kubeconfig: Path
    user: Any = None
    workloads: tuple[str, ...] = ()
    claims: tuple[str, ...] = ()
    sources: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def deployed(
        cls, cluster: Cluster, namespace: str, state: str, storage_class: str = "local", only: str = ""
    ) -> App:
        """``only="files"`` leaves the database out."""
        wanted = manifests(cluster.image("work"), storage_class)
        cluster.apply(*(wanted[1:] if only else wanted), namespace=namespace)
        names = ["deployment/files"] if only else ["statefulset/db", "deployment/files"]
        cluster.wait_ready(namespace, *names, limit_s=120)
        app = cls(cluster, namespace, state, cluster.kubeconfig)
        if not only:
            app.sql("CREATE TABLE orders (id int PRIMARY KEY, item text)")
        return app

    @property
    def entry(self) -> dict[str, Any]:
        entry: dict[str, Any] = {"name": "shop", "namespace": self.namespace}
        if self.workloads:
            entry["workloads"] = list(self.workloads)
        if self.claims:
            entry["claims"] = list(self.claims)
        return {**entry, "sources": self.sources}

    @property
    def spec(self) -> ApplicationSpec:
        return ApplicationSpec.from_dict(self.entry)

    # -- the data

    def sql(self, text: str, pod: str = "db-0") -> str:
        out = self.cluster.exec(self.namespace, pod, "psql", "-h", "/tmp", "-U", "postgres", "-XAtqc", text)
        return out.strip()

    def add(self, start: int, count: int, item: str) -> None:
        self.sql(f"INSERT INTO orders SELECT n, '{item}' FROM generate_series({start}, {start + count - 1}) n")

    def rows(self) -> str:
        """Count and fingerprint of the table."""
        return self.sql("SELECT count(*), md5(coalesce(string_agg(id || item, ',' ORDER BY id), '')) FROM orders")

    def write_file(self, text: str) -> None:
        self.cluster.exec(self.namespace, "deploy/files", "sh", "-c", f"echo {text} > /files/note; sync")

    def read_file(self) -> str:
        return self.cluster.exec(self.namespace, "deploy/files", "cat", "/files/note").strip()

    def volume_of(self, claim: str) -> str:
        return str(self.cluster.get("pvc", claim, "-n", self.namespace)["spec"]["volumeName"])

    # -- the doors, called as their modules call them

    def house(self, *, check_mode: bool = False, stopping: Callable[[], bool] = lambda: False) -> House:
        cluster = connect(AuthOptions(kubeconfig=str(self.kubeconfig)))
        return house(cluster, self.state, reporter=SilentReporter(), stopping=stopping, check_mode=check_mode)

    def capture(self, *, check: bool = False, older_s: float | None = None, hooks: Any = None, **wish: Any) -> Any:
        wanted = CaptureWish(hooks=Hooks.from_dict(hooks), **wish)
        return capture(self.house(check_mode=check), self.spec, wanted, older_s)

    def point(self, **wish: Any) -> str:
        return str(self.capture(**wish)["recovery_points"][0]["id"])

    def restore(self, point: str, *, check: bool = False, verify: Any = (), **wish: Any) -> Any:
        return restore(self.house(check_mode=check), self.spec, RestoreWish(point, verify=probes.parse(verify), **wish))

    def restore_with(self, tools: House, point: str, **wish: Any) -> Any:
        return restore(tools, self.spec, RestoreWish(point, **wish))

    def undo(self, operation: str) -> None:
        self.house().engine.undo(operation)

    # -- the modules themselves, in processes of their own

    def module(self, name: str, *, check: bool = False, **options: Any) -> subprocess.Popen[str]:
        """``ansible localhost -m knowngood.kube.<name>``, started."""
        options = {"app": self.entry, "state_namespace": self.state, "kubeconfig": str(self.kubeconfig), **options}
        program = Path(sys.executable).with_name("ansible")
        command = [str(program), "localhost", "-c", "local", "-m", f"knowngood.kube.{name}", "-a", json.dumps(options)]
        if check:
            command.append("--check")
        settings = {
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".ac"),
            "ANSIBLE_LOAD_CALLBACK_PLUGINS": "1",
            "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.oneline",
            "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
            "ANSIBLE_LOCALHOST_WARNING": "false",
        }
        return subprocess.Popen(
            command,
            env={**os.environ, **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run_module(self, name: str, *, check: bool = False, **options: Any) -> dict[str, Any]:
        """The module's result; ``failed`` is in it when it failed."""
        text = self.module(name, check=check, **options).communicate(timeout=300)[0]
        return _result(text)

    def wait_step(self, kind: str, step: str, state: str = "started", limit_s: float = 60) -> dict[str, Any]:
        """The log of the newest operation of the kind, once its step is in that state."""
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            for item in self.cluster.get("configmaps", "-n", self.state, "-l", f"knowngood.io/journal={kind}")["items"]:
                log = json.loads(item["data"]["log.json"])
                if (log["entries"].get(step) or {}).get("state") == state:
                    return dict(log)
            time.sleep(0.02)
        raise AssertionError(f"{kind} never came to {step} {state}")


def _result(text: str) -> dict[str, Any]:
    """The JSON that the module answered, out of what ansible printed."""
    for line in reversed(text.splitlines()):
        head, arrow, tail = line.partition("=> ")
        found = tail if arrow else line
        if found.startswith("{"):
            return dict(json.loads(found))
    raise AssertionError(text)


def contents_of(cluster: Cluster, namespace: str) -> list[Any]:
    """The VolumeSnapshotContents of snapshots in the namespace."""
    items = cluster.get("volumesnapshotcontents")["items"]
    return [item for item in items if item["spec"]["volumeSnapshotRef"]["namespace"] == namespace]


def stored(app: App) -> set[str]:
    """The physical snapshots that the driver of StorageClass local has, of whatever test."""
    return set(app.cluster.inside("ls", f"{app.cluster.own.volumes}/local/snapshots").stdout.split())


class Killed(BaseException):
    """Stands for SIGKILL: nothing in the code catches it."""


def dying_after(tools: House, number: int) -> House:
    """The same tools, in a process that dies right after its n-th write was answered."""
    send, count = tools.cluster._send, [0]

    def counted(method: str, *arguments: Any, **named: Any) -> Any:
        answer = send(method, *arguments, **named)
        if method in ("POST", "PUT", "PATCH", "DELETE"):
            count[0] += 1
            if count[0] == number:
                raise Killed
        return answer

    tools.cluster._send = counted
    return tools


def with_a_late_controller(cluster: Any) -> None:
    """Has the snapshot controller act on a snapshot's deletion before it sees that the content is to be deleted.

    A policy Delete reaches the server only when the snapshot, or the group, is gone that was deleted after it.
    """
    patch, delete, held = cluster.patch, cluster.delete, list[tuple[Any, ...]]()

    def patched(kind: Any, name: str, namespace: str | None, body: dict[str, Any], **given: Any) -> Any:
        if body.get("spec", {}).get("deletionPolicy") != "Delete":
            return patch(kind, name, namespace, body, **given)
        held.append((kind, name, body, given))
        content = patch(kind, name, namespace, {"metadata": body.get("metadata", {})}, **given)
        return {**content, "spec": {**content["spec"], **body["spec"]}}

    def deleted(kind: Any, name: str, namespace: str | None, **given: Any) -> Any:
        answer = delete(kind, name, namespace, **given)
        if held:
            wait_gone(cluster, kind, name, namespace, given["uid"], timeout_s=60, clock=SystemClock())
            for what, content, body, preconditions in held:
                patch(what, content, None, body, **preconditions)
            held.clear()
        return answer

    cluster.patch, cluster.delete = patched, deleted
