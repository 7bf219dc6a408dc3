# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A process of its own that isolates a workload: ``quarantine_worker.py KUBECONFIG NAMESPACE STATE_NAMESPACE``.

The tests kill it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import cast

from tests.cluster.handle import Cluster
from tests.integration.small_app import App

if __name__ == "__main__":
    kubeconfig, namespace, state = sys.argv[1:]
    nobody = cast(Cluster, None)
    App(nobody, namespace, state, Path(kubeconfig)).quarantine(method="scale_down", incident="INC-1")
