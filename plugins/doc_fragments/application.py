# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option ``app`` (``_ansible/application.py``: ``APP_ARGS``)."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  app:
    description:
      - The application, one entry of the variable C(knowngood_apps). A key that nothing reads is an error.
      - C(name) and C(namespace) say which it is, and are required. Together with the cluster they are its identity.
      - C(selector) (a label selector, matched against workloads and their pods) and C(workloads) (a list of
        C(Kind/name)) say what belongs to it. Without both, every workload of the namespace does.
      - C(claims) lists its claims. Without it they are those that its workloads mount.
      - C(tls_secrets) lists Secrets with its certificates.
      - C(writers) declares, per claim, which workloads (C(Kind/name)) can write it. Without it every workload of the
        application is taken to write all of its volumes, also through the network.
      - C(hooks) and C(probes) say how its data is brought to rest and how it is looked at. C(pause) lists what makes
        its operators let go of it, see M(knowngood.kube.restore).
      - C(sources) lists the git checkouts of its source code, each with C(path) and C(digests) (image digest to
        commit). C(external_images) lists images that no scan covers, and what is assumed of them.
    type: dict
    required: true
"""
