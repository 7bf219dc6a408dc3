#!/usr/bin/python
# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate_info
short_description: Lists the certificates of a cluster, what is wrong with them, who uses them, and what is served
description:
  - Lists every certificate in a Secret, of whatever type the Secret is and under whatever name, as PEM, DER or PKCS#12,
    with its names, its end, who keeps it and which workloads use it. JKS and JCEKS stores are recognised by their
    content, and are said to be V(unverified) as they are not opened.
  - Lists where CAs are trusted, in Secrets, in ConfigMaps and in the C(caBundle) fields of webhooks, API services and
    conversions, what Ingress and Gateway objects name, and the CertificateSigningRequest objects.
  - Lints each one, for instance for a key of another certificate, a weak key or signature, a chain in the wrong
    order, a leaf that outlives its CA, a private key in a ConfigMap, or the key of a CA that a pod can read.
  - With O(probe=true) it also asks the pods what they really serve, so that a process that never loaded a new
    certificate is found, and so is one whose certificate nobody keeps.
  - A private key is looked at only to see that it belongs to its certificate. None is kept or returned.
version_added: 0.1.0
author: The knowngood.kube authors (@knowngood)
options:
  namespaces:
    description:
      - The namespaces to look in. All when left out, which needs the right to list Secrets everywhere.
      - With it, of what is in no namespace only that is listed which calls a Service there, or was asked for from
        there.
    type: list
    elements: str
    default: []
  selector:
    description: A label selector for the Secrets.
    type: str
    default: ""
  include:
    description:
      - Which parts are read. Secrets are always read, as the other parts are judged by them.
      - What may not be read of V(bundles), V(references) and V(requests) is no failure, see RV(unread).
    type: list
    elements: str
    choices: [secrets, bundles, references, requests]
    default: [secrets, bundles, references, requests]
  expiring_within:
    description: Lists only certificates of which less than this is left, such as V(30d), expired ones included.
    type: str
  probe:
    description:
      - Whether the ready pods that use a certificate are asked what they serve, by a forwarded port.
      - Ports whose name or number speaks of TLS are asked, without such a one every port of the containers that use it.
        Of the other pods, the ports that speak of TLS are asked.
      - Port 5432, and a port named after PostgreSQL, are asked in PostgreSQL's own way (C(SSLRequest)).
    type: bool
    default: false
  passphrases:
    description:
      - Passphrases to try on encrypted keys and PKCS#12 stores.
      - Tried before them is what stands beside the store in the same Secret under a name with C(password),
        C(passphrase) or C(passwd) in it.
    type: list
    elements: str
    default: []
  denied:
    description: SHA-256 fingerprints of certificates or of public keys that must not be used any more.
    type: list
    elements: str
    default: []
  copies:
    description: Whether the copies that M(knowngood.kube.certificate_rotation) keeps are listed as well.
    type: bool
    default: false
  query:
    description:
      - A JMESPath expression over the list of identities, such as V([?days_left<`30`].secret). It must give a list.
    type: str
  textfile:
    description:
      - A file that ends in C(.prom), written for the textfile collector of the Prometheus node exporter, with the
        metric and label names of the x509-certificate-exporter. It is replaced at once, with mode 0644, when
        something in it is different. It holds no secret.
      - O(expiring_within) and O(query) do not narrow it.
    type: path
  dest:
    description:
      - A file that gets every row of the inventory, one JSON object a line, with the name of its list as C(part). It is
        replaced at once, with mode 0600, when something in it is different. It holds no secret.
      - O(query) does not narrow it.
    type: path
  return_rows:
    description:
      - Which rows of RV(identities), RV(bundles), RV(references), RV(requests) and RV(served) are returned. With
        V(findings) those with something in C(lint), with V(none) none. RV(totals) counts all of them.
      - Ansible takes longer over ten thousand rows in a variable than it takes to read them from the cluster. For a big
        cluster give O(dest) for all of them, and V(findings) here.
      - What O(query) makes of the identities is returned as it is.
    type: str
    choices: [all, findings, none]
    default: all
  cache:
    description:
      - A directory of your own (mode 0700, made when it is missing) for what was read of Secrets. With it the Secrets'
        metadata are listed first, and only Secrets that changed since are read. Nothing is kept when left out.
      - The file in it, one a cluster with mode 0600, holds public facts alone, such as certificates, names, and whether
        a key is its certificate's. It never holds a key or anything made of one. What can expire or be wrong is judged
        anew each time.
      - An entry counts for one version of one Secret of one cluster. A file of another cluster, format or version of
        the library, one that is damaged, and one that others could have written is not believed, which is warned of and
        stands in RV(cache). It is then made anew.
      - Whoever can write files as you can write this one, too. For evidence leave the option out.
      - PKCS#12 stores and encrypted keys are read each time, as what is known of them depends on O(passphrases).
    type: path
attributes:
  check_mode:
    support: full
    details:
      - Reads only, but for O(textfile), O(dest) and O(cache), which are not written in check mode.
  diff_mode:
    support: none
  idempotent:
    support: full
seealso:
  - module: knowngood.kube.certificate_rotation
notes:
  - Needs the right to list secrets, pods, deployments, statefulsets, daemonsets and replicasets, and jobs and
    cronjobs where they are to be seen; for V(bundles) configmaps, services (get), validatingwebhookconfigurations,
    mutatingwebhookconfigurations, apiservices and customresourcedefinitions; for V(references) ingresses, gateways,
    listenersets, backendtlspolicies and referencegrants; for V(requests) certificatesigningrequests; for O(probe)
    pods/portforward.
extends_documentation_fragment:
  - knowngood.kube.kube_auth
  - knowngood.kube.operation
  - knowngood.kube.attributes
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

- name: Everything that is wrong, anywhere
  knowngood.kube.certificate_info:
    passphrases: ["{{ keystore_password }}"]
  register: inventory

- name: Say it
  ansible.builtin.debug:
    msg: "{{ (inventory.identities + inventory.bundles + inventory.references) | map(attribute='lint') | flatten }}"

- name: A big cluster every night, quickly
  knowngood.kube.certificate_info:
    cache: ~/.cache/knowngood
    dest: inventory.ndjson
    return_rows: findings
  register: inventory

- name: For Prometheus
  knowngood.kube.certificate_info:
    textfile: /var/lib/node_exporter/textfile/certificates.prom
"""

RETURN = r"""
identities:
  description:
    - One row a certificate in a Secret, by namespace and name, or what O(query) makes of them. What stands in a
      Secret to be trusted is in RV(bundles).
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
    data_key:
      description: Under which name in the Secret it is.
      type: str
      sample: tls.crt
    format:
      description: V(PEM), V(DER), V(PKCS#12), V(JKS) or V(JCEKS). The last two are not opened.
      type: str
      sample: PEM
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
      description: How many certificates stand there.
      type: int
      sample: 1
    chain:
      description: Those behind the leaf, each with the facts that are told of every certificate.
      type: list
      elements: dict
      sample: [{subject: CN=shop-ca, not_after: "2036-11-18T12:00:00Z", key: ECDSA-P-256, ca: true}]
    private_key:
      description:
        - V(matches), V(other) (of another certificate), V(absent), V(encrypted), V(unreadable), V(several), or
          V(unverified) where the store was not opened.
      type: str
      sample: matches
    stores:
      description:
        - Other values of the same Secret that hold the same identity, with C(data_key), C(format), and C(state),
          V(in_step), V(stale), V(locked) or V(unverified).
      type: list
      elements: dict
      sample: [{data_key: keystore.p12, format: "PKCS#12", state: in_step}]
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
          description:
            - A stable word for it. Of a certificate V(expired), V(not_yet_valid), V(weak_key), V(weak_signature),
              V(no_names), V(ca_unfit), V(outlives_ca), V(name_constraints), V(chain_order), V(root_in_chain),
              V(duplicate_serial), V(denied). Of its key V(key_mismatch), V(key_unreadable), V(key_encrypted),
              V(key_reused), V(ca_key_mounted). Of how it is kept V(unreadable), V(broken_block), V(store_locked),
              V(stale_store), V(unverified), V(copy_in_annotation). Of what is served V(stored_not_served).
            - Of a bundle also V(expired_ca), V(leaf_as_ca), V(empty_bundle), V(key_in_configmap), V(untrusted_leaf);
              of a reference V(missing_secret), V(no_certificate), V(host_not_covered), V(ca_served), V(not_granted);
              of a request V(request_signature); of what is served V(served_not_stored), V(served_elsewhere),
              V(served_expired).
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
          description:
            - V(volume) (files are updated), V(sub_path), V(env) or V(init) (never updated in a running pod).
              V(ingress), V(gateway), V(listenerset) and V(backendtlspolicy) name it, and their controller reads it.
          type: str
          sample: volume
        path:
          description: Where it is mounted, or which part of the object names it.
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
          V(unknown) when nothing was seen. Ports that serve another certificate of the same pod do not count.
      type: str
      sample: in_step
bundles:
  description: Where CAs are trusted, with V(bundles) in O(include). One row a value.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description:
        - V(Secret), V(ConfigMap), V(ValidatingWebhookConfiguration), V(MutatingWebhookConfiguration), V(APIService) or
          V(CustomResourceDefinition).
      type: str
      sample: ConfigMap
    namespace:
      description: Its namespace, empty where it is in none.
      type: str
      sample: shop
    name:
      description: Its name.
      type: str
      sample: trust
    entry:
      description: The name of the webhook, of those.
      type: str
      sample: ""
    data_key:
      description: Under which name it is there; V(caBundle) of what the API server calls.
      type: str
      sample: ca.crt
    format:
      description: As of identities; empty where nothing is there.
      type: str
      sample: PEM
    immutable:
      description: Whether the object is immutable.
      type: bool
      sample: false
    service:
      description: The Service that the API server calls, as C(namespace/name).
      type: str
      sample: ""
    url:
      description: The address that it calls where it calls no Service.
      type: str
      sample: ""
    certificates:
      description: The facts of each, in their order.
      type: list
      elements: dict
      sample: [{subject: CN=shop-ca, not_after: "2036-11-18T12:00:00Z", key: ECDSA-P-256, ca: true}]
    owner:
      description: Who keeps it, as in RV(identities).
      type: dict
      sample: {kind: none, name: "", acts: false}
    consumers:
      description: Who uses it, as in RV(identities).
      type: list
      elements: dict
      sample: [{workload: Deployment/storefront, container: app, delivery: volume, path: /etc/ca}]
    lint:
      description: What is wrong with it, as in RV(identities).
      type: list
      elements: dict
      sample: [{code: broken_block, severity: error, what: "block 2 (CERTIFICATE): not base64"}]
    error:
      description: Why it cannot be read.
      type: str
      sample: ""
references:
  description: What Ingress and Gateway objects name, with V(references) in O(include).
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: V(Ingress), V(Gateway), V(ListenerSet) or V(BackendTLSPolicy).
      type: str
      sample: Ingress
    namespace:
      description: Its namespace.
      type: str
      sample: shop
    name:
      description: Its name.
      type: str
      sample: front
    part:
      description: The listener, V(tls), or the annotation that names it.
      type: str
      sample: tls
    target_kind:
      description: V(Secret) or V(ConfigMap).
      type: str
      sample: Secret
    target_namespace:
      description: The namespace of what is named.
      type: str
      sample: shop
    target:
      description: Its name.
      type: str
      sample: storefront-tls
    hosts:
      description: The names that clients ask for there.
      type: list
      elements: str
      sample: [shop.example]
    trust:
      description: Whether it is named for the CAs in it.
      type: bool
      sample: false
    granted:
      description: Whether the other namespace allows it; null where that could not be read.
      type: bool
      sample: true
    state:
      description: V(found), V(missing), V(no_certificate), or V(unread) where it was not looked at.
      type: str
      sample: found
    fingerprint:
      description: Of the certificate in it.
      type: str
      sample: sha256:0b5f8e9a7c6d5e4f3021a0b9c8d7e6f5040302010f0e0d0c0b0a090807060504
    lint:
      description: What is wrong with it, as in RV(identities).
      type: list
      elements: dict
      sample: [{code: host_not_covered, severity: error, what: the certificate does not hold shop.example}]
requests:
  description: CertificateSigningRequest objects, with V(requests) in O(include).
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      type: str
      sample: storefront-4f2a
    signer:
      description: Who is to sign it.
      type: str
      sample: shop.example/ca
    user:
      description: Who asked.
      type: str
      sample: system:serviceaccount:shop:storefront
    created:
      description: When.
      type: str
      sample: "2026-11-21T13:58:05Z"
    state:
      description: V(pending), V(approved), V(denied), V(failed) or V(issued).
      type: str
      sample: issued
    reason:
      description: The conditions with their reasons.
      type: str
      sample: "Approved: policy"
    usages:
      description: The usages asked for.
      type: list
      elements: str
      sample: [server auth]
    expiration_s:
      description: How long it is to be valid, null where that was left open.
      type: int
      sample: 86400
    subject:
      description: The subject asked for.
      type: str
      sample: CN=storefront
    sans:
      description: The names asked for.
      type: list
      elements: str
      sample: ["DNS:storefront.shop.svc"]
    key:
      description: Kind and size of the key.
      type: str
      sample: ECDSA-P-256
    spki:
      description: SHA-256 of the public key.
      type: str
      sample: sha256:9c8d7e6f5040302010f0e0d0c0b0a0908070605040b5f8e9a7c6d5e4f3021a0b
    error:
      description: Why the request cannot be read.
      type: str
      sample: ""
    fingerprint:
      description: Of the certificate that was issued.
      type: str
      sample: ""
    issuer:
      description: Who issued it.
      type: str
      sample: ""
    not_after:
      description: When it ends.
      type: str
      sample: ""
    lint:
      description: What is wrong with it, as in RV(identities).
      type: list
      elements: dict
      sample: []
served:
  description: What was seen at each port that was asked, with O(probe=true); and pods that could not be asked.
  returned: success
  type: list
  elements: dict
  contains:
    namespace:
      description: The namespace of the pod.
      type: str
      sample: shop
    workload:
      description: Its workload as C(Kind/name).
      type: str
      sample: StatefulSet/db
    pod:
      description: The pod.
      type: str
      sample: db-0
    port:
      description: The port, 0 where the pod could not be asked at all.
      type: int
      sample: 5432
    starttls:
      description: What is spoken there before TLS, V(postgresql) or empty.
      type: str
      sample: postgresql
    path:
      description: The path of the evidence. V(port_forward) arrives from 127.0.0.1 in the pod, past Services and
        policies.
      type: str
      sample: port_forward
    state:
      description:
        - V(in_step) with a Secret that the pod uses, V(behind) them, V(elsewhere) when it uses none and what it
          serves is in some Secret, V(not_stored) when it is in none, and V(unverified) when nothing was seen.
      type: str
      sample: in_step
    fingerprint:
      description: Of the certificate served.
      type: str
      sample: sha256:0b5f8e9a7c6d5e4f3021a0b9c8d7e6f5040302010f0e0d0c0b0a090807060504
    subject:
      description: Its subject.
      type: str
      sample: CN=db
    issuer:
      description: Who issued it.
      type: str
      sample: CN=shop-ca
    not_after:
      description: When it ends.
      type: str
      sample: "2027-02-19T13:58:05Z"
    stored_in:
      description: The Secrets that hold it, as C(namespace/name).
      type: list
      elements: str
      sample: [shop/db-tls]
    why:
      description: Why nothing was seen.
      type: str
      sample: ""
    lint:
      description: What is wrong with it, as in RV(identities).
      type: list
      elements: dict
      sample: []
without_secret:
  description:
    - Certificates and CAs that reach containers from elsewhere than a Secret or ConfigMap. Nothing is known of them
      but that they are there.
  returned: success
  type: list
  elements: dict
  contains:
    namespace:
      description: The namespace.
      type: str
      sample: shop
    workload:
      description: The workload as C(Kind/name).
      type: str
      sample: Deployment/mesh
    container:
      description: Its container.
      type: str
      sample: proxy
    delivery:
      description: V(csi), V(pod_certificate) or V(trust_bundle).
      type: str
      sample: csi
    from:
      description: The issuer, class, signer or bundle.
      type: str
      sample: ClusterIssuer mesh-ca
    path:
      description: Where it is mounted.
      type: str
      sample: /etc/tls
unread:
  description: Kinds that may not be read, with C(kind), C(namespace) (empty for all) and C(why). Nothing is known of
    them.
  returned: success
  type: list
  elements: dict
  sample: [{kind: ConfigMap, namespace: shop, why: the API server says that configmaps is forbidden}]
textfile:
  description: The file that was written, how many series it has, and whether it was different before.
  returned: with O(textfile)
  type: dict
  sample: {path: /var/lib/node_exporter/textfile/certificates.prom, series: 420, changed: true}
totals:
  description: How many rows each list has, whichever of them are returned, and how many findings of each severity.
  returned: success
  type: dict
  sample:
    {identities: 420, bundles: 510, references: 12, requests: 0, served: 0, findings: {error: 2, warning: 17}}
dest:
  description: The file of all rows, how many it has, their SHA-256, and whether it was different before.
  returned: with O(dest)
  type: dict
  sample: {path: inventory.ndjson, rows: 942, sha256: 4f5c0f343b0931126a20f133d67c2b018a3b1c9e0d4f5a6b7c8d9e0f1a2b3c4d,
    changed: true}
cache:
  description: What the cache was good for.
  returned: with O(cache)
  type: dict
  contains:
    path:
      description: The file.
      type: str
      sample: /home/ops/.cache/knowngood/certificates-2f1a.json
    state:
      description: V(new), V(used), V(rebuilt) where what was there is not believed, or V(unwritten).
      type: str
      sample: used
    why:
      description: Why it was not believed, or could not be written.
      type: str
      sample: ""
    reused:
      description: Secrets that were not read, as they are the same as before.
      type: int
      sample: 9990
    read:
      description: Secrets that were read.
      type: int
      sample: 10
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
    "textfile": {"type": "path"},
    "dest": {"type": "path"},
    "return_rows": {"type": "str", "choices": ["all", "findings", "none"], "default": "all"},
    "cache": {"type": "path"},
}


def run(frame: Frame) -> dict[str, object]:
    asked = question(frame.params, check_mode=frame.check_mode)
    return answer(frame.connect(), asked, SystemClock().now(), frame.warn)


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    run_door(module, run, requires=("kubernetes", "cryptography"))


if __name__ == "__main__":
    main()
