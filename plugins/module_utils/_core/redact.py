# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What must never leave: Secret data, private keys, tokens. Fingerprints take their place.

A fingerprint (``sha256:1f3a5c7e``) lets a person see that a value changed without seeing it.

PRIVATE to this collection.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import Any

_PEM_KEY = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_PEM_KEY_BASE64 = re.compile(r"LS0tLS1CRUdJTi[A-Za-z0-9+/=\s]{16,}")
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}")
_JWT = re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*")
_URL_PASSWORD = re.compile(r"(?<=://)([^\s/:@]+):([^\s/@]+)@")
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def fingerprint(value: str | bytes) -> str:
    """``sha256:`` and the first eight hex digits of the value's SHA-256."""
    raw = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
    return "sha256:" + hashlib.sha256(raw).hexdigest()[:8]


def redact_text(text: str) -> str:
    """The text without PEM private keys (also base64 of them), bearer tokens, JWTs and passwords in URLs."""
    if not _may_hold(text):
        return text
    text = _PEM_KEY.sub(lambda m: f"<private key {fingerprint(m.group())}>", text)
    text = _PEM_KEY_BASE64.sub(_redact_base64_key, text)
    text = _BEARER.sub(lambda m: f"{m.group(1)} <redacted>", text)
    text = _JWT.sub(lambda m: f"<token {fingerprint(m.group())}>", text)
    return _URL_PASSWORD.sub(lambda m: f"{m.group(1)}:<redacted>@", text)


def _may_hold(text: str) -> bool:
    """Is there anything that one of the patterns begins with? An inventory has a million texts without."""
    if "-----BEGIN " in text or "LS0tLS1CRUdJTi" in text or "eyJ" in text or "://" in text:
        return True
    if not text.isascii():  # letters of other alphabets that count as one of ours where case does not matter
        return True
    lower = text.lower()
    return "bearer" in lower or "basic" in lower


def _redact_base64_key(match: re.Match[str]) -> str:
    try:
        plain = base64.b64decode(re.sub(r"\s", "", match.group()) + "==", validate=False)
    except (binascii.Error, ValueError):
        return match.group()
    return f"<private key {fingerprint(plain)}>" if b"PRIVATE KEY" in plain else match.group()


def redact(value: Any) -> Any:
    """A copy of a JSON value with every secret replaced.

    Objects of kind ``Secret`` lose the values of ``data`` and ``stringData`` and the annotation in which kubectl keeps
    a copy of them; every string is passed through :func:`redact_text`. Keys are kept.
    """
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, dict):
        return _redact_secret(value) if value.get("kind") == "Secret" else {k: redact(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [redact(item) for item in value]
    return value


def _redact_secret(secret: dict[str, Any]) -> dict[str, Any]:
    clean: dict[str, Any] = {}
    for key, value in secret.items():
        if key in ("data", "stringData") and isinstance(value, dict):
            clean[key] = {name: fingerprint(str(item)) for name, item in value.items()}
        elif key == "metadata" and isinstance(value, dict):
            annotations = value.get("annotations") or {}
            clean[key] = redact(value)
            if _LAST_APPLIED in annotations:
                clean[key]["annotations"][_LAST_APPLIED] = fingerprint(str(annotations[_LAST_APPLIED]))
        else:
            clean[key] = redact(value)
    return clean
