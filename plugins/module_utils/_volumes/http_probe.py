# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One HTTP request into a pod, by port-forward: the image needs no tool for it.

It arrives from 127.0.0.1 inside the pod, so it says that the application answers, not that a Service reaches it.

PRIVATE to this collection.
"""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Mapping

from .._cluster.client import Cluster
from .._cluster.kinds import named
from .._cluster.streams import ExecResult, dial
from .._core.errors import NotProven
from .._core.plan import Json

_MOST = 64 * 1024


def get_page(cluster: Cluster, namespace: str, pod: str, page: Mapping[str, Json], timeout_s: float) -> ExecResult:
    """``page``: ``port``, ``path``, ``scheme``, ``host`` (of the request). Status and at most 64 KiB of the body.

    A certificate is not checked: that is what certificate probes are for. Raises NotProven where nothing answers.
    """
    port = int(page["port"])
    connection = http.client.HTTPConnection("127.0.0.1", port)
    channel = dial(cluster, namespace, pod, port)
    try:
        channel.settimeout(timeout_s)
        if page["scheme"] == "https":
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            channel = context.wrap_socket(channel, server_hostname=str(page["host"]) or None)
        connection.sock = channel
        connection.request("GET", str(page["path"]), headers={"Host": str(page["host"]) or f"127.0.0.1:{port}"})
        answer = connection.getresponse()
        return ExecResult(answer.status, answer.read(_MOST).decode("utf-8", "replace"), "")
    except (OSError, http.client.HTTPException) as error:
        where = f"{named('Pod', pod, namespace)} port {port}"
        raise NotProven("no HTTP answer", where=where, why=type(error).__name__) from error
    finally:
        channel.close()
