# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The servers under load: real programs, at least two pods of each behind a Service, that end gracefully.

Each has the Secret ``<name>-tls``: as a volume, file by file (``subPath``) or in its environment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Manifest = dict[str, Any]
VOLUME, SUB_PATH, ENV = "volume", "subPath", "env"
CONFIG = "load"
"""The ConfigMap with :data:`FILES`, mounted at ``/etc/load``."""
PROGRAM = "/usr/local/bin/tlsload"
_POSTGRES_GROUP = 5432
# New connections stop coming a moment after a pod begins to end, not at once; on a busy machine it is a long one.
_LEAVING_S = 10
# Who answers late is ready all the same. Were a busy machine to take both pods out of the Service, connections would be
# refused that no rotation had touched.
_PATIENT = {"periodSeconds": 1, "timeoutSeconds": 20, "failureThreshold": 6}

FILES = {
    "nginx.conf": """
pid /tmp/nginx.pid; error_log stderr; worker_processes 2; events {}
http {
  access_log off; client_body_temp_path /tmp/a; proxy_temp_path /tmp/b; fastcgi_temp_path /tmp/c;
  uwsgi_temp_path /tmp/d; scgi_temp_path /tmp/e;
  server { listen 8443 ssl; ssl_protocols TLSv1.2 TLSv1.3; ssl_certificate /etc/tls/tls.crt;
           ssl_certificate_key /etc/tls/tls.key; include /etc/load/$TRUSTING;
           location / { return 200 "hello\\n"; } }
}
""",
    # Who shows no certificate is let in as well: not all of the clients have one.
    "mutual.conf": "ssl_client_certificate /trust/ca.crt; ssl_verify_client optional;\n",
    "plain.conf": "",
    "haproxy.cfg": """
global
  ssl-load-extra-del-ext
  ssl-default-bind-options ssl-min-ver TLSv1.2
defaults
  mode http
  timeout client 20s
  timeout server 20s
  timeout connect 5s
frontend web
  bind :8443 ssl crt /etc/tls/tls.crt
  http-request return status 200 content-type text/plain string hello
""",
    "server.py": """
import http.server, signal, socketserver, ssl, sys
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain("/etc/tls/tls.crt", "/etc/tls/tls.key")
class Handler(http.server.BaseHTTPRequestHandler):
    def setup(self):
        # In the thread of the connection: a slow client holds up nobody else.
        self.request = context.wrap_socket(self.request, server_side=True)
        super().setup()
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "6")
        self.end_headers()
        self.wfile.write(b"hello\\n")
    def log_message(self, *given):
        pass
class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128
    def handle_error(self, request, address):
        pass
signal.signal(signal.SIGTERM, lambda *given: sys.exit(0))
Server(("", 8443), Handler).serve_forever()
""",
    "postgres.sh": """
set -eu
as="setpriv --reuid=postgres --regid=postgres --groups=5432"
install -d -o postgres -g postgres /tmp/pg
$as initdb -D /tmp/pg/data -A trust --no-sync >/dev/null
echo "hostssl all all all trust" >>/tmp/pg/data/pg_hba.conf
exec $as postgres -D /tmp/pg/data -c listen_addresses='*' -c unix_socket_directories=/tmp -c fsync=off -c ssl=on \\
  -c ssl_cert_file=/etc/tls/tls.crt -c ssl_key_file=/etc/tls/tls.key
""",
}


@dataclass(frozen=True, slots=True)
class Kind:
    """A program. ``reload``: how it is told to load new files; None: it never does. ``ready``: a command, else the
    port is tried."""

    command: tuple[str, ...]
    port: int = 8443
    protocol: str = "http"
    reload: Mapping[str, Any] | None = None
    ready: tuple[str, ...] = ()
    group: int | None = None


NGINX = ("nginx", "-c", "/tmp/nginx.conf")
KINDS = {
    "nginx": Kind(
        (
            "sh",
            "-c",
            f"sed s/.TRUSTING/$TRUSTING/ /etc/load/nginx.conf >{NGINX[2]}; exec {' '.join(NGINX)} -g 'daemon off;'",
        ),
        reload={"command": [*NGINX, "-s", "reload"]},
    ),
    "haproxy": Kind(("haproxy", "-W", "-db", "-f", "/etc/load/haproxy.cfg"), reload={"signal": "USR2"}),
    "postgres": Kind(
        ("sh", "/etc/load/postgres.sh"),
        5432,
        "postgres",
        {"signal": "HUP"},
        ("pg_isready", "-q", "-h", "127.0.0.1", "-U", "postgres"),
        _POSTGRES_GROUP,
    ),
    "go": Kind((PROGRAM, "serve", "-cert", "/etc/tls/tls.crt", "-key", "/etc/tls/tls.key")),
    "python": Kind(("python3", "/etc/load/server.py")),
}


@dataclass(frozen=True, slots=True)
class Server:
    """One Deployment with its Service ``name``, which listens on 443 or on the program's own port.

    ``trusts``: it asks clients for certificates and trusts by the ConfigMap ``trust`` (nginx).
    """

    name: str
    kind: str
    delivery: str = VOLUME
    replicas: int = 2
    trusts: bool = False
    strategy: Mapping[str, Any] = field(
        default_factory=lambda: {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    )

    @property
    def program(self) -> Kind:
        return KINDS[self.kind]

    @property
    def port(self) -> int:
        return 443 if self.program.protocol == "http" else self.program.port

    @property
    def target(self) -> str:
        """As the client takes it."""
        return f"{self.name}={self.name}:{self.port}/{self.program.protocol}"

    def manifests(self, image: str) -> list[Manifest]:
        labels = {"app": self.name}
        spec = {
            "replicas": self.replicas,
            "strategy": dict(self.strategy),
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": self._pod(image)},
        }
        name = "https" if self.program.protocol == "http" else self.program.protocol
        ports = [{"name": name, "port": self.port, "targetPort": self.program.port}]
        return [
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": self.name}, "spec": spec},
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": self.name},
                "spec": {"selector": labels, "ports": ports},
            },
        ]

    def _pod(self, image: str) -> Manifest:
        program = self.program
        ready = {"exec": {"command": list(program.ready)}} if program.ready else {"tcpSocket": {"port": program.port}}
        container = {
            "name": self.kind,
            "image": image,
            "command": list(program.command),
            "ports": [{"containerPort": program.port}],
            "env": self._environment(),
            "volumeMounts": self._mounts(),
            "readinessProbe": {**ready, **_PATIENT},
            "lifecycle": {"preStop": {"exec": {"command": ["sleep", str(_LEAVING_S)]}}},
        }
        spec: Manifest = {"containers": [container], "volumes": self._volumes(), "terminationGracePeriodSeconds": 40}
        return {**spec, "securityContext": {"fsGroup": program.group}} if program.group else spec

    def _environment(self) -> list[Manifest]:
        found: list[Manifest] = [{"name": "TRUSTING", "value": "mutual.conf" if self.trusts else "plain.conf"}]
        if self.delivery == ENV:
            found += [
                {"name": name, "valueFrom": {"secretKeyRef": {"name": f"{self.name}-tls", "key": key}}}
                for name, key in (("TLS_CRT", "tls.crt"), ("TLS_KEY", "tls.key"))
            ]
        return found

    def _mounts(self) -> list[Manifest]:
        found = [{"name": CONFIG, "mountPath": "/etc/load"}]
        if self.delivery == VOLUME:
            found.append({"name": "tls", "mountPath": "/etc/tls"})
        if self.delivery == SUB_PATH:
            found += [{"name": "tls", "mountPath": f"/etc/tls/{key}", "subPath": key} for key in ("tls.crt", "tls.key")]
        return [*found, {"name": "trust", "mountPath": "/trust"}] if self.trusts else found

    def _volumes(self) -> list[Manifest]:
        found: list[Manifest] = [{"name": CONFIG, "configMap": {"name": CONFIG}}]
        if self.delivery != ENV:
            # A key that others may read is refused by PostgreSQL.
            found.append({"name": "tls", "secret": {"secretName": f"{self.name}-tls", "defaultMode": 0o640}})
        return [*found, {"name": "trust", "configMap": {"name": "trust"}}] if self.trusts else found
