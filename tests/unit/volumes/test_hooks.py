# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hooks as they are declared: kinds, profiles, Velero's annotations, and what a container shows of itself."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._core.clock import SystemClock
from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput
from ansible_collections.knowngood.kube.plugins.module_utils._core.progress import SilentReporter
from ansible_collections.knowngood.kube.plugins.module_utils._volumes import hook_profiles as profiles
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.hook_holds import cannot_freeze
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.hook_places import Place
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.hook_velero import annotated
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.hooks import Hooks, missing_workloads
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.profiles import mongodb, mysql, postgresql
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.profiles.common import OPTIONS, STILL, Facts
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.tools import Tools
from tests.unit.volumes.world import application, workload

DB = {"workload": "StatefulSet/db"}
SESSION = {**DB, "name": "s", "kind": "session", "command": ["lock"], "ready": "LOCKED"}
FREEZE = {**DB, "name": "f", "kind": "fsfreeze", "claim": "data"}
PROFILE = {**DB, "profile": "mariadb", "options": {"host": "/tmp/x.sock", "port": 3306}}


class TestDeclared:
    def test_sessions_freezes_and_profiles_hold_without_saying_so(self) -> None:
        hooks = Hooks.from_dict({"pre": [SESSION, FREEZE, PROFILE], "budget_s": 5, "velero_hooks": True})
        assert [(hook.name, hook.kind, hook.holding) for hook in hooks.pre] == [
            ("s", "session", True),
            ("f", "fsfreeze", True),
            ("mysql", "profile", True),
        ]
        assert Hooks.from_dict(hooks.to_dict()) == hooks

    @pytest.mark.parametrize(
        ("pre", "why"),
        [
            ({**SESSION, "ready": ""}, "ready has to be a text"),
            ({**FREEZE, "path": "/data"}, "either path or claim"),
            ({**FREEZE, "claims": ["more"]}, "either path or claim or claims"),
            ({**DB, "name": "f", "kind": "fsfreeze", "claims": "data"}, "claims has to be a list of names of claims"),
            ({**DB, "name": "f", "kind": "fsfreeze"}, "either path or claim"),
            ({**FREEZE, "command": ["x"]}, "command"),
            ({**SESSION, "kind": "telepathy"}, "kind is unknown"),
            ({**DB, "profile": "oracle"}, "profile is unknown: got 'oracle'.*postgresql"),
            ({**DB, "profile": "redis", "options": {"pasword": "x"}}, "options of redis.*pasword"),
            ({**DB, "profile": "redis", "options": {"host": ["x"]}}, "options.host has to be a text"),
            ({**SESSION, "order": "db-0"}, "list of pod names"),
        ],
    )
    def test_mistakes_are_named(self, pre: Any, why: str) -> None:
        with pytest.raises(BadInput, match=why):
            Hooks.from_dict({"pre": [pre]})

    def test_several_claims_are_frozen_by_one_hook_and_each_is_looked_for(self) -> None:
        several = {**DB, "name": "f", "kind": "fsfreeze", "claims": ["data", "more"]}
        hooks = Hooks.from_dict({"pre": [several]})
        assert Hooks.from_dict(hooks.to_dict()) == hooks
        there = application([workload("StatefulSet/db", ["data"])])
        assert missing_workloads(hooks, there) == ["hook f: no claim more"]

    def test_a_password_given_as_the_name_of_a_variable_is_not_repeated(self) -> None:
        with pytest.raises(BadInput, match="not the name of a variable") as caught:
            Hooks.from_dict({"pre": [{**DB, "profile": "redis", "options": {"password_env": "s3cr3t-word"}}]})
        assert "s3cr3t" not in str(caught.value)

    def test_what_lets_go_by_itself_has_no_counterpart_and_a_command_has_one_in_the_same_pods(self) -> None:
        post = {**DB, "name": "s", "command": ["unlock"]}
        with pytest.raises(BadInput, match="lets go by itself"):
            Hooks.from_dict({"pre": [SESSION], "post": [post]})
        lock = {**DB, "name": "s", "command": ["lock"], "holds": True}
        with pytest.raises(BadInput, match="in other pods"):
            Hooks.from_dict({"pre": [lock], "post": [{**post, "workload": "StatefulSet/other"}]})
        with pytest.raises(BadInput, match="nothing left to hold"):
            Hooks.from_dict({"post": [SESSION]})
        with pytest.raises(BadInput, match="budget_s has to be a number above 0"):
            Hooks.from_dict({"budget_s": 0})

    def test_a_claim_that_is_not_there_is_named(self) -> None:
        app = application([workload("StatefulSet/db", ["other"])])
        assert missing_workloads(Hooks.from_dict({"pre": [FREEZE]}), app) == ["hook f: no claim data"]


def pod(name: str, **annotations: str) -> dict[str, Any]:
    given = {
        key.replace("__", ".hook.backup.velero.io/").replace("_", "-"): value for key, value in annotations.items()
    }
    return {"metadata": {"name": name, "annotations": given}}


class TestVelero:
    def test_commands_containers_and_times_are_read(self) -> None:
        found = pod(
            "db-0",
            pre__command='["fsfreeze", "--freeze", "/data"]',
            pre__container="side",
            pre__timeout="1m30s",
            pre__on_error="Continue",
            post__command='["fsfreeze", "--unfreeze", "/data"]',
        )
        (pre,), (post,) = annotated([found, pod("quiet")])
        assert (pre.command[0], pre.container, pre.timeout_s, pre.on_error) == ("fsfreeze", "side", 90.0, "continue")
        assert (pre.pod, pre.holds, pre.counts) == ("db-0", True, True), "a freeze shows by itself that it holds"
        assert (post.name, post.command[1], post.on_error) == (pre.name, "--unfreeze", "fail")

    def test_a_pair_of_other_commands_is_thawed_but_counts_for_nothing(self) -> None:
        (pre,), post = annotated([pod("p", pre__command="/lock", post__command="/unlock")])
        assert (pre.command, pre.holds, pre.counts) == (("/lock",), True, False)

    def test_without_a_counterpart_nothing_is_held(self) -> None:
        old = {"metadata": {"name": "p", "annotations": {"hook.backup.velero.io/command": "/sync"}}}
        (pre,), post = annotated([old])
        assert (pre.holds, pre.command, post) == (False, ("/sync",), ())

    @pytest.mark.parametrize(
        ("annotations", "why"),
        [
            ({"pre__command": "[not json"}, "pre.hook.backup.velero.io/command of pod p is not a list"),
            ({"pre__command": "[1]"}, "not a list of words"),
            ({"pre__command": "/x", "pre__timeout": "soon"}, "timeout of pod p is not a duration"),
        ],
    )
    def test_mistakes_are_named(self, annotations: dict[str, str], why: str) -> None:
        with pytest.raises(BadInput, match=why):
            annotated([pod("p", **annotations)])


class TestFreezing:
    RIGHTS = "tool=fsfreeze\ncapabilities=000001ffffffffff\n"
    EXT4 = "mount=36 35 8:1 / /data rw,relatime shared:1 - ext4 /dev/sda1 rw\n"

    def test_a_mount_of_its_own_on_a_filesystem_that_can_be_frozen(self) -> None:
        assert cannot_freeze(self.RIGHTS + self.EXT4, "/data/") == ""

    @pytest.mark.parametrize(
        ("printed", "why"),
        [
            ("capabilities=000001ffffffffff\n" + EXT4, "has no fsfreeze"),
            ("tool=fsfreeze\ncapabilities=00000000a80425fb\n" + EXT4, "no CAP_SYS_ADMIN"),
            (RIGHTS + EXT4.replace("/data", "/elsewhere"), "no mount of its own"),
            (RIGHTS + EXT4.replace("ext4", "btrfs"), "all volumes of that pool"),
            (RIGHTS + EXT4.replace("ext4", "nfs4"), "nfs4, which cannot be frozen"),
            (RIGHTS + EXT4.replace("ext4", "fuse.sshfs"), "cannot be frozen"),
            ("", "no fsfreeze"),
        ],
    )
    def test_anything_else_is_refused_with_the_reason(self, printed: str, why: str) -> None:
        assert why in cannot_freeze(printed, "/data")


SPEC = {
    "containers": [
        {
            "name": "db",
            "volumeMounts": [
                {"name": "data", "mountPath": "/data", "subPath": "inner"},
                {"name": "wal", "mountPath": "/data/pg/wal"},
                {"name": "scratch", "mountPath": "/tmp"},
            ],
        }
    ],
    "volumes": [
        {"name": "data", "persistentVolumeClaim": {"claimName": "data-db-0"}},
        {"name": "wal", "ephemeral": {}},
        {"name": "scratch", "emptyDir": {}},
    ],
}


class TestPlaces:
    NOBODY: Any = None
    PLACE = Place(Tools(NOBODY, "", SystemClock(), SilentReporter()), "shop", "db-0", "db", SPEC)

    def test_a_path_lies_on_the_claim_of_the_longest_mount_above_it(self) -> None:
        paths = ("/data", "/data/pg", "/data/pg/wal/1", "/database", "/tmp/x", "/")
        assert [self.PLACE.claim_at(path) for path in paths] == ["data-db-0", "data-db-0", "db-0-wal", "", "", ""]

    def test_it_is_known_inside_the_claim_too(self) -> None:
        assert self.PLACE.path_in_claim("/data/pg") == "inner/pg"
        assert self.PLACE.path_in_claim("/data/pg/wal") == ""
        assert (self.PLACE.path_of("data-db-0"), self.PLACE.path_of("none")) == ("/data", "")


class TestProfiles:
    def facts(self, *claims: str, **values: list[str]) -> Facts:
        """The path n lies on the n-th of the claims."""
        return Facts(values, lambda path: claims[int(path)] if path.isdigit() else "")

    def test_postgresql_on_one_claim_needs_nothing_and_says_so(self) -> None:
        found = postgresql.plan(self.facts("a", data=["0"], wal=["0"]), {}, 60)
        assert (found.session, found.backup, "recovers by its WAL" in found.note) == ((), None, True)

    def test_postgresql_on_several_claims_is_a_base_backup_with_the_wal_last(self) -> None:
        facts = self.facts("a", "w", "t", data=["0"], wal=["1"], tablespace=["2"], version=["150004"])
        found = postgresql.plan(facts, {}, 60)
        assert found.backup is not None
        assert (found.backup.data_claim, found.backup.wal_claim) == ("a", "w")
        assert found.backup.claims == ("a", "t", "w")
        assert "pg_backup_start('knowngood', true)" in found.opening
        assert "pg_start_backup('knowngood', true, false)" in postgresql.opening(140000, 60)
        assert ("pg_backup_stop" in postgresql.stopping(150000), "pg_stop_backup" in postgresql.stopping(0)) == (
            True,
            True,
        )

    def test_a_standby_and_what_lies_on_no_claim_are_not_backed_up(self) -> None:
        standby = self.facts("a", "w", data=["0"], wal=["1"], role=["replica"])
        assert "standby" in postgresql.plan(standby, {}, 60).note
        assert postgresql.plan(standby, {}, 60).first == ("a", "w")
        loose = self.facts("a", data=["0"], wal=["elsewhere"])
        assert "nothing was held" in postgresql.plan(loose, {}, 60).note

    def test_what_belongs_to_a_backup_is_read_back(self) -> None:
        line = "KNOWNGOOD-FILES U1RBUlQ= MTYzODQgL3Ny ."
        assert postgresql.files(line) == {"backup_label": "START", "tablespace_map": "16384 /sr"}
        assert postgresql.files("KNOWNGOOD-FILES U1RBUlQ= .") == {"backup_label": "START"}

    @pytest.mark.parametrize(
        ("version", "stage"),
        [("10.11.6-MariaDB-1", True), ("5.5.5-10.6.2-MariaDB", True), ("10.3.9-MariaDB", False), ("8.0.36", False)],
    )
    def test_mariadb_has_stages_and_mysql_a_read_lock(self, version: str, stage: bool) -> None:
        words = "BACKUP STAGE BLOCK_COMMIT" if stage else "FLUSH TABLES WITH READ LOCK"
        assert words in mysql.opening(version, 60)
        assert mysql.release(version).endswith("BACKUP STAGE END;\n" if stage else ";\nUNLOCK TABLES;\n")

    def test_a_lock_of_mysql_is_proven_by_its_connection_which_is_kept_and_never_made_anew(self) -> None:
        found = mysql.plan(self.facts("a", data=["0"], redo=["0"], binlog=["0"]), {}, 60)
        assert "--skip-reconnect" in found.session[2]
        assert "SESSION wait_timeout = 120, SESSION interactive_timeout = 120" in found.opening
        assert "@knowngood = CONNECTION_ID()" in found.opening
        assert found.release.startswith(f"SELECT IF(@knowngood = CONNECTION_ID(), '{STILL}', 'lost');\n")
        assert found.proof == STILL

    def test_innodb_on_several_claims_is_not_made_whole_by_a_lock(self) -> None:
        whole = mysql.plan(self.facts("a", data=["0"], redo=["0"], binlog=["0"]), {}, 60)
        split = mysql.plan(self.facts("a", "b", data=["0"], redo=["1"], binlog=["0"]), {}, 60)
        assert (whole.covers, split.covers, "several claims" in split.note) == (True, False, True)

    def test_redis_pauses_writes_for_the_budget_and_old_ones_cannot(self) -> None:
        profile = profiles.profile("redis")
        assert profile.plan(Facts({"version": ["7.0.15"]}), {}, 2.5).session[-1] == "2500"
        old = profile.plan(Facts({"version": ["6.0.16"]}), {}, 60)
        assert (old.session, "6.2" in old.note) == ((), True)
        assert not profile.plan(Facts({"role": ["replica"]}), {}, 60).covers

    def test_mongodb_locks_and_unlocks_until_nothing_is_locked(self) -> None:
        found = profiles.profile("mongodb").plan(Facts({}), {"user": "backup"}, 60)
        assert (found.freeze[-1], found.thaw[-1]) == (mongodb.LOCK, mongodb.UNLOCK)
        assert "lockCount" in mongodb.UNLOCK
        assert "if (!done.ok) { quit(3); }" in mongodb.UNLOCK, "it was not locked any more"
        assert "quit" not in profiles.profile("mongodb").stale({})[-1], "nobody knows whether it is"

    @pytest.mark.parametrize("name", sorted(set(profiles.NAMES.values())))
    def test_options_are_words_of_their_own_and_passwords_are_read_in_the_pod(self, name: str) -> None:
        options = {"user": "a b", "password_file": "/run/secret", "password_env": "WORD"}
        command = profiles.profile(name).probe_command(options)
        assert command[:2] == ("sh", "-c")
        assert command[4:] == tuple(options.get(key, "") for key in OPTIONS)
        assert 'password=$(cat "$6")' in command[2]
