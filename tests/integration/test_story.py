# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The incident of the case study, told once to a machine, from deploy to report and back again.

The playbooks run as a user with exactly the rights that ``docs/rbac`` ships. On the way the module is killed in the
middle of the swap and of the rotation. The tests of this file build on each other, in their order.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from examples.shop import stage
from examples.shop.story import VERSIONS, Story
from tests.cluster.audit import AuditLog
from tests.cluster.handle import Cluster

pytestmark = pytest.mark.rig

ROOT = Path(__file__).resolve().parents[2]
USER = "story-operator"
PLAYBOOKS = ("incident_response", "maintenance", "backup")


@dataclass
class Told:
    """The story so far, and what was seen on the way."""

    story: Story
    cluster: Cluster
    audit: AuditLog
    good: list[str] = field(default_factory=list)
    altered: list[str] = field(default_factory=list)
    approved: str = ""
    old_certificate: str = ""

    def writes(self) -> list[str]:
        """Writes of the operator since the last mark."""
        ours = {self.story.namespace, self.story.state_namespace, ""}
        return [f"{w.verb} {w.resource} {w.name}" for w in self.audit.writes(USER) if w.namespace in ours]

    def secret(self, name: str) -> dict[str, str]:
        found: dict[str, str] = self.cluster.get("secret", name, "-n", self.story.namespace)["data"]
        return found

    def operations(self, kind: str) -> list[dict[str, Any]]:
        items = self.cluster.get("configmaps", "-n", self.story.state_namespace, "-l", "knowngood.io/journal")["items"]
        logs = [json.loads(item["data"]["log.json"]) for item in items]
        return sorted((log for log in logs if log["id"].startswith(kind + "-")), key=lambda log: log["started"])


def roles(playbook: str, story: Story) -> list[dict[str, Any]]:
    """The shipped manifests, with the placeholders replaced as their first lines say."""
    text = (ROOT / "docs" / "rbac" / f"{playbook}.yaml").read_text(encoding="utf-8")
    text = text.replace("namespace: app-namespace", f"namespace: {story.namespace}")
    text = text.replace("namespace: knowngood}", f"namespace: {story.state_namespace}}}")
    text = text.replace("kind: User, name: knowngood}", f"kind: User, name: {USER}}}")
    return list(yaml.safe_load(text).get("items"))


@pytest.fixture(scope="module")
def told(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """The shop with its points, attacked, and the reports of the new ruleset at hand."""
    os.environ["KNOWNGOOD_INSTANCE"] = str(cluster.own.number)
    work = tmp_path_factory.mktemp("story") / "work"
    story = stage.make_story(work, say=lambda line: None)
    story.namespace, story.state_namespace = "story", "story-knowngood"
    story.prepare()
    granted = [manifest for playbook in PLAYBOOKS for manifest in roles(playbook, story)]
    cluster.apply(*granted)
    story.operator = str(cluster.make_user(USER))
    now = Told(story, cluster, AuditLog(cluster.own.audit_log))
    story.deploy("a1")
    story.trade("alice", 10)
    now.good = story.rows()
    story.point()
    for version in VERSIONS[1:3]:
        story.deploy(version)
        story.trade(version, 4)
        story.point()
    story.attack()
    now.altered = story.rows()
    story.incident([story.scan(version, 2) for version in VERSIONS])
    now.old_certificate = now.secret("storefront-tls")["tls.crt"]
    yield now
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": granted})
    cluster.kubectl("delete", "--ignore-not-found", "--wait=false", "-f", "-", stdin=text, check=False)
    story.clear_cluster()


def test_the_attack_altered_the_orders(told: Told) -> None:
    assert told.altered != told.good
    assert sum("mallory" in row for row in told.altered) >= 5


def test_a_check_run_shows_the_plan_and_writes_nothing(told: Told) -> None:
    told.audit.mark()
    done = told.story.respond(check=True)
    assert done.returncode == 0, done.stdout[-3000:]
    told.approved = shown_hash(done.stdout)
    assert told.writes() == []
    assert "(clean)" in done.stdout
    assert done.stdout.count(" is suspect") >= 2


def test_without_an_approval_it_stops_with_the_same_plan_and_writes_nothing(told: Told) -> None:
    told.audit.mark()
    done = told.story.respond()
    assert done.returncode != 0
    assert told.story.approval_hash(done.stdout) == told.approved
    assert told.writes() == []


def test_the_hash_of_another_plan_is_refused(told: Told) -> None:
    told.audit.mark()
    with pytest.raises(RuntimeError, match="another plan"):
        told.story.respond(approved="0" * 64)
    assert told.writes() == []


def test_with_ansible_killed_alone_the_module_ends_by_itself_and_the_next_run_waits_for_it(told: Told) -> None:
    def respond() -> None:
        told.story.respond("--tags", "hold,forensic,contain", approved=told.approved)

    def dies() -> None:
        with contextlib.suppress(RuntimeError):
            respond()

    first = threading.Thread(target=dies)
    with Killer(told, "quarantine", "isolate", victims=lambda: list(told.story.running)) as killer:
        first.start()
        killer.wait()
        respond()
    first.join(60)
    assert killer.killed
    policy, scaled = told.operations("quarantine")
    assert {policy["state"], scaled["state"]} == {"finished"}
    assert told.story.get("/api/health")[0] == 503  # the storefront stays up and says that it is being repaired


def test_killed_in_the_swap_it_leaves_one_retained_volume_with_the_data(told: Told) -> None:
    killed_in(told, "restore", "swap data-db-0, uploads")
    (operation,) = told.operations("restore")
    assert operation["state"] == "open"
    volumes = told.cluster.get("persistentvolumes")["items"]
    of_data = [v for v in volumes if (v["spec"].get("claimRef") or {}).get("namespace") == told.story.namespace]
    kept = [v for v in of_data if v["spec"]["persistentVolumeReclaimPolicy"] == "Retain"]
    assert len(kept) >= 3  # both volumes from before, and at least one that is on its way


def test_killed_in_the_rotation_the_data_is_back_by_then(told: Told) -> None:
    killed_in(told, "rotation", "restart")
    (restored,) = told.operations("restore")
    assert restored["state"] == "finished"
    assert told.story.rows() == told.good
    assert told.operations("rotation")[-1]["state"] == "open"


def test_the_same_command_again_finishes(told: Told) -> None:
    done = told.story.respond(approved=told.approved)
    assert done.returncode == 0
    assert told.story.rows() == told.good
    assert {
        operation["state"] for kind in ("restore", "rotation", "quarantine") for operation in told.operations(kind)
    } == {"finished"}


def test_the_orders_run_on_the_fixed_image(told: Told) -> None:
    status, body = told.story.get("/api/health")
    assert (status, json.loads(body)["version"]) == (200, "c4")
    pods = told.cluster.get("pods", "-n", told.story.namespace, "-l", "app=orders")["items"]
    wanted = told.story.images.orders["c4"].rpartition("@")[2]
    assert [pod["status"]["containerStatuses"][0]["imageID"].rpartition("@")[2] for pod in pods] == [wanted]


def test_every_pod_serves_the_new_certificate_and_none_the_old(told: Told) -> None:
    stored = told.secret("storefront-tls")["tls.crt"]
    assert stored != told.old_certificate
    pods = told.cluster.get("pods", "-n", told.story.namespace, "-l", "app=storefront")["items"]
    assert len(pods) == 2
    for pod in pods:
        name = pod["metadata"]["name"]
        served = told.cluster.exec(
            told.story.namespace, name, "bash", "-c",
            "openssl s_client -connect localhost:8443 </dev/null 2>/dev/null | openssl x509 | base64 -w0",
        )  # fmt: skip
        assert served.strip() == stored.strip()


def test_the_report_tells_the_story_and_needs_no_network(told: Told) -> None:
    directory = told.story.work / "store" / "INC-2026-001"
    page = (directory / "report.html").read_text(encoding="utf-8")
    data = json.loads((directory / "report.json").read_text(encoding="utf-8"))
    assert data["schema"] == "knowngood.io/incident-report/v1"
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?!#)""", page)
    assert "<script" not in page
    text = json.dumps(data)
    for evidence in ("suspect", "clean", "in_cluster", "port_forward", "fuzzy", told.approved):
        assert evidence in text, evidence


def test_a_second_response_to_the_incident_writes_nothing(told: Told) -> None:
    report = told.story.work / "store" / "INC-2026-001" / "report.html"
    before = report.read_bytes()
    told.audit.mark()
    done = told.story.respond()
    assert done.returncode == 0, done.stdout[-3000:]
    assert told.writes() == []
    assert re.search(r"changed=0\b", done.stdout)
    assert report.read_bytes() == before


def test_maintenance_takes_a_point_when_the_newest_is_too_old_and_is_quiet_after_that(told: Told) -> None:
    points = len(told.operations("capture"))
    due = {"knowngood_not_older_than": "1s", "knowngood_approval": "standing"}
    told.story.playbook("knowngood.kube.maintenance", due)
    assert len(told.operations("capture")) == points + 1
    told.audit.mark()
    done = told.story.playbook("knowngood.kube.maintenance", {"knowngood_not_older_than": "1h"})
    assert "nothing is due" in done.stdout
    assert "nothing that was looked at is unhealthy" in done.stdout
    assert told.writes() == []


def test_the_response_after_maintenance_still_writes_nothing(told: Told) -> None:
    told.audit.mark()
    assert told.story.respond().returncode == 0
    assert told.writes() == []


def test_an_undo_brings_the_altered_state_back_row_for_row(told: Told) -> None:
    (restored,) = told.operations("restore")
    command = ["ansible", "localhost", "-m", "knowngood.kube.operation", "-a", f"id={restored['id']} state=undone"]
    told.story.run(command)
    told.cluster.wait("the orders", lambda: told.story.get("/api/health")[0] == 200, 60)
    assert told.story.rows() == told.altered


def test_no_key_and_no_password_was_written_anywhere_a_person_looks(told: Told) -> None:
    password = told.secret("shop-db")["password"]
    keys = [told.secret(name)["tls.key"] for name in ("shop-ca", "storefront-tls")]
    state = told.cluster.kubectl("get", "configmaps,leases", "-n", told.story.state_namespace, "-o", "json").stdout
    files = [path.read_text(encoding="utf-8") for path in (told.story.work / "store").rglob("*.*") if path.is_file()]
    for secret in (password, *keys):
        for text in (state, *files):
            assert secret not in text
            assert plain(secret) not in text


# -- helpers -----------------------------------------------------------------------------------------------------


def shown_hash(output: str) -> str:
    found = re.search(r"plan hash ([0-9a-f]{64})", output)
    assert found, output[-3000:]
    return found.group(1)


def plain(encoded: str) -> str:
    """What a person would recognise of a Secret's value: the whole of a password, a line from within a key."""
    text = base64.b64decode(encoded).decode()
    return text.splitlines()[1] if "\n" in text else text


def killed_in(told: Told, kind: str, step: str) -> None:
    """The approved response, of which the module is killed in the middle of that step."""
    with Killer(told, kind, step) as killer, pytest.raises(RuntimeError) as caught:
        told.story.respond(approved=told.approved)
    assert killer.killed, f"step {step!r} was not seen to begin: {caught.value}"


class Killer:
    """While the block runs: as soon as the journal shows the step as begun, the victims are killed (-9).

    The module's processes, unless others are named.
    """

    def __init__(self, told: Told, kind: str, step: str, victims: Callable[[], list[int]] | None = None) -> None:
        self._told, self._kind, self._step = told, kind, step
        self._victims = victims or (lambda: modules(told.story.operator))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.killed = False

    def __enter__(self) -> Killer:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        del error
        self._stop.set()
        self._thread.join(10)

    def wait(self) -> None:
        """Until something was killed: what comes after that is not to be its victim."""
        self._thread.join(300)
        assert self.killed, f"step {self._step} did not begin"

    def _watch(self) -> None:
        while not self._stop.is_set():
            for operation in self._told.operations(self._kind):
                begun = [
                    n for n, e in operation["entries"].items() if n.startswith(self._step) and e["state"] == "started"
                ]
                if begun and operation["state"] == "open":
                    for process in self._victims():
                        os.kill(process, signal.SIGKILL)
                        self.killed = True
                    if self.killed:
                        return
            time.sleep(0.02)


def modules(kubeconfig: str) -> list[int]:
    """The processes of modules that Ansible runs now with this kubeconfig."""
    pattern = "AnsiballZ_(restore|certificate_rotation)"
    found = subprocess.run(["pgrep", "-f", pattern], text=True, capture_output=True, check=False)
    return [int(line) for line in found.stdout.split() if belongs(int(line), kubeconfig)]


def belongs(process: int, kubeconfig: str) -> bool:
    try:
        return f"K8S_AUTH_KUBECONFIG={kubeconfig}".encode() in Path(f"/proc/{process}/environ").read_bytes()
    except OSError:
        return False
