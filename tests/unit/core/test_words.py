# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans, errors, clocks and redaction: the small words that everything else uses."""

from __future__ import annotations

import base64
import datetime as dt
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.knowngood.kube.plugins.module_utils._core.application import ApplicationSpec
from ansible_collections.knowngood.kube.plugins.module_utils._core.clock import SystemClock, parse_time, rfc3339
from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput, KnownGoodError
from ansible_collections.knowngood.kube.plugins.module_utils._core.plan import Plan, Step, canonical, digest
from ansible_collections.knowngood.kube.plugins.module_utils._core.ports import Entry, Operation
from ansible_collections.knowngood.kube.plugins.module_utils._core.redact import fingerprint, redact, redact_text

CANARY = "kg-canary-7f3a"
PEM = f"-----BEGIN EC PRIVATE KEY-----\n{CANARY}\n-----END EC PRIVATE KEY-----"

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


class TestPlan:
    def test_its_hash_does_not_depend_on_what_is_done_already(self) -> None:
        todo, done = Step("a", "x", ("Pod p",), {"n": 1}), Step("a", "x", ("Pod p",), {"n": 1}, done=True)
        assert Plan("k", "n/a", "i", (todo,)).hash == Plan("k", "n/a", "i", (done,)).hash

    def test_its_hash_depends_on_every_parameter(self) -> None:
        one, two = Step("a", "x", (), {"n": 1}), Step("a", "x", (), {"n": 2})
        assert Plan("k", "n/a", "i", (one,)).hash != Plan("k", "n/a", "i", (two,)).hash

    def test_two_steps_of_one_name_are_a_mistake(self) -> None:
        with pytest.raises(ValueError, match="not unique"):
            Plan("k", "n/a", "i", (Step("a", "x"), Step("a", "y")))

    def test_it_is_shown_without_its_parameters(self) -> None:
        plan = Plan("k", "n/a", "i", (Step("stop db", "x", ("StatefulSet n/db",), {"uid": "u"}, done=True),))
        assert plan.shown() == [{"name": "stop db", "touches": ["StatefulSet n/db"], "state": "done"}]

    @given(st.dictionaries(st.text(max_size=5), json_values, max_size=4), st.text(max_size=9))
    def test_it_survives_the_journal(self, params: dict[str, object], until: str) -> None:
        plan = Plan("k", "n/a", "i", (Step("s", "x", ("Pod n/p",), params, until),))
        assert Plan.from_dict(json.loads(canonical(plan.to_dict()))) == plan

    @given(json_values)
    def test_equal_values_have_equal_digests(self, value: object) -> None:
        assert digest(value) == digest(json.loads(json.dumps(value)))


class TestOperation:
    @given(st.sampled_from(["todo", "started", "done"]), st.dictionaries(st.text(max_size=4), json_values, max_size=3))
    def test_an_entry_survives_the_journal(self, state: str, result: dict[str, object]) -> None:
        entry = Entry(state, "2026-01-01T00:00:00Z", result)
        assert Entry.from_dict(json.loads(json.dumps(entry.to_dict()))) == entry

    def test_where_an_undo_stands_is_the_last_step_not_yet_undone(self) -> None:
        plan = Plan("k", "n/a", "i", (Step("a", "x"), Step("b", "x"), Step("c", "x")))
        entries = {"a": Entry("done"), "b": Entry("undoing"), "c": Entry("undone")}
        assert Operation("id", plan, "undoing", entries=entries).position == "b"


class TestErrors:
    def test_one_line_says_what_where_why_and_what_next(self) -> None:
        error = KnownGoodError("no snapshot class", where="claim shop/data", why="none for d", next="kubectl get vsc")
        assert str(error) == "no snapshot class (claim shop/data): none for d. Next: kubectl get vsc"


class TestClock:
    def test_now_knows_its_zone(self) -> None:
        assert SystemClock().now().tzinfo is not None

    @given(st.datetimes(min_value=dt.datetime(1990, 1, 1), timezones=st.just(dt.UTC)))
    def test_times_survive_their_spelling(self, moment: dt.datetime) -> None:
        assert parse_time(rfc3339(moment)) == moment

    @pytest.mark.parametrize(
        ("text", "microsecond"),
        [("2026-01-02T03:04:05.123456789Z", 123456), ("2026-01-02T03:04:05.1Z", 100000), ("2026-01-02T03:04:05Z", 0)],
    )
    def test_nanoseconds_are_cut(self, text: str, microsecond: int) -> None:
        assert parse_time(text).microsecond == microsecond

    def test_offsets_are_turned_into_utc(self) -> None:
        assert parse_time("2026-01-02T03:04:05.5+02:00") == dt.datetime(2026, 1, 2, 1, 4, 5, 500000, tzinfo=dt.UTC)

    @pytest.mark.parametrize("text", ["2026-01-02T03:04:05", "yesterday", ""])
    def test_a_time_without_a_zone_is_refused(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"zone|isoformat|Invalid"):
            parse_time(text)


class TestRedaction:
    @pytest.mark.parametrize(
        "text",
        [
            PEM,
            f"key: {base64.b64encode(PEM.encode()).decode()}",
            f"Authorization: Bearer {CANARY}-{CANARY}",
            f"https://user:{CANARY}@registry/x",
            f"eyJhbGciOiJSUzI1NiJ9.eyJ{CANARY}{CANARY}.sig{CANARY}",
            f"-----BEGIN PRIVATE KEY-----\n{CANARY} cut off",
            f"bAsIc {CANARY}{CANARY}",
            f"ba\u017fic {CANARY}{CANARY}",  # the long s counts as an s where case does not matter
        ],
    )
    def test_no_secret_survives_in_text(self, text: str) -> None:
        clean = redact_text(f"before {text} after")
        assert CANARY not in clean
        assert base64.b64encode(CANARY.encode()).decode()[:12] not in clean
        assert clean.startswith("before ")

    def test_a_certificate_is_no_secret(self) -> None:
        pem = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----"
        assert redact_text(pem) == pem
        encoded = base64.b64encode(pem.encode()).decode()
        assert redact_text(encoded) == encoded

    def test_a_secret_shows_its_keys_and_fingerprints_only(self) -> None:
        secret = {
            "kind": "Secret",
            "metadata": {
                "name": "s",
                "annotations": {"kubectl.kubernetes.io/last-applied-configuration": CANARY, "a": "b"},
            },
            "data": {"password": CANARY},
            "stringData": {"user": CANARY},
            "type": "Opaque",
        }
        clean = redact({"items": [secret]})["items"][0]
        assert CANARY not in json.dumps(clean)
        assert clean["data"] == {"password": fingerprint(CANARY)}
        assert clean["metadata"]["annotations"]["a"] == "b"
        assert clean["type"] == "Opaque"

    def test_a_changed_value_has_another_fingerprint(self) -> None:
        assert fingerprint("a") != fingerprint("b")
        assert len(fingerprint("a")) == len("sha256:") + 8

    @given(json_values)
    def test_values_without_secrets_stay_as_they_are(self, value: object) -> None:
        if "Bearer" not in str(value) and "Basic" not in str(value):
            assert redact(value) == value


class TestApplicationSpec:
    def test_a_name_and_a_namespace_are_enough(self) -> None:
        assert ApplicationSpec.from_dict({"name": "shop", "namespace": "prod"}).target == "prod/shop"

    @pytest.mark.parametrize(
        ("data", "told"),
        [
            ({}, "app.name"),
            ({"name": "Shop", "namespace": "x"}, "app.name"),
            ({"name": "shop"}, "app.namespace"),
            ({"name": "shop", "namespace": "x", "claim": []}, "claim"),
            ({"name": "shop", "namespace": "x", "workloads": ["db"]}, "Kind/name"),
        ],
    )
    def test_what_cannot_be_used_is_named(self, data: dict[str, object], told: str) -> None:
        with pytest.raises(BadInput, match=told):
            ApplicationSpec.from_dict(data)
