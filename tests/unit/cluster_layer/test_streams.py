# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a refused connection into a pod is told as, with old and new versions of the websocket library."""

from __future__ import annotations

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._cluster.streams import _refused
from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import (
    BadInput,
    Denied,
    NotFound,
    Unreachable,
)

HEADERS = "{'content-length': '403', 'date': 'Sat, 21 Nov 2026 16:10:46 GMT'}"


@pytest.mark.parametrize(
    ("told", "kind", "why"),
    [
        ("Handshake status 403 Forbidden", Denied, "Forbidden"),
        ("Handshake status 404 Not Found", NotFound, "Not Found"),
        (
            f'Handshake status 404 Not Found -+-+- {HEADERS} -+-+- {{"message":"pods \\"db-0\\" not found"}}',
            NotFound,
            'pods "db-0" not found',
        ),
        (
            f'Handshake status 400 Bad Request -+-+- {HEADERS} -+-+- {{"message":"container x is not valid"}}',
            BadInput,
            "container x is not valid",
        ),
        (
            f'Handshake status 500 Internal Server Error -+-+- {HEADERS} -+-+- container not found ("db")\n',
            Unreachable,
            'container not found ("db")',
        ),
        (
            "[Errno 111] Connection refused to 10.4.0.4:8404",
            Unreachable,
            "[Errno 111] Connection refused to 10.4.0.4:8404",
        ),
    ],
)
def test_status_and_words_come_from_the_answer_alone(told: str, kind: type[Exception], why: str) -> None:
    error = _refused(Exception(told), "Pod shop/db-0")
    assert error.__class__ is kind
    assert error.where == "Pod shop/db-0"
    assert error.why == why
