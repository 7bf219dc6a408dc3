#!/usr/bin/python
# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate_info
short_description: Lists the certificates in Secrets, what is wrong with them, who uses them, and what is served
description:
  - Lists every Secret that holds a certificate under C(tls.crt), of whatever type it is, with its names, its end, who
    keeps it and which workloads use it.
  - Lints each one, for instance for a key of another certificate, a weak key or signature, a chain in the wrong order,
    or a leaf that outlives its CA.
  - With O(probe=true) it also asks the pods what they really serve, so that a process that never loaded a new
    certificate is found.
  - A private key is looked at only to see that it belongs to its certificate. None is kept or returned.
version_added: 0.1.0
author: The knowngood.kube authors (@knowngood)
options:
  namespaces:
    description: The namespaces to look in. All when left out, which needs the right to list Secrets everywhere.
    type: list
    elements: str
    default: []
  selector:
    description: A label selector for the Secrets.
    type: str
    default: ""
  expiring_within:
    description: Lists only certificates of which less than this is left, such as V(30d), expired ones included.
    type: str
  probe:
    description:
      - Whether the ready pods that use a certificate are asked what they serve, by a forwarded port.
      - Ports whose name or number speaks of TLS are asked, without such a one every port of the containers that use it.
    type: bool
    default: false
  copies:
    description: Whether the copies that M(knowngood.kube.certificate_rotation) keeps are listed as well.
    type: bool
    default: false
  query:
    description:
      - A JMESPath expression over the list of identities, such as V([?days_left<`30`].secret). It must give a list.
    type: str
seealso:
  - module: knowngood.kube.certificate_rotation
extends_documentation_fragment:
  - knowngood.kube.kube_auth
  - knowngood.kube.operation
  - knowngood.kube.attributes
  - knowngood.kube.attributes.info
requirements:
  - cryptography 42.0.0 or newer (Python library)
  - jmespath 1.0.1 or newer (Python library), for O(query)
"""

EXAMPLES = r"""
- name: What ends within a month, anywhere
  knowngood.kube.certificate_info:
    expiring_within: 30d
  register: ending

- name: What pods of the shop still serve an old certificate
  knowngood.kube.certificate_info:
    namespaces: [shop]
    probe: true
    query: "[?drift=='behind'].[namespace, secret, served[].pod]"
  register: behind
"""

RETURN = r"""
identities:
  description: One row a Secret, by namespace and name, or what O(query) makes of them.
  returned: success
  type: list
  elements: dict
  contains:
    secret:
      description: Name of the Secret.
      type: str
      sample: storefront-tls
    namespace:
      description: Its namespace.
      type: str
      sample: shop
    type:
      description: Its type.
      type: str
      sample: kubernetes.io/tls
    immutable:
      description: Whether it is immutable.
      type: bool
      sample: false
    role:
      description: V(staged) or V(previous) for a copy that a rotation keeps, else empty.
      type: str
      sample: ""
    error:
      description: Why the certificate cannot be read. The rows that describe it are empty then.
      type: str
      sample: ""
    subject:
      description: Its subject.
      type: str
      sample: CN=storefront
    issuer:
      description: Who issued it.
      type: str
      sample: CN=shop-ca
    serial:
      description: Its serial number, hexadecimal.
      type: str
      sample: 2f9a0c4be1d8
    not_before:
      description: When it begins.
      type: str
      sample: "2026-11-21T13:58:05Z"
    not_after:
      description: When it ends.
      type: str
      sample: "2027-02-19T13:58:05Z"
    days_left:
      description: Days until then, negative when it has expired.
      type: float
      sample: 89.9
    sans:
      description: Its subject alternative names, in their order.
      type: list
      elements: str
      sample: ["DNS:storefront.shop.svc", "IP:10.96.12.7"]
    fingerprint:
      description: SHA-256 of the certificate.
      type: str
      sample: sha256:0b5f8e9a7c6d5e4f3021a0b9c8d7e6f5040302010f0e0d0c0b0a090807060504
    spki:
      description: SHA-256 of its public key.
      type: str
      sample: sha256:9c8d7e6f5040302010f0e0d0c0b0a0908070605040b5f8e9a7c6d5e4f3021a0b
    key:
      description: Kind and size of its key.
      type: str
      sample: ECDSA-P-256
    ca:
      description: Whether it is a CA.
      type: bool
      sample: false
    chain_length:
      description: How many certificates C(tls.crt) holds.
      type: int
      sample: 1
    rotated_for:
      description: The incident for which it was last rotated.
      type: str
      sample: ""
    owner:
      description:
        - Who keeps the Secret. C(kind) is V(none), V(cert-manager), V(external-secrets), V(gitops), V(controller) or
          V(helm); C(name) says who; C(acts) whether it would undo a foreign write by itself.
      type: dict
      sample: {kind: none, name: "", acts: false}
    lint:
      description: What is wrong with it.
      type: list
      elements: dict
      contains:
        code:
          description: A stable word for it.
          type: str
          sample: outlives_ca
        severity:
          description: V(error) or V(warning).
          type: str
          sample: error
        what:
          description: What was found.
          type: str
          sample: it outlives its CA, which ends 2027-01-01T00:00:00Z
        rule:
          description: Where the rule comes from.
          type: str
          sample: RFC 5280 6.1.3
        cure:
          description: What helps.
          type: str
          sample: rotate the CA, then this
    consumers:
      description: Who uses it, and how it reaches them.
      type: list
      elements: dict
      contains:
        workload:
          description: The workload as C(Kind/name).
          type: str
          sample: Deployment/storefront
        container:
          description: Its container.
          type: str
          sample: nginx
        delivery:
          description: V(volume) (files are updated), V(sub_path), V(env) or V(init) (never updated in a running pod).
          type: str
          sample: volume
        path:
          description: Where it is mounted.
          type: str
          sample: /etc/tls
    served:
      description: What was seen to be served, with O(probe=true).
      type: list
      elements: dict
      sample: [{pod: storefront-0, port: 8443, path: port_forward, fingerprint: "sha256:0b5f8e9a", verified: false}]
    drift:
      description:
        - V(in_step) when all that was seen to be served is what is stored, V(behind) when something else is, and
          V(unknown) when nothing was seen.
      type: str
      sample: in_step
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.knowngood.kube.plugins.module_utils._ansible.args import AUTH_ARGS, COMMON_ARGS
from ansible_collections.knowngood.kube.plugins.module_utils._ansible.frame import Frame, run_door
from ansible_collections.knowngood.kube.plugins.module_utils._core.clock import SystemClock
from ansible_collections.knowngood.kube.plugins.module_utils._tls.inventory import answer, question

ARGUMENTS = {
    **AUTH_ARGS,
    **COMMON_ARGS,
    "namespaces": {"type": "list", "elements": "str", "default": []},
    "selector": {"type": "str", "default": ""},
    "expiring_within": {"type": "str"},
    "probe": {"type": "bool", "default": False},
    "copies": {"type": "bool", "default": False},
    "query": {"type": "str"},
    "include": {
        "type": "list",
        "elements": "str",
        "choices": ["secrets", "bundles", "references", "requests"],
        "default": ["secrets", "bundles", "references", "requests"],
    },
    "passphrases": {"type": "list", "elements": "str", "default": [], "no_log": True},
    "denied": {"type": "list", "elements": "str", "default": []},
    "textfile": {"type": "str"},
}


def run(frame: Frame) -> dict[str, object]:
    asked = question(frame.params, check_mode=frame.check_mode)
    return answer(frame.connect(), asked, SystemClock().now())


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    run_door(module, run, requires=("kubernetes", "cryptography"))


if __name__ == "__main__":
    main()
