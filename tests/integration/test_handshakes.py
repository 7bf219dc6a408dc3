# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A sample of the rotations under load: no connection fails, and the same harness sees the naive way fail.

``make handshakes`` runs every kind of server, a whole rotation of a CA, and at least 10,000 connections of each.
"""

from __future__ import annotations

import pytest

from tests.cluster.handle import Cluster
from tests.load.leaf import CLIENT, RELOAD, RESTART, Stage
from tests.load.scene import PROTOCOL_VERSIONS
from tests.load.servers import Server

pytestmark = pytest.mark.rig
SOME = 200


@pytest.fixture
def stage(cluster: Cluster, namespace: str) -> Stage:
    return Stage.made(cluster, namespace, Server("web", "nginx"))


def test_no_connection_fails_by_reload_and_restart_and_the_naive_swap_is_seen_to_fail(stage: Stage) -> None:
    scene, old = stage.scene, stage.web.leaf.fingerprint
    seen = [old]
    scene.wait_ok(SOME)
    for number, rollout in enumerate((RELOAD, RESTART)):
        stage.rotate(rollout, incident=f"INC-{number}")
        seen.append(stage.web.stored())
        scene.wait_ok(scene.counts().ok + SOME)
    counts = scene.counts()

    assert (counts.failed, counts.why) == (0, ())
    assert set(counts.served) == set(seen)
    assert len(set(seen)) == 3
    assert all(counts.version(name) > SOME for name in PROTOCOL_VERSIONS)

    stage.swap_naively()
    failed = scene.wait_failed(10)

    assert set(failed.served) == set(seen), "what is served then is trusted by nobody"
    assert any("certificate signed by unknown authority" in why for why in failed.why)
    scene.stop(CLIENT)
