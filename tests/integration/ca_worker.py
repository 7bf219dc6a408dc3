# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A process of its own that rotates a CA: ``ca_worker.py KUBECONFIG NAMESPACE``. The tests kill it."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.cluster.handle import Cluster
from tests.integration.ca_app import Shop

if __name__ == "__main__":
    kubeconfig, namespace = sys.argv[1:]
    Shop(Cluster(Path(kubeconfig)), namespace).rotate()
