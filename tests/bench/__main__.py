# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``python -m tests.bench``: figures on one cluster in one run; ``--write`` puts them into docs/benchmarks.md."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from tests.cluster import lifecycle
from tests.cluster.handle import Cluster
from tests.cluster.instance import Instance
from tests.cluster.progress import say

from . import capture, freeze, inventory, issuing, probing, restore
from .document import DOCUMENT, facts, write
from .figures import Section, report, section_text
from .rig import ROOT, Bench

CERTIFICATES = ("inventory", "issue", "probe")
"""Sections that have a part of the page for themselves."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", default="", metavar="A,B", help="any of the sections, by their names")
    parser.add_argument("--claims", type=int, default=200, help="claims captured (200)")
    parser.add_argument("--rounds", type=int, default=3, help="readings of each figure (3)")
    parser.add_argument("--loop", type=int, default=200, help="claims of the loop of kubernetes.core; 0: leave out")
    parser.add_argument("--velero", type=int, default=200, help="claims of Velero's backup; 0: no Velero at all")
    parser.add_argument("--secrets", type=int, default=10_000, help="TLS Secrets inventoried (10000)")
    parser.add_argument("--sample", type=int, default=30, help="Secrets that the peers' loop reads; 0: leave out (30)")
    parser.add_argument("--leaves", type=int, default=1000, help="certificates issued (1000)")
    parser.add_argument("--pairs", type=int, default=500, help="ports of pods asked (500)")
    parser.add_argument("--hydration", type=float, default=30, metavar="S", help="seconds injected (30)")
    parser.add_argument("--write", action="store_true", help=f"put the figures into {DOCUMENT.relative_to(ROOT)}")
    return parser


def sections(options: argparse.Namespace) -> dict[str, Callable[[Bench], Section]]:
    return {
        "capture": lambda bench: capture.many(bench, options.claims, options.rounds, options.loop, options.velero),
        "again": capture.again,
        "freeze": lambda bench: freeze.window(bench, 20, options.rounds),
        "restore": lambda bench: restore.in_place(bench, options.rounds, options.hydration, options.velero > 0),
        "many": lambda bench: restore.many_claims(bench, options.rounds, 10),
        "inventory": lambda bench: inventory.many(bench, options.secrets, options.rounds, options.sample),
        "issue": lambda bench: issuing.many(bench, options.leaves, options.rounds),
        "probe": lambda bench: probing.many(bench, options.pairs, options.rounds),
    }


def main(arguments: list[str]) -> int:
    options = _parser().parse_args(arguments)
    wanted = sections(options)
    names = [name for name in options.only.split(",") if name] or list(wanted)
    if unknown := set(names) - set(wanted):
        sys.exit(f"--only knows {', '.join(wanted)}; not {', '.join(sorted(unknown))}")
    instance = Instance.chosen()
    was_up = lifecycle.healthy(instance) is not None
    lifecycle.up(instance, ("velero",) if options.velero else ())
    cluster = Cluster(instance.kubeconfig(), instance)
    if options.velero:
        label = ("volumesnapshotclass", "local", "velero.io/csi-volumesnapshot-class=true", "--overwrite")
        cluster.kubectl("label", *label)
    done: dict[str, list[Section]] = {}
    try:
        bench = Bench(cluster)
        for name in names:
            say(f"measure {name}")
            part = "certificates" if name in CERTIFICATES else "figures"
            done.setdefault(part, []).append(wanted[name](bench))
            print(section_text(done[part][-1]), flush=True)
            if options.write:
                # After each: what a later one breaks off loses nothing.
                write(part, report(done[part], facts("tests.bench", arguments)))
    finally:
        if not was_up:
            lifecycle.down(instance)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
