# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""OpenVEX 0.2.0, written: what is known about the findings of images that bear a CVE id, and no more than that.

A scanner's finding is a suspicion: it is ``under_investigation`` until somebody says otherwise. Only a waiver, or a VEX
statement that was read, says otherwise, and only a comparison of scans says ``fixed``; a mark in the source code does
not, as nobody is known to answer for it. The published schema wants, with ``not_affected``, exactly one of
``justification`` and ``impact_statement``.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from .._core.clock import rfc3339
from .._core.errors import BadInput
from . import conditions
from .conditions import AnyFinding, Subject
from .openvex import AFFECTED, CONTEXT, FIXED, NOT_AFFECTED, UNDER_INVESTIGATION, cve_ids
from .waivers import Waiver, Waivers

_MOST = 100_000
_IRI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`]*")
_TOOLING = "knowngood.kube"
# What one place of a product says when several findings speak about it, worst first.
_ORDER = (AFFECTED, UNDER_INVESTIGATION, NOT_AFFECTED, FIXED)


@dataclass(frozen=True, slots=True)
class _Said:
    """The status of one finding and the words that go with it."""

    status: str
    fields: tuple[tuple[str, str], ...]


def document(
    findings: Iterable[AnyFinding],
    *,
    author: str,
    digest: str | Sequence[str],
    now: dt.datetime,
    ids: str = "",
    waivers: Waivers | None = None,
    changes: Mapping[str, str] | None = None,
    images: Mapping[str, str] | None = None,
) -> dict[str, Any] | None:
    """A document about the images ``digest``; None when no finding bears a CVE id, as a document needs a statement.

    One statement for each CVE, image and set of files; of several findings there the worst counts. ``ids``: what the
    document's ``@id`` begins with (default ``urn:uuid:``); it ends in a hash of all but the time, so that equal content
    has an equal id. ``waivers``: those that hid findings, for their ``vex``. ``changes``: finding id -> ``fixed``.
    ``images``: digest -> image reference, for a package URL.

    Raises BadInput without an author, for a bad digest or ``ids``, and beyond 100,000 statements.
    """
    author = conditions.text(author, "author")
    if ids and not _IRI.fullmatch(ids):
        raise BadInput("ids is no beginning of an IRI", where="ids", next="for example https://example.org/vex/")
    given = [digest] if isinstance(digest, str) else list(digest)
    digests = sorted({conditions.image_digest(one, "digest") for one in given})
    if not digests:
        raise BadInput("a VEX document needs an image", where="digest", next="give the digest that was scanned")
    said = _said(findings, waivers, changes or {})
    if len(said) * len(digests) > _MOST:
        raise BadInput("there is too much to say in one VEX document", why=f"over {_MOST} statements", where="digest")
    if not said:
        return None
    statements = [
        _statement(cve, _product(one, paths, (images or {}).get(one, "")), said[cve, paths])
        for cve, paths in sorted(said)
        for one in digests
    ]
    content = {"@context": CONTEXT, "author": author, "version": 1, "tooling": _TOOLING, "statements": statements}
    return {"@context": CONTEXT, "@id": _iri(ids, content), **content, "timestamp": rfc3339(now)}


def _iri(ids: str, content: Mapping[str, Any]) -> str:
    """The name of a document: ``ids`` and the hash of its content."""
    name = hashlib.sha256(json.dumps(content, sort_keys=True).encode("utf-8", "replace")).hexdigest()
    return f"{ids}{name}" if ids else f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, name)}"


def _said(
    findings: Iterable[AnyFinding], waivers: Waivers | None, changes: Mapping[str, str]
) -> dict[tuple[str, tuple[str, ...]], _Said]:
    """By CVE and files, what is said."""
    found: dict[tuple[str, tuple[str, ...]], _Said] = {}
    for finding in findings:
        subject = Subject(finding)
        cves = cve_ids(subject)
        if not cves:
            continue
        one = _judged(subject, waivers, changes)
        paths = tuple(sorted({path for path, place in subject.places if place == "inside" and path}))
        for cve in cves:
            other = found.get((cve, paths), one)
            found[cve, paths] = min(one, other, key=lambda said: (_ORDER.index(said.status), said.fields))
        if len(found) > _MOST:
            break
    return found


def _judged(subject: Subject, waivers: Waivers | None, changes: Mapping[str, str]) -> _Said:
    if changes.get(subject.id) == FIXED:
        return _Said(FIXED, (("status_notes", "found by an earlier scan and by no comparable later one"),))
    state = str(subject.get("state") or "live")
    if state == "suppressed":
        for kind, status, text in subject.suppressions:
            if kind in ("waiver", "vex") and status == "accepted" and text:
                return _accepted(kind, text, waivers)
        return _open("hidden in the source code or by the tool, where nobody is known to answer for it")
    if state == "absent":
        return _open("no longer reported, which does not prove it fixed")
    return _open(f"reported by {subject.get('tool')}, rule {subject.get('rule')}, severity {subject.get('severity')}")


def _open(why: str) -> _Said:
    return _Said(UNDER_INVESTIGATION, (("status_notes", why),))


def _accepted(kind: str, text: str, waivers: Waivers | None) -> _Said:
    """What a waiver, or a statement that was read, makes of it."""
    if kind == "vex":
        fixed = text.startswith(f"{FIXED}:")
        return _Said(FIXED, (("status_notes", text),)) if fixed else _Said(NOT_AFFECTED, (("impact_statement", text),))
    waiver: Waiver | None = waivers.get(text.partition(":")[0]) if waivers else None
    if waiver and waiver.vex == AFFECTED:
        return _Said(AFFECTED, (("action_statement", text),))
    if waiver and waiver.vex:
        return _Said(NOT_AFFECTED, (("justification", waiver.vex), ("status_notes", text)))
    return _Said(NOT_AFFECTED, (("impact_statement", text),))


def _statement(cve: str, product: dict[str, Any], said: _Said) -> dict[str, Any]:
    return {"vulnerability": {"name": cve}, "products": [product], "status": said.status, **dict(said.fields)}


def _product(digest: str, paths: tuple[str, ...], image: str) -> dict[str, Any]:
    """The image by its hash, and by a package URL where its name is known; files of the source as subcomponents."""
    product: dict[str, Any] = {"hashes": {"sha-256": digest.removeprefix("sha256:")}}
    if image:
        purl = _purl(digest, image)
        product = {"@id": purl, "identifiers": {"purl": purl}, **product}
    if paths:
        product["subcomponents"] = [{"@id": f"file:{quote(path, errors='replace')}"} for path in paths]
    return product


def _purl(digest: str, image: str) -> str:
    """``pkg:oci/<name>@<digest>?repository_url=<where>``, as the package URL type oci is defined."""
    repository = image.partition("@")[0]
    head, slash, last = repository.rpartition("/")
    repository = f"{head}{slash}{last.partition(':')[0]}"
    name = repository.rpartition("/")[2].lower()
    return f"pkg:oci/{quote(name, safe='')}@{quote(digest, safe='')}?repository_url={quote(repository, safe='/')}"
