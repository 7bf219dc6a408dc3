# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``python -m tests.bench.sast``: reading reports beside peers, without a cluster; ``--write`` into docs/benchmarks.md.

Each reading is a process of its own; readers take turns, so that what else the machine does meets all of them. CPU
seconds decide the ratios: they hardly depend on how busy the machine is.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from tests.cluster.progress import say

from . import sast_data
from .document import facts, write
from .figures import Measure, Section, Target, report, section_text
from .rig import ROOT, loads, play

PEERS = ROOT / ".venv" / "bench-sast" / "bin" / "python"
_ONE = Path(__file__).with_name("sast_one.py")


class Readings:
    """What each reader took for one file: all readings, in the order they were taken."""

    def __init__(self, path: Path, readers: Sequence[str], rounds: int, note: str = "") -> None:
        self._readers = readers
        self._note = note
        self._taken: dict[str, list[dict[str, float]]] = {reader: [] for reader in readers}
        for _round in range(rounds):
            for reader in readers:
                self._taken[reader].append(_reading(reader, path))

    def of(self, reader: str, what: str) -> float:
        return median(one[what] for one in self._taken[reader])

    def ratio(self, reader: str, other: str) -> float:
        """How many times as long ``reader`` takes as ``other``, in CPU seconds."""
        return self.of(reader, "cpu_s") / self.of(other, "cpu_s")

    def measures(self) -> list[Measure]:
        return [
            Measure(
                f"{reader}{self._note}",
                tuple(one["cpu_s"] for one in self._taken[reader]),
                note=f"{self.of(reader, 'wall_s'):.1f} s elapsed, at most {self.of(reader, 'peak_mib'):.0f} MiB",
            )
            for reader in self._readers
        ]


def _reading(reader: str, path: Path) -> dict[str, float]:
    python = str(PEERS) if reader in ("sarif-tools", "defusedxml") else sys.executable
    environment = {**os.environ, "PYTHONPATH": str(ROOT / ".ac")}
    done = subprocess.run(
        [python, str(_ONE), reader, str(path)], capture_output=True, text=True, check=True, env=environment
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def small(folder: Path, megabytes: int, rounds: int) -> Section:
    path = folder / "small.sarif"
    count = sast_data.small_results(path, megabytes)
    taken = Readings(path, ("json.load", "totals", "store", "sarif-tools"), rounds)
    section = Section(f"{megabytes} MB of SARIF in {count} small results", _HOW, taken.measures())
    section.targets = [
        Target("totals, beside json.load", taken.ratio("json.load", "totals"), least=2, unit="x faster"),
        Target("totals, beside sarif-tools", taken.ratio("sarif-tools", "totals"), least=3, unit="x faster"),
        Target("largest memory, totals", taken.of("totals", "peak_mib"), most=130, unit="MiB"),
        Target("full store, beside json.load", taken.ratio("store", "json.load"), most=1.5, unit="x its time"),
        Target("largest memory, full store", taken.of("store", "peak_mib"), most=200, unit="MiB"),
    ]
    return section


def flows(folder: Path, megabytes: int, rounds: int) -> Section:
    path = folder / "flows.sarif"
    count = sast_data.long_flows(path, megabytes)
    taken = Readings(path, ("json.load", "totals", "store"), rounds)
    section = Section(f"{megabytes} MB of SARIF in {count} results with long code flows", _HOW, taken.measures())
    section.targets = [
        Target("totals, beside json.load", taken.ratio("json.load", "totals"), least=2.5, unit="x faster"),
        Target("largest memory, totals", taken.of("totals", "peak_mib"), most=64, unit="MiB"),
        Target("largest memory, full store", taken.of("store", "peak_mib"), most=64, unit="MiB"),
    ]
    return section


def single(folder: Path, megabytes: int, rounds: int) -> Section:
    megabytes = megabytes * 3 // 5
    path = folder / "one.sarif"
    sast_data.one_result(path, megabytes)
    taken = Readings(path, ("json.load", "store"), rounds)
    section = Section(f"{megabytes} MB of SARIF in a single result", _HOW, taken.measures())
    section.targets = [Target("largest memory", taken.of("store", "peak_mib"), most=110, unit="MiB")]
    return section


def xml(folder: Path, megabytes: int, rounds: int) -> Section:
    path = folder / "bugs.xml"
    count = sast_data.spotbugs(path, megabytes)
    taken = Readings(path, ("defusedxml", "totals", "store"), rounds)
    section = Section(f"{megabytes} MB of SpotBugs XML, {count} bug instances", _HOW, taken.measures())
    section.targets = [
        Target("totals, beside defusedxml", taken.ratio("defusedxml", "totals"), least=2, unit="x faster"),
        Target("largest memory, totals", taken.of("totals", "peak_mib"), most=64, unit="MiB"),
    ]
    return section


def linear(folder: Path, megabytes: int, rounds: int) -> Section:
    """Small results in three sizes: the time for each megabyte stays what it was."""
    section = Section("Time by size", _HOW + " Small results, as above, in three sizes.")
    per_megabyte: dict[str, list[float]] = {"totals": [], "store": []}
    for size in (megabytes // 4, megabytes // 2, megabytes):
        path = folder / "size.sarif"
        sast_data.small_results(path, size)
        taken = Readings(path, ("totals", "store"), rounds, f", {size} MB")
        section.measures += taken.measures()
        for reader, seconds in per_megabyte.items():
            seconds.append(taken.of(reader, "cpu_s") / size)
    for reader, seconds in per_megabyte.items():
        name = f"{reader}: a megabyte of the largest beside one of the smallest"
        section.targets.append(Target(name, seconds[-1] / seconds[0], most=1.25, unit="x"))
    return section


def many(folder: Path, _megabytes: int, rounds: int) -> Section:
    section = Section("200 small reports in one call", "Seconds of a task, start of its process included.")
    ping = {"ansible.builtin.ping": {}, "register": "answer"}
    empty = [_task(ping) for _round in range(rounds)]
    section.measures = [Measure("a task that does nothing (ping)", tuple(empty))]
    for rules in (30, 300):
        reports = folder / f"many-{rules}"
        size = sast_data.many(reports, 200, rules=rules)
        read = {"knowngood.kube.sast_report": {"path": [str(reports)], "return_findings": 10}, "register": "answer"}
        seconds = [_task(read) for _round in range(rounds)]
        what = f"200 files of 20 results and {rules} rules, {size // 1000} kB each"
        section.measures.append(Measure(f"knowngood.kube.sast_report over {what}", tuple(seconds)))
        section.targets.append(
            Target(f"{what}, over the empty task", median(seconds) - median(empty), most=1.5, unit="s")
        )
    return section


def _task(task: dict[str, object]) -> float:
    return play([task], Path(sys.executable))[0]


_HOW = (
    "CPU seconds in a process of its own, imports apart, the readers in turn. `totals` counts by severity and state; "
    "`store` writes every finding with identity and redaction to a file."
)
_PARTS = {"small": small, "flows": flows, "single": single, "xml": xml, "linear": linear, "many": many}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.sast", description=__doc__)
    parser.add_argument("--only", default="", metavar="A,B", help=", ".join(_PARTS))
    parser.add_argument("--megabytes", type=int, default=200, help="size of the largest files (200)")
    parser.add_argument("--rounds", type=int, default=3, help="readings of each figure (3)")
    parser.add_argument("--write", action="store_true", help="put the figures into docs/benchmarks.md")
    options = parser.parse_args(arguments)
    names = [name for name in options.only.split(",") if name] or list(_PARTS)
    if unknown := set(names) - set(_PARTS):
        sys.exit(f"--only knows {', '.join(_PARTS)}; not {', '.join(sorted(unknown))}")
    done: list[Section] = []
    for name in names:
        say(f"measure {name}")
        with tempfile.TemporaryDirectory(prefix="kg-bench-") as folder:
            with loads(section := Section("", "")):
                made = _PARTS[name](Path(folder), options.megabytes, options.rounds)
            made.load = section.load
        done.append(made)
        print(section_text(made), flush=True)
        if options.write:
            # After each: what a later one breaks off loses nothing.
            write("figures of reports", report(done, facts("tests.bench.sast", arguments)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
