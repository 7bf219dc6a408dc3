# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A rotation from beginning to end, killed anywhere, taken back, and refused, on a cluster in memory."""

from __future__ import annotations

import base64
import copy
import datetime as dt
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import (
    Conflict,
    KnownGoodError,
    NotFound,
    NotProven,
    TimedOut,
)
from ansible_collections.knowngood.kube.plugins.module_utils._core.plan import canonical
from ansible_collections.knowngood.kube.plugins.module_utils._core.ports import FINISHED, UNDONE
from ansible_collections.knowngood.kube.plugins.module_utils._tls import proof
from ansible_collections.knowngood.kube.plugins.module_utils._tls.handshake import Served
from ansible_collections.knowngood.kube.plugins.module_utils._tls.keys import key_matches
from ansible_collections.knowngood.kube.plugins.module_utils._tls.plan import Target
from ansible_collections.knowngood.kube.plugins.module_utils._tls.secrets import read_secret

from ..core.memory import Died, OneLease
from . import pki
from .test_named import gateway, ingress
from .world import CA, ORIGINAL, TARGET, Desk, world

Open = Callable[..., Desk]


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Open:
    return lambda made=None, **fields: Desk(made or world(**fields), monkeypatch)


def total_writes(**fields: Any) -> int:
    patch = pytest.MonkeyPatch()
    at = Desk(world(**fields), patch)
    at.rotate()
    patch.undo()
    return at.world.fuse.writes


WRITES = total_writes()


def alone(at: Desk) -> None:
    """No pod uses the Secret."""
    for key in [k for k in at.world.objects if k[0] in ("Pod", "Deployment", "Service")]:
        del at.world.objects[key]


def assert_rotated(at: Desk) -> None:
    """One new pair that fits together is stored and served, the old one is archived, nothing else is left."""
    made = at.world
    assert made.stored != ORIGINAL.fingerprint
    assert set(made.loaded.values()) == {made.stored}
    secret = read_secret(made.secret)
    assert key_matches(secret.value("tls.key"), secret.certificate)
    assert len(made.staged_keys) == 1
    assert made.secret["data"]["tls.key"] in made.staged_keys
    (kept,) = made.copies
    assert read_secret(made.objects["Secret", "shop", kept]).certificate.fingerprint == ORIGINAL.fingerprint
    assert secret.rotated_for == "INC-1"
    assert secret.value("extra") == b"kept"
    assert secret.value("ca.crt") == CA.pem


class TestTheWay:
    def test_rotated_proven_and_reported(self, desk: Open) -> None:
        at = desk()
        found = at.rotate()
        assert_rotated(at)
        assert found["changed"]
        assert found["restarted"] == ["Deployment/web"]
        assert found["failed_handshakes"] == 0
        assert found["unproven"] == []
        (generation,) = found["generations"]
        assert (generation["old"], generation["new"]) == (ORIGINAL.fingerprint, at.world.stored)
        assert [(row["path"], row["ok"]) for row in found["proof"]] == [
            ("port_forward", True),
            ("port_forward", True),
            ("in_cluster", True),
        ]
        assert found["targets"] == [{"target": "shop/web-tls", "state": "changed", "reason": "incident INC-1"}]
        operation = at.journal.get(found["operation"])
        assert operation is not None
        assert operation.state == FINISHED
        assert operation.facts["undo_until"] == found["undo_until"]

    def test_a_server_that_reloads_is_not_restarted(self, desk: Open) -> None:
        at = desk(reloads=True)
        assert at.rotate()["restarted"] == []
        assert at.world.restarts == 0
        assert_rotated(at)

    def test_a_connection_that_a_reload_dropped_is_no_reason_to_restart(
        self, desk: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        at = desk(reloads=True)
        old, looks = at.world.stored, list[bool]()

        def see(*given: Any, **more: Any) -> Any:
            sights = at.world.see(*given, **more)
            looks.append(all(sight.served.fingerprint != old for sight in sights))
            if looks.count(True) == 2 and looks[-1]:  # the first look after every server was seen to have loaded it
                return (replace(sights[0], served=Served(why="connection reset")), *sights[1:])
            return sights

        monkeypatch.setattr(proof, "see", see)

        assert at.rotate()["restarted"] == []
        assert at.world.restarts == 0

    def test_what_never_sees_new_files_is_restarted_also_when_it_looks_right(self, desk: Open) -> None:
        at = desk(sub_path="tls.crt", reloads=True)
        assert at.rotate()["restarted"] == ["Deployment/web"]

    def test_again_it_changes_nothing_and_says_what_it_sees(self, desk: Open) -> None:
        at = desk()
        first = at.rotate()
        writes = at.world.fuse.writes
        again = at.rotate()
        assert not again["changed"]
        assert again["operation"] == first["operation"]
        assert again["generations"] == first["generations"]
        assert again["plan"] == []
        assert again["seen"][0]["drift"] == "in_step"
        assert at.world.fuse.writes == writes

    def test_what_somebody_did_since_is_said_and_not_changed(self, desk: Open) -> None:
        at = desk()
        at.rotate()
        theirs = pki.leaf(CA)
        at.world.secret["data"]["tls.crt"] = base64.b64encode(theirs.pem).decode()
        at.world.secret["metadata"]["annotations"] = {}
        writes = at.world.fuse.writes
        (seen,) = at.rotate()["seen"]
        assert (seen["stored"], seen["in_place"], seen["drift"]) == (theirs.fingerprint, False, "behind")
        del at.world.objects["Secret", "shop", "web-tls"]
        (seen,) = at.rotate()["seen"]
        assert "no Secret shop/web-tls" in seen["why"]
        assert at.world.fuse.writes == writes

    def test_the_mark_alone_is_enough_where_the_journal_is_gone(self, desk: Open) -> None:
        at = desk()
        at.rotate()
        at.journal.kept.clear()
        again = at.rotate()
        assert not again["changed"]
        assert again["seen"][0]["in_place"] is None

    def test_a_service_that_could_not_be_reached_before_is_not_held_against_it(self, desk: Open) -> None:
        at = desk(unreachable=True)
        found = at.rotate()
        assert found["unproven"] == ["shop/web-tls: through Service web"]
        assert "not to be reached before the change either" in found["proof"][-1]["why"]

    def test_an_image_that_cannot_run_stops_it_before_anything_changed(self, desk: Open) -> None:
        at = desk(no_image=True)
        with pytest.raises(NotProven, match="cannot run") as caught:
            at.rotate()
        assert not caught.value.changed
        assert at.world.stored == ORIGINAL.fingerprint
        assert at.world.copies == []

    def test_check_mode_writes_nothing_makes_no_key_and_shows_the_plan_that_runs(self, desk: Open) -> None:
        at = desk()
        before = copy.deepcopy(at.world.objects)
        shown = at.rotate(check_mode=True)
        assert at.world.objects == before
        assert at.world.fuse.writes == 0
        assert shown["changed"]
        assert shown["diff"]["before"] == {"shop/web-tls": {"fingerprint": ORIGINAL.fingerprint}}
        assert at.rotate()["plan_hash"] == shown["plan_hash"]

    def test_what_is_not_due_is_left_alone(self, desk: Open) -> None:
        at = desk()
        found = at.rotate(incident="", expiring_within_s=10 * 86400.0)
        assert (found["changed"], found["plan"], at.world.fuse.writes) == (False, [], 0)
        assert found["targets"][0]["state"] == "ok"
        assert at.rotate(incident="", expiring_within_s=31 * 86400.0)["changed"]
        assert not at.rotate(incident="", expiring_within_s=31 * 86400.0)["changed"]

    def test_the_same_generation_is_rotated_again_for_another_incident(self, desk: Open) -> None:
        at = desk()
        first = at.rotate()["generations"][0]
        second = at.rotate(incident="INC-2")["generations"][0]
        assert second["old"] == first["new"]
        assert read_secret(at.world.secret).rotated_for == "INC-2"

    def test_old_copies_go_when_their_time_is_over(self, desk: Open) -> None:
        at = desk()
        at.rotate()
        at.clock.time += dt.timedelta(days=2)
        found = at.rotate(incident="")
        assert [row["name"] for row in found["plan"]] == ["purge shop/web-tls"]
        assert at.world.copies == []
        assert not at.rotate(incident="")["changed"]

    def test_nothing_is_kept_where_nothing_is_wanted(self, desk: Open) -> None:
        at = desk()
        found = at.rotate(keep_previous_s=0.0)
        assert at.world.copies == []
        assert found["undo_until"] == ""

    def test_pods_that_cannot_be_asked_are_restarted_and_said(self, desk: Open) -> None:
        at = desk()
        deployment = at.world.objects["Deployment", "shop", "web"]
        del deployment["spec"]["template"]["spec"]["containers"][0]["ports"]
        del at.world.objects["Service", "shop", "web"]
        at.world.roll()
        found = at.rotate()
        assert found["restarted"] == ["Deployment/web"]
        assert len(found["unproven"]) == 3
        assert {row["ok"] for row in found["proof"]} == {None}

    def test_what_only_an_ingress_or_a_gateway_serves_is_named_by_that(self, desk: Open) -> None:
        at = desk()
        alone(at)
        at.world.objects["Ingress", "shop", "front"] = ingress("front", "web-tls")
        at.world.objects["Gateway", "shop", "edge"] = gateway("edge", "web-tls", "other-tls")
        found = at.rotate()
        assert found["unproven"] == ["shop/web-tls: through Gateway/edge listener l0, Ingress/front"]
        (row,) = found["proof"]
        assert (row["ok"], row["service"], row["named_by"]) == (None, "", ["Gateway/edge listener l0", "Ingress/front"])
        assert "was not asked" in row["why"]

    def test_what_nobody_is_seen_to_serve_says_so(self, desk: Open) -> None:
        at = desk()
        alone(at)
        at.world.objects["Ingress", "shop", "front"] = ingress("front", "other-tls")
        assert at.rotate()["unproven"] == ["shop/web-tls: no Service leads to the pods"]

    def test_without_an_image_there_is_no_proof_through_the_service(self, desk: Open) -> None:
        found = desk().rotate(probe_image="")
        assert found["unproven"] == ["shop/web-tls: through Service web"]

    def test_a_stopped_workload_reads_it_when_it_starts(self, desk: Open) -> None:
        at = desk()
        for key in [k for k in at.world.objects if k[0] == "Pod"]:
            del at.world.objects[key]
        found = at.rotate()
        assert found["restarted"] == []
        assert at.world.stored == found["generations"][0]["new"]

    def test_no_key_is_in_results_journals_or_errors(self, desk: Open) -> None:
        at = desk()
        found = at.rotate()
        keys = [at.world.secret["data"]["tls.key"], base64.b64encode(pki.key_pem(CA.key)).decode()]
        keys.append(base64.b64encode(pki.key_pem(ORIGINAL.key)).decode())
        text = canonical(found) + "".join(
            canonical(op.plan.to_dict()) + canonical(op.results) for op in at.journal.list()
        )
        assert "PRIVATE" not in text
        for key in keys:
            plain = base64.b64decode(key).decode().split("\n")[1]
            assert plain not in text
            assert key[40:80] not in text


@pytest.mark.parametrize("before", [False, True], ids=["after the write", "before the write"])
@pytest.mark.parametrize("write", range(WRITES))
class TestKilled:
    def die(self, at: Desk, write: int, before: bool) -> None:
        at.world.fuse.left, at.world.fuse.before = write, before
        with pytest.raises(Died):
            at.rotate(holder="first")
        at.world.fuse.left = 10**9

    def test_the_same_task_again_finishes_with_the_same_key(self, desk: Open, write: int, before: bool) -> None:
        at = desk()
        self.die(at, write, before)
        at.rotate(holder="second")
        assert_rotated(at)
        assert not at.rotate(holder="third")["changed"]

    def test_undo_brings_back_what_was(self, desk: Open, write: int, before: bool) -> None:
        at = desk()
        old = copy.deepcopy(at.world.secret)
        self.die(at, write, before)
        known = at.journal.list()
        if not known:
            return
        at.engine("second").undo(known[0].id)
        assert at.world.secret["data"] == old["data"]
        assert at.world.secret["metadata"]["annotations"] == old["metadata"]["annotations"]
        assert set(at.world.loaded.values()) == {ORIGINAL.fingerprint}
        assert at.world.copies == []
        assert at.journal.list()[0].state == UNDONE


class TestTheWayBack:
    def test_a_gate_that_fails_puts_the_old_pair_back(self, desk: Open) -> None:
        at = desk(works_only=ORIGINAL.fingerprint)
        old = copy.deepcopy(at.world.secret["data"])
        with pytest.raises(NotProven) as caught:
            at.rotate()
        error = caught.value
        assert "does not serve the expected certificate" in str(error)
        assert error.changed
        assert error.details["undone"] is True
        assert "the old certificate is in service again" in error.next
        assert at.world.secret["data"] == old
        assert set(at.world.loaded.values()) == {ORIGINAL.fingerprint}
        assert at.world.copies == []

    def test_pods_that_do_not_come_up_with_it_are_renewed_with_the_old_one(self, desk: Open) -> None:
        at = desk(crashes=True)
        with pytest.raises(TimedOut, match="0 of 2 pods are ready") as caught:
            at.rotate()
        assert caught.value.details["undone"] is True
        assert at.world.stored == ORIGINAL.fingerprint
        assert set(at.world.loaded.values()) == {ORIGINAL.fingerprint}
        assert at.world.restarts == 2

    def test_what_another_run_has_ended_meanwhile_stays(self, desk: Open) -> None:
        at = desk(works_only=ORIGINAL.fingerprint)
        hold = at.leases.hold

        def taken_while_waiting(target: str, holder: str) -> AbstractContextManager[OneLease]:
            for operation in at.journal.list():
                at.journal.kept[operation.id] = replace(operation, state=FINISHED, holder="second")
            return hold(target, holder)

        at.patch.setattr(at.leases, "hold", taken_while_waiting)
        with pytest.raises(NotProven, match="another run has taken over operation") as caught:
            at.rotate()
        assert "undone" not in caught.value.details
        assert at.world.stored != ORIGINAL.fingerprint
        assert at.journal.list()[0].state == FINISHED

    def test_or_holds_where_that_is_asked_for(self, desk: Open) -> None:
        at = desk(works_only=ORIGINAL.fingerprint)
        with pytest.raises(NotProven) as caught:
            at.rotate(on_failure="hold")
        assert at.world.stored != ORIGINAL.fingerprint
        assert "state=undone" in caught.value.next
        at.world.works_only = ""
        assert at.rotate()["changed"]
        assert_rotated(at)

    def test_an_expired_one_is_not_put_back(self, desk: Open) -> None:
        ending = pki.leaf(CA, ("DNS:web.shop.svc",), end=pki.NOW + dt.timedelta(seconds=20))
        at = desk(world(leaf=ending, works_only=ending.fingerprint))
        with pytest.raises(NotProven, match="has expired, so it is not put back"):
            at.rotate()
        assert at.world.stored != ending.fingerprint

    def test_before_anything_is_in_service_nothing_has_changed(self, desk: Open) -> None:
        at = desk()
        at.world.loaded.clear()
        with pytest.raises(NotProven, match="does not serve TLS before the change") as caught:
            at.rotate(Target("shop", "web-tls", service="web"))
        assert not caught.value.changed
        assert at.world.copies == []

    def test_undone_after_the_end(self, desk: Open) -> None:
        at = desk()
        found = at.rotate()
        at.engine().undo(found["operation"])
        assert at.world.stored == ORIGINAL.fingerprint
        assert set(at.world.loaded.values()) == {ORIGINAL.fingerprint}
        assert at.rotate()["changed"]

    def test_without_an_archive_there_is_no_way_back(self, desk: Open) -> None:
        at = desk()
        found = at.rotate(keep_previous_s=0.0)
        writes = at.world.fuse.writes
        with pytest.raises(Conflict, match="not kept any more"):
            at.engine().undo(found["operation"])
        assert at.world.fuse.writes == writes

    def test_a_secret_made_anew_is_none_of_ours_to_put_back(self, desk: Open) -> None:
        at = desk()
        found = at.rotate()
        at.world.secret["metadata"]["uid"] = "another"
        writes = at.world.fuse.writes
        with pytest.raises(Conflict, match="deleted and made anew"):
            at.engine().undo(found["operation"])
        assert at.world.fuse.writes == writes


class TestForeignHands:
    def test_a_foreign_certificate_is_never_overwritten(self, desk: Open) -> None:
        at = desk()
        made, theirs = at.world, pki.leaf(CA)
        update = made.update

        def meanwhile(obj: dict[str, Any]) -> dict[str, Any]:
            made.update = update
            made.secret["data"]["tls.crt"] = base64.b64encode(theirs.pem).decode()
            made.secret["data"]["tls.key"] = base64.b64encode(pki.key_pem(theirs.key)).decode()
            made.secret["metadata"]["resourceVersion"] = "9999"
            return made.update(obj)

        made.update = meanwhile
        with pytest.raises(Conflict, match="somebody else changed the certificate"):
            at.rotate()
        assert made.stored == theirs.fingerprint

    def test_a_foreign_label_in_between_is_kept(self, desk: Open) -> None:
        at = desk()
        made = at.world
        update = made.update

        def meanwhile(obj: dict[str, Any]) -> dict[str, Any]:
            made.update = update
            made.secret["metadata"]["labels"]["theirs"] = "yes"
            made.secret["metadata"]["resourceVersion"] = "9999"
            return made.update(obj)

        made.update = meanwhile
        at.rotate()
        assert made.secret["metadata"]["labels"]["theirs"] == "yes"
        assert_rotated(at)

    def test_a_secret_made_anew_is_another_one(self, desk: Open) -> None:
        at = desk()
        at.world.fuse.left = 6
        with pytest.raises(Died):
            at.rotate()
        at.world.fuse.left = 10**9
        at.world.secret["metadata"]["uid"] = "other"
        with pytest.raises(Conflict, match="is another one than at planning time"):
            at.rotate()

    def test_a_name_of_ours_that_is_taken_is_not_taken_over(self, desk: Open) -> None:
        at = desk()
        at.world.fuse.left = 4
        with pytest.raises(Died):
            at.rotate()
        at.world.fuse.left = 10**9
        short = at.journal.list()[0].id.rpartition("-")[2]
        theirs = pki.secret(f"web-tls-next-{short}", ORIGINAL.pem, pki.key_pem(ORIGINAL.key))
        at.world.objects["Secret", "shop", f"web-tls-next-{short}"] = theirs
        with pytest.raises(Conflict, match="is not ours"):
            at.rotate()


class TestRefused:
    def refusal(self, at: Desk, *targets: Target, **asked: Any) -> str:
        before = copy.deepcopy(at.world.objects)
        with pytest.raises(KnownGoodError) as caught:
            at.rotate(*targets, **asked)
        assert at.world.objects == before
        assert at.journal.list() == []
        assert not caught.value.changed
        return str(caught.value)

    def put(self, at: Desk, obj: dict[str, Any]) -> Desk:
        at.world.objects["Secret", "shop", obj["metadata"]["name"]] = obj
        return at

    def test_the_ca(self, desk: Open) -> None:
        other = pki.ca("other")
        same_name = pki.ca("shop-ca")
        old = pki.ca("shop-ca", private=CA.key, end=pki.NOW - pki.DAY)
        cases = {
            "the CA Secret holds no private key": pki.secret("ca", CA.pem, None),
            "not signed by this CA": pki.secret("ca", other.pem, pki.key_pem(other.key)),
            "(another key)": pki.secret("ca", same_name.pem, pki.key_pem(same_name.key)),
            "the CA cannot sign": pki.secret("ca", old.pem, pki.key_pem(old.key)),
            "does not belong to its certificate": pki.secret("ca", CA.pem, pki.key_pem(other.key)),
        }
        for told, secret in cases.items():
            assert told in self.refusal(self.put(desk(), secret))
        at = desk()
        del at.world.objects["Secret", "shop", "ca"]
        assert "no CA Secret shop/ca" in self.refusal(at)

    def test_the_secret(self, desk: Open) -> None:
        key = pki.key_pem(ORIGINAL.key)
        managed = {"cert-manager.io/certificate-name": "web"}
        cases = {
            "owner: Certificate shop/web": pki.secret("web-tls", ORIGINAL.pem, key, annotations=managed),
            "is immutable": pki.secret("web-tls", ORIGINAL.pem, key, immutable=True),
            "private key does not belong": pki.secret("web-tls", ORIGINAL.pem, pki.key_pem(pki.key())),
            "there is no PEM private key": pki.secret("web-tls", ORIGINAL.pem, None),
            "holds no certificate": pki.secret("web-tls", b"", key),
        }
        for told, secret in cases.items():
            assert told in self.refusal(self.put(desk(), secret))
        assert "no Secret shop/nowhere" in self.refusal(desk(), Target("shop", "nowhere"))

    def test_a_ca_is_not_a_leaf(self, desk: Open) -> None:
        sub = pki.ca("sub", CA)
        at = self.put(desk(), pki.secret("web-tls", sub.pem, pki.key_pem(sub.key)))
        assert "is a CA, not a leaf" in self.refusal(at)

    def test_a_weak_key_without_another_wish(self, desk: Open) -> None:
        weak = pki.leaf(CA, kind="RSA-1024")
        at = self.put(desk(), pki.secret("web-tls", weak.pem, pki.key_pem(weak.key)))
        assert "too weak" in self.refusal(at)

    def test_a_ca_that_ends_too_soon_would_be_a_loop(self, desk: Open) -> None:
        short = pki.ca("short", end=pki.NOW + 20 * pki.DAY)
        leaf = pki.leaf(short, end=pki.NOW + 10 * pki.DAY)
        at = self.put(desk(), pki.secret("ca", short.pem, pki.key_pem(short.key)))
        self.put(at, pki.secret("web-tls", leaf.pem, pki.key_pem(leaf.key)))
        assert "due again at once" in self.refusal(at, incident="", expiring_within_s=30 * 86400.0)

    def test_users_that_cannot_be_renewed(self, desk: Open) -> None:
        at = desk(sub_path="tls.crt")
        at.world.objects["Deployment", "shop", "web"]["spec"]["paused"] = True
        told = self.refusal(at)
        assert "Deployment/web needs a restart" in told
        assert "its rollout is paused" in told

    def test_names_that_lead_nowhere(self, desk: Open) -> None:
        assert "no Service shop/x" in self.refusal(desk(), Target("shop", "web-tls", service="x"))
        told = self.refusal(desk(), Target("shop", "web-tls", workloads=("Deployment/x",)))
        assert "no workload Deployment/x" in told
        assert "Deployment/web" in told

    def test_the_second_of_two_says_what_the_first_has_changed(self, desk: Open) -> None:
        at = desk()
        with pytest.raises(NotFound) as caught:
            at.rotate(TARGET, Target("shop", "nowhere"))
        assert caught.value.changed
        assert len(caught.value.details["operations"]) == 1


def test_an_application_is_one_operation(desk: Open) -> None:
    at = desk()
    other = pki.leaf(CA, ("DNS:api",), common="api")
    at.world.objects["Secret", "shop", "api-tls"] = pki.secret("api-tls", other.pem, pki.key_pem(other.key))
    found = at.rotate(TARGET, Target("shop", "api-tls"), app="shop/shop")
    assert len(found["operations"]) == 1
    assert found["operation"].startswith("rotation-shop-")
    assert [row["target"] for row in found["generations"]] == ["shop/web-tls", "shop/api-tls"]


def test_in_check_mode_an_unfinished_one_is_shown_as_it_stands(desk: Open) -> None:
    at = desk()
    at.world.fuse.left = 8
    with pytest.raises(Died):
        at.rotate()
    at.world.fuse.left, writes = 10**9, at.world.fuse.writes
    shown = at.rotate(check_mode=True)
    assert at.world.fuse.writes == writes
    assert {row["state"] for row in shown["plan"]} == {"done", "todo"}
