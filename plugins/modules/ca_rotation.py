#!/usr/bin/python
# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ca_rotation
short_description: Replaces a CA, with both trusted until nothing of the old one is used
description:
  - Gives a CA that lives in a Secret a new key under a new name, without a moment in which a client does not trust what
    a server serves.
  - The phases are C(BASELINE), C(NEW_CA), C(TRUST_BOTH), C(TRUST_PROVEN), C(ISSUER_SWITCHED), C(LEAVES_REISSUED),
    C(OLD_UNUSED), C(OLD_DISTRUSTED), C(NEGATIVE_OK) and C(DONE). O(phase) ends a run after one of them, for days if
    need be. The same task with a later phase, or with none, goes on.
  - Trust only grows until nothing of the old CA is stored or served, seen twice. The new CA signs only once every
    consumer of a trust store was seen to have it, as object (T1), as file (T2, read in each pod) and loaded (T3, by a
    process that began after that, or by a server that lets in a client of the new CA).
  - Trust stores are the keys of ConfigMaps and Secrets in O(namespaces) and the C(caBundle) of webhooks that hold the
    CA. The new one is appended, other text is left alone. Leaves are the TLS Secrets there that this CA signed. Each
    gets its new certificate as M(knowngood.kube.certificate_rotation) gives it, with its proof, clients first.
  - The old CA is taken out of one store after the other. Where the consumers of one do not come up without it, it is
    put back there at once.
  - At the end a client of the old CA has to be turned away and one of the new CA let in, by the bytes of an answer,
    where O(mutual_tls) names such a server. Elsewhere RV(unproven) says that this was not tried.
  - M(knowngood.kube.operation) takes it back from any phase, until the old CA's key is destroyed (O(destroy_old_key)).
  - A CA whose key somebody else knows is given up with O(compromised), without overlap.
  - What it cannot see it names in RV(unproven). Stores in images, outside the cluster or outside O(namespaces) are not
    seen at all.
  - Killed at any moment, the same task again goes on with the same CA. No key is ever in an option, a journal, a result
    or a file.
version_added: 0.1.0
author: The knowngood.kube authors (@knowngood)
options:
  ca_secret:
    description:
      - The Secret with the CA's certificate (C(tls.crt)) and key (C(tls.key)), as C(namespace/name). Where it is not a
        root, O(parent_secret) is needed.
      - One of this, O(ca_issuer) and O(ca_cluster_issuer) is needed.
    type: str
  parent_secret:
    description:
      - Of a CA that is not a root, the Secret of the CA that signed it, as C(namespace/name). The root stays. The new
        generation is signed by it and does not outlive it.
      - Trust stores change only where they hold the CA itself. The old generation stands below the same root until it
        ends or is revoked, which RV(unproven) says.
    type: str
  bridge:
    description:
      - Sends the new CA, signed by the old one, behind each leaf. Clients that trust the old CA alone, as some that
        are not seen here may, accept the new leaves by it. It is taken out again in phase V(DONE).
      - For roots kept in a Secret of their own. Not possible where the old CA allows no CA below it.
    type: bool
    default: false
  ca_issuer:
    description:
      - An Issuer of cert-manager that signs with a CA, as C(namespace/name), where cert-manager keeps that CA itself.
        None of its Secrets is written.
      - A Certificate of the next generation is made beside the old one, named C(<certificate>-g<generation>). Once what
        it made is trusted, the Issuer is pointed at its Secret and the leaves are renewed through their Certificates.
        On the way back they are renewed once more.
      - Where cert-manager writes C(ca.crt) beside a leaf, it puts the new CA there together with the new leaf. Who
        trusts by that alone is named in RV(unproven).
    type: str
  ca_cluster_issuer:
    description:
      - A ClusterIssuer of cert-manager that signs with a CA, by its name. As O(ca_issuer) in all else.
      - The Certificate that keeps its CA, and the one of the next generation, are in O(cluster_resource_namespace).
        Trust stores, their consumers and leaves are looked for in O(namespaces) alone, of which at least one is needed.
        Where the first of them is meant, other options need no namespace.
      - Certificates of it in other namespaces stop the rotation before anything is changed, where they may be listed.
        Else RV(unproven) says that nothing is known of them.
    type: str
  cluster_resource_namespace:
    description: Where cert-manager keeps the Secrets of ClusterIssuers, its option of the same name.
    type: str
    default: cert-manager
  namespaces:
    description:
      - Where trust stores, their consumers and leaves are looked for, beside the CA's own namespace.
      - That of a ClusterIssuer's CA is looked at only where it is named here.
    type: list
    elements: str
    default: []
  generation:
    description:
      - The generation that the CA is to have, as in C(CN=shop-ca g2). A name without one counts as generation 1.
      - When left out, the CA is rotated by its age, see O(expiring_within).
    type: int
  expiring_within:
    description: Rotates the CA when less than this is left of it. When left out, in the last third of its validity.
    type: str
  compromised:
    description:
      - The CA's key is known to somebody else. Then both are trusted at no moment. The new CA takes the old one's place
        in every trust store by one write each, the leaves follow, and all processes that use one or the other are
        renewed together, those named in O(rereads) as well.
      - This is a downtime. RV(cost) says which, in check mode and before anything is changed. What takes time is made
        beforehand. O(phase=NEW_CA) ends there, with nothing changed that is in use. From then on it goes to the end in
        one go, and once the new CA signs there is no way back.
      - The old key goes on the deny-list in O(state_namespace), and the archive of the old pair is removed at the end.
        Other copies of the key in the CA's namespace and in O(namespaces) are named in RV(copies). A CA on the
        deny-list is not rotated in any other way.
      - Of a CA that is no root (O(parent_secret)) the root stays, and so does the trust in it. Whoever trusts that root
        goes on accepting what is signed with the old key, until the old CA ends, is revoked by the root, or the root
        is replaced itself. RV(cost) says so before and RV(unproven) after. RV(evidence) has whether the servers in
        O(mutual_tls) still let in a client of the old CA.
      - With O(ca_issuer) and O(ca_cluster_issuer) no pair of a leaf is made beforehand, as cert-manager puts what it
        makes into service itself. Once the issuer is pointed at the new CA, all leaves are renewed together, before
        trust is touched. The key that is given up is the one in the CA's Secret at that time, so its Certificate is
        not to be renewed before.
      - Needs O(generation).
    type: bool
    default: false
  phase:
    description: The phase to end after. With O(compromised) only V(BASELINE), V(NEW_CA) or V(DONE).
    type: str
    choices:
      - BASELINE
      - NEW_CA
      - TRUST_BOTH
      - TRUST_PROVEN
      - ISSUER_SWITCHED
      - LEAVES_REISSUED
      - OLD_UNUSED
      - OLD_DISTRUSTED
      - NEGATIVE_OK
      - DONE
    default: DONE
  leaves:
    description:
      - What is to be known of leaves beyond what is seen. All others that this CA signed are rotated as well.
    type: list
    elements: dict
    default: []
    suboptions:
      secret:
        description: Name of the Secret.
        type: str
        required: true
      namespace:
        description: Its namespace. That of the CA when left out.
        type: str
      role:
        description: V(client) leaves are issued before others.
        type: str
        choices: [client, server]
        default: server
      service:
        description: The Service through which it is served.
        type: str
      port:
        description: The port on which TLS is spoken.
        type: int
      server_name:
        description: The host name to ask for.
        type: str
      protocol:
        description: As in M(knowngood.kube.certificate_rotation).
        type: str
        choices: [http, tls, postgresql]
        default: http
      workloads:
        description: The workloads that use it, as C(Kind/name).
        type: list
        elements: str
        default: []
  mutual_tls:
    description:
      - Servers that ask clients for a certificate. Each is asked from a pod in the cluster, with short-lived
        certificates of the old and the new CA.
      - By PostgreSQL, a client counts as turned away with an error of SQLSTATE class 28. Over HTTP it does with the
        statuses 400, 401, 403, 495 and 496, and in both with a connection that ends without an answer.
    type: list
    elements: dict
    default: []
    suboptions:
      service:
        description: Its Service.
        type: str
        required: true
      namespace:
        description: Its namespace. That of the CA when left out.
        type: str
      port:
        description: The port of the Service.
        type: int
      server_name:
        description: The host name to ask for. C(<service>.<namespace>.svc) when left out.
        type: str
      client_secret:
        description: A TLS Secret of a client that it lets in. Its names and usages are copied, its key is not used.
        type: str
        required: true
      protocol:
        description: What it speaks. V(postgresql) asks for TLS as PostgreSQL does, and for O(mutual_tls[].database).
        type: str
        choices: [http, postgresql]
        default: http
      user:
        description: The user to ask PostgreSQL for. The common name of the client's certificate when left out.
        type: str
      database:
        description: The database to ask PostgreSQL for.
        type: str
        default: postgres
  rereads:
    description:
      - Workloads that read their trust anew by themselves, as C(Kind/name) or C(namespace/Kind/name). They are not
        restarted, and RV(unproven) says that this was declared, not seen.
    type: list
    elements: str
    default: []
  reloads:
    description:
      - Workloads that are told to load their files, trust and leaves, in place of a restart, once the files are seen to
        be there. That they have done so is shown where O(mutual_tls) names a Service of theirs, else RV(unproven) names
        them. What does not get its files as a whole volume is restarted all the same.
    type: list
    elements: dict
    default: []
    suboptions:
      workload:
        description: As C(Kind/name) in the CA's namespace, or C(namespace/Kind/name).
        type: str
        required: true
      signal:
        description: A signal to the first process of the container, such as V(HUP) for PostgreSQL.
        type: str
      command:
        description: A command to run in the container, such as V([nginx, -s, reload]).
        type: list
        elements: str
      container:
        description: The container. The first that uses the files when left out.
        type: str
  waive:
    description:
      - Consumers, stores and Secrets that are left out, as C(Kind/name), C(Kind namespace/name), or in any words for
        what is outside. Each is in RV(unproven).
    type: list
    elements: str
    default: []
  webhooks:
    description: Whether the C(caBundle) of admission webhooks is looked at.
    type: bool
    default: true
  key:
    description: The kind of the CA's new key. V(same) makes one like the old one.
    type: str
    choices: [same, RSA-2048, RSA-3072, RSA-4096, ECDSA-P-256, ECDSA-P-384, ECDSA-P-521, Ed25519]
    default: same
  probe_image:
    description:
      - Image of the pods that look from inside the cluster. It needs C(sh), C(sleep) and C(python3).
    type: str
  overlap:
    description: How long the old CA must at least have left, as both are trusted meanwhile.
    type: str
    default: 24h
  soak:
    description: Time between the two looks that find nothing of the old CA.
    type: str
    default: 5s
  propagation:
    description: How long a kubelet may take to bring new files to a pod. Waited for only where files cannot be read.
    type: str
    default: 90s
  reload_wait:
    description: How long servers get to load a new leaf by themselves before they are restarted.
    type: str
    default: 5s
  wait_timeout:
    description: Seconds that a rollout, or the arrival of files, may take.
    type: int
    default: 300
  keep_previous_for:
    description: How long the old pairs of leaves are kept for the way back.
    type: str
    default: 30d
  destroy_old_key:
    description:
      - Removes the old CA's key at the very end. From then on there is no way back. Can be asked for in a later run.
    type: bool
    default: false
seealso:
  - module: knowngood.kube.certificate_rotation
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
"""

EXAMPLES = r"""
- name: Trust a second generation everywhere, and stop there
  knowngood.kube.ca_rotation:
    ca_secret: shop/shop-ca
    generation: 2
    phase: TRUST_PROVEN
  register: rotated

- name: Days later, all the rest
  knowngood.kube.ca_rotation:
    ca_secret: shop/shop-ca
    generation: 2
    probe_image: registry.example.com/tools/python:3
    mutual_tls:
      - service: storefront
        client_secret: worker-tls

- name: PostgreSQL, which is told to load its files and never restarted
  knowngood.kube.ca_rotation:
    ca_secret: shop/shop-ca
    generation: 2
    probe_image: registry.example.com/tools/python:3
    leaves:
      - secret: worker-tls
        role: client
      - secret: db-tls
        protocol: postgresql
        service: db
    reloads:
      - workload: StatefulSet/db
        signal: HUP
    mutual_tls:
      - service: db
        protocol: postgresql
        client_secret: worker-tls

- name: A CA that cert-manager keeps
  knowngood.kube.ca_rotation:
    ca_issuer: shop/shop-issuer
    generation: 2
    probe_image: registry.example.com/tools/python:3

- name: A CA of cert-manager that signs for more than one namespace
  knowngood.kube.ca_rotation:
    ca_cluster_issuer: company
    namespaces: [shop, billing]
    generation: 2
    probe_image: registry.example.com/tools/python:3

- name: Somebody else has the CA's key, so make all that takes time, and look at what the rest will cost
  knowngood.kube.ca_rotation:
    ca_secret: shop/shop-ca
    generation: 3
    compromised: true
    phase: NEW_CA
  register: prepared

- name: Give it up
  knowngood.kube.ca_rotation:
    ca_secret: shop/shop-ca
    generation: 3
    compromised: true
    probe_image: registry.example.com/tools/python:3
    mutual_tls:
      - service: storefront
        client_secret: worker-tls
  when: prepared.cost | length > 0

- name: Back to the CA before
  knowngood.kube.operation:
    id: "{{ rotated.operation }}"
    state: undone
  when: rotated.operation | length > 0
"""

RETURN = r"""
phase:
  description: The last phase that is complete. Empty before the first.
  returned: success
  type: str
  sample: TRUST_PROVEN
phases:
  description: Each phase with how many steps it has, and how many of them are done.
  returned: success
  type: list
  elements: dict
  sample: [{phase: TRUST_BOTH, steps: 2, done: 2}]
ca:
  description: SHA-256 of the certificates of the C(old) CA and of the C(new) one, empty where that is not made.
  returned: success
  type: dict
  sample:
    old: sha256:6dcf1e2b0f0a4f0c8f5d7e7c1c2f7f8f4c0a1b2c3d4e5f60718293a4b5c6d7e8
    new: sha256:0b5f8e9a7c6d5e4f3021a0b9c8d7e6f5040302010f0e0d0c0b0a090807060504
evidence:
  description: What was seen, in the order in which it was.
  returned: success
  type: list
  elements: dict
  contains:
    phase:
      description: The phase that it belongs to.
      type: str
      sample: TRUST_PROVEN
    subject:
      description: The store, consumer, server or leaf.
      type: str
      sample: shop/Deployment/worker
    level:
      description: V(T1) the object, V(T2) the file, V(T3) the process.
      type: str
      sample: T3
    how:
      description:
        - V(object), V(file), V(start) (of a pod, after the time that a kubelet may take), V(restart), V(reload),
          V(application) (bytes of an answer), V(handshake), V(declared) or V(waived).
      type: str
      sample: restart
    ok:
      description: Whether it held. Null when that could not be seen.
      type: bool
      sample: true
    pods:
      description: How many pods, connections or ports were seen.
      type: int
      sample: 2
    sha256:
      description: SHA-256 of the trust store's text.
      type: str
      sample: sha256:9c8d7e6f5040302010f0e0d0c0b0a0908070605040b5f8e9a7c6d5e4f3021a0b
    why:
      description: What else was seen, or why nothing was.
      type: str
      sample: ""
unproven:
  description: What could not be seen, so that nothing is known of it.
  returned: success
  type: list
  elements: str
  sample: ["NEGATIVE_OK T3 shop/Deployment/worker: that it turns the old CA away: no server was declared for it"]
stores:
  description: The trust stores, and what they hold.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: V(ConfigMap), V(Secret) or the kind of a webhook configuration.
      type: str
      sample: ConfigMap
    namespace:
      description: Its namespace, empty for webhooks.
      type: str
      sample: shop
    name:
      description: Its name.
      type: str
      sample: trust
    key:
      description: The data key, or the webhook's name.
      type: str
      sample: ca.crt
    state:
      description: V(old), V(both) or V(new), as the operation has left it.
      type: str
      sample: both
leaves:
  description: The leaves of this CA.
  returned: success
  type: list
  elements: dict
  contains:
    target:
      description: The Secret as C(namespace/name).
      type: str
      sample: shop/storefront-tls
    role:
      description: V(client) or V(server).
      type: str
      sample: server
    new:
      description: SHA-256 of the new certificate, empty before it is issued.
      type: str
      sample: sha256:0b5f8e9a7c6d5e4f3021a0b9c8d7e6f5040302010f0e0d0c0b0a090807060504
    operation:
      description: The operation of kind C(rotation) that issued and proved it.
      type: str
      sample: rotation-storefront-tls-3f2a9c1b7d
    proof:
      description: As in M(knowngood.kube.certificate_rotation).
      type: list
      elements: dict
      sample: []
    unproven:
      description: As in M(knowngood.kube.certificate_rotation).
      type: list
      elements: str
      sample: []
restarted:
  description: Workloads that have loaded another trust with new processes, as C(namespace/Kind/name).
  returned: success
  type: list
  elements: str
  sample: [shop/Deployment/worker]
cost:
  description: With O(compromised), what it takes - the downtime, who is restarted, and that there is no way back.
  returned: success
  type: list
  elements: str
  sample: ["restarted together, without regard to each other: shop/Deployment/storefront, shop/Deployment/worker"]
downtime_s:
  description:
    - With O(compromised), seconds from the first change of a trust store to the end of the proof. Null while that is
      not over, and where there was an overlap.
  returned: success
  type: float
  sample: 14.2
copies:
  description: With O(compromised), where else in its namespace the old CA's key is, by name.
  returned: success
  type: list
  elements: dict
  contains:
    object:
      description: The object.
      type: str
      sample: Secret shop/backup
    place:
      description: The data key or annotation.
      type: str
      sample: data ca.key
    what:
      description: What it is there for, as far as that can be told.
      type: str
      sample: a Secret with the same key
    purged:
      description: Whether it was removed.
      type: bool
      sample: false
failed_handshakes:
  description: How many connections of this module failed. It is no measure of what other clients saw.
  returned: success
  type: int
  sample: 0
plan:
  description: The steps, done or to do.
  returned: success
  type: list
  elements: dict
  sample: [{name: trust ConfigMap shop/trust ca.crt, touches: [ConfigMap shop/trust], state: todo}]
plan_hash:
  description: SHA-256 of the plan, equal in check mode and in the run that follows.
  returned: success
  type: str
  sample: 4f5c0f343b0931126a20f133d67c2b018a3b1c9e0d4f5a6b7c8d9e0f1a2b3c4d
operation:
  description: Id of the operation, for M(knowngood.kube.operation). Empty when there is none.
  returned: success
  type: str
  sample: ca-rotation-shop-ca-3f2a9c1b7d
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.knowngood.kube.plugins.module_utils._ansible.args import AUTH_ARGS, COMMON_ARGS
from ansible_collections.knowngood.kube.plugins.module_utils._ansible.frame import Frame, run_door
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.state import engine
from ansible_collections.knowngood.kube.plugins.module_utils._core.clock import SystemClock
from ansible_collections.knowngood.kube.plugins.module_utils._tls.actions import actions
from ansible_collections.knowngood.kube.plugins.module_utils._tls.ca_plan import DONE, PHASES
from ansible_collections.knowngood.kube.plugins.module_utils._tls.ca_request import ca_request
from ansible_collections.knowngood.kube.plugins.module_utils._tls.ca_rotation import rotate_ca
from ansible_collections.knowngood.kube.plugins.module_utils._tls.keys import KEY_CHOICES

LEAF = {
    "secret": {"type": "str", "required": True, "no_log": False},
    "namespace": {"type": "str"},
    "role": {"type": "str", "choices": ["client", "server"], "default": "server"},
    "service": {"type": "str"},
    "port": {"type": "int"},
    "server_name": {"type": "str"},
    "protocol": {"type": "str", "choices": ["http", "tls", "postgresql"], "default": "http"},
    "workloads": {"type": "list", "elements": "str", "default": []},
}
MUTUAL = {
    "service": {"type": "str", "required": True},
    "namespace": {"type": "str"},
    "port": {"type": "int"},
    "server_name": {"type": "str"},
    "client_secret": {"type": "str", "required": True, "no_log": False},
    "protocol": {"type": "str", "choices": ["http", "postgresql"], "default": "http"},
    "user": {"type": "str"},
    "database": {"type": "str", "default": "postgres"},
}
RELOAD = {
    "workload": {"type": "str", "required": True},
    "signal": {"type": "str"},
    "command": {"type": "list", "elements": "str"},
    "container": {"type": "str"},
}
WHICH = ("ca_secret", "ca_issuer", "ca_cluster_issuer")
ARGUMENTS = {
    **AUTH_ARGS,
    **COMMON_ARGS,
    "ca_secret": {"type": "str", "no_log": False},
    "ca_issuer": {"type": "str"},
    "ca_cluster_issuer": {"type": "str"},
    "cluster_resource_namespace": {"type": "str", "default": "cert-manager"},
    "bridge": {"type": "bool", "default": False},
    "parent_secret": {"type": "str", "no_log": False},
    "namespaces": {"type": "list", "elements": "str", "default": []},
    "generation": {"type": "int"},
    "expiring_within": {"type": "str"},
    "compromised": {"type": "bool", "default": False},
    "phase": {"type": "str", "choices": list(PHASES), "default": DONE},
    "leaves": {"type": "list", "elements": "dict", "options": LEAF, "default": []},
    "mutual_tls": {"type": "list", "elements": "dict", "options": MUTUAL, "default": []},
    "rereads": {"type": "list", "elements": "str", "default": []},
    "reloads": {
        "type": "list",
        "elements": "dict",
        "options": RELOAD,
        "default": [],
        "mutually_exclusive": [("signal", "command")],
        "required_one_of": [("signal", "command")],
    },
    "waive": {"type": "list", "elements": "str", "default": []},
    "webhooks": {"type": "bool", "default": True},
    "key": {"type": "str", "choices": list(KEY_CHOICES), "default": "same", "no_log": False},
    "probe_image": {"type": "str"},
    "overlap": {"type": "str", "default": "24h"},
    "soak": {"type": "str", "default": "5s"},
    "propagation": {"type": "str", "default": "90s"},
    "reload_wait": {"type": "str", "default": "5s"},
    "wait_timeout": {"type": "int", "default": 300},
    "keep_previous_for": {"type": "str", "default": "30d"},
    "destroy_old_key": {"type": "bool", "default": False, "no_log": False},
}


def run(frame: Frame) -> dict[str, object]:
    asked, phase = ca_request(frame.params), frame.params["phase"]
    cluster, clock, namespace = frame.connect(), SystemClock(), frame.state_namespace
    known = actions(cluster, state_namespace=namespace, clock=clock, reporter=frame.reporter)
    machine = engine(cluster, namespace, known, reporter=frame.reporter, stopping=frame.stopping, clock=clock)
    found = rotate_ca(cluster, asked, machine, clock=clock, phase=phase, check_mode=frame.check_mode)
    for what in found["cost"] if found["changed"] else ():
        frame.warn(f"a compromised CA is given up: {what}")
    frame.warn_of_each("not proven, as it could not be seen", found["unproven"], "unproven")
    return found


def main() -> None:
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        supports_check_mode=True,
        mutually_exclusive=[("generation", "expiring_within"), WHICH],
        required_one_of=[WHICH],
    )
    run_door(module, run, requires=("kubernetes", "cryptography"))


if __name__ == "__main__":
    main()
