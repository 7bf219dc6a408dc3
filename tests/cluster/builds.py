# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Building from the locks with the Go client."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from pathlib import Path

from . import paths
from .errors import BuildFailed, NoGo
from .locks import ENVIRONMENT, FLAGS, GO_MINIMUM, Binary, Files, linker_flags, lock_hash, parse_go_version
from .progress import working

_WANTED = ".".join(map(str, GO_MINIMUM))


@functools.cache
def go_version() -> str:
    """``go1.26.8``, or "" where no Go client new enough is found (the Go client may fetch the wanted one itself)."""
    go = shutil.which("go")
    if not go:
        return ""
    # Asked inside a module: a toolchain that go.mod wants is then the one that answers.
    asked = subprocess.run([go, "env", "GOVERSION"], cwd=paths.GO / "k8s", capture_output=True, text=True, check=False)
    version = asked.stdout.strip()
    return version if asked.returncode == 0 and parse_go_version(version) >= GO_MINIMUM else ""


def require_go() -> str:
    version = go_version()
    if not version:
        raise NoGo(
            f"Go {_WANTED} or newer is needed to build the test cluster and is not in PATH: "
            "install it from https://go.dev/dl/ or give ready binaries with KUBEBUILDER_ASSETS or TEST_ASSET_<NAME>."
        )
    return version


def folder_of(lock: str) -> Path:
    """Where what this lock builds is kept: ``bin/<lock>-<hash>-<go version>``."""
    return paths.cache() / "bin" / f"{lock}-{lock_hash(lock)}-{require_go()}"


def cached(lock: str, name: str) -> Path | None:
    """What an earlier build left for exactly this lock; without Go any Go version's build is taken."""
    root, stem = paths.cache() / "bin", f"{lock}-{lock_hash(lock)}-"
    version = go_version()
    folders = [root / (stem + version)] if version else sorted(root.glob(stem + "*"))
    return next((folder / name for folder in folders if (folder / name).exists()), None)


def build(name: str, item: Binary | Files) -> Path:
    """Build one program, or copy one set of files, into the cache, in one step: a killed build leaves nothing."""
    target = folder_of(item.lock) / name
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f".{name}.{os.getpid()}")
    with working(f"build {name}"):
        if isinstance(item, Files):
            _copy_files(item, unfinished)
        else:
            _go_build(item, unfinished)
    if target.is_dir():
        shutil.rmtree(target)
    unfinished.rename(target)
    return target


def _go(lock: str, *arguments: str) -> str:
    done = subprocess.run(
        ["go", *arguments],
        cwd=paths.GO / lock,
        env={**os.environ, **ENVIRONMENT},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        tail = "\n".join(done.stderr.splitlines()[-20:])
        raise BuildFailed(f"go {arguments[0]} in {paths.GO / lock} failed:\n{tail}")
    return done.stdout


def _go_build(binary: Binary, target: Path) -> None:
    require_go()
    flags = linker_flags(binary, (paths.GO / binary.lock / "go.mod").read_text())
    _go(binary.lock, "build", *FLAGS, "-ldflags", flags, "-o", str(target), binary.package)


def _copy_files(files: Files, target: Path) -> None:
    _go(files.lock, "mod", "download", files.module)
    source = Path(_go(files.lock, "list", "-m", "-f", "{{.Dir}}", files.module).strip()) / files.folder
    found = sorted(path for glob in files.globs for path in source.glob(glob))
    if not found:
        raise BuildFailed(f"no {' '.join(files.globs)} in {source}")
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    for path in found:
        (target / path.name).write_bytes(path.read_bytes())
