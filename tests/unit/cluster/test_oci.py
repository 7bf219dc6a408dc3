# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images without a registry: same content, same digest; derived images carry only what is new."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tests.cluster import oci

BASE_LAYER = oci.layer_of({"/bin/sh": b"#!"}, ["/bin/sh"])
BASE = oci.Image(
    {"Env": ["PATH=/bin", "A=1"], "Cmd": ["/bin/sh"], "Labels": {"kept": "yes"}},
    (oci.Layer(oci.digest_of(BASE_LAYER), len(BASE_LAYER)),),
)
NAMES = st.text("abcdef", min_size=1, max_size=3)
FILES = st.dictionaries(st.builds("/{}/f-{}".format, NAMES, NAMES), st.binary(max_size=20), max_size=5)


@given(FILES)
def test_a_layer_holds_each_file_once_below_its_folders(files: dict[str, bytes]) -> None:
    seen: set[str] = set()
    with tarfile.open(fileobj=io.BytesIO(oci.layer_of(files))) as tar:
        for entry in tar:
            parent = str(Path(entry.name).parent)
            assert parent == "." or parent in seen
            assert entry.name not in seen
            seen.add(entry.name)
            if entry.isfile():
                content = tar.extractfile(entry)
                assert content
                assert content.read() == files["/" + entry.name]
    assert {"/" + name for name in seen} >= set(files)


@given(FILES)
def test_the_order_of_files_does_not_matter_to_the_digest(files: dict[str, bytes]) -> None:
    turned = dict(reversed(list(files.items())))
    assert oci.digest_of(oci.layer_of(files)) == oci.digest_of(oci.layer_of(turned))


def test_relative_and_absolute_paths_mean_the_same() -> None:
    assert oci.layer_of({"srv/a": b"1"}, ["/srv/a"]) == oci.layer_of({"/srv/a": b"1"}, ["srv/a"])


def test_executables_are_marked() -> None:
    with tarfile.open(fileobj=io.BytesIO(oci.layer_of({"/a": b"", "/b": b""}, ["/a"]))) as tar:
        assert {entry.name: entry.mode for entry in tar} == {"a": 0o755, "b": 0o644}


def test_a_derived_image_keeps_its_base_and_changes_what_is_asked() -> None:
    layer = oci.layer_of({"/srv/v": b"a1"})
    changes = oci.Changes(env={"A": "2", "B": "x=y"}, labels={"org.opencontainers.image.revision": "abc"}, user="1000")
    image = oci.derive(BASE, layer, changes)
    assert image.layers[:-1] == BASE.layers
    config = json.loads(image.config_blob)
    assert config["config"] == {
        "Env": ["PATH=/bin", "A=2", "B=x=y"],
        "Cmd": ["/bin/sh"],
        "Labels": {"kept": "yes", "org.opencontainers.image.revision": "abc"},
        "User": "1000",
    }
    assert config["rootfs"]["diff_ids"] == [one.digest for one in image.layers]
    assert image.digest != BASE.digest
    assert BASE.config["Env"] == ["PATH=/bin", "A=1"]


def test_a_new_command_replaces_the_entrypoint() -> None:
    base = oci.Image({"Entrypoint": ["/catatonit"]}, BASE.layers)
    assert oci.derive(base, b"", oci.Changes(cmd=("serve", "-v"))).config == {"Cmd": ["serve", "-v"]}


def test_images_survive_being_stored() -> None:
    assert oci.Image.from_json(json.loads(json.dumps(BASE.to_json()))) == BASE


def test_an_archive_holds_exactly_the_blobs_it_was_given(tmp_path: Path) -> None:
    layer = oci.layer_of({"/srv/v": b"a1"})
    image = oci.derive(BASE, layer, oci.Changes())
    stored = tmp_path / "layer"
    stored.write_bytes(layer)
    for content in (layer, stored):
        target = tmp_path / "image.tar"
        oci.write(target, image, "rig.local/app:1", {image.layers[-1].digest: content})
        with tarfile.open(target) as tar:
            blobs = {entry.name: tar.extractfile(entry).read() for entry in tar}
        index = json.loads(blobs.pop("index.json"))
        del blobs["oci-layout"]
        assert {oci.digest_of(blob) for blob in blobs.values()} == {name[6:].replace("/", ":") for name in blobs}
        assert index["manifests"][0]["digest"] == image.digest
        assert index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"] == "1"
        assert "blobs/" + BASE.layers[0].digest.replace(":", "/") not in blobs
