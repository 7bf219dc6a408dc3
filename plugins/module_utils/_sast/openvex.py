# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""OpenVEX 0.2.0, read: what the maker of an image says about its vulnerabilities, as a ground to hide findings.

Sources: the OpenVEX specification 0.2.0 (statement, product and vulnerability structs, status labels, justifications,
inheritance of timestamps) and its JSON schema. Only ``fixed`` and a ``not_affected`` that says why hide; for each
vulnerability and product the latest statement counts, and of two at one time the one that does not hide. A statement
that is narrower than what we can see (a subcomponent that is no file) never hides, but blocks where it does not hide.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import unquote

from .._core.clock import rfc3339
from .._core.errors import BadInput
from .._core.findings import Suppression
from . import conditions
from .conditions import AnyFinding, Subject
from .options import MEBIBYTE, ReadOptions
from .source import Source
from .tally import Tally
from .text import visible
from .waivers import JUSTIFICATIONS

NOT_AFFECTED, AFFECTED, FIXED, UNDER_INVESTIGATION = "not_affected", "affected", "fixed", "under_investigation"
STATUSES = (NOT_AFFECTED, AFFECTED, FIXED, UNDER_INVESTIGATION)
CONTEXT = "https://openvex.dev/ns/v0.2.0"

Document: TypeAlias = "Mapping[str, Any] | str | os.PathLike[str]"

_CONTEXTS = (CONTEXT, "https://openvex.dev/ns")
_MOST_BYTES = 64 * MEBIBYTE
_MOST_STATEMENTS = 100_000
_MOST_CLAIMS = 500_000
_MOST_ROWS = 1000
_LONGEST = 1000
_CVE = re.compile(r"(?<![A-Za-z0-9])CVE-[0-9]{4}-[0-9]{4,19}(?![0-9])", re.IGNORECASE)
_CWE = re.compile(r"CWE-0*([1-9][0-9]{0,5})", re.IGNORECASE)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement. ``why_not`` is why it hides nothing, empty when it does hide."""

    vulnerability: str
    status: str
    justification: str
    text: str
    author: str
    time: dt.datetime
    where: str
    why_not: str = ""

    @property
    def hides(self) -> bool:
        return not self.why_not

    def suppression(self) -> Suppression:
        said = " ".join(part for part in (self.justification, self.text) if part)
        rest = f": {said}" if said else ""
        return Suppression(
            "vex", "accepted", f"{self.status}: {self.vulnerability} ({self.author}, {rfc3339(self.time)}){rest}"
        )


_Claims: TypeAlias = "dict[str | None, int]"
"""By file (None: the whole product), the statement that counts."""


@dataclass(slots=True)
class Vex:
    """The statements of all documents, by name of the vulnerability and digest of the image; and what they did."""

    statements: tuple[Statement, ...]
    documents: int
    tally: Tally
    _index: dict[str, dict[str, _Claims]] = field(default_factory=dict)
    _used: dict[int, dict[str, Any]] = field(default_factory=dict)
    _blocked: dict[int, dict[str, Any]] = field(default_factory=dict)

    def judge(self, finding: AnyFinding, commit: str | None = None, digests: Sequence[str] = ()) -> Statement | None:
        """The statement that hides the finding in every one of ``digests``, counted; None without digests, and for
        a finding that is hidden already.

        A finding is hidden when no statement about any of its names speaks against it, and one about its rule or its
        CWE, or those about all of its CVE ids, hide it at each of its places. ``commit`` is not asked: VEX speaks
        about products.
        """
        if not digests or not self._index:
            return None
        subject, deciding = Subject(finding), -1
        if subject.hidden:
            return None
        for digest in digests:
            found = self._of_digest(subject, digest.lower())
            if found is None:
                return None
            deciding = found if deciding < 0 else deciding
        _count(self._used, deciding, subject)
        return self.statements[deciding]

    def report(self) -> dict[str, Any]:
        """Counts, a row for each statement that mattered, and ``warnings`` for all that cannot hide anything."""
        rows = [
            self._row(at, self._used.get(at), self._blocked.get(at)) for at in sorted({*self._used, *self._blocked})
        ]
        hiding = [at for at, statement in enumerate(self.statements) if statement.hides]
        cut = list(self.tally.truncated)
        if len(rows) > _MOST_ROWS:
            cut.append({"what": "statements shown", "kept": _MOST_ROWS, "seen": len(rows)})
        return {
            "documents": self.documents,
            "statements": len(self.statements),
            "hiding": len(hiding),
            "hidden": sum(use["count"] for use in self._used.values()),
            "would_have_hidden": sum(use["count"] for use in self._blocked.values()),
            "unused": sum(at not in self._used for at in hiding),
            "rows": rows[:_MOST_ROWS],
            "truncated": cut,
            "warnings": list(self.tally.warnings),
        }

    def _row(self, at: int, used: Mapping[str, Any] | None, blocked: Mapping[str, Any] | None) -> dict[str, Any]:
        statement = self.statements[at]
        return {
            "vulnerability": statement.vulnerability,
            "status": statement.status,
            "justification": statement.justification,
            "author": statement.author,
            "time": rfc3339(statement.time),
            "where": statement.where,
            "why_not": statement.why_not,
            "used": used["count"] if used else 0,
            "would_have_hidden": blocked["count"] if blocked else 0,
            "first": (used or blocked or {}).get("first"),
        }

    def _of_digest(self, subject: Subject, digest: str) -> int | None:
        """The statement that hides the finding in one image."""
        cves = cve_ids(subject)
        general = [*subject.rules, *subject.cwe]
        verdicts = {name: self._of_name(name, digest, subject) for name in {*map(key_of, general), *cves}}
        against = [at for at in verdicts.values() if at is not None and not self.statements[at].hides]
        if against:
            for at in against:
                if self.statements[at].status == NOT_AFFECTED:
                    _count(self._blocked, at, subject)
            return None
        for name in map(key_of, general):
            if verdicts[name] is not None:
                return verdicts[name]
        first = verdicts[cves[0]] if cves else None
        return first if all(verdicts[name] is not None for name in cves) else None

    def _of_name(self, name: str, digest: str, subject: Subject) -> int | None:
        """The statement that decides for one name: one against it at any place, else one that hides at all places."""
        claims = self._index.get(name, {}).get(digest)
        if not claims:
            return None
        paths: list[str | None] = [path if place == "inside" else None for path, place in subject.places]
        if not paths:
            # A finding without a place may be in any file: what speaks against one of them speaks against it.
            paths = [None, *(path for path, at in claims.items() if not self.statements[at].hides)]
        found = [self._later(claims.get(None), claims.get(path)) for path in paths]
        against = [at for at in found if at is not None and not self.statements[at].hides]
        if against:
            return against[0]
        return found[0] if all(at is not None for at in found) else None

    def _later(self, one: int | None, other: int | None) -> int | None:
        if one is None or other is None:
            return other if one is None else one
        return max(one, other, key=lambda at: (self.statements[at].time, not self.statements[at].hides))

    def enter(self, at: int, name: str, digest: str, path: str | None) -> None:
        claims = self._index.setdefault(name, {}).setdefault(digest, {})
        later = self._later(claims.get(path), at)
        claims[path] = at if later is None else later


def read(documents: Document | Sequence[Document]) -> Vex:
    """Read one document or several (dictionaries or paths; UTF-8, plain or gzip, at most 64 MiB each).

    Raises BadInput for one that is unreadable, no OpenVEX, or has a statement without vulnerability, known status or
    time. Statements that are well formed and yet cannot hide are counted in the report's ``warnings``.
    """
    given = list(documents) if isinstance(documents, (list, tuple)) else [documents]
    tally, budget = Tally(), _MOST_CLAIMS
    statements: list[Statement] = []
    claims: list[tuple[int, str, str, str | None]] = []
    for at, document in enumerate(given):
        content, where = _opened(document, f"vex[{at}]")
        for statement, entry in _statements(content, where, tally):
            statements.append(_counted(statement, tally))
            for claim in _claims(entry, statement, tally):
                budget -= 1
                if budget < 0:
                    raise BadInput("the VEX documents say too much", where=where, why=f"over {_MOST_CLAIMS} claims")
                claims.append((len(statements) - 1, *claim))
    vex = Vex(tuple(statements), len(given), tally)
    for position, name, digest, path in claims:
        vex.enter(position, name, digest, path)
    return vex


def cve_ids(subject: Subject) -> list[str]:
    """The CVE ids of a finding, from the ids of its rule and its tags; a message is prose and never decides."""
    words = [*subject.rules, *subject.tags]
    return sorted({found.upper() for word in words for found in _CVE.findall(word)})


def key_of(name: str) -> str:
    """A vulnerability's name as it is compared: CVE and CWE in one spelling, anything else as it is."""
    weakness = _CWE.fullmatch(name)
    if weakness:
        return f"CWE-{weakness.group(1)}"
    return name.upper() if _CVE.fullmatch(name) else name


def _count(uses: dict[int, dict[str, Any]], at: int, subject: Subject) -> None:
    use = uses.setdefault(at, {"count": 0, "first": subject.label()})
    use["count"] += 1


def _opened(document: Any, where: str) -> tuple[Mapping[str, Any], str]:
    """A document and how it is called."""
    if isinstance(document, Mapping):
        return document, where
    path = os.fspath(document) if isinstance(document, (str, os.PathLike)) else None
    if not isinstance(path, str) or not path or "\0" in path:
        raise BadInput("a VEX document must be a dictionary or a path", where=where)
    return _load(path, visible(path)), visible(path)


def _load(path: str, where: str) -> Mapping[str, Any]:
    try:
        blocks = Source(path, ReadOptions(max_bytes=_MOST_BYTES)).blocks()
        content = json.loads(b"".join(blocks), object_pairs_hook=_once, parse_constant=_no_number)
    except BadInput as error:
        raise BadInput("the VEX document cannot be used", where=where, why=error.why or error.what) from error
    except (ValueError, RecursionError) as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)[:200]
        raise BadInput("the VEX document is not JSON", where=where, why=why) from error
    return conditions.mapping(content, where)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Two readers may take different ones of two equal keys: what such a document says is not known."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object has the same key twice")
    return found


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is not JSON")


def _statements(document: Mapping[str, Any], where: str, tally: Tally) -> Iterator[tuple[Statement, Mapping[str, Any]]]:
    """The statements of a document, each with its raw form."""
    context = document.get("@context")
    if context not in _CONTEXTS:
        shown = visible(str(context))[:100]
        raise BadInput("this is no OpenVEX 0.2.0 document", where=where, why=f"its @context is {shown}", next=CONTEXT)
    author = conditions.text(document.get("author"), f"{where}: author")
    issued = conditions.moment(document.get("timestamp"), f"{where}: timestamp")
    entries = document.get("statements")
    if not isinstance(entries, (list, tuple)) or not 0 < len(entries) <= _MOST_STATEMENTS:
        raise BadInput(f"a VEX document needs a list of 1 to {_MOST_STATEMENTS} statements", where=where)
    for at, raw in enumerate(entries):
        place = f"{where}: statements[{at}]"
        entry = conditions.mapping(raw, place)
        status = conditions.choice(entry.get("status"), STATUSES, f"{place}.status")
        stated = entry.get("timestamp")
        justification = str(entry.get("justification") or "")
        yield (
            Statement(
                vulnerability=_names(entry, place)[0],
                status=status,
                justification=justification if justification in JUSTIFICATIONS else "",
                text=_prose(entry.get("impact_statement") or entry.get("status_notes"), tally),
                author=author,
                time=issued if stated is None else conditions.moment(stated, f"{place}.timestamp"),
                where=place,
                why_not=_why_not(status, justification, entry.get("impact_statement")),
            ),
            entry,
        )


def _why_not(status: str, justification: str, impact: Any) -> str:
    if status == FIXED:
        return ""
    if status != NOT_AFFECTED:
        return status
    if justification and justification not in JUSTIFICATIONS:
        return "the justification is not one of those that VEX knows"
    if justification or (isinstance(impact, str) and impact.strip()):
        return ""
    return "not_affected without a justification"


def _prose(value: Any, tally: Tally) -> str:
    text = visible(value.strip()) if isinstance(value, str) else ""
    if len(text) <= _LONGEST:
        return text
    tally.cut("characters of VEX texts", _LONGEST, len(text))
    return text[: _LONGEST - 1] + "\u2026"


def _names(entry: Mapping[str, Any], where: str) -> list[str]:
    """The name of the vulnerability, then its aliases. Before 0.2.0 it was a plain text."""
    raw = entry.get("vulnerability")
    if isinstance(raw, str):
        return [conditions.text(raw, f"{where}.vulnerability")]
    struct = conditions.mapping(raw, f"{where}.vulnerability")
    aliases = struct.get("aliases") or ()
    if not isinstance(aliases, (list, tuple)):
        raise BadInput("aliases must be a list", where=f"{where}.vulnerability.aliases")
    return [
        conditions.text(struct.get("name"), f"{where}.vulnerability.name"),
        *(conditions.text(alias, f"{where}.vulnerability.aliases") for alias in aliases),
    ]


def _counted(statement: Statement, tally: Tally) -> Statement:
    if statement.status == NOT_AFFECTED and statement.why_not:
        tally.warn("vex_without_justification", f"{statement.why_not}: it hides nothing", statement.where)
    return statement


def _claims(entry: Mapping[str, Any], statement: Statement, tally: Tally) -> Iterator[tuple[str, str, str | None]]:
    """(name, digest, file or None) for all that a statement speaks about."""
    products = entry.get("products") or ()
    if not isinstance(products, (list, tuple)):
        raise BadInput("products must be a list", where=f"{statement.where}.products")
    if not products:
        tally.warn("vex_without_product", "a statement names no product: it hides nothing", statement.where)
    names = sorted({key_of(name) for name in _names(entry, statement.where)})
    for product in products:
        digests = sorted(digests_of(product))
        if not digests:
            tally.warn("vex_product_without_digest", "a product has no image digest: nothing matches", statement.where)
        parts = product.get("subcomponents") if isinstance(product, Mapping) else None
        paths = _paths(parts or (), statement, tally)
        for digest in digests:
            for path in paths:
                yield from ((name, digest, path) for name in names)


def _paths(parts: Any, statement: Statement, tally: Tally) -> list[str | None]:
    """The files that subcomponents name; None for the whole product."""
    if not isinstance(parts, (list, tuple)):
        raise BadInput("subcomponents must be a list", where=f"{statement.where}.products.subcomponents")
    files = [_file_of(part) for part in parts]
    if all(file is not None for file in files):
        return list(dict.fromkeys(files)) or [None]
    if not statement.hides:
        return [None]
    tally.warn(
        "vex_subcomponent_unknown", "a subcomponent is no file: the statement does not hide for it", statement.where
    )
    return list(dict.fromkeys(file for file in files if file is not None))


def _identifiers(component: Any) -> list[str]:
    """All texts that name a component. Before 0.2.0 it was a plain text."""
    if isinstance(component, str):
        return [component]
    if not isinstance(component, Mapping):
        return []
    more = component.get("identifiers")
    found = [component.get("@id"), *(more.values() if isinstance(more, Mapping) else ())]
    return [text for text in found if isinstance(text, str)]


def digests_of(component: Any) -> set[str]:
    """The image digests that name a product: of package URLs, image references and SHA-256 hashes."""
    found = {digest for text in _identifiers(component) for digest in _digests_in(text)}
    hashes = component.get("hashes") if isinstance(component, Mapping) else None
    for name, value in hashes.items() if isinstance(hashes, Mapping) else ():
        plain = str(value).strip().lower().removeprefix("sha256:")
        if str(name).lower().replace("-", "") == "sha256" and _HASH.fullmatch(plain):
            found.add(f"sha256:{plain}")
    return found


def _digests_in(text: str) -> list[str]:
    """The digest that is the version, else those of the qualifiers; a bare digest counts too."""
    plain, _question, query = text.partition("#")[0].partition("?")
    version = unquote(plain).rpartition("@")[2].lower()
    if _DIGEST.fullmatch(version):
        return [version]
    pairs = [pair.partition("=") for pair in query.split("&")]
    values = [unquote(value).lower() for name, _equals, value in pairs if name in ("digest", "checksum")]
    return [one for value in values for one in value.split(",") if _DIGEST.fullmatch(one)]


def _file_of(component: Any) -> str | None:
    """The path of a file in the source: ``file:src/a.py``, or the subpath of a package URL."""
    for text in _identifiers(component):
        if text.startswith("file:"):
            path = unquote(text[5:])
        elif text.startswith("pkg:") and "#" in text:
            path = unquote(text.partition("#")[2])
        else:
            continue
        path = path.removeprefix("./")
        if path and not path.startswith("/") and ".." not in path.split("/"):
            return path
    return None
