# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writing the incident report: the one call of the door.

PRIVATE to this collection.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .._core.errors import BadInput
from .fields import Row
from .files import differing, sha256, write
from .markdown import markdown
from .model import UNSIGNED, build
from .page import page
from .sign import Signer, read_signer

NAMES = {"json": "report.json", "html": "report.html", "md": "report.md"}
SIGNATURE = "report.json.sig"


def write_report(
    *,
    incident: Mapping[str, Any],
    app: Any,
    steps: Mapping[str, Any],
    dest: str,
    formats: Sequence[str] = ("html", "json"),
    signing_key: str | None = None,
    backup: bool = True,
    check: bool = False,
) -> Row:
    """Makes the report and writes what differs from what is there; ``check`` writes nothing.

    Returns ``changed``, ``files`` (``path``, ``sha256``, ``changed``), ``kept`` (paths of earlier reports that were
    kept), ``sha256`` (of report.json, written or not), ``signed``, ``verdict`` and ``diff``. Raises BadInput.
    """
    if not formats:
        raise BadInput("no format was asked for", where="formats", next="one or more of html, json, md")
    if signing_key and "json" not in formats:
        raise BadInput("a signature is over report.json, and json is not among the formats", where="formats")
    signer = read_signer(signing_key) if signing_key else None
    report = build(incident, app, steps, check=check, signature=signer.about if signer else UNSIGNED)
    contents = _contents(report, formats, signer)
    folder = Path(dest)
    before = differing(folder, contents)
    kept = {_kept_name(name, old): old for name, old in before.items() if backup and old not in (None, contents[name])}
    if before and not check:
        write(folder, {**{name: old for name, old in kept.items() if old is not None}, **_only(contents, before)})
    return {
        "changed": bool(before),
        "files": [
            {"path": str(folder / name), "sha256": sha256(content), "changed": name in before}
            for name, content in contents.items()
        ],
        "kept": [str(folder / name) for name in sorted(kept)],
        "sha256": sha256(document(report)),
        "signed": signer is not None,
        "verdict": report["verdict"],
        "diff": _diff(folder, contents, before),
    }


def document(report: Row) -> bytes:
    """report.json: sorted keys, plain ASCII, and no braces that a template engine could take for its own."""
    text = json.dumps(report, sort_keys=True, indent=2, ensure_ascii=True, allow_nan=False)
    # Structure never puts these next to each other here (an indented object starts a new line), only strings do.
    for pair, spelled in (("{{", "\\u007b\\u007b"), ("{%", "\\u007b%"), ("{#", "\\u007b#")):
        text = text.replace(pair, spelled)
    return (text + "\n").encode("ascii")


def _contents(report: Row, formats: Sequence[str], signer: Signer | None) -> dict[str, bytes]:
    """Files in the order in which they are written: what is read first by people comes last."""
    data = document(report)
    digest = sha256(data)
    signature = signer.sign(data) if signer else None
    found: dict[str, bytes] = {}
    if "json" in formats:
        found[NAMES["json"]] = data
    if signature is not None:
        found[SIGNATURE] = signature
    if "md" in formats:
        found[NAMES["md"]] = markdown(report, digest).encode("utf-8")
    if "html" in formats:
        shown = base64.b64encode(signature).decode("ascii") if signature is not None else None
        found[NAMES["html"]] = page(report, digest, shown).encode("utf-8")
    return found


def _kept_name(name: str, old: bytes | None) -> str:
    return f"{name}.{sha256(old or b'')[:12]}"


def _only(contents: Mapping[str, bytes], names: Mapping[str, bytes | None]) -> dict[str, bytes]:
    return {name: content for name, content in contents.items() if name in names}


def _diff(folder: Path, contents: Mapping[str, bytes], before: Mapping[str, bytes | None]) -> Row:
    """Which files change, by hash: the pages themselves are too long to be shown."""
    old = {name: sha256(was) for name, content in contents.items() if (was := before.get(name, content)) is not None}
    new = {name: sha256(content) for name, content in contents.items()}
    return {
        "before_header": str(folder),
        "after_header": str(folder),
        "before": "".join(f"{name} sha256:{value}\n" for name, value in sorted(old.items())),
        "after": "".join(f"{name} sha256:{value}\n" for name, value in sorted(new.items())),
    }
