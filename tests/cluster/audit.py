# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The API server's audit log as a test oracle: what did this user ask of the API since a mark?

A mark is an offset into the log, which the API server writes before it answers: a request that was answered is there.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import parse_qs, urlsplit

from .errors import ClusterError

_WRITING = frozenset({"create", "update", "patch", "delete", "deletecollection"})
# Asked for by POST, yet nothing is stored: reviews, and streams to a pod.
_REVIEWS = frozenset(
    {
        "selfsubjectaccessreviews",
        "selfsubjectrulesreviews",
        "selfsubjectreviews",
        "subjectaccessreviews",
        "localsubjectaccessreviews",
        "tokenreviews",
    }
)
_STREAMS = frozenset({"exec", "attach", "portforward", "proxy"})


@dataclass(frozen=True, slots=True)
class Request:
    """One answered request. ``code`` is the HTTP status; ``dry_run`` where nothing was to be stored."""

    verb: str
    resource: str
    subresource: str
    namespace: str
    name: str
    user: str
    dry_run: bool
    code: int
    group: str = ""

    @property
    def is_write(self) -> bool:
        """Create, update, patch, delete that is not a dry run; access reviews, exec and port-forward are none."""
        return (
            self.verb in _WRITING
            and not self.dry_run
            and self.resource not in _REVIEWS
            and self.subresource not in _STREAMS
        )

    @property
    def permission(self) -> tuple[str, str, str]:
        """What RBAC was asked: (API group, ``resource`` or ``resource/subresource``, verb)."""
        resource = f"{self.resource}/{self.subresource}" if self.subresource else self.resource
        return self.group, resource, self.verb


def parse(line: str) -> Request | None:
    """One line of the log; None for stages before the answer, for broken lines, and for paths that are no resource."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    reference = event.get("objectRef")
    if event.get("stage") not in ("ResponseComplete", "Panic") or not reference:
        return None
    user = event.get("impersonatedUser") or event.get("user") or {}
    return Request(
        verb=event["verb"],
        resource=reference.get("resource", ""),
        subresource=reference.get("subresource", ""),
        namespace=reference.get("namespace", ""),
        name=reference.get("name", ""),
        user=user.get("username", ""),
        dry_run=_is_dry_run(event),
        code=int((event.get("responseStatus") or {}).get("code", 0)),
        group=reference.get("apiGroup", ""),
    )


def _is_dry_run(event: dict[str, Any]) -> bool:
    """Asked for in the query, or, for deletes, in the body."""
    if parse_qs(urlsplit(event.get("requestURI", "")).query).get("dryRun"):
        return True
    body = event.get("requestObject")
    return event["verb"] in ("delete", "deletecollection") and isinstance(body, dict) and bool(body.get("dryRun"))


class AuditLog:
    """Requests since the last :meth:`mark` (at first: since this object was made)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = self._mark = 0
        self.mark()

    def mark(self) -> int:
        """From now on count anew; returns the mark, which the other methods take as ``since``."""
        seen = self.path.stat()
        self._file, self._mark = seen.st_ino, seen.st_size
        return self._mark

    def requests(self, user: str = "", since: int | None = None) -> list[Request]:
        """Answered requests of ``user`` (of everyone where empty) in the order of their answers."""
        return [one for one in self._read(self._mark if since is None else since) if not user or one.user == user]

    def paths(self, user: str, since: int | None = None) -> int:
        """How many requests of ``user`` were answered, those for no resource (discovery, versions) included."""
        count = 0
        with self._from(self._mark if since is None else since) as stream:
            for line in stream:
                event = json.loads(line)
                told = (event.get("impersonatedUser") or event.get("user") or {}).get("username")
                count += told == user and event.get("stage") == "ResponseComplete"
        return count

    def writes(self, user: str = "", since: int | None = None) -> list[Request]:
        return [one for one in self.requests(user, since) if one.is_write]

    def permissions(self, user: str, since: int | None = None) -> set[tuple[str, str, str]]:
        """Every (group, resource, verb) the user asked for: the RBAC it needs is exactly this."""
        return {one.permission for one in self.requests(user, since)}

    def _read(self, since: int) -> Iterator[Request]:
        with self._from(since) as stream:
            for line in stream:
                request = parse(line.decode(errors="replace"))
                if request:
                    yield request

    @contextmanager
    def _from(self, since: int) -> Iterator[BinaryIO]:
        """Raises ClusterError where the server began another file: what is missing must not pass for silence."""
        with self.path.open("rb") as stream:
            if os.fstat(stream.fileno()).st_ino != self._file:
                raise ClusterError(f"{self.path} was begun anew since it was looked at")
            stream.seek(since)
            yield stream
