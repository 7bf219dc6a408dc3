#!/usr/bin/python
# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: operation
short_description: Lists, resumes, undoes, gives up and clears away operations
description:
  - Every change that this collection makes is an operation with a journal in the cluster. This module shows the
    journals, goes on with an operation that stands still, puts back what one has changed, and gives up one that can go
    neither forward nor back.
  - Works for operations of every kind. A restore, a rotation, a quarantine.
version_added: 0.1.0
author: The knowngood.kube authors (@knowngood)
options:
  state:
    description:
      - V(listed) shows the operations, newest first, and changes nothing.
      - V(resumed) goes on with an unfinished one, in the direction it was going.
      - V(undone) puts back what it changed, last step first, from wherever it stands. Where a later operation of the
        same kind has touched the same objects, that one has to be undone first. Where something that it needs is known
        to be gone, nothing is changed and the error says what.
      - V(abandoned) gives up an unfinished one that can go neither forward nor back, so that the application is free
        for others. Only its journal is written. RV(operations[].left) lists the steps that were begun and not undone,
        with the objects that they touch; a person has to look at those.
      - V(cleared) removes the journals of operations that ended longer than O(older_than) ago and whose time to undo
        is over. Those of workloads that are still isolated, of incidents that still hold a workload or a recovery
        point, of what an abandoned operation left frozen, of restores that were abandoned half-way, and the newest one
        of each application stay.
    type: str
    choices: [listed, resumed, undone, abandoned, cleared]
    default: listed
  id:
    description:
      - The operation. Required with O(state=undone) and O(state=abandoned).
      - With O(state=resumed) it can be left out when exactly one is unfinished.
    type: str
  reason:
    description:
      - Why the operation is abandoned. Kept with it. Required with O(state=abandoned).
    type: str
  older_than:
    description:
      - With O(state=cleared), how long ago an operation has to have ended, such as V(30d) or V(12h).
    type: str
    default: 30d
  app:
    description:
      - The application, as in the other modules. Only its C(name) and C(namespace) are looked at.
      - Without it, the operations on all applications are considered.
    type: dict
extends_documentation_fragment:
  - knowngood.kube.kube_auth
  - knowngood.kube.operation
  - knowngood.kube.operation.live
  - knowngood.kube.attributes
  - knowngood.kube.attributes.live
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - Shows the state of the operation before and after.
  idempotent:
    support: full
"""

EXAMPLES = r"""
- name: What is unfinished, what can be undone?
  knowngood.kube.operation:
    app:
      name: shop
      namespace: shop

- name: Go on with what was interrupted
  knowngood.kube.operation:
    app:
      name: shop
      namespace: shop
    state: resumed

- name: Put everything back as it was before the restore
  knowngood.kube.operation:
    id: restore-shop-3f2a9c1b7d
    state: undone

- name: Give up a restore whose kept volume is gone, so that others can be started
  knowngood.kube.operation:
    id: restore-shop-3f2a9c1b7d
    state: abandoned
    reason: the storage system lost the old volume, the claim was made anew by hand
  register: given_up

- name: What it left to look at
  ansible.builtin.debug:
    var: given_up.operations[0].left

- name: Remove journals that nobody needs any more
  knowngood.kube.operation:
    app:
      name: shop
      namespace: shop
    state: cleared
    older_than: 90d
"""

RETURN = r"""
operations:
  description:
    - The operations, newest first. With another O(state) than V(listed), the one that was worked on.
    - With O(state=cleared) those whose journals were removed, or would be in check mode.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: Its id, which O(id) takes.
      type: str
      sample: restore-shop-3f2a9c1b7d
    kind:
      description: What it does, such as V(restore), V(rotation), V(quarantine), V(capture), V(prune) or V(mark).
      type: str
      sample: restore
    target:
      description: The application as C(namespace/name).
      type: str
      sample: shop/shop
    key:
      description: What makes asking again the same operation.
      type: str
      sample: shop-20261121-140305-9f2c
    state:
      description: V(open), V(finished), V(undoing), V(undone) or V(abandoned).
      type: str
      sample: open
    started:
      description: When it was started.
      type: str
      sample: "2026-11-21T14:03:05Z"
    ended:
      description: When it ended, empty while it has not.
      type: str
      sample: ""
    step:
      description: The step at which it stands, empty when it has ended.
      type: str
      sample: swap data-db-0
    steps:
      description: Its steps in order.
      type: list
      elements: dict
      contains:
        name:
          description: What the step does.
          type: str
          sample: stop StatefulSet/db
        touches:
          description: The objects that it touches.
          type: list
          elements: str
          sample: [StatefulSet shop/db]
        state:
          description: V(todo), V(started), V(done), V(undoing) or V(undone).
          type: str
          sample: done
    left:
      description: The steps that were begun and not undone, as RV(operations[].steps). Their effect stands.
      type: list
      elements: dict
      sample: [{name: stop StatefulSet/db, touches: [StatefulSet shop/db], state: done}]
    abandoned:
      description: Of an abandoned operation C(by), C(reason) and the state in which it C(was). Empty for others.
      type: dict
      sample: {by: alice, reason: the old volume is gone, was: open}
    holder:
      description: Host, process and run that worked on it last.
      type: str
      sample: runner-1/4711/9f2c0d
    running:
      description: Whether that run holds the lease of the application right now.
      type: bool
      sample: false
    undo_until:
      description: Until when what it replaced is kept. Empty where nothing expires.
      type: str
      sample: "2026-11-24T14:03:05Z"
    kept_volumes:
      description:
        - Of a restore in place the volumes that it took out of use and that are kept, with C(claim), C(volume) and
          C(kept_until). Once it is undone these are the restored ones, with what was written to them since.
      type: list
      elements: dict
      sample: [{claim: data-db-0, volume: pvc-5d1f0f9e-6c0f-4df1-9d3b-0c1c2f9f6a77, kept_until: "2026-11-24T14:10:00Z"}]
    plan_hash:
      description: SHA-256 of its plan.
      type: str
      sample: 4f5c0f343b0931126a20f133d67c2b018a3b1c9e0d4f5a6b7c8d9e0f1a2b3c4d
    next:
      description: How to go on with it.
      type: str
      sample: run the same task again to go on
operation:
  description: The id of the operation that was worked on. Empty with O(state=listed) and O(state=cleared).
  returned: success
  type: str
  sample: restore-shop-3f2a9c1b7d
plan:
  description: The steps of the operation that was worked on, as in RV(operations[].steps), or the journals removed.
  returned: success
  type: list
  elements: dict
  sample: [{name: stop StatefulSet/db, touches: [StatefulSet shop/db], state: done}]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.knowngood.kube.plugins.module_utils._ansible.actions import all_actions
from ansible_collections.knowngood.kube.plugins.module_utils._ansible.application import spec_of
from ansible_collections.knowngood.kube.plugins.module_utils._ansible.args import AUTH_ARGS, COMMON_ARGS
from ansible_collections.knowngood.kube.plugins.module_utils._ansible.frame import Frame, run_door
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.operations import Asked, operate
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.state import engine
from ansible_collections.knowngood.kube.plugins.module_utils._core.clock import SystemClock
from ansible_collections.knowngood.kube.plugins.module_utils._core.durations import seconds

STATES = ["listed", "resumed", "undone", "abandoned", "cleared"]
ARGUMENTS = {
    **AUTH_ARGS,
    **COMMON_ARGS,
    "state": {"type": "str", "choices": STATES, "default": "listed"},
    "id": {"type": "str"},
    "reason": {"type": "str"},
    "older_than": {"type": "str", "default": "30d"},
    "app": {"type": "dict"},
}
REQUIRED = [("state", "undone", ["id"]), ("state", "abandoned", ["id", "reason"])]


def run(frame: Frame) -> dict[str, object]:
    cluster, clock, namespace = frame.connect(), SystemClock(), frame.state_namespace
    target = spec_of(frame.params).target if frame.params["app"] else ""
    actions = all_actions(cluster, namespace, clock, frame.reporter)
    machine = engine(cluster, namespace, actions, reporter=frame.reporter, stopping=frame.stopping, clock=clock)
    given = frame.params
    older_s = seconds(given["older_than"], "older_than")
    asked = Asked(given["state"], target, given["id"] or "", given["reason"] or "", older_s)
    return operate(cluster, machine, asked, state_namespace=namespace, clock=clock, check_mode=frame.check_mode)


def main() -> None:
    run_door(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True, required_if=REQUIRED), run)


if __name__ == "__main__":
    main()
