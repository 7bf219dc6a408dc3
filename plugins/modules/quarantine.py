#!/usr/bin/python
# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: quarantine
short_description: Isolates workloads and proves it
description:
  - Isolates workloads of an application, by a NetworkPolicy that denies all traffic or by scaling them down, and
    releases them again.
  - Proves what it did. A pod of its own tries each path to the workloads before and after, and RV(enforced) is true
    only when what was seen shows it. Many network plugins accept a NetworkPolicy and do not enforce it; this is found
    out and said.
  - Isolation is a finished operation that keeps what it found (replicas, suspension) on the workload, in annotations
    C(knowngood.io/quarantine), C(knowngood.io/quarantine-holders), C(knowngood.io/resting-replicas) and
    C(knowngood.io/incident). A restore or a rotation in between leaves an isolated workload isolated; only
    O(state=released) or an undo brings it back.
  - Several incidents may hold one workload. Each lets go for itself; what none of the others stands for is taken off,
    and with the last one the workload is open again.
  - Connections that exist when a NetworkPolicy is made may live on, depending on the network plugin. Scaling down ends
    them all.
version_added: 0.1.0
author: The knowngood.kube authors (@knowngood)
options:
  state:
    description:
      - V(isolated) isolates O(workloads).
      - V(released) takes policy and marks off, puts the replicas back, waits until the workloads are ready and tries
        the paths again. A workload that another incident holds as well stays isolated, and RV(why) says so.
    type: str
    choices: [isolated, released]
    default: isolated
  workloads:
    description:
      - Workloads of the application as C(Kind/name). Required with O(state=isolated).
      - With O(state=released) all isolated workloads of the application when left out.
    type: list
    elements: str
    default: []
  method:
    description:
      - V(network_policy) leaves pods running and denies them all traffic in and out. The way out is denied by the
        same policy and not tried.
      - V(scale_down) ends all pods. Deployments, StatefulSets and ReplicaSets go to zero replicas, a DaemonSet to a
        node label that no node has, Jobs and CronJobs are suspended. A bare pod is refused. A StatefulSet that would
        delete its claims when scaled down is told to retain them first.
    type: str
    choices: [network_policy, scale_down]
    default: network_policy
  incident:
    description:
      - Id of the incident this belongs to. An incident isolates a set of workloads once per method. Asked again
        nothing is changed, also after they were released, and what is seen is returned.
      - With O(state=released), workloads that only other incidents hold are an error. Left out, all holders let go.
    type: str
    default: ""
  probe_image:
    description:
      - Image of the probe pod. It needs C(sleep), C(sh) and one of C(python3), C(bash), C(nc) or C(curl).
      - When left out, an image of the application is taken, of a workload that is not being isolated if there is one.
    type: str
    default: ""
  probe_paths:
    description:
      - Paths to try. When left out, each port of each Service that selects the workloads, and each port of each of
        their pods.
    type: list
    elements: dict
    default: []
    suboptions:
      host:
        description: Name or address, as a pod of the namespace resolves it.
        type: str
        required: true
      port:
        description: TCP port.
        type: int
        required: true
      from:
        description: Where to try it from.
        type: dict
        suboptions:
          labels:
            description: Labels of the probe pod, so that it passes for a client that network policies let through.
            type: dict
  keep_unenforced:
    description:
      - Whether a NetworkPolicy that was shown not to hold is left in place. It is taken away again otherwise.
    type: bool
    default: false
  wait_timeout:
    description: Seconds to wait for pods to end, or to be ready again.
    type: int
    default: 300
  connect_timeout:
    description: Seconds that one attempt to connect is given.
    type: int
    default: 2
  settle_timeout:
    description:
      - Seconds that a path may take to close, or to open again, before it counts as it is. A path that has done so is
        not waited for.
      - When left out, 5 for a policy, and 20 for pods that end or come back, as the nodes learn of them one by one.
    type: int
seealso:
  - module: knowngood.kube.operation
extends_documentation_fragment:
  - knowngood.kube.application
  - knowngood.kube.kube_auth
  - knowngood.kube.operation
  - knowngood.kube.operation.live
  - knowngood.kube.attributes
  - knowngood.kube.attributes.live
attributes:
  check_mode:
    support: full
    details:
      - Nothing is tried in check mode, so RV(enforced) is false there.
  diff_mode:
    support: none
  idempotent:
    support: full
"""

EXAMPLES = r"""
- name: Cut the order service off
  knowngood.kube.quarantine:
    app:
      name: shop
      namespace: shop
    workloads: [Deployment/orders]
    incident: INC-2026-001
  register: cut_off

- name: Stop it where the network does not enforce policies
  knowngood.kube.quarantine:
    app:
      name: shop
      namespace: shop
    workloads: [Deployment/orders]
    method: scale_down
    incident: INC-2026-001
  when: not cut_off.enforced

- name: Let it work again
  knowngood.kube.quarantine:
    app:
      name: shop
      namespace: shop
    state: released
    incident: INC-2026-001
"""

RETURN = r"""
enforced:
  description:
    - Whether isolation was shown. With V(network_policy), at least one path was open before and none is after. With
      V(scale_down), no pod is left and no path is open.
    - False also where it is not known, and after a release. RV(why) says which.
  returned: success
  type: bool
  sample: true
released:
  description:
    - Whether the workloads were let go again, after they had been shown to be isolated. Then an incident that asks for
      the same isolation changes nothing. After a release, false while another incident holds one of them.
  returned: success
  type: bool
  sample: false
why:
  description: What RV(enforced) rests on.
  returned: success
  type: str
  sample: no pod is left, and 2 paths are closed
proof:
  description: What was seen on each path.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: Host and port.
      type: str
      sample: orders.shop.svc:8080
    workload:
      description: The workload behind it. Empty for a path of O(probe_paths).
      type: str
      sample: Deployment/orders
    via:
      description: The Service or pod it leads through, or V(given).
      type: str
      sample: Service shop/orders
    from:
      description: Where it was tried from. Labels of the probe pod, if any.
      type: dict
      sample: {}
    direction:
      description: Always V(ingress), from a probe pod to the workload.
      type: str
      sample: ingress
    evidence:
      description: How the evidence was come by. A pod inside the cluster tried it.
      type: str
      sample: in_cluster
    before:
      description: V(open), V(refused), V(timeout) or V(unresolved) before. Null where it was not tried.
      type: str
      sample: open
    after:
      description: The same after.
      type: str
      sample: refused
    enforced:
      description: Whether this path was seen to close. Null where that is not known.
      type: bool
      sample: true
state:
  description: What was asked for.
  returned: success
  type: str
  sample: isolated
method:
  description: The method that was asked for.
  returned: success
  type: str
  sample: scale_down
workloads:
  description: The workloads that were looked at.
  returned: success
  type: list
  elements: str
  sample: [Deployment/orders]
holdings:
  description: Each workload as it is now.
  returned: success
  type: list
  elements: dict
  contains:
    workload:
      description: The workload.
      type: str
      sample: Deployment/orders
    isolated:
      description: Whether it is marked as isolated, and has the policy or stands still.
      type: bool
      sample: true
    held_by:
      description: The operation that isolated it first.
      type: str
      sample: quarantine-shop-aa00000004
    incident:
      description: The incidents that hold it.
      type: str
      sample: INC-2026-001
    holders:
      description: Every C(operation) that holds it, with its C(incident) and C(method).
      type: list
      elements: dict
      sample: [{operation: quarantine-shop-aa00000004, incident: INC-2026-001, method: scale_down}]
    policy:
      description: The NetworkPolicy on it, if there is one.
      type: str
      sample: ""
    replicas:
      description: Pods wanted now.
      type: int
      sample: 0
    resting_replicas:
      description: Pods it goes back to.
      type: int
      sample: 2
notes:
  description: Who may undo this, and who else holds a workload.
  returned: success
  type: list
  elements: str
  sample: [Deployment/orders is managed by Argo CD application shop; it may undo this]
plan:
  description: The steps. What they touch, and whether they are done.
  returned: success
  type: list
  elements: dict
  sample: [{name: isolate Deployment/orders, touches: [Deployment shop/orders], state: todo}]
plan_hash:
  description: SHA-256 of the plan, equal in check mode and in the run that follows.
  returned: success
  type: str
  sample: 4f5c0f343b0931126a20f133d67c2b018a3b1c9e0d4f5a6b7c8d9e0f1a2b3c4d
operation:
  description: Id of the operation, for M(knowngood.kube.operation). Empty when there was nothing to do.
  returned: success
  type: str
  sample: quarantine-shop-aa00000004
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.knowngood.kube.plugins.module_utils._ansible.application import APP_ARGS, spec_of
from ansible_collections.knowngood.kube.plugins.module_utils._ansible.args import AUTH_ARGS, COMMON_ARGS
from ansible_collections.knowngood.kube.plugins.module_utils._ansible.frame import Frame, run_door
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.containment import contain
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.paths import given_paths
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.quarantine import Request
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.quarantine_actions import actions
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.state import engine
from ansible_collections.knowngood.kube.plugins.module_utils._core.clock import SystemClock

PATHS = {
    "host": {"type": "str", "required": True},
    "port": {"type": "int", "required": True},
    "from": {"type": "dict", "options": {"labels": {"type": "dict"}}},
}
ARGUMENTS = {
    **AUTH_ARGS,
    **COMMON_ARGS,
    **APP_ARGS,
    "state": {"type": "str", "choices": ["isolated", "released"], "default": "isolated"},
    "workloads": {"type": "list", "elements": "str", "default": []},
    "method": {"type": "str", "choices": ["network_policy", "scale_down"], "default": "network_policy"},
    "incident": {"type": "str", "default": ""},
    "probe_image": {"type": "str", "default": ""},
    "probe_paths": {"type": "list", "elements": "dict", "options": PATHS, "default": []},
    "keep_unenforced": {"type": "bool", "default": False},
    "wait_timeout": {"type": "int", "default": 300},
    "connect_timeout": {"type": "int", "default": 2},
    "settle_timeout": {"type": "int"},
}


def request_of(frame: Frame) -> Request:
    given = frame.params
    return Request(
        spec=spec_of(given),
        state=given["state"],
        method=given["method"],
        workloads=tuple(given["workloads"]),
        incident=given["incident"],
        image=given["probe_image"],
        paths=tuple(given_paths(given["probe_paths"])),
        keep_unenforced=given["keep_unenforced"],
        wait_timeout_s=given["wait_timeout"],
        connect_s=given["connect_timeout"],
        settle_s=settled_in(given),
    )


def settled_in(given: dict[str, Any]) -> int:
    if given["settle_timeout"] is not None:
        return int(given["settle_timeout"])
    return 5 if given["state"] == "isolated" and given["method"] == "network_policy" else 20


def run(frame: Frame) -> dict[str, object]:
    request = request_of(frame)
    cluster, clock, namespace = frame.connect(), SystemClock(), frame.state_namespace
    known = actions(cluster, state_namespace=namespace, clock=clock, reporter=frame.reporter)
    machine = engine(cluster, namespace, known, reporter=frame.reporter, stopping=frame.stopping, clock=clock)
    return contain(cluster, machine, request, check_mode=frame.check_mode)


def main() -> None:
    run_door(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), run)


if __name__ == "__main__":
    main()
