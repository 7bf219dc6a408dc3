# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rotation by cert-manager, by a signer of the CSR API, and with what somebody hands over."""

from __future__ import annotations

import base64
import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from cryptography import x509

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import (
    BadInput,
    Conflict,
    KnownGoodError,
    NotProven,
    TimedOut,
)
from ansible_collections.knowngood.kube.plugins.module_utils._core.plan import canonical
from ansible_collections.knowngood.kube.plugins.module_utils._core.ports import OPEN
from ansible_collections.knowngood.kube.plugins.module_utils._tls.keys import key_matches
from ansible_collections.knowngood.kube.plugins.module_utils._tls.plan import Target
from ansible_collections.knowngood.kube.plugins.module_utils._tls.secrets import read_secret
from ansible_collections.knowngood.kube.plugins.module_utils._tls.source import Given, Source

from ..core.memory import Died
from . import pki
from .world import CA, ORIGINAL, Desk, condition, world

Open = Callable[..., Desk]
SIGNER = "example.com/servers"


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Open:
    return lambda made=None, **fields: Desk(made or world(**fields), monkeypatch)


def refusal(at: Desk, **asked: Any) -> str:
    before = copy.deepcopy(at.world.objects)
    with pytest.raises(KnownGoodError) as caught:
        at.rotate(**asked)
    assert at.world.objects == before
    assert at.journal.list() == []
    assert not caught.value.changed
    return str(caught.value)


def assert_served(at: Desk) -> None:
    made = at.world
    assert made.stored != ORIGINAL.fingerprint
    assert set(made.loaded.values()) == {made.stored}
    secret = read_secret(made.secret)
    assert key_matches(secret.value("tls.key"), secret.certificate)
    assert secret.value("extra") == b"kept"


# -- cert-manager ------------------------------------------------------------------------------------------------

CERT_MANAGER = Source(kind="cert_manager", timeout_s=60.0)


def kept_by_cert_manager(**fields: Any) -> Any:
    made = world(**fields)
    made.secret["metadata"]["annotations"] = {
        "cert-manager.io/certificate-name": "web",
        "cert-manager.io/issuer-name": "ca",
    }
    made.objects["Certificate", "shop", "web"] = {
        "kind": "Certificate",
        "apiVersion": "cert-manager.io/v1",
        "metadata": {"name": "web", "namespace": "shop", "uid": "c", "resourceVersion": "1", "generation": 1},
        "spec": {"secretName": "web-tls", "privateKey": {"rotationPolicy": "Always"}},
        "status": {"revision": 3, "conditions": [{"type": "Ready", "status": "True"}]},
    }
    return made


class TestCertManager:
    def test_it_renews_and_its_secret_is_never_written(self, desk: Open, monkeypatch: pytest.MonkeyPatch) -> None:
        at = desk(kept_by_cert_manager())
        updates: list[str] = []
        monkeypatch.setattr(at.world, "update", lambda obj: updates.append(obj["metadata"]["name"]))
        found = at.rotate(source=CERT_MANAGER)
        assert_served(at)
        assert updates == []
        assert at.world.copies == []
        certificate = at.world.objects["Certificate", "shop", "web"]
        assert certificate["status"]["revision"] == 4
        assert certificate["metadata"]["annotations"] == {"knowngood.io/rotated-for": "INC-1"}
        assert "knowngood.io/rotated-for" not in at.world.secret["metadata"]["annotations"]
        assert [row["name"].split()[0] for row in found["plan"]] == ["baseline", "renew", "deliver", "restart", "prove"]
        (generation,) = found["generations"]
        assert (generation["old"], generation["new"]) == (ORIGINAL.fingerprint, at.world.stored)
        assert found["undo_until"] == ""

    def test_again_it_changes_nothing_also_without_its_journal(self, desk: Open) -> None:
        at = desk(kept_by_cert_manager())
        at.rotate(source=CERT_MANAGER)
        writes = at.world.fuse.writes
        assert not at.rotate(source=CERT_MANAGER)["changed"]
        at.journal.kept.clear()
        assert not at.rotate(source=CERT_MANAGER)["changed"]
        assert at.world.fuse.writes == writes

    def test_a_failed_issuance_is_said_and_the_same_task_goes_on(self, desk: Open) -> None:
        at = desk(kept_by_cert_manager(fails=True))
        with pytest.raises(NotProven, match="the issuer is not ready"):
            at.rotate(source=CERT_MANAGER)
        assert at.world.stored == ORIGINAL.fingerprint
        assert at.journal.list()[0].state == OPEN
        at.world.fails = False
        assert at.rotate(source=CERT_MANAGER)["changed"]
        assert_served(at)
        assert len(at.journal.list()) == 1

    def test_a_key_that_was_kept_is_not_a_rotation(self, desk: Open) -> None:
        at = desk(kept_by_cert_manager(kept_key=True))
        with pytest.raises(NotProven, match="the key is not new"):
            at.rotate(source=CERT_MANAGER)

    def test_there_is_no_way_back_and_that_is_said(self, desk: Open) -> None:
        at = desk(kept_by_cert_manager(works_only=ORIGINAL.fingerprint))
        with pytest.raises(NotProven, match="what cert-manager keeps is not put back"):
            at.rotate(source=CERT_MANAGER)
        with pytest.raises(Conflict, match="kept by cert-manager, which cannot go back"):
            at.engine().undo(at.journal.list()[0].id)

    def test_a_foreign_write_in_the_middle_is_held(self, desk: Open) -> None:
        at = desk(kept_by_cert_manager())
        at.world.fuse.left = 5
        with pytest.raises(Died):
            at.rotate(source=CERT_MANAGER)
        at.world.fuse.left = 10**9
        theirs = pki.leaf(CA)
        at.world.objects["Certificate", "shop", "web"]["status"]["revision"] = 3
        at.world.secret["data"]["tls.crt"] = base64.b64encode(theirs.pem).decode()
        with pytest.raises(Conflict, match="somebody else changed the certificate"):
            at.rotate(source=CERT_MANAGER)
        assert at.world.stored == theirs.fingerprint

    def test_refusals(self, desk: Open) -> None:
        assert "no cert-manager Certificate keeps this Secret" in refusal(desk(), source=CERT_MANAGER)
        at = desk(kept_by_cert_manager())
        at.world.objects["Certificate", "shop", "web"]["spec"]["privateKey"] = {"rotationPolicy": "Never"}
        assert "with the old key" in refusal(at, source=CERT_MANAGER)
        at = desk(kept_by_cert_manager())
        at.world.objects["Certificate", "shop", "web"]["spec"]["secretName"] = "other"
        assert "keeps another Secret" in refusal(at, source=CERT_MANAGER)
        at = desk(kept_by_cert_manager())
        del at.world.objects["Certificate", "shop", "web"]
        assert "is gone" in refusal(at, source=CERT_MANAGER)
        at = desk(kept_by_cert_manager())
        at.world.secret["immutable"] = True
        assert "is immutable" in refusal(at, source=CERT_MANAGER)

    def test_a_ca_that_ends_too_soon_or_has_ended(self, desk: Open) -> None:
        for days, told in ((20, "would outlive its CA"), (-1, "has expired")):
            ending = pki.ca("shop-ca", private=CA.key, end=pki.NOW + days * pki.DAY)
            at = desk(kept_by_cert_manager())
            at.world.secret["data"]["ca.crt"] = base64.b64encode(ending.pem).decode()
            assert told in refusal(at, source=CERT_MANAGER)


# -- the CSR API -------------------------------------------------------------------------------------------------

ASKED = Source(kind="csr", signer=SIGNER, timeout_s=30.0)
APPROVING = replace(ASKED, approve=True)


def requests(at: Desk) -> list[dict[str, Any]]:
    return [obj for (kind, _n, _name), obj in at.world.objects.items() if kind == "CertificateSigningRequest"]


class TestSigningRequests:
    def test_asked_approved_signed_and_served(self, desk: Open) -> None:
        at = desk(signer=CA)
        found = at.rotate(source=APPROVING)
        assert_served(at)
        assert requests(at) == []
        assert [name.rsplit("-", 1)[0] for name in at.world.copies] == ["web-tls-prev"]
        assert not [name for kind, _n, name in at.world.objects if "-key-" in name]
        assert [row["name"].split()[0] for row in found["plan"]][:4] == ["baseline", "request", "stage", "check"]
        assert not at.rotate(source=APPROVING)["changed"]

    def test_what_is_asked_for_is_what_was_there(self, desk: Open) -> None:
        at = desk(signer=CA)
        with pytest.raises(TimedOut, match="nobody has approved") as caught:
            at.rotate(source=ASKED)
        assert "undone" not in caught.value.details
        (found,) = requests(at)
        assert found["spec"]["signerName"] == SIGNER
        assert found["spec"]["usages"] == ["digital signature", "server auth"]
        assert found["spec"]["expirationSeconds"] == 90 * 86400
        asked = x509.load_pem_x509_csr(base64.b64decode(found["spec"]["request"]))
        names = asked.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert [name.value for name in names] == ["web.shop.svc", "web"]
        assert asked.subject == ORIGINAL.cert.subject

    def test_who_waits_for_approval_goes_on_with_the_same_request(self, desk: Open) -> None:
        at = desk(signer=CA)
        with pytest.raises(TimedOut):
            at.rotate(source=ASKED)
        (found,) = requests(at)
        found["status"] = {"conditions": [{"type": "Approved", "status": "True", "reason": "Person"}]}
        at.world.sign(found)
        assert at.rotate(source=ASKED)["changed"]
        assert_served(at)
        assert len(at.journal.list()) == 1

    def test_a_denied_one_is_taken_back(self, desk: Open) -> None:
        at = desk(signer=CA, denies=True)
        with pytest.raises(NotProven, match="was denied") as caught:
            at.rotate(source=APPROVING)
        assert caught.value.details["undone"] is True
        assert requests(at) == []
        assert at.world.stored == ORIGINAL.fingerprint

    def test_what_another_ca_signs_never_comes_into_service(self, desk: Open) -> None:
        at = desk(signer=pki.ca("other"))
        with pytest.raises(NotProven, match="no issuer found") as caught:
            at.rotate(source=APPROVING)
        assert not caught.value.changed
        assert at.world.stored == ORIGINAL.fingerprint
        assert at.world.copies == []

    def test_refusals(self, desk: Open) -> None:
        at = desk()
        del at.world.secret["data"]["ca.crt"]
        assert "what clients trust is not known" in refusal(at, source=APPROVING)
        expired = pki.ca("shop-ca", private=CA.key, end=pki.NOW - pki.DAY)
        assert "has expired" in refusal(desk(), source=replace(APPROVING, trust=expired.pem.decode()))
        narrow = x509.NameConstraints([x509.DNSName("other.example")], None)
        bound = pki.ca("shop-ca", private=CA.key, constraints=narrow)
        told = refusal(desk(), source=replace(APPROVING, trust=bound.pem.decode()))
        assert "may not sign for these names" in told
        broken = CA.pem.decode() + "-----BEGIN CERTIFICATE-----\n?"
        assert "block 2" in refusal(desk(), source=replace(APPROVING, trust=broken))


def writes_of(source: Source, made: Any, given: dict[str, Given] | None = None) -> int:
    patch = pytest.MonkeyPatch()
    at = Desk(made, patch)
    at.given.update(given or {})
    at.rotate(source=source)
    patch.undo()
    return at.world.fuse.writes


CSR_WRITES = writes_of(APPROVING, world(signer=CA))
CM_WRITES = writes_of(CERT_MANAGER, kept_by_cert_manager())


class TestKilled:
    def die(self, at: Desk, write: int, source: Source) -> None:
        at.world.fuse.left = write
        with pytest.raises(Died):
            at.rotate(source=source)
        at.world.fuse.left = 10**9

    @pytest.mark.parametrize("write", range(CSR_WRITES))
    def test_a_signing_request_goes_on_with_its_key(self, desk: Open, write: int) -> None:
        at = desk(signer=CA)
        self.die(at, write, APPROVING)
        at.rotate(source=APPROVING)
        assert_served(at)
        assert requests(at) == []
        assert len(at.world.staged_keys) == 1

    @pytest.mark.parametrize("write", range(CSR_WRITES))
    def test_a_signing_request_is_taken_back(self, desk: Open, write: int) -> None:
        at = desk(signer=CA)
        self.die(at, write, APPROVING)
        for known in at.journal.list():
            at.engine().undo(known.id)
        assert at.world.stored == ORIGINAL.fingerprint
        assert set(at.world.loaded.values()) == {ORIGINAL.fingerprint}
        assert requests(at) == []
        assert at.world.copies == []

    @pytest.mark.parametrize("write", range(CM_WRITES))
    def test_cert_manager_renews_once(self, desk: Open, write: int) -> None:
        at = desk(kept_by_cert_manager())
        self.die(at, write, CERT_MANAGER)
        at.rotate(source=CERT_MANAGER)
        assert_served(at)
        certificate = at.world.objects["Certificate", "shop", "web"]
        assert certificate["status"]["revision"] == 4
        assert not condition(certificate, "Issuing")


@pytest.mark.parametrize(
    ("source", "made"),
    [(CERT_MANAGER, kept_by_cert_manager), (APPROVING, lambda: world(signer=CA))],
    ids=["cert-manager", "csr"],
)
def test_check_mode_writes_nothing_and_shows_the_plan_that_runs(
    desk: Open, source: Source, made: Callable[[], Any]
) -> None:
    at = desk(made())
    before = copy.deepcopy(at.world.objects)
    shown = at.rotate(source=source, check_mode=True)
    assert at.world.objects == before
    assert at.world.fuse.writes == 0
    assert shown["changed"]
    assert at.rotate(source=source)["plan_hash"] == shown["plan_hash"]


# -- handed over -------------------------------------------------------------------------------------------------


def handed(pair: pki.Pair, key: bytes | None = None, chain: bytes = b"", **more: Any) -> Source:
    given = {"shop/web-tls": Given(chain or pair.pem, pki.key_pem(pair.key) if key is None else key)}
    return Source(kind="provided", given=given, **more)


def fresh(ca: pki.Pair = CA, names: tuple[str, ...] = ("DNS:web.shop.svc", "DNS:web"), **more: Any) -> pki.Pair:
    return pki.leaf(ca, names, begin=pki.NOW - pki.DAY, end=more.pop("end", pki.NOW + 90 * pki.DAY), **more)


class TestHandedOver:
    def rotate(self, at: Desk, source: Source, **asked: Any) -> dict[str, Any]:
        at.given.clear()
        at.given.update(source.given)
        return at.rotate(source=source, incident="", **asked)

    def test_put_into_place_and_proven(self, desk: Open) -> None:
        at, pair = desk(), fresh()
        found = self.rotate(at, handed(pair, chain=pair.pem + CA.pem))
        assert at.world.stored == pair.fingerprint
        assert_served(at)
        assert base64.b64decode(at.world.secret["data"]["tls.crt"]) == pair.pem
        assert found["targets"][0]["reason"] == "another is given"
        assert not self.rotate(at, handed(pair))["changed"]
        assert at.rotate(source=handed(pair), incident="")["changed"] is False

    def test_its_key_is_in_no_plan_no_journal_and_no_result(self, desk: Open) -> None:
        at, pair = desk(), fresh()
        found = self.rotate(at, handed(pair))
        text = canonical(found) + "".join(canonical(o.plan.to_dict()) + canonical(o.results) for o in at.journal.list())
        key = pki.key_pem(pair.key)
        assert "PRIVATE" not in text
        assert key.decode().split("\n")[1] not in text
        assert base64.b64encode(key).decode()[40:80] not in text
        assert "PRIVATE" not in repr(handed(pair))

    def test_check_mode_writes_nothing_and_shows_the_plan_that_runs(self, desk: Open) -> None:
        at, source = desk(), handed(fresh())
        before = copy.deepcopy(at.world.objects)
        shown = self.rotate(at, source, check_mode=True)
        assert at.world.objects == before
        assert self.rotate(at, source)["plan_hash"] == shown["plan_hash"]

    def test_it_is_written_in_the_format_of_the_old_key(self, desk: Open) -> None:
        at, pair = desk(), fresh()
        at.world.secret["data"]["tls.key"] = base64.b64encode(pki.key_pem(ORIGINAL.key, "old")).decode()
        self.rotate(at, handed(pair))
        assert base64.b64decode(at.world.secret["data"]["tls.key"]).startswith(b"-----BEGIN EC PRIVATE KEY-----")

    def test_after_a_crash_it_has_to_be_given_once_more(self, desk: Open) -> None:
        at, pair = desk(), fresh()
        at.given.update(handed(pair).given)
        at.world.fuse.left = 3
        with pytest.raises(Died):
            at.rotate(source=handed(pair), incident="")
        at.world.fuse.left = 10**9
        at.given.clear()
        with pytest.raises(BadInput, match="keys are kept in no journal"):
            at.engine().resume(at.journal.list()[0].id)
        assert self.rotate(at, handed(pair))["changed"]
        assert at.world.stored == pair.fingerprint
        assert len(at.journal.list()) == 1

    def test_refusals(self, desk: Open) -> None:
        other, short = pki.ca("other"), pki.ca("shop-ca", private=CA.key, end=pki.NOW + 20 * pki.DAY)
        narrow = pki.ca("narrow", constraints=x509.NameConstraints([x509.DNSName("other.example")], None))
        bound, pair = fresh(narrow), fresh()
        cases = {
            "does not belong to the certificate given": handed(pair, pki.key_pem(pki.key())),
            "no PEM certificate": handed(pair, chain=b"nothing"),
            "block 2": handed(pair, chain=pair.pem + b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
            "no PEM private key": handed(pair, b""),
            "no issuer found": handed(fresh(other)),
            "the names: ": handed(fresh(names=("DNS:web.shop.svc",))),
            "expired at": handed(fresh(end=pki.NOW - pki.DAY / 2)),
            "outlives": handed(pair, trust=short.pem.decode()),
            "does not permit the name": handed(bound, trust=narrow.pem.decode()),
            "the key is not new": handed(fresh(private=ORIGINAL.key)),
            "the kind of its key is RSA-2048": handed(fresh(kind="RSA-2048")),
            "needs at least 2048 bits": handed(fresh(kind="RSA-1024")),
            "nothing is given for this target": Source(kind="provided"),
        }
        for told, source in cases.items():
            assert told in refusal(desk(), source=source), told

    def test_what_may_differ_is_named(self, desk: Open) -> None:
        at, pair = desk(), fresh(kind="RSA-2048", common="other")
        self.rotate(at, handed(pair, accept=("subject", "key")))
        assert at.world.stored == pair.fingerprint

    def test_a_foreign_write_in_the_middle_is_held(self, desk: Open) -> None:
        at, pair, theirs = desk(), fresh(), pki.leaf(CA)
        made, update = at.world, at.world.update

        def meanwhile(obj: dict[str, Any]) -> dict[str, Any]:
            at.patch.setattr(made, "update", update)
            made.secret["data"]["tls.crt"] = base64.b64encode(theirs.pem).decode()
            made.secret["metadata"]["resourceVersion"] = "9999"
            return made.update(obj)

        at.patch.setattr(made, "update", meanwhile)
        with pytest.raises(Conflict, match="somebody else changed the certificate"):
            self.rotate(at, handed(pair))
        assert made.stored == theirs.fingerprint

    def test_of_two_targets_each_has_its_own(self, desk: Open) -> None:
        at, pair = desk(), fresh()
        with pytest.raises(BadInput, match="nothing is given"):
            at.rotate(Target("shop", "web-tls"), source=replace(handed(pair), given={"shop/x": Given(b"", b"")}))
