# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A compromised CA given up without overlap: what it costs is said first, and there is no way back from the strike."""

from __future__ import annotations

import base64
import copy
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput, Conflict, KnownGoodError
from ansible_collections.knowngood.kube.plugins.module_utils._core.plan import canonical
from ansible_collections.knowngood.kube.plugins.module_utils._tls.ca_request import ca_request
from ansible_collections.knowngood.kube.plugins.module_utils._tls.certificates import Certificate, read_chain
from ansible_collections.knowngood.kube.plugins.module_utils._tls.emergency import denied_keys, denied_name

from .ca_world import CA, CLIENT, LEAF, CaDesk, CaWorld, ca_world, writes_of

Open = Callable[..., CaDesk]


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Open:
    return lambda **fields: CaDesk(ca_world(**fields), monkeypatch)


@dataclass
class Watching(CaWorld):
    """How many CAs the trust store held, at any write."""

    held: set[int] = field(default_factory=set)

    @classmethod
    def of(cls, plain: CaWorld) -> Watching:
        return cls(**{one.name: getattr(plain, one.name) for one in fields(plain)})

    def look_for_cut_off(self) -> None:
        self.held.add(len(read_chain(self.trust.encode()).certificates))


def leaf_of(at: CaDesk, name: str) -> Certificate:
    found = read_chain(base64.b64decode(at.world.objects["Secret", "shop", name]["data"]["tls.crt"])).leaf
    assert found is not None
    return found


def copies(at: CaDesk) -> list[str]:
    return [name for kind, _ns, name in at.world.objects if kind == "Secret" and ("-next-" in name or "-prev-" in name)]


def denied(at: CaDesk) -> frozenset[str]:
    cluster: Any = at.world
    return denied_keys(cluster, "knowngood")


def assert_given_up(at: CaDesk) -> None:
    """Nothing of the old CA is trusted, stored, served or kept; no process of before is left; its key is denied."""
    new = leaf_of(at, "ca")
    assert new.fingerprint != CA.fingerprint
    assert [c.fingerprint for c in read_chain(at.world.trust.encode()).certificates] == [new.fingerprint]
    assert set(at.world.trusting.values()) == {at.world.trust}
    assert leaf_of(at, "web-tls").signed_by(new)
    assert leaf_of(at, "client-tls").signed_by(new)
    assert set(at.world.loaded.values()) == {leaf_of(at, "web-tls").fingerprint}
    assert copies(at) == []
    assert denied(at) == {old_spki()}


def old_spki() -> str:
    (old,) = read_chain(CA.pem).certificates
    return old.spki


def assert_untouched(at: CaDesk) -> None:
    assert leaf_of(at, "ca").fingerprint == CA.fingerprint
    assert at.world.trust == CA.pem.decode()
    assert leaf_of(at, "web-tls").fingerprint == LEAF.fingerprint
    assert leaf_of(at, "client-tls").fingerprint == CLIENT.fingerprint
    assert at.world.broken == []


class TestGivenUp:
    def test_the_old_one_is_trusted_by_nobody_from_the_moment_the_new_one_is(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        watching = Watching.of(ca_world())
        at = CaDesk(watching, monkeypatch)
        found = at.rotate(compromised=True)
        assert_given_up(at)
        assert watching.held == {1}
        assert (found["changed"], found["phase"]) == (True, "DONE")
        assert {row["state"] for row in found["stores"]} == {"new"}
        assert found["restarted"] == ["shop/Deployment/client", "shop/Deployment/web"]

    def test_the_order(self, desk: Open) -> None:
        names = [row["name"].split()[0] for row in desk().rotate(compromised=True, check_mode=True)["plan"]]
        assert names[0] == "deny"
        strike = names[names.index("commit") :]
        assert strike == [
            "commit", "swap", "commit", "commit", "renew", "prove", "prove", "clean", "clean",
            "clean", "unused", "negative", "destroy", "leaks",
        ]  # fmt: skip
        assert "trust" not in names

    def test_the_plan_says_what_it_costs(self, desk: Open) -> None:
        at = desk()
        shown = at.rotate(compromised=True, check_mode=True)
        assert at.world.fuse.writes == 0
        downtime, restarts, way_back = shown["cost"]
        assert "downtime" in downtime
        assert "ConfigMap shop/trust ca.crt" in downtime
        assert "shop/Deployment/client, shop/Deployment/web" in restarts
        assert "no way back" in way_back
        assert shown["downtime_s"] is None
        found = at.rotate(compromised=True)
        assert found["plan_hash"] == shown["plan_hash"]
        assert found["cost"] == shown["cost"]
        assert found["downtime_s"] >= 0
        assert desk().rotate(check_mode=True)["cost"] == []

    def test_a_client_of_the_old_ca_is_turned_away_and_one_of_the_new_let_in(self, desk: Open) -> None:
        found = desk().rotate(compromised=True)
        rows = {row["subject"]: row["ok"] for row in found["evidence"] if row["phase"] == "NEGATIVE_OK"}
        assert rows["Service shop/web: new CA"] is True
        assert rows["Service shop/web: old CA turned away"] is True

    def test_each_leaf_is_proven_on_the_wire(self, desk: Open) -> None:
        found = desk().rotate(compromised=True)
        proof = {row["target"]: row["proof"] for row in found["leaves"]}
        assert [row["ok"] for row in proof["shop/web-tls"]] == [True, True, True]

    def test_again_it_changes_nothing(self, desk: Open) -> None:
        at = desk()
        first = at.rotate(compromised=True)
        writes = at.world.fuse.writes
        again = at.rotate(compromised=True)
        assert (again["changed"], again["plan"], again["operation"]) == (False, [], first["operation"])
        assert at.world.fuse.writes == writes

    def test_who_says_that_it_rereads_is_restarted_all_the_same(self, desk: Open) -> None:
        found = desk().rotate(compromised=True, rereads=("Deployment/client",))
        assert "shop/Deployment/client" in found["restarted"]

    def test_no_key_is_in_a_journal_or_a_result(self, desk: Open) -> None:
        at = desk()
        found = at.rotate(compromised=True)
        kept = canonical([[op.plan.to_dict(), op.results] for op in at.journal.list()])
        for told in (kept, canonical(found)):
            assert "PRIVATE KEY" not in told
            for key in at.world.staged_keys:
                assert key[80:120] not in told


class TestBefore:
    def test_all_is_made_beforehand_and_nothing_in_use_is_touched(self, desk: Open) -> None:
        at = desk()
        found = at.rotate(compromised=True, phase="NEW_CA")
        assert found["phase"] == "NEW_CA"
        assert_untouched(at)
        assert len(copies(at)) == 3
        at.rotate(compromised=True)
        assert_given_up(at)

    def test_until_then_there_is_a_way_back(self, desk: Open) -> None:
        at = desk()
        at.undo(at.rotate(compromised=True, phase="NEW_CA")["operation"])
        assert_untouched(at)
        assert copies(at) == []
        assert denied(at) == frozenset()

    @pytest.mark.parametrize("phase", ["TRUST_BOTH", "TRUST_PROVEN", "ISSUER_SWITCHED", "OLD_DISTRUSTED", "OLD_UNUSED"])
    def test_it_does_not_wait_where_nobody_trusts_anybody(self, desk: Open, phase: str) -> None:
        at = desk()
        with pytest.raises(BadInput, match="is not left in phase"):
            at.rotate(compromised=True, phase=phase)
        assert at.world.fuse.writes == 0


class TestNeverTheOtherWay:
    def test_a_ca_on_the_deny_list_is_not_rotated_with_overlap(self, desk: Open) -> None:
        at = desk()
        at.rotate(compromised=True, phase="NEW_CA")
        entry = at.world.objects["ConfigMap", "knowngood", denied_name(old_spki())]
        at.undo(at.journal.list()[0].id)
        at.world.objects["ConfigMap", "knowngood", denied_name(old_spki())] = entry
        with pytest.raises(BadInput, match="deny-list"):
            at.rotate()
        assert_untouched(at)

    def test_an_ordinary_rotation_that_is_under_way_is_in_its_way(self, desk: Open) -> None:
        at = desk()
        at.rotate(phase="TRUST_BOTH")
        with pytest.raises(Conflict, match="is unfinished"):
            at.rotate(compromised=True)

    def test_and_the_other_way_round(self, desk: Open) -> None:
        at = desk()
        at.rotate(compromised=True, phase="NEW_CA")
        with pytest.raises(Conflict, match="is unfinished"):
            at.rotate()

    def test_there_is_no_going_back_once_the_new_ca_signs(self, desk: Open) -> None:
        at = desk()
        operation = at.rotate(compromised=True)["operation"]
        before = copy.deepcopy(at.world.objects)
        with pytest.raises(Conflict, match="compromised and was given up"):
            at.undo(operation)
        assert at.world.objects == before

    def test_a_store_that_came_up_meanwhile_holds_it(self, desk: Open) -> None:
        at = desk()
        at.rotate(compromised=True, phase="NEW_CA")
        late = copy.deepcopy(at.world.objects["ConfigMap", "shop", "trust"])
        late["metadata"] = {**late["metadata"], "name": "late", "uid": "uid-late"}
        at.world.objects["ConfigMap", "shop", "late"] = late
        with pytest.raises(Conflict, match="holds the compromised CA"):
            at.rotate(compromised=True)
        del at.world.objects["ConfigMap", "shop", "late"]
        at.rotate(compromised=True)
        assert_given_up(at)

    def test_without_a_generation_it_is_refused(self) -> None:
        with pytest.raises(BadInput, match="generation that is named"):
            ca_request({"ca_secret": "shop/ca", "compromised": True})


WRITES = writes_of(compromised=True)


def killed(at: CaDesk, writes: int) -> str:
    return at.killed(writes, lambda: at.rotate(compromised=True))


class TestKilled:
    def test_after_every_write_the_same_task_again_finishes(self, desk: Open) -> None:
        assert WRITES > 50
        for writes in range(WRITES):
            at = desk()
            killed(at, writes)
            at.rotate(compromised=True, holder="two")
            assert_given_up(at)

    def test_after_every_other_write_it_is_taken_back_whole_or_refused_whole(self, desk: Open) -> None:
        refused = 0
        for writes in range(1, WRITES, 2):
            at = desk()
            operation = killed(at, writes)
            struck = leaf_of(at, "ca").fingerprint != CA.fingerprint
            before = copy.deepcopy(at.world.objects)
            if not struck:
                at.undo(operation)
                assert_untouched(at)
                assert (copies(at), denied(at)) == ([], frozenset())
                continue
            refused += 1
            with pytest.raises(KnownGoodError):
                at.undo(operation)
            assert at.world.objects == before
            at.rotate(compromised=True)
            assert_given_up(at)
        assert refused > 10
