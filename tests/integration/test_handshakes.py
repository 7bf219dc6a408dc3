# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A sample of the rotations under load: no connection fails, and the same harness sees the naive way fail.

``make handshakes`` runs every kind of server, a whole rotation of a CA, and at least 10,000 connections of each. The
sample of the fault matrix restarts servers under the same clients.
"""

from __future__ import annotations

import pytest

from tests.cluster.handle import Cluster
from tests.load.leaf import CLIENT, RELOAD, Stage
from tests.load.scene import PROTOCOL_VERSIONS
from tests.load.servers import Server

pytestmark = pytest.mark.rig
SOME = 200


@pytest.fixture
def stage(cluster: Cluster, namespace: str) -> Stage:
    return Stage.made(cluster, namespace, Server("web", "nginx"))


def test_no_connection_fails_by_a_reload_and_the_naive_swap_is_seen_to_fail(stage: Stage) -> None:
    scene, old = stage.scene, stage.web.leaf.fingerprint
    scene.wait_ok(SOME)
    stage.rotate(RELOAD)
    new = stage.web.stored()
    counts = scene.wait_ok(scene.counts().ok + SOME)

    assert (counts.failed, counts.why) == (0, ())
    assert set(counts.served) == {old, new}
    assert old != new
    assert all(counts.version(name) > SOME // 2 for name in PROTOCOL_VERSIONS)

    stage.swap_naively()
    failed = scene.wait_failed(10)

    assert set(failed.served) == {old, new}, "what is served then is trusted by nobody"
    assert any("certificate signed by unknown authority" in why for why in failed.why)
    scene.stop(CLIENT)
