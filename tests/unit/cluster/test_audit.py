# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the audit log says, and what counts as a write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.audit import AuditLog, parse
from tests.cluster.errors import ClusterError


def line(
    verb: str, resource: str, *, subresource: str = "", query: str = "", stage: str = "ResponseComplete", **more: Any
) -> str:
    reference = {"resource": resource, "namespace": "shop", "name": "a", "apiVersion": "v1"}
    if subresource:
        reference["subresource"] = subresource
    event = {
        "stage": stage,
        "verb": verb,
        "requestURI": f"/api/v1/namespaces/shop/{resource}/a{query}",
        "user": {"username": "alice"},
        "objectRef": reference,
        "responseStatus": {"code": 200},
    }
    return json.dumps({**event, **more})


@pytest.mark.parametrize("verb", ["create", "update", "patch", "delete", "deletecollection"])
def test_changes_are_writes_unless_dry(verb: str) -> None:
    request = parse(line(verb, "secrets"))
    assert request is not None
    assert request.is_write
    dry = parse(line(verb, "secrets", query="?fieldManager=x&dryRun=All"))
    assert dry is not None
    assert dry.dry_run
    assert not dry.is_write


@pytest.mark.parametrize("verb", ["get", "list", "watch"])
def test_reads_are_none(verb: str) -> None:
    request = parse(line(verb, "secrets"))
    assert request is not None
    assert not request.is_write


@pytest.mark.parametrize(
    ("resource", "subresource"),
    [("selfsubjectaccessreviews", ""), ("tokenreviews", ""), ("pods", "exec"), ("pods", "portforward")],
)
def test_reviews_and_streams_are_none(resource: str, subresource: str) -> None:
    request = parse(line("create", resource, subresource=subresource))
    assert request is not None
    assert not request.is_write


def test_a_token_for_a_service_account_and_a_scale_are_writes() -> None:
    for resource, subresource in (("serviceaccounts", "token"), ("statefulsets", "scale")):
        request = parse(line("update", resource, subresource=subresource))
        assert request is not None
        assert request.is_write


def test_a_delete_may_be_dry_by_its_body() -> None:
    dry = parse(line("delete", "pods", requestObject={"kind": "DeleteOptions", "dryRun": ["All"]}))
    wet = parse(line("delete", "pods", requestObject={"kind": "DeleteOptions"}))
    assert dry is not None
    assert wet is not None
    assert (dry.is_write, wet.is_write) == (False, True)


def test_the_user_who_is_impersonated_is_the_user() -> None:
    request = parse(line("get", "pods", impersonatedUser={"username": "bob"}))
    assert request is not None
    assert request.user == "bob"


@pytest.mark.parametrize(
    "text", ["", "{", line("watch", "pods", stage="ResponseStarted"), '{"stage": "ResponseComplete", "verb": "get"}']
)
def test_what_is_no_answered_request_for_a_resource_is_skipped(text: str) -> None:
    assert parse(text) is None


def test_requests_count_from_the_mark(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    path.write_text(line("create", "pods") + "\n")
    log = AuditLog(path)
    assert log.requests() == []
    with path.open("a") as file:
        file.write(
            line("patch", "pods", subresource="status") + "\n" + line("get", "nodes", user={"username": "bob"}) + "\n"
        )
    assert [one.resource for one in log.requests()] == ["pods", "nodes"]
    assert log.permissions("alice") == {("", "pods/status", "patch")}
    assert [one.verb for one in log.writes("alice")] == ["patch"]
    assert log.writes("bob") == []
    log.mark()
    assert log.requests() == []
    assert len(log.requests(since=0)) == 3


def test_a_log_that_was_begun_anew_does_not_pass_for_silence(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    path.write_text(line("create", "pods") + "\n")
    log = AuditLog(path)
    path.rename(tmp_path / "audit-2026.log")
    path.write_text("")
    for ask in (log.requests, log.writes, lambda: log.paths("alice")):
        with pytest.raises(ClusterError, match="begun anew"):
            ask()
    log.mark()
    assert log.requests() == []
