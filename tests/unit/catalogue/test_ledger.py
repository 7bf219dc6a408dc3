# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import threading

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.knowngood.kube.plugins.module_utils._cluster import ledger as ledger_module
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.ledger import (
    AppendAction,
    LedgerStore,
    actions,
    append_step,
)
from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput, Conflict, Denied, NotFound
from ansible_collections.knowngood.kube.plugins.module_utils._core.operation import Context
from ansible_collections.knowngood.kube.plugins.module_utils._core.statements import Draft, LedgerBroken

from . import fakes

TARGET = "shop/shop"
CONTEXT = Context("mark-1", {})


@pytest.fixture
def cluster():
    return fakes.FakeCluster()


@pytest.fixture
def store(cluster):
    return LedgerStore(cluster, "knowngood", clock=fakes.StoppedClock())


def test_each_statement_is_one_immutable_object_named_by_its_place(cluster, store):
    first = store.append(TARGET, "captured", "p1", {"a": 1}, key="c")
    second = store.append(TARGET, "held", "p1", {"reason": "r"}, by="carol", key="h")
    assert list(cluster.objects) == ["shop.shop-000001", "shop.shop-000002"]
    assert all(o["immutable"] for o in cluster.objects.values())
    assert (first.by, second.by, second.prev) == ("tester", "carol", first.hash)
    assert store.read(TARGET) == (first, second)
    assert [p.id for p in store.points(TARGET)] == ["p1"]


def test_appending_with_a_key_that_was_used_writes_nothing(cluster, store):
    first = store.append(TARGET, "held", "p1", {}, key="k")
    assert store.append(TARGET, "held", "p1", {"other": 1}, key="k") == first
    assert cluster.creates == 1


def test_two_applications_do_not_see_each_other(store):
    store.append(TARGET, "held", "p1", {})
    assert store.read("shop/other") == ()


@settings(max_examples=15)
@given(st.lists(st.integers(1, 6), min_size=2, max_size=4))
def test_concurrent_appenders_lose_no_statement(counts):
    cluster = fakes.FakeCluster()

    def write(writer: int, count: int) -> None:
        own = LedgerStore(cluster, "knowngood", clock=fakes.StoppedClock())
        for number in range(count):
            own.append(TARGET, "held", f"p{number}", {"writer": writer}, key=f"{writer}-{number}")

    threads = [threading.Thread(target=write, args=item) for item in enumerate(counts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    chain = LedgerStore(cluster, "knowngood").read(TARGET)
    assert {s.key for s in chain} == {f"{w}-{n}" for w, count in enumerate(counts) for n in range(count)}
    assert [s.seq for s in chain] == list(range(1, sum(counts) + 1))


def test_a_rival_with_the_same_key_wins_once(cluster, store, monkeypatch):
    rival = LedgerStore(cluster, "knowngood", clock=fakes.StoppedClock())
    plain = cluster.create

    def late(obj):
        monkeypatch.setattr(cluster, "create", plain)
        rival.append(TARGET, "held", "p1", {}, by="rival", key="k")
        return plain(obj)

    monkeypatch.setattr(cluster, "create", late)
    assert store.append(TARGET, "held", "p1", {}, key="k").by == "rival"
    assert len(store.read(TARGET)) == 1


def test_a_missing_statement_is_named(cluster, store):
    for number in range(3):
        store.append(TARGET, "held", f"p{number}", {})
    del cluster.objects["shop.shop-000002"]
    with pytest.raises(LedgerBroken, match="statement 2 is missing"):
        store.read(TARGET)


def test_a_statement_under_another_name_or_without_its_data_is_named(cluster, store):
    store.append(TARGET, "held", "p1", {})
    moved = cluster.objects.pop("shop.shop-000001")
    moved["metadata"]["name"] = "shop.shop-000009"
    cluster.objects["shop.shop-000009"] = moved
    with pytest.raises(LedgerBroken, match="should be called shop.shop-000001"):
        store.read(TARGET)
    moved["data"] = {}
    with pytest.raises(LedgerBroken, match="it has no statement.json"):
        store.read(TARGET)


def test_a_statement_hidden_by_taking_its_label_away_is_found_when_the_next_is_written(cluster, store):
    store.append(TARGET, "held", "p1", {}, key="a")
    cluster.objects["shop.shop-000001"]["metadata"]["labels"] = {}
    with pytest.raises(LedgerBroken, match="taken by an object outside the ledger"):
        store.append(TARGET, "held", "p2", {}, key="b")


def test_the_missing_state_namespace_is_named():
    store = LedgerStore(fakes.FakeCluster(namespaces=()), "knowngood")
    with pytest.raises(NotFound, match="state namespace 'knowngood' does not exist"):
        store.append(TARGET, "held", "p1", {})


def test_a_body_that_is_too_big_is_refused_before_anything_is_written(cluster, store):
    with pytest.raises(BadInput, match="too big"):
        store.append(TARGET, "captured", "p1", {"x": "y" * 600_000})
    assert cluster.creates == 0


def test_it_gives_up_when_others_write_all_the_time(cluster, store, monkeypatch):
    rival = LedgerStore(cluster, "knowngood", clock=fakes.StoppedClock())
    plain, numbers = cluster.create, iter(range(1000))

    def always_late(obj):
        monkeypatch.setattr(cluster, "create", plain)
        rival.append(TARGET, "held", "p", {}, key=f"rival-{next(numbers)}")
        monkeypatch.setattr(cluster, "create", always_late)
        return plain(obj)

    monkeypatch.setattr(ledger_module, "_TRIES", 3)
    monkeypatch.setattr(cluster, "create", always_late)
    with pytest.raises(Conflict, match="written by others all the time"):
        store.append(TARGET, "held", "p1", {}, key="mine")


def test_a_cluster_that_does_not_say_who_we_are_is_no_reason_to_fail(cluster, store, monkeypatch):
    def denied():
        raise Denied("not allowed")

    monkeypatch.setattr(cluster, "whoami", denied)
    assert store.append(TARGET, "held", "p1", {}).by == "unknown"


# -- keys from the environment ------------------------


def test_a_key_named_by_the_environment_signs_and_verifies(cluster, tmp_path, monkeypatch):
    key = Ed25519PrivateKey.generate()
    private, public = tmp_path / "key.pem", tmp_path / "trusted.pem"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    other = Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    public.write_bytes(other + pem)
    monkeypatch.setenv("KNOWNGOOD_LEDGER_KEY_FILE", str(private))
    monkeypatch.setenv("KNOWNGOOD_LEDGER_TRUSTED_KEYS_FILE", str(public))
    store = LedgerStore(cluster, "knowngood")
    assert store.append(TARGET, "held", "p1", {}).signature.startswith("ed25519:")
    assert len(store.read(TARGET)) == 1
    public.write_bytes(other)
    with pytest.raises(LedgerBroken, match="not among the trusted ones"):
        LedgerStore(cluster, "knowngood").read(TARGET)


def test_key_files_that_are_missing_or_empty_are_named(cluster, tmp_path, monkeypatch):
    monkeypatch.setenv("KNOWNGOOD_LEDGER_KEY_FILE", str(tmp_path / "none.pem"))
    with pytest.raises(BadInput, match="KNOWNGOOD_LEDGER_KEY_FILE"):
        LedgerStore(cluster, "knowngood")
    monkeypatch.delenv("KNOWNGOOD_LEDGER_KEY_FILE")
    (tmp_path / "empty.pem").write_text("nothing here")
    monkeypatch.setenv("KNOWNGOOD_LEDGER_TRUSTED_KEYS_FILE", str(tmp_path / "empty.pem"))
    with pytest.raises(BadInput, match="no public key"):
        LedgerStore(cluster, "knowngood")


# -- the action ------------------------

DRAFTS = [
    Draft("held", "p1", {"reason": "evidence", "incident": "INC-1"}, "held:p1"),
    Draft("judged", "p1", {"verdict": "suspect"}, "judged:p1"),
]


def test_the_action_states_everything_once_and_knows_when_it_is_done(cluster, store):
    store.append(TARGET, "captured", "p1", {}, key="c")
    action, step = AppendAction(store), append_step("hold", TARGET, DRAFTS)
    assert not action.done(step, CONTEXT)
    told = action.apply(step, CONTEXT)
    assert [(s["seq"], s["kind"]) for s in told["statements"]] == [(2, "held"), (3, "judged")]
    assert action.done(step, CONTEXT)
    assert action.apply(step, CONTEXT) == told
    assert cluster.creates == 3


def test_undo_releases_what_was_held_and_leaves_judgements(store):
    store.append(TARGET, "captured", "p1", {}, key="c")
    action, step = AppendAction(store), append_step("hold", TARGET, DRAFTS)
    action.apply(step, CONTEXT)
    assert action.undo(step, CONTEXT)["statements"][0]["kind"] == "released"
    (point,) = store.points(TARGET)
    assert (point.held, point.verdict) == (False, "suspect")
    assert action.undo(step, CONTEXT)["statements"][0]["seq"] == 4


def test_undo_of_what_was_never_stated_states_nothing(cluster, store):
    assert AppendAction(store).undo(append_step("hold", TARGET, DRAFTS), CONTEXT) is None
    assert cluster.creates == 0


def test_actions_are_found_by_name(cluster):
    found = actions(cluster, state_namespace="knowngood", clock=fakes.StoppedClock(), reporter=None)
    assert list(found) == ["ledger.append"]
