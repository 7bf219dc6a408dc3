# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Identities: a certificate in a Secret with what is known of its key. The Secret itself is let go.

One Secret may hold several: ``tls.crt`` with ``tls.key``, pairs under names of their own (``client.crt`` and
``client.key``), key stores. What holds CAs only is no identity but a bundle, see :mod:`bundles`.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from .._cluster.client import Object
from .._core.errors import BadInput
from .authority import decode
from .certificates import Certificate, Chain
from .owner import Owner, owner_of
from .secrets import CA, CRT, KEY, ROTATED_FOR, role_of
from .stores import NOTHING, PEM, PKCS12, Content, KeyFact, content, password_values

MATCHES, OTHER, ABSENT, UNVERIFIED = "matches", "other", "absent", "unverified"
IN_STEP, STALE, LOCKED = "in_step", "stale", "locked"
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_TRUST_WORDS = ("trust", "bundle", "ca.", "cacert", "ca-cert", "root")
_ENDINGS = (".crt", ".cert", ".cer", ".pem", ".key", "-cert", "-key", "_cert", "_key")


@dataclass(frozen=True, slots=True)
class Copy:
    """Another value of the same Secret with the identity in it: ``in_step``, ``stale``, ``locked``, ``unverified``."""

    data_key: str
    format: str
    state: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Identity:
    """One certificate of a Secret. ``chain.certificates[0]`` is the leaf, unless ``error`` says why there is none.

    ``key_state``: ``matches``, ``other`` (the key of another certificate), ``absent``, ``encrypted``, ``unreadable``,
    ``several`` or ``unverified`` (a store of a kind that is not opened). ``key_name`` is the data key that holds it.
    ``trust`` is the ``ca.crt`` beside it. ``annotated``: an annotation holds a copy of the Secret's data.
    """

    namespace: str
    secret: str
    data_key: str
    format: str
    type: str
    immutable: bool
    role: str
    rotated_for: str
    owner: Owner
    chain: Chain = Chain()
    trust: Chain = Chain()
    key_state: str = ABSENT
    key_name: str = ""
    key_detail: str = ""
    copies: tuple[Copy, ...] = ()
    annotated: bool = False
    locked: bool = False
    error: str = ""

    @property
    def ref(self) -> str:
        return f"{self.namespace}/{self.secret}"

    @property
    def leaf(self) -> Certificate | None:
        return None if self.error else self.chain.leaf

    @property
    def has_key(self) -> bool:
        return self.key_state != ABSENT


@dataclass(frozen=True, slots=True)
class Trust:
    """Certificates of a Secret that are there to be trusted: one data key."""

    data_key: str
    content: Content


def read(obj: Object, passwords: Sequence[bytes] = ()) -> tuple[tuple[Identity, ...], tuple[Trust, ...]]:
    """What a Secret holds. Never raises; nothing of what is returned holds a key."""
    values, broken = _values(obj)
    known = (*password_values(values.items()), *passwords)
    contents = {name: content(value, known) for name, value in values.items()}
    contents = {name: found for name, found in contents.items() if found is not NOTHING and found.format}
    identities = [_main(obj, values, contents, broken)] if (obj.get("data") or {}).get(CRT) else []
    main = identities[0] if identities else None
    trust: list[Trust] = []
    for name, found in sorted(contents.items()):
        if name == CRT or not found.certificates:
            continue
        key_name, fact = _key_of(name, found, contents)
        if _is_trust(name, found, fact):
            trust.append(Trust(name, found))
        elif main is None or not _is_copy(main, found):
            identities.append(_identity(obj, name, found, key_name, fact, _ca(contents)))
    return tuple(identities), tuple(trust)


def _values(obj: Object) -> tuple[dict[str, bytes], str]:
    """The decoded data; and what is wrong with ``tls.crt`` where it is not even base64."""
    values, broken = {}, ""
    for name, text in (obj.get("data") or {}).items():
        try:
            values[name] = decode(text or "", f"Secret {obj['metadata']['namespace']}/{obj['metadata']['name']} {name}")
        except BadInput as error:
            broken = str(error) if name == CRT else broken
    return values, broken


def _main(obj: Object, values: Mapping[str, bytes], contents: Mapping[str, Content], broken: str) -> Identity:
    """The one under ``tls.crt``, readable or not."""
    found = contents.get(CRT, NOTHING)
    fact = contents[KEY].key if KEY in contents else None
    if fact is None and values.get(KEY):
        fact = KeyFact(why="unreadable", detail="no PEM private key")
    made = _identity(obj, CRT, found, KEY if fact else "", fact or found.key, _ca(contents), broken)
    copies = [_copy(name, one, made) for name, one in sorted(contents.items()) if name not in (CRT, KEY, CA)]
    return replace(made, copies=tuple(copy for copy in copies if copy))


def _ca(contents: Mapping[str, Content]) -> Chain:
    return contents[CA].chain if CA in contents else Chain()


def _identity(
    obj: Object, name: str, found: Content, key_name: str, fact: KeyFact | None, trust: Chain, broken: str = ""
) -> Identity:
    meta = obj["metadata"]
    error = broken or _error(name, found, f"Secret {meta['namespace']}/{meta['name']} {name}")
    leaf = None if error else found.chain.leaf
    return Identity(
        namespace=meta["namespace"],
        secret=meta["name"],
        data_key=name,
        format=found.format or PEM,
        type=obj.get("type", ""),
        immutable=bool(obj.get("immutable")),
        role=role_of(obj),
        rotated_for=(meta.get("annotations") or {}).get(ROTATED_FOR, ""),
        owner=owner_of(obj),
        chain=found.chain,
        trust=trust,
        key_state=_key_state(found, fact, leaf),
        key_name=key_name,
        key_detail=fact.detail if fact else "",
        annotated='"data"' in (meta.get("annotations") or {}).get(_LAST_APPLIED, ""),
        locked=found.locked,
        error=error,
    )


def _error(name: str, found: Content, where: str) -> str:
    """Why there is no leaf to speak of, or nothing. A JKS is no error: it is not opened."""
    if found.locked:
        return f"{found.error} ({where})"
    if not found.verified:
        return ""
    if found.chain.leaf is None or found.headless:
        why = "; ".join(found.chain.problems) or "no certificate in it"
        return f"the certificate cannot be read ({where}): {why}"
    return ""


def _key_state(found: Content, fact: KeyFact | None, leaf: Certificate | None) -> str:
    if not found.verified or found.locked:
        return UNVERIFIED
    if fact is None:
        return ABSENT
    if fact.why:
        return fact.why
    if leaf is None:
        return UNVERIFIED
    return MATCHES if fact.spki == leaf.spki else OTHER


# -- which value is what -----------------------------------------------------------------------------------------


def _key_of(name: str, found: Content, contents: Mapping[str, Content]) -> tuple[str, KeyFact | None]:
    """The key that goes with the certificates under this name: in the same value, by its name, by its public half."""
    if found.key is not None:
        return name, found.key
    keys = {other: one.key for other, one in contents.items() if one.key is not None and not one.chain.certificates}
    stem = _stem(name)
    for other, fact in sorted(keys.items()):
        if other != KEY and _stem(other) == stem:
            return other, fact
    leaf = found.chain.leaf
    for other, fact in sorted(keys.items()):
        # The CA of a CA's own Secret matches tls.key too: there ca.crt is what to trust, tls.crt is the identity.
        if leaf is not None and fact is not None and fact.spki == leaf.spki and name != CA:
            return other, fact
    return "", None


def _stem(name: str) -> str:
    lower = name.lower()
    for ending in _ENDINGS:
        if lower.endswith(ending) and lower != ending:
            return _stem(lower[: -len(ending)])
    return lower


def _is_trust(name: str, found: Content, fact: KeyFact | None) -> bool:
    """CAs without a key. What cannot be opened is judged by its name."""
    if fact is not None:
        return False
    if name == CA:
        return True
    if found.locked or not found.verified or found.chain.leaf is None:
        return any(word in name.lower() for word in _TRUST_WORDS)
    if found.format == PKCS12:
        return True
    return found.chain.leaf.ca or any(word in name.lower() for word in _TRUST_WORDS)


def _is_copy(main: Identity, found: Content) -> bool:
    """Is it told of with the main identity of the Secret, as one of its copies?"""
    return _copy("", found, main) is not None


def _copy(name: str, found: Content, main: Identity) -> Copy | None:
    """As a copy of the main identity: stores, and PEM that begins with the same leaf."""
    if not found.verified:
        return None if _trusting(name) else Copy(name, found.format, UNVERIFIED, "stores of this format are not opened")
    if found.locked:
        return None if _trusting(name) else Copy(name, found.format, LOCKED, found.error)
    leaf = found.chain.leaf
    if leaf is None:
        return None
    if main.leaf is not None and leaf == main.leaf:
        if found.key is not None and not found.key.why and found.key.spki != leaf.spki:
            return Copy(name, found.format, STALE, "its key belongs to another certificate")
        return Copy(name, found.format, IN_STEP)
    if found.format == PKCS12 and found.key is not None:
        return Copy(name, found.format, STALE, f"it holds {leaf.fingerprint[:23]}")
    return None


def _trusting(name: str) -> bool:
    return any(word in name.lower() for word in _TRUST_WORDS)
