# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restore on the real cluster: rows come back exactly, undo brings back exactly what was there, kills do no harm."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.cluster.handle import Cluster
from tests.integration.volumes_app import App

COUNT = {
    "name": "orders",
    "kind": "sql",
    "workload": "StatefulSet/db",
    "host": "/tmp",
    "query": "SELECT count(*) FROM orders",
    "timeout_s": 30,
}


def expecting(count: int, **more: object) -> list[dict[str, object]]:
    return [{**COUNT, "expect": {"stdout_equals": str(count)}, **more}]


@pytest.fixture
def app(cluster: Cluster, make_namespace: Callable[[], str]) -> App:
    return App.deployed(cluster, make_namespace(), make_namespace())


def test_rows_come_back_and_undo_brings_the_tampered_ones_back(app: App) -> None:
    app.add(1, 1000, "good")
    app.write_file("good")
    good = app.rows()
    point = app.point()
    app.sql("UPDATE orders SET item = 'stolen' WHERE id % 7 = 0")
    app.add(2000, 50, "forged")
    app.write_file("bad")
    tampered = app.rows()
    volumes = {claim: app.volume_of(claim) for claim in ("data-db-0", "files")}

    done = app.restore(point, verify=expecting(1000))

    assert app.rows() == good
    assert app.read_file() == "good"
    assert done["changed"]
    assert done["verified"]
    assert {row["claim"]: row["from"] for row in done["volumes"]} == volumes
    assert [(row["probe"], row["on"], row["state"]) for row in done["verification"]] == [
        ("orders", "staged", "passed"),
        ("orders", "live", "passed"),
    ]
    print("downtime", done["downtime_s"])

    app.undo(done["operation"])

    assert app.rows() == tampered
    assert app.read_file() == "bad"
    assert {claim: app.volume_of(claim) for claim in volumes} == volumes
