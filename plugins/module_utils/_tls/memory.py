# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What earlier runs read of Secrets, in a private file of the user: only what changed since has to be read again.

An entry counts for one Secret (uid) in one version (resourceVersion) of one cluster (uid of kube-system). The file is
believed as a whole or not at all: of this cluster, of this format and library, written by this user alone, and with the
digest that it states. That keeps out damage and other users. It does not keep out somebody who can write as this user:
what is to be evidence is asked without it.

PRIVATE to this collection.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .certificates import SIGNATURES, Certificate, sha256
from .files import PRIVATE, private_directory, read_private, replace
from .known import Known, certificate, certificate_row, chains, from_row, to_row

FORMAT = 1
NEW, USED, REBUILT, UNWRITTEN = "new", "used", "rebuilt", "unwritten"
_BROKEN = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError)


@dataclass(slots=True)
class Memory:
    """``entries`` of before, by uid: version and facts. ``fresh``: what this run has seen.

    ``state`` is ``new``, ``used``, ``rebuilt`` (``why``: what was there is not believed) or ``unwritten``.
    """

    path: Path
    cluster: str
    state: str = NEW
    why: str = ""
    entries: dict[str, tuple[str, Known]] = field(default_factory=dict)
    fresh: dict[str, tuple[str, Known]] = field(default_factory=dict)
    read: int = 0
    reused: int = 0

    @classmethod
    def open(cls, directory: str, cluster: str) -> Memory:
        """Raises BadInput where the directory is not private."""
        path = private_directory(directory, "cache") / f"certificates-{cluster}.json"
        try:
            content = read_private(path)
            if content is None:
                return cls(path, cluster)
            return cls(path, cluster, USED, entries=_parsed(content, cluster))
        except _BROKEN as error:
            return cls(path, cluster, REBUILT, _told(error))

    def recall(self, uid: str, version: str) -> Known | None:
        """The facts of that version, None where it has to be read."""
        there = self.entries.get(uid)
        if there is None or there[0] != version:
            return None
        self.fresh[uid] = there
        self.reused += 1
        return there[1]

    def keep(self, uid: str, version: str, found: Known) -> Known:
        """Of a Secret that was just read."""
        self.read += 1
        if found.lasting:
            self.fresh[uid] = (version, found)
        return found

    def save(self, whole: frozenset[str] | None) -> None:
        """Writes what is known now, where that is another thing than before; that it cannot be written is told.

        ``whole``: the namespaces of which every Secret was looked for, None for all; what is gone there is forgotten.
        """
        kept = {
            uid: entry
            for uid, entry in self.entries.items()
            if uid not in self.fresh and whole is not None and entry[1].namespace not in whole
        }
        entries = {**kept, **self.fresh}
        if self.state == USED and not self.read and entries.keys() == self.entries.keys():
            return
        try:
            replace(self.path, _written(entries, self.cluster), PRIVATE)
        except OSError as error:
            self.state, self.why = UNWRITTEN, error.strerror or str(error)

    def to_dict(self) -> dict[str, Any]:
        return {
            "path": str(self.path),
            "state": self.state,
            "why": self.why,
            "reused": self.reused,
            "read": self.read,
        }


def _told(error: BaseException) -> str:
    return (
        str(error) if isinstance(error, ValueError) and not isinstance(error, json.JSONDecodeError) else "it is broken"
    )


# -- the file: a line that says what it is, and a line of facts --------------------------------------------------


def _made_by() -> str:
    """Another library may read the same bytes in another way."""
    import cryptography

    return f"{FORMAT}/{cryptography.__version__}"


def _written(entries: dict[str, tuple[str, Known]], cluster: str) -> bytes:
    every: dict[str, Certificate] = {}
    for _version, one in entries.values():
        every.update((found.fingerprint, found) for found in one.certificates())
    body = json.dumps(
        {
            "certificates": {name: certificate_row(one) for name, one in every.items()},
            "signatures": [[*pair, good] for pair, good in SIGNATURES.items() if every.keys() >= set(pair)],
            "secrets": {uid: [version, to_row(one)] for uid, (version, one) in entries.items()},
        },
        separators=(",", ":"),
    ).encode()
    head = {"format": _made_by(), "cluster": cluster, "digest": sha256(body)}
    return json.dumps(head).encode() + b"\n" + body


def _parsed(content: bytes, cluster: str) -> dict[str, tuple[str, Known]]:
    """Raises one of ``_BROKEN`` where anything is not as it was written."""
    first, _line, body = content.partition(b"\n")
    head = json.loads(first)
    for word, wanted in (("cluster", cluster), ("format", _made_by()), ("digest", sha256(body))):
        if head[word] != wanted:
            raise ValueError(f"its {word} is not {wanted}")
    data = json.loads(body)
    certificates = {name: certificate(name, row) for name, row in data["certificates"].items()}
    chain = chains(certificates)
    entries = {uid: (version, from_row(row, chain)) for uid, (version, row) in data["secrets"].items()}
    SIGNATURES.update({(one, other): bool(good) for one, other, good in data["signatures"]})
    return entries
