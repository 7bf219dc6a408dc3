# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The incident of the case study, step by step, each as a playbook that a user would run.

:class:`Story` is used by ``make demo`` and by the integration tests; it drives ``ansible-playbook`` and ``kubectl`` and
holds no knowledge of the collection's inside.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from examples.shop import history

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
DEMO_LABEL = "knowngood.io/demo"
VERSIONS = tuple(commit.name for commit in history.HISTORY)
RULE = "shop/python/sql-injection"


@dataclass(frozen=True)
class Images:
    """References by digest. ``orders`` has one for each version."""

    db: str
    web: str
    probe: str
    orders: dict[str, str]

    def digests(self, commits: dict[str, str]) -> dict[str, str]:
        """Image digest -> commit, as an application's ``sources`` want it."""
        return {ref.rpartition("@")[2]: commits[version] for version, ref in self.orders.items()}


@dataclass
class Story:
    """One telling of the story. ``work`` is its directory; it is made anew by :meth:`prepare`.

    ``running`` are the processes that it started and that go on.
    ``kubeconfig`` is that of who owns the shop, ``operator`` that of who runs the collection, where it is another one.
    """

    work: Path
    kubeconfig: str
    kubectl: str
    images: Images
    operator: str = ""
    namespace: str = "shop"
    state_namespace: str = "shop-knowngood"
    storage_class: str = ""
    say: Callable[[str], None] = print
    commits: dict[str, str] = field(default_factory=dict)
    running: list[int] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)

    # -- before -------------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Clears what an earlier telling left, makes the git history, and writes the variables of the playbooks."""
        shutil.rmtree(self.work, ignore_errors=True)
        (self.work / "reports").mkdir(parents=True)
        self.commits = history.write_repository(self.work / "orders")
        self.clear_cluster()
        for name in (self.namespace, self.state_namespace):
            self.kube("create", "namespace", name)
            self.kube("label", "namespace", name, f"{DEMO_LABEL}=true")
        self._write("vars.json", self.variables())

    def clear_cluster(self) -> None:
        """Removes the namespaces that this demo labelled as its own, and the volumes and snapshots kept of them."""
        ours = {self.namespace, self.state_namespace}
        found = self.kube_json("get", "namespaces", "-l", f"{DEMO_LABEL}=true")["items"]
        names = [item["metadata"]["name"] for item in found if item["metadata"]["name"] in ours]
        contents = self.kube_json("get", "volumesnapshotcontents")["items"] if self.namespace in names else []
        volumes = self.kube_json("get", "persistentvolumes")["items"] if self.namespace in names else []
        for content in contents:
            if content["spec"]["volumeSnapshotRef"].get("namespace") == self.namespace:
                name, policy = content["metadata"]["name"], {"spec": {"deletionPolicy": "Delete"}}
                self.kube("patch", "volumesnapshotcontent", name, "--type=merge", "-p", json.dumps(policy))
                self.kube("delete", "volumesnapshotcontent", name, "--wait=false")
        for volume in volumes:
            if (volume["spec"].get("claimRef") or {}).get("namespace") == self.namespace:
                name, policy = volume["metadata"]["name"], {"spec": {"persistentVolumeReclaimPolicy": "Delete"}}
                self.kube("patch", "persistentvolume", name, "--type=merge", "-p", json.dumps(policy))
        for name in names:
            self.kube("delete", "namespace", name, "--timeout=120s")

    def variables(self) -> dict[str, Any]:
        """What a user would keep in a vars file."""
        external = {ref.rpartition("@")[2] for ref in (self.images.db, self.images.web)}
        return {
            "shop_namespace": self.namespace,
            "shop_storage_class": self.storage_class,
            "shop_kubectl": self.kubectl,
            "shop_images": {"db": self.images.db, "web": self.images.web, "orders": self.images.orders},
            "knowngood_state_namespace": self.state_namespace,
            "knowngood_probe_image": self.images.probe,
            "knowngood_store": str(self.work / "store"),
            "knowngood_apps": [
                {
                    "name": "shop",
                    "namespace": self.namespace,
                    "selector": "app.kubernetes.io/part-of=shop",
                    "tls_secrets": ["storefront-tls"],
                    "hooks": {
                        "pre": [
                            {
                                "name": "checkpoint",
                                "workload": "StatefulSet/db",
                                "container": "postgres",
                                "command": ["psql", "-h", "/tmp", "-U", "postgres", "-qc", "CHECKPOINT"],
                                "timeout_s": 30,
                                "on_error": "continue",
                            }
                        ]
                    },
                    "sources": [{"path": str(self.work / "orders"), "digests": self.images.digests(self.commits)}],
                    "external_images": [{"digest": digest, "assume": "ok"} for digest in sorted(external)],
                }
            ],
            "knowngood_containment": ["Deployment/orders"],
            "knowngood_certificates": [
                {
                    "secret": "storefront-tls",
                    "namespace": self.namespace,
                    "service": "storefront",
                    "port": 8443,
                    "server_name": f"storefront.{self.namespace}.svc",
                }
            ],
            "knowngood_certificate_issuer": {"ca_secret": f"{self.namespace}/shop-ca"},
            "knowngood_verify": [
                {
                    "name": "orders are plausible",
                    "kind": "sql",
                    "on": "both",
                    "workload": "StatefulSet/db",
                    "container": "postgres",
                    "user": "postgres",
                    "host": "/tmp",
                    "query": "SELECT count(*) > 0 AND min(cents) > 1 FROM orders",
                    "expect": {"stdout_equals": "t"},
                }
            ],
            "knowngood_policy": {"gate": "high"},
            "knowngood_not_older_than": "1h",
            "knowngood_retention": {"keep_last": 3},
        }

    # -- the steps ----------------------------------------------------------------------------------------------

    def deploy(self, version: str) -> None:
        """Brings the shop to a version; returns when the API answers through the storefront."""
        self.playbook(str(HERE / "deploy.yml"), {"shop_version": version})
        retry = ["--retry", "30", "--retry-delay", "1", "--retry-all-errors"]
        self.in_storefront("curl", "-sfk", "-o", "/dev/null", *retry, "https://localhost:8443/api/health")

    def trade(self, customer: str, count: int) -> None:
        """Customers place orders, through the storefront's TLS."""
        loop = (
            f"for i in $(seq 1 {count}); do curl -sfk -o /dev/null https://localhost:8443/api/orders "
            f'-d \'{{"customer":"{customer}","cents":\'$((1000 + i))\'}}\' || exit 1; done'
        )
        self.in_storefront("bash", "-c", loop)
        self.in_storefront("curl", "-sfk", "https://localhost:8443/api/uploads/" + customer, "-d", f"{count} orders")

    def scan(self, version: str, ruleset: int) -> Path:
        """The scanner reads one commit; the report is kept beside the others."""
        path = self.work / "reports" / f"{version}-rules{ruleset}.sarif"
        command = [sys.executable, str(HERE / "scan.py"), str(self.work / "orders"), version, "--ruleset", str(ruleset)]
        self.run([*command, "--when", now(), "--output", str(path)])
        return path

    def point(self) -> None:
        """A recovery point of the running version, whatever the age of the last one."""
        self.playbook("knowngood.kube.backup", {"knowngood_not_older_than": "0s"})

    def attack(self) -> None:
        """Through the hole: every second order now belongs to somebody else, for a cent."""
        word = "'; UPDATE orders SET customer = 'mallory', cents = 1 WHERE id % 2 = 0; SELECT 1, 'x', 1 -- "
        url = "https://localhost:8443/api/search"
        self.in_storefront("curl", "-sfk", "-o", "/dev/null", "-G", "--data-urlencode", f"q={word}", url)

    def incident(self, reports: list[Path]) -> dict[str, Any]:
        """The variables of the incident: what a person, a survey or an alert would fill in."""
        found = {
            "knowngood_incident": {
                "id": "INC-2026-001",
                "title": "Orders were altered through the search",
                "time": now(),
                "finding": {"rule": RULE, "cwe": "CWE-89"},
                "mode": "strict",
            },
            "knowngood_reports": [str(path) for path in reports],
        }
        self._write("incident.json", found)
        return found

    def respond(self, *arguments: str, approved: str = "", check: bool = False) -> subprocess.CompletedProcess[str]:
        """``incident_response``; fails when it stops for approval."""
        variables = {"knowngood_approved": approved} if approved else {}
        extra = ["-e", f"@{self.work / 'incident.json'}", *arguments, *(["--check"] if check else [])]
        return self.playbook("knowngood.kube.incident_response", variables, *extra, may_fail=not approved)

    # -- looking ------------------------------------------------------------------------------------------------

    def rows(self) -> list[str]:
        """Every order as ``id|customer|cents``."""
        return self.sql("SELECT id, customer, cents FROM orders ORDER BY id").splitlines()

    def sql(self, statement: str) -> str:
        command = ["psql", "-h", "/tmp", "-U", "postgres", "-Atc", statement]
        return self.kube("-n", self.namespace, "exec", "db-0", "-c", "postgres", "--", *command)

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of a GET at the storefront."""
        out = self.in_storefront("curl", "-sk", "-w", "\n%{http_code}", f"https://localhost:8443{path}")
        body, dummy, status = out.rpartition("\n")
        return int(status), body

    def in_storefront(self, *command: str) -> str:
        return self.kube("-n", self.namespace, "exec", "deployment/storefront", "-c", "nginx", "--", *command)

    def approval_hash(self, output: str) -> str:
        """The hash that the plan asked to be approved."""
        for line in output.splitlines():
            dummy, found, rest = line.partition("knowngood_approved=")
            if found:
                return rest.split()[0].strip("\"'.,")
        raise ValueError("the playbook showed no plan hash")

    # -- plumbing -----------------------------------------------------------------------------------------------

    def playbook(
        self, name: str, variables: dict[str, Any], *arguments: str, may_fail: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """Runs a playbook as a user would, with the story's variables; output goes to ``say`` line by line."""
        command = ["ansible-playbook", name, "-e", f"@{self.work / 'vars.json'}"]
        for key, value in variables.items():
            command += ["-e", f"{key}={value}"]
        return self.run([*command, *arguments], may_fail=may_fail, echo=True)

    def kube(self, *arguments: str) -> str:
        return self.run([self.kubectl, *arguments]).stdout

    def kube_json(self, *arguments: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.kube(*arguments, "-o", "json"))
        return found

    def run(
        self, command: list[str], *, may_fail: bool = False, echo: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command with the story's environment. Raises RuntimeError with the end of its output."""
        environment = {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".ac"),
            "ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml",
            "ANSIBLE_DISPLAY_SKIPPED_HOSTS": "false",
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
            "K8S_AUTH_KUBECONFIG": self.operator or self.kubeconfig,
            "KUBECONFIG": self.kubeconfig,
            "KNOWNGOOD_STATE_NAMESPACE": self.state_namespace,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            **self.environment,
        }
        if echo:
            self.say("$ " + shlex.join(command))
        with subprocess.Popen(
            command, text=True, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if not echo else subprocess.STDOUT,
        ) as process:  # fmt: skip
            self.running.append(process.pid)
            lines = []
            assert process.stdout is not None
            for line in process.stdout:
                lines.append(line)
                if echo:
                    self.say(line.rstrip("\n"))
            errors = process.stderr.read() if process.stderr else ""
        self.running.remove(process.pid)
        done = subprocess.CompletedProcess(command, process.returncode, "".join(lines), errors)
        if done.returncode and not may_fail:
            raise RuntimeError(f"{shlex.join(command)}\n{done.stdout[-3000:]}{errors[-2000:]}")
        return done

    def _write(self, name: str, value: dict[str, Any]) -> None:
        (self.work / name).write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def now() -> str:
    time.sleep(1.1)  # two moments of the story never fall into the same second
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
