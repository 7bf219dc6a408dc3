# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The CSI driver keeps the CSI specification's promises, as upstream's conformance suite sees them."""

from __future__ import annotations

import re
import secrets

import pytest

from tests.cluster import assets, loops
from tests.cluster.handle import Cluster

pytestmark = pytest.mark.rig


@pytest.mark.parametrize(("backend", "access"), [("subvolume", "mount"), ("image", "mount"), ("image", "block")])
def test_csi_sanity_passes(cluster: Cluster, backend: str, access: str) -> None:
    instance = cluster.own
    sanity = assets.resolve(("csi-sanity",))["csi-sanity"].path
    # On the Btrfs pool, so that subvolumes are what is tested, and apart from the cluster's own drivers.
    name = f"sanity-{secrets.token_hex(3)}"
    state, work = instance.volumes / name, instance.run / name
    script = f"""
set -e
mkdir -p {state} {work}
echo 'backend: {backend}' >{work}/parameters.yaml
{instance.bin}/csi-local --driver-name=sanity.csi.knowngood.test --endpoint={work}/s.sock --state-dir={state} \
    --mounts={work}/disks --node-id={name} >{work}/driver.log 2>&1 &
driver=$!
trap 'kill $driver; btrfs subvolume list -o {state} | wc -l; rm -rf {work}' EXIT
for _ in $(seq 100); do [ -S {work}/s.sock ] && break; sleep 0.05; done
{sanity} --ginkgo.no-color --csi.endpoint={work}/s.sock --csi.mountdir={work}/mount --csi.stagingdir={work}/stage \
    --csi.testvolumeparameters={work}/parameters.yaml --csi.testvolumeaccesstype={access}
"""
    done = cluster.inside("bash", "-c", script, check=False)
    found = re.search(r"(\d+) Passed \| (\d+) Failed", done.stdout)
    assert found, done.stdout[-3000:] + done.stderr[-3000:]
    passed, failed = int(found[1]), int(found[2])
    assert failed == 0, done.stdout[-6000:]
    assert passed >= 60
    assert [loop for loop in loops.attached() if loop.name.startswith(f"{name} ")] == []
