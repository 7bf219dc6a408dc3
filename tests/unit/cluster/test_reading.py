# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which questions to the API server are asked without kubectl. That the answers are alike is asked of a real one."""

from __future__ import annotations

import pytest

from tests.cluster.reading import Question, Resource, question


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        (("nodes",), Question("nodes", "", "default", {})),
        (("pods", "-A"), Question("pods", "", "", {})),
        (("pvc", "data", "-n", "shop"), Question("pvc", "data", "shop", {})),
        (("pods", "-n", "shop", "-l", "app=web"), Question("pods", "", "shop", {"labelSelector": "app=web"})),
        (
            ("events", "--field-selector=reason=Failed"),
            Question("events", "", "default", {"fieldSelector": "reason=Failed"}),
        ),
    ],
)
def test_what_is_asked_here(arguments: tuple[str, ...], asked: Question) -> None:
    assert question(arguments) == asked


@pytest.mark.parametrize(
    "arguments",
    [("secrets,pods", "-n", "shop"), ("pod/web",), ("pods", "a", "b"), ("pods", "--show-managed-fields"), ()],
    ids=["two kinds", "kind and name in one", "two names", "an option", "nothing"],
)
def test_what_is_left_to_kubectl(arguments: tuple[str, ...]) -> None:
    assert question(arguments) is None


def test_where_it_is_asked() -> None:
    pods, nodes = Resource("/api/v1", "pods", "Pod", True), Resource("/api/v1", "nodes", "Node", False)
    assert pods.path("shop", "web") == "/api/v1/namespaces/shop/pods/web"
    assert pods.path("", "") == "/api/v1/pods"
    assert nodes.path("shop", "rig-1") == "/api/v1/nodes/rig-1"
