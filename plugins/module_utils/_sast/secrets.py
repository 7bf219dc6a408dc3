# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Secrets that reports quote: taken out of every string that leaves, with a short hash in their place.

Snippets never leave at all; what is kept of one is a hash, for telling two findings apart.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

from .._core.redact import fingerprint, redact_text

_TOOLS = re.compile(r"gitleaks|trufflehog|detect-secrets|ggshield|gitguardian|secret", re.IGNORECASE)
_WORDS = re.compile(r"secret|credential|passw(?:or)?d|(?:api|access|private)[-_ ]?key|token", re.IGNORECASE)
_CWES = frozenset({"CWE-259", "CWE-260", "CWE-321", "CWE-522", "CWE-540", "CWE-798"})

# Shapes that are secrets wherever they stand, beyond those that _core.redact knows.
_KNOWN = re.compile(
    r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"
    r"|\bgh[pousr]_[A-Za-z0-9]{30,}"
    r"|\bgithub_pat_[A-Za-z0-9_]{20,}"
    r"|\bglpat-[A-Za-z0-9_-]{16,}"
    r"|\bxox[abprs]-[A-Za-z0-9-]{10,}"
    r"|\bsk_live_[A-Za-z0-9]{10,}"
)
# Only the value is taken out: the name before it tells the reader what it was.
_ASSIGNED = re.compile(
    r"(?i)((?:password|passwd|pwd|secret|token|api[-_]?key|access[-_]?key|private[-_]?key)[\"']?\s*[:=]\s*)"
    r"([\"'`]?)([^\s\"'`,;]{4,})\2"
)
_QUOTED = re.compile(r"([\"'`])([^\"'`\n]{6,})\1")
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]*@")
# Every secret that the patterns know has one of these in it, so most texts need no pattern at all.
_JOINED_HINTS = ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xox", "sk_live_", "-----BEGIN")
_NAMES = ("passw", "pwd", "secret", "token", "key")


def speaks_of_secrets(tool: str, words: Iterable[str], cwes: Iterable[str]) -> bool:
    """Whether a rule (its tool, id, name, tags, CWEs) is about secrets in code, so that its texts may quote them."""
    return (
        bool(_TOOLS.search(tool)) or any(_WORDS.search(word) for word in words) or any(name in _CWES for name in cwes)
    )


def redact(text: str, *, snippet: str = "", strict: bool = False) -> str:
    """``text`` without secrets. ``strict`` (rules about secrets): also without the snippet and without quoted text."""
    if strict:
        for part in _parts(snippet):
            text = text.replace(part, _mark(part))
        text = _QUOTED.sub(lambda found: found[1] + _mark(found[2]) + found[1], text)
    if not may_hold_a_secret(text):
        return text
    text = _KNOWN.sub(lambda found: _mark(found[0]), redact_text(text))
    return _ASSIGNED.sub(lambda found: found[1] + found[2] + _mark(found[3]) + found[2], text)


def may_hold_a_secret(text: str) -> bool:
    """False only where no pattern can match. Other alphabets have letters that count as ours when case does not."""
    if not text.isascii():
        return True
    lowered = text.lower()
    if (":" in text or "=" in text) and ("://" in text or any(name in lowered for name in _NAMES)):
        return True
    if ("_" in text or "-" in text) and any(hint in text for hint in _JOINED_HINTS):
        return True
    # Spelled out, and AKIA and ASIA as one: every result of every report comes by here.
    return "bearer" in lowered or "basic" in lowered or "IA" in text or "eyJ" in text or "LS0tLS1CRUdJTi" in text


def snippet_hash(snippet: str) -> str | None:
    """The first 16 hex digits of the sha256 of a snippet, white space apart; None without a snippet."""
    words = " ".join(snippet.split())
    return hashlib.sha256(words.encode("utf-8", "replace")).hexdigest()[:16] if words else None


def without_credentials(address: str) -> str:
    """A URL without the user and password before its host."""
    return _CREDENTIALS.sub("", address)


def _parts(snippet: str) -> list[str]:
    """What of a snippet must not be repeated: its quoted values and, when it is one word, the whole; longest first."""
    parts = {found[2] for found in _QUOTED.finditer(snippet)} | {found[3] for found in _ASSIGNED.finditer(snippet)}
    whole = snippet.strip()
    if len(whole) >= 6 and (" " not in whole or len(whole) >= 20):
        parts.add(whole)
    return sorted(parts, key=len, reverse=True)


def _mark(secret: str) -> str:
    return secret if secret.startswith("<redacted") else f"<redacted {fingerprint(secret)}>"
