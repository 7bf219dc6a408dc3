# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a finding is, as a path relative to the repository root when that can be known; nothing is ever opened.

The rules are those of SARIF 2.1.0, 3.4.4 and 3.14.14: a relative URI is completed by its base, bases may stand on other
bases, the topmost is the root of the scanning machine's checkout. Paths that climb out of the root, belong to another
root or to another host stay visible as labels and are marked so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from .tally import Tally

INSIDE, ABSOLUTE, OUTSIDE = "inside", "absolute", "outside_root"

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
_DRIVE = re.compile(r"/?([A-Za-z]):[\\/]")
# Names that tools give to the root of the checkout.
_ROOT_NAMES = frozenset({"SRCROOT", "%SRCROOT%", "ROOTPATH", "PROJECTROOT", "REPOROOT", "REPO_ROOT", "SOURCE_ROOT"})


@dataclass(frozen=True, slots=True)
class Base:
    """One entry of originalUriBaseIds: both fields may be missing."""

    uri: str | None
    parent: str | None


class PathResolver:
    """Resolves artifact locations of one run.

    ``bases``: originalUriBaseIds. ``roots``: base names that the report maps to the repository (mappedTo).
    ``overrides``: base name -> path relative to the root, the user's word. ``source_root``: prefix to take off.
    """

    def __init__(
        self,
        bases: Mapping[str, Base],
        *,
        roots: frozenset[str] = frozenset(),
        overrides: Mapping[str, str] | None = None,
        source_root: str = "",
        tally: Tally,
    ) -> None:
        self._bases = bases
        self._overrides = overrides or {}
        self._tally = tally
        self._roots = roots or self._guess_roots()
        self._prefixes = self._known_prefixes(source_root)

    def resolve(self, uri: str, base: str | None) -> tuple[str, str]:
        """(path, place) of a URI reference and the name of its base, if any."""
        full, place = self._completed(uri, base)
        return _settled(self._without_prefix(full), place)

    def _guess_roots(self) -> frozenset[str]:
        """Without mappedTo: the bases named like a root, else the only base that stands on nothing."""
        top = [name for name, base in self._bases.items() if not base.parent]
        named = frozenset(name for name in top if name.upper() in _ROOT_NAMES)
        return named or (frozenset(top) if len(top) == 1 else frozenset())

    def _known_prefixes(self, source_root: str) -> list[str]:
        """What may be taken off an absolute path: the user's root and the URIs of the report's own roots."""
        given = [source_root, *(self._bases[name].uri or "" for name in self._roots if name in self._bases)]
        prefixes = [_plain(text).rstrip("/") + "/" for text in given if text]
        return sorted((prefix for prefix in prefixes if _is_absolute(prefix) and prefix != "/"), key=len, reverse=True)

    def _completed(self, uri: str, base: str | None) -> tuple[str, str]:
        """The URI with its bases in front, up to the root, and the place as far as the bases tell."""
        text, seen = uri, set[str]()
        while base and not _is_absolute(_plain(text)):
            if base in self._overrides:
                return _joined(self._overrides[base], text), INSIDE
            if base in seen:
                self._tally.warn("uri_base_loop", "originalUriBaseIds go round in a circle")
                return text, INSIDE
            seen.add(base)
            entry = self._bases.get(base)
            if base in self._roots:
                return text, INSIDE
            if entry is None:
                if base.upper() not in _ROOT_NAMES:
                    self._tally.warn("uri_base_unknown", "a path names a base that the report does not define")
                return text, INSIDE
            if entry.uri is None and not entry.parent:
                return (text, INSIDE) if not self._roots else (f"{base}/{text}", OUTSIDE)
            text, base = _joined(entry.uri or "", text), entry.parent
        return text, INSIDE

    def _without_prefix(self, text: str) -> str:
        plain = _plain(text)
        for prefix in self._prefixes:
            if plain.startswith(prefix):
                return plain[len(prefix) :]
        return plain


def _joined(base: str, rest: str) -> str:
    """Plain concatenation, with the slash that producers forget."""
    return base + rest if not base or base.endswith("/") else f"{base}/{rest}"


def _plain(uri: str) -> str:
    """A URI as a path: percent signs decoded once, file scheme taken off, backslashes turned, drive letters kept."""
    if _DRIVE.match(uri):
        return uri.replace("\\", "/").lstrip("/")
    scheme = _SCHEME.match(uri)
    if scheme and scheme.group(1).lower() != "file":
        return uri
    text = unquote(uri[5:] if scheme else uri, errors="surrogateescape").replace("\\", "/")
    if scheme and text.startswith("///"):
        text = text[2:]
    elif scheme and text.lower().startswith("//localhost/"):
        text = text[11:]
    return text.lstrip("/") if _DRIVE.match(text) else text


def _is_absolute(path: str) -> bool:
    return path.startswith("/") or bool(_DRIVE.match(path)) or bool(_SCHEME.match(path))


def _settled(path: str, place: str) -> tuple[str, str]:
    """Dots and double slashes resolved; a path that leaves the root keeps its climb so that it can be seen."""
    if path.startswith("//") or (_SCHEME.match(path) and not _DRIVE.match(path)):
        return path, OUTSIDE
    absolute = _is_absolute(path)
    parts: list[str] = []
    for part in path.split("/"):
        if part in ("", "."):
            continue
        if part == ".." and parts and parts[-1] != "..":
            parts.pop()
        elif part != ".." or not absolute:
            parts.append(part)
    text = "/".join(parts)
    if absolute:
        return (text if _DRIVE.match(path) else f"/{text}"), ABSOLUTE
    if parts[:1] == [".."] or "\0" in path:
        return text, OUTSIDE
    return text, place
