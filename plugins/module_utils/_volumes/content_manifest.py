# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A manifest of what a volume holds: every path with type, SHA-256, mode, uid, gid and size. The pod side is a shell
script, so that any image with the usual tools will do; neither it nor the reader ever holds a manifest in memory.

A line a path, sorted by path: ``<type> <sha256 or -> <mode> <uid> <gid> <size> <path>``. The type is ``f``, ``d``,
``l`` (its SHA-256 is that of where it points), ``o`` for the rest, and ``b`` for a raw block volume as a whole. Paths
with a line break have no line; they are counted. Extended attributes and hard links are not looked at.

PRIVATE to this collection.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass

from .._cluster.streams import ExecResult
from .._core.errors import BadInput, NotProven
from .._core.plan import Json

_CHUNK = 768 * 1024
_TOOLS = "sh, find, stat, sha256sum, sort, paste, sed, cut, awk, wc, dd and base64"
_FILES = r"""
set -eu
export LC_ALL=C
break='
'
cd "$1"
list() { find . -xdev -name "*${break}*" -prune -o "$@"; }
skipped=$(find . -xdev -name "*${break}*" -prune -exec printf '%s' x \; | wc -c)
list -type f -exec sha256sum {} + > /kg/raw
list -type f -exec stat -c '%a %u %g %s %n' {} + > /kg/stats
sed 's/^\\//' /kg/raw | cut -c1-64 > /kg/sums
[ "$(wc -l < /kg/sums)" = "$(wc -l < /kg/stats)" ]
paste -d' ' /kg/sums /kg/stats | sed 's/^/f /' > /kg/all
list -type d -exec stat -c 'd - %a %u %g 0 %n' {} + >> /kg/all
list -type l -exec sh -c 'for p; do
  printf "l %s %s\n" "$(readlink "$p" | sha256sum | cut -c1-64)" "$(stat -c "%a %u %g 0 %n" "$p")"
done' sh {} + >> /kg/all
list ! -type f ! -type d ! -type l -exec stat -c 'o - %a %u %g 0 %n' {} + >> /kg/all
TMPDIR=/kg sort -k7 /kg/all > /kg/manifest
bytes=$(awk '{ s += $4 } END { printf "%.0f", s }' /kg/stats)
echo $(sha256sum < /kg/manifest | cut -c1-64) $(wc -l < /kg/manifest) $(wc -l < /kg/sums) "$bytes" $skipped
"""
_DEVICE = r"""
set -eu
sum=$(sha256sum < "$1" | cut -c1-64)
size=$(blockdev --getsize64 "$1" 2>/dev/null || wc -c < "$1")
echo "b $sum - - - $size $1" > /kg/manifest
echo $(sha256sum < /kg/manifest | cut -c1-64) 1 0 "$size" 0
"""

Run = Callable[[list[str]], ExecResult]


@dataclass(frozen=True, slots=True)
class ManifestWish:
    """``dest``: folder on the controller that the manifests are written to, empty for none; ``image``: of the helper
    pod, empty for that of a workload that mounts the claim; ``user``: uid it runs as.
    """

    dest: str = ""
    image: str = ""
    user: int = 0

    @classmethod
    def of(cls, given: Mapping[str, Json] | None) -> ManifestWish | None:
        """As the option ``manifest`` gives it; None where no manifest is wanted."""
        if given is None:
            return None
        return cls(str(given.get("dest") or ""), str(given.get("image") or ""), int(given.get("user") or 0))


@dataclass(frozen=True, slots=True)
class Summary:
    """SHA-256 of the manifest and what it lists: lines, files, their bytes, and paths that have no line."""

    sha256: str
    entries: int
    files: int
    bytes: int
    skipped: int

    def to_dict(self) -> dict[str, Json]:
        return asdict(self)


def summarize(run: Run, path: str, *, block: bool) -> Summary:
    """Makes the manifest in the pod. Raises NotProven when not everything could be read."""
    answer = run(["sh", "-c", _DEVICE if block else _FILES, "manifest", path])
    words = answer.stdout.split()
    if answer.rc != 0 or len(words) != 5 or len(words[0]) != 64:
        # What the tools complained about is not repeated: it names files.
        why = f"its script ended with exit code {answer.rc}"
        raise NotProven(
            "the content of the volume could not be read as a whole",
            why=f"{why}: a tool is missing in the image" if answer.rc in (126, 127) else why,
            next=f"its image needs {_TOOLS}, and its user the right to read everything: manifest.image, manifest.user",
        )
    return Summary(words[0], *(int(word) for word in words[1:]))


def fetch(run: Run, summary: Summary, target: str) -> None:
    """Copies the manifest out of the pod, piece by piece, into a file that only its owner may read.

    Raises NotProven when what arrived is not what the pod has summed, BadInput where it cannot be written.
    """
    digest, unfinished = hashlib.sha256(), f"{target}.part"
    try:
        os.makedirs(os.path.dirname(target) or ".", exist_ok=True)
        with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
            for piece in _pieces(run):
                digest.update(piece)
                out.write(piece)
        if digest.hexdigest() != summary.sha256:
            os.unlink(unfinished)
            raise NotProven("the manifest did not arrive whole", where=target, next="run the same task again")
        os.replace(unfinished, target)
    except OSError as error:
        raise BadInput("the manifest cannot be written", where=target, why=str(error)) from error


def _pieces(run: Run) -> Iterator[bytes]:
    number = 0
    while True:
        script = f"dd if=/kg/manifest bs={_CHUNK} skip={number} count=1 2>/dev/null | base64"
        answer = run(["sh", "-c", script])
        try:
            piece = base64.b64decode("".join(answer.stdout.split()), validate=True)
        except binascii.Error as error:
            raise NotProven("the manifest did not arrive whole", why=str(error)) from error
        if answer.rc != 0 or not piece:
            return
        yield piece
        number += 1
