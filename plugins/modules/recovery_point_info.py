#!/usr/bin/python
# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: recovery_point_info
short_description: Reads the recovery points of an application
description:
  - Reads the ledger of an application and folds its statements into recovery points. What was captured, who may write
    it, who holds it, how it was judged, and whether it was restored, drilled or pruned.
  - Checks the whole chain of statements first. A statement that is missing, was altered or stands in the wrong place is
    an error that names it. That the end of the chain was cut off cannot be seen from the chain alone; RV(ledger.head)
    is there to be compared with what was noted elsewhere.
version_added: 0.1.0
author: The knowngood.kube authors (@knowngood)
options:
  since:
    description:
      - Only points cut at or after this time (C(2026-11-21T14:03:05Z)), or within this span before now (C(36h), C(7d)).
      - Points whose cut is not known are always returned.
    type: str
  query:
    description:
      - JMESPath expression that is applied to the list RV(recovery_points); its result is RV(result).
      - Needs the Python library jmespath.
    type: str
notes:
  - When the environment variable E(KNOWNGOOD_LEDGER_TRUSTED_KEYS_FILE) names a file with Ed25519 public keys (PEM),
    every statement from the first signed one on must carry a good signature by one of them.
seealso:
  - module: knowngood.kube.recovery_point
  - module: knowngood.kube.recovery_point_mark
  - module: knowngood.kube.known_good
extends_documentation_fragment:
  - knowngood.kube.application
  - knowngood.kube.kube_auth
  - knowngood.kube.operation
  - knowngood.kube.attributes.info
"""

EXAMPLES = r"""
- name: What is there of the last week?
  knowngood.kube.recovery_point_info:
    app:
      name: shop
      namespace: shop
    since: 7d
  register: shop_points

- name: Only the ids of what was judged clean
  knowngood.kube.recovery_point_info:
    app:
      name: shop
      namespace: shop
    query: "[?verdict == 'clean'].id"
  register: clean_points
"""

RETURN = r"""
recovery_points:
  description: The points in the order in which they were captured.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: Its name.
      type: str
      sample: shop-20261121-140305-3f9a
    cut_at:
      description: When each claim was cut.
      type: dict
      sample: {data-db-0: "2026-11-21T14:03:05Z"}
    consistency:
      description: V(application), V(crash) or V(fuzzy).
      type: str
      sample: crash
    consistency_reason:
      description: Why not better.
      type: str
      sample: one volume, no hook held its writers
    left_out:
      description: Claims of the application that it does not hold, with the reason. Empty for a whole point.
      type: dict
      sample: {scratch: "it is not on a CSI volume (pv-scratch)"}
    freeze_ms:
      description: How long writers of each claim were held, in milliseconds.
      type: dict
      sample: {data-db-0: 120}
    snapshots:
      description: The snapshot of each claim.
      type: list
      elements: dict
      sample: [{claim: data-db-0, snapshot: shop-3f9a-data-db-0, snapshot_handle: "7"}]
    digests:
      description: Digests of the images that ran at the cut, per workload.
      type: dict
      sample: {StatefulSet/db: ["sha256:9f2c0d6cbc5f9d5f5a9f5f0b9f4c3f0f6a6d0d0f1e2d3c4b5a69788766554433"]}
    commits:
      description: The commit of each digest as it was known at the cut. Null where it was not.
      type: dict
      sample: {}
    writers:
      description: Workloads that may write each claim.
      type: dict
      sample: {data-db-0: [StatefulSet/db]}
    purpose:
      description: What it was taken for.
      type: str
      sample: scheduled
    incident:
      description: The incident it was taken for, if any.
      type: str
      sample: ""
    held:
      description: Whether it is held.
      type: bool
      sample: false
    holds:
      description: By which incidents it is held, why and since when.
      type: list
      elements: dict
      sample: [{incident: INC-2026-001, reason: evidence, at: "2026-11-21T15:00:00Z"}]
    verdict:
      description: The last verdict. Null when it was never judged.
      type: str
      sample: clean
    judged:
      description: The last judgement, with reasons, incident and time. Null when it was never judged.
      type: dict
      sample: {verdict: clean, reasons: [], incident: INC-2026-001, rules: "", at: "2026-11-21T15:00:00Z"}
    verified:
      description: Whether it was restored in a drill that passed.
      type: bool
      sample: false
    state:
      description: V(available), or V(pruned) when its data was given up.
      type: str
      sample: available
    statements:
      description: Its statements, each with C(seq), C(kind), C(at), C(by), C(body), C(hash), C(prev) and C(signature).
      type: list
      elements: dict
      sample: []
ledger:
  description: The chain that was read and found whole.
  returned: success
  type: dict
  contains:
    statements:
      description: How many statements it has.
      type: int
      sample: 12
    head:
      description: SHA-256 of the last one. Empty for an empty ledger.
      type: str
      sample: 4f5c0f343b0931126a20f133d67c2b018a3b1c9e0d4f5a6b7c8d9e0f1a2b3c4d
    signed:
      description: How many of them carry a signature.
      type: int
      sample: 0
result:
  description: What O(query) gave.
  returned: when O(query) is set
  type: raw
  sample: [shop-20261121-140305-3f9a]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.knowngood.kube.plugins.module_utils._ansible.application import APP_ARGS
from ansible_collections.knowngood.kube.plugins.module_utils._ansible.args import AUTH_ARGS, COMMON_ARGS
from ansible_collections.knowngood.kube.plugins.module_utils._ansible.catalogue import info
from ansible_collections.knowngood.kube.plugins.module_utils._ansible.frame import run_door

ARGUMENTS = {**AUTH_ARGS, **COMMON_ARGS, **APP_ARGS, "since": {"type": "str"}, "query": {"type": "str"}}


def main() -> None:
    run_door(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), info)


if __name__ == "__main__":
    main()
