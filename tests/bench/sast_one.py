# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One reading of one reader in a process of its own: ``python sast_one.py READER FILE`` prints JSON.

``wall_s`` and ``cpu_s`` from the reader's call to its end, ``peak_mib`` of the whole process. Imports do not count.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path


def _json_load(path: str) -> None:
    with open(path, encoding="utf-8") as file:
        json.load(file)


def _ours(**wanted: object) -> Callable[[str], None]:
    # Peers have an environment without the collection, so it is looked for only where it is measured.
    from ansible_collections.knowngood.kube.plugins.module_utils._sast.report import sast_report

    def read(path: str) -> None:
        sast_report({"path": [path], "return_findings": 0, **wanted})

    return read


def _store() -> Callable[[str], None]:
    """A store that is not there yet: one that is would be read as well, to tell whether it changes."""
    dest = Path(sys.argv[2]).with_suffix(".ndjson")
    dest.unlink(missing_ok=True)
    return _ours(dest=str(dest))


def _sarif_tools() -> Callable[[str], None]:
    from sarif import loader

    def read(path: str) -> None:
        loader.load_sarif_file(path).get_report()

    return read


def _defusedxml() -> Callable[[str], None]:
    from defusedxml import ElementTree

    def read(path: str) -> None:
        ElementTree.parse(path)

    return read


READERS: dict[str, Callable[[], Callable[[str], None]]] = {
    "json.load": lambda: _json_load,
    "totals": _ours,
    "store": _store,
    "sarif-tools": _sarif_tools,
    "defusedxml": _defusedxml,
}


def main() -> None:
    read = READERS[sys.argv[1]]()
    cpu, wall = time.process_time(), time.monotonic()
    read(sys.argv[2])
    found = {
        "wall_s": time.monotonic() - wall,
        "cpu_s": time.process_time() - cpu,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
