# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Workload images without a registry.

The base images are made once a machine and imported into a *golden* containerd root. Each instance gets that root as
a tree of hard links: layers and blobs are never written in place, so this is safe, takes a moment and no space.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from . import configs, oci, packages, paths
from .errors import BuildFailed, NotUp
from .instance import Instance
from .progress import working

SUITE = "bookworm"
WORK_PACKAGES = (
    "ca-certificates",
    "curl",
    "haproxy",
    "mariadb-client-core",
    "mariadb-server-core",
    "nginx-light",
    "openssl",
    "postgresql-15",
    "procps",
    "python3",
    "python3-psycopg2",
    "redis-server",
    "restic",
)

_LEFT_OUT = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*")
# Bare servers: mariadb-server would bring 150 MB of management. The user it makes, and folders, are made here.
_HOOKS = (
    'chroot "$1" useradd --system --user-group --home-dir /var/lib/mysql --shell /usr/sbin/nologin mysql',
    'chroot "$1" install -d -o mysql -g mysql /var/lib/mysql /run/mysqld',
)
_WORK_CONFIG: dict[str, object] = {
    "Env": ["PATH=/usr/lib/postgresql/15/bin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
    "Cmd": ["/bin/sh"],
}
_PAUSE_CONFIG: dict[str, object] = {"Entrypoint": ["/catatonit", "-P"]}
_NAMESPACE = "k8s.io"


def repository(name: str) -> str:
    return f"rig.local/{name}"


def reference(name: str, image: oci.Image) -> str:
    """How a pod names the image: by digest."""
    return f"{repository(name)}@{image.digest}"


def golden() -> Path:
    """The golden root's folder for exactly this recipe; made by :func:`ensure`."""
    recipe = repr((SUITE, WORK_PACKAGES, _LEFT_OUT, _HOOKS, _WORK_CONFIG, _PAUSE_CONFIG, "1"))
    return paths.cache() / "images" / hashlib.sha256(recipe.encode()).hexdigest()[:12]


def bases() -> dict[str, oci.Image]:
    """The base images by name (``pause``, ``work``)."""
    stored = json.loads((golden() / "images.json").read_text())
    return {name: oci.Image.from_json(value) for name, value in stored.items()}


def ensure() -> Path:
    """Make the base images and the golden root unless they are there; one process at a time."""
    target = golden()
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (target / "images.json").exists():
            return target
        unfinished = target.with_name(f".{target.name}.new")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        _make(unfinished)
        shutil.rmtree(target, ignore_errors=True)
        unfinished.rename(target)
    return target


def _make(folder: Path) -> None:
    catatonit = shutil.which("catatonit")
    if not catatonit:
        raise BuildFailed("catatonit is missing")
    pause_layer = oci.layer_of({"/catatonit": Path(catatonit).read_bytes()}, ["/catatonit"])
    pause = oci.Image(_PAUSE_CONFIG, (oci.Layer(oci.digest_of(pause_layer), len(pause_layer)),))
    raw = folder / "work.raw.tar"
    with working("build image work (mmdebstrap)"):
        _mmdebstrap(raw)
    layer = oci.file_layer(raw)
    work = oci.Image(_WORK_CONFIG, (layer,))
    archives = {"pause": folder / "pause.tar", "work": folder / "work.tar"}
    oci.write(archives["pause"], pause, configs.PAUSE, {pause.layers[0].digest: pause_layer})
    oci.write(archives["work"], work, repository("work") + ":1", {layer.digest: raw})
    raw.unlink()
    with working("import images"):
        _import_into(folder, archives)
    for archive in archives.values():
        archive.unlink()
    images = {"pause": pause.to_json(), "work": work.to_json()}
    (folder / "images.json").write_text(json.dumps(images))


def _mmdebstrap(target: Path) -> None:
    command = [
        "mmdebstrap",
        "--mode=root",
        "--variant=essential",
        "--include=" + ",".join(WORK_PACKAGES),
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in _LEFT_OUT),
        *(f"--customize-hook={hook}" for hook in _HOOKS),
        SUITE,
        str(target),
        packages.mirror(),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildFailed(f"{' '.join(command)}\nfailed: {done.stderr.strip()[-3000:]}")


def _import_into(folder: Path, archives: Mapping[str, Path]) -> None:
    """Run a containerd of its own over ``folder/containerd`` for as long as the import takes."""
    with tempfile.TemporaryDirectory(prefix="kg-") as scratch:
        socket, config = Path(scratch) / "c.sock", Path(scratch) / "c.toml"
        config.write_text(configs.containerd_for_import(folder / "containerd", Path(scratch)))
        with (Path(scratch) / "log").open("w") as log:
            # A mount namespace of its own: what unpacking mounts is gone with the process, whatever happens.
            daemon = subprocess.Popen(
                ["unshare", "--mount", "--propagation", "private", "containerd", "--config", str(config)],
                stdout=log,
                stderr=log,
            )
        try:
            _wait_for(socket, daemon, Path(scratch) / "log")
            for name, archive in archives.items():
                import_archive(socket, archive, name)
        finally:
            daemon.terminate()
            daemon.wait(30)


def _wait_for(socket: Path, daemon: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end and daemon.poll() is None:
        if socket.exists():
            return
        time.sleep(0.05)
    raise BuildFailed(f"containerd did not start: {log.read_text()[-2000:]}")


def import_archive(socket: Path, archive: Path, name: str) -> None:
    command = ["ctr", "-a", str(socket), "-n", _NAMESPACE, "images", "import", "--digests"]
    command += ["--base-name", repository(name), str(archive)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildFailed(f"import of image {name} failed: {done.stderr.strip()[-2000:]}")


def give_to(instance: Instance) -> None:
    """The golden root as the instance's own: hard links, databases copied because they are written in place."""
    source, target = golden() / "containerd", instance.disk / "containerd"
    target.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-al", str(source), str(target)], check=True)
    for database in target.rglob("*.db"):
        fresh = database.with_suffix(".fresh")
        shutil.copyfile(database, fresh)
        fresh.replace(database)


def build_image(
    instance: Instance,
    name: str,
    files: Mapping[str, bytes],
    *,
    executable: Iterable[str] = (),
    base: str = "work",
    changes: oci.Changes | None = None,
) -> str:
    """Derive an image from a base by one layer with ``files`` and import it; returns ``rig.local/<name>@sha256:...``.

    Only the new layer travels: containerd already holds the base's.
    """
    if not instance.containerd_socket.exists():
        raise NotUp(f"instance {instance.number} is not up; start it with: python -m tests.cluster up")
    layer = oci.layer_of(files, executable)
    image = oci.derive(bases()[base], layer, changes or oci.Changes())
    descriptor, path = tempfile.mkstemp(prefix="kg-image-", suffix=".tar")
    os.close(descriptor)
    try:
        tag = image.digest.removeprefix("sha256:")[:12]
        oci.write(Path(path), image, f"{repository(name)}:{tag}", {image.layers[-1].digest: layer})
        import_archive(instance.containerd_socket, Path(path), name)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(path)
    return reference(name, image)
