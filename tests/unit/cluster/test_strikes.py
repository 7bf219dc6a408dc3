# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cluster import strikes
from tests.cluster.strikes import Request, Rule, Script, Seeded, Strike, fits

PODS = "/api/v1/namespaces/shop/pods"
SNAPSHOTS = "/apis/snapshot.storage.k8s.io/v1/namespaces/shop/volumesnapshots"


def request(method: str = "GET", target: str = PODS, number: int = 1, upgrade: bool = False) -> Request:
    return Request(number, method, target, upgrade)


@pytest.mark.parametrize(
    ("target", "resource"),
    [
        (PODS, "pods"),
        (f"{PODS}/db-0", "pods"),
        (f"{PODS}/db-0/exec?command=sh", "pods/exec"),
        ("/api/v1/namespaces/shop", "namespaces"),
        ("/api/v1/namespaces", "namespaces"),
        (f"{SNAPSHOTS}/a?watch=true", "snapshot.storage.k8s.io/volumesnapshots"),
        ("/apis/snapshot.storage.k8s.io/v1/volumesnapshotcontents/c/status", None),
        ("/version", ""),
        ("/apis", ""),
    ],
)
def test_a_request_knows_its_resource_without_names(target: str, resource: str | None) -> None:
    expected = "snapshot.storage.k8s.io/volumesnapshotcontents/status" if resource is None else resource
    assert request(target=target).resource == expected


def test_what_cannot_happen_does_not_happen() -> None:
    watch = request(target=f"{PODS}?watch=true")
    assert not fits(strikes.CONFLICT, request("POST")), "a create that conflicts says that the object exists"
    assert not fits(strikes.CONFLICT, request("GET"))
    assert fits(strikes.CONFLICT, request("PATCH"))
    assert fits(strikes.GONE, watch)
    assert not fits(strikes.GONE, request("GET"))
    assert fits(strikes.DROP, watch)
    assert fits(strikes.DROP, request("POST", f"{PODS}/a/exec", upgrade=True))
    assert not fits(strikes.DROP, request("GET"))
    assert not fits(strikes.CUT_AFTER, request("GET"))
    assert fits(strikes.CUT_AFTER, request("DELETE"))
    with pytest.raises(ValueError, match="earthquake"):
        Strike("earthquake")


REQUESTS = st.lists(
    st.builds(
        request,
        st.sampled_from(["GET", "POST", "PATCH", "DELETE"]),
        st.sampled_from([PODS, f"{PODS}/a", f"{SNAPSHOTS}?watch=true", SNAPSHOTS]),
    ),
    max_size=60,
)


@given(REQUESTS, st.integers(0, 2**32))
def test_a_seed_says_it_all(asked: list[Request], seed: int) -> None:
    first, second = Seeded(seed, rate=0.5), Seeded(seed, rate=0.5)
    assert [first.strike(one) for one in asked] == [second.strike(one) for one in asked]


@given(REQUESTS, st.integers(0, 2**32))
def test_interleaving_does_not_change_what_a_sort_of_request_meets(asked: list[Request], seed: int) -> None:
    together, apart = Seeded(seed, rate=0.5), Seeded(seed, rate=0.5)
    met: dict[str, list[Strike | None]] = {}
    for one in asked:
        met.setdefault(one.sort, []).append(together.strike(one))
    for sort in met:
        assert [apart.strike(one) for one in asked if one.sort == sort] == met[sort]


@given(REQUESTS, st.integers(0, 2**32), st.integers(1, 3))
def test_whoever_tries_again_comes_through(asked: list[Request], seed: int, streak: int) -> None:
    schedule = Seeded(seed, rate=1, streak=streak)
    row = 0
    for _again in range(10):
        row = row + 1 if schedule.strike(request("POST")) else 0
        assert row <= streak
    assert all(fits(s.kind, one) for one in asked if (s := Seeded(seed, rate=1).strike(one)))


def test_no_more_strikes_than_asked_for() -> None:
    schedule = Seeded(1, rate=1, most=3, streak=100)
    assert sum(schedule.strike(request("POST")) is not None for _number in range(20)) == 3


def test_a_script_hits_exactly_what_it_names() -> None:
    posts = Rule(lambda r: r.method == "POST", Strike(strikes.CUT_AFTER), first=2, last=3)
    script = Script(posts)
    met = [script.strike(request(method)) for method in ("POST", "GET", "POST", "POST", "POST")]
    assert [one.kind if one else "" for one in met] == ["", "", "cut_after", "cut_after", ""]
