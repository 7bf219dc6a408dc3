# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hooks on the real cluster: what holds, what lets go whatever happens, and what a point says of it."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._core.clock import parse_time
from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput, NotProven
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.capture import capture
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.capture_plan import CaptureWish
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.hooks import Hooks
from tests.cluster.faults import Fault, Faults
from tests.cluster.handle import Cluster
from tests.cluster.objects import claim
from tests.integration import databases
from tests.integration.volumes_app import App, Killed, dying_after

FILES = "Deployment/files"
HOLD = {"name": "lock", "workload": FILES, "command": ["touch", "/tmp/held"], "holds": True}
LET_GO = {"name": "lock", "workload": FILES, "command": ["rm", "-f", "/tmp/held"]}
SLOW_HOLD = {**HOLD, "command": ["sh", "-c", "trap '' TERM; touch /tmp/begun; sleep 10; touch /tmp/held"]}
PAIR = {"pre": [HOLD], "post": [LET_GO]}
SESSION = {
    "name": "session",
    "workload": FILES,
    "kind": "session",
    "command": ["sh", "-c", "touch /tmp/held; echo LOCKED; cat >/tmp/told; rm /tmp/held"],
    "ready": "LOCKED",
    "release": "bye",
}


@pytest.fixture
def frozen(cluster: Cluster, make_namespace: Callable[[], str]) -> App:
    """The same on a disk of its own with ext4, in a container that may freeze it."""
    app = App.deployed(cluster, make_namespace(), make_namespace(), "local-ext4", only="files")
    allowed = {
        "spec": {"template": {"spec": {"containers": [{"name": "files", "securityContext": {"privileged": True}}]}}}
    }
    cluster.kubectl("patch", "deployment", "files", "-n", app.namespace, "-p", json.dumps(allowed))
    cluster.wait_ready(app.namespace, "deployment/files")
    cluster.wait("one pod", lambda: len(cluster.get("pods", "-n", app.namespace, "-l", "app=files")["items"]) == 1)
    return app


@pytest.fixture
def bare(cluster: Cluster, make_namespace: Callable[[], str]) -> App:
    """No workload yet."""
    return App(cluster, make_namespace(), make_namespace(), cluster.kubeconfig)


def in_files(app: App, command: str) -> str:
    return app.cluster.exec(app.namespace, "deploy/files", "sh", "-c", command)


def held(app: App) -> bool:
    return in_files(app, "ls /tmp/held 2>/dev/null || true") != ""


def processes(app: App) -> list[str]:
    """What runs in the container beside its own first process and this look."""
    lines = in_files(app, "ps -eo args=").splitlines()
    return [line for line in lines if "sleep infinity" not in line and "ps -eo" not in line]


def at_work(app: App) -> list[str]:
    """The same without what was killed and whose end nobody has asked for: that is the container's first process."""
    return [line for line in processes(app) if "<defunct>" not in line]


def said(point: dict[str, Any]) -> tuple[str, str]:
    return point["consistency"], point["consistency_reason"]


def captured(app: App, hooks: Any, **wish: Any) -> dict[str, Any]:
    (row,) = app.capture(hooks=hooks, **wish)["recovery_points"]
    return dict(row)


def nothing_there(app: App) -> bool:
    return app.cluster.get("volumesnapshots", "-n", app.namespace)["items"] == []


class TestDatabases:
    def test_postgresql_with_its_wal_on_a_second_claim_keeps_every_commit_before_the_cut(self, bare: App) -> None:
        cluster, image = bare.cluster, bare.cluster.image("work")
        cluster.apply(databases.postgresql(image), namespace=bare.namespace)
        cluster.wait_ready(bare.namespace, "statefulset/db", limit_s=120)
        inside(bare, "pgbench", "-i", "-q", *PSQL, "postgres")
        bare.sql("CREATE TABLE committed (client int, k int, PRIMARY KEY (client, k)); CREATE EXTENSION amcheck")
        hooks = {"pre": [{"profile": "postgresql", "workload": "StatefulSet/db", "options": {"host": "/tmp"}}]}

        writing = threading.Thread(target=inside, args=(bare, "python3", "-c", databases.WRITERS))
        writing.start()
        cluster.wait("transactions", lambda: int(bare.sql("SELECT count(*) FROM committed")) > 100)
        point = captured(bare, hooks)
        assert writing.is_alive(), "it was captured under load"
        inside(bare, "touch", "/tmp/stop")
        writing.join()
        wanted = acknowledged(bare, parse_time(point["cut_at"]["wal-db-0"]))
        written = transactions(bare)

        assert said(point) == (
            "application",
            "db-0 made a base backup, its WAL was cut last",
        )
        assert parse_time(point["cut_at"]["data-db-0"]) < parse_time(point["cut_at"]["wal-db-0"])
        assert point["freeze_ms"] == {"data-db-0": 0, "wal-db-0": 0}, "nobody had to wait"
        with pytest.raises(BadInput, match="data-db-0 cannot be restored alone.*with wal-db-0"):
            bare.restore(point["id"], claims=("data-db-0",))

        bare.restore(point["id"])

        found = transactions(bare)
        assert set(wanted) == set(written) != set(), "every client had committed before the cut"
        for client, count in wanted.items():
            there, most = found[client]
            assert there == most, f"client {client}: no hole among its transactions"
            assert count <= there, f"client {client}: {count} acknowledged before the cut, {there} restored"
            assert there < written[client][0], f"client {client}: it wrote on after the cut"
        same = "(SELECT sum(abalance) FROM pgbench_accounts) = (SELECT sum(delta) FROM pgbench_history)"
        assert bare.sql(f"SELECT {same}") == "t", "every transfer is there whole"
        inside(bare, "pg_amcheck", *PSQL, "--heapallindexed", "--rootdescend", "postgres")
        assert inside(bare, "sh", "-c", "ls /data/pg/backup_label.old").strip(), "it was recovered as a backup"

    def test_postgresql_on_disks_that_are_cut_at_one_moment_needs_no_backup(self, bare: App) -> None:
        cluster = bare.cluster
        cluster.apply(databases.postgresql(cluster.image("work")), namespace=bare.namespace)
        cluster.wait_ready(bare.namespace, "statefulset/db", limit_s=120)
        hooks = {"pre": [{"profile": "postgresql", "workload": "StatefulSet/db", "options": {"host": "/tmp"}}]}

        point = captured(bare, hooks, atomic_drivers=("local.csi.knowngood.test",))

        assert point["consistency"] == "crash"
        assert "no base backup is needed" in point["consistency_reason"]
        assert point["statements"][0]["body"]["hooks"] == []

    def test_mariadb_and_redis_are_held_and_all_they_had_is_in_the_point(self, bare: App) -> None:
        cluster, image = bare.cluster, bare.cluster.image("work")
        cluster.apply(databases.mariadb(image), databases.redis(image), namespace=bare.namespace)
        cluster.wait_ready(bare.namespace, "statefulset/my", "statefulset/rd", limit_s=120)
        mariadb(bare, "CREATE TABLE test.marks (id INT PRIMARY KEY)", "CREATE DATABASE test")
        mariadb(bare, "INSERT INTO test.marks VALUES (1), (2)")
        redis(bare, "SET mark before")
        hooks = {
            "pre": [
                {"profile": "mariadb", "workload": "StatefulSet/my", "options": {"host": "/tmp/my.sock"}},
                {"profile": "redis", "workload": "StatefulSet/rd", "options": {"host": "/tmp/redis.sock"}},
            ]
        }

        point = captured(bare, hooks)

        assert said(point) == ("application", "hooks held every pod that mounts a volume through all cuts")
        assert all(ms > 0 for ms in point["freeze_ms"].values())
        assert databases.PASSWORD not in json.dumps(cluster.get("configmaps", "-n", bare.state))
        mariadb(bare, "INSERT INTO test.marks VALUES (3)")
        redis(bare, "SET mark after")
        bare.restore(point["id"])
        assert mariadb(bare, "SELECT COUNT(*) FROM test.marks") == "2"
        assert redis(bare, "GET mark") == "before", "it was in memory only, and is on the volume"

    def test_a_tablespace_on_a_claim_of_its_own_comes_back_with_its_base_backup(self, bare: App) -> None:
        cluster = bare.cluster
        cluster.apply(databases.postgresql(cluster.image("work"), space=True), namespace=bare.namespace)
        cluster.wait_ready(bare.namespace, "statefulset/db", limit_s=120)
        bare.sql("CREATE EXTENSION amcheck")
        bare.sql("CREATE TABLESPACE far LOCATION '/space'")
        bare.sql("CREATE TABLE near (n int); CREATE TABLE away (n int) TABLESPACE far")
        bare.sql("INSERT INTO near SELECT generate_series(1, 1000); INSERT INTO away SELECT generate_series(1, 1000)")
        hooks = {"pre": [{"profile": "postgresql", "workload": "StatefulSet/db", "options": {"host": "/tmp"}}]}

        point = captured(bare, hooks)
        bare.sql("INSERT INTO away SELECT generate_series(1, 500); CHECKPOINT; DELETE FROM near; CHECKPOINT")

        assert point["consistency"] == "application"
        volumes = {volume["claim"]: volume for volume in point["statements"][0]["body"]["volumes"]}
        kept = {row["path"]: row["text"] for row in volumes["data-db-0"]["write_files"]}
        assert set(kept) == {"pg/backup_label", "pg/tablespace_map"}
        assert kept["pg/tablespace_map"].rstrip().endswith(" /space")
        for alone in ("data-db-0", "space-db-0"):
            with pytest.raises(BadInput, match=f"{alone} cannot be restored alone"):
                bare.restore(point["id"], claims=(alone,))

        bare.restore(point["id"])

        assert bare.sql("SELECT (SELECT count(*) FROM near), (SELECT count(*) FROM away)") == "1000|1000"
        used = "ls /data/pg/backup_label.old /data/pg/tablespace_map.old"
        assert len(inside(bare, "sh", "-c", used).split()) == 2, "both were there when it recovered"
        inside(bare, "pg_amcheck", *PSQL, "postgres")

    def test_replicas_are_held_before_their_primaries_and_let_go_after_them(self, bare: App) -> None:
        cluster, image = bare.cluster, bare.cluster.image("work")
        cluster.apply(
            *(databases.service(name) for name in ("my", "rd")),
            databases.mariadb(image, replicas=2),
            databases.redis(image, replicas=2),
            namespace=bare.namespace,
        )
        cluster.wait_ready(bare.namespace, "statefulset/my", "statefulset/rd", limit_s=180)
        replicate(bare)
        hooks = {
            "pre": [
                {"profile": "mariadb", "workload": "StatefulSet/my", "options": {"host": "/tmp/my.sock"}},
                {"profile": "redis", "workload": "StatefulSet/rd", "options": {"host": "/tmp/redis.sock"}},
            ]
        }
        stop = threading.Event()
        writing = threading.Thread(target=write_marks, args=(bare, stop))
        writing.start()
        try:
            point = captured(bare, hooks)
        finally:
            stop.set()
            writing.join()

        ran = [(run["side"], run["pod"]) for run in point["statements"][0]["body"]["hooks"]]
        assert ran == [
            *(("pre", "my-1"), ("pre", "my-0"), ("pre", "rd-1"), ("pre", "rd-0")),
            *(("post", "rd-0"), ("post", "rd-1"), ("post", "my-0"), ("post", "my-1")),
        ]
        assert "replica of Redis takes what its primary sends" in point["consistency_reason"]
        written = int(mariadb(bare, COUNT))
        bare.restore(point["id"])
        there = int(mariadb(bare, COUNT))
        assert 2 <= there < written, "it was written on after the cut"
        mariadb(bare, "INSERT INTO test.marks VALUES (NULL)")
        # A replica that was ahead of its primary would not follow it again.
        cluster.wait("it follows", lambda: mariadb(bare, COUNT, pod="my-1") == str(there + 1))

    def test_a_standby_of_postgresql_is_cut_before_its_primary_and_follows_it_after_a_restore(self, bare: App) -> None:
        cluster = bare.cluster
        pair = databases.postgresql_pair(cluster.image("work"))
        cluster.apply(databases.service("db"), pair, namespace=bare.namespace)
        cluster.wait_ready(bare.namespace, "statefulset/db", limit_s=120)
        bare.sql("CREATE TABLE marks (id bigserial PRIMARY KEY)")
        # One row after the other, each a transaction of its own, until the restore stops the server.
        inside(bare, "sh", "-c", f"({WRITING}) >/dev/null 2>&1 &")
        cluster.wait("it follows", lambda: int(bare.sql(MARKS, "db-1") or 0) > 0)
        hooks = {"pre": [{"profile": "postgresql", "workload": "StatefulSet/db", "options": {"host": "/tmp"}}]}

        # One cut after the other: in the order of their names the standby would be ahead of its primary.
        point = captured(bare, hooks, max_parallel={"local.csi.knowngood.test": 1})

        assert parse_time(point["cut_at"]["data-db-1"]) < parse_time(point["cut_at"]["data-db-0"])
        assert "db-1: PostgreSQL is a standby here: it was cut before its primary" in point["consistency_reason"]
        written = int(bare.sql(MARKS))
        bare.restore(point["id"])
        there = int(bare.sql(MARKS))
        assert 0 < there < written, "it was written on after the cut"
        bare.sql("INSERT INTO marks DEFAULT VALUES")
        cluster.wait("it follows again", lambda: bare.sql(MARKS, "db-1") == str(there + 1))
        assert bare.sql("SELECT state FROM pg_stat_replication") == "streaming"
        assert bare.sql("SELECT pg_is_in_recovery()", "db-1") == "t"

    @pytest.mark.rig
    def test_a_server_that_lost_its_lock_while_it_was_cut_counts_for_nothing(self, bare: App, faults: Faults) -> None:
        cluster, image = bare.cluster, bare.cluster.image("work")
        cluster.apply(databases.mariadb(image), namespace=bare.namespace)
        cluster.wait_ready(bare.namespace, "statefulset/my", limit_s=120)
        hooks = {"pre": [{"profile": "mariadb", "workload": "StatefulSet/my", "options": {"host": "/tmp/my.sock"}}]}
        faults.set(CreateSnapshot=Fault(delay_s=6))
        locked = "SELECT ID FROM information_schema.PROCESSLIST WHERE COMMAND = 'Sleep' AND TIME > 0"
        killed: list[str] = []

        def kill_it() -> None:
            cluster.wait("the session that holds", lambda: mariadb(bare, locked).isdigit())
            killed.append(mariadb(bare, locked))
            mariadb(bare, f"KILL {killed[0]}")

        killer = threading.Thread(target=kill_it)
        killer.start()
        point = captured(bare, hooks)
        killer.join()

        assert killed[0].isdigit()
        assert point["consistency"] == "crash"
        assert "its session ended with exit code 1" in point["consistency_reason"]

    def test_redis_with_its_log_is_held_and_a_wrong_password_is_said_so(self, bare: App) -> None:
        cluster = bare.cluster
        cluster.apply(databases.redis(cluster.image("work"), appendonly=True), namespace=bare.namespace)
        cluster.wait_ready(bare.namespace, "statefulset/rd", limit_s=120)
        redis(bare, "SET mark before")
        profile = {"profile": "redis", "workload": "StatefulSet/rd"}
        wrong = {**profile, "options": {"host": "/tmp/redis.sock", "password_env": "NOT_SET"}}

        with pytest.raises(BadInput, match="profile redis.*cannot ask its server, nothing was frozen"):
            bare.capture(hooks={"pre": [wrong]})
        assert nothing_there(bare)
        point = captured(bare, {"pre": [{**profile, "options": {"host": "/tmp/redis.sock"}}]})

        assert point["consistency"] == "application"
        redis(bare, "SET mark after")
        bare.restore(point["id"])
        assert redis(bare, "GET mark") == "before"


PSQL = ("-h", "/tmp", "-U", "postgres")


def inside(app: App, *command: str) -> str:
    return app.cluster.exec(app.namespace, "db-0", *command)


def acknowledged(app: App, before: dt.datetime) -> dict[int, int]:
    """How many transactions each client had the server's word for before that moment."""
    found: dict[int, int] = {}
    for line in inside(app, "sh", "-c", "cat /tmp/acknowledged.*").splitlines():
        client, microseconds = map(int, line.split())
        found[client] = found.get(client, 0) + (microseconds < before.timestamp() * 10**6)
    return found


def transactions(app: App) -> dict[int, tuple[int, int]]:
    """Count and greatest number of the transactions of each client in the database."""
    text = app.sql("SELECT client, count(*), max(k) FROM committed GROUP BY client")
    return {int(c): (int(n), int(m)) for c, n, m in (line.split("|") for line in text.splitlines())}


COUNT = "SELECT COUNT(*) FROM test.marks"
MARKS = "SELECT count(*) FROM marks"
WRITING = "while sleep 0.01; do echo 'INSERT INTO marks DEFAULT VALUES;'; done | psql -h /tmp -U postgres -q postgres"


def mariadb(app: App, *statements: str, pod: str = "my-0") -> str:
    text = "; ".join(reversed(statements))
    command = f'MYSQL_PWD=$MARIADB_ROOT_PASSWORD mariadb --no-defaults -S /tmp/my.sock -uroot -N -B -e "{text}"'
    return app.cluster.exec(app.namespace, pod, "sh", "-c", command).strip()


def replicate(app: App) -> None:
    """``my-1`` becomes the replica of ``my-0`` and has what that has; ``rd-1`` is one of ``rd-0`` from the start."""
    mariadb(app, "CREATE TABLE test.marks (id INT PRIMARY KEY AUTO_INCREMENT)", "CREATE DATABASE test")
    mariadb(app, f"GRANT REPLICATION SLAVE ON *.* TO copier IDENTIFIED BY '{databases.PASSWORD}'")
    where = f"MASTER_HOST='my-0.my', MASTER_USER='copier', MASTER_PASSWORD='{databases.PASSWORD}'"
    how = "MASTER_CONNECT_RETRY=1, MASTER_USE_GTID=slave_pos"
    mariadb(app, "START SLAVE", f"CHANGE MASTER TO {where}, {how}", pod="my-1")
    mariadb(app, "INSERT INTO test.marks VALUES (NULL), (NULL)")
    app.cluster.wait("the replica", lambda: mariadb(app, "SHOW TABLES IN test", pod="my-1") == "marks")
    app.cluster.wait("its rows", lambda: mariadb(app, COUNT, pod="my-1") == "2")
    app.cluster.wait("the other one", lambda: "slave" in redis(app, "ROLE", pod="rd-1"))


def write_marks(app: App, stop: threading.Event) -> None:
    """One row after the other into the primary, until it is told to stop and a while after the cut."""
    while not stop.is_set():
        mariadb(app, "INSERT INTO test.marks VALUES (NULL)")
    mariadb(app, "INSERT INTO test.marks VALUES (NULL)")


def redis(app: App, command: str, pod: str = "rd-0") -> str:
    line = f"REDISCLI_AUTH=$REDIS_PASSWORD redis-cli -s /tmp/redis.sock {command}"
    return app.cluster.exec(app.namespace, pod, "sh", "-c", line).strip()


class TestHolding:
    def test_a_session_holds_until_the_cut_and_one_that_ends_early_counts_for_nothing(self, files: App) -> None:
        point = captured(files, {"pre": [SESSION]})

        assert said(point) == ("application", "hooks held every pod that mounts a volume through all cuts")
        assert (held(files), in_files(files, "cat /tmp/told")) == (False, "bye\n")
        assert point["freeze_ms"]["files"] > 0

        short = {**SESSION, "command": ["sh", "-c", "echo LOCKED"]}
        lost = captured(files, {"pre": [short]})
        assert lost["consistency"] == "crash"
        assert "its session ended before the cut" in lost["consistency_reason"]
        assert processes(files) == [], "nothing of ours is left in the container"

    @pytest.mark.rig
    def test_the_budget_ends_what_is_held_while_the_cut_still_takes(self, files: App, faults: Faults) -> None:
        faults.set(CreateSnapshot=Fault(delay_s=6))

        point = captured(files, {**PAIR, "budget_s": 2})

        assert point["consistency"] == "crash"
        assert "the budget of 2 s was exceeded" in point["consistency_reason"]
        assert 1500 < point["freeze_ms"]["files"] < 5000
        assert not held(files)

    @pytest.mark.rig
    def test_a_frozen_disk_stands_still_until_the_cut_and_no_longer_than_the_budget(
        self, frozen: App, faults: Faults
    ) -> None:
        freeze = {"name": "disk", "workload": FILES, "kind": "fsfreeze", "claim": "files"}

        point = captured(frozen, {"pre": [freeze]})

        assert said(point) == ("application", "filesystems were frozen through all cuts")
        assert point["freeze_ms"]["files"] > 0
        in_files(frozen, "echo thawed > /files/note")
        faults.set(CreateSnapshot=Fault(delay_s=6))
        late = captured(frozen, {"pre": [freeze], "budget_s": 1})
        assert late["consistency"] == "crash"
        assert "the budget of 1 s was exceeded" in late["consistency_reason"]
        assert late["freeze_ms"]["files"] < 5000
        in_files(frozen, "echo thawed > /files/note")
        assert processes(frozen) == []

    @pytest.mark.rig
    def test_several_disks_of_a_pod_are_frozen_by_one_hook(self, frozen: App) -> None:
        frozen.cluster.apply(claim("more", "local-ext4"), namespace=frozen.namespace)
        container = {"name": "files", "volumeMounts": [{"name": "more", "mountPath": "/more"}]}
        volume = {"name": "more", "persistentVolumeClaim": {"claimName": "more"}}
        patch = {"spec": {"template": {"spec": {"containers": [container], "volumes": [volume]}}}}
        frozen.cluster.kubectl("patch", "deployment", "files", "-n", frozen.namespace, "-p", json.dumps(patch))
        frozen.cluster.kubectl("rollout", "status", "-n", frozen.namespace, "deployment/files", "--timeout=120s")
        selector = ("-n", frozen.namespace, "-l", "app=files")
        frozen.cluster.wait("one pod", lambda: len(frozen.cluster.get("pods", *selector)["items"]) == 1)

        both = {"name": "disks", "workload": FILES, "kind": "fsfreeze", "claims": ["files", "more"]}
        point = captured(frozen, {"pre": [both]})

        assert said(point) == ("application", "filesystems were frozen through all cuts")
        assert point["freeze_ms"]["files"] == point["freeze_ms"]["more"] > 0
        in_files(frozen, "echo thawed > /files/note && echo thawed > /more/note")
        assert processes(frozen) == []

    @pytest.mark.rig
    def test_a_pod_that_came_while_it_was_cut_was_not_held(self, files: App, faults: Faults) -> None:
        faults.set(CreateSnapshot=Fault(delay_s=6))
        other = files.cluster.get("deployment", "files", "-n", files.namespace)["spec"]["template"]
        spec = {**other["spec"], "terminationGracePeriodSeconds": 0}
        late = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "late"}, "spec": spec}
        start = threading.Timer(1.5, lambda: files.cluster.apply(late, namespace=files.namespace))
        start.start()

        point = captured(files, PAIR)

        assert point["consistency"] == "crash"
        assert "late came to mount files while it was cut" in point["consistency_reason"]

    @pytest.mark.rig
    def test_killed_while_frozen_the_pod_thaws_itself_and_so_does_the_door(self, files: App, faults: Faults) -> None:
        faults.set(CreateSnapshot=Fault(delay_s=10))
        running = files.module("recovery_point", hooks={"pre": [HOLD, SESSION], "post": [LET_GO]})
        log = files.wait_step("capture", "snapshot")
        files.cluster.wait("frozen", lambda: held(files) and len(processes(files)) > 3)
        os.kill(int(log["holder"].split("/")[1]), signal.SIGKILL)
        began = time.monotonic()
        running.communicate(timeout=60)

        files.cluster.wait("thawed", lambda: not held(files))
        assert time.monotonic() - began < 30, "long before the budget of 60 s"
        files.cluster.wait("gone", lambda: processes(files) == [])

        faults.clear()
        in_files(files, "touch /tmp/held")  # as if nothing in the pod had been able to
        files.undo(log["id"])
        assert not held(files)
        assert nothing_there(files)

    @pytest.mark.rig
    def test_killed_while_a_freeze_is_at_work_it_never_freezes(self, files: App) -> None:
        running = files.module("recovery_point", hooks={"pre": [SLOW_HOLD], "post": [LET_GO]})
        log = files.wait_step("capture", "snapshot")
        files.cluster.wait("freezing", lambda: "begun" in in_files(files, "ls /tmp"))
        os.kill(int(log["holder"].split("/")[1]), signal.SIGKILL)
        running.communicate(timeout=60)

        files.cluster.wait("gone", lambda: at_work(files) == [])
        assert not held(files), "what would have frozen is gone, and nothing is frozen"
        files.undo(log["id"])

    def test_the_budget_that_ends_a_freeze_at_work_leaves_nothing_frozen(self, files: App) -> None:
        point = captured(files, {"pre": [SLOW_HOLD], "post": [LET_GO], "budget_s": 1})

        assert point["consistency"] == "crash"
        assert (held(files), at_work(files)) == (False, [])

    def test_taken_up_again_it_is_let_go_first(self, files: App) -> None:
        with pytest.raises(Killed):
            capture(dying_after(files.house(), 3), files.spec, CaptureWish(Hooks.from_dict(PAIR)), None)
        (operation,) = files.house().engine.journal.list(files.spec.target)
        in_files(files, "touch /tmp/held")  # as if nothing in the pod had been able to

        done = files.run_module("operation", state="resumed", id=operation.id)

        assert done["changed"], done
        assert not held(files)
        (point,) = files.house().store.points(files.spec.target)
        assert point.captured["consistency"] == "application"

    def test_velero_s_annotations_are_honoured_where_that_is_asked_for(self, files: App) -> None:
        annotations = {
            "pre.hook.backup.velero.io/command": '["touch", "/tmp/held"]',
            "post.hook.backup.velero.io/command": '["sh", "-c", "mv /tmp/held /tmp/thawed"]',
            "post.hook.backup.velero.io/timeout": "10s",
        }
        (pod,) = files.cluster.get("pods", "-n", files.namespace, "-l", "app=files")["items"]
        name = pod["metadata"]["name"]
        pairs = [f"{key}={value}" for key, value in annotations.items()]
        files.cluster.kubectl("annotate", "pod", name, "-n", files.namespace, *pairs)

        without = captured(files, {})
        point = captured(files, {"velero_hooks": True})

        assert without["statements"][0]["body"]["hooks"] == []
        ran = point["statements"][0]["body"]["hooks"]
        assert [(run["side"], run["rc"]) for run in ran] == [("pre", 0), ("post", 0)]
        assert in_files(files, "ls /tmp/thawed") == "/tmp/thawed\n"
        assert point["consistency"] == "crash", "that it holds anything is nobody's word"


class TestRefused:
    def test_what_cannot_be_run_is_named_and_nothing_is_captured(self, files: App) -> None:
        missing = {"name": "gone", "workload": FILES, "command": ["/no/such/program"]}
        hanging = {"name": "slow", "workload": FILES, "command": ["sleep", "987"], "timeout_s": 1}
        frozen = {"name": "fs", "workload": FILES, "kind": "fsfreeze", "claim": "files"}

        with pytest.raises(NotProven, match="gone failed, nothing was captured.*is not there"):
            files.capture(hooks={"pre": [missing]})
        with pytest.raises(NotProven, match="slow failed, nothing was captured.*within 1 s and was killed"):
            files.capture(hooks={"pre": [hanging]})
        assert [line for line in processes(files) if "987" in line] == []
        with pytest.raises(BadInput, match="fs is refused, nothing was frozen.*(CAP_SYS_ADMIN|btrfs|no fsfreeze)"):
            files.capture(hooks={"pre": [frozen]})
        with pytest.raises(NotProven, match="session failed.*did not say that it is ready"):
            files.capture(hooks={"pre": [{**SESSION, "ready": "NEVER", "timeout_s": 1}]})
        assert (held(files), processes(files), nothing_there(files)) == (False, [], True)
        never = {**SESSION, "ready": "NEVER", "timeout_s": 1, "on_error": "continue"}
        assert "did not say that it is ready" in captured(files, {"pre": [never]})["consistency_reason"]
        assert (held(files), processes(files)) == (False, [])

    def test_where_no_dead_man_can_run_nothing_is_frozen(self, bare: App) -> None:
        cluster = bare.cluster
        claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
        small = {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": {"name": "small"},
            "spec": {
                "serviceName": "small",
                "selector": {"matchLabels": {"app": "small"}},
                "template": {
                    "metadata": {"labels": {"app": "small"}},
                    "spec": {
                        "containers": [
                            {
                                "name": "small",
                                "image": cluster.image("pause"),
                                "volumeMounts": [{"name": "data", "mountPath": "/data"}],
                            }
                        ]
                    },
                },
                "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": claim}],
            },
        }
        cluster.apply(small, namespace=bare.namespace)
        cluster.wait_ready(bare.namespace, "statefulset/small", limit_s=60)
        lock = {"name": "lock", "workload": "StatefulSet/small", "command": ["/lock"], "holds": True}
        session = {**SESSION, "workload": "StatefulSet/small"}

        with pytest.raises(
            BadInput, match="lock is refused, nothing was frozen.*nothing in the container could let go"
        ):
            bare.capture(hooks={"pre": [lock], "post": [{**lock, "holds": False}]})
        with pytest.raises(BadInput, match="session is refused, nothing was frozen"):
            bare.capture(hooks={"pre": [session]})
        assert nothing_there(bare)
