# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Captured while a database is written to: what was committed before the cut is there again, in sound files."""

from __future__ import annotations

import datetime as dt
import threading
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._core.clock import parse_time
from tests.cluster.handle import Cluster
from tests.integration.volumes_app import App

CLIENTS, SECONDS = 4, 10
# A transfer, and a row that says which of the client's transactions it was. "k" counts on from one to the next.
_SCRIPT = r"""
\set k :k + 1
\set account random(1, 100000)
\set delta random(-5000, 5000)
BEGIN;
UPDATE pgbench_accounts SET abalance = abalance + :delta WHERE aid = :account;
INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (1, 1, :account, :delta, now());
INSERT INTO committed (client, k) VALUES (:client_id, :k);
END;
"""
_PSQL = ("-h", "/tmp", "-U", "postgres")


@pytest.fixture
def app(cluster: Cluster, make_namespace: Callable[[], str]) -> App:
    """The database, filled by pgbench, with a table that holds the number of each transaction."""
    app = App.deployed(cluster, make_namespace(), make_namespace())
    inside(app, "pgbench", "-i", "-q", *_PSQL, "postgres")
    app.sql("CREATE TABLE committed (client int, k int, PRIMARY KEY (client, k)); CREATE EXTENSION amcheck")
    cluster.kubectl("exec", "-i", "-n", app.namespace, "db-0", "--", "sh", "-c", "cat > /tmp/script.sql", stdin=_SCRIPT)
    return app


def inside(app: App, *command: str) -> str:
    return app.cluster.exec(app.namespace, "db-0", *command)


def under_load(app: App, task: Callable[[], Any]) -> Any:
    """What the task gives, done in the middle of the load. The load's own log is in the pod, not on a volume."""
    load = ["pgbench", "-n", "-f", "/tmp/script.sql", "-D", "k=0", "-c", str(CLIENTS), "-T", str(SECONDS)]
    load += ["-l", "--log-prefix=/tmp/load", *_PSQL, "postgres"]
    running = threading.Thread(target=inside, args=(app, *load))
    running.start()
    app.cluster.wait("transactions", lambda: int(app.sql("SELECT count(*) FROM committed")) > 100)
    done = task()
    assert running.is_alive(), "the load was on for the whole time of the task"
    running.join()
    return done


def acknowledged(app: App, before: dt.datetime) -> dict[int, int]:
    """How many transactions each client had the server's word for, before that moment, by the client's own log."""
    found: dict[int, int] = defaultdict(int)
    for line in inside(app, "sh", "-c", "cat /tmp/load.*").splitlines():
        client, dummy, elapsed, script, seconds, microseconds = line.split()[:6]
        if int(seconds) * 10**6 + int(microseconds) < before.timestamp() * 10**6:
            found[int(client)] += 1
    return dict(found)


def rows(app: App) -> dict[int, tuple[int, int]]:
    """Count and greatest number of the transactions of each client in the database."""
    text = app.sql("SELECT client, count(*), max(k) FROM committed GROUP BY client")
    return {int(c): (int(n), int(m)) for c, n, m in (line.split("|") for line in text.splitlines())}


def balanced(app: App) -> bool:
    """Every transfer is there whole: the accounts hold what the history says."""
    return (
        app.sql("SELECT (SELECT sum(abalance) FROM pgbench_accounts) = (SELECT sum(delta) FROM pgbench_history)") == "t"
    )


def test_captured_under_load_every_transaction_committed_before_the_cut_is_there_again(app: App) -> None:
    def capture_both_then_one() -> tuple[Any, Any]:
        both = app.capture()
        app.workloads = ("StatefulSet/db",)
        return both, app.capture()

    (fuzzy,), (crash,) = (done["recovery_points"] for done in under_load(app, capture_both_then_one))
    wanted, written = acknowledged(app, parse_time(crash["cut_at"]["data-db-0"])), rows(app)

    app.restore(crash["id"])

    assert set(fuzzy["cut_at"]) == {"data-db-0", "files"}
    assert fuzzy["consistency"] == "fuzzy"
    assert "one by one" in fuzzy["consistency_reason"]
    assert crash["consistency"] == "crash"
    found = rows(app)
    assert set(wanted) == set(range(CLIENTS)), "every client had transactions before the cut"
    for client, count in wanted.items():
        there, most = found[client]
        assert there == most, f"client {client}: no hole among its transactions"
        assert count <= there, f"client {client}: {count} acknowledged before the cut, {there} restored"
        assert there < written[client][0], f"client {client}: it wrote on after the cut"
    assert balanced(app)
    inside(app, "pg_amcheck", *_PSQL, "--heapallindexed", "--rootdescend", "-d", "postgres")
