# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""MySQL and MariaDB: one client keeps a lock for as long as its connection stands. Pure.

MariaDB has BACKUP STAGE for it (knowledge base, "BACKUP STAGE", use with storage snapshots), older ones and MySQL have
FLUSH TABLES WITH READ LOCK. Both stop commits. Neither stops InnoDB from writing in the background, so a server whose
files lie on several claims is not made whole by it.

PRIVATE to this collection.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..._core.plan import Json
from .common import HELD, REFUSED, STILL, Facts, Holding, Profile, password, shell

_STAGES_SINCE = (10, 4)
_IDLE_S = 60
"""How much longer than the budget the server has to let the connection be idle."""

_CLIENT = f"""
client=$(command -v mariadb || command -v mysql) ||
  {{ echo "{REFUSED} the container has no mariadb or mysql"; exit 9; }}
{password("MYSQL_PWD", "MYSQL_PWD", "MARIADB_ROOT_PASSWORD", "MYSQL_ROOT_PASSWORD")}
user=${{1:-root}}
port=${{3:+--port=$3}}
case $2 in
  "") host="" ;;
  /*) host="--socket=$2" ;;
  *) host="--host=$2" ;;
esac
"""
_RUN = (
    '"$client" --skip-reconnect --batch --skip-column-names --unbuffered --connect-timeout=10 --user="$user" '
    '${host:+"$host"} ${port:+"$port"}'
)
_PROBE = f"""{_CLIENT}
ask() {{ {_RUN} --execute="$1" || exit 7; }}
ask "SELECT CONCAT('version=', VERSION())
UNION ALL SELECT CONCAT('data=', @@datadir)
UNION ALL SELECT CONCAT('redo=', IF(LEFT(@@innodb_log_group_home_dir, 1) = '/', @@innodb_log_group_home_dir, @@datadir))
UNION ALL SELECT CONCAT('binlog=', IF(LEFT(@@log_bin_basename, 1) = '/', @@log_bin_basename, @@datadir))"
# The words for it differ by product and age, so each is tried.
for words in "SHOW ALL SLAVES STATUS" "SHOW REPLICA STATUS" "SHOW SLAVE STATUS"; do
  if found=$({_RUN} --execute="$words" 2>/dev/null); then
    if [ -n "$found" ]; then echo role=replica; else echo role=primary; fi
    break
  fi
done
"""
_SESSION = f"{_CLIENT}\nexec {_RUN}\n"


def plan(facts: Facts, options: Mapping[str, Json], budget_s: float) -> Holding:
    """A session that keeps the lock. Where the server's files are on several claims it covers none of them."""
    claims = facts.claims_of("data") | facts.claims_of("redo") | facts.claims_of("binlog")
    split = len(claims) > 1 or "" in claims
    note = "the server's files lie on several claims: InnoDB writes to them even while it is locked" if split else ""
    return Holding(
        session=shell(_SESSION, options),
        opening=opening(facts.first("version"), budget_s),
        release=release(facts.first("version")),
        proof=STILL,
        note=note,
        covers=not split,
    )


def opening(version: str, budget_s: float) -> str:
    """What takes the lock and then prints HELD. It waits for the lock itself no longer than the budget.

    The server keeps the idle connection for longer than that, whatever its settings are. A mark in the connection shows
    at its end that it is the same one: the lock goes with the connection.
    """
    seconds = max(1, round(budget_s))
    wait = (
        f"SET SESSION lock_wait_timeout = {seconds}, SESSION wait_timeout = {seconds + _IDLE_S}, "
        f"SESSION interactive_timeout = {seconds + _IDLE_S};\nSET @knowngood = CONNECTION_ID();\n"
    )
    if _stages(version):
        return wait + f"BACKUP STAGE START;\nBACKUP STAGE BLOCK_COMMIT;\nSELECT '{HELD}';\n"
    return wait + f"FLUSH TABLES WITH READ LOCK;\nSELECT '{HELD}';\n"


def release(version: str) -> str:
    """What prints STILL, where the connection is the one that took the lock, and lets go. So does its end."""
    still = f"SELECT IF(@knowngood = CONNECTION_ID(), '{STILL}', 'lost');\n"
    return still + ("BACKUP STAGE END;\n" if _stages(version) else "UNLOCK TABLES;\n")


def _stages(version: str) -> bool:
    # MariaDB tells old clients of MySQL that it is 5.5.5 and then what it is.
    number = re.match(r"(?:5\.5\.5-)?(\d+)\.(\d+)", version)
    return number is not None and "mariadb" in version.lower() and tuple(map(int, number.groups())) >= _STAGES_SINCE


PROFILE = Profile("mysql", _PROBE, plan)
