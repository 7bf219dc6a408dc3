# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How consistent a point is: by what hooks held, what was frozen, what was backed up, and who came meanwhile."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.knowngood.kube.plugins.module_utils._volumes.consistency import Evidence, Judgement, judge

TWO = {"a": ["p"], "b": ["q"]}


def judged(mounted: dict[str, Any], held: set[str], atomic: str = "", **evidence: Any) -> Judgement:
    return judge(
        mounted,
        held,
        spread_s=0.5,
        hook_names=["lock"],
        failures=[],
        atomic=atomic,
        evidence=Evidence(**evidence),
    )


def test_a_frozen_claim_needs_no_pod_to_be_held() -> None:
    found = judged(TWO, {"q"}, frozen={"a"})
    assert found.level == "application"
    assert found.reason == (
        "hooks held every pod that mounts a volume through all cuts; filesystems were frozen through all cuts"
    )


def test_a_base_backup_counts_for_its_claims_and_only_where_its_pod_alone_mounts_them() -> None:
    backups = {"data": "db-0", "wal": "db-0"}
    alone = judged({"data": ["db-0"], "wal": ["db-0"]}, set(), backups=backups)
    assert (alone.level, alone.reason) == ("application", "db-0 made a base backup, its WAL was cut last")
    shared = judged({"data": ["db-0", "Pod/other"], "wal": ["db-0"]}, set(), backups=backups)
    assert (shared.level, shared.claims) == ("fuzzy", {"data": "crash", "wal": "application"})


def test_a_base_backup_goes_with_what_stood_still_and_not_with_another_backup() -> None:
    mounted = {"d1": ["x"], "w1": ["x"], "files": ["f"]}
    assert judged(mounted, {"f"}, backups={"d1": "x", "w1": "x"}).level == "application"
    both = judged({"d1": ["x"], "d2": ["y"]}, set(), backups={"d1": "x", "d2": "y"})
    assert (both.level, set(both.claims.values())) == ("fuzzy", {"application"})
    assert "they show different moments" in both.reason


def test_one_cut_by_the_driver_s_word_is_crash_for_all_and_no_more() -> None:
    found = judged(TWO, {"p"}, atomic="the class says so")
    assert (found.level, found.claims) == ("crash", {"a": "application", "b": "crash"})
    assert "as one group (the class says so), the writers of b were not held" in found.reason


def test_who_came_meanwhile_was_not_held() -> None:
    found = judged({"a": ["p"]}, {"p"}, appeared={"a": ["late"]})
    assert (found.level, "late came to mount a while it was cut" in found.reason) == ("crash", True)


def test_what_a_lock_does_not_cover_is_not_made_whole_by_it() -> None:
    found = judged({"a": ["p"]}, {"p"}, uncovered={"a"}, notes=["its files lie on several claims"])
    assert (found.level, "several claims" in found.reason) == ("crash", True)


CLAIMS, PODS = st.sampled_from("abc"), st.sampled_from("pqrs")


@given(
    st.dictionaries(CLAIMS, st.lists(PODS, unique=True), min_size=1),
    st.sets(PODS),
    st.sets(CLAIMS),
    st.dictionaries(CLAIMS, PODS),
    st.sets(CLAIMS),
    st.dictionaries(CLAIMS, st.lists(PODS, min_size=1)),
    st.sampled_from(["", "one group"]),
)
def test_it_never_claims_more_than_was_seen(
    mounted: dict[str, list[str]],
    held: set[str],
    frozen: set[str],
    backups: dict[str, str],
    uncovered: set[str],
    appeared: dict[str, list[str]],
    atomic: str,
) -> None:
    found = judged(mounted, held, atomic, frozen=frozen, backups=backups, uncovered=uncovered, appeared=appeared)
    for claim, level in found.claims.items():
        by_pods = mounted[claim] and set(mounted[claim]) <= held and claim not in uncovered
        backed_up = mounted[claim] == [backups.get(claim)]
        assert (level == "application") == bool(claim not in appeared and (by_pods or claim in frozen or backed_up))
    if found.level == "application":
        assert set(found.claims.values()) == {"application"}
    if found.level == "crash" and len(mounted) > 1:
        assert atomic
    assert found.reason
