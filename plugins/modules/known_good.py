#!/usr/bin/python
# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: known_good
short_description: Decides which recovery point is known to be good
description:
  - Judges every recovery point of an application from its ledger, the scans of its source code and the commit graph of
    its sources, and chooses the newest one that is acceptable. Every point is returned with the reasons for and
    against it. With nothing acceptable nothing is chosen, and RV(why) says why.
  - A point is judged by everything that may have written its volumes up to the cut, not only by what ran at the cut.
    Taint stays after the fix has shipped, and goes along with a restore.
  - What is not known is never taken for good. An image without a commit, a commit without a finished scan, a scan that
    did not know the rule, a finding without severity or weakness, a writer nobody saw. Each makes a point
    V(unverified).
  - Only reads. M(knowngood.kube.recovery_point_mark) records the verdicts.
version_added: 0.1.0
author: The knowngood.kube authors (@knowngood)
options:
  incident:
    description:
      - The incident to decide for. Without it points are judged by what is known of the code alone.
      - C(id), and C(time) when it was noticed. Points cut from then on are judged, and never chosen.
      - C(finding) names the weakness that was used, by any of C(id), C(rule), C(cwe) and C(path); all that are given
        must match.
      - C(mode) is V(strict) (by verdict, the default), V(evidence) (the newest point cut before C(evidence_at), the
        earliest sign of compromise) or V(disclosure) (before C(disclosed_at), when the weakness became public).
      - C(claims) lists the volumes within reach when not all are. C(hits) lists points with evidence in them, each with
        C(point) and C(reason). Other keys are left alone.
    type: dict
  scans:
    description: Scans, as RV(knowngood.kube.sast_report#module:scans) returns them.
    type: list
    elements: dict
    default: []
  findings:
    description:
      - Findings of these scans. Paths of stores (C(dest) of M(knowngood.kube.sast_report)), or findings themselves.
      - A scan of which fewer findings are here than it counted says nothing about absence.
    type: list
    elements: raw
    default: []
  policy:
    description:
      - What is asked of a point.
      - C(gate) is the severity from which on findings count (V(high)). An unknown severity always counts.
      - C(data_min) is the worst verdict that may be chosen in mode V(strict) (V(clean)).
      - C(allow_unverified) lets the other modes choose points of which too little is known (V(false)).
      - C(allow_partial) lets every mode choose points that do not hold all claims of the application (V(false)).
      - C(min_grade) is the weakest evidence (V(A) to V(E)) that ties an image to its commit (V(E)). What C(sources)
        declares is of grade V(E).
      - C(evidence_margin) is how long before C(evidence_at) a point must have been cut (C(0), for example C(12h)).
      - C(first_point) says what is made of the time before the first point. V(assume) takes what ran at that point for
        the only writer before it and says so, V(unknown) does not (V(assume)).
      - C(unseen_deployments) says what is made of commits that lie between two that were seen. V(unverified) reckons
        that they may have run between the points, V(ignore) does not (V(unverified)).
      - C(comparable) says which scans may show absence. V(rules) takes those that listed the rule or have the ruleset
        that found it, V(version) also those by the same version of the tool (V(rules)).
      - C(required_tools) lists tools of which each must have a finished scan of a commit.
      - C(waivers) lists accepted findings, each with C(match) (JMESPath on a finding), C(owner), C(reason) and
        C(expires). Without owner or past its time it accepts nothing, and nothing accepts the finding of the incident.
    type: dict
seealso:
  - module: knowngood.kube.sast_report
  - module: knowngood.kube.recovery_point_mark
  - module: knowngood.kube.restore
extends_documentation_fragment:
  - knowngood.kube.application
  - knowngood.kube.kube_auth
  - knowngood.kube.operation
  - knowngood.kube.attributes.info
notes:
  - Reads the checkouts of C(app.sources) with the program C(git) on the host where the module runs. Fetches nothing.
"""

EXAMPLES = r"""
- name: Read the reports
  knowngood.kube.sast_report:
    path: [reports/]
    dest: findings.ndjson
  register: sast

- name: Which point do we go back to?
  knowngood.kube.known_good:
    app: "{{ knowngood_apps[0] }}"
    incident:
      id: INC-2026-001
      time: "2026-11-21T14:03:05Z"
      finding:
        rule: shop/python/sql-injection
        cwe: CWE-89
    scans: "{{ sast.scans }}"
    findings: [findings.ndjson]
    policy:
      gate: high
  register: decision

- name: Go back to it, with images that do not have the finding
  knowngood.kube.restore:
    app: "{{ knowngood_apps[0] }}"
    recovery_point: "{{ decision.chosen.id }}"
    image_overrides: "{{ decision.image_overrides }}"
  when: decision.chosen is not none
"""

RETURN = r"""
chosen:
  description: The point to go back to by the mode of the incident. Null when none is acceptable.
  returned: success
  type: dict
  contains:
    id:
      description: Its id.
      type: str
      sample: shop-20261121-140305-3f9a
    cut_at:
      description: When each claim was cut.
      type: dict
      sample: {data-db-0: "2026-11-21T14:03:05Z"}
    verdict:
      description: Its verdict.
      type: str
      sample: clean
    consistency:
      description: V(application), V(crash) or V(fuzzy).
      type: str
      sample: crash
    loss_h:
      description: Hours of data that are lost with it.
      type: float
      sample: 6.5
    chosen_by:
      description: The modes that choose it.
      type: list
      elements: str
      sample: [strict]
    reasons:
      description: What speaks for it.
      type: list
      elements: str
      sample: [all that wrote its volumes up to the cut is without a finding that counts]
mode:
  description: The mode it was chosen by.
  returned: success
  type: str
  sample: strict
choices:
  description: What each mode would choose, as far as the incident says enough for it. Same shape as RV(chosen).
  returned: success
  type: dict
  sample: {strict: null}
candidates:
  description: Every point, newest first.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: Its id.
      type: str
      sample: shop-20261121-140305-3f9a
    cut_at:
      description: When each claim was cut.
      type: dict
      sample: {data-db-0: "2026-11-21T14:03:05Z"}
    consistency:
      description: V(application), V(crash) or V(fuzzy).
      type: str
      sample: crash
    left_out:
      description: Claims that it does not hold, with the reason. Empty for a whole point.
      type: dict
      sample: {}
    purpose:
      description: What it was taken for.
      type: str
      sample: scheduled
    held:
      description: Whether it is held.
      type: bool
      sample: true
    state:
      description: V(available) or V(pruned).
      type: str
      sample: available
    verdict:
      description:
        - V(compromised) with evidence of compromise in it, V(suspect) when something with the finding of the incident
          may have written it, V(exposed) when something with another finding did, V(unverified) when too little is
          known, else V(clean).
      type: str
      sample: clean
    code_at_cut:
      description: C(verdict), C(reasons), C(notes) and C(assumed) on the images that ran at the cut.
      type: dict
      sample: {verdict: clean, reasons: [], notes: [], assumed: []}
    data_exposure:
      description: The same on all that may have written its volumes up to the cut, and by claim in C(volumes).
      type: dict
      sample: {verdict: clean, reasons: [], notes: [], assumed: [], volumes: {}}
    evidence:
      description: The same on what was looked for in the data itself, and what was not.
      type: dict
      sample: {verdict: unchecked, reasons: [it was not restored in a drill yet], notes: [], assumed: []}
    for:
      description: What speaks for it.
      type: list
      elements: str
      sample: [the code at its cut is clean]
    against:
      description: What speaks against it, caveats included.
      type: list
      elements: str
      sample: [it was not restored in a drill yet]
    loss_h:
      description: Hours of data that would be lost. Null when it is not known when it was cut.
      type: float
      sample: 6.5
    before_incident:
      description: Whether all of it was cut before the incident. Null when one of the times is not known.
      type: bool
      sample: true
    chosen_by:
      description: The modes that choose it.
      type: list
      elements: str
      sample: [strict]
data_loss_h:
  description: Hours from the cut of the chosen point to RV(data_loss_until). Null when none is chosen.
  returned: success
  type: float
  sample: 6.5
data_loss_until:
  description: The time of the incident, or now.
  returned: success
  type: str
  sample: "2026-11-21T20:33:05Z"
why:
  description: Why this point, or why none.
  returned: success
  type: list
  elements: str
  sample: [shop-20261121-140305-3f9a is the newest point that mode strict accepts; its verdict is clean]
least_tainted:
  description: When none is chosen, the point to look at first in a clean room. Null otherwise, or when there is none.
  returned: success
  type: str
  sample: shop-20261121-140305-3f9a
duties:
  description:
    - What has to be done besides. C(duty) is V(rotate_secrets), V(reencrypt), V(run_fixed) (run only a fixed image) or
      V(review_delta) (what was written after the cut).
  returned: success
  type: list
  elements: dict
  sample: [{duty: rotate_secrets, reason: Deployment/orders ran it, workloads: [Deployment/orders], findings: []}]
image_overrides:
  description:
    - The newest images of the declared sources without findings that count, by workload and container, as
      O(knowngood.kube.restore#module:image_overrides) takes them.
  returned: success
  type: dict
  sample:
    Deployment/orders:
      orders: registry.example.org/orders@sha256:9f2c0d6cbc5f9d5f5a9f5f0b9f4c3f0f6a6d0d0f1e2d3c4b5a69788766554433
images:
  description: The same with commit and reason; also for containers for which there is none.
  returned: success
  type: list
  elements: dict
  contains:
    workload:
      description: The workload.
      type: str
      sample: Deployment/orders
    container:
      description: The container.
      type: str
      sample: orders
    digest:
      description: Digest of the image. Null where there is none.
      type: str
      sample: sha256:9f2c0d6cbc5f9d5f5a9f5f0b9f4c3f0f6a6d0d0f1e2d3c4b5a69788766554433
    commit:
      description: Its commit.
      type: str
      sample: 7d9e1c0a5b3f4e2d8c6b1a0f9e8d7c6b5a493827
    image:
      description: The image as a reference by digest.
      type: str
      sample: registry.example.org/orders@sha256:9f2c0d6cbc5f9d5f5a9f5f0b9f4c3f0f6a6d0d0f1e2d3c4b5a69788766554433
    running:
      description: The digest that the newest point saw running.
      type: str
      sample: sha256:0d6cbc5f9d5f5a9f5f0b9f4c3f0f6a6d0d0f1e2d3c4b5a697887665544339f2c
    reason:
      description: Why this one, or why none.
      type: str
      sample: 7d9e1c0a5b3f is the newest commit without findings that count whose image is known
verdicts:
  description: C(verdict), C(reasons) and C(rules) by id, as M(knowngood.kube.recovery_point_mark) takes them.
  returned: success
  type: dict
  sample: {shop-20261121-140305-3f9a: {verdict: clean, reasons: [], rules: ""}}
rules:
  description: SHA-256 over policy and scans that the verdicts rest on.
  returned: success
  type: str
  sample: 4f5c0f343b0931126a20f133d67c2b018a3b1c9e0d4f5a6b7c8d9e0f1a2b3c4d
caveats:
  description: Scans and findings that could not be used, and why. Shown as warnings, too.
  returned: success
  type: list
  elements: str
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.knowngood.kube.plugins.module_utils._ansible.application import APP_ARGS
from ansible_collections.knowngood.kube.plugins.module_utils._ansible.args import AUTH_ARGS, COMMON_ARGS
from ansible_collections.knowngood.kube.plugins.module_utils._ansible.catalogue import known_good
from ansible_collections.knowngood.kube.plugins.module_utils._ansible.frame import run_door

ARGUMENTS = {
    **AUTH_ARGS,
    **COMMON_ARGS,
    **APP_ARGS,
    "incident": {"type": "dict"},
    "scans": {"type": "list", "elements": "dict", "default": []},
    "findings": {"type": "list", "elements": "raw", "default": []},
    "policy": {"type": "dict"},
}


def main() -> None:
    run_door(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), known_good)


if __name__ == "__main__":
    main()
