# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A process of its own that rotates: ``rotation_worker.py KUBECONFIG NAMESPACE [SOURCE [ROLLOUT]]``. The tests kill it.

``SOURCE`` is ``cert_manager`` or ``csr:SIGNER``; the CA Secret when left out.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ansible_collections.knowngood.kube.plugins.module_utils._tls.source import Source
from tests.cluster.handle import Cluster
from tests.integration.rotation_app import Web
from tests.unit.tls import pki

if __name__ == "__main__":
    kubeconfig, namespace, *more = sys.argv[1:]
    kind, colon, signer = (more[0] if more else "ca_secret").partition(":")
    rollout = more[1] if len(more) > 1 else "restart"
    nobody = pki.ca()
    source = Source(kind=kind, signer=signer, approve=True, timeout_s=60.0)
    Web(Cluster(Path(kubeconfig)), namespace, nobody, nobody).rotate(probe_image="", source=source, rollout=rollout)
