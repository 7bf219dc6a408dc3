#!/usr/bin/python
# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: recovery_point_mark
short_description: Holds, releases or judges recovery points
description:
  - States in the ledger of an application that recovery points are held (pruning leaves them alone), released again, or
    judged. Nothing in the ledger is ever edited, so a mark is a new statement.
  - A point that is marked so already gets no statement.
version_added: 0.1.0
author: The knowngood.kube authors (@knowngood)
options:
  state:
    description:
      - V(held) keeps points from being pruned. A point may be held for several incidents, once for each.
      - V(released) ends what the same O(incident) holds, and leaves what others hold.
      - V(judged) records a verdict. It needs O(verdict), or O(verdicts).
    type: str
    choices: [held, released, judged]
    required: true
  ids:
    description: Ids of the recovery points. One that the ledger does not have is an error.
    type: list
    elements: str
    default: []
  all:
    description: Whether all points that are not pruned are meant, instead of O(ids).
    type: bool
    default: false
  reason:
    description: Why. Kept with the statement.
    type: str
    default: ""
  incident:
    description: Id of the incident this is done for.
    type: str
    default: ""
  verdict:
    description: The verdict on all of O(ids).
    type: str
    choices: [clean, unverified, exposed, suspect, compromised]
  verdicts:
    description:
      - Verdicts by id, as RV(knowngood.kube.known_good#module:verdicts) holds them. Each has C(verdict), and may have
        C(reasons) (a list) and C(rules).
      - Names the points itself, instead of O(ids), O(all) and O(verdict).
    type: dict
notes:
  - When the environment variable E(KNOWNGOOD_LEDGER_KEY_FILE) names a file with an Ed25519 private key (PEM, not
    encrypted), statements are signed with it. Otherwise they say V(unsigned).
seealso:
  - module: knowngood.kube.recovery_point_info
  - module: knowngood.kube.known_good
extends_documentation_fragment:
  - knowngood.kube.application
  - knowngood.kube.kube_auth
  - knowngood.kube.operation
  - knowngood.kube.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
"""

EXAMPLES = r"""
- name: Prune nothing while the incident is open
  knowngood.kube.recovery_point_mark:
    app:
      name: shop
      namespace: shop
    state: held
    all: true
    incident: INC-2026-001
    reason: evidence

- name: Record how the points were judged
  knowngood.kube.recovery_point_mark:
    app:
      name: shop
      namespace: shop
    state: judged
    verdicts: "{{ decision.verdicts }}"
    incident: INC-2026-001

- name: Let them go
  knowngood.kube.recovery_point_mark:
    app:
      name: shop
      namespace: shop
    state: released
    all: true
    incident: INC-2026-001
    reason: closed
"""

RETURN = r"""
statements:
  description: What was stated, or in check mode would be. Empty when everything is marked so already.
  returned: success
  type: list
  elements: dict
  contains:
    seq:
      description: Its place in the ledger. Absent in check mode, as are time, writer, hashes and signature.
      type: int
      sample: 13
    kind:
      description: V(held), V(released) or V(judged).
      type: str
      sample: held
    point:
      description: The recovery point.
      type: str
      sample: shop-20261121-140305-3f9a
    at:
      description: When.
      type: str
      sample: "2026-11-21T15:00:00Z"
    by:
      description: Who, as the cluster calls the user.
      type: str
      sample: system:serviceaccount:knowngood:operator
    body:
      description: Reason and incident; for a judgement the verdict with its reasons.
      type: dict
      sample: {reason: evidence, incident: INC-2026-001}
    hash:
      description: SHA-256 of the statement.
      type: str
      sample: 4f5c0f343b0931126a20f133d67c2b018a3b1c9e0d4f5a6b7c8d9e0f1a2b3c4d
    signature:
      description: V(unsigned), or the signature and the key it was made with.
      type: str
      sample: unsigned
plan:
  description: The steps. What they touch, and whether they are done.
  returned: success
  type: list
  elements: dict
  sample: [{name: state held, touches: [ledger shop/shop], state: todo}]
plan_hash:
  description: SHA-256 of the plan, equal in check mode and in the run that follows.
  returned: success
  type: str
  sample: 4f5c0f343b0931126a20f133d67c2b018a3b1c9e0d4f5a6b7c8d9e0f1a2b3c4d
operation:
  description: Id of the operation, for M(knowngood.kube.operation). Empty when there was nothing to do.
  returned: success
  type: str
  sample: mark-shop-aa00000004
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.knowngood.kube.plugins.module_utils._ansible.application import APP_ARGS
from ansible_collections.knowngood.kube.plugins.module_utils._ansible.args import AUTH_ARGS, COMMON_ARGS
from ansible_collections.knowngood.kube.plugins.module_utils._ansible.catalogue import mark
from ansible_collections.knowngood.kube.plugins.module_utils._ansible.frame import run_door

ARGUMENTS = {
    **AUTH_ARGS,
    **COMMON_ARGS,
    **APP_ARGS,
    "state": {"type": "str", "choices": ["held", "released", "judged"], "required": True},
    "ids": {"type": "list", "elements": "str", "default": []},
    "all": {"type": "bool", "default": False},
    "reason": {"type": "str", "default": ""},
    "incident": {"type": "str", "default": ""},
    "verdict": {"type": "str", "choices": ["clean", "unverified", "exposed", "suspect", "compromised"]},
    "verdicts": {"type": "dict"},
}


def main() -> None:
    run_door(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), mark)


if __name__ == "__main__":
    main()
