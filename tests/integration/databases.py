# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real database servers for the tests of hooks: PostgreSQL with its WAL on a second claim, MariaDB, Redis.

On disks whose snapshots hold what was synced and no more, as after a power cut.
"""

from __future__ import annotations

from typing import Any

PASSWORD = "correct-horse-battery"
_POSTGRESQL = """
set -eu
chown postgres: /data /wal
[ ! -d /space ] || chown postgres: /space
as="setpriv --reuid=postgres --regid=postgres --init-groups"
[ -s /data/pg/PG_VERSION ] || $as initdb -D /data/pg -A trust --waldir=/wal/pg >/dev/null
exec $as postgres -D /data/pg -c listen_addresses= -c unix_socket_directories=/tmp -c max_wal_size=64MB \
  -c checkpoint_timeout=30s
"""
_PAIR = """
set -eu
chown postgres: /data
as="setpriv --reuid=postgres --regid=postgres --init-groups"
if [ ! -s /data/pg/PG_VERSION ]; then
  case $HOSTNAME in
    *-0)
      $as initdb -D /data/pg -A trust >/dev/null
      echo 'host replication postgres all trust' >>/data/pg/pg_hba.conf
      sync /data/pg/pg_hba.conf
      ;;
    *)
      until $as pg_basebackup -h db-0.db -U postgres -D /data/pg -R -c fast; do
        rm -rf /data/pg
        sleep 0.5
      done
      ;;
  esac
fi
exec $as postgres -D /data/pg -c listen_addresses='*' -c unix_socket_directories=/tmp -c wal_keep_size=64MB \
  -c wal_retrieve_retry_interval=500ms
"""
_MARIADB = """
set -eu
chown mysql: /data
if [ ! -d /data/my/mysql ]; then
  mariadb-install-db --no-defaults --user=mysql --datadir=/data/my --skip-test-db >/dev/null
fi
echo "ALTER USER root@localhost IDENTIFIED BY '$MARIADB_ROOT_PASSWORD';" >/tmp/init.sql
chmod 644 /tmp/init.sql
if [ "$REPLICATED" = yes ]; then
  set -- --server-id=$((${HOSTNAME##*-} + 1)) --log-bin=/data/my/binlog --bind-address=0.0.0.0 --sync-binlog=1 \
    --sync-master-info=1 --sync-relay-log=1 --sync-relay-log-info=1 --relay-log-recovery=1
else
  set -- --skip-networking
fi
exec mariadbd --no-defaults --user=mysql --datadir=/data/my --socket=/tmp/my.sock "$@" \
  --innodb-buffer-pool-size=16M --innodb-log-file-size=8M --init-file=/tmp/init.sql
"""
_REDIS = """
mkdir -p /data/redis
case $REPLICATED$HOSTNAME in
  yes*-0) set -- --port 6379 --bind 0.0.0.0 ;;
  yes*) set -- --port 0 --replicaof rd-0.rd 6379 --masterauth "$REDIS_PASSWORD" ;;
  *) set -- --port 0 ;;
esac
exec redis-server --dir /data/redis --unixsocket /tmp/redis.sock "$@" --save '' \
  --appendonly "${APPENDONLY:-no}" --requirepass "$REDIS_PASSWORD" --daemonize no
"""

# Four clients transfer money and count their transactions, until /tmp/stop is there. What the server has acknowledged
# is noted with its time beside the volumes.
WRITERS = """
import os, random, threading, time
import psycopg2

def client(number):
    link = psycopg2.connect(host="/tmp", user="postgres", dbname="postgres")
    with open(f"/tmp/acknowledged.{number}", "w", buffering=1) as notes:
        count = 0
        while not os.path.exists("/tmp/stop"):
            count += 1
            account, delta = random.randint(1, 100000), random.randint(-5000, 5000)
            with link, link.cursor() as cursor:
                cursor.execute("UPDATE pgbench_accounts SET abalance = abalance + %s WHERE aid = %s", (delta, account))
                cursor.execute("INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (1, 1, %s, %s, now())",
                               (account, delta))
                cursor.execute("INSERT INTO committed VALUES (%s, %s)", (number, count))
            notes.write(f"{number} {time.time_ns() // 1000}\\n")

clients = [threading.Thread(target=client, args=(number,)) for number in range(4)]
[one.start() for one in clients]
[one.join() for one in clients]
"""


def postgresql(image: str, *, space: bool = False) -> dict[str, Any]:
    """``StatefulSet/db`` with the claims ``data-db-0`` and ``wal-db-0``; otherwise as in ``volumes_app``.

    ``space``: with ``space-db-0`` at ``/space``, for a tablespace.
    """
    ready = ["pg_isready", "-h", "/tmp", "-U", "postgres"]
    mounts = {"data": "/data", "wal": "/wal", **({"space": "/space"} if space else {})}
    return _set("db", image, _POSTGRESQL, mounts, ready, {})


def postgresql_pair(image: str) -> dict[str, Any]:
    """``StatefulSet/db`` of a primary ``db-0`` and its standby ``db-1``, with a claim ``data-db-N`` each."""
    return _set("db", image, _PAIR, {"data": "/data"}, ["pg_isready", "-h", "/tmp", "-U", "postgres"], {}, 2)


def mariadb(image: str, *, replicas: int = 1) -> dict[str, Any]:
    """``StatefulSet/my`` with a claim ``data-my-N`` each; the root password comes out of the environment.

    More than one listen to each other, and are not told yet who is whose replica.
    """
    ready = ["sh", "-c", 'MYSQL_PWD=$MARIADB_ROOT_PASSWORD mariadb --no-defaults -S /tmp/my.sock -uroot -e "SELECT 1"']
    env = {"MARIADB_ROOT_PASSWORD": PASSWORD, "REPLICATED": "yes" if replicas > 1 else "no"}
    return _set("my", image, _MARIADB, {"data": "/data"}, ready, env, replicas)


def redis(image: str, *, appendonly: bool = False, replicas: int = 1) -> dict[str, Any]:
    """``StatefulSet/rd`` with a claim ``data-rd-N`` each: ``rd-0`` and replicas of it."""
    ready = ["sh", "-c", "REDISCLI_AUTH=$REDIS_PASSWORD redis-cli -s /tmp/redis.sock PING | grep -q PONG"]
    env = {"REDIS_PASSWORD": PASSWORD, "APPENDONLY": "yes" if appendonly else "no"}
    env["REPLICATED"] = "yes" if replicas > 1 else "no"
    return _set("rd", image, _REDIS, {"data": "/data"}, ready, env, replicas)


def service(name: str) -> dict[str, Any]:
    """The headless service that gives the pods of a set their names, also before they are ready."""
    spec = {"clusterIP": "None", "publishNotReadyAddresses": True, "selector": {"app": name}}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def _set(
    name: str,
    image: str,
    script: str,
    mounts: dict[str, str],
    ready: list[str],
    env: dict[str, str],
    replicas: int = 1,
) -> dict[str, Any]:
    container = {
        "name": name,
        "image": image,
        "command": ["sh", "-c", script],
        "env": [{"name": key, "value": value} for key, value in env.items()],
        "readinessProbe": {"exec": {"command": ready}, "periodSeconds": 1},
        "volumeMounts": [{"name": volume, "mountPath": path} for volume, path in mounts.items()],
    }
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": name},
        "spec": {
            "serviceName": name,
            "replicas": replicas,
            "podManagementPolicy": "Parallel",
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [container], "terminationGracePeriodSeconds": 10},
            },
            "volumeClaimTemplates": [
                {"metadata": {"name": volume}, "spec": {**claim, "storageClassName": "local-ext4"}} for volume in mounts
            ],
        },
    }
