#!/usr/bin/python
# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate_rotation
short_description: Replaces certificates and proves on the wire that the new ones are served
description:
  - Gives TLS Secrets a new key and a new certificate from a CA that lives in a Secret, and is done when every pod that
    uses them was seen to serve the new one.
  - Everything but the key is kept. Subject, order of the names, key usages and other extensions, length of validity,
    kind and size of the key, the format of its PEM, other data keys, labels, annotations and owners of the Secret,
    and C(ca.crt) as it was found. C(tls.crt) becomes leaf and intermediates, without the root.
  - A certificate never outlives its CA. It begins five minutes in the past, for clocks that are behind.
  - The new pair waits in an immutable Secret while it is checked, then one write puts it in place, with the old pair
    archived in another immutable Secret beside it (RV(generations[].archive)). A write by anybody else in between
    stops the run, nothing of theirs is overwritten.
  - Pods that get the Secret as files are given O(reload_wait) to serve the new certificate by themselves. Workloads
    that are still behind then are restarted, others are not. Users by C(subPath), by environment or through an init
    container are always restarted.
  - The proof is a handshake with application bytes behind it, on several fresh connections to each pod
    (C(port_forward) in RV(proof[].path)), and once through the Service from inside the cluster (C(in_cluster), with
    O(probe_image)). What could not be seen is in RV(unproven), never taken for proven.
  - Killed at any moment, the same task again goes on with the same key. No key is ever in an option, a journal, a
    result or a file.
version_added: 0.1.0
author: The knowngood.kube authors (@knowngood)
options:
  app:
    description:
      - The application, one entry of the variable C(knowngood_apps). All targets are then one operation, which holds
        the lease of the application.
      - Its C(tls_secrets) are the targets when O(targets) is left out.
    type: dict
  targets:
    description:
      - The Secrets to rotate. Without O(app) each is an operation of its own.
    type: list
    elements: dict
    default: []
    suboptions:
      secret:
        description: Name of the Secret. It holds C(tls.crt) and C(tls.key), of whatever type it is.
        type: str
        required: true
      namespace:
        description: Its namespace. That of O(app) when left out.
        type: str
      service:
        description:
          - The Service through which it is served. When left out, the only Service that leads to the pods.
        type: str
      port:
        description:
          - The port on which TLS is spoken, as the Service or the pod numbers it. When left out, the one whose name or
            number says so.
          - With this or O(targets[].service), a pod that does not serve TLS there before the change is an error.
        type: int
      server_name:
        description: The host name to ask for. When left out, a name of the Service that the certificate holds.
        type: str
      protocol:
        description:
          - V(http) asks for a page and takes any HTTP status line for an answer. V(tls) is content with the handshake.
        type: str
        choices: [http, tls]
        default: http
      workloads:
        description:
          - The workloads that use it, as C(Kind/name). When left out, those whose pods or templates name the Secret.
        type: list
        elements: str
        default: []
  issuer:
    description: Who issues.
    type: dict
    required: true
    suboptions:
      ca_secret:
        description:
          - The Secret with the CA's certificate (C(tls.crt)) and key (C(tls.key)), as C(namespace/name), or C(name) in
            the namespace of the target. It must be the CA that issued the present certificate.
        type: str
        required: true
  key:
    description: The kind of the new key. V(same) makes one like the old one.
    type: str
    choices: [same, RSA-2048, RSA-3072, RSA-4096, ECDSA-P-256, ECDSA-P-384, ECDSA-P-521, Ed25519]
    default: same
  expiring_within:
    description:
      - Rotates a certificate when less than this is left of it, such as V(30d) or V(12h).
      - When left out, and without O(incident) and O(force), a certificate is due in the last third of its validity.
    type: str
  incident:
    description:
      - Id of the incident for which the certificates are rotated. It is written to the Secret as the annotation
        C(knowngood.io/rotated-for). A Secret that carries it is not rotated for the same incident again, nor is one
        that a finished operation rotated for it. RV(seen) then says what is there now.
    type: str
  force:
    description: Rotates whether due or not, each time it is run.
    type: bool
    default: false
  rollout:
    description: How processes that are behind get the new certificate. V(restart) rolls their workload.
    type: str
    choices: [restart]
    default: restart
  reload_wait:
    description: How long servers get to load the new files by themselves before they count as behind.
    type: str
    default: 5s
  probe_image:
    description:
      - Image of the pod that looks through the Service from inside the cluster. It needs C(sh), C(sleep) and one of
        C(python3) or C(openssl). When left out there is no such proof, and RV(unproven) says so.
    type: str
  wait_timeout:
    description: Seconds that the rollout of a workload may take.
    type: int
    default: 300
  on_failure:
    description:
      - What to do when the new certificate is not proven. V(undo) puts the old pair back, restarts what has to be and
        proves that the old one is served. V(hold) leaves it, for a person to resume or undo.
      - After a conflict with somebody else's write, and when stopped, it is always held. So is it when the old
        certificate has expired meanwhile.
    type: str
    choices: [undo, hold]
    default: undo
  keep_previous_for:
    description:
      - How long the old pair is kept, and M(knowngood.kube.operation) can undo the rotation. V(0) keeps nothing. A
        later run removes what is past its time.
    type: str
    default: 24h
seealso:
  - module: knowngood.kube.certificate_info
  - module: knowngood.kube.operation
extends_documentation_fragment:
  - knowngood.kube.kube_auth
  - knowngood.kube.operation
  - knowngood.kube.operation.live
  - knowngood.kube.attributes
  - knowngood.kube.attributes.live
requirements:
  - cryptography 42.0.0 or newer (Python library)
attributes:
  check_mode:
    support: full
    details:
      - No key is made in check mode.
  diff_mode:
    support: full
    details:
      - Shows fingerprints.
  idempotent:
    support: full
    details:
      - With O(force=true) each run rotates.
"""

EXAMPLES = r"""
- name: New keys for an incident, once
  knowngood.kube.certificate_rotation:
    targets:
      - secret: storefront-tls
        namespace: shop
        service: storefront
    issuer:
      ca_secret: shop/shop-ca
    incident: INC-2026-001
    probe_image: registry.example.com/tools/openssl:3
  register: rotated

- name: The same fingerprint on every pod
  ansible.builtin.assert:
    that:
      - rotated.proof | rejectattr('ok') | list | length == 0

- name: Whatever of an application ends within 30 days
  knowngood.kube.certificate_rotation:
    app:
      name: shop
      namespace: shop
      tls_secrets: [storefront-tls]
    issuer:
      ca_secret: shop-ca
    expiring_within: 30d

- name: Back to the certificate before
  knowngood.kube.operation:
    id: "{{ rotated.operation }}"
    state: undone
  when: rotated.operation | length > 0
"""

RETURN = r"""
generations:
  description: Old and new generation of each target that was rotated, or of the finished operation of the O(incident).
  returned: success
  type: list
  elements: dict
  contains:
    target:
      description: The Secret as C(namespace/name).
      type: str
      sample: shop/storefront-tls
    secret:
      description: Its name.
      type: str
      sample: storefront-tls
    namespace:
      description: Its namespace.
      type: str
      sample: shop
    old:
      description: SHA-256 of the old certificate.
      type: str
      sample: sha256:6dcf1e2b0f0a4f0c8f5d7e7c1c2f7f8f4c0a1b2c3d4e5f60718293a4b5c6d7e8
    old_not_after:
      description: When the old one ends.
      type: str
      sample: "2026-12-01T00:00:00Z"
    new:
      description: SHA-256 of the new certificate.
      type: str
      sample: sha256:0b5f8e9a7c6d5e4f3021a0b9c8d7e6f5040302010f0e0d0c0b0a090807060504
    spki:
      description: SHA-256 of the new public key.
      type: str
      sample: sha256:9c8d7e6f5040302010f0e0d0c0b0a0908070605040b5f8e9a7c6d5e4f3021a0b
    serial:
      description: Serial number of the new certificate, hexadecimal.
      type: str
      sample: 2f9a0c4be1d8
    key:
      description: Kind of the new key.
      type: str
      sample: ECDSA-P-256
    not_before:
      description: When the new one begins.
      type: str
      sample: "2026-11-21T13:58:05Z"
    not_after:
      description: When the new one ends.
      type: str
      sample: "2027-02-19T13:58:05Z"
    archive:
      description: The Secret that holds the old pair, for the way back.
      type: str
      sample: storefront-tls-prev-3f2a9c1b7d
proof:
  description: What was seen at the end, one row a pod and port and one a Service. Empty when nothing was rotated.
  returned: success
  type: list
  elements: dict
  contains:
    target:
      description: The Secret as C(namespace/name).
      type: str
      sample: shop/storefront-tls
    pod:
      description: The pod that was asked, empty for a row through the Service.
      type: str
      sample: storefront-7d4b9c6f5-x2x7k
    service:
      description: The Service that was gone through, empty for a pod.
      type: str
      sample: ""
    port:
      description: The port that was asked.
      type: int
      sample: 8443
    path:
      description: V(port_forward) or V(in_cluster).
      type: str
      sample: port_forward
    fingerprint:
      description: SHA-256 of the certificate that was served, empty when none was.
      type: str
      sample: sha256:0b5f8e9a7c6d5e4f3021a0b9c8d7e6f5040302010f0e0d0c0b0a090807060504
    expected:
      description: SHA-256 of the certificate that was to be served.
      type: str
      sample: sha256:0b5f8e9a7c6d5e4f3021a0b9c8d7e6f5040302010f0e0d0c0b0a090807060504
    ok:
      description: Whether it was served on every connection, trusted, with an answer. Null when it could not be seen.
      type: bool
      sample: true
    verified:
      description: Whether chain and host name hold against the CA.
      type: bool
      sample: true
    bytes:
      description: How many bytes of an answer came back. Null when none was asked for.
      type: int
      sample: 615
    status:
      description: The HTTP status line.
      type: str
      sample: HTTP/1.1 200 OK
    connections:
      description: How many fresh connections were made.
      type: int
      sample: 3
    why:
      description: What was wrong, or why nothing could be seen.
      type: str
      sample: ""
unproven:
  description: What could not be seen, so that nothing is known of it.
  returned: success
  type: list
  elements: str
  sample: ["shop/storefront-tls: through Service storefront"]
restarted:
  description: Workloads that were restarted, as C(Kind/name).
  returned: success
  type: list
  elements: str
  sample: [Deployment/storefront]
failed_handshakes:
  description:
    - How many connections of this module failed while it rotated. It is no measure of what other clients saw.
  returned: success
  type: int
  sample: 0
targets:
  description: What became of each target.
  returned: success
  type: list
  elements: dict
  contains:
    target:
      description: The Secret as C(namespace/name).
      type: str
      sample: shop/storefront-tls
    state:
      description: V(changed), V(due) (in check mode) or V(ok).
      type: str
      sample: changed
    reason:
      description: Why it is due, or that it is not.
      type: str
      sample: incident INC-2026-001
seen:
  description: What is stored and served now, of targets that were already rotated for O(incident).
  returned: success
  type: list
  elements: dict
  contains:
    target:
      description: The Secret as C(namespace/name).
      type: str
      sample: shop/storefront-tls
    stored:
      description: SHA-256 of the certificate that it holds.
      type: str
      sample: sha256:0b5f8e9a7c6d5e4f3021a0b9c8d7e6f5040302010f0e0d0c0b0a090807060504
    in_place:
      description: Whether that is the one that the rotation made. Null when its journal is gone.
      type: bool
      sample: true
    served:
      description: What pods serve, as in M(knowngood.kube.certificate_info).
      type: list
      elements: dict
      sample: []
    drift:
      description: Whether they serve what is stored, V(in_step), V(behind) or V(unknown).
      type: str
      sample: in_step
    why:
      description: What is wrong.
      type: str
      sample: ""
undo_until:
  description: Until when the old pair is kept. Empty when none is.
  returned: success
  type: str
  sample: "2026-11-22T14:03:05Z"
plan:
  description: The steps, done or to do.
  returned: success
  type: list
  elements: dict
  sample: [{name: commit shop/storefront-tls, touches: [Secret shop/storefront-tls], state: todo}]
plan_hash:
  description: SHA-256 of the plan, equal in check mode and in the run that follows.
  returned: success
  type: str
  sample: 4f5c0f343b0931126a20f133d67c2b018a3b1c9e0d4f5a6b7c8d9e0f1a2b3c4d
operation:
  description: Id of the (last) operation, for M(knowngood.kube.operation). Empty when there was nothing to do.
  returned: success
  type: str
  sample: rotation-storefront-tls-3f2a9c1b7d
operations:
  description: Ids of all operations of this call.
  returned: success
  type: list
  elements: str
  sample: [rotation-storefront-tls-3f2a9c1b7d]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.knowngood.kube.plugins.module_utils._ansible.args import AUTH_ARGS, COMMON_ARGS
from ansible_collections.knowngood.kube.plugins.module_utils._ansible.frame import Frame, run_door
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.state import engine
from ansible_collections.knowngood.kube.plugins.module_utils._core.clock import SystemClock
from ansible_collections.knowngood.kube.plugins.module_utils._tls.actions import actions
from ansible_collections.knowngood.kube.plugins.module_utils._tls.keys import KEY_CHOICES
from ansible_collections.knowngood.kube.plugins.module_utils._tls.request import request
from ansible_collections.knowngood.kube.plugins.module_utils._tls.rotation import rotate

TARGET = {
    "secret": {"type": "str", "required": True, "no_log": False},
    "namespace": {"type": "str"},
    "service": {"type": "str"},
    "port": {"type": "int"},
    "server_name": {"type": "str"},
    "protocol": {"type": "str", "choices": ["http", "tls"], "default": "http"},
    "workloads": {"type": "list", "elements": "str", "default": []},
}
ARGUMENTS = {
    **AUTH_ARGS,
    **COMMON_ARGS,
    "app": {"type": "dict"},
    "targets": {"type": "list", "elements": "dict", "options": TARGET, "default": []},
    "issuer": {
        "type": "dict",
        "required": True,
        "options": {"ca_secret": {"type": "str", "required": True, "no_log": False}},
    },
    "key": {"type": "str", "choices": list(KEY_CHOICES), "default": "same", "no_log": False},
    "expiring_within": {"type": "str"},
    "incident": {"type": "str"},
    "force": {"type": "bool", "default": False},
    "rollout": {"type": "str", "choices": ["restart"], "default": "restart"},
    "reload_wait": {"type": "str", "default": "5s"},
    "probe_image": {"type": "str"},
    "wait_timeout": {"type": "int", "default": 300},
    "on_failure": {"type": "str", "choices": ["undo", "hold"], "default": "undo"},
    "keep_previous_for": {"type": "str", "default": "24h"},
}


def run(frame: Frame) -> dict[str, object]:
    asked = request(frame.params)
    cluster, clock, namespace = frame.connect(), SystemClock(), frame.state_namespace
    known = actions(cluster, state_namespace=namespace, clock=clock, reporter=frame.reporter)
    machine = engine(cluster, namespace, known, reporter=frame.reporter, stopping=frame.stopping, clock=clock)
    on_failure = frame.params["on_failure"]
    found = rotate(cluster, asked, machine, clock=clock, on_failure=on_failure, check_mode=frame.check_mode)
    for what in found["unproven"]:
        frame.warn(f"not proven, as it could not be seen: {what}")
    return found


def main() -> None:
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        supports_check_mode=True,
        mutually_exclusive=[("force", "expiring_within"), ("incident", "expiring_within")],
    )
    run_door(module, run, requires=("kubernetes", "cryptography"))


if __name__ == "__main__":
    main()
