# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values that are replaced for a while come back exactly."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.knowngood.kube.plugins.module_utils._cluster.gitops import argo_patch
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.holding import (
    FROZEN,
    Change,
    changed_since,
    changes_of,
    freeze_patch,
    frozen_by,
    is_frozen,
    not_taken,
    thaw_patch,
)
from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import Conflict

from .objects import thing
from .test_stopping import merged

SUSPEND = {"spec": {"suspend": True}}
AUTOMATED = {"automated": {"prune": True, "selfHeal": True}, "retry": {"limit": 3}}


def application(**spec: Any) -> dict[str, Any]:
    return thing("Application", "shop", spec, api="argoproj.io/v1alpha1")


def stored(obj: dict[str, Any]) -> dict[str, Any]:
    """As the API server keeps it: it drops empty maps of metadata."""
    obj = copy.deepcopy(obj)
    for key in ("annotations", "labels"):
        if not obj["metadata"].get(key):
            obj["metadata"].pop(key, None)
    return obj


def frozen(obj: dict[str, Any], patch: dict[str, Any], by: str = "op-1") -> dict[str, Any]:
    result: dict[str, Any] = merged(obj, freeze_patch(obj, changes_of(obj, patch), by))
    return result


class TestThereAndBack:
    @pytest.mark.parametrize(
        ("obj", "patch"),
        [
            (application(syncPolicy=AUTOMATED), argo_patch()),
            (application(syncPolicy={"automated": {}}), argo_patch()),
            (application(), argo_patch()),
            (thing("Kustomization", "k", {"interval": "1m"}), SUSPEND),
            (thing("Kustomization", "k", {"suspend": False}), SUSPEND),
            (thing("ScaledObject", "s", annotations={"a/paused-replicas": "2"}),
             {"metadata": {"annotations": {"a/paused": "true", "a/paused-replicas": None}}}),
            (thing("Db", "d", {"maintenance": {"mode": "off"}}), {"spec": {"maintenance": {"mode": "on", "by": "us"}}}),
            (thing("Db", "d", {"stop": ["a"]}), {"spec": {"stop": ["a", "b"], "deep": {"er": {"x": 1}}}}),
        ],
    )  # fmt: skip
    def test_every_value_comes_back_as_it_was(self, obj: dict[str, Any], patch: dict[str, Any]) -> None:
        changes = changes_of(obj, patch)
        held = frozen(obj, patch)
        assert is_frozen(held, changes)
        assert frozen_by(held) == "op-1"
        assert stored(merged(held, thaw_patch(held, changes, "op-1"))) == stored(obj)

    def test_what_the_server_fills_in_meanwhile_goes_with_it(self) -> None:
        """An HPA without behavior gets a whole one once a part of it is given."""
        hpa = thing("HorizontalPodAutoscaler", "h", {"minReplicas": 0})
        patch = {"spec": {"behavior": {"scaleUp": {"selectPolicy": "Disabled"}}}}
        changes = changes_of(hpa, patch)
        defaults = {"spec": {"behavior": {"scaleUp": {"policies": [1]}, "scaleDown": {"selectPolicy": "Max"}}}}
        held = merged(frozen(hpa, patch), defaults)
        assert stored(merged(held, thaw_patch(held, changes, "op-1"))) == stored(hpa)

    @given(st.recursive(st.none() | st.integers() | st.text(max_size=3),
                        lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3), max_leaves=8),
           st.dictionaries(st.sampled_from("abc"),
                           st.recursive(st.integers() | st.text(max_size=3),
                                        lambda inner: st.dictionaries(st.sampled_from("abc"), inner, min_size=1)),
                           max_size=3))  # fmt: skip
    def test_for_any_values(self, before: Any, wanted: Any) -> None:
        spec = merged({}, {"x": before}) if isinstance(before, dict) else {"y": 1}
        obj = thing("Db", "d", spec)
        patch = {"spec": {"x": wanted}} if wanted else {"spec": {"z": 1}}
        changes = changes_of(obj, patch)
        if not changes:
            return
        held = frozen(obj, patch)
        assert is_frozen(held, changes)
        assert stored(merged(held, thaw_patch(held, changes, "op-1"))) == stored(obj)


class TestOnlyOnce:
    def test_what_stands_already_is_no_change(self) -> None:
        obj = thing("Kustomization", "k", {"suspend": True})
        assert changes_of(obj, SUSPEND) == ()
        assert changes_of(application(), {"spec": {"syncPolicy": {"automated": None}}}) == ()

    def test_frozen_twice_it_remembers_what_was_first(self) -> None:
        obj = thing("Kustomization", "k", {"suspend": False})
        changes = changes_of(obj, SUSPEND)
        held = frozen(obj, SUSPEND)
        assert freeze_patch(held, changes, "op-1") is None
        taken_back = merged(held, {"spec": {"suspend": None}})
        again = merged(taken_back, freeze_patch(taken_back, changes, "op-1"))
        assert json.loads(again["metadata"]["annotations"][FROZEN])["before"] == [[["spec", "suspend"], False]]

    def test_two_parts_of_one_object_are_put_back_one_by_one(self) -> None:
        obj = thing("StatefulSet", "db", {"a": 1, "b": 1})
        one, two = changes_of(obj, {"spec": {"a": 2}}), changes_of(obj, {"spec": {"b": 2}})
        held = merged(obj, freeze_patch(obj, one, "op-1"))
        held = merged(held, freeze_patch(held, two, "op-1"))
        held = merged(held, thaw_patch(held, two, "op-1"))
        assert (held["spec"], frozen_by(held)) == ({"a": 2, "b": 1}, "op-1")
        assert stored(merged(held, thaw_patch(held, one, "op-1"))) == stored(obj)

    def test_another_operation_does_not_take_it_over(self) -> None:
        obj = thing("Kustomization", "k")
        held = frozen(obj, SUSPEND)
        with pytest.raises(Conflict, match="frozen by operation op-1.*where it was abandoned.*remove that annotation"):
            freeze_patch(held, changes_of(obj, SUSPEND), "op-2")
        assert thaw_patch(held, changes_of(obj, SUSPEND), "op-2") is None


class TestOthers:
    def test_what_somebody_wrote_since_is_theirs(self) -> None:
        obj = application(syncPolicy=AUTOMATED)
        changes = changes_of(obj, argo_patch())
        held = merged(frozen(obj, argo_patch()), {"spec": {"syncPolicy": {"automated": {"prune": False}}}})
        assert changed_since(held, changes, "op-1") == ["spec.syncPolicy.automated"]
        back = merged(held, thaw_patch(held, changes, "op-1"))
        assert back["spec"]["syncPolicy"]["automated"] == {"prune": False}
        assert "argocd.argoproj.io/skip-reconcile" not in back["metadata"]["annotations"]

    def test_what_a_person_suspended_stays_suspended(self) -> None:
        planned = thing("Kustomization", "k", {"suspend": False})
        changes = changes_of(planned, SUSPEND)
        by_hand = merged(planned, SUSPEND)
        assert freeze_patch(by_hand, changes, "op-1") is None
        assert thaw_patch(by_hand, changes, "op-1") is None

    @pytest.mark.parametrize("spoilt", [None, "{", "[]", '{"by": "op-1"}'])
    def test_a_lost_note_is_made_up_for_by_the_plan(self, spoilt: str | None) -> None:
        obj = thing("Kustomization", "k", {"suspend": False})
        changes = changes_of(obj, SUSPEND)
        held = merged(frozen(obj, SUSPEND), {"metadata": {"annotations": {FROZEN: spoilt}}})
        assert thaw_patch(held, changes, "op-1") is None
        assert stored(merged(held, thaw_patch(held, changes, "op-1", sure=True))) == stored(obj)

    def test_values_that_the_server_drops_are_named(self) -> None:
        obj = thing("Db", "d")
        changes = changes_of(obj, {"spec": {"pasued": True}})
        assert not_taken(obj, changes) == ["spec.pasued"]


def test_a_change_survives_the_journal() -> None:
    change = Change(("spec", "x"), {"a": [1]}, None)
    assert Change.of(json.loads(json.dumps(change.to_dict()))) == change
