# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules that need more than one identity: a serial given twice, one key under two certificates, keys in wrong hands.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence

from .certificates import Certificate
from .identities import Identity
from .lint import ERROR, WARNING, Lint
from .views import View


def together(
    identities: Sequence[Identity], views: Mapping[str, View], denied: Iterable[str] = ()
) -> dict[int, tuple[Lint, ...]]:
    """Findings by the position of the identity. ``denied``: fingerprints of certificates or keys, as options give them.

    Those of our own copies (``role``) count as seen, and get no findings of their own.
    """
    serials = _groups(identities, lambda leaf: (leaf.issuer, leaf.aki, leaf.serial))
    keys = _groups(identities, lambda leaf: leaf.spki)
    listed = {as_fingerprint(text) for text in denied}
    found = {}
    for at, identity in enumerate(identities):
        leaf = identity.leaf
        if leaf is None:
            continue
        others = [*_twice(leaf, serials), *_reused(leaf, keys), *_denied(leaf, listed), *_in_hands(identity, views)]
        if others:
            found[at] = tuple(others)
    return found


def as_fingerprint(text: str) -> str:
    """``sha256:`` and hex digits, from that, from bare digits, or from digits with colons."""
    digits = text.strip().lower().removeprefix("sha256:").replace(":", "")
    return f"sha256:{digits}"


_Groups = dict[Hashable, dict[str, str]]


def _groups(identities: Iterable[Identity], key: Callable[[Certificate], Hashable]) -> _Groups:
    """By what they share: where (one place each) the different certificates are, by fingerprint."""
    found: _Groups = {}
    for identity in identities:
        if identity.leaf is not None:
            found.setdefault(key(identity.leaf), {}).setdefault(identity.leaf.fingerprint, identity.ref)
    return found


def _twice(leaf: Certificate, serials: _Groups) -> list[Lint]:
    others = _others(leaf, serials[leaf.issuer, leaf.aki, leaf.serial])
    if not others:
        return []
    what = f"its issuer gave the serial {leaf.serial} to another certificate as well ({others})"
    return [Lint("duplicate_serial", ERROR, what, "RFC 5280 4.1.2.2", "have both issued anew, and repair the issuer")]


def _reused(leaf: Certificate, keys: _Groups) -> list[Lint]:
    others = _others(leaf, keys[leaf.spki])
    if not others:
        return []
    what = f"its key is that of another certificate as well ({others})"
    return [Lint("key_reused", WARNING, what, "SP 800-57 5.2", "rotate it: a new key for each certificate")]


def _others(leaf: Certificate, places: Mapping[str, str]) -> str:
    others = sorted(place for fingerprint, place in places.items() if fingerprint != leaf.fingerprint)
    more = f" and {len(others) - 3} more" if len(others) > 3 else ""
    return ", ".join(others[:3]) + more


def _denied(leaf: Certificate, listed: set[str]) -> list[Lint]:
    which = [word for word, value in (("certificate", leaf.fingerprint), ("key", leaf.spki)) if value in listed]
    if not which:
        return []
    what = f"its {' and its '.join(which)} is on the list of those that must not be used"
    return [Lint("denied", ERROR, what, "RFC 5280 3.3", "rotate it in an emergency, then revoke it")]


def _in_hands(identity: Identity, views: Mapping[str, View]) -> list[Lint]:
    leaf, view = identity.leaf, views.get(identity.namespace)
    if leaf is None or not leaf.ca or not identity.has_key or view is None:
        return []
    readers = sorted(
        ref
        for ref, keys in view.exposes.get(identity.secret, {}).items()
        if keys is None or not identity.key_name or identity.key_name in keys
    )
    if not readers:
        return []
    what = f"{', '.join(readers)} can read the key of a CA"
    cure = "mount ca.crt alone (items), or keep what to trust in a ConfigMap"
    return [Lint("ca_key_mounted", ERROR, what, "RFC 5280 9", cure)]
