# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Redis: writes are paused, and what is in memory is brought to the volume. Pure.

A volume of Redis holds the last RDB file and, with ``appendonly``, the log of writes; a start reads the log where there
is one. So with writes paused (CLIENT PAUSE ... WRITE, Redis 6.2) either the log's buffer is written out and synced, or
a BGSAVE is made and waited for. The server ends the pause by itself when its time is over.

PRIVATE to this collection.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from ..._core.plan import Json
from .common import HELD, REFUSED, REPLICA, Facts, Holding, Profile, password, shell

_CLIENT = f"""
command -v redis-cli >/dev/null 2>&1 || {{ echo "{REFUSED} the container has no redis-cli"; exit 9; }}
{password("REDISCLI_AUTH", "REDISCLI_AUTH", "REDIS_PASSWORD")}
user=${{1:+--user $1}}
port=${{3:+-p $3}}
case $2 in
  "") host="" ;;
  /*) host="-s $2" ;;
  *) host="-h $2" ;;
esac
ask() {{ redis-cli --no-auth-warning -e $user $host $port "$@"; }}
"""
_PROBE = f"""{_CLIENT}
role=$(ask ROLE) || exit 7
case $role in master*) echo role=primary ;; *) echo role=replica ;; esac
ask INFO server | while IFS=: read -r key value; do [ "$key" = redis_version ] && echo "version=$value"; done
exit 0
"""
# $7: milliseconds. A field of INFO ends with a carriage return.
_SESSION = f"""{_CLIENT}
said() {{ ask INFO persistence | while IFS=: read -r key value; do [ "$key" = "$1" ] && echo "${{value%?}}"; done; }}
ask CLIENT PAUSE "$7" WRITE >/dev/null || exit 6
trap 'ask CLIENT UNPAUSE >/dev/null' EXIT
trap 'exit 5' TERM
if [ "$(said aof_enabled)" = 1 ]; then
  until [ "$(said aof_buffer_length)" = 0 ] && [ "$(said aof_pending_bio_fsync)" = 0 ]; do sleep 0.1; done
  [ "$(said aof_last_write_status)" = ok ] || exit 4
  sync
else
  until [ "$(said rdb_bgsave_in_progress)" = 0 ]; do sleep 0.1; done
  ask BGSAVE >/dev/null || exit 3
  until [ "$(said rdb_bgsave_in_progress)" = 0 ]; do sleep 0.1; done
  [ "$(said rdb_last_bgsave_status)" = ok ] || exit 3
fi
echo {HELD}
read -r word
exit 0
"""
_UNPAUSE = f"{_CLIENT}\nask CLIENT UNPAUSE\n"


def plan(facts: Facts, options: Mapping[str, Json], budget_s: float) -> Holding:
    """A session that pauses writes and lets them go at its end; the server lets them go by itself after the budget."""
    if facts.first("version") and not _can_pause(facts.first("version").strip()):
        return Holding(
            note="Redis before 6.2 cannot hold writes only: nothing was held, its last RDB file or log is there"
        )
    milliseconds = str(math.ceil(budget_s * 1000))
    replica = facts.role == REPLICA
    note = "a replica of Redis takes what its primary sends even while its clients are paused" if replica else ""
    session = shell(_SESSION, options, milliseconds)
    return Holding(session=session, release="done\n", note=note, covers=not replica)


def _can_pause(version: str) -> bool:
    numbers = version.split(".")
    return len(numbers) < 2 or not all(n.isdigit() for n in numbers[:2]) or tuple(map(int, numbers[:2])) >= (6, 2)


def stale(options: Mapping[str, Json]) -> tuple[str, ...]:
    return shell(_UNPAUSE, options)


PROFILE = Profile("redis", _PROBE, plan, stale)
