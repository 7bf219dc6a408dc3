# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the report says, and that it says no more than came in."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput
from ansible_collections.knowngood.kube.plugins.module_utils._report.model import SCHEMA, build
from ansible_collections.knowngood.kube.plugins.module_utils._report.phases import TITLES
from ansible_collections.knowngood.kube.plugins.module_utils._report.report import document

from . import story


def told(steps: dict[str, Any] | None = None, *, check: bool = False, **incident: Any) -> dict[str, Any]:
    return build({**story.incident(), **incident}, story.app(), story.steps() if steps is None else steps, check=check)


def without(*keys: str) -> dict[str, Any]:
    return {key: value for key, value in story.steps().items() if key not in keys}


def about(report: dict[str, Any], word: str) -> list[str]:
    return [gap["what"] for gap in report["gaps"] if gap["about"] == word]


class TestVerdict:
    def test_names_the_point_what_proves_it_and_what_is_not_proven(self) -> None:
        verdict = told()["verdict"]
        assert verdict["status"] == "partly_proven"
        assert verdict["sentence"].startswith(f"Restored to point {story.FIRST}, proven by 2 of 2 checks")
        assert "the new certificate served on 3 of 3 paths tried" in verdict["proven"]
        assert verdict["unproven"] == ["that its volumes belong together (they were cut one after the other)"]

    def test_is_proven_only_when_nothing_is_left(self) -> None:
        steps = story.steps()
        for point in steps["decision"]["candidates"]:
            point["consistency"] = "crash"
        verdict = told(steps)["verdict"]
        assert (verdict["status"], verdict["unproven"]) == ("proven", [])

    @pytest.mark.parametrize(
        ("missing", "words"),
        [
            ("rotation", "certificates (not done or not reported)"),
            ("containment", "containment (not done or not reported)"),
            ("release", "release from containment (not done or not reported)"),
        ],
    )
    def test_claims_nothing_for_a_phase_without_a_result(self, missing: str, words: str) -> None:
        verdict = told(without(missing))["verdict"]
        assert verdict["status"] == "partly_proven"
        assert words in verdict["unproven"]

    def test_a_restore_without_checks_is_not_proven(self) -> None:
        steps = story.steps()
        del steps["restore"]["verified"], steps["restore"]["verification"]
        assert "the restored data (no check was reported)" in told(steps)["verdict"]["unproven"]

    def test_a_check_that_failed_is_not_counted_as_seen(self) -> None:
        steps = story.steps()
        steps["restore"]["verification"][1]["state"] = "failed"
        verdict = told(steps)["verdict"]
        assert verdict["proven"][0] == "1 of 2 checks of the restored data"
        assert verdict["unproven"][0] == "1 of 2 checks of the restored data failed"

    def test_a_point_that_is_not_clean_is_called_so(self) -> None:
        steps = story.steps()
        steps["restore"]["recovery_point"] = steps["decision"]["chosen"]["id"] = story.SECOND
        assert "that the point is clean (its verdict is suspect)" in told(steps)["verdict"]["unproven"]

    def test_a_restore_to_another_point_than_the_chosen_one_is_said(self) -> None:
        steps = story.steps()
        steps["restore"]["recovery_point"] = story.SECOND
        assert f"that this is the chosen point (the decision named {story.FIRST})" in told(steps)["verdict"]["unproven"]

    def test_without_an_acceptable_point_nothing_is_restored(self) -> None:
        steps = {**without("restore", "rotation", "release")}
        steps["decision"] = {"chosen": None, "candidates": steps["decision"]["candidates"]}
        verdict = told(steps)["verdict"]
        assert verdict["status"] == "not_restored"
        assert verdict["sentence"].startswith("Not restored: no recovery point was acceptable; seen: containment")

    def test_a_failed_phase_makes_it_incomplete(self) -> None:
        verdict = told({**story.steps(), "rotation": {"failed": True, "msg": "gate not passed"}})["verdict"]
        assert verdict["status"] == "incomplete"
        assert verdict["sentence"].startswith(
            f"Incomplete: Certificate rotation failed, restored to point {story.FIRST}"
        )
        assert "certificates (failed)" in verdict["unproven"]

    def test_a_check_run_proves_nothing(self) -> None:
        verdict = told(check=True)["verdict"]
        assert (verdict["status"], verdict["proven"]) == ("check", [])
        assert verdict["sentence"] == f"Check run, nothing was changed: it would go back to point {story.FIRST}."

    def test_a_restore_that_was_only_planned_is_no_restore(self) -> None:
        steps = story.steps()
        steps["restore"] = {**steps["restore"], "operation": "", "plan": [{"name": "swap", "state": "todo"}]}
        verdict = told(steps)["verdict"]
        assert verdict["status"] == "not_restored"
        assert "planned and not run" in verdict["sentence"]

    def test_a_restore_that_was_taken_back_is_no_restore(self) -> None:
        steps = story.steps()
        steps["operations"]["operations"][4]["state"] = "undone"
        report = told(steps)
        assert report["verdict"]["status"] == "not_restored"
        assert "but the restore was taken back" in report["verdict"]["sentence"]
        assert about(report, "Restore") == ["done and taken back, so what this report shows of it no longer holds"]

    @pytest.mark.parametrize("state", ["open", "undoing", "abandoned"])
    def test_an_unfinished_operation_makes_it_incomplete(self, state: str) -> None:
        steps = story.steps()
        steps["operations"]["operations"][5]["state"] = state
        assert told(steps)["verdict"]["sentence"].startswith("Incomplete: Certificate rotation unfinished, restored to")


class TestMissingParts:
    def test_of_nothing_comes_a_whole_report_that_says_so(self) -> None:
        report = build({"id": "INC-1"}, "shop", {})
        assert report["schema"] == SCHEMA
        assert {phase["state"] for phase in report["phases"]} == {"not_reported"}
        assert {phase["title"] for phase in report["phases"]} == set(TITLES.values())
        named = {gap["about"] for gap in report["gaps"]}
        assert set(TITLES.values()) | {"Findings", "Certificates", "Figures", "Approval", "Signature"} <= named
        assert set(report["figures"].values()) == {None}
        assert report["verdict"]["sentence"].startswith("Not restored: no decision was reported")

    def test_values_of_the_wrong_shape_are_unknown_and_break_nothing(self) -> None:
        report = build({"id": "INC-1", "finding": "x", "time": 7}, "shop", dict.fromkeys(TITLES, "no"))
        assert report["decision"]["candidates"] == []
        assert report["incident"]["time"] == "7"

    def test_a_skipped_phase_is_skipped_and_not_missing(self) -> None:
        report = told({**story.steps(), "rotation": {"skipped": True, "skip_reason": "Conditional result was False"}})
        assert "certificates (skipped)" in report["verdict"]["unproven"]
        assert about(report, "Certificate rotation") == ["skipped: Conditional result was False"]

    def test_a_preflight_check_that_did_not_pass_or_was_not_made_is_a_gap(self) -> None:
        steps = story.steps()
        steps["preflight"]["checks"] += [
            {"name": "clock", "ok": False, "what": "40 s apart", "cure": "chronyc makestep"},
            {"name": "driver", "ok": None, "what": "not allowed to list CSIDrivers", "cure": ""},
        ]
        assert about(told(steps), "Preflight") == [
            "clock did not pass: 40 s apart",
            "driver could not be made: not allowed to list CSIDrivers",
        ]

    @pytest.mark.parametrize("status", ["partial", "failed", "empty", None])
    def test_a_scan_that_is_not_ok_cannot_show_absence(self, status: str | None) -> None:
        steps = story.steps()
        steps["scans"]["scans"][0]["status"] = status
        assert any("a1.sarif is" in what and "cannot show absence" in what for what in about(told(steps), "Findings"))

    def test_findings_that_are_counted_and_not_listed_are_said(self) -> None:
        steps = story.steps()
        steps["scans"]["findings"] = steps["scans"]["findings"][:1]
        assert "1 live findings are not listed here, only counted" in about(told(steps), "Findings")

    def test_evidence_through_port_forwards_only_is_said(self) -> None:
        steps = story.steps()
        for proof in steps["rotation"]["proof"]:
            proof["path"] = "port_forward"
        assert any("port-forwards only" in what for what in about(told(steps), "Certificates"))

    def test_a_path_that_nothing_closed_is_a_gap(self) -> None:
        steps = story.steps()
        steps["containment"] = steps["containment"][:1]
        report = told(steps)
        assert about(report, "Containment") == [
            "path 10.96.31.9:8080: a probe still came through",
            "path 10.66.0.15:8080: a probe still came through",
        ]
        assert "containment on 2 of 2 paths tried" in report["verdict"]["unproven"]

    def test_a_path_that_was_never_open_shows_nothing(self) -> None:
        steps = story.steps()
        steps["containment"][1]["proof"][0]["enforced"] = None
        report = told(steps)
        assert "containment enforced on 1 of 2 paths tried" in report["verdict"]["proven"]
        assert about(report, "Containment") == ["path 10.96.31.9:8080: nothing proves it closed"]

    def test_without_a_path_the_reason_of_the_quarantine_is_given(self) -> None:
        steps = story.steps()
        steps["containment"] = [{**steps["containment"][1], "proof": [], "why": "no pod is left; no path was found"}]
        assert "containment enforced (no pod is left; no path was found)" in told(steps)["verdict"]["proven"]

    def test_a_check_that_was_left_out_is_neither_passed_nor_failed(self) -> None:
        steps = story.steps()
        steps["restore"]["verification"].append(
            {"probe": "api", "on": "live", "state": "skipped", "reason": "it does not run"}
        )
        report = told(steps)
        assert "1 of 3 checks of the restored data were not made" in report["verdict"]["unproven"]
        assert about(report, "Restore") == ["check api on live: skipped (it does not run)"]

    def test_a_path_that_did_not_open_again_is_not_released(self) -> None:
        steps = story.steps()
        steps["release"]["proof"][0]["after"] = "refused"
        assert "1 of 1 released paths" in told(steps)["verdict"]["unproven"]

    def test_no_incident_id_and_no_name_are_refused(self) -> None:
        with pytest.raises(BadInput, match="no id"):
            build({}, "shop", {})
        with pytest.raises(BadInput, match="no name"):
            build({"id": "INC-1"}, {}, {})


class TestDetails:
    @pytest.mark.parametrize(
        "app",
        [
            "shop/shop",
            {"name": "shop", "namespace": "shop"},
            {"spec": {"name": "shop", "namespace": "shop"}},
            {"app": {"spec": {"name": "shop", "namespace": "shop"}}, "changed": False},
        ],
    )
    def test_the_application_comes_in_every_shape_that_users_have(self, app: Any) -> None:
        assert build({"id": "INC-1"}, app, {})["application"]["target"] == "shop/shop"

    def test_the_decision_table_is_in_order_of_time_and_marks_the_chosen_point(self) -> None:
        points = told()["decision"]["candidates"]
        assert [point["id"] for point in points] == [story.FIRST, story.SECOND, story.THIRD]
        assert [point["number"] for point in points] == [1, 2, 3]
        assert [point["chosen"] for point in points] == [True, False, False]
        assert points[0]["cut_from"] == "2026-11-21T09:00:00.100000Z"

    def test_operations_come_newest_first_each_with_its_undo(self) -> None:
        rows = told()["operations"]
        assert [row["kind"] for row in rows] == [
            "quarantine", "rotation", "restore", "quarantine", "quarantine", "capture", "mark",
        ]  # fmt: skip
        assert rows[2]["undo"] == (
            "ansible localhost -m knowngood.kube.operation -a 'id=restore-shop-aa00000005 state=undone'"
        )

    def test_without_times_operations_are_ordered_by_phase(self) -> None:
        assert [row["phase"] for row in told(without("operations"))["operations"]] == [
            "release", "rotation", "restore", "containment", "containment", "forensic", "held",
        ]  # fmt: skip

    def test_no_command_is_built_from_an_id_that_is_not_ours(self) -> None:
        steps = story.steps()
        steps["restore"]["operation"] = "x'; rm -rf ~ #"
        assert [row["undo"] for row in told(steps)["operations"] if row["phase"] == "restore"] == [None]

    def test_the_undo_command_names_a_state_namespace_of_your_own(self) -> None:
        rows = told({**story.steps(), "state_namespace": "recovery"})["operations"]
        assert rows[0]["undo"].endswith("state=undone state_namespace=recovery'")

    def test_the_decision_says_why_and_what_other_modes_would_choose(self) -> None:
        decision = told()["decision"]
        assert decision["choices"] == {"evidence": story.SECOND, "strict": story.FIRST}
        assert decision["why"] == ["it is the newest point whose writers never ran the exploited finding"]
        assert decision["image_overrides"][0]["commit"] == story.COMMITS[3]

    def test_images_by_workload_are_read_too(self) -> None:
        steps = story.steps()
        del steps["decision"]["images"]
        steps["decision"]["image_overrides"] = {"Deployment/a": "sha256:1", "Deployment/b": {"x": "sha256:2"}}
        assert [
            (row["workload"], row["container"], row["image"]) for row in told(steps)["decision"]["image_overrides"]
        ] == [
            ("Deployment/a", None, "sha256:1"),
            ("Deployment/b", "x", "sha256:2"),
        ]

    def test_the_timeline_is_in_order_and_unknown_times_come_last(self) -> None:
        times = [entry["at"] for entry in told()["timeline"]]
        known = [at for at in times if at]
        assert known == sorted(known)
        assert times[: len(known)] == known

    def test_only_the_finding_that_the_incident_names_counts_as_exploited(self) -> None:
        steps = story.steps()
        steps["scans"]["findings"].append(
            {"id": "f-9", "rule": "py/other", "cwe": ["CWE-89"], "path": "orders/search.py"}
        )
        assert [row["exploited"] for row in told(steps)["findings"]["rows"]] == [True, True, False]

    def test_an_incident_without_a_finding_marks_none(self) -> None:
        assert not any(row["exploited"] for row in told(finding=None)["findings"]["rows"])

    def test_times_to_contain_and_to_recover_count_from_the_declared_incident(self) -> None:
        figures = told()["figures"]
        assert (figures["time_to_contain_s"], figures["time_to_recover_s"]) == (277.0, 468.0)
        assert figures["downtime_s"] == 21.4

    def test_certificates_join_both_inventories_and_the_rotation(self) -> None:
        (row,) = told()["certificates"]["rows"]
        assert (row["secret"], row["rotated"]) == ("shop/web-tls", True)
        assert (row["before"]["fingerprint"], row["after"]["fingerprint"]) == (story.OLD, story.NEW)
        assert (row["after"]["serial"], row["after"]["key"], row["after"]["issuer"]) == (
            "5a11",
            "ECDSA-P-256",
            "CN=shop-ca",
        )
        assert row["before"]["not_after"] == "2026-12-01T00:00:00Z"
        assert row["after"]["not_after"] == "2027-02-19T14:08:00Z"

    def test_a_rotation_with_nothing_left_to_do_shows_what_it_saw_again(self) -> None:
        steps = story.steps()
        sight = {"pod": "web-1", "port": 8443, "path": "port_forward", "verified": True}
        served = [{**sight, "fingerprint": story.NEW}, {**sight, "pod": "web-2", "fingerprint": story.OLD}]
        steps["rotation"] = {
            **steps["rotation"],
            "proof": [],
            "seen": [{"target": "shop/web-tls", "stored": story.NEW, "served": served, "drift": "behind"}],
        }
        report = told(steps)
        assert [(row["where"], row["ok"]) for row in report["certificates"]["proof"]] == [
            ("web-1", True),
            ("web-2", False),
        ]
        assert "the certificate on 1 of 2 paths tried" in report["verdict"]["unproven"]

    def test_every_operation_of_a_rotation_can_be_undone(self) -> None:
        steps = story.steps()
        steps["rotation"]["operations"] = ["rotation-shop-0", "rotation-shop-aa00000006"]
        assert [row["id"] for row in told(steps)["operations"] if row["phase"] == "rotation"] == [
            "rotation-shop-aa00000006", "rotation-shop-0",
        ]  # fmt: skip

    def test_a_volume_shows_the_cut_that_its_data_comes_from(self) -> None:
        rows = told()["volumes"]["rows"]
        assert [(row["claim"], row["before"], row["after"], row["cut_at"]) for row in rows] == [
            ("data-db-0", "pvc-9b1f", "pvc-d07a", "2026-11-21T09:00:00.100000Z"),
            ("uploads", "pvc-22c8", "pvc-e41b", "2026-11-21T09:00:00.420000Z"),
        ]

    def test_a_duty_is_open_until_its_source_says_done(self) -> None:
        steps = story.steps()
        steps["decision"]["duties"].append({"duty": "Hold the points", "done": True})
        duties = told(steps)["duties"]
        assert [duty["open"] for duty in duties] == [True, True, False]
        assert duties[1]["what"] == "rotate secrets (StatefulSet/db)"
        assert duties[1]["why"] == "the injection could read pg_shadow"

    def test_what_only_tells_one_run_from_another_is_left_out(self) -> None:
        second = story.steps()
        for key in ("restore", "rotation", "release"):
            second[key] = {**second[key], "changed": False, "deprecations": [], "invocation": {"module_args": {"a": 1}}}
        first = {**story.steps(), "restore": {**story.steps()["restore"], "changed": True}}
        assert document(told(second)) == document(told(first))

    def test_a_number_that_json_has_no_word_for_becomes_text(self) -> None:
        steps = {**story.steps(), "extra": float("nan")}
        assert json.loads(document(told(steps)))["inputs"]["steps"]["extra"] == "nan"
