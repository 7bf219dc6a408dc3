# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where each program comes from, in one order, and said aloud.

``TEST_ASSET_<NAME>`` (one file), ``KUBEBUILDER_ASSETS`` (a folder), the cache for exactly this lock, a build.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from . import builds
from .errors import ClusterError
from .locks import BINARIES, FILES
from .progress import say


@dataclass(frozen=True, slots=True)
class Asset:
    name: str
    path: Path
    source: str


def variable(name: str) -> str:
    """``kube-apiserver`` -> ``TEST_ASSET_KUBE_APISERVER``."""
    return "TEST_ASSET_" + name.upper().replace("-", "_")


def given(name: str, environment: Mapping[str, str]) -> Asset | None:
    """What the environment names; a named file that does not exist is an error, not a reason to look on."""
    chosen = environment.get(variable(name))
    if chosen:
        if not Path(chosen).exists():
            raise ClusterError(f"{variable(name)}={chosen}: no such file")
        return Asset(name, Path(chosen).resolve(), variable(name))
    folder = environment.get("KUBEBUILDER_ASSETS")
    if folder and (Path(folder) / name).exists():
        return Asset(name, (Path(folder) / name).resolve(), "KUBEBUILDER_ASSETS")
    return None


def resolve(names: Iterable[str]) -> dict[str, Asset]:
    """Find or build each name; prints the source of each."""
    found: dict[str, Asset] = {}
    for name in names:
        item = BINARIES.get(name) or FILES[name]
        asset = given(name, os.environ)
        if asset is None:
            cached = builds.cached(item.lock, name)
            asset = Asset(name, cached, "cache") if cached else Asset(name, builds.build(name, item), "build")
        found[name] = asset
    _tell(found.values())
    return found


def _tell(found: Iterable[Asset]) -> None:
    by_source: dict[tuple[str, Path], list[str]] = {}
    for asset in found:
        by_source.setdefault((asset.source, asset.path.parent), []).append(asset.name)
    for (source, folder), names in by_source.items():
        say(f"{source} {folder}:", ", ".join(names))
