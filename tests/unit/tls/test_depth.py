# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Copies made anew, servers that reload, waves, refusals, and emergencies."""

from __future__ import annotations

import base64
import copy
import gzip
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
    pkcs12,
)
from cryptography.x509.oid import ExtendedKeyUsageOID

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import (
    BadInput,
    Conflict,
    KnownGoodError,
    NotProven,
)
from ansible_collections.knowngood.kube.plugins.module_utils._core.plan import canonical
from ansible_collections.knowngood.kube.plugins.module_utils._core.ports import OPEN
from ansible_collections.knowngood.kube.plugins.module_utils._tls import rotation
from ansible_collections.knowngood.kube.plugins.module_utils._tls.emergency import copies_of, holds_key
from ansible_collections.knowngood.kube.plugins.module_utils._tls.plan import Target
from ansible_collections.knowngood.kube.plugins.module_utils._tls.request import request
from ansible_collections.knowngood.kube.plugins.module_utils._tls.rotation_report import Part
from ansible_collections.knowngood.kube.plugins.module_utils._tls.secrets import read_secret
from ansible_collections.knowngood.kube.plugins.module_utils._tls.source import Given, Source
from ansible_collections.knowngood.kube.plugins.module_utils._tls.waves import checked, lanes, split

from ..core.memory import Died
from . import pki
from .world import CA, ORIGINAL, Desk, world

Open = Callable[..., Desk]
PASSWORD = b"changeit"
HUP = {"signal": "HUP"}
RELOADED = Target("shop", "web-tls", reload=HUP)
STORED = Target("shop", "web-tls", keystore_password={"secret": "store", "key": "password"})


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Open:
    return lambda made=None, **fields: Desk(made or world(**fields), monkeypatch)


def refusal(at: Desk, *targets: Target, **asked: Any) -> str:
    before = copy.deepcopy(at.world.objects)
    with pytest.raises(KnownGoodError) as caught:
        at.rotate(*targets, **asked)
    assert at.world.objects == before
    assert at.journal.list() == []
    assert not caught.value.changed
    return str(caught.value)


def put(at: Desk, **more: bytes) -> Desk:
    data = {name.replace("_", "."): base64.b64encode(value).decode() for name, value in more.items()}
    at.world.secret["data"].update(data)
    return at


def value(at: Desk, name: str) -> bytes:
    return base64.b64decode(at.world.secret["data"][name])


def store(encryption: Any = None, *, pair: pki.Pair = ORIGINAL) -> bytes:
    kind = encryption or BestAvailableEncryption(PASSWORD)
    return pkcs12.serialize_key_and_certificates(b"web", pair.key, pair.cert, [CA.cert], kind)


def old_java() -> Any:
    builder = PrivateFormat.PKCS12.encryption_builder().kdf_rounds(1000)
    builder = builder.key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC).hmac_hash(hashes.SHA1())
    return builder.build(PASSWORD)


def with_password(at: Desk, password: bytes = PASSWORD) -> Desk:
    made = pki.secret("store", b"", None, more={"password": password})
    at.world.objects["Secret", "shop", "store"] = made
    return at


class TestCopies:
    def test_pem_in_any_arrangement_is_made_anew_and_the_rest_stays(self, desk: Open) -> None:
        key, old_style, other = pki.key_pem(ORIGINAL.key), pki.key_pem(ORIGINAL.key, "old"), pki.key_pem(pki.key())
        at = put(
            desk(),
            combined_pem=b"# for the proxy\n" + old_style + ORIGINAL.pem + CA.pem + b"end\n",
            turned_pem=ORIGINAL.pem + key,
            mixed_pem=ORIGINAL.pem + other,
        )
        at.rotate()
        new, made = value(at, "tls.crt"), value(at, "combined.pem")
        assert made.startswith(b"# for the proxy\n-----BEGIN EC PRIVATE KEY-----")
        assert made.endswith(new + CA.pem + b"end\n")
        assert value(at, "turned.pem") == new + value(at, "tls.key")
        assert value(at, "mixed.pem") == new + other
        assert value(at, "extra") == b"kept"
        assert key not in b"".join(base64.b64decode(v) for v in at.world.secret["data"].values())

    @pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
    def test_der(self, desk: Open, form: PrivateFormat) -> None:
        at = put(
            desk(),
            cert_der=ORIGINAL.cert.public_bytes(Encoding.DER),
            key_der=ORIGINAL.key.private_bytes(Encoding.DER, form, NoEncryption()),
        )
        at.rotate()
        new = read_secret(at.world.secret).certificate
        assert value(at, "cert.der") == new.der
        made = load_der_private_key(value(at, "key.der"), None)
        assert made.public_key() == new.x509().public_key()
        assert value(at, "key.der") == made.private_bytes(Encoding.DER, form, NoEncryption())

    @pytest.mark.parametrize("encryption", [None, old_java()], ids=["PBES2", "PBES1"])
    def test_pkcs12_keeps_alias_password_and_the_way_it_is_encrypted(self, desk: Open, encryption: Any) -> None:
        at = with_password(put(desk(), store_p12=store(encryption)))
        found = at.rotate(STORED)
        made = pkcs12.load_pkcs12(value(at, "store.p12"), PASSWORD)
        assert made.cert is not None
        assert made.key is not None
        assert made.cert.certificate == read_secret(at.world.secret).certificate.x509()
        assert made.key.public_key() == made.cert.certificate.public_key()
        assert made.cert.friendly_name == b"web"
        assert [c.certificate for c in made.additional_certs] == [CA.cert]
        old_style = bytes.fromhex("060a2a864886f70d010c0103")
        assert (old_style in value(at, "store.p12")) is (encryption is not None)
        assert PASSWORD.decode() not in canonical(found)

    def test_the_chain_goes_along(self, desk: Open) -> None:
        middle = pki.ca("middle", CA)
        leaf = pki.leaf(middle, ("DNS:web.shop.svc", "DNS:web"))
        made = world(leaf=leaf)
        made.secret["data"]["tls.crt"] = base64.b64encode(leaf.pem + middle.pem).decode()
        made.objects["Secret", "shop", "ca"] = pki.secret("ca", middle.pem + CA.pem, pki.key_pem(middle.key))
        at = put(Desk(made, desk().patch), both_pem=pki.key_pem(leaf.key) + leaf.pem + middle.pem)
        at.rotate()
        assert value(at, "both.pem") == value(at, "tls.key") + value(at, "tls.crt")

    def test_undo_brings_all_of_them_back(self, desk: Open) -> None:
        at = with_password(put(desk(), store_p12=store(), all_pem=ORIGINAL.pem + pki.key_pem(ORIGINAL.key)))
        before = copy.deepcopy(at.world.secret["data"])
        found = at.rotate(STORED)
        assert at.world.secret["data"] != before
        at.engine().undo(found["operation"])
        assert at.world.secret["data"] == before

    def test_refusals(self, desk: Open) -> None:
        jks = b"\xfe\xed\xfe\xed\x00\x00\x00\x02"
        encrypted = ORIGINAL.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x" * 8))
        assert "Java key store (JKS)" in refusal(put(desk(), store_jks=jks))
        assert "the PKCS#12 store is encrypted" in refusal(put(desk(), store_p12=store()))
        wrong = with_password(put(desk(), store_p12=store()), b"another")
        assert "does not open with its password" in refusal(wrong, STORED)
        assert "password is not there" in refusal(put(desk(), store_p12=store()), STORED)
        assert "private key is encrypted" in refusal(put(desk(), all_pem=ORIGINAL.pem + encrypted))


@pytest.mark.parametrize(("kind", "fmt", "begins"), [
    ("RSA-2048", "old", b"-----BEGIN RSA PRIVATE KEY-----"),
    ("ECDSA-P-384", "old", b"-----BEGIN EC PRIVATE KEY-----"),
    ("ECDSA-P-521", "PKCS8", b"-----BEGIN PRIVATE KEY-----"),
    ("Ed25519", "PKCS8", b"-----BEGIN PRIVATE KEY-----"),
])  # fmt: skip
def test_what_is_kept_of_the_old_certificate(desk: Open, kind: str, fmt: str, begins: bytes) -> None:
    names = ("DNS:z.shop.svc", "IP:10.0.0.9", "DNS:a.shop.svc", "email:a@shop.test", "URI:spiffe://shop/web")
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(False, None), True),
        (pki.usage(digital_signature=True), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (x509.TLSFeature([x509.TLSFeatureType.status_request]), False),
    ]  # fmt: skip
    old = pki.leaf(CA, names, kind=kind, extensions=extensions, begin=pki.NOW - 4 * pki.DAY, end=pki.NOW + 3 * pki.DAY)
    made = world(leaf=old)
    made.secret["data"]["tls.key"] = base64.b64encode(pki.key_pem(old.key, fmt)).decode()
    at = Desk(made, desk().patch)
    at.rotate()
    new = read_secret(at.world.secret)
    assert new.certificate.names == names
    assert new.certificate.key == kind
    assert new.certificate.not_after - new.certificate.not_before == 7 * pki.DAY
    assert new.value("tls.key").startswith(begins)
    for wanted, critical in extensions:
        found = new.certificate.x509().extensions.get_extension_for_class(type(wanted))
        assert (found.value, found.critical) == (wanted, critical)


class TestReload:
    def test_the_pods_that_are_behind_are_told_and_none_is_restarted(self, desk: Open) -> None:
        at = desk()
        pods = sorted(at.world.loaded)
        found = at.rotate(RELOADED, rollout="reload")
        assert at.world.told == [(pod, "sh", "-c", "kill -s HUP 1") for pod in pods]
        assert found["reloaded"] == pods
        assert found["restarted"] == []
        assert at.world.restarts == 0
        assert set(at.world.loaded.values()) == {at.world.stored}
        assert not at.rotate(RELOADED, rollout="reload")["changed"]

    def test_a_server_that_reloads_by_itself_is_not_told(self, desk: Open) -> None:
        at = desk(reloads=True)
        at.rotate(RELOADED, rollout="reload")
        assert at.world.told == []

    def test_what_never_sees_new_files_is_restarted_all_the_same(self, desk: Open) -> None:
        at = desk(sub_path="tls.crt")
        found = at.rotate(RELOADED, rollout="reload")
        assert at.world.told == []
        assert found["restarted"] == ["Deployment/web"]

    def test_a_reload_that_fails_is_seen_and_taken_back(self, desk: Open) -> None:
        at = desk(deaf=True)
        with pytest.raises(NotProven, match="cannot load") as caught:
            at.rotate(Target("shop", "web-tls", reload={"command": ["nginx", "-s", "reload"]}), rollout="reload")
        assert caught.value.details["undone"] is True
        assert at.world.stored == ORIGINAL.fingerprint
        assert set(at.world.loaded.values()) == {ORIGINAL.fingerprint}
        assert at.world.restarts == 0

    def test_undone_it_is_told_again(self, desk: Open) -> None:
        at = desk()
        found = at.rotate(RELOADED, rollout="reload")
        at.engine().undo(found["operation"])
        assert len(at.world.told) == 4
        assert set(at.world.loaded.values()) == {ORIGINAL.fingerprint}

    def test_a_workload_that_could_not_be_restarted_can_be_reloaded(self, desk: Open) -> None:
        at = desk()
        at.world.objects["Deployment", "shop", "web"]["spec"]["paused"] = True
        assert at.rotate(RELOADED, rollout="reload")["changed"]

    @pytest.mark.parametrize("write", range(14))
    def test_killed_it_goes_on(self, desk: Open, write: int) -> None:
        at = desk()
        at.world.fuse.left = write
        with pytest.raises(Died):
            at.rotate(RELOADED, rollout="reload")
        at.world.fuse.left = 10**9
        at.rotate(RELOADED, rollout="reload")
        assert set(at.world.loaded.values()) == {at.world.stored}
        assert at.world.stored != ORIGINAL.fingerprint


class TestRefusals:
    def workload(self, at: Desk) -> dict[str, Any]:
        found: dict[str, Any] = at.world.objects["Deployment", "shop", "web"]
        return found

    def test_a_paused_rollout(self, desk: Open) -> None:
        at = desk()
        self.workload(at)["spec"]["paused"] = True
        assert "may need a restart" in refusal(at)

    def test_names_that_the_ca_may_not_sign_for(self, desk: Open) -> None:
        narrow = x509.NameConstraints([x509.DNSName("other.example")], None)
        bound = pki.ca("shop-ca", private=CA.key, constraints=narrow)
        at = desk()
        at.world.objects["Secret", "shop", "ca"] = pki.secret("ca", bound.pem, pki.key_pem(CA.key))
        assert "may not sign for these names" in refusal(at)

    def test_on_delete(self, desk: Open) -> None:
        at = desk()
        self.workload(at)["spec"]["updateStrategy"] = {"type": "OnDelete"}
        assert "update strategy is OnDelete" in refusal(at)

    def test_recreate_without_a_window(self, desk: Open) -> None:
        at = desk()
        self.workload(at)["spec"]["strategy"] = {"type": "Recreate"}
        assert "would interrupt the service" in refusal(at)
        assert at.rotate(accept_downtime=True)["restarted"] == ["Deployment/web"]


class TestWaves:
    def two(self, at: Desk, count: int = 2) -> tuple[Target, ...]:
        for number in range(count):
            leaf = pki.leaf(CA, (f"DNS:s{number}",))
            at.world.objects["Secret", "shop", f"s{number}"] = pki.secret(f"s{number}", leaf.pem, pki.key_pem(leaf.key))
        return tuple(Target("shop", f"s{number}") for number in range(count))

    def test_sizes(self) -> None:
        assert split(range(10), ("1", "20%", "100%")) == ((0,), (1, 2), (3, 4, 5, 6, 7, 8, 9))
        assert split(range(5), ("2",)) == ((0, 1), (2, 3), (4,))
        assert split((), ("1",)) == ()
        assert split(range(3), ("1%",)) == ((0,), (1,), (2,))
        for bad in ("0", "101%", "x", "-1"):
            with pytest.raises(BadInput, match="neither a number nor a percentage"):
                checked([bad])

    def test_who_shares_a_workload_waits_for_the_other(self) -> None:
        users = [frozenset(word) for word in ("a", "b", "", "bc", "d", "ca", "")]
        assert lanes(range(7), users) == ((0, 1, 3, 5), (2,), (4,), (6,))

    def test_no_two_rotations_of_one_workload_at_a_time(self, desk: Open) -> None:
        at, going, most = desk(), [0], [0]
        targets = tuple(Target("shop", t.secret, workloads=("Deployment/web",)) for t in self.two(at, 3))

        def one(*given: Any) -> Part:
            going[0] += 1
            most[0] = max(most[0], going[0])
            time.sleep(0.02)
            going[0] -= 1
            return Part(given[1])

        at.patch.setattr(rotation, "_one", one)
        at.rotate(*targets, waves=("100%",))
        assert most == [1]

    def test_rotations_of_different_workloads_go_on_at_once(self, desk: Open) -> None:
        at, meeting = desk(), threading.Barrier(3, timeout=60)

        def one(*given: Any) -> Part:
            meeting.wait()
            return Part(given[1])

        at.patch.setattr(rotation, "_one", one)
        found = at.rotate(*self.two(at, 3), waves=("100%",))
        assert len(found["targets"]) == 3
        assert not meeting.broken

    def test_each_target_is_an_operation_of_its_own(self, desk: Open) -> None:
        at = desk()
        found = at.rotate(*self.two(at, 3), waves=("1", "100%"), at_once=1)
        assert len(found["operations"]) == 3
        assert {row["state"] for row in found["targets"]} == {"changed"}
        again = at.rotate(*(Target("shop", f"s{number}") for number in range(3)), waves=("1", "100%"), at_once=1)
        assert not again["changed"]

    def test_no_wave_after_too_many_failures(self, desk: Open) -> None:
        at = desk()
        targets = (Target("shop", "nowhere"), *self.two(at, 2))
        with pytest.raises(KnownGoodError, match="no Secret shop/nowhere") as caught:
            at.rotate(*targets, waves=("1",), at_once=1)
        rows: Any = caught.value.details["targets"]
        assert [(row["target"], row["state"]) for row in rows] == [
            ("shop/nowhere", "failed"), ("shop/s0", "skipped"), ("shop/s1", "skipped"),
        ]  # fmt: skip
        assert not caught.value.changed

    def test_as_many_failures_as_are_allowed(self, desk: Open) -> None:
        at = desk()
        targets = (Target("shop", "nowhere"), *self.two(at, 2))
        with pytest.raises(KnownGoodError) as caught:
            at.rotate(*targets, waves=("1",), at_once=1, failures_allowed=1)
        rows: Any = caught.value.details["targets"]
        assert sorted(row["state"] for row in rows) == ["changed", "changed", "failed"]
        assert caught.value.changed


EMERGENCY = {"emergency": True, "state_namespace": "knowngood"}


class TestEmergency:
    def test_no_overlap_every_process_new_and_the_key_denied(self, desk: Open) -> None:
        at = desk(reloads=True)
        found = at.rotate(**EMERGENCY)
        assert found["restarted"] == ["Deployment/web"]
        assert set(at.world.loaded.values()) == {at.world.stored}
        assert at.world.copies == []
        spki = read_secret(pki.secret("x", ORIGINAL.pem, None)).certificate.spki
        assert found["denied"] == [spki]
        (entry,) = [o for (kind, _n, _name), o in at.world.objects.items() if kind == "ConfigMap"]
        assert entry["immutable"] is True
        assert entry["data"]["fingerprint"] == ORIGINAL.fingerprint
        assert entry["metadata"]["namespace"] == "knowngood"
        assert found["undo_until"] == ""
        assert not at.rotate(**EMERGENCY)["changed"]

    def test_check_mode_denies_nothing_and_shows_the_plan_that_runs(self, desk: Open) -> None:
        at = desk()
        shown = at.rotate(check_mode=True, **EMERGENCY)
        assert at.world.fuse.writes == 0
        assert not [key for key in at.world.objects if key[0] == "ConfigMap"]
        assert at.rotate(**EMERGENCY)["plan_hash"] == shown["plan_hash"]

    def test_there_is_no_way_back_to_a_compromised_key(self, desk: Open) -> None:
        at = desk(works_only=ORIGINAL.fingerprint)
        with pytest.raises(NotProven, match="the old key is given up"):
            at.rotate(**EMERGENCY)
        operation = at.journal.list()[0]
        assert operation.state == OPEN
        with pytest.raises(Conflict, match="is compromised"):
            at.engine().undo(operation.id)
        assert at.world.stored != ORIGINAL.fingerprint

    def test_before_the_write_it_can_be_undone_and_leaves_nothing(self, desk: Open) -> None:
        at = desk()
        at.world.fuse.left = 8
        with pytest.raises(Died):
            at.rotate(**EMERGENCY)
        at.world.fuse.left = 10**9
        assert at.world.stored == ORIGINAL.fingerprint
        at.engine().undo(at.journal.list()[0].id)
        assert not [key for key in at.world.objects if key[0] == "ConfigMap"]
        assert at.world.copies == []

    @pytest.mark.parametrize("write", range(21))
    def test_killed_it_goes_on(self, desk: Open, write: int) -> None:
        at = desk()
        applied = "kubectl.kubernetes.io/last-applied-configuration"
        at.world.secret["metadata"]["annotations"][applied] = base64.b64encode(pki.key_pem(ORIGINAL.key)).decode()
        at.world.fuse.left = write
        with pytest.raises(Died):
            at.rotate(**EMERGENCY, purge=("annotations",))
        at.world.fuse.left = 10**9
        at.rotate(**EMERGENCY, purge=("annotations",))
        assert at.world.stored != ORIGINAL.fingerprint
        assert set(at.world.loaded.values()) == {at.world.stored}
        assert len(at.world.staged_keys) == 1
        assert at.world.copies == []
        assert applied not in at.world.secret["metadata"]["annotations"]

    def test_a_process_that_nothing_renews_is_named(self, desk: Open) -> None:
        at = desk()
        bare = copy.deepcopy(at.world.objects["Pod", "shop", "web-0-0"])
        bare["metadata"].update(name="bare", uid="bare", ownerReferences=[], labels={})
        at.world.objects["Pod", "shop", "bare"] = bare
        at.world.loaded["bare"] = ORIGINAL.fingerprint
        roll = at.world.roll

        def roll_all_but_the_bare_one() -> None:
            roll()
            at.world.objects["Pod", "shop", "bare"] = bare

        at.patch.setattr(at.world, "roll", roll_all_but_the_bare_one)
        with pytest.raises(NotProven, match="pod bare"):
            at.rotate(**EMERGENCY)
        at.patch.setattr(at.world, "roll", roll)
        del at.world.objects["Pod", "shop", "bare"]
        assert at.rotate(**EMERGENCY)["changed"]

    def test_a_denied_key_never_comes_back(self, desk: Open) -> None:
        at = desk()
        at.rotate(**EMERGENCY)
        again = Source(kind="provided", given={"shop/web-tls": Given(ORIGINAL.pem, pki.key_pem(ORIGINAL.key))})
        with pytest.raises(BadInput, match="deny-list"):
            at.rotate(source=again, incident="", state_namespace="knowngood")
        restored = pki.secret("restored", ORIGINAL.pem, pki.key_pem(ORIGINAL.key))
        at.world.objects["Secret", "shop", "restored"] = restored
        found = at.rotate(Target("shop", "restored"), incident="", expiring_within_s=0.0, state_namespace="knowngood")
        assert found["targets"][0]["reason"] == "its key is on the deny-list"

    def test_copies_of_the_old_key_are_named(self, desk: Open) -> None:
        at = desk()
        key = pki.key_pem(ORIGINAL.key)
        encoded = base64.b64encode(key).decode()
        applied = json.dumps({"kind": "Secret", "data": {"tls.key": encoded}})
        at.world.secret["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] = applied
        release = json.dumps({"manifest": f"kind: Secret\ndata:\n  tls.key: {encoded}\n"}).encode()
        packed = base64.b64encode(gzip.compress(release))
        helm = pki.secret(
            "sh.helm.release.v1.shop.v3", b"", None, labels={"owner": "helm", "name": "shop", "version": "3"}
        )
        helm["type"], helm["data"] = "helm.sh/release.v1", {"release": base64.b64encode(packed).decode()}
        twin = pki.secret("twin", ORIGINAL.pem, key)
        config = {
            "kind": "ConfigMap",
            "metadata": {"name": "c", "namespace": "shop"},
            "data": {"key.pem": key.decode()},
        }
        for obj in (helm, twin, config):
            at.world.objects[obj["kind"], "shop", obj["metadata"]["name"]] = obj
        assert at.rotate(incident="INC-0")["changed"]  # leaves an archived generation of the same key
        archive = at.world.copies[0]
        rows = list(copies_of(read_secret(twin).certificate.spki, at.world.list("Secret", "shop")))
        assert ("Secret shop/" + archive, "data tls.key", "our previous generation of web-tls") in [
            (row["object"], row["place"], row["what"]) for row in rows
        ]
        at.world.secret["data"].update(pki.secret("x", ORIGINAL.pem, key)["data"])
        at.world.secret["metadata"]["annotations"].pop("knowngood.io/rotated-for", None)
        at.world.roll()
        found = at.rotate(**EMERGENCY, expiring_within_s=None)
        assert {(row["object"], row["what"]) for row in found["copies"]} == {
            ("Secret shop/web-tls", "what kubectl apply keeps"),
            ("Secret shop/sh.helm.release.v1.shop.v3", "Helm release shop revision 3"),
            ("Secret shop/twin", "a Secret with the same key"),
            (f"Secret shop/{archive}", "our previous generation of web-tls"),
            ("ConfigMap shop/c", "a private key in a ConfigMap"),
        }
        assert encoded[40:80] not in canonical(found)

    def test_copies_are_removed_where_that_is_asked_for(self, desk: Open) -> None:
        at = desk()
        key, applied = pki.key_pem(ORIGINAL.key), "kubectl.kubernetes.io/last-applied-configuration"
        at.world.secret["metadata"]["annotations"][applied] = base64.b64encode(key).decode()
        packed = base64.b64encode(base64.b64encode(gzip.compress(key))).decode()
        for number, status in ((1, "superseded"), (2, "deployed")):
            labels = {"owner": "helm", "name": "shop", "version": str(number), "status": status}
            helm = pki.secret(f"release.v{number}", b"", None, labels=labels)
            helm["type"], helm["data"] = "helm.sh/release.v1", {"release": packed}
            at.world.objects["Secret", "shop", f"release.v{number}"] = helm
        twin = pki.secret("twin", ORIGINAL.pem, key)
        old = pki.secret("old-prev-1", ORIGINAL.pem, key, labels={"knowngood.io/role": "previous"}, immutable=True)
        for obj in (twin, old):
            at.world.objects["Secret", "shop", obj["metadata"]["name"]] = obj
        found = at.rotate(**EMERGENCY, purge=("archives", "annotations", "helm"))
        assert {row["object"].rpartition("/")[2]: row["purged"] for row in found["copies"]} == {
            "web-tls": True, "release.v1": True, "release.v2": False, "twin": False, "old-prev-1": True,
        }  # fmt: skip
        assert applied not in at.world.secret["metadata"]["annotations"]
        there = {name for kind, _n, name in at.world.objects if kind == "Secret"}
        assert there == {"web-tls", "ca", "release.v2", "twin"}
        assert at.world.stored != ORIGINAL.fingerprint

    def test_a_key_is_found_in_whatever_it_is_wrapped(self) -> None:
        spki = read_secret(pki.secret("x", ORIGINAL.pem, None)).certificate.spki
        for fmt in ("PKCS8", "old"):
            key = pki.key_pem(ORIGINAL.key, fmt)
            wrapped = [key, base64.b64encode(key), json.dumps({"a": key.decode()}).encode(), gzip.compress(key)]
            wrapped.append(base64.b64encode(gzip.compress(base64.b64encode(key))))
            assert all(holds_key(data, spki) for data in wrapped)
        for form in (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL):
            assert holds_key(ORIGINAL.key.private_bytes(Encoding.DER, form, NoEncryption()), spki)
        assert not holds_key(pki.key_pem(pki.key()), spki)
        assert not holds_key(ORIGINAL.pem + b"\x1f\x8b", spki)


class TestRequest:
    def params(self, **more: Any) -> dict[str, Any]:
        given = {"issuer": {"ca_secret": "ca"}, "reload_wait": "5s", "wait_timeout": 300, "keep_previous_for": "24h"}
        return {**given, "targets": [{"secret": "a", "namespace": "n"}], **more}

    @pytest.mark.parametrize(
        ("more", "told"),
        [
            ({"issuer": {}}, "names no issuer"),
            ({"issuer": {"ca_secret": "a", "cert_manager": True}}, "more than one issuer"),
            ({"issuer": {"csr": {"signer": "kubernetes.io/kube-apiserver-client"}}}, "signers of Kubernetes itself"),
            ({"rollout": "reload"}, "how its servers reload is not said"),
            ({"rollout": "reload", "reload": {"signal": "HUP", "command": ["x"]}}, "how its servers reload"),
            ({"rollout": "reload", "reload": {"signal": "HUP; rm"}}, "is no signal"),
            ({"emergency": True}, "needs an incident"),
            ({"waves": ["0"]}, "neither a number"),
            ({"purge": ["helm"]}, "in an emergency only"),
            (
                {"targets": [{"secret": "a", "namespace": "n", "certificate": "x", "private_key": "y"}]},
                "set issuer.provided",
            ),
        ],
    )
    def test_bad_input(self, more: dict[str, Any], told: str) -> None:
        with pytest.raises(BadInput, match=told):
            request(self.params(**more))

    def test_the_common_way_to_reload_and_a_targets_own(self) -> None:
        own = {"secret": "b", "namespace": "n", "reload": {"command": ["x"]}}
        asked = request(
            self.params(
                rollout="reload", reload={"signal": "HUP", "command": None}, targets=[*self.params()["targets"], own]
            )
        )
        assert [target.reload for target in asked.targets] == [{"signal": "HUP"}, {"command": ["x"]}]
