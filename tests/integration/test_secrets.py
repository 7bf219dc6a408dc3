# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""No Secret data in anything that leaves: values are planted, and searched in all that was printed, written and stored.

Everything runs with ``-vvv --diff``: in check mode, for real, and failing. The pods do their worst and print what they
know, so that whatever repeats their output is found.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.handle import Cluster
from tests.integration.doors import Call, Played, play
from tests.integration.rotation_app import Web
from tests.unit.tls import pki

VERBOSE = ("-vvv", "--diff")
TELLS = "echo $PASSWORD; echo $PASSWORD >&2; cat /secret/password"


@dataclass(frozen=True, slots=True)
class World:
    """``Deployment/web`` with certificates, ``StatefulSet/db`` with a claim and a password, and a user with a token."""

    cluster: Cluster
    namespace: str
    state: str
    work: Path
    token: str
    password: str
    bad_token: str
    broken_key: str

    @property
    def app(self) -> dict[str, Any]:
        return {"name": "app", "namespace": self.namespace, "tls_secrets": ["web-tls"]}

    def kubeconfig(self, token: str) -> dict[str, Any]:
        known: dict[str, Any] = json.loads(self.cluster.kubeconfig.read_text())
        known["users"][0]["user"] = {"token": token}
        return known

    def call(self, name: str, door: str, **options: Any) -> Call:
        state = {} if door == "app_info" else {"state_namespace": self.state}
        return Call(name, door, {"app": self.app, **state, **options})

    def rotation(self, name: str, **more: Any) -> Call:
        given = {"targets": [{"secret": "web-tls"}], "issuer": {"ca_secret": "web-ca"}, "incident": "INC-1", **more}
        return self.call(name, "certificate_rotation", probe_image=self.cluster.image(), **given)

    def restore(self, name: str, target: str = "in_place", **probe: Any) -> Call:
        said = {"name": "tells", "workload": "StatefulSet/db", "command": ["sh", "-c", TELLS], **probe}
        return self.call(name, "restore", recovery_point="latest", verify=[said], target=target)

    def quarantine(self, name: str, **more: Any) -> Call:
        image = self.cluster.image()
        given = {"workloads": ["Deployment/web"], "method": "scale_down", "probe_image": image, "settle_timeout": 2}
        return self.call(name, "quarantine", **given, **more)

    def capture(self, name: str, ending: str, **more: Any) -> Call:
        command = ["sh", "-c", f"{TELLS}; {ending}"]
        hook = {"name": "tells", "workload": "StatefulSet/db", "command": command, **more}
        return self.call(name, "recovery_point", hooks={"pre": [hook]})


@pytest.fixture
def world(cluster: Cluster, make_namespace: Callable[[], str], tmp_path: Path) -> Iterator[World]:
    namespace, state = make_namespace(), make_namespace()
    password, broken = f"pass-{secrets.token_hex(12)}", f"broken-{secrets.token_hex(12)}"
    web = Web.make(cluster, namespace)
    cluster.apply(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "operator"}},
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "db-password"},
            "stringData": {"password": password},
        },
        pki.as_manifest(pki.secret("broken-tls", web.leaf.pem, broken.encode())),
        pki.as_manifest(pki.secret("broken-ca", web.ca.pem, broken.encode())),
        database(cluster.image()),
        namespace=namespace,
    )
    subject = {"kind": "ServiceAccount", "name": "operator", "namespace": namespace}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    binding = {"kind": "ClusterRoleBinding", "metadata": {"name": namespace}, "roleRef": role, "subjects": [subject]}
    cluster.apply({"apiVersion": "rbac.authorization.k8s.io/v1", **binding})
    web.deploy(replicas=1)
    cluster.wait_ready(namespace, "statefulset/db")
    token = cluster.kubectl("create", "token", "operator", "-n", namespace).stdout.strip()
    yield World(cluster, namespace, state, tmp_path, token, password, f"bad-{secrets.token_hex(12)}", broken)
    cluster.kubectl("delete", "clusterrolebinding", namespace)


def database(image: str) -> dict[str, Any]:
    container = {
        "name": "db",
        "image": image,
        "command": ["sh", "-c", f"{TELLS}; exec sleep infinity"],
        "env": [{"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db-password", "key": "password"}}}],
        "volumeMounts": [{"name": "data", "mountPath": "/data"}, {"name": "secret", "mountPath": "/secret"}],
    }
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    spec = {
        "containers": [container],
        "terminationGracePeriodSeconds": 0,
        "volumes": [{"name": "secret", "secret": {"secretName": "db-password"}}],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "db"},
        "spec": {
            "serviceName": "db",
            "replicas": 1,
            "selector": {"matchLabels": {"app": "db"}},
            "template": {"metadata": {"labels": {"app": "db"}}, "spec": spec},
            "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {**claim, "storageClassName": "local"}}],
        },
    }


def test_no_secret_leaves(world: World) -> None:
    looked = play(world.work / "check", checked(world), "--check", *VERBOSE, defaults=reached(world))
    done = play(world.work / "done", [*worked(world), *reported(world)], *VERBOSE, defaults=reached(world))
    refused = play(world.work / "refused", broken(world), *VERBOSE, defaults=reached(world))

    assert complaints(looked) == {}
    assert complaints(done) == {}
    assert set(complaints(refused)) == set(refused.results), "each of these is to fail"
    needles = planted(world)
    emitted = everything(world, looked, done, refused)
    assert {what: found for what, text in emitted.items() if (found := hits(needles, text))} == {}

    # The search finds them where they are, and what was searched is what was done.
    assert set(hits(needles, inside_secrets(world))) == {name for name in needles if not name.startswith("token")}
    assert hits(needles, world.cluster.kubectl("logs", "-n", world.namespace, "db-0").stdout)
    assert "module_args" in emitted["printed by done"]
    assert "+++ after" in emitted["printed by done"]
    assert "restore" in emitted["objects in the state namespace"]
    assert len(emitted["report.html"]) > 5000


def reached(world: World) -> dict[str, Any]:
    return {"kubeconfig": world.kubeconfig(world.token)}


def checked(world: World) -> list[Call]:
    return [
        world.capture("capture", "true"),
        world.rotation("rotate"),
        world.quarantine("isolate"),
    ]


def worked(world: World) -> list[Call]:
    return [
        world.call("look", "app_info"),
        Call(
            "certificates", "certificate_info", {"namespaces": [world.namespace], "selector": "app=web", "probe": True}
        ),
        world.capture("capture", "exit 3", on_error="continue"),
        world.call("hold", "recovery_point_mark", state="held", all=True, incident="INC-1", reason="evidence"),
        world.call("decide", "known_good"),
        world.rotation("rotate"),
        world.quarantine("isolate", incident="INC-1"),
        world.restore("restore"),
        world.quarantine("release", incident="INC-1", state="released"),
        world.call("points", "recovery_point_info"),
        world.call("operations", "operation"),
        world.call("preflight", "preflight"),
    ]


def reported(world: World) -> list[Call]:
    """The report of all that, from the registered results."""
    number = {call.name: f"{{{{ result_{place} }}}}" for place, call in enumerate(worked(world))}
    steps = {
        "preflight": number["preflight"],
        "held": number["hold"],
        "forensic": number["capture"],
        "decision": number["decide"],
        "containment": number["isolate"],
        "restore": number["restore"],
        "rotation": number["rotate"],
        "certificates_before": number["certificates"],
        "release": number["release"],
        "operations": number["operations"],
    }
    incident = {"id": "INC-1", "time": "2026-11-21T14:00:00Z", "finding": {"cwe": "CWE-89"}}
    dest, formats = str(world.work / "report"), ["html", "json", "md"]
    given = {"incident": incident, "app": number["look"], "steps": steps, "dest": dest, "formats": formats}
    return [Call("report", "incident_report", given)]


def broken(world: World) -> list[Call]:
    """Each ends in a failure that has a secret at hand."""
    bad, text = world.kubeconfig(world.bad_token), json.dumps(world.kubeconfig(world.token), indent=1)
    no_user = {
        **bad,
        "contexts": [{"name": bad["current-context"], "context": {"cluster": "nowhere", "user": "nobody"}}],
    }
    key_at = {"secret": "broken-tls", "namespace": world.namespace}
    return [
        world.capture("a hook that tells", "exit 3"),
        world.restore(
            "a probe that tells", "claim", command=["sh", "-c", f"{TELLS}; exit 3"], on="staged", timeout_s=2
        ),
        world.restore(
            "a container that tells and ends",
            "claim",
            start=["sh", "-c", f"{TELLS}; exit 3"],
            command=["false"],
            on="staged",
        ),
        world.rotation("a key that is none", targets=[key_at], incident="INC-2"),
        world.rotation("a CA key that is none", issuer={"ca_secret": "broken-ca"}, incident="INC-2"),
        world.call("a token that is refused", "app_info", kubeconfig=bad),
        world.call("a kubeconfig without its user", "app_info", kubeconfig=no_user),
        world.call("a kubeconfig as text", "app_info", kubeconfig=text),
        world.call("an option refused", "app_info", kubeconfig=bad, no_such_option=1),
        world.call("an api_key that is refused", "app_info", kubeconfig=None, **host(world), api_key=world.bad_token),
        world.call("a password that is refused", "app_info", kubeconfig=None, **host(world), **person(world)),
    ]


def host(world: World) -> dict[str, Any]:
    server = json.loads(world.cluster.kubeconfig.read_text())["clusters"][0]["cluster"]["server"]
    return {"host": server, "validate_certs": False}


def person(world: World) -> dict[str, Any]:
    return {"username": "somebody", "password": world.bad_token}


# -- the search -------------------------------------------------------------------------------------------------------


def complaints(played: Played) -> dict[str, str]:
    return {name: result["msg"] for name, result in played.results.items() if result.get("failed")}


def planted(world: World) -> dict[str, set[str]]:
    """What nobody may see, by name: as it is, line by line where it is PEM, and the same in base64."""
    values = {
        "password": world.password.encode(),
        "broken key": world.broken_key.encode(),
        "token": world.token.encode(),
        "token's signature": world.token.rpartition(".")[2].encode(),
        "token refused": world.bad_token.encode(),
    }
    for secret in all_secrets(world):
        for name, value in (secret.get("data") or {}).items():
            if name.endswith(".key"):
                values[f"{secret['metadata']['name']} {name}"] = base64.b64decode(value)
    assert sum(name.endswith("tls.key") for name in values) >= 4, "the keys of before and after are kept in Secrets"
    return {name: set(forms(value)) for name, value in values.items()}


def forms(value: bytes) -> Iterable[str]:
    for line in value.decode().splitlines():
        if line and not line.startswith("-----"):
            yield line
    # Base64 goes by groups of three bytes: whatever stands before the value, one of these is what it looks like. The
    # first and last group mix with what is around them, and a PEM's head is no secret.
    head = value.index(b"\n") if value.startswith(b"-----") else 0
    for shift in range(3):
        yield base64.b64encode(b"\0" * shift + value[head:])[4:44].decode()


def hits(needles: dict[str, set[str]], text: str) -> dict[str, str]:
    """Which secrets are in the text, and the words around the first place."""
    found = {}
    for name, looks in needles.items():
        for look in looks:
            place = text.find(look)
            if place >= 0:
                found[name] = text[max(0, place - 120) : place + 20]
    return found


def everything(world: World, *plays: Played) -> dict[str, str]:
    emitted = {f"printed by {name}": one.printed for name, one in zip(("check", "done", "refused"), plays, strict=True)}
    emitted |= {f"results {number}": json.dumps(one.results) for number, one in enumerate(plays)}
    for file in (world.work / "report").iterdir():
        emitted[file.name] = file.read_text()
    kinds = "configmaps,leases.coordination.k8s.io,events"
    emitted["objects in the state namespace"] = dumped(world, kinds, "-n", world.state)
    kinds += ",pods,deployments,replicasets,statefulsets,controllerrevisions,pvc,networkpolicies,volumesnapshots"
    emitted["objects in the namespace"] = dumped(world, kinds, "-n", world.namespace)
    emitted["objects of the cluster"] = dumped(world, "pv,volumesnapshotcontents")
    return emitted


def dumped(world: World, *what: str) -> str:
    return world.cluster.kubectl("get", *what, "-o", "json").stdout


def all_secrets(world: World) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for namespace in (world.namespace, world.state):
        found += world.cluster.get("secrets", "-n", namespace)["items"]
    return found


def inside_secrets(world: World) -> str:
    values = [value for secret in all_secrets(world) for value in (secret.get("data") or {}).values()]
    return "\n".join(base64.b64decode(value).decode() for value in values)
