#!/usr/bin/python
# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: sast_report
short_description: Reads reports of static analysis
description:
  - Reads SARIF 2.1.0 and the own formats of many tools into one model of findings, each with its severity, the field
    that decided it, the rule and how the rule was found, its CWEs, its place and an id that stays the same when lines
    move.
  - Judges the scan before its findings. A report without results is clean only when its tool finished, so every scan
    has a RV(scans[].status).
  - Streams. A report of any size is read once with bounded memory, as UTF-8, UTF-16 or UTF-32, plain, compressed
    with gzip or as a member of a zip archive.
  - Compares with earlier reports, applies waivers and VEX statements, and fails the task when a O(gate) is not passed.
  - Counts everything it drops, replaces or cuts in RV(scans[].warnings) and RV(scans[].truncated).
  - Needs no cluster. Reports are files of the machine that runs the module. The options that say how to reach a cluster
    are taken, so that C(module_defaults) of the group apply to every module, but nothing is connected to.
version_added: 0.1.0
author: The knowngood.kube authors (@knowngood)
options:
  path:
    description:
      - Files, directories and globs. A directory gives, at any depth, files whose names end in C(.sarif),
        C(.sarif.json) or these with C(.gz), and JSON, XML and CSV files that begin like a report. Links inside a
        directory are not followed. A zip archive gives its members by the same rules; a Fortify project is one report.
      - A path that does not exist, a glob without match and a directory without reports are errors.
    type: list
    elements: path
    required: true
  format:
    description:
      - The format of the reports; V(auto) finds it by their content, never by their names.
      - V(generic) is the simple format of this collection, V(defectdojo) that of DefectDojo's generic import.
    type: str
    choices:
      - auto
      - sarif
      - bandit
      - gitlab
      - semgrep
      - gosec
      - brakeman
      - eslint
      - horusec
      - njsscan
      - bearer
      - rubocop
      - kics
      - checkov
      - gitleaks
      - detect_secrets
      - generic
      - defectdojo
      - spotbugs
      - fortify
      - cppcheck
      - sonarqube
      - pmd
      - coverity
      - codechecker
      - infer
      - veracode
      - checkmarx
    default: auto
  commit:
    description:
      - The commit that was scanned. V(auto) takes it from the report (C(versionControlProvenance)).
      - A report that names another commit is an error. An abbreviated commit id of at least 7 digits is completed
        from the report.
    type: str
    default: auto
  digest:
    description:
      - The digest of the image that was built from the scanned commit, or a dictionary of digests and the commits
        they were built from, as in C(sources[].digests) of an application. Recorded in RV(scans[].digest).
    type: raw
  suppressions:
    description:
      - When suppressions hide a finding. V(strict) wants every suppression of it accepted, V(lenient) at least one.
        One without a status is accepted, as the standard says.
    type: str
    choices: [strict, lenient]
    default: strict
  note_severity:
    description: The severity of findings whose level is C(note) and that have no security severity.
    type: str
    choices: [low, info]
    default: low
  policy:
    description:
      - Severities that replace those of the tool. The first rule that matches wins. Needs the Python library
        C(jmespath) if there are any rules.
    type: dict
    suboptions:
      severity:
        description: Rules in order.
        type: list
        elements: dict
        default: []
        suboptions:
          match:
            description:
              - A JMESPath expression over a finding as in RV(findings), which must give true or false.
            type: str
            required: true
          severity:
            description: The severity of findings that match.
            type: str
            required: true
            choices: [critical, high, medium, low, info, unknown]
          reason:
            description: Why; recorded with each finding that it changes.
            type: str
            default: ""
  source_root:
    description:
      - Path or URI on the scanning machine that stands for the root of the repository, taken off absolute paths.
    type: str
  uri_bases:
    description:
      - For each C(uriBaseId) of the reports, the path it stands for, relative to the root of the repository. An empty
        string is the root. Goes before what the report says.
    type: dict
  external_files:
    description:
      - Whether parts of a SARIF report that it keeps in other files of its own directory are read. Nothing outside of
        that directory is opened and nothing is fetched. Without it such a scan is V(partial).
    type: bool
    default: false
  dest:
    description:
      - File that gets all findings as newline-delimited JSON, one finding a line, mode C(0600). Written at once and
        only when its content changes; nothing is written unless every report could be read.
    type: path
  outputs:
    description:
      - Files to write besides the store, each at once and only when its content changes, mode C(0600).
    type: list
    elements: dict
    default: []
    suboptions:
      format:
        description:
          - V(sarif) is SARIF 2.1.0 with the severities, states and identities found here. V(csv) and V(markdown) are
            tables for people, V(codeclimate) is for merge requests.
          - V(openvex) speaks about the images in O(digest), for findings that bear a CVE id.
        type: str
        required: true
        choices: [sarif, csv, markdown, codeclimate, openvex]
      dest:
        description: The file.
        type: path
        required: true
      author:
        description: Who answers for an OpenVEX document. Needed for V(openvex).
        type: str
  baseline:
    description:
      - Earlier reports, named like O(path), to compare with. RV(changes) says what is new, moved, fixed or uncertain.
      - A finding that is gone counts as fixed only when the earlier and the later scans can be compared.
    type: list
    elements: path
    default: []
  renames:
    description:
      - Files that were renamed since O(baseline), the old path and the new one, as C(git diff -M) tells them.
      - An empty dictionary says that none was. Without this option a finding that is gone from one file and appears in
        another may be V(uncertain).
    type: dict
  source:
    description:
      - Directory with the source that was scanned. Findings without the fingerprint C(primaryLocationLineHash) get it
        computed. Only regular files below the directory are opened, and no link is followed.
    type: path
  waivers:
    description:
      - Accepted findings. Each has an C(id), an C(owner), a C(reason), C(expires) (a date or time) and a C(scope) with
        at least one of C(finding), C(rule), C(cwe), C(path), C(tool), C(commits), C(digests) and C(match).
      - A waiver that is expired, or without owner or reason, hides nothing and is named in RV(waivers).
      - See C(docs/sast_policy.md) of the collection.
    type: list
    elements: dict
    default: []
  vex:
    description:
      - OpenVEX documents, as paths or as dictionaries. What they say is not affected, with a reason, is hidden for the
        images in O(digest).
    type: list
    elements: raw
    default: []
  gate:
    description:
      - What must not be there. The task fails when it is, and when a scan cannot speak about absence.
      - Keys are C(severity), C(max), C(cwe), C(new_only), C(path), C(confidence), C(effects), C(tools), C(kinds),
        C(match), C(unknown), C(rules) and C(allow). See C(docs/sast_policy.md) of the collection.
    type: dict
  explain:
    description: The id of a finding, or its first digits. RV(explained) says how each of its values was derived.
    type: str
  return_findings:
    description:
      - At most so many findings are returned in RV(findings), live ones first, worst first. Ansible keeps results in
        memory and logs them, so big sets belong in O(dest).
      - With V(0), and without any option that needs single findings, they are counted only, which is several times
        faster.
    type: int
    default: 100
  max_bytes:
    description: The largest size of a report in bytes, after decompression. A larger one is an error.
    type: int
    default: 4294967296
  max_results:
    description: The largest number of results to read from a report. Beyond it the scan is V(partial) and says so.
    type: int
    default: 1000000
extends_documentation_fragment:
  - knowngood.kube.kube_auth
  - knowngood.kube.operation
  - knowngood.kube.attributes
attributes:
  check_mode:
    support: full
    details:
      - Reads everything and tells whether O(dest) would change.
  diff_mode:
    support: partial
    details:
      - Shows the hash of O(dest) before and after, not the findings.
  idempotent:
    support: full
seealso:
  - module: knowngood.kube.known_good
"""

EXAMPLES = r"""
- name: Read what the pipeline left
  knowngood.kube.sast_report:
    path:
      - reports/
    dest: store/findings.ndjson
  register: sast

- name: Read the report of one commit, with the team's own judgement
  knowngood.kube.sast_report:
    path: [reports/semgrep.sarif.gz]
    commit: 8c2f1d6e4b7a9053f1e2d3c4b5a697887766554a
    digest: sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
    policy:
      severity:
        - match: "starts_with(path, 'tests/')"
          severity: low
          reason: Test code is not shipped.

- name: Stop the pipeline for new findings of weight, and for scans that cannot speak about absence
  knowngood.kube.sast_report:
    path: [reports/]
    baseline: [main/reports/]
    gate:
      severity: high
      new_only: true
    waivers:
      - id: W-12
        owner: security@example.com
        reason: The parameter is checked by the gateway.
        expires: "2027-01-31"
        scope:
          rule: py/sql-injection
          path: legacy/**
    outputs:
      - format: sarif
        dest: out/findings.sarif
      - format: markdown
        dest: out/findings.md

- name: Say why one finding has the severity that it has
  knowngood.kube.sast_report:
    path: [reports/]
    explain: 4f1c7a3b
  register: sast
"""

RETURN = r"""
scans:
  description: One entry a report, in the order of the files.
  returned: success
  type: list
  elements: dict
  contains:
    file:
      description: The report as it was named; a member of a zip archive as C(archive.zip!member).
      type: str
      returned: always
      sample: reports/semgrep.sarif
    sha256:
      description: SHA-256 of the file as stored; of a member of a zip archive, of its unpacked bytes.
      type: str
      returned: always
      sample: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    bytes:
      description: Size of the file as stored; of a member of a zip archive, of its unpacked bytes.
      type: int
      returned: always
      sample: 48213
    format:
      description: The format that was read.
      type: str
      returned: always
      sample: sarif
    format_version:
      description: The version that the file states.
      type: str
      returned: always
      sample: 2.1.0
    tool:
      description: Name of the tool; several are joined with a plus sign.
      type: str
      returned: always
      sample: Semgrep OSS
    tool_version:
      description: Version of the tool.
      type: str
      returned: always
      sample: 1.90.0
    commit:
      description: The commit that was scanned, or null when it is not known or the runs name different ones.
      type: str
      returned: always
      sample: 8c2f1d6e4b7a9053f1e2d3c4b5a697887766554a
    repository:
      description: The repository that the report names, without credentials, or null.
      type: str
      returned: always
      sample: https://git.example.com/shop/orders
    digest:
      description: The image digest that the scan speaks about, when there is exactly one, else null.
      type: str
      returned: always
      sample: sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
    digests:
      description: All image digests that were built from the commit.
      type: list
      elements: str
      returned: always
      sample: []
    time:
      description: The end of the last invocation as the report states it, or null.
      type: str
      returned: always
      sample: "2026-03-01T12:00:00Z"
    ruleset:
      description: SHA-256 of the sorted ids of the rules that the tool listed, or null when it listed none.
      type: str
      returned: always
      sample: sha256:5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9
    coverage:
      description: What was looked at.
      type: dict
      returned: always
      contains:
        rules:
          description: Ids of the rules that the tool listed, sorted, at most 5000.
          type: list
          elements: str
          returned: always
          sample: [py/sql-injection]
        rules_count:
          description: The number of these rules.
          type: int
          returned: always
          sample: 1
        artifacts:
          description: The number of files that the tool listed.
          type: int
          returned: always
          sample: 12
    status:
      description:
        - V(ok) when every run finished, with or without results. V(partial) when something was not scanned or not
          read. V(failed) when a run did not finish or its results are null. V(empty) when the file holds no run.
        - Only V(ok) says anything about what is absent.
      type: str
      returned: always
      sample: ok
    status_reasons:
      description: Why the status is not V(ok).
      type: list
      elements: str
      returned: always
      sample: []
    totals:
      description: Counts. All results are findings, passed or dropped; all findings are live, suppressed or absent.
      type: dict
      returned: always
      contains:
        results:
          description: All entries.
          type: int
          returned: always
          sample: 3
        findings:
          description: Entries that are findings.
          type: int
          returned: always
          sample: 2
        live:
          description: Findings that count.
          type: int
          returned: always
          sample: 2
        suppressed:
          description: Findings that suppressions hide.
          type: int
          returned: always
          sample: 0
        absent:
          description: Findings of an earlier scan that are gone (baselineState absent).
          type: int
          returned: always
          sample: 0
        passed:
          description: Entries of kind pass or notApplicable.
          type: int
          returned: always
          sample: 1
        merged:
          description: Entries that repeat one with the same id, where the format guarantees that ids are unique.
          type: int
          returned: always
          sample: 0
        dropped:
          description: Entries that could not be used or were beyond a cap.
          type: int
          returned: always
          sample: 0
        by_severity:
          description: Live findings by severity; critical, high, medium, low, info and unknown are always present.
          type: dict
          returned: always
          sample: {critical: 1, high: 1, medium: 0, low: 0, info: 0, unknown: 0}
        by_native:
          description: All findings by the tool's own word, the level.
          type: dict
          returned: always
          sample: {error: 2}
        by_baseline:
          description: All findings by baselineState; C(none) where the tool said nothing.
          type: dict
          returned: always
          sample: {none: 2}
        by_kind:
          description: All entries that were used, by kind.
          type: dict
          returned: always
          sample: {fail: 2, pass: 1}
    truncated:
      description: Each cap that was reached, with C(what), C(kept) and C(seen).
      type: list
      elements: dict
      returned: always
      sample: []
    warnings:
      description: Each default, replacement and oddity, with C(code), C(count), C(text) and the C(first) case.
      type: list
      elements: dict
      returned: always
      sample: []
    runs:
      description:
        - One entry a run with C(run), C(tool), C(tool_version), C(category), C(run_id), C(status), C(commit),
          C(repository), C(time), C(ruleset), C(rules_count), C(results) and C(findings).
      type: list
      elements: dict
      returned: always
      sample: []
findings:
  description: The first findings to look at, at most O(return_findings), live ones first, worst first.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: The same in every scan that finds the same thing; made of tool, rule, path, fingerprint or message.
      type: str
      returned: always
      sample: 4f1c7a3be2d90866a1f05d3c2b7e9184
    tool:
      description: Name of the tool.
      type: str
      returned: always
      sample: Semgrep OSS
    rule:
      description: Id of the rule as reported.
      type: str
      returned: always
      sample: py/sql-injection
    rule_name:
      description: Name of the rule.
      type: str
      returned: always
      sample: SqlInjection
    rule_resolution:
      description: How the rule was found; V(index), V(guid), V(id), V(prefix) or V(none).
      type: str
      returned: always
      sample: index
    descriptor:
      description: Id of the rule that was found, or null.
      type: str
      returned: always
      sample: py/sql-injection
    help_uri:
      description: Web page about the rule, or null.
      type: str
      returned: always
      sample: https://example.com/rules/sql-injection
    severity:
      description: One of V(critical), V(high), V(medium), V(low), V(info) and V(unknown).
      type: str
      returned: always
      sample: critical
    severity_source:
      description:
        - What decided it, for example V(policy), V(result.security-severity), V(rule.security-severity),
          V(level:rule).
      type: str
      returned: always
      sample: rule.security-severity
    native:
      description: The level of the result, which is the tool's own word.
      type: str
      returned: always
      sample: error
    security_severity:
      description: The tool's own security severity as it wrote it, or null.
      type: str
      returned: always
      sample: "9.8"
    override:
      description: What a policy replaced, with C(before), C(source_before), C(match) and C(reason), or null.
      type: dict
      returned: always
      sample: null
    state:
      description: V(live), V(suppressed) or V(absent).
      type: str
      returned: always
      sample: live
    kind:
      description: The kind of the result. With V(open) and V(review) the tool could not decide.
      type: str
      returned: always
      sample: fail
    baseline:
      description: V(new), V(unchanged), V(updated), V(absent) or null.
      type: str
      returned: always
      sample: new
    message:
      description: What the tool says, without secrets. Control characters appear as escapes.
      type: str
      returned: always
      sample: This query depends on a user-provided value.
    path:
      description: Path of the first location.
      type: str
      returned: always
      sample: orders/app.py
    line:
      description: Line of the first location, or null.
      type: int
      returned: always
      sample: 42
    locations:
      description:
        - All places that must be fixed, with C(path), C(place) (V(inside), V(absolute) or V(outside_root)), C(line),
          C(column), C(end_line), C(end_column), C(char_offset) and C(symbol).
      type: list
      elements: dict
      returned: always
      sample: []
    cwe:
      description: Weaknesses in ascending order.
      type: list
      elements: str
      returned: always
      sample: [CWE-89]
    cwe_sources:
      description: For each weakness, the fields that name it.
      type: dict
      returned: always
      sample: {CWE-89: [rule.tags]}
    effect:
      description:
        - What the weakness does to data that the code wrote; V(taints), V(leaks), V(weakens), V(none), or V(unknown)
          when no weakness is named or none that has been judged.
      type: str
      returned: always
      sample: taints
    effect_cwe:
      description: The weakness that decided the effect, or null.
      type: str
      returned: always
      sample: CWE-89
    tags:
      description: Tags of rule and result.
      type: list
      elements: str
      returned: always
      sample: [security, external/cwe/cwe-089]
    fingerprints:
      description: Fingerprints by key.
      type: dict
      returned: always
      sample: {primaryLocationLineHash: "39fa2ee980eb94b0:1"}
    identity:
      description: What the id stands on; V(message) or C(fingerprint:<key>).
      type: str
      returned: always
      sample: fingerprint:primaryLocationLineHash
    occurrence:
      description: From 0, which of several equal findings of a scan this is.
      type: int
      returned: always
      sample: 0
    snippet_sha256:
      description: The beginning of the hash of the code snippet, or null. Snippets themselves are never returned.
      type: str
      returned: always
      sample: 1f3a5c7e9b2d4f60
    suppressions:
      description: Suppressions with C(kind), C(status) and C(justification).
      type: list
      elements: dict
      returned: always
      sample: []
    rank:
      description: The tool's own rank from 0 to 100, or null.
      type: float
      returned: always
      sample: 50.0
    commit:
      description: The commit that was scanned, or null.
      type: str
      returned: always
      sample: 8c2f1d6e4b7a9053f1e2d3c4b5a697887766554a
    scan:
      description: SHA-256 of the report.
      type: str
      returned: always
      sample: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    run:
      description: Position of the run in the report.
      type: int
      returned: always
      sample: 0
    confidence:
      description: How sure the tool is, V(high), V(medium) or V(low), or null. It never decides the severity.
      type: str
      returned: always
      sample: high
truncated:
  description: Says with C(what), C(kept) and C(seen) that not all findings are in RV(findings).
  returned: success
  type: list
  elements: dict
  sample: []
ignored:
  description: Files of given directories that are no reports, with their C(count) and the first few in C(files).
  returned: success
  type: dict
  sample: {count: 0, files: []}
dest:
  description:
    - The store as it is (in check mode, would be) now, with C(path), C(sha256) and the number of C(findings); null
      without O(dest).
  returned: success
  type: dict
  sample:
    path: store/findings.ndjson
    sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
    findings: 0
outputs:
  description:
    - One entry for each of O(outputs), with C(format), C(path), C(sha256), and C(warnings) and C(truncated) about what
      the form cannot hold.
  returned: success
  type: list
  elements: dict
  sample: []
changes:
  description: What became of the findings since O(baseline); null without it.
  returned: success
  type: dict
  contains:
    counts:
      description: How many findings were compared, and are C(new), C(unchanged), C(moved), C(fixed) and so on.
      type: dict
      returned: always
      sample: {before: 3, after: 3, new: 1, unchanged: 2, moved: 0, fixed: 1, uncertain_new: 0, uncertain_gone: 0}
    comparable:
      description: Why nothing can be called fixed; empty when the scans can be compared.
      type: list
      elements: str
      returned: always
      sample: []
    warnings:
      description: What was not compared.
      type: list
      elements: str
      returned: always
      sample: []
    findings:
      description: Findings of now that are not simply unchanged, with what they were before; the first 100.
      type: list
      elements: dict
      returned: always
      sample: []
    gone:
      description: Findings of before that are not there any more, V(fixed) or V(uncertain); the first 100.
      type: list
      elements: dict
      returned: always
      sample: []
    truncated:
      description: Says with C(what), C(kept) and C(seen) which lists are not whole.
      type: list
      elements: dict
      returned: always
      sample: []
waivers:
  description: What each waiver did, which are C(invalid) and which C(unused); null without O(waivers).
  returned: success
  type: dict
  sample: null
vex:
  description: What the statements of O(vex) did; null without them.
  returned: success
  type: dict
  sample: null
gate:
  description: The verdict of O(gate); null without it. A task that fails for it returns everything else as well.
  returned: always
  type: dict
  contains:
    passed:
      description: Whether nothing stands against it.
      type: bool
      returned: always
      sample: false
    reasons:
      description: What stands against it, with C(code), C(text) and C(count).
      type: list
      elements: dict
      returned: always
      sample: [{code: severity, text: "1 finding of high or worse, none allowed", count: 1}]
    allowed:
      description: What would have stood against it and was allowed.
      type: list
      elements: dict
      returned: always
      sample: []
    decided_by:
      description: The findings that decided, worst first, at most 100.
      type: list
      elements: dict
      returned: always
      sample: []
    decided_count:
      description: How many these are in all.
      type: int
      returned: always
      sample: 1
    counts:
      description: What was looked at.
      type: dict
      returned: always
      sample: {seen: 3, live: 3, hidden: 0}
    summary:
      description: One line for a log.
      type: str
      returned: always
      sample: "the gate is not passed: 1 finding of high or worse, none allowed"
explained:
  description: The finding of O(explain) and, for each value, why it is what it is; null without it.
  returned: success
  type: dict
  contains:
    finding:
      description: The finding as in RV(findings).
      type: dict
      returned: always
      sample: {}
    derivation:
      description: One entry a value, with C(key), C(value) and C(because).
      type: list
      elements: dict
      returned: always
      sample: [{key: severity, value: high, because: "decided by level:rule; the tool's own word is error"}]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.knowngood.kube.plugins.module_utils._ansible.args import AUTH_ARGS, COMMON_ARGS
from ansible_collections.knowngood.kube.plugins.module_utils._ansible.frame import run_door
from ansible_collections.knowngood.kube.plugins.module_utils._sast.report import sast_report

SEVERITY_RULE = {
    "match": {"type": "str", "required": True},
    "severity": {
        "type": "str",
        "required": True,
        "choices": ["critical", "high", "medium", "low", "info", "unknown"],
    },
    "reason": {"type": "str", "default": ""},
}

FORMATS = (
    "sarif",
    "bandit",
    "gitlab",
    "semgrep",
    "gosec",
    "brakeman",
    "eslint",
    "horusec",
    "njsscan",
    "bearer",
    "rubocop",
    "kics",
    "checkov",
    "gitleaks",
    "detect_secrets",
    "generic",
    "defectdojo",
    "spotbugs",
    "fortify",
    "cppcheck",
    "sonarqube",
    "pmd",
    "coverity",
    "codechecker",
    "infer",
    "veracode",
    "checkmarx",
)

OUTPUT = {
    "format": {"type": "str", "required": True, "choices": ["sarif", "csv", "markdown", "codeclimate", "openvex"]},
    "dest": {"type": "path", "required": True},
    "author": {"type": "str"},
}

ARGUMENTS = {
    **AUTH_ARGS,
    **COMMON_ARGS,
    "path": {"type": "list", "elements": "path", "required": True},
    "format": {"type": "str", "choices": ["auto", *FORMATS], "default": "auto"},
    "commit": {"type": "str", "default": "auto"},
    "digest": {"type": "raw"},
    "suppressions": {"type": "str", "choices": ["strict", "lenient"], "default": "strict"},
    "note_severity": {"type": "str", "choices": ["low", "info"], "default": "low"},
    "policy": {
        "type": "dict",
        "options": {"severity": {"type": "list", "elements": "dict", "default": [], "options": SEVERITY_RULE}},
    },
    "source_root": {"type": "str"},
    "uri_bases": {"type": "dict"},
    "external_files": {"type": "bool", "default": False},
    "dest": {"type": "path"},
    "outputs": {"type": "list", "elements": "dict", "default": [], "options": OUTPUT},
    "baseline": {"type": "list", "elements": "path", "default": []},
    "renames": {"type": "dict"},
    "source": {"type": "path"},
    "waivers": {"type": "list", "elements": "dict", "default": []},
    "vex": {"type": "list", "elements": "raw", "default": []},
    "gate": {"type": "dict"},
    "explain": {"type": "str"},
    "return_findings": {"type": "int", "default": 100},
    "max_bytes": {"type": "int", "default": 4294967296},
    "max_results": {"type": "int", "default": 1000000},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    run_door(module, lambda frame: sast_report(frame.params, check=frame.check_mode), requires=())


if __name__ == "__main__":
    main()
