# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""OCI images as tar files, written with the standard library. Same content, same digest: no clocks in here."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

LAYER = "application/vnd.oci.image.layer.v1.tar"
CONFIG = "application/vnd.oci.image.config.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Layer:
    """One uncompressed layer: its digest is also its diff id."""

    digest: str
    size: int


@dataclass(frozen=True, slots=True)
class Image:
    """What an image is made of: ``config`` as in the OCI configuration (Env, Cmd, Labels ...), layers base first."""

    config: dict[str, object]
    layers: tuple[Layer, ...]

    @property
    def config_blob(self) -> bytes:
        rootfs = {"type": "layers", "diff_ids": [layer.digest for layer in self.layers]}
        return _json({"architecture": "amd64", "os": "linux", "config": self.config, "rootfs": rootfs})

    @property
    def manifest_blob(self) -> bytes:
        return _json(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": _descriptor(CONFIG, self.config_blob),
                "layers": [{"mediaType": LAYER, "digest": one.digest, "size": one.size} for one in self.layers],
            }
        )

    @property
    def digest(self) -> str:
        """The digest that ``name@sha256:...`` names."""
        return digest_of(self.manifest_blob)

    def to_json(self) -> dict[str, object]:
        return {"config": self.config, "layers": [[one.digest, one.size] for one in self.layers]}

    @classmethod
    def from_json(cls, value: dict[str, object]) -> Image:
        layers, config = value["layers"], value["config"]
        assert isinstance(layers, list)
        assert isinstance(config, dict)
        return cls(config, tuple(Layer(digest, size) for digest, size in layers))


@dataclass(frozen=True, slots=True)
class Changes:
    """What a derived image changes in its base's configuration; empty fields keep the base's."""

    env: Mapping[str, str] = field(default_factory=dict)
    cmd: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    workdir: str = ""


def digest_of(blob: bytes) -> str:
    return "sha256:" + hashlib.sha256(blob).hexdigest()


def file_layer(path: Path) -> Layer:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return Layer("sha256:" + digest.hexdigest(), path.stat().st_size)


def layer_of(files: Mapping[str, bytes], executable: Iterable[str] = ()) -> bytes:
    """A layer with these files (path in the image -> content) and the folders they need; owned by root."""
    runs = {_clean(path) for path in executable}
    contents = {_clean(path): content for path, content in files.items()}
    folders = sorted({str(parent) for path in contents for parent in Path(path).parents if str(parent) != "."})
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for folder in folders:
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        for path in sorted(contents):
            _add(tar, path, contents[path], 0o755 if path in runs else 0o644)
    return out.getvalue()


def derive(base: Image, layer: bytes, changes: Changes) -> Image:
    """``base`` with one more layer and its configuration changed."""
    config = dict(base.config)
    if changes.env:
        old = config.get("Env", [])
        assert isinstance(old, list)
        env = dict(str(one).split("=", 1) for one in old) | dict(changes.env)
        config["Env"] = [f"{key}={value}" for key, value in env.items()]
    if changes.cmd:
        config["Cmd"] = list(changes.cmd)
        config.pop("Entrypoint", None)
    if changes.labels:
        labels = config.get("Labels", {})
        assert isinstance(labels, dict)
        config["Labels"] = {**labels, **changes.labels}
    if changes.user:
        config["User"] = changes.user
    if changes.workdir:
        config["WorkingDir"] = changes.workdir
    return Image(config, (*base.layers, Layer(digest_of(layer), len(layer))))


def write(target: Path, image: Image, reference: str, layers: Mapping[str, bytes | Path]) -> None:
    """An OCI layout as a tar file that ``ctr images import`` takes.

    ``layers`` maps digests to content. A layer of ``image`` that is not given is left out: an importer that already
    holds the blob does not ask for it.
    """
    manifest = image.manifest_blob
    index = _json(
        {
            "schemaVersion": 2,
            "manifests": [
                {
                    **_descriptor(MANIFEST, manifest),
                    "annotations": {
                        "io.containerd.image.name": reference,
                        "org.opencontainers.image.ref.name": reference.rsplit(":", 1)[1],
                    },
                }
            ],
        }
    )
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as tar:
        _add(tar, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        _add(tar, "index.json", index)
        for blob in (image.config_blob, manifest):
            _add(tar, _blob_path(digest_of(blob)), blob)
        for digest, content in layers.items():
            if isinstance(content, bytes):
                _add(tar, _blob_path(digest), content)
                continue
            entry = tarfile.TarInfo(_blob_path(digest))
            entry.size, entry.mode = content.stat().st_size, 0o644
            with content.open("rb") as stream:
                tar.addfile(entry, stream)


def _blob_path(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


def _clean(path: str) -> str:
    return str(Path("/", path)).lstrip("/")


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _descriptor(media_type: str, blob: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "digest": digest_of(blob), "size": len(blob)}


def _add(tar: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    tar.addfile(entry, io.BytesIO(content))
