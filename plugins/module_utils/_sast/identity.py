# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The id of a finding: the same in every scan that finds the same thing, never built on line numbers."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping

_VERSIONED = re.compile(r"(.+)/v(\d{1,9})")
_DIGITS = re.compile(r"\d+")
_LINK = re.compile(r"\[([^\[\]]*)\]\([^()\s]*\)")
# The key that hosting services compute and that most tools copy.
_PREFERRED = "primaryLocationLineHash"
# Fingerprints of a column or of a line number move with every edit and say nothing about identity.
_UNSTABLE = re.compile(r"startcolumn|startline|linenumber", re.IGNORECASE)


class Identifier:
    """Gives ids and counts occurrences within one scan."""

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._again: dict[int, int] = {}

    def identify(self, tool: str, rule: str, path: str, basis: str) -> tuple[str, int]:
        """The id (32 hex digits) and, from 0, the how-many-eth of its (tool, rule, path, basis) this is."""
        return self.numbered(f"{common_of(tool, rule)}{path}\x1f{basis}")

    def numbered(self, common: str) -> tuple[str, int]:
        """The same for what all four say together."""
        # 64 bits that nobody can aim at: Python keys the hash of a text anew for each process.
        key = hash(common)
        occurrence = 0
        if key in self._seen:
            occurrence = self._again.get(key, 0) + 1
            self._again[key] = occurrence
        else:
            self._seen.add(key)
        return hashlib.sha256(f"{common}\x1f{occurrence}".encode("utf-8", "replace")).hexdigest()[:32], occurrence


def common_of(tool: str, rule: str) -> str:
    """What all findings of a rule begin with before path and basis."""
    return f"{tool.lower()}\x1f{stable_rule(tool, rule)}\x1f"


def stable_rule(tool: str, rule: str) -> str:
    """The rule id without what depends on the machine: Semgrep prefixes ids with the path of the configuration."""
    return rule.rpartition(".")[2] if tool.lower().startswith("semgrep") else rule


def basis_of(fingerprints: Mapping[str, str], partial: Mapping[str, str], message: str) -> tuple[str, str]:
    """What identifies a finding besides rule and path: (``fingerprint:<key>`` or ``message``, value).

    Full fingerprints go before partial ones; among keys the common line hash first, else the alphabetically first;
    of one key the highest version.
    """
    for bag in (fingerprints, partial):
        chosen = chosen_key(bag) if bag else None
        if chosen is not None:
            key, name = chosen
            return f"fingerprint:{key}", f"{key}={bag[name]}"
    return "message", normalised(message)


def chosen_key(names: Iterable[str]) -> tuple[str, str] | None:
    """Of the keys of one bag the one that identifies: (without its ``/vN``, as it stands there); None for no such."""
    newest = _newest(names)
    if _PREFERRED in newest:
        return _PREFERRED, newest[_PREFERRED]
    key = min((key for key in newest if not _UNSTABLE.search(key)), default=None)
    return None if key is None else (key, newest[key])


def newest_versions(bag: Mapping[str, str]) -> dict[str, str]:
    """A bag of fingerprints by key without its ``/vN``, each with the value of the highest version."""
    return {key: bag[name] for key, name in _newest(bag).items()}


def _newest(names: Iterable[str]) -> dict[str, str]:
    """Keys without their version -> the name with the highest version."""
    best: dict[str, tuple[int, str]] = {}
    for name in names:
        found = _VERSIONED.fullmatch(name) if "/v" in name else None
        key, version = (found.group(1), int(found.group(2))) if found else (name, 0)
        if key not in best or version > best[key][0]:
            best[key] = (version, name)
    return {key: name for key, (_version, name) in best.items()}


def normalised(message: str) -> str:
    """A message without what changes between scans: numbers, link targets, case and white space."""
    return _DIGITS.sub("0", " ".join(_LINK.sub(r"\1", message).lower().split()))
