# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""MongoDB: fsyncLock on each member, the secondaries first. Pure.

The lock outlives the client that took it, and it counts: the counterpart unlocks until nothing is locked. These
commands are tested as text only, not on a running server.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..._core.plan import Json
from .common import REFUSED, Facts, Holding, Profile, password, shell

# The password is read out of the environment by the script: mongosh would take it in its command line only.
_CLIENT = f"""
client=$(command -v mongosh || command -v mongo) ||
  {{ echo "{REFUSED} the container has no mongosh or mongo"; exit 9; }}
{password("KNOWNGOOD_PASSWORD", "MONGO_INITDB_ROOT_PASSWORD", "MONGODB_ROOT_PASSWORD")}
KNOWNGOOD_USER=${{1:-${{MONGO_INITDB_ROOT_USERNAME:-${{MONGODB_ROOT_USER:-root}}}}}}; export KNOWNGOOD_USER
if [ -n "${{KNOWNGOOD_PASSWORD:-}}" ] && [ "${{client##*/}}" = mongo ]; then
  echo "{REFUSED} a password needs mongosh: mongo takes it in its command line only"; exit 9
fi
host=${{2:+--host $2}}
port=${{3:+--port $3}}
ask() {{ "$client" $host $port --quiet --norc --eval "
if (typeof process !== 'undefined' && process.env.KNOWNGOOD_PASSWORD) {{
  db.getSiblingDB('admin').auth(process.env.KNOWNGOOD_USER, process.env.KNOWNGOOD_PASSWORD);
}}
$1"; }}
"""
_PROBE = f"""{_CLIENT}
ask "const me = db.adminCommand({{isMaster: 1}});
print('role=' + (me.ismaster ? 'primary' : 'replica'));
print('version=' + db.version());
print('data=' + (db.adminCommand({{getCmdLineOpts: 1}}).parsed.storage || {{}}).dbPath);" || exit 7
"""
LOCK = "if (!db.fsyncLock().ok) { quit(3); }"
STALE = (
    "let left = 1; while (left > 0) { const done = db.adminCommand({fsyncUnlock: 1}); "
    "left = done.ok ? Number(done.lockCount) : 0; }"
)
"""What unlocks where nobody knows whether anything is locked."""
UNLOCK = (
    "let left = 1; while (left > 0) { const done = db.adminCommand({fsyncUnlock: 1}); "
    "if (!done.ok) { quit(3); } left = Number(done.lockCount); }"
)
"""The same where it was locked: that it is not any more (a server that was restarted, another hand) is an error."""


def plan(facts: Facts, options: Mapping[str, Json], budget_s: float) -> Holding:
    """A lock and what unlocks it. WiredTiger's journal lies in the data directory, so one claim is the rule."""
    del facts, budget_s
    return Holding(freeze=_run(LOCK, options), thaw=_run(UNLOCK, options))


def stale(options: Mapping[str, Json]) -> tuple[str, ...]:
    return _run(STALE, options)


def _run(script: str, options: Mapping[str, Json]) -> tuple[str, ...]:
    return shell(f'{_CLIENT}\nask "$7"\n', options, script)


PROFILE = Profile("mongodb", _PROBE, plan, stale)
