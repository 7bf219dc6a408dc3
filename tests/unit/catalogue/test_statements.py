# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput
from ansible_collections.knowngood.kube.plugins.module_utils._core.signatures import Signer, Verifier
from ansible_collections.knowngood.kube.plugins.module_utils._core.statements import (
    KINDS,
    Draft,
    LedgerBroken,
    Statement,
    fold,
    next_statement,
    verify_chain,
)

TARGET = "shop/shop"
AT = "2026-01-01T00:00:00Z"
CAPTURED = {"cut_at": {"data": "2026-01-01T00:00:00Z", "up": "2026-01-01T00:00:02Z"}, "consistency": "fuzzy"}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
drafts = st.lists(
    st.tuples(st.sampled_from(KINDS), st.sampled_from(["p1", "p2", "p3"]), st.dictionaries(st.text(), json_values)),
    min_size=1,
    max_size=6,
)


def chain_of(*items: tuple[str, str, dict], signer: Signer | None = None) -> list[Statement]:
    chain: list[Statement] = []
    for number, (kind, point, body) in enumerate(items):
        draft = Draft(kind, point, body, f"key-{number}")
        chain.append(next_statement(chain, TARGET, draft, at=AT, by="me", signer=signer))
    return chain


@settings(max_examples=30)
@given(drafts)
def test_what_is_written_is_read_back_and_forms_a_chain(items):
    chain = chain_of(*items)
    again = [Statement.from_json(statement.to_json()) for statement in chain]
    assert again == chain
    verify_chain(TARGET, again)


@settings(max_examples=30)
@given(drafts)
def test_folding_is_deterministic_and_does_not_depend_on_how_the_chain_is_cut(items):
    chain = chain_of(*items)
    once = fold(chain)
    assert once == fold(list(chain))
    assert [p.id for p in once] == list(dict.fromkeys(s.point for s in chain if s.kind == "captured"))
    assert sum(len(p.statements) for p in once) <= len(chain)


@settings(max_examples=30)
@given(drafts, st.data())
def test_any_changed_byte_is_detected(items, data):
    chain = chain_of(*items)
    index = data.draw(st.integers(0, len(chain) - 1))
    raw = bytearray(chain[index].to_json().encode())
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] = data.draw(st.integers(0, 255).filter(lambda byte: byte != raw[place]))

    def read_all():
        text = raw.decode("utf-8", "replace")
        altered = [Statement.from_json(text) if i == index else s for i, s in enumerate(chain)]
        verify_chain(TARGET, altered)

    with pytest.raises(LedgerBroken):
        read_all()


@settings(max_examples=30)
@given(drafts.filter(lambda items: len(items) > 2), st.data())
def test_a_statement_missing_from_the_middle_is_named(items, data):
    chain = chain_of(*items)
    gone = data.draw(st.integers(0, len(chain) - 2))
    with pytest.raises(LedgerBroken, match=f"statement {gone + 1} is missing"):
        verify_chain(TARGET, chain[:gone] + chain[gone + 1 :])


def test_an_altered_body_is_named_even_with_a_fresh_hash():
    chain = chain_of(("captured", "p1", CAPTURED), ("judged", "p1", {"verdict": "suspect"}), ("held", "p1", {}))
    alone = [*chain[:1], replace(chain[1], body={"verdict": "clean"}), chain[2]]
    with pytest.raises(LedgerBroken, match=r"statement 2 \(judged p1\).*its hash does not match"):
        verify_chain(TARGET, alone)
    rewritten = next_statement(chain[:1], TARGET, Draft("judged", "p1", {"verdict": "clean"}, "key-1"), at=AT, by="me")
    with pytest.raises(LedgerBroken, match=r"statement 3 \(held p1\).*does not follow"):
        verify_chain(TARGET, [chain[0], rewritten, chain[2]])


def test_a_statement_of_another_ledger_a_double_and_a_used_key_are_refused():
    chain = chain_of(("captured", "p1", CAPTURED), ("held", "p1", {}))
    with pytest.raises(LedgerBroken, match="belongs to the ledger of shop/shop"):
        verify_chain("other/app", chain)
    with pytest.raises(LedgerBroken, match="two statements 1"):
        verify_chain(TARGET, [chain[0], chain[0]])
    twice = next_statement(chain, TARGET, Draft("held", "p1", {}, "key-1"), at=AT, by="me")
    with pytest.raises(LedgerBroken, match="was used before"):
        verify_chain(TARGET, [*chain, twice])


def test_an_unknown_kind_and_a_malformed_signature_are_refused():
    good = chain_of(("held", "p1", {}))[0]
    with pytest.raises(ValueError, match="not a statement"):
        Draft("forgotten", "p1", {}, "k")
    for signature in ("", "signed", "ed25519:short:AAAA", "ed25519:0123456789abcdef:!!!!", "rsa:0123456789abcdef:AAAA"):
        with pytest.raises(LedgerBroken, match="signature is malformed"):
            verify_chain(TARGET, [replace(good, signature=signature)])


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"seq":1}', "[" * 100_000])
def test_what_is_no_statement_is_one_clear_error(text):
    with pytest.raises(LedgerBroken, match="cannot be read"):
        Statement.from_json(text, where="ConfigMap knowngood/shop.shop-000001")


def test_types_are_part_of_the_form():
    data = chain_of(("held", "p1", {}))[0].to_dict()
    for change in ({"seq": True}, {"seq": "1"}, {"body": []}, {"by": None}):
        text = json.dumps({**data, **change}, sort_keys=True, separators=(",", ":"))
        with pytest.raises(LedgerBroken):
            Statement.from_json(text)


# -- signatures ------------------------


@pytest.fixture(scope="module")
def signer() -> Signer:
    return Signer(Ed25519PrivateKey.generate())


def test_a_signed_chain_verifies_and_says_by_which_key(signer):
    chain = chain_of(("captured", "p1", CAPTURED), ("held", "p1", {}), signer=signer)
    verify_chain(TARGET, chain, signer.verifier)
    assert all(s.signature.startswith("ed25519:") for s in chain)


def test_without_a_key_statements_say_unsigned():
    assert [s.signature for s in chain_of(("held", "p1", {}))] == ["unsigned"]


def test_a_ledger_may_become_signed_but_not_unsigned_again(signer):
    chain = chain_of(("captured", "p1", CAPTURED))
    chain.append(next_statement(chain, TARGET, Draft("held", "p1", {}, "a"), at=AT, by="me", signer=signer))
    verify_chain(TARGET, chain, signer.verifier)
    chain.append(next_statement(chain, TARGET, Draft("released", "p1", {}, "b"), at=AT, by="me"))
    with pytest.raises(LedgerBroken, match="it is not signed"):
        verify_chain(TARGET, chain, signer.verifier)


def test_a_signature_by_a_stranger_or_over_something_else_is_refused(signer):
    stranger = Signer(Ed25519PrivateKey.generate())
    chain = chain_of(("held", "p1", {}), signer=stranger)
    with pytest.raises(LedgerBroken, match="not among the trusted ones"):
        verify_chain(TARGET, chain, signer.verifier)
    mine = chain_of(("held", "p1", {}), signer=signer)
    moved = replace(mine[0], signature=signer.sign("00" * 32))
    with pytest.raises(LedgerBroken, match="does not match"):
        verify_chain(TARGET, [moved], signer.verifier)


def test_keys_are_read_from_pem_and_other_keys_are_named(signer):
    pem = signer.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = signer.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    again, verifier = Signer.from_pem(pem), Verifier.from_pem((public,))
    assert verifier.problem("ab", again.sign("ab")) == ""
    other = generate_private_key(SECP256R1())
    with pytest.raises(BadInput, match="not Ed25519"):
        Signer.from_pem(other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(BadInput, match="not Ed25519"):
        Verifier.from_pem((other.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),))
    with pytest.raises(BadInput, match="cannot be read"):
        Signer.from_pem(b"no key")
    with pytest.raises(BadInput, match="cannot be read"):
        Verifier.from_pem((b"no key",))


# -- recovery points ------------------------


def test_a_point_is_the_fold_of_its_statements():
    (point,) = fold(
        chain_of(
            ("captured", "p1", {**CAPTURED, "purpose": "forensic", "commits": {"sha256:a": None}}),
            ("held", "p1", {"reason": "evidence", "incident": "INC-1"}),
            ("drilled", "p1", {"passed": True}),
            ("judged", "p1", {"verdict": "suspect", "reasons": ["r"]}),
            ("judged", "p1", {"verdict": "clean", "reasons": []}),
        )
    )
    assert (point.held, point.held_for("INC-1"), point.held_for("INC-2")) == (True, True, False)
    assert (point.verdict, point.verified, point.forensic, point.state) == ("clean", True, True, "available")
    assert (point.latest - point.earliest).total_seconds() == 2
    assert len(point.row()["statements"]) == 5


def test_a_release_ends_only_what_the_same_incident_held():
    held = [("held", "p1", {"incident": "INC-1"}), ("held", "p1", {"incident": "INC-2"}), ("held", "p1", {})]
    start = [("captured", "p1", CAPTURED), *held]
    (point,) = fold(chain_of(*start, ("released", "p1", {"incident": "INC-1"})))
    assert [hold.incident for hold in point.holds] == ["INC-2", ""]
    (point,) = fold(chain_of(*start, ("released", "p1", {})))
    assert [hold.incident for hold in point.holds] == ["INC-1", "INC-2"]


def test_a_pruned_point_says_so_and_an_unjudged_one_has_no_verdict():
    (point,) = fold(chain_of(("captured", "p1", {}), ("pruned", "p1", {"reason": "old"})))
    assert (point.state, point.verdict, point.earliest, point.latest) == ("pruned", None, None, None)


def test_statements_about_a_point_that_was_never_captured_make_no_point():
    assert fold(chain_of(("held", "ghost", {}))) == ()


def test_the_row_lists_snapshots_and_digests():
    body = {
        **CAPTURED,
        "volumes": [{"claim": "data", "snapshot": "s", "freeze_ms": 3, "snapshot_handle": "h"}],
        "images": {"Deployment/a": {"x": {"image": "a:1", "digest": "sha256:1"}, "y": {"image": "b", "digest": ""}}},
        "writers": {"data": ["Deployment/a"]},
    }
    row = fold(chain_of(("captured", "p1", body)))[0].row()
    assert row["digests"] == {"Deployment/a": ["sha256:1"]}
    assert row["freeze_ms"] == {"data": 3}
    assert row["snapshots"][0]["snapshot_handle"] == "h"
    assert row["verdict"] is None
