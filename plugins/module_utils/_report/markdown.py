# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report in short, as Markdown for a ticket or a chat.

PRIVATE to this collection.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from .fields import Row
from .text import clock_face, one_line, span

# Everything that Markdown dialects give a meaning to inside a line, and the start of an autolink or a mention.
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|~@&$:-])")


def markdown(report: Row, document_sha256: str) -> str:
    """Verdict, figures, decision, duties, gaps and undo; the rest is in the JSON and HTML."""
    figures, told = report["figures"], report["verdict"]
    hours = figures["data_loss_h"]
    parts = [
        f"# Incident {_text(report['incident']['id'])}: {_text(report['application']['target'])}",
        f"**{_text(told['sentence'])}**",
        _table(
            ("Downtime", "Data loss", "Incident to contained", "Incident to released"),
            [
                (
                    span(figures["downtime_s"]),
                    span(None if hours is None else hours * 3600),
                    span(figures["time_to_contain_s"]),
                    span(figures["time_to_recover_s"]),
                )
            ],
        ),
        "## Duties\n\n" + _list(("open: " if duty["open"] else "done: ") + duty["what"] for duty in report["duties"]),
        "## Not checked, not known\n\n" + _list(f"{entry['about']}: {entry['what']}" for entry in report["gaps"]),
        "## Decision\n\n"
        + _table(
            ("Recovery point", "Cut", "Verdict", "For", "Against", "Chosen"),
            [
                (
                    point["id"] or "unknown",
                    clock_face(point["cut_from"]),
                    point["verdict"] or "unknown",
                    "; ".join(point["for"]) or "none given",
                    "; ".join(point["against"]) or "none given",
                    "yes" if point["chosen"] else "no",
                )
                for point in report["decision"]["candidates"]
            ],
        ),
        "## Undo, newest first\n\n" + _list(entry["undo"] or entry["id"] for entry in report["operations"]),
        f"sha256 of report.json: {document_sha256}; "
        + ("unsigned" if report["signature"]["state"] == "unsigned" else "signed, see report.json.sig"),
    ]
    return "\n\n".join(parts) + "\n"


def _text(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", one_line(text))


def _list(texts: Iterable[str]) -> str:
    return "\n".join(f"- {_text(text)}" for text in texts) or "none named"


def _table(titles: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    lines = [titles, ["---"] * len(titles), *([_text(cell) for cell in row] for row in body)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
