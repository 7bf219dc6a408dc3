#!/usr/bin/python
# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate_rotation
short_description: Replaces certificates and proves on the wire that the new ones are served
description:
  - Gives TLS Secrets a new key and a new certificate, and is done when every pod that uses them was seen to serve the
    new one. The issuer is a CA that lives in a Secret, cert-manager, a signer of the Kubernetes CSR API, or somebody
    else whose certificate is handed over (O(issuer)).
  - Everything but the key is kept. Subject, order of the names, key usages and other extensions, length of validity,
    kind and size of the key, the format of its PEM, other data keys, labels, annotations and owners of the Secret,
    and C(ca.crt) as it was found. C(tls.crt) becomes leaf and intermediates, without the root. Data keys that hold the
    pair again (combined PEM, DER, PKCS#12) are made anew in the same write. A Java key store (JKS) stops the rotation
    before anything is changed.
  - A certificate never outlives its CA. It begins five minutes in the past, for clocks that are behind.
  - The new pair waits in an immutable Secret while it is checked, then one write puts it in place, with the old pair
    archived in another immutable Secret beside it (RV(generations[].archive)). A write by anybody else in between
    stops the run, nothing of theirs is overwritten.
  - Pods that get the Secret as files are given O(reload_wait) to serve the new certificate by themselves. Workloads
    that are still behind then are restarted, others are not. Users by C(subPath), by environment or through an init
    container are always restarted. With O(rollout=reload) servers are told to load their files instead.
  - A workload whose controller would not restart it (a paused rollout, C(OnDelete)), or not without an interruption
    (C(Recreate), see O(accept_downtime)), is refused before anything is changed.
  - The proof is a handshake with application bytes behind it, on several fresh connections to each pod
    (C(port_forward) in RV(proof[].path)), and once through the Service from inside the cluster (C(in_cluster), with
    O(probe_image)). What could not be seen is in RV(unproven), never taken for proven.
  - Killed at any moment, the same task again goes on with the same key. No key is ever in an option, a journal, a
    result or a file.
  - Many targets are rotated in waves (O(waves)), each target as an operation of its own, so that each can be resumed
    and undone for itself. With O(app) all of them are one operation.
  - Targets that nobody uses need a write and nothing else. Eight or more of them in a wave are one operation, with one
    journal for all, which is resumed or undone as a whole. That is so with O(issuer.ca_secret) and O(issuer.provided),
    and not in an O(emergency).
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
            V(postgresql) asks for TLS as PostgreSQL does, and through the Service takes any answer of its protocol.
        type: str
        choices: [http, tls, postgresql]
        default: http
      workloads:
        description:
          - The workloads that use it, as C(Kind/name). When left out, those whose pods or templates name the Secret.
        type: list
        elements: str
        default: []
      certificate:
        description: With O(issuer.provided), the new certificate and its intermediates as PEM, the leaf first.
        type: str
      private_key:
        description:
          - With O(issuer.provided), its private key as PEM, not encrypted. It is written in the format of the old one.
        type: str
      keystore_password:
        description: Where the password of PKCS#12 stores in the Secret is.
        type: dict
        suboptions:
          secret:
            description: A Secret in the same namespace. The target itself when left out.
            type: str
          key:
            description: The key of its data.
            type: str
            required: true
      reload:
        description: With O(rollout=reload), how the servers of this target reload, where it is not O(reload).
        type: dict
        suboptions:
          signal:
            description: A signal to the first process of the container, such as V(HUP).
            type: str
          command:
            description: A command to run in the container.
            type: list
            elements: str
          container:
            description: The container. The one that mounts the Secret when left out.
            type: str
  issuer:
    description: Who issues. Exactly one of C(ca_secret), C(cert_manager), C(csr) and C(provided).
    type: dict
    required: true
    suboptions:
      ca_secret:
        description:
          - The Secret with the CA's certificate (C(tls.crt)) and key (C(tls.key)), as C(namespace/name), or C(name) in
            the namespace of the target. It must be the CA that issued the present certificate.
        type: str
      cert_manager:
        description:
          - Asks cert-manager to renew the Certificate that keeps the Secret, as C(cmctl renew) does, and waits for its
            next revision. The Secret is never written to, so there is no way back to the old certificate. The mark of
            the O(incident) is put on the Certificate.
          - Refused where the Certificate would keep its key (C(privateKey.rotationPolicy=Never)).
        type: bool
        default: false
      csr:
        description:
          - Asks a signer of the Kubernetes CSR API (C(certificates.k8s.io)). Approval is somebody else's, unless
            C(approve) is set. Where nobody approves in time the operation waits, and the same task goes on with it.
        type: dict
        suboptions:
          signer:
            description: Name of the signer, such as V(example.com/servers). Those of Kubernetes itself are refused.
            type: str
            required: true
          approve:
            description: Approves the request. It needs the right C(approve) on the signer.
            type: bool
            default: false
      provided:
        description:
          - Puts a pair into place that was issued elsewhere (Vault, ACME, step), by O(targets[].certificate) and
            O(targets[].private_key). It is judged like one issued here, before anything is changed.
          - Due is what holds another certificate. The pair is in no journal, so after a crash give it once more.
        type: bool
        default: false
      trust:
        description:
          - PEM of the CA certificates that clients trust, for all issuers but C(ca_secret). When left out, C(ca.crt) of
            the Secret.
        type: str
      accept:
        description:
          - What may differ from the old certificate, where somebody else decides on it. Any other difference is
            refused.
        type: list
        elements: str
        choices: [subject, names, key_usage, extended_key_usage, key]
        default: []
      timeout:
        description: How long cert-manager, or the signer and who approves, may take.
        type: str
        default: 5m
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
  emergency:
    description:
      - The old key is compromised. No overlap and no way back, all processes that use the Secret are made anew, the old
        key goes on the deny-list in O(state_namespace), where it is never accepted again, and what else holds it in the
        namespace is named in RV(copies).
      - It needs an O(incident). What fails is held, never undone.
    type: bool
    default: false
  purge:
    description:
      - After an O(emergency), removes copies of the old key in the namespace. V(archives) are those that earlier
        rotations kept, which then cannot be undone any more. V(annotations) are what C(kubectl apply) keeps on Secrets.
        V(helm) are revisions of Helm releases that are not in force, which can then not be rolled back to.
    type: list
    elements: str
    choices: [archives, annotations, helm]
    default: []
  rollout:
    description:
      - How processes that are behind get the new certificate. V(restart) rolls their workload.
      - V(reload) tells servers that get the Secret as files to load them, as O(reload) says, once the files are seen to
        be the new ones. Users by C(subPath), by environment or through an init container are restarted all the same.
      - V(canary) tries the new certificate before it is in the Secret, on pods like those of the workloads behind the
        Service (O(canary)). They are kept out of the Service until each of them was seen to serve it, then they get
        their share of the traffic. Where one fails the Secret was never touched, and none of them is left. What is
        behind after the write is restarted, or told to reload where O(reload) says how.
      - V(blue_green) is for one Deployment behind one Service. A second Deployment with the new certificate is started
        and proven, the Service is switched to it by its selector, the first Deployment is renewed while nobody
        connects to it, the Service is switched back, and the second one removed. It needs room for as many pods again,
        and interrupts nobody where the strategy is C(Recreate). An undo after the end restarts the first one as it is.
      - Workloads with volumes from claims, and those that are no Deployment (nor StatefulSet, for V(canary)), are
        refused by these two, as are an O(emergency) and the issuer C(cert_manager).
    type: str
    choices: [restart, reload, canary, blue_green]
    default: restart
  canary:
    description: With O(rollout=canary), how the new certificate is tried.
    type: dict
    suboptions:
      pods:
        description: How many pods for each workload.
        type: int
        default: 1
      watch:
        description: How long they stand in the Service, watched, before the Secret is written.
        type: str
        default: 10s
      leave_out:
        description:
          - Workloads, as C(Kind/name), of which no other pod may run. The annotation C(knowngood.io/canary=false) on a
            workload says the same.
        type: list
        elements: str
        default: []
  soak:
    description:
      - How long the certificate that is served, readiness and restarts of all users are watched after the proof. A
        restart or another certificate is a failure at once, a pod that does not answer or is not ready any more is one
        after ten seconds. What follows says O(on_failure).
      - A run that was killed soaks anew.
    type: str
    default: 0s
  reload:
    description:
      - With O(rollout=reload), how servers are told to reload. Give C(signal) or C(command). With O(rollout=canary) it
        may be given.
    type: dict
    suboptions:
      signal:
        description: A signal to the first process of the container, such as V(HUP). The image needs C(sh).
        type: str
      command:
        description: A command to run in the container, such as V([nginx, -s, reload]).
        type: list
        elements: str
      container:
        description: The container. The one that mounts the Secret when left out.
        type: str
  accept_downtime:
    description:
      - Restarts Deployments with the strategy C(Recreate), whose pods all end before new ones start. Set it in a window
        in which the service may be down.
    type: bool
    default: false
  waves:
    description:
      - How many targets are rotated before the next are begun, as numbers and percentages of all; the last one is used
        for what is left. The targets of a wave are rotated side by side, those with a workload in common one by one.
      - Workloads that use the same Secret are restarted in such waves, too. Those of a wave are proven before the next
        is begun.
    type: list
    elements: str
    default: ["1", "10%", "100%"]
  at_once:
    description: How many targets of a wave are rotated at the same time.
    type: int
    default: 4
  failures_allowed:
    description:
      - How many targets may fail before no other wave is begun. The task fails when any target did, and its C(targets)
        say which.
    type: int
    default: 0
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

- name: Whatever ends soon of what cert-manager keeps, proven on every pod
  knowngood.kube.certificate_rotation:
    targets:
      - secret: storefront-tls
        namespace: shop
    issuer:
      cert_manager: true

- name: From a signer of the cluster, for servers that reload
  knowngood.kube.certificate_rotation:
    targets:
      - secret: storefront-tls
        namespace: shop
        keystore_password: {secret: storefront-store, key: password}
    issuer:
      csr:
        signer: example.com/servers
        approve: true
      trust: "{{ lookup('ansible.builtin.file', 'ca.pem') }}"
    rollout: reload
    reload:
      command: [nginx, -s, reload]

- name: What Vault has issued (ACME and step-ca go the same way)
  knowngood.kube.certificate_rotation:
    targets:
      - secret: storefront-tls
        namespace: shop
        certificate: "{{ issued.data.data.certificate }}\n{{ issued.data.data.ca_chain | join('\n') }}"
        private_key: "{{ issued.data.data.private_key }}"
    issuer:
      provided: true
      accept: [subject]

- name: The key has leaked
  knowngood.kube.certificate_rotation:
    targets:
      - secret: storefront-tls
        namespace: shop
    issuer:
      ca_secret: shop/shop-ca
    emergency: true
    incident: INC-2026-002

- name: Tried on two pods under real traffic first, watched for ten minutes afterwards
  knowngood.kube.certificate_rotation:
    targets:
      - secret: storefront-tls
        namespace: shop
        service: storefront
    issuer:
      ca_secret: shop-ca
    rollout: canary
    canary:
      pods: 2
      watch: 1m
    soak: 10m
    probe_image: registry.example.com/tools/openssl:3

- name: A second Deployment serves while the first one is renewed
  knowngood.kube.certificate_rotation:
    targets:
      - secret: storefront-tls
        namespace: shop
        service: storefront
    issuer:
      ca_secret: shop-ca
    rollout: blue_green
    probe_image: registry.example.com/tools/openssl:3

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
    named_by:
      description:
        - The Ingress, Gateway or ListenerSet that serves it, where no pod uses it; also in a namespace that a
          ReferenceGrant lets in. What the controller behind it serves is not asked for.
      type: list
      elements: str
      sample: [Gateway/edge listener shop]
unproven:
  description: What could not be seen, so that nothing is known of it.
  returned: success
  type: list
  elements: str
  sample: ["shop/storefront-tls: through Service storefront"]
trial:
  description:
    - With V(canary) and V(blue_green) of O(rollout), what was seen of the pods with the new certificate, and of the
      Service that led to them. Rows as in RV(proof).
  returned: success
  type: list
  elements: dict
  sample:
    - target: shop/storefront-tls
      pod: storefront-canary-c3f2a9c1b
      service: ""
      port: 8443
      path: in_cluster
      fingerprint: sha256:0b5f8e9a7c6d5e4f3021a0b9c8d7e6f5040302010f0e0d0c0b0a090807060504
      expected: sha256:0b5f8e9a7c6d5e4f3021a0b9c8d7e6f5040302010f0e0d0c0b0a090807060504
      ok: true
      bytes: 148
      status: HTTP/1.1 200 OK
      verified: true
      connections: 1
      why: ""
soak:
  description: With O(soak), how each target was watched.
  returned: success
  type: list
  elements: dict
  contains:
    target:
      description: The Secret as C(namespace/name).
      type: str
      sample: shop/storefront-tls
    watched_s:
      description: For how many seconds.
      type: float
      sample: 600.4
    looks:
      description: How often.
      type: int
      sample: 121
    failed:
      description: How many of its connections failed.
      type: int
      sample: 0
restarted:
  description: Workloads that were restarted, as C(Kind/name).
  returned: success
  type: list
  elements: str
  sample: [Deployment/storefront]
reloaded:
  description: Pods that were told to reload.
  returned: success
  type: list
  elements: str
  sample: [storefront-7d4b9c6f5-x2x7k]
denied:
  description: SHA-256 of the public keys that an O(emergency) put on the deny-list.
  returned: success
  type: list
  elements: str
  sample: []
copies:
  description: After an O(emergency), where else in the namespace the old private key is.
  returned: success
  type: list
  elements: dict
  contains:
    object:
      description: The object.
      type: str
      sample: Secret shop/sh.helm.release.v1.shop.v3
    place:
      description: The data key or annotation that holds it.
      type: str
      sample: data release
    what:
      description: What that is.
      type: str
      sample: Helm release shop revision 3
    purged:
      description: Whether it was removed.
      type: bool
      sample: false
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

from dataclasses import replace

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.knowngood.kube.plugins.module_utils._ansible.args import AUTH_ARGS, COMMON_ARGS
from ansible_collections.knowngood.kube.plugins.module_utils._ansible.frame import Frame, run_door
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.state import engine
from ansible_collections.knowngood.kube.plugins.module_utils._core.clock import SystemClock
from ansible_collections.knowngood.kube.plugins.module_utils._tls.actions import actions
from ansible_collections.knowngood.kube.plugins.module_utils._tls.emergency import PURGES
from ansible_collections.knowngood.kube.plugins.module_utils._tls.issue import ATTRIBUTES
from ansible_collections.knowngood.kube.plugins.module_utils._tls.keys import KEY_CHOICES
from ansible_collections.knowngood.kube.plugins.module_utils._tls.plan import ROLLOUTS
from ansible_collections.knowngood.kube.plugins.module_utils._tls.request import request
from ansible_collections.knowngood.kube.plugins.module_utils._tls.rotation import rotate

RELOAD = {
    "signal": {"type": "str"},
    "command": {"type": "list", "elements": "str"},
    "container": {"type": "str"},
}
PASSWORD = {"secret": {"type": "str", "no_log": False}, "key": {"type": "str", "required": True, "no_log": False}}
TARGET = {
    "secret": {"type": "str", "required": True, "no_log": False},
    "namespace": {"type": "str"},
    "service": {"type": "str"},
    "port": {"type": "int"},
    "server_name": {"type": "str"},
    "protocol": {"type": "str", "choices": ["http", "tls", "postgresql"], "default": "http"},
    "workloads": {"type": "list", "elements": "str", "default": []},
    "certificate": {"type": "str"},
    "private_key": {"type": "str", "no_log": True},
    "keystore_password": {"type": "dict", "no_log": False, "options": PASSWORD},
    "reload": {"type": "dict", "options": RELOAD},
}
CSR = {"signer": {"type": "str", "required": True}, "approve": {"type": "bool", "default": False}}
ISSUER = {
    "ca_secret": {"type": "str", "no_log": False},
    "cert_manager": {"type": "bool", "default": False},
    "csr": {"type": "dict", "options": CSR},
    "provided": {"type": "bool", "default": False},
    "trust": {"type": "str"},
    "accept": {"type": "list", "elements": "str", "choices": list(ATTRIBUTES), "default": []},
    "timeout": {"type": "str", "default": "5m"},
}
CANARY = {
    "pods": {"type": "int", "default": 1},
    "watch": {"type": "str", "default": "10s"},
    "leave_out": {"type": "list", "elements": "str", "default": []},
}
ARGUMENTS = {
    **AUTH_ARGS,
    **COMMON_ARGS,
    "app": {"type": "dict"},
    "targets": {"type": "list", "elements": "dict", "options": TARGET, "default": []},
    "issuer": {"type": "dict", "required": True, "options": ISSUER},
    "key": {"type": "str", "choices": list(KEY_CHOICES), "default": "same", "no_log": False},
    "expiring_within": {"type": "str"},
    "incident": {"type": "str"},
    "force": {"type": "bool", "default": False},
    "emergency": {"type": "bool", "default": False},
    "purge": {"type": "list", "elements": "str", "choices": list(PURGES), "default": []},
    "rollout": {"type": "str", "choices": list(ROLLOUTS), "default": "restart"},
    "canary": {"type": "dict", "options": CANARY},
    "soak": {"type": "str", "default": "0s"},
    "reload": {"type": "dict", "options": RELOAD},
    "accept_downtime": {"type": "bool", "default": False},
    "waves": {"type": "list", "elements": "str", "default": ["1", "10%", "100%"]},
    "at_once": {"type": "int", "default": 4},
    "failures_allowed": {"type": "int", "default": 0},
    "reload_wait": {"type": "str", "default": "5s"},
    "probe_image": {"type": "str"},
    "wait_timeout": {"type": "int", "default": 300},
    "on_failure": {"type": "str", "choices": ["undo", "hold"], "default": "undo"},
    "keep_previous_for": {"type": "str", "default": "24h"},
}


def run(frame: Frame) -> dict[str, object]:
    asked = replace(request(frame.params), state_namespace=frame.state_namespace)
    cluster, clock, namespace = frame.connect(), SystemClock(), frame.state_namespace
    given = asked.source.given
    known = actions(cluster, state_namespace=namespace, clock=clock, reporter=frame.reporter, given=given)
    machine = engine(cluster, namespace, known, reporter=frame.reporter, stopping=frame.stopping, clock=clock)
    on_failure = frame.params["on_failure"]
    found = rotate(cluster, asked, machine, clock=clock, on_failure=on_failure, check_mode=frame.check_mode)
    frame.warn_of_each("not proven, as it could not be seen", found["unproven"], "unproven")
    return found


def main() -> None:
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        supports_check_mode=True,
        mutually_exclusive=[("force", "expiring_within"), ("incident", "expiring_within")],
        required_if=[("emergency", True, ("incident",))],
    )
    run_door(module, run, requires=("kubernetes", "cryptography"))


if __name__ == "__main__":
    main()
