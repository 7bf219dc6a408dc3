# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The cluster as tests hold it: kubectl, images, processes, namespaces."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import components, images, keys, lifecycle, namespaces, oci, reading, traffic
from .errors import ClusterError
from .instance import Instance
from .processes import ask

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Cluster:
    """``instance`` is None on a user's own cluster (``USE_EXISTING_CLUSTER=true``)."""

    kubeconfig: Path
    instance: Instance | None = None

    # Objects

    def kubectl(
        self, *arguments: str, stdin: str | None = None, check: bool = True, limit_s: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl as administrator; ``check`` raises with what kubectl said."""
        program = self.instance.bin / "kubectl" if self.instance else Path(shutil.which("kubectl") or "kubectl")
        command = [str(program), f"--kubeconfig={self.kubeconfig}", *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=limit_s)
        if check and done.returncode:
            raise ClusterError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done

    def get(self, *arguments: str) -> Any:
        """``get("pods", "-n", "shop")`` -> the parsed JSON; raises where the object is missing."""
        asked = reading.question(arguments)
        if asked and self.instance and self.kubeconfig == self.instance.kubeconfig():
            return reading.get(self.instance, asked)
        return json.loads(self.kubectl("get", *arguments, "-o", "json").stdout)

    def apply(self, *manifests: Manifest, namespace: str = "") -> None:
        """Server-side apply of any number of objects in one call."""
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(manifests)})
        within = ("-n", namespace) if namespace else ()
        self.kubectl("apply", "--server-side", "--force-conflicts", *within, "-f", "-", stdin=text)

    def exec(self, namespace: str, pod: str, *command: str, container: str = "", check: bool = True) -> str:
        """Standard output of a command in a pod (``pod`` may be ``deploy/name``)."""
        chosen = ("-c", container) if container else ()
        return self.kubectl("exec", "-n", namespace, pod, *chosen, "--", *command, check=check).stdout

    def wait(self, what: str, test: Callable[[], Any], limit_s: float = 60, every_s: float = 0.1) -> Any:
        """Poll until ``test`` gives something true, and return that; an error of kubectl counts as not yet.

        So does a field that is not there: objects get theirs one after the other.
        """
        end, last = time.monotonic() + limit_s, ""
        while time.monotonic() < end:
            try:
                if found := test():
                    return found
            except (ClusterError, LookupError) as problem:
                last = str(problem)
            time.sleep(every_s)
        raise ClusterError(f"{what}: not within {limit_s:.0f} s. {last}")

    def wait_ready(self, namespace: str, *names: str, limit_s: float = 60) -> None:
        """Wait for pods (``pod/a``), Deployments and StatefulSets by ``kubectl rollout status`` or condition Ready."""
        for name in names:
            if name.startswith("pod"):
                self.kubectl("wait", "-n", namespace, name, "--for=condition=Ready", f"--timeout={limit_s:.0f}s")
            else:
                self.kubectl("rollout", "status", "-n", namespace, name, f"--timeout={limit_s:.0f}s")

    def wait_snapshot(self, namespace: str, name: str, limit_s: float = 30) -> Manifest:
        """The VolumeSnapshot once it is ready to use."""

        def ready() -> Manifest | None:
            found: Manifest = self.get("volumesnapshot", name, "-n", namespace)
            return found if found.get("status", {}).get("readyToUse") else None

        found: Manifest = self.wait(f"snapshot {name}", ready, limit_s)
        return found

    # Images

    def image(self, name: str = "work") -> str:
        """How pods name a base image. On a user's own cluster ``KNOWNGOOD_IMAGE_<NAME>`` says it."""
        if self.instance:
            return images.reference(name, images.bases()[name])
        variable = f"KNOWNGOOD_IMAGE_{name.upper()}"
        found = os.environ.get(variable)
        if not found:
            raise ClusterError(f"{variable} is not set")
        return found

    def build_image(
        self,
        name: str,
        files: Mapping[str, bytes],
        *,
        executable: Iterable[str] = (),
        base: str = "work",
        changes: oci.Changes | None = None,
    ) -> str:
        """Derive an image and import it; returns the reference by digest."""
        return images.build_image(self.own, name, files, executable=executable, base=base, changes=changes)

    # Our own cluster only

    @property
    def own(self) -> Instance:
        if self.instance is None:
            raise ClusterError("this needs the test's own cluster, not USE_EXISTING_CLUSTER=true")
        return self.instance

    def inside(self, *command: str, stdin: str | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command in the cluster's namespaces, its network above all: ``inside("nft", "list", "ruleset")``."""
        entered = namespaces.enter(lifecycle.state_of(self.own).init, command)
        done = subprocess.run(entered, input=stdin, capture_output=True, text=True, check=False)
        if check and done.returncode:
            raise ClusterError(f"{' '.join(command)}: {done.stderr.strip()}")
        return done

    @contextmanager
    def dropping(self, destinations: Sequence[str], sources: Sequence[str] | None = None) -> Iterator[None]:
        """While the block runs, packets to these pods (from these sources) vanish, as a policy agent would do."""
        script = traffic.script(list(destinations), list(sources) if sources else None)
        self.inside("nft", "-f", "-", stdin=script)
        try:
            yield
        finally:
            self.inside("nft", "-f", "-", stdin=traffic.removal())

    def components(self) -> dict[str, int | None]:
        """Exit code by component, None while it runs."""
        return lifecycle.components(self.own)

    def signal(self, component: str, number: int) -> None:
        """Send a signal to a component (``SIGKILL``, ``SIGSTOP``, ``SIGCONT``)."""
        ask(self.own.control_socket, {"do": "signal", "name": component, "signal": number})

    def restart(self, component: str) -> None:
        """Start a component that ended, with the arguments it had; nothing where it runs."""
        ask(self.own.control_socket, {"do": "start", "name": component})

    def add(self, *extras: str) -> None:
        """Have ``certmanager``, ``gateway``, ``s3``, ``velero``, ``kwok`` in the running cluster."""
        lifecycle.up(self.own, extras)

    def make_user(self, name: str) -> Path:
        """A kubeconfig of a new user without any right."""
        return keys.make_user(self.own, name, name)

    @property
    def s3(self) -> dict[str, str]:
        """Endpoint and account of the S3 server (extra ``s3``), for pods as well as for the host."""
        return {
            "endpoint": f"http://{self.own.ip}:{components.S3_PORT}",
            "access_key": components.S3_KEY,
            "secret_key": components.S3_SECRET,
        }
