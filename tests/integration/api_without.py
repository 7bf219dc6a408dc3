# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The API of the real cluster as one shows it in which CRDs are not installed."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

_HOP = {"host", "connection", "transfer-encoding", "content-length", "keep-alive"}


@contextmanager
def api_without(group: str, kubeconfig: Path, work: Path) -> Iterator[Path]:
    """A kubeconfig to a forwarder that speaks as the user of ``kubeconfig`` and answers 404 for that API group."""
    known = json.loads(kubeconfig.read_text())
    cluster, user = known["clusters"][0]["cluster"], known["users"][0]["user"]
    work.mkdir(parents=True, exist_ok=True)
    server = urlsplit(cluster["server"])
    context = ssl.create_default_context(cadata=_plain(cluster["certificate-authority-data"]).decode())
    pair = work / "client.pem"
    pair.touch(mode=0o600)
    pair.write_bytes(_plain(user["client-certificate-data"]) + _plain(user["client-key-data"]))
    context.load_cert_chain(pair)

    class Forwarder(BaseHTTPRequestHandler):
        def _forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if f"/{group}/" in self.path + "/":
                self._answer(404, {"Content-Type": "text/plain"}, b"404 page not found\n")
                return
            link = http.client.HTTPSConnection(server.hostname or "", server.port, context=context, timeout=60)
            kept = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
            link.request(self.command, self.path, body or None, kept)
            found = link.getresponse()
            self._answer(found.status, dict(found.getheaders()), found.read())
            link.close()

        def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response_only(status)
            for name, value in headers.items():
                if name.lower() not in _HOP:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            """Nothing: the audit log knows."""

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _forward

    with ThreadingHTTPServer(("127.0.0.1", 0), Forwarder) as forwarder:
        threading.Thread(target=forwarder.serve_forever, daemon=True).start()
        path = work / "kubeconfig"
        path.write_text(
            json.dumps(
                {
                    **{key: known[key] for key in ("apiVersion", "kind", "contexts", "current-context")},
                    "clusters": [
                        {
                            "name": known["clusters"][0]["name"],
                            "cluster": {"server": f"http://127.0.0.1:{forwarder.server_port}"},
                        }
                    ],
                    "users": [{"name": known["users"][0]["name"], "user": {}}],
                }
            )
        )
        try:
            yield path
        finally:
            forwarder.shutdown()


def _plain(text: str) -> bytes:
    return base64.b64decode(text)
