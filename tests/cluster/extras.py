# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a cluster has only on demand: cert-manager's controllers, the Gateway API, an S3 server, Velero, kwok.

Each is set up and its components named, by the starting cluster as well as for one that is already up.
"""

from __future__ import annotations

import shutil

from . import components, crds, images, manifests
from .api import Api
from .components import S3_KEY, S3_SECRET, Component
from .instance import Instance
from .keys import private

ORDER = ("certmanager", "gateway", "s3", "velero", "kwok")
_BUCKET = "velero"


def normalize(names: tuple[str, ...]) -> tuple[str, ...]:
    """In the order they are set up, with what they stand on."""
    wanted = {*names, *(("s3",) if "velero" in names else ())}
    return tuple(name for name in ORDER if name in wanted)


def components_of(instance: Instance, name: str) -> tuple[Component, ...]:
    """Nothing runs where it is only definitions, as with the Gateway API."""
    made = {
        "certmanager": components.certmanager,
        "s3": components.s3,
        "velero": components.velero,
        "kwok": components.kwok,
    }
    return (made[name](instance),) if name in made else ()


def set_up(instance: Instance, name: str, api: Api) -> None:
    """Definitions, folders and objects the components of ``name`` want to find."""
    if name == "certmanager":
        crds.apply(api, instance.bin / "certmanager-crds")
        api.apply(manifests.namespace("cert-manager"))
    elif name == "gateway":
        crds.apply(api, instance.bin / "gateway-crds")
    elif name == "s3":
        for folder in ("iam", "versions", "data", f"data/{_BUCKET}"):
            (instance.disk / "s3" / folder).mkdir(parents=True, exist_ok=True)
    elif name == "velero":
        _set_up_velero(instance, api)
    elif name == "kwok":
        # kwok takes one file; its modules ship one a stage.
        stages = sorted((instance.bin / "kwok-stages").glob("*.yaml"))
        (instance.run / "kwok.yaml").write_text("\n---\n".join(stage.read_text() for stage in stages))


def _set_up_velero(instance: Instance, api: Api) -> None:
    crds.apply(api, instance.bin / "velero-crds")
    home = instance.run / "velero"
    (home / "plugins").mkdir(parents=True, exist_ok=True)
    (instance.disk / "velero").mkdir(parents=True, exist_ok=True)
    shutil.copy(instance.bin / "velero-plugin-for-aws", home / "plugins" / "velero-plugin-for-aws")
    credentials = f"[default]\naws_access_key_id={S3_KEY}\naws_secret_access_key={S3_SECRET}\n"
    private(home / "credentials", credentials.encode())
    image = images.reference("work", images.bases()["work"])
    for manifest in manifests.velero(instance, _BUCKET, image):
        api.apply(manifest)
