# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""OpenVEX 0.2.0: which statements hide which findings, and what we state about ours."""

from __future__ import annotations

import datetime as dt
import gzip
import itertools
import json
import re

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput
from ansible_collections.knowngood.kube.plugins.module_utils._core.findings import Finding
from ansible_collections.knowngood.kube.plugins.module_utils._sast import openvex
from ansible_collections.knowngood.kube.plugins.module_utils._sast.openvex import digests_of, read
from ansible_collections.knowngood.kube.plugins.module_utils._sast.openvex_out import document
from ansible_collections.knowngood.kube.plugins.module_utils._sast.waivers import JUSTIFICATIONS, Waivers, waived

NOW = dt.datetime(2026, 11, 21, 12, 0, tzinfo=dt.UTC)
HEX, OTHER_HEX = "1" * 64, "2" * 64
ONE, TWO = f"sha256:{HEX}", f"sha256:{OTHER_HEX}"
IMAGE = {"@id": f"pkg:oci/shop@sha256%3A{HEX}?repository_url=registry.example/shop"}
CVE = "CVE-2024-12345"


def statement(name=CVE, status="not_affected", *, justification="component_not_present", products=None, **more):
    said = {"vulnerability": {"name": name}, "status": status, "products": products or [IMAGE], **more}
    if status == "not_affected" and justification:
        said["justification"] = justification
    return said


def vex(*statements, **more):
    return {
        "@context": "https://openvex.dev/ns/v0.2.0",
        "@id": "https://openvex.dev/docs/example/vex-1",
        "author": "security@shop.example",
        "timestamp": "2026-01-01T00:00:00Z",
        "version": 1,
        "statements": list(statements),
        **more,
    }


def record(rule=CVE, *, paths=("src/a.py",), **more):
    return {
        "id": "f1",
        "tool": "Tool",
        "rule": rule,
        "severity": "high",
        "severity_source": "level:result",
        "native": "error",
        "state": "live",
        "message": "bad",
        "cwe": ["CWE-89"],
        "tags": [],
        "locations": [{"path": path, "place": "inside"} for path in paths],
        **more,
    }


def hides(documents, finding=None, digests=(ONE,)):
    return read(documents).judge(finding or record(), None, list(digests)) is not None


# --- reading --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "hidden"),
    [
        *((statement(justification=word), True) for word in JUSTIFICATIONS),
        (statement(justification="", impact_statement="the parser is not built in"), True),
        (statement(status="fixed"), True),
        (statement(justification=""), False),
        (statement(justification="", impact_statement="  "), False),
        (statement(justification="we_think_so"), False),
        (statement(justification="we_think_so", impact_statement="really"), False),
        (statement(status="affected", action_statement="update"), False),
        (statement(status="under_investigation"), False),
    ],
)
def test_only_fixed_and_a_reasoned_not_affected_hide(said, hidden):
    assert hides(vex(said)) is hidden


@pytest.mark.parametrize(
    ("name", "finding", "hidden"),
    [
        ("cve-2024-12345", record(), True),
        (CVE, record("CVE-2024-12345-openssl"), True),
        (CVE, record("R1", tags=["security", "external/cve/CVE-2024-12345"]), True),
        (CVE, record("CVE-2024-123456"), False),
        (CVE, record("R1", message=f"see {CVE}"), False),
        (CVE, record("R1", descriptor=CVE), True),
        ("R1", record("R1"), True),
        ("r1", record("R1"), False),
        ("CWE-089", record("R1"), True),
        ("CWE-79", record("R1"), False),
    ],
)
def test_a_vulnerability_is_named_by_cve_rule_or_weakness(name, finding, hidden):
    assert hides(vex(statement(name)), finding) is hidden


def test_aliases_count_like_the_name():
    said = statement("GHSA-2qrg-x229-3v8q")
    said["vulnerability"]["aliases"] = [CVE]
    assert hides(vex(said))
    assert hides(vex(said), record("GHSA-2qrg-x229-3v8q"))


def test_a_finding_with_several_cves_is_hidden_when_each_of_them_is():
    both = record("R1", tags=[CVE, "CVE-2023-1111"])
    assert not hides(vex(statement()), both)
    assert hides(vex(statement(), statement("CVE-2023-1111", "fixed")), both)
    assert not hides(vex(statement(), statement("CVE-2023-1111", "affected")), both)


def test_a_statement_against_any_name_keeps_the_finding():
    assert not hides(vex(statement("CWE-89"), statement(CVE, "under_investigation")))


@pytest.mark.parametrize(
    ("product", "digests"),
    [
        (IMAGE, {ONE}),
        ({"@id": f"pkg:oci/shop@{ONE}"}, {ONE}),
        ({"@id": f"pkg:docker/shop@1.0?checksum=sha1:aa,{ONE}"}, {ONE}),
        ({"@id": f"pkg:docker/shop@1.0?digest=sha256%3A{HEX}#sub"}, {ONE}),
        ({"@id": f"registry.example/shop@{ONE}"}, {ONE}),
        ({"@id": ONE.upper()}, {ONE}),
        ({"identifiers": {"purl": f"pkg:oci/shop@{ONE}"}, "hashes": {"sha-256": OTHER_HEX}}, {ONE, TWO}),
        ({"hashes": {"sha-256": HEX.upper()}}, {ONE}),
        ({"hashes": {"sha-512": HEX, "sha-256": "12"}}, set()),
        ({"@id": f"pkg:oci/shop@1.0?parent={ONE}"}, set()),
        ({"@id": "pkg:apk/wolfi/git@2.39.0"}, set()),
        ({"@id": 7, "identifiers": [], "hashes": []}, set()),
        (f"pkg:oci/shop@{ONE}", {ONE}),
        (7, set()),
    ],
)
def test_a_product_is_known_by_its_digest_only(product, digests):
    assert digests_of(product) == digests
    assert hides(vex(statement(products=[product]))) is (ONE in digests)


def test_every_image_of_the_scan_must_be_meant():
    assert not hides(vex(statement()), digests=(ONE, TWO))
    assert not hides(vex(statement()), digests=())
    assert hides(
        vex(statement(), statement(status="fixed", products=[{"hashes": {"sha-256": OTHER_HEX}}])), None, (ONE, TWO)
    )


def test_the_latest_statement_wins_in_whatever_order_they_stand():
    said = [
        statement(timestamp="2026-02-01T00:00:00Z"),
        statement(status="affected", timestamp="2026-03-01T00:00:00+00:00"),
        statement(status="fixed", timestamp="2026-03-01T02:00:00+01:00"),
    ]
    for order in itertools.permutations(said):
        assert hides(vex(*order))
        assert not hides([vex(one) for one in order if one["status"] != "fixed"])
    assert not hides(vex(said[0], statement(justification="", timestamp="2026-04-01T00:00:00Z")))


def test_of_two_statements_of_one_time_the_one_that_does_not_hide_wins():
    for order in itertools.permutations([statement(), statement(status="under_investigation")]):
        assert not hides(vex(*order))


def test_a_statement_takes_its_time_from_the_document():
    later = vex(statement(status="affected"), timestamp="2026-05-01T00:00:00Z")
    assert not hides([later, vex(statement(timestamp="2026-04-01T00:00:00.123456789Z"))])
    assert hides([later, vex(statement(timestamp="2026-06-01T00:00:00Z"))])


def with_parts(*parts):
    return [{**IMAGE, "subcomponents": [{"@id": part} for part in parts]}]


@pytest.mark.parametrize(
    ("parts", "paths", "hidden"),
    [
        (["file:src/a.py"], ["src/a.py"], True),
        (["file:./src/a%2Epy"], ["src/a.py"], True),
        (["pkg:generic/shop@1#src/a.py"], ["src/a.py"], True),
        (["file:src/a.py"], ["src/b.py"], False),
        (["file:src/a.py"], ["src/a.py", "src/b.py"], False),
        (["file:src/a.py", "file:src/b.py"], ["src/a.py", "src/b.py"], True),
        (["file:src/a.py"], [], False),
        (["pkg:apk/openssl@3"], ["src/a.py"], False),
        (["pkg:apk/openssl@3", "file:src/a.py"], ["src/a.py"], True),
        (["file:///src/a.py"], ["src/a.py"], False),
        (["file:../a.py"], ["../a.py"], False),
    ],
)
def test_a_statement_about_files_hides_findings_in_those_files_only(parts, paths, hidden):
    assert hides(vex(statement(products=with_parts(*parts))), record(paths=paths)) is hidden


def test_a_statement_that_is_too_narrow_to_see_blocks_but_never_hides():
    affected = statement(status="affected", products=with_parts("pkg:apk/openssl@3"), timestamp="2026-02-01T00:00:00Z")
    assert not hides(vex(statement(), affected))
    one_file = statement(status="affected", products=with_parts("file:src/a.py"), timestamp="2026-02-01T00:00:00Z")
    assert hides(vex(statement(), one_file), record(paths=["src/b.py"]))
    assert not hides(vex(statement(), one_file), record(paths=["src/b.py", "src/a.py"]))
    assert not hides(vex(statement(), one_file), record(paths=[]))
    assert hides(vex(statement(timestamp="2026-03-01T00:00:00Z"), one_file), record(paths=[]))


def test_a_file_outside_the_root_is_hidden_by_a_statement_about_the_whole_product_only():
    outside = record(locations=[{"path": "src/a.py", "place": "outside_root"}])
    assert not hides(vex(statement(products=with_parts("file:src/a.py"))), outside)
    assert hides(vex(statement()), outside)


def test_the_report_counts_what_hid_what_did_not_and_what_cannot():
    ready = read(
        vex(
            statement(impact_statement="not built in"),
            statement("R1", "fixed"),
            statement("R2", justification=""),
            statement("R3", products=[{"@id": "pkg:apk/git@2"}]),
            {"vulnerability": "R4", "status": "fixed"},
            statement("R5", products=with_parts("pkg:apk/git@2")),
            statement("R6", "affected"),
        )
    )
    findings = [record(), record(id="f2"), record("R2"), record("R3"), record("R4"), record("R5"), record("R6")]
    found = [ready.judge(finding, None, [ONE]) for finding in findings]
    assert [bool(one) for one in found] == [True, True, False, False, False, False, False]
    report = ready.report()
    assert {
        key: report[key] for key in ("documents", "statements", "hiding", "hidden", "would_have_hidden", "unused")
    } == {
        "documents": 1,
        "statements": 7,
        "hiding": 5,
        "hidden": 2,
        "would_have_hidden": 1,
        "unused": 4,
    }
    assert [
        (row["vulnerability"], row["used"], row["would_have_hidden"], row["why_not"]) for row in report["rows"]
    ] == [
        (CVE, 2, 0, ""),
        ("R2", 0, 1, "not_affected without a justification"),
    ]
    assert report["rows"][0]["first"] == {"id": "f1", "rule": CVE, "path": "src/a.py"}
    assert {warning["code"]: warning["count"] for warning in report["warnings"]} == {
        "vex_product_without_digest": 1,
        "vex_subcomponent_unknown": 1,
        "vex_without_justification": 1,
        "vex_without_product": 1,
    }


def test_a_hidden_finding_says_who_stated_what_and_when():
    found = Finding.from_dict(record())
    said = read(vex(statement(impact_statement="x" * 2000))).judge(found, None, [ONE])
    after = waived(found, said)
    assert after.state == "suppressed"
    entry = after.suppressions[0]
    assert (entry.kind, entry.status) == ("vex", "accepted")
    assert entry.justification.startswith(
        f"not_affected: {CVE} (security@shop.example, 2026-01-01T00:00:00Z): component_not_present xxx"
    )
    assert len(entry.justification) < 1200


def test_cut_texts_and_rows_are_counted(monkeypatch):
    monkeypatch.setattr(openvex, "_MOST_ROWS", 1)
    ready = read(vex(statement("R1", impact_statement="x" * 2000), statement("R2")))
    assert all(ready.judge(record(rule), None, [ONE]) for rule in ("R1", "R2"))
    assert ready.report()["truncated"] == [
        {"what": "characters of VEX texts", "kept": 1000, "seen": 2000},
        {"what": "statements shown", "kept": 1, "seen": 2},
    ]


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lambda text: b"\xef\xbb\xbf" + text])
def test_a_document_may_be_a_file(put, pack):
    assert hides(put(pack(json.dumps(vex(statement())).encode())))


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "cannot be used"),
        (b"{", "not JSON"),
        (b"\xff\xfe\xff", "not JSON"),
        (b"[]", "must be a dictionary"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"a": 1' + b"0" * 5000 + b"}", "not JSON"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b'{"a": 1, "a": 2}', "same key twice"),
        (b"{}", "no OpenVEX"),
        ({"@context": "https://openvex.dev/ns/v9"}, "no OpenVEX"),
        (vex(), "1 to"),
        (vex(statement(), author=""), "text that is not empty"),
        (vex(statement(), timestamp="today"), "not a time"),
        (vex(statement(), timestamp=None), "not a time"),
        (vex("x"), "must be a dictionary"),
        (vex(statement(status="fine")), "no such word"),
        (vex(statement(timestamp="2026-01-01")), "not a time"),
        (vex({**statement(), "vulnerability": {}}), "text that is not empty"),
        (vex({**statement(), "vulnerability": {"name": "a", "aliases": "b"}}), "aliases must be a list"),
        (vex({**statement(), "products": {"a": 1}}), "products must be a list"),
        (vex(statement(products=[{**IMAGE, "subcomponents": {"a": 1}}])), "subcomponents must be a list"),
    ],
)
def test_what_is_no_openvex_is_one_clear_error(put, content, what):
    path = put(content)
    with pytest.raises(BadInput, match=what) as caught:
        read(path)
    assert path in caught.value.where


def test_a_missing_file_and_too_many_claims_are_errors(monkeypatch, tmp_path):
    with pytest.raises(BadInput, match="cannot be used"):
        read(str(tmp_path / "none.json"))
    monkeypatch.setattr(openvex, "_MOST_CLAIMS", 2)
    with pytest.raises(BadInput, match="say too much"):
        read(vex(statement(), statement("R1"), statement("R2")))


@pytest.mark.parametrize("odd", [None, 7, [7], [[]], b"x", [""], "a\0b"])
def test_what_is_neither_a_document_nor_a_path_is_an_error(odd):
    with pytest.raises(BadInput, match="a dictionary or a path"):
        read(odd)


def test_a_finding_that_is_hidden_already_is_not_asked_about():
    ready = read(vex(statement()))
    assert ready.judge(record(state="suppressed"), None, [ONE]) is None
    assert ready.judge(record(state="absent"), None, [ONE]) is None
    assert ready.report()["hidden"] == 0


def test_without_documents_nothing_is_hidden():
    assert read([]).judge(record(), None, [ONE]) is None


# --- writing --------------------------------------------------------------------------------------------------------

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`]+")
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_DOCUMENT = {"@context", "@id", "author", "role", "timestamp", "last_updated", "version", "tooling", "statements"}
_STATEMENT = {
    *("@id", "version", "vulnerability", "timestamp", "last_updated", "products", "status", "supplier"),
    *("status_notes", "justification", "impact_statement", "action_statement", "action_statement_timestamp"),
}
_HASHES = {"md5", "sha1", "sha-256", "sha-384", "sha-512", "sha3-224", "sha3-256", "sha3-384", "sha3-512"}


def check(made):
    """The rules of the published schema and of the specification, as far as our documents can break them."""
    assert _DOCUMENT >= set(made) >= {"@context", "@id", "author", "timestamp", "version", "statements"}
    assert made["@context"] == "https://openvex.dev/ns/v0.2.0"
    assert _URI.fullmatch(made["@id"])
    assert _DATE_TIME.fullmatch(made["timestamp"])
    assert isinstance(made["version"], int)
    assert made["version"] >= 1
    assert made["statements"]
    assert len({json.dumps(one, sort_keys=True) for one in made["statements"]}) == len(made["statements"])
    for said in made["statements"]:
        assert set(said) <= _STATEMENT
        assert set(said["vulnerability"]) == {"name"}
        assert said["status"] in ("not_affected", "affected", "fixed", "under_investigation")
        assert (said["status"] == "not_affected") is (("justification" in said) != ("impact_statement" in said))
        assert said.get("justification", JUSTIFICATIONS[0]) in JUSTIFICATIONS
        assert said["status"] != "affected" or said["action_statement"]
        assert said["products"]
        for product in said["products"]:
            check_component(product)
            for part in product.get("subcomponents", []):
                check_component(part)


def check_component(component):
    assert set(component) <= {"@id", "identifiers", "hashes", "subcomponents"}
    assert _URI.fullmatch(component.get("@id", "urn:x"))
    assert set(component.get("identifiers", {})) <= {"purl"}
    assert set(component.get("hashes", {})) <= _HASHES
    assert "@id" in component or "hashes" in component


def made(*findings, **more):
    found = document(findings, **{"author": "team-a", "digest": ONE, "now": NOW, **more})
    check(found)
    return found


def only(*findings, **more):
    statements = made(*findings, **more)["statements"]
    assert len(statements) == 1
    return statements[0]


def suppressed(kind, text, **more):
    return record(
        state="suppressed", suppressions=[{"kind": kind, "status": "accepted", "justification": text}], **more
    )


def test_a_live_finding_is_under_investigation_and_says_who_reported_it():
    assert only(record(paths=["src/a b.py"])) == {
        "vulnerability": {"name": CVE},
        "products": [{"hashes": {"sha-256": HEX}, "subcomponents": [{"@id": "file:src/a%20b.py"}]}],
        "status": "under_investigation",
        "status_notes": f"reported by Tool, rule {CVE}, severity high",
    }


@pytest.mark.parametrize(
    ("finding", "status"),
    [
        (record(), "under_investigation"),
        (suppressed("waiver", "W1: why (team, until 2026-12-31)"), "not_affected"),
        (suppressed("vex", f"not_affected: {CVE} (a, b): c"), "not_affected"),
        (suppressed("vex", f"fixed: {CVE} (a, b)"), "fixed"),
        (suppressed("inSource", "false positive"), "under_investigation"),
        (suppressed("waiver", ""), "under_investigation"),
        (record(state="suppressed"), "under_investigation"),
        (record(state="absent"), "under_investigation"),
        (record(id="gone"), "fixed"),
        (record(state="suppressed", suppressions=[{"kind": "waiver", "status": "rejected"}]), "under_investigation"),
    ],
)
def test_nothing_is_stated_that_nobody_said(finding, status):
    assert only(finding, changes={"gone": "fixed", "f1": "unchanged"})["status"] == status


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        (None, {"status": "not_affected", "impact_statement": "W1: only in tests (team-a, until 2026-12-31)"}),
        (
            "component_not_present",
            {
                "status": "not_affected",
                "justification": "component_not_present",
                "status_notes": "W1: only in tests (team-a, until 2026-12-31)",
            },
        ),
        ("affected", {"status": "affected", "action_statement": "W1: only in tests (team-a, until 2026-12-31)"}),
    ],
)
def test_a_waiver_says_what_it_means_for_the_product(word, expected):
    entry = {"id": "W1", "owner": "team-a", "reason": "only in tests", "expires": "2026-12-31", "scope": {"rule": CVE}}
    waivers = Waivers.from_list([{**entry, **({"vex": word} if word else {})}], NOW)
    found = Finding.from_dict(record())
    said = only(waived(found, waivers.judge(found)), waivers=waivers)
    assert {key: said[key] for key in expected} == expected
    assert set(said) == {"vulnerability", "products", *expected}


def test_of_several_findings_of_one_cve_and_file_the_worst_counts():
    hidden = suppressed("waiver", "W1: fine (team, until x)")
    for order in itertools.permutations([hidden, record(), record(id="gone")]):
        assert only(*order, changes={"gone": "fixed"})["status"] == "under_investigation"
    assert len(made(hidden, record(paths=["b.py"]))["statements"]) == 2


def test_each_cve_and_each_image_has_its_own_statement_and_others_none():
    found = made(record("R1", tags=["CVE-2023-1111", CVE]), record("R2"), digest=[TWO, ONE, ONE])
    assert [
        (one["vulnerability"]["name"], one["products"][0]["hashes"]["sha-256"][0]) for one in found["statements"]
    ] == [
        ("CVE-2023-1111", "1"),
        ("CVE-2023-1111", "2"),
        (CVE, "1"),
        (CVE, "2"),
    ]


def test_an_odd_finding_is_an_error():
    for odd in ({"suppressions": ["x"], "state": "suppressed"}, {"tags": [7]}, {"tags": "x"}):
        with pytest.raises(BadInput, match="not a finding"):
            made(record(**odd))


def test_findings_without_a_cve_make_no_document():
    assert document([record("R1", message=CVE)], author="a", digest=ONE, now=NOW) is None


def test_equal_content_has_an_equal_id_whatever_the_order_and_the_time():
    one, two = record(), record("CVE-2023-1111")
    later = NOW + dt.timedelta(days=1)
    first, second = made(one, two), made(two, one, now=later)
    assert first["@id"] == second["@id"]
    assert first["@id"].startswith("urn:uuid:")
    assert (first["timestamp"], second["timestamp"]) == ("2026-11-21T12:00:00Z", "2026-11-22T12:00:00Z")
    assert made(one)["@id"] != first["@id"]
    assert re.fullmatch(r"https://x\.example/vex/[0-9a-f]{64}", made(one, ids="https://x.example/vex/")["@id"])


def test_an_image_whose_name_is_known_has_a_package_url():
    product = only(record(paths=[]), images={ONE: f"registry.example:5000/team/Shop:1.2@{ONE}"})["products"][0]
    purl = f"pkg:oci/shop@sha256%3A{HEX}?repository_url=registry.example%3A5000/team/Shop"
    assert product == {"@id": purl, "identifiers": {"purl": purl}, "hashes": {"sha-256": HEX}}
    assert digests_of(product) == {ONE}


def test_what_we_write_we_read():
    finding = record(paths=["src/a b.py", "src/é.py"])
    hidden = {**finding, **suppressed("waiver", "W1: fine (team, until x)", paths=["src/a b.py", "src/é.py"])}
    ready = read(made(hidden))
    assert ready.judge(finding, None, [ONE])
    assert not ready.judge(record(paths=["src/c.py"]), None, [ONE])
    assert not read(made(finding)).judge(finding, None, [ONE])


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ({"author": ""}, "text that is not empty"),
        ({"digest": "latest"}, "not an image digest"),
        ({"digest": []}, "needs an image"),
        ({"ids": "vex/"}, "no beginning of an IRI"),
        ({"ids": "https://a b/"}, "no beginning of an IRI"),
    ],
)
def test_bad_words_for_a_document_are_errors(more, what):
    with pytest.raises(BadInput, match=what):
        document([record()], **{"author": "a", "digest": ONE, "now": NOW, **more})


def test_too_many_statements_are_refused(monkeypatch):
    monkeypatch.setattr("ansible_collections.knowngood.kube.plugins.module_utils._sast.openvex_out._MOST", 2)
    with pytest.raises(BadInput, match="too much to say"):
        made(*(record(f"CVE-2024-{at}") for at in range(1000, 1010)))
