# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``python -m tests.fuzz ENGINE``: reports of the corpus, changed at random for so many minutes.

``mutations`` hurts them knowing that they are trees (``tests/corpus/damage.py``) and makes what fails as small as it
can. ``atheris`` follows which lines of the readers its inputs reach; it has an environment of its own. What failed is
kept in ``build/fuzz`` and is read first the next time.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.corpus.damage import damaged

if TYPE_CHECKING:
    from .target import Target

FAILED = Path(__file__).resolve().parents[2] / "build" / "fuzz"


def keep(content: bytes) -> Path:
    FAILED.mkdir(parents=True, exist_ok=True)
    path = FAILED / f"{hashlib.sha256(content).hexdigest()[:16]}.report"
    path.write_bytes(content)
    return path


def failed_before() -> list[bytes]:
    return [path.read_bytes() for path in sorted(FAILED.glob("*.report"))]


def mutations(target: Target, seconds: float, seed: int) -> int:
    """Damage upon damage. Gives how many inputs were read; raises at the first that does not hold."""
    from .target import seeds

    chance, given = random.Random(seed), [*failed_before(), *seeds()]
    end, count = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        content = given[count] if count < len(given) else chance.choice(given)
        if count >= len(given):
            for _time in range(chance.choice((1, 1, 2, 4))):
                content = damaged(content, chance)
        count += 1
        try:
            target.check(content)
        except Exception:
            print(f"kept as {keep(_smallest(target, content))}", file=sys.stderr)
            raise
    return count


def _smallest(target: Target, content: bytes) -> bytes:
    """As much as still fails, by leaving out ever smaller pieces."""
    size = max(1, len(content) // 2)
    while size:
        start = 0
        while start < len(content):
            shorter = content[:start] + content[start + size :]
            if _fails(target, shorter):
                content = shorter
            else:
                start += size
        size //= 2
    return content


def _fails(target: Target, content: bytes) -> bool:
    try:
        target.check(content)
    except Exception:
        return True
    return False


def atheris(seconds: float) -> None:
    """Does not come back: the engine ends the process itself."""
    import atheris as engine

    # Only code that is imported under the engine's eyes tells it which lines were reached.
    with engine.instrument_imports(include=["ansible_collections.knowngood.kube.plugins.module_utils"]):
        from . import target as watched

    corpus = FAILED / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for content in (*failed_before(), *watched.seeds()):
        (corpus / hashlib.sha256(content).hexdigest()[:16]).write_bytes(content)
    options = [f"-max_total_time={int(seconds)}", f"-artifact_prefix={FAILED}/", "-timeout=30", "-rss_limit_mb=1024"]
    target = watched.Target(watched.Watch())
    engine.Setup([sys.argv[0], *options, str(corpus)], target.check)
    engine.Fuzz()


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("engine", choices=("mutations", "atheris"))
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=None, help="of the mutations; chosen and printed if not given")
    options = parser.parse_args(arguments)
    if options.engine == "atheris":
        atheris(options.minutes * 60)
        return 0
    from .target import Target, Watch

    target = Target(Watch())
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(2**32)
    print(f"seed {seed}", flush=True)
    try:
        count = mutations(target, options.minutes * 60, seed)
    finally:
        target.close()
    print(f"{count} reports: {target.read} read, {target.refused} refused, nothing else happened")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
