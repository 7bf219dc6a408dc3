#!/usr/bin/python
# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: incident_report
short_description: Writes the report of an incident
version_added: 0.1.0
author: "The knowngood.kube authors (@knowngood)"
description:
  - Turns what the steps of an incident response returned into one self-contained HTML page and a JSON document.
  - The page needs no network and runs no script; it can be read on a phone and printed.
  - Says what was seen and what was not. A step whose result is missing shows up as not done or not reported.
  - The same input gives the same files, byte for byte. No clock is read; every time in the report came with the input.
  - Secrets in the input (private keys, tokens, Secret data) are left out. Files are readable by their owner only.
  - Does not talk to a cluster.
extends_documentation_fragment:
  - knowngood.kube.attributes
attributes:
  check_mode:
    support: full
    details:
      - Says which files would be written, and writes none. What is reported is then called a check run.
  diff_mode:
    support: full
    details:
      - Shows the files by hash.
  idempotent:
    support: full
  action_group:
    support: none
    membership: []
    details:
      - Takes no connection options.
options:
  incident:
    description:
      - The incident.
      - C(id) is needed. C(time) and C(evidence_at) (RFC 3339), C(title), C(mode) and C(finding) (C(rule), C(cwe),
        C(path), C(id)) are shown when given, and the finding that they name is marked.
    type: dict
    required: true
  app:
    description:
      - The application. Its name, C(namespace/name), its entry of C(knowngood_apps), or what M(knowngood.kube.app_info)
        returned.
    type: raw
    required: true
  steps:
    description:
      - What the steps of the playbook returned, by phase. Each value is a registered result, or a list of them.
      - C(preflight) of M(knowngood.kube.preflight), C(held) of M(knowngood.kube.recovery_point_mark), C(forensic) of
        M(knowngood.kube.recovery_point), C(containment) and C(release) of M(knowngood.kube.quarantine), C(decision) of
        M(knowngood.kube.known_good), C(restore) of M(knowngood.kube.restore), C(rotation) of
        M(knowngood.kube.certificate_rotation), C(scans) of M(knowngood.kube.sast_report), C(certificates_before) and
        C(certificates_after) of M(knowngood.kube.certificate_info), C(operations) of M(knowngood.kube.operation) with
        O(knowngood.kube.operation#module:state=listed), from which the times of the operations are taken.
      - C(approval) holds C(hash), C(by) and C(at). C(timeline) is a list of further entries with C(at), C(what),
        C(evidence).
    type: dict
    default: {}
  dest:
    description:
      - Directory for the report. It is made when it is missing, for its owner only.
    type: path
    required: true
  formats:
    description:
      - Which files are written. V(html) is C(report.html), V(json) is C(report.json), V(md) is C(report.md), a short
        form for a ticket.
    type: list
    elements: str
    choices: [html, json, md]
    default: [html, json]
  signing_key:
    description:
      - Path of an Ed25519 private key (PEM, not encrypted) that signs C(report.json). The signature goes to
        C(report.json.sig). Without it the report says that it is unsigned.
      - Needs C(cryptography).
    type: path
  backup:
    description:
      - Keep an earlier report that differs, under its name and the first twelve digits of its SHA-256.
    type: bool
    default: true
requirements:
  - Python 3.11 or newer
  - cryptography, for O(signing_key)
seealso:
  - module: knowngood.kube.known_good
  - module: knowngood.kube.operation
"""

EXAMPLES = r"""
- name: Write the report of an incident
  knowngood.kube.incident_report:
    incident:
      id: INC-2026-001
      time: "2026-11-21T14:00:00Z"
      finding:
        cwe: CWE-89
    app: shop/shop
    steps:
      approval:
        hash: 4f5c1d0e
        by: on call
        at: "2026-11-21T14:05:00Z"
    dest: /tmp/incident-INC-2026-001

- name: Write it signed, with a short form for the ticket
  knowngood.kube.incident_report:
    incident:
      id: INC-2026-001
    app:
      name: shop
      namespace: shop
    dest: /tmp/incident-INC-2026-001
    formats: [html, json, md]
    signing_key: /etc/knowngood/reporter.pem
"""

RETURN = r"""
files:
  description: The files of the report, whether or not they had to be written.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: Where it is.
      type: str
      sample: /tmp/incident-INC-2026-001/report.html
    sha256:
      description: SHA-256 of its content (hex).
      type: str
      sample: 0f343b0931126a20f133d67c2b018a3b1c9e0d4f5a6b7c8d9e0f1a2b3c4d5e6f
    changed:
      description: Whether this run wrote it, or would write it.
      type: bool
      sample: true
kept:
  description: Earlier reports that differed and were kept under another name, or would be.
  returned: success
  type: list
  elements: str
  sample: [/tmp/incident-INC-2026-001/report.json.9c56cc51b374]
sha256:
  description: SHA-256 (hex) of C(report.json), also when that file was not asked for.
  returned: success
  type: str
  sample: 0f343b0931126a20f133d67c2b018a3b1c9e0d4f5a6b7c8d9e0f1a2b3c4d5e6f
signed:
  description: Whether there is a signature.
  returned: success
  type: bool
  sample: false
verdict:
  description: What the report comes to.
  returned: success
  type: dict
  contains:
    status:
      description: One of V(proven), V(partly_proven), V(not_restored), V(incomplete), V(check).
      type: str
      sample: partly_proven
    sentence:
      description: The verdict in one sentence.
      type: str
      sample: "Not restored: no decision was reported."
    proven:
      description: What was seen.
      type: list
      elements: str
      sample: [containment enforced on 2 of 2 paths tried]
    unproven:
      description: What was not.
      type: list
      elements: str
      sample: [certificates (not done or not reported)]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.knowngood.kube.plugins.module_utils._ansible.frame import Frame, run_door
from ansible_collections.knowngood.kube.plugins.module_utils._report.report import write_report

ARGUMENTS = {
    "incident": {"type": "dict", "required": True},
    "app": {"type": "raw", "required": True},
    "steps": {"type": "dict", "default": {}},
    "dest": {"type": "path", "required": True},
    "formats": {"type": "list", "elements": "str", "choices": ["html", "json", "md"], "default": ["html", "json"]},
    "signing_key": {"type": "path", "no_log": False},
    "backup": {"type": "bool", "default": True},
}


def report(frame: Frame) -> dict[str, object]:
    return write_report(**{name: frame.params[name] for name in ARGUMENTS}, check=frame.check_mode)


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    run_door(module, report, requires=["cryptography"] if module.params["signing_key"] else [])


if __name__ == "__main__":
    main()
