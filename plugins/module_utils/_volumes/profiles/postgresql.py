# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PostgreSQL. Pure.

On one claim (or in one atomic group) nothing has to be done: a cut is what a power failure leaves, and recovery from
the WAL is what PostgreSQL does with that. With the WAL on a claim of its own, or with tablespaces on others, separate
cuts fit each other only as a base backup: pg_backup_start, cut what is not WAL, pg_backup_stop, cut the WAL, and keep
the backup_label that pg_backup_stop returns (PostgreSQL's documentation, continuous archiving, "Making a base backup
using the low level API"). A temporary replication slot of the same session keeps the WAL from being recycled meanwhile.

A primary sends its standbys only WAL that is on its own disk already, so a standby that is cut before its primary has
nothing that the primary's cut has not. One that was cut later might be ahead of it, and would never follow it again.

PRIVATE to this collection.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping

from ..._core.plan import Json
from .common import HELD, REFUSED, REPLICA, Backup, Facts, Holding, Profile, password, shell

FILES, KEPT_WAL = "KNOWNGOOD-FILES", "KNOWNGOOD-WAL"
_NAMES_CHANGED = 150000
"""server_version_num from which pg_start_backup is called pg_backup_start."""

_CLIENT = f"""
command -v psql >/dev/null 2>&1 || {{ echo "{REFUSED} the container has no psql"; exit 9; }}
{password("PGPASSWORD", "PGPASSWORD", "POSTGRES_PASSWORD")}
user=${{1:-${{PGUSER:-${{POSTGRES_USER:-postgres}}}}}}
if [ -n "$2" ]; then PGHOST=$2; export PGHOST; fi
if [ -n "$3" ]; then PGPORT=$3; export PGPORT; fi
database=${{4:-${{PGDATABASE:-postgres}}}}
PGCONNECT_TIMEOUT=10; PGAPPNAME=knowngood; export PGCONNECT_TIMEOUT PGAPPNAME
"""
_PSQL = 'psql -X -A -t -q -w -v ON_ERROR_STOP=1 -U "$user" -d "$database"'
_PROBE = f"""{_CLIENT}
facts=$({_PSQL} -c "SELECT 'role=' || CASE WHEN pg_is_in_recovery() THEN 'replica' ELSE 'primary' END
UNION ALL SELECT 'version=' || current_setting('server_version_num')
UNION ALL SELECT 'data=' || current_setting('data_directory')
UNION ALL SELECT 'tablespace=' || pg_tablespace_location(oid) FROM pg_tablespace
WHERE pg_tablespace_location(oid) <> ''"
) || exit 7
echo "$facts"
data=$(echo "$facts" | while IFS='=' read -r key value; do [ "$key" = data ] && echo "$value"; done)
wal=$(readlink -f "$data/pg_wal") || {{ echo "{REFUSED} $data/pg_wal cannot be looked at"; exit 9; }}
echo "wal=$wal"
"""
_SESSION = f"{_CLIENT}\nexec {_PSQL}\n"


def plan(facts: Facts, options: Mapping[str, Json], budget_s: float) -> Holding:
    """A base backup where the server's claims are cut one by one, else nothing and why."""
    data, wal = facts.first("data"), facts.first("wal")
    data_claim, wal_claim = facts.claims(data), facts.claims(wal)
    claims = {data_claim, wal_claim, *facts.claims_of("tablespace")}
    if facts.role == REPLICA:
        note = "PostgreSQL is a standby here: it was cut before its primary"
        return Holding(note=f"{note}, no base backup was made of it", first=tuple(sorted(claims - {""})))
    if "" in claims:
        return Holding(note="of PostgreSQL not everything lies on claims of the application: nothing was held")
    if len(claims) == 1:
        return Holding(
            note="PostgreSQL lies on one claim: it recovers by its WAL all that was committed before the cut"
        )
    backup = Backup(data, data_claim, wal_claim, tuple(sorted(claims)))
    return Holding(
        session=shell(_SESSION, options),
        opening=opening(_version(facts), budget_s),
        release="\\q\n",
        backup=backup,
    )


def _version(facts: Facts) -> int:
    text = facts.first("version")
    return int(text) if text.isdigit() else _NAMES_CHANGED


def opening(version: int, budget_s: float) -> str:
    """What starts the backup and then prints HELD with the name of the first WAL file that has to be there."""
    start = "pg_backup_start('knowngood', true)"
    if version < _NAMES_CHANGED:
        start = "pg_start_backup('knowngood', true, false)"
    return (
        f"SET statement_timeout = {round(budget_s * 1000)};\n"
        "SELECT 1 FROM pg_create_physical_replication_slot('knowngood_' || pg_backend_pid(), true, true);\n"
        f"SELECT '{HELD}' || ' ' || pg_walfile_name({start});\n"
    )


def stopping(version: int) -> str:
    """What ends the backup and prints FILES with backup_label and tablespace_map (base64, as both have many lines)."""
    stop = "pg_backup_stop(false)" if version >= _NAMES_CHANGED else "pg_stop_backup(false, false)"
    label, spaces = _encoded("labelfile"), _encoded("spcmapfile")
    return f"SELECT '{FILES}' || ' ' || {label} || ' ' || {spaces} || '.' FROM {stop};\n"


def _encoded(column: str) -> str:
    return f"replace(encode(convert_to(coalesce({column}, ''), 'UTF8'), 'base64'), chr(10), '')"


def asking_for_wal(first_file: str) -> str:
    """What prints KEPT_WAL with 1 while that WAL file is there: recycled ones never come back."""
    return f"SELECT '{KEPT_WAL}' || ' ' || count(*) FROM pg_ls_waldir() WHERE name = '{first_file}';\n"


def files(line: str) -> dict[str, str]:
    """``backup_label`` and, where there are tablespaces, ``tablespace_map``, out of what ``stopping`` printed."""
    words = line.partition(FILES)[2].strip().rstrip(".").split(" ")
    texts = [base64.b64decode(word).decode() for word in words]
    named = dict(zip(("backup_label", "tablespace_map"), texts, strict=False))
    return {name: text for name, text in named.items() if text}


PROFILE = Profile("postgresql", _PROBE, plan)
