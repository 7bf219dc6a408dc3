#!/usr/bin/python
# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight
short_description: Looks before anything starts
description:
  - Checks what the playbooks of this collection need. Each check says what was seen, and what to do where it is not
    good.
  - Reads only. Permissions are asked of the API server (C(SelfSubjectAccessReview)), one by one, and compared with the
    roles in C(docs/rbac) of the collection.
  - A server that cannot be reached, and credentials that it does not accept, end the module with a failure. All other
    findings are returned, and RV(ok) is false.
version_added: 0.1.0
author: The knowngood.kube authors (@knowngood)
options:
  for:
    description:
      - Playbooks to check the permissions for. Without any, permissions are not checked.
      - V(rotate_ca_cluster_issuer) is what V(rotate_ca) needs besides for the CA of a ClusterIssuer.
    type: list
    elements: str
    choices:
      - backup
      - incident_response
      - maintenance
      - preflight
      - restore
      - rotate_ca
      - rotate_ca_cluster_issuer
      - rotate_certificates
    default: []
  cluster_resource_namespace:
    description:
      - Where cert-manager keeps the Secrets of ClusterIssuers. The permissions of V(rotate_ca_cluster_issuer) are asked
        for in it.
    type: str
    default: cert-manager
  snapshot_class:
    description:
      - The VolumeSnapshotClass that will be named for capturing. Without it each driver needs one that is its default.
    type: str
    default: ""
extends_documentation_fragment:
  - knowngood.kube.application
  - knowngood.kube.kube_auth
  - knowngood.kube.operation
  - knowngood.kube.attributes.info
"""

EXAMPLES = r"""
- name: Could an incident be handled now?
  knowngood.kube.preflight:
    app:
      name: shop
      namespace: shop
    for: [incident_response, maintenance]
  register: looked

- name: Not if anything is missing
  ansible.builtin.assert:
    that: looked.ok
    fail_msg: "{{ looked.problems }}"
"""

RETURN = r"""
ok:
  description: Whether no check failed. Checks that could not be made do not count.
  returned: success
  type: bool
  sample: false
checks:
  description: All checks, in order.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description:
        - V(server), V(identity), V(clock), V(rbac) and the entry of O(for), V(state namespace), V(snapshot api),
          V(operations), V(application), V(claim) and its name, V(snapshot class of) and the driver.
      type: str
      sample: rbac incident_response
    ok:
      description: Whether it is good. Null where it could not be looked at.
      type: bool
      sample: false
    what:
      description: What was seen.
      type: str
      sample: "1 of 93 permissions are missing; in namespace shop: create pods/exec"
    cure:
      description: What to do. Empty where there is nothing to do.
      type: str
      sample: a cluster administrator applies docs/rbac/incident_response.yaml for this user and namespace
problems:
  description: The failed checks as sentences.
  returned: success
  type: list
  elements: str
  sample: ["claim uploads: it is Pending, not Bound. Next: kubectl describe pvc says what it waits for"]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.knowngood.kube.plugins.module_utils._ansible.application import APP_ARGS, spec_of
from ansible_collections.knowngood.kube.plugins.module_utils._ansible.args import AUTH_ARGS, COMMON_ARGS
from ansible_collections.knowngood.kube.plugins.module_utils._ansible.frame import Frame, run_door
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.preflight import answer, look
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.rbac import GRANTS
from ansible_collections.knowngood.kube.plugins.module_utils._core.clock import SystemClock
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.classes import SnapshotClass, choose

ARGUMENTS = {
    **AUTH_ARGS,
    **COMMON_ARGS,
    **APP_ARGS,
    "for": {"type": "list", "elements": "str", "choices": list(GRANTS), "default": []},
    "cluster_resource_namespace": {"type": "str", "default": "cert-manager"},
    "snapshot_class": {"type": "str", "default": ""},
}


def run(frame: Frame) -> dict[str, object]:
    wanted = frame.params["snapshot_class"]
    checks = look(
        frame.connect(),
        spec_of(frame.params),
        frame.params["for"],
        state_namespace=frame.state_namespace,
        cluster_resource_namespace=frame.params["cluster_resource_namespace"],
        clock=SystemClock(),
        class_problem=lambda classes, driver: choose(map(SnapshotClass.of, classes), driver, wanted).problem,
    )
    return answer(checks)


def main() -> None:
    run_door(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), run)


if __name__ == "__main__":
    main()
