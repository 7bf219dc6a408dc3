# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``python -m tests.load``: rotations under load on the test cluster, which is started where it is not up.

Parts: ``leaf`` (each kind of server), ``ca`` (a whole rotation of a CA), ``single`` (one replica), ``control`` (the
naive swap). All of them, unless some are named. ``--write`` puts the table into docs/handshakes.md.
"""

from __future__ import annotations

import argparse
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import KnownGoodError
from tests.bench.document import put
from tests.cluster import lifecycle
from tests.cluster.errors import ClusterError
from tests.cluster.handle import Cluster
from tests.cluster.instance import Instance
from tests.integration.rotation_app import ROOT
from tests.load import authority, leaf
from tests.load.table import Figures, markdown

DOCUMENT = ROOT / "docs" / "handshakes.md"
PARTS = ("leaf", "ca", "single", "control")
Run = Callable[[Cluster, str], list[Figures]]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.load", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--connections", type=int, default=10_000, help="at least so many in each run (10000)")
    parser.add_argument("--only", default="", help="leaf rotations with this in their name")
    parser.add_argument("--write", action="store_true", help=f"put the figures into {DOCUMENT.relative_to(ROOT)}")
    given = parser.parse_args()
    given.parts = given.parts or list(PARTS)
    if wrong := sorted(set(given.parts) - set(PARTS)):
        parser.error(f"no such part: {', '.join(wrong)}")
    return given


def runs(given: argparse.Namespace) -> Iterator[Run]:
    """In the order of the parts; each on a namespace of its own."""
    most, few = given.connections, given.connections // 5
    chosen = [case for case in leaf.CASES if given.only in case.name]
    known: dict[str, list[Run]] = {
        "leaf": [lambda cluster, name, case=case: [leaf.rotated(cluster, name, case, most)] for case in chosen],
        "ca": [lambda cluster, name: authority.rotated(cluster, name, most)],
        "single": [lambda cluster, name, kind=kind: [leaf.single(cluster, name, kind, few)] for kind in leaf.SINGLES],
        "control": [lambda cluster, name: [leaf.naive(cluster, name, few)]],
    }
    for part in given.parts:
        yield from known[part]


@contextmanager
def namespace(cluster: Cluster) -> Iterator[str]:
    name = f"load-{secrets.token_hex(3)}"
    cluster.kubectl("create", "namespace", name)
    cluster.wait("service account", lambda: cluster.get("serviceaccount", "default", "-n", name), 20)
    try:
        yield name
    finally:
        cluster.kubectl("delete", "namespace", name, "--wait=false")


def main() -> int:
    given = arguments()
    instance = Instance.chosen()
    was_up = lifecycle.healthy(instance) is not None
    lifecycle.up(instance)
    cluster = Cluster(instance.kubeconfig(), instance)
    rows: list[Figures] = []
    wrong: list[str] = []
    try:
        for run in runs(given):
            try:
                with namespace(cluster) as name:
                    found = run(cluster, name)
            except (KnownGoodError, ClusterError) as error:
                print(error, file=sys.stderr, flush=True)
                wrong.append(str(error))
                continue
            rows += found
            print("\n".join(" | ".join(one.cells()) for one in found), file=sys.stderr, flush=True)
            if given.write:
                # After each: what a later one breaks off loses nothing.
                write(rows)
    finally:
        if not was_up:
            lifecycle.down(instance)
    print(markdown(rows))
    wrong += [text for row in rows for text in row.wrong]
    print("\n".join(wrong) or "no connection failed that was to succeed")
    return 1 if wrong else 0


def write(rows: list[Figures]) -> None:
    """Puts the rows into the page's table, in place of those of the same name."""
    before = "\n".join(line for line in DOCUMENT.read_text().splitlines() if line.startswith("|"))
    put(DOCUMENT, "figures", f"{markdown(rows, before)}\n")


if __name__ == "__main__":
    sys.exit(main())
