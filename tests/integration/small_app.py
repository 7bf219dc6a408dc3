# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A small application for the tests of the graph, of scaling and of quarantine; and the doors called on it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ansible_collections.knowngood.kube.plugins.module_utils._cluster import quarantine_actions, scale
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.auth import AuthOptions
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.client import Cluster as Api
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.client import connect
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.containment import contain
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.graph import resolve
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.quarantine import Request
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.state import engine as make_engine
from ansible_collections.knowngood.kube.plugins.module_utils._core.application import Application, ApplicationSpec
from ansible_collections.knowngood.kube.plugins.module_utils._core.clock import SystemClock
from ansible_collections.knowngood.kube.plugins.module_utils._core.operation import Engine
from ansible_collections.knowngood.kube.plugins.module_utils._core.progress import SilentReporter
from tests.cluster.handle import Cluster

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class App:
    """The application ``app`` in a namespace, the state namespace, and who looks at it."""

    cluster: Cluster
    namespace: str
    state: str
    kubeconfig: Path

    @property
    def api(self) -> Api:
        return connect(AuthOptions(kubeconfig=str(self.kubeconfig)))

    @property
    def engine(self) -> Engine:
        api, clock, quiet = self.api, SystemClock(), SilentReporter()
        actions = {}
        for package in (scale, quarantine_actions):
            actions.update(package.actions(api, state_namespace=self.state, clock=clock, reporter=quiet))
        return make_engine(api, self.state, actions, reporter=quiet, stopping=lambda: False, clock=clock)

    def spec(self, **more: Any) -> ApplicationSpec:
        return ApplicationSpec.from_dict({"name": "app", "namespace": self.namespace, **more})

    def resolve(self, **more: Any) -> Application:
        return resolve(self.api, self.spec(**more))

    def quarantine(self, state: str = "isolated", *, check_mode: bool = False, **more: Any) -> dict[str, Any]:
        if state == "isolated":
            more.setdefault("workloads", ("Deployment/web",))
        request = replace(Request(self.spec(), state, settle_s=8, connect_s=2), **more)
        return contain(self.api, self.engine, request, check_mode=check_mode)

    def as_user(self, kubeconfig: Path) -> App:
        return replace(self, kubeconfig=kubeconfig)

    def door(self, name: str, *, check: bool = False, **options: Any) -> dict[str, Any]:
        """A module run by Ansible; its result, with ``failed`` where it failed."""
        given = {"kubeconfig": str(self.kubeconfig), **options}
        command = [sys.executable, "-m", "ansible", "adhoc", "localhost", "-i", "localhost,", "-c", "local"]
        command += ["-e", f"ansible_python_interpreter={sys.executable}", "-m", f"knowngood.kube.{name}"]
        command += ["-a", json.dumps(given), *(["--check"] if check else [])]
        environment = {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".ac"),
            "ANSIBLE_LOAD_CALLBACK_PLUGINS": "true",
            "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.minimal",
        }
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=180)
        head, arrow, body = done.stdout.partition("=> ")
        assert body, done.stdout + done.stderr
        result: dict[str, Any] = json.loads(body)
        return {**result, "failed": "FAILED" in head}


def labels(name: str) -> dict[str, Any]:
    return {"selector": {"matchLabels": {"app": name}}}


def template(name: str, image: str, port: int = 0, **more: Any) -> dict[str, Any]:
    """A pod that serves files on a port, or that only waits."""
    serve = ["python3", "-m", "http.server", str(port)] if port else ["sleep", "3600"]
    container: dict[str, Any] = {"name": "main", "image": image, "command": serve, **more.pop("container", {})}
    if port:
        container["ports"] = [{"containerPort": port, "name": "http"}]
        container["readinessProbe"] = {"tcpSocket": {"port": port}, "periodSeconds": 1}
    spec = {"containers": [container], "terminationGracePeriodSeconds": 0, **more}
    return {"metadata": {"labels": {"app": name}}, "spec": spec}


def deployment(name: str, image: str, replicas: int = 1) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"replicas": replicas, **labels(name), "template": template(name, image, 8080)},
    }


def service(name: str, **more: Any) -> dict[str, Any]:
    spec = {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": "http"}], **more}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def stateful_set(name: str, image: str, storage_class: str = "local") -> dict[str, Any]:
    """One replica whose claims go when it is scaled down, unless somebody prevents it."""
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "16Mi"}}}
    mounted = {"volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": name},
        "spec": {
            "serviceName": name,
            "replicas": 1,
            **labels(name),
            "persistentVolumeClaimRetentionPolicy": {"whenScaled": "Delete", "whenDeleted": "Retain"},
            "template": template(name, image, container=mounted),
            "volumeClaimTemplates": [
                {"metadata": {"name": "data"}, "spec": {**claim, "storageClassName": storage_class}}
            ],
        },
    }


def daemon_set(name: str, image: str) -> dict[str, Any]:
    spec = {**labels(name), "template": template(name, image)}
    return {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": name}, "spec": spec}


def job(name: str, image: str, owner: dict[str, Any] | None = None) -> dict[str, Any]:
    made = template(name, image, restartPolicy="Never")
    meta: dict[str, Any] = {"name": name}
    if owner:
        reference = {"apiVersion": "batch/v1", "kind": "CronJob", "name": owner["metadata"]["name"]}
        meta["ownerReferences"] = [{**reference, "uid": owner["metadata"]["uid"], "controller": True}]
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": {"template": made}}


def cron_job(name: str, image: str) -> dict[str, Any]:
    made = template(name, image, restartPolicy="Never")
    spec = {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": made}}}
    return {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": name}, "spec": spec}
