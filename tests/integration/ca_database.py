# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PostgreSQL that lets in clients by their certificates alone, and clients that check it whole: verify-full both ways.

The server is a single pod: a restart would be seen by its clients. It reads certificate, key and CA anew on a SIGHUP;
libpq reads its files with every connection.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.knowngood.kube.plugins.module_utils._tls.ca_plan import CLIENT, Leaf
from ansible_collections.knowngood.kube.plugins.module_utils._tls.plan import Target
from tests.integration.ca_app import TRUST, Shop, asking, leaf_volume

_FILES = 7000
"""The group of the files: PostgreSQL wants its key to be root's, and readable by nobody but a group."""
_SERVER = f"""
set -eu
mkdir -p /data && chown postgres: /data
as="setpriv --reuid=postgres --regid=postgres --groups={_FILES}"
$as initdb -D /data/pg -A trust >/dev/null
echo 'CREATE ROLE client LOGIN' | $as postgres --single -D /data/pg postgres >/dev/null
printf 'local all all trust\\nhostssl all all all cert\\n' >/data/pg/pg_hba.conf
exec $as postgres -D /data/pg -c listen_addresses='*' -c unix_socket_directories=/tmp -c ssl=on \\
  -c ssl_cert_file=/etc/tls/tls.crt -c ssl_key_file=/etc/tls/tls.key -c ssl_ca_file=/trust/ca.crt
"""
_ASKING = asking("""
import psycopg2
def ask():
    link = psycopg2.connect(
        host="web", port=5432, user="client", dbname="postgres", connect_timeout=10, sslmode="verify-full",
        sslrootcert="/trust/ca.crt", sslcert="/etc/tls/tls.crt", sslkey="/etc/tls/tls.key")
    with link.cursor() as cursor:
        cursor.execute("SELECT ssl, client_dn FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        if cursor.fetchone() != (True, "/CN=client"):
            raise ValueError("it does not know who asks")
    link.close()
""")


class Database(Shop):
    """The server ``web`` is PostgreSQL; all else as in the shop."""

    __slots__ = ()

    def deploy(self) -> Database:
        self.count()
        files = [TRUST, leaf_volume("web-tls", 0o640)]
        group = {"securityContext": {"fsGroup": _FILES}}
        self.run("web", ["sh", "-c", _SERVER], files, replicas=1, port=5432, service=5432, **group)
        self.wait_reached("web", 5432)
        self.run("client", ["python3", "-c", _ASKING], [TRUST, leaf_volume("client-tls", 0o600)], replicas=2)
        return self

    def rotate(self, **asked: Any) -> dict[str, Any]:
        """PostgreSQL is told to load its files and not restarted."""
        server = Target(self.namespace, "web-tls", service="web", server_name="web", protocol="postgresql")
        mutual = {"service": "web", "client_secret": "client-tls", "server_name": "web", "protocol": "postgresql"}
        given = {
            "leaves": (Leaf(Target(self.namespace, "client-tls"), CLIENT), Leaf(server)),
            "mutual": (mutual,),
            "reloads": ({"workload": "Deployment/web", "signal": "HUP"},),
        }
        return super().rotate(**{**given, **asked})

    def server_pods(self) -> list[tuple[str, int]]:
        """Uid and restarts of each pod of the server."""
        pods = self.cluster.get("pods", "-n", self.namespace, "-l", "app=web")["items"]
        return [(pod["metadata"]["uid"], pod["status"]["containerStatuses"][0]["restartCount"]) for pod in pods]
