# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every door leaves through one frame: results, failures, secrets and signals are the same for all."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._ansible.frame import Frame
from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput, Conflict

Door = Callable[..., dict[str, Any]]
TOKEN = "canary-token-4711"


def fails_with(error: Exception) -> Callable[[Frame], dict[str, Any]]:
    def call(frame: Frame) -> dict[str, Any]:
        raise error

    return call


class TestResult:
    def test_is_what_the_call_returns_and_unchanged_unless_it_says_so(self, door: Door) -> None:
        result = door(lambda frame: {"items": [1, 2]})
        assert (result["items"], result["changed"], result["rc"]) == ([1, 2], False, 0)

    def test_says_changed_when_the_call_does(self, door: Door) -> None:
        assert door(lambda frame: {"changed": True})["changed"] is True

    def test_holds_a_diff_only_when_it_was_asked_for(self, door: Door) -> None:
        def call(frame: Frame) -> dict[str, Any]:
            return {"diff": {"before": "a", "after": "b"}}

        assert "diff" not in door(call)
        assert door(call, {"_ansible_diff": True})["diff"] == {"before": "a", "after": "b"}

    def test_shows_secret_data_as_fingerprints(self, door: Door) -> None:
        result = door(lambda frame: {"object": {"kind": "Secret", "data": {"password": TOKEN}}})
        assert TOKEN not in json.dumps(result)
        assert result["object"]["data"]["password"].startswith("sha256:")

    @pytest.mark.parametrize(("count", "told", "last"), [(20, 20, "unseen: 19"), (500, 21, "unseen: 480 more, all of")])
    def test_of_many_warnings_some_are_given_and_where_all_are(
        self, door: Door, count: int, told: int, last: str
    ) -> None:
        def call(frame: Frame) -> dict[str, Any]:
            frame.warn_of_each("unseen", [str(number) for number in range(count)], "unproven")
            return {}

        warnings = door(call)["warnings"]
        assert len(warnings) == told
        assert last in json.dumps(warnings[-1])

    def test_check_mode_reaches_the_call(self, door: Door) -> None:
        assert door(lambda frame: {"seen": frame.check_mode}, {"_ansible_check_mode": True})["seen"] is True


class TestFailure:
    def test_names_what_where_why_and_what_next(self, door: Door) -> None:
        error = BadInput("no such claim", where="shop/data", why="it was deleted", next="kubectl get pvc -n shop")
        result = door(fails_with(error))
        assert result["msg"] == "no such claim (shop/data): it was deleted. Next: kubectl get pvc -n shop"
        assert result["error"] == {
            "code": "bad_input",
            "what": "no such claim",
            "where": "shop/data",
            "why": "it was deleted",
            "next": "kubectl get pvc -n shop",
        }
        assert (result["failed"], result["changed"], result["rc"]) == (True, False, 1)

    def test_says_what_was_changed_before_it(self, door: Door) -> None:
        result = door(
            fails_with(Conflict("taken", changed=True, details={"plan": [{"name": "swap", "state": "done"}]}))
        )
        assert result["changed"] is True
        assert result["plan"] == [{"name": "swap", "state": "done"}]

    def test_details_cannot_replace_the_message_or_the_error(self, door: Door) -> None:
        result = door(fails_with(Conflict("taken", details={"msg": "x", "error": "y", "changed": True})))
        assert result["msg"] == "taken"
        assert result["error"]["code"] == "conflict"
        assert result["changed"] is False

    def test_holds_no_secret(self, door: Door) -> None:
        error = BadInput(
            "refused", why=f"Authorization: Bearer {TOKEN}", details={"kind": "Secret", "data": {"a": TOKEN}}
        )
        assert TOKEN not in json.dumps(door(fails_with(error)))

    def test_of_an_unexpected_kind_is_one_line_that_names_the_place(self, door: Door) -> None:
        result = door(fails_with(KeyError("spec")))
        assert result["msg"].startswith("Unexpected KeyError (")
        assert "\n" not in result["msg"]
        assert result["error"]["code"] == "unexpected"
        assert any("test_frame.py" in place for place in result["error"]["trace"])

    def test_of_a_missing_library_names_it_and_its_installation(self, door: Door) -> None:
        result = door(lambda frame: {"never": "reached"}, requires=("a_library_that_is_not_there",))
        assert "a_library_that_is_not_there" in result["msg"]
        assert result["error"]["next"] == "pip install a_library_that_is_not_there"
        assert "never" not in result

    def test_of_a_library_missed_midway_is_named_too(self, door: Door) -> None:
        result = door(fails_with(ModuleNotFoundError("No module named 'jmespath'", name="jmespath")))
        assert result["error"]["code"] == "missing_library"
        assert "jmespath" in result["msg"]


class TestCredentials:
    def test_an_inline_kubeconfig_shows_its_server_but_no_credential(self, door: Door) -> None:
        kubeconfig = {
            "clusters": [{"name": "prod", "cluster": {"server": "https://api.example.com:6443"}}],
            "users": [{"name": "robot", "user": {"token": TOKEN}}],
        }
        result = door(
            lambda frame: {"server": "https://api.example.com:6443", "leak": f"x {TOKEN} y"}, {"kubeconfig": kubeconfig}
        )
        assert result["server"] == "https://api.example.com:6443"
        assert TOKEN not in json.dumps(result)

    def test_a_kubeconfig_path_may_be_named_in_messages(self, door: Door) -> None:
        result = door(
            fails_with(BadInput("no kubeconfig", where="/etc/kube/config")), {"kubeconfig": "/etc/kube/config"}
        )
        assert result["msg"] == "no kubeconfig (/etc/kube/config)"

    def test_the_text_of_a_kubeconfig_is_refused_and_not_repeated(self, door: Door) -> None:
        text = f"users:\n- name: robot\n  user: {{token: {TOKEN}}}\n"
        result = door(lambda frame: {"auth": frame.auth()}, {"kubeconfig": text})
        assert result["error"]["code"] == "bad_input"
        assert "neither a path nor a dictionary" in result["msg"]
        assert TOKEN not in json.dumps(result)

    @pytest.mark.parametrize("option", ["api_key", "password"])
    def test_a_credential_option_appears_nowhere(self, door: Door, option: str) -> None:
        assert TOKEN not in json.dumps(door(lambda frame: {"said": f"tried {TOKEN}"}, {option: TOKEN}))

    def test_a_warning_is_redacted(self, door: Door) -> None:
        def call(frame: Frame) -> dict[str, Any]:
            frame.warn(f"the pod printed Authorization: Bearer {TOKEN}")
            return {}

        result = door(call)
        assert "the pod printed" in json.dumps(result["warnings"])
        assert TOKEN not in json.dumps(result["warnings"])

    def test_options_become_auth_options(self, door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("K8S_AUTH_HOST", "https://api.example.com")
        monkeypatch.setenv("K8S_AUTH_VERIFY_SSL", "no")
        monkeypatch.setenv("HOME", "/home/someone")
        seen: list[Any] = []

        def call(frame: Frame) -> dict[str, Any]:
            seen.append(frame.auth())
            return {}

        door(call, {"kubeconfig": "~/.kube/prod", "impersonate_user": "ops", "impersonate_groups": ["a", "b"]})
        auth = seen[0]
        assert (auth.host, auth.validate_certs) == ("https://api.example.com", False)
        assert auth.kubeconfig == "/home/someone/.kube/prod"
        assert auth.impersonate_groups == ("a", "b")


class TestStopping:
    def test_nobody_asked(self, door: Door) -> None:
        assert door(lambda frame: {"stopping": frame.stopping()})["stopping"] is False

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
    def test_a_signal_sets_the_flag_and_the_call_ends_in_its_own_way(self, door: Door, number: int) -> None:
        def call(frame: Frame) -> dict[str, Any]:
            os.kill(os.getpid(), number)
            return {"stopping": frame.stopping()}

        assert door(call)["stopping"] is True

    def test_the_signals_of_one_request_count_once(self, door: Door) -> None:
        def call(frame: Frame) -> dict[str, Any]:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGTERM):
                os.kill(os.getpid(), number)
            return {"alive": True}

        assert door(call)["alive"] is True


class TestProgress:
    def test_lines_reach_the_file_that_the_environment_names(
        self, door: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lines = tmp_path / "lines"
        lines.touch()
        monkeypatch.setenv("KNOWNGOOD_PROGRESS_PATH", str(lines))

        def call(frame: Frame) -> dict[str, Any]:
            frame.reporter.say("swap data: bound")
            frame.reporter.say(f"\x1b[31mtwo\nlines, Bearer {TOKEN}")
            return {}

        door(call)
        texts = [json.loads(line)["text"] for line in lines.read_text().splitlines()]
        assert texts == ["swap data: bound", "[31mtwo lines, Bearer <redacted>"]

    def test_a_file_that_is_not_there_is_not_made_and_nothing_fails(
        self, door: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("KNOWNGOOD_PROGRESS_PATH", str(tmp_path / "absent"))
        result = door(lambda frame: {"said": frame.reporter.say("hello")})
        assert result["rc"] == 0
        assert not (tmp_path / "absent").exists()


class TestPrograms:
    def test_status_and_both_outputs_come_back(self, door: Door) -> None:
        command = ["sh", "-c", "echo out $WORD; echo err >&2; exit 3"]
        result = door(lambda frame: {"ran": frame.run(command, {"WORD": "word"}, 60)})
        assert result["ran"] == [3, "out word\n", "err\n"]

    def test_a_program_that_is_not_there_is_told_apart(self, door: Door) -> None:
        def call(frame: Frame) -> dict[str, Any]:
            with pytest.raises(FileNotFoundError):
                frame.run(["no-such-program-here"], {}, 60)
            return {"seen": True}

        assert door(call)["seen"] is True

    def test_one_that_takes_too_long_is_ended(self, door: Door) -> None:
        def call(frame: Frame) -> dict[str, Any]:
            with pytest.raises(TimeoutError, match=r"sleep was ended after 0\.1 s"):
                frame.run(["sleep", "60"], {}, 0.1)
            return {"seen": True}

        assert door(call)["seen"] is True
