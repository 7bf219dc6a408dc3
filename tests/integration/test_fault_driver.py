# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Faults of the driver: what a capture, a restore and a prune make of each, on the real cluster."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from tests.cluster.faults import Faults
from tests.cluster.handle import Cluster
from tests.matrix.driver import HYDRATION_S, Case, cases, look
from tests.matrix.rows import Lane
from tests.matrix.scenarios import SCENARIOS, Bench

pytestmark = pytest.mark.rig


@pytest.fixture(scope="module")
def bench(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """One application for all cases: a case that leaves something behind fails by itself."""
    lane = Lane(cluster, tmp_path_factory.mktemp("lane"))
    yield lane.bench(next(scenario for scenario in SCENARIOS if scenario.claims == 1))
    lane.close()


@pytest.mark.parametrize("case", cases(HYDRATION_S["short"]), ids=lambda case: case.name)
def test_a_fault_of_the_driver_loses_nothing_and_leaves_nothing(bench: Bench, faults: Faults, case: Case) -> None:
    outcome, wrong = look(bench, faults, case, f"w-{secrets.token_hex(3)}")
    assert not wrong, f"{case.name}: {outcome}"
