# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A CA's rotation from beginning to end, phase by phase, killed anywhere, and taken back, on a cluster in memory."""

from __future__ import annotations

import base64
import copy
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import (
    Conflict,
    KnownGoodError,
    NotProven,
)
from ansible_collections.knowngood.kube.plugins.module_utils._core.plan import canonical
from ansible_collections.knowngood.kube.plugins.module_utils._core.ports import FINISHED, UNDONE
from ansible_collections.knowngood.kube.plugins.module_utils._tls.ca_issue import generation_of
from ansible_collections.knowngood.kube.plugins.module_utils._tls.ca_plan import PHASES
from ansible_collections.knowngood.kube.plugins.module_utils._tls.certificates import Certificate, read_chain

from . import pki
from .ca_world import CA, CLIENT, LEAF, CaDesk, CaWorld, ca_world, writes_of

Open = Callable[..., CaDesk]


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Open:
    return lambda made=None, **fields: CaDesk(made or ca_world(**fields), monkeypatch)


def ca_of(at: CaDesk) -> Certificate:
    found = read_chain(base64.b64decode(at.world.objects["Secret", "shop", "ca"]["data"]["tls.crt"])).leaf
    assert found is not None
    return found


def leaf_of(at: CaDesk, name: str) -> Certificate:
    found = read_chain(base64.b64decode(at.world.objects["Secret", "shop", name]["data"]["tls.crt"])).leaf
    assert found is not None
    return found


def assert_done(at: CaDesk) -> None:
    """The new CA signs and is trusted alone; nothing of the old one is stored or served; nobody was ever cut off."""
    new = ca_of(at)
    assert new.fingerprint != CA.fingerprint
    assert generation_of(new) == 2
    assert [c.fingerprint for c in read_chain(at.world.trust.encode()).certificates] == [new.fingerprint]
    assert leaf_of(at, "web-tls").signed_by(new)
    assert leaf_of(at, "client-tls").signed_by(new)
    assert set(at.world.loaded.values()) == {leaf_of(at, "web-tls").fingerprint}
    assert set(at.world.trusting.values()) == {at.world.trust}
    assert at.world.objects["ConfigMap", "shop", "trust"]["data"]["note"] == "kept"
    assert at.world.broken == []


def assert_as_before(at: CaDesk) -> None:
    assert ca_of(at).fingerprint == CA.fingerprint
    assert at.world.trust == CA.pem.decode()
    assert leaf_of(at, "web-tls").fingerprint == LEAF.fingerprint
    assert leaf_of(at, "client-tls").fingerprint == CLIENT.fingerprint
    assert set(at.world.loaded.values()) == {LEAF.fingerprint}
    assert at.world.copies == []
    assert at.world.broken == []


class TestTheWay:
    def test_from_one_ca_to_the_next(self, desk: Open) -> None:
        at = desk()
        found = at.rotate()
        assert_done(at)
        assert (found["changed"], found["phase"]) == (True, "DONE")
        assert found["ca"] == {"old": CA.fingerprint, "new": ca_of(at).fingerprint}
        assert [row["state"] for row in found["stores"]] == ["new"]
        assert {row["target"] for row in found["leaves"]} == {"shop/web-tls", "shop/client-tls"}
        assert found["failed_handshakes"] == 0

    def test_the_evidence_says_what_was_seen_and_how(self, desk: Open) -> None:
        found = desk().rotate()
        said = {(row["phase"], row["level"], row["how"], row["ok"]) for row in found["evidence"]}
        assert ("TRUST_PROVEN", "T1", "object", True) in said
        assert ("TRUST_PROVEN", "T2", "file", True) in said
        assert ("TRUST_PROVEN", "T3", "restart", True) in said
        assert ("TRUST_PROVEN", "T3", "application", True) in said
        assert ("NEGATIVE_OK", "T3", "application", True) in said
        assert found["restarted"] == ["shop/Deployment/client", "shop/Deployment/web"]
        untried = [text for text in found["unproven"] if "turns the old CA away" in text]
        assert [text.split()[2] for text in untried] == ["shop/Deployment/client:"]
        assert all(row["phase"] in PHASES for row in found["evidence"])

    def test_again_it_changes_nothing(self, desk: Open) -> None:
        at = desk()
        first = at.rotate()
        writes = at.world.fuse.writes
        again = at.rotate()
        assert (again["changed"], again["plan"], again["phase"]) == (False, [], "DONE")
        assert again["operation"] == first["operation"]
        assert again["evidence"] == first["evidence"]
        assert at.world.fuse.writes == writes

    def test_check_mode_writes_nothing_and_shows_the_plan_that_runs(self, desk: Open) -> None:
        at = desk()
        before = copy.deepcopy(at.world.objects)
        shown = at.rotate(check_mode=True)
        assert at.world.objects == before
        assert at.world.fuse.writes == 0
        assert shown["changed"]
        assert shown["plan_hash"] == at.rotate()["plan_hash"]

    def test_without_a_server_that_asks_for_certificates_the_negative_test_is_said_to_be_missing(
        self, desk: Open
    ) -> None:
        found = desk().rotate(mutual=())
        assert any("turns the old CA away" in text for text in found["unproven"])

    def test_a_file_that_cannot_be_read_is_evidence_by_the_start_of_the_pod(self, desk: Open) -> None:
        at = desk(silent=True)
        before = at.clock.time
        found = at.rotate(propagation_s=90.0)
        assert {row["how"] for row in found["evidence"] if row["level"] == "T2"} == {"start"}
        assert (at.clock.time - before).total_seconds() >= 180
        assert_done(at)

    def test_who_reads_the_file_anew_is_not_restarted_and_not_called_proven(self, desk: Open) -> None:
        at = desk()
        found = at.rotate(phase="TRUST_PROVEN", rereads=("Deployment/client",), mutual=())
        assert found["restarted"] == ["shop/Deployment/web"]
        assert any("Deployment/client: its user says" in text for text in found["unproven"])

    def test_the_old_key_is_destroyed_only_where_that_is_asked_for(self, desk: Open) -> None:
        at = desk()
        found = at.rotate()
        kept = [name for kind, _ns, name in at.world.objects if name.startswith("ca-prev-")]
        assert len(kept) == 1
        gone = at.rotate(destroy_old_key=True)
        assert [row["name"] for row in gone["plan"]] == ["destroy shop/ca"]
        assert not any(name.startswith("ca-prev-") for kind, _ns, name in at.world.objects)
        assert not at.rotate(destroy_old_key=True)["changed"]
        with pytest.raises(Conflict, match="cannot be put back"):
            at.undo(found["operation"])
        assert_done(at)

    @pytest.mark.parametrize("phase", ["LEAVES_REISSUED", "DONE"])
    def test_a_store_beside_the_leaf_comes_along_both_ways(self, desk: Open, phase: str) -> None:
        at = desk()
        at.world.secret["data"]["ca.crt"] = base64.b64encode(CA.pem).decode()
        found = at.rotate(phase=phase)
        assert {row["name"] for row in found["stores"]} == {"trust", "web-tls"}
        held = [c.fingerprint for c in read_chain(base64.b64decode(at.world.secret["data"]["ca.crt"])).certificates]
        both = [CA.fingerprint, ca_of(at).fingerprint]
        assert held == (both if phase == "LEAVES_REISSUED" else both[1:])
        at.undo(found["operation"])
        assert base64.b64decode(at.world.secret["data"]["ca.crt"]) == CA.pem
        assert_as_before(at)

    def test_no_key_is_in_a_journal_or_a_result(self, desk: Open) -> None:
        at = desk()
        found = at.rotate()
        text = canonical([op.plan.to_dict() for op in at.journal.list()]) + canonical(
            [op.results for op in at.journal.list()]
        )
        for told in (text, canonical(found)):
            assert "PRIVATE KEY" not in told
            for key in at.world.staged_keys:
                assert key[80:120] not in told


class TestPhases:
    def test_each_call_ends_where_it_was_told_to_and_the_next_goes_on(self, desk: Open) -> None:
        at = desk()
        seen = []
        for phase in PHASES:
            found = at.rotate(phase=phase, destroy_old_key=True)
            assert found["phase"] == phase
            seen.append(found["operation"])
            writes = at.world.fuse.writes
            again = at.rotate(phase=phase, destroy_old_key=True)
            assert (again["changed"], again["phase"]) == (False, phase)
            assert at.world.fuse.writes == writes
        assert len(set(seen)) == 1
        assert_done(at)

    @pytest.mark.parametrize("phase", PHASES)
    def test_from_each_of_them_there_is_a_way_back(self, desk: Open, phase: str) -> None:
        at = desk()
        at.undo(at.rotate(phase=phase)["operation"])
        assert_as_before(at)
        at.rotate()
        assert_done(at)

    def test_what_stands_in_between(self, desk: Open) -> None:
        at = desk()
        at.rotate(phase="TRUST_BOTH")
        assert len(read_chain(at.world.trust.encode()).certificates) == 2
        assert ca_of(at).fingerprint == CA.fingerprint
        at.rotate(phase="ISSUER_SWITCHED")
        assert ca_of(at).fingerprint != CA.fingerprint
        assert leaf_of(at, "web-tls").fingerprint == LEAF.fingerprint
        at.rotate(phase="LEAVES_REISSUED")
        assert len(read_chain(at.world.trust.encode()).certificates) == 2
        assert leaf_of(at, "web-tls").signed_by(ca_of(at))

    def test_a_leaf_that_came_meanwhile_is_issued_anew_as_well(self, desk: Open) -> None:
        at = desk()
        operation = at.rotate(phase="LEAVES_REISSUED")["operation"]
        late = pki.leaf(CA, ("DNS:late",))
        at.world.objects["Secret", "shop", "late-tls"] = pki.secret("late-tls", late.pem, pki.key_pem(late.key))
        at.rotate()
        assert leaf_of(at, "late-tls").signed_by(ca_of(at))
        assert_done(at)
        at.undo(operation)
        assert leaf_of(at, "late-tls").fingerprint == late.fingerprint
        assert_as_before(at)


WRITES = writes_of()


class TestKilled:
    def test_after_every_write_the_same_task_again_finishes(self, desk: Open) -> None:
        assert WRITES > 60
        for writes in range(WRITES):
            at = desk()
            at.killed(writes, at.rotate)
            at.rotate(holder="two")
            assert_done(at)
            assert len([op for op in at.journal.list() if op.plan.kind == "ca-rotation"]) == 1
            assert {op.state for op in at.journal.list()} == {FINISHED}

    def test_after_every_write_it_can_be_taken_back(self, desk: Open) -> None:
        for writes in range(WRITES):
            at = desk()
            at.undo(at.killed(writes, at.rotate))
            assert_as_before(at)
            assert {op.state for op in at.journal.list()} <= {UNDONE}


class TestHeld:
    def test_a_pod_that_does_not_get_the_file_stops_it_before_anything_is_signed(self, desk: Open) -> None:
        at = desk(frozen=True)
        with pytest.raises(NotProven, match="does not get the trust store"):
            at.rotate(wait_timeout_s=10.0)
        assert ca_of(at).fingerprint == CA.fingerprint
        at.world.frozen = False
        at.rotate()
        assert_done(at)

    def test_consumers_that_break_without_the_old_ca_get_it_back_at_once(self, desk: Open) -> None:
        at = desk(broken_trust=True)
        with pytest.raises(KnownGoodError) as caught:
            at.rotate(wait_timeout_s=10.0, mutual=())
        assert "trusted there again" in caught.value.next
        assert len(read_chain(at.world.trust.encode()).certificates) == 2
        at.world.broken_trust = False
        at.rotate(mutual=())
        assert_done(at)

    def test_a_server_that_trusts_something_else_is_found_out(
        self, desk: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        at = desk()
        at.rotate(phase="OLD_DISTRUSTED")
        monkeypatch.setattr(CaWorld, "trusts", lambda world, pod, leaf: True)
        with pytest.raises(NotProven, match="does not tell the CAs apart"):
            at.rotate()

    def test_somebody_elses_ca_is_not_overwritten(self, desk: Open) -> None:
        at = desk()
        at.rotate(phase="TRUST_PROVEN")
        other = pki.ca("other")
        at.world.objects["Secret", "shop", "ca"]["data"]["tls.crt"] = base64.b64encode(other.pem).decode()
        with pytest.raises(Conflict, match="somebody else"):
            at.rotate()
        assert ca_of(at).fingerprint == other.fingerprint

    def test_a_store_that_came_up_meanwhile_holds_it(self, desk: Open) -> None:
        at = desk()
        at.rotate(phase="TRUST_BOTH")
        late = copy.deepcopy(at.world.objects["ConfigMap", "shop", "trust"])
        late["metadata"] = {**late["metadata"], "name": "late", "uid": "uid-late"}
        late["data"] = {"ca.pem": CA.pem.decode()}
        at.world.objects["ConfigMap", "shop", "late"] = late
        with pytest.raises(Conflict, match="has come up"):
            at.rotate()


class TestBadInput:
    def refused(self, at: CaDesk, **asked: Any) -> str:
        with pytest.raises(KnownGoodError) as caught:
            at.rotate(**asked)
        assert not caught.value.changed
        assert at.world.fuse.writes == 0
        return str(caught.value)

    def test_each_is_one_clear_message_and_nothing_changed(self, desk: Open) -> None:
        at = desk()
        trust = at.world.objects["ConfigMap", "shop", "trust"]
        assert "no phase" in self.refused(at, phase="SOON")
        assert "ends before the overlap" in self.refused(at, overlap_s=86400.0 * 9000)
        assert "not issued by this CA" in self.refused(at, leaves=(leaf("nobody"),))
        trust["immutable"] = True
        assert "is immutable" in self.refused(at)
        del trust["immutable"]
        trust["data"]["big"] = "x" * (1024 * 1024 - 2048)
        assert "no room" in self.refused(at)
        del trust["data"]["big"]
        trust["data"]["ca.crt"] += "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n"
        assert "block 2" in self.refused(at)
        trust["data"]["ca.crt"] = pki.ca("other").pem.decode()
        assert "nobody is seen to trust" in self.refused(at)

    def test_consumers_that_no_controller_renews(self, desk: Open) -> None:
        at = desk()
        at.world.objects["Deployment", "shop", "client"]["spec"]["paused"] = True
        assert "cannot be restarted" in self.refused(at)

    def test_a_ca_between(self, desk: Open) -> None:
        at = desk()
        below = pki.ca("below", CA)
        at.world.objects["Secret", "shop", "below"] = pki.secret("below", below.pem, pki.key_pem(below.key))
        assert "another CA between" in self.refused(at)

    def test_a_ca_that_is_no_root(self, desk: Open) -> None:
        at = desk()
        below = pki.ca("below", CA)
        at.world.objects["Secret", "shop", "ca"] = pki.secret("ca", below.pem, pki.key_pem(below.key))
        assert "not a root" in self.refused(at)

    def test_what_is_not_due_is_left_alone(self, desk: Open) -> None:
        at = desk()
        assert not at.rotate(generation=None)["changed"]
        assert not at.rotate(generation=1)["changed"]
        assert at.world.fuse.writes == 0


def leaf(name: str) -> Any:
    from ansible_collections.knowngood.kube.plugins.module_utils._tls.ca_plan import Leaf
    from ansible_collections.knowngood.kube.plugins.module_utils._tls.plan import Target

    return Leaf(Target("shop", name))
