# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Deletes name the very object, and the state of it that was looked at."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._cluster.deletes import delete_as_read, delete_latest
from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import Conflict

from .server import Answer, Script, failure, serving


def secret(version: str, **meta: Any) -> dict[str, Any]:
    named = {"name": "s", "namespace": "n", "uid": "u", "resourceVersion": version}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {**named, **meta}}


def preconditions(script: Script) -> list[dict[str, str]]:
    return [request.body["preconditions"] for request in script.seen if request.method == "DELETE"]


def test_as_read_is_this_version_and_no_other() -> None:
    with serving(Answer()) as (cluster, script):
        delete_as_read(cluster, "Secret", secret("5"))
    assert preconditions(script) == [{"uid": "u", "resourceVersion": "5"}]


def test_as_read_stops_where_it_was_changed_since() -> None:
    with serving(failure(409)) as (cluster, _script), pytest.raises(Conflict):
        delete_as_read(cluster, "Secret", secret("5"))


def test_the_latest_is_read_again_where_it_moved_on() -> None:
    answers = (failure(409), Answer(200, secret("6")), Answer())
    with serving(*answers) as (cluster, script):
        assert delete_latest(cluster, "Secret", "s", "n", "u", seen=secret("5"))
    assert preconditions(script) == [{"uid": "u", "resourceVersion": version} for version in ("5", "6")]


def test_each_version_is_judged_before_it_is_deleted() -> None:
    judged: list[str] = []

    def check(obj: dict[str, Any]) -> None:
        judged.append(obj["metadata"]["resourceVersion"])
        if judged[-1] == "6":
            raise Conflict("somebody else uses it now")

    with serving(failure(409), Answer(200, secret("6"))) as (cluster, script), pytest.raises(Conflict, match="uses"):
        delete_latest(cluster, "Secret", "s", "n", "u", seen=secret("5"), check=check)
    assert judged == ["5", "6"]
    assert len(preconditions(script)) == 1


@pytest.mark.parametrize(
    "answer",
    [failure(404), Answer(200, secret("5", uid="other")), Answer(200, secret("5", deletionTimestamp="now"))],
    ids=["gone", "another one of the name", "going already"],
)
def test_what_need_not_be_deleted_is_left_alone(answer: Answer) -> None:
    with serving(answer) as (cluster, script):
        assert not delete_latest(cluster, "Secret", "s", "n", "u")
    assert preconditions(script) == []


def test_what_never_stands_still_is_given_up() -> None:
    with serving(*[failure(409), Answer(200, secret("6"))] * 5) as (cluster, script), pytest.raises(Conflict):
        delete_latest(cluster, "Secret", "s", "n", "u", seen=secret("5"))
    assert len(preconditions(script)) == 5
