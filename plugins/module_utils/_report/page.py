# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page: one self-contained HTML file that needs no network and runs no script.

PRIVATE to this collection.
"""

from __future__ import annotations

from . import sections
from .fields import Row
from .html import document, el, join, style
from .style import CSS

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_CONTENTS = (
    ("duties", "Duties"),
    ("gaps", "Not checked"),
    ("operations", "Undo"),
    ("decision", "Decision"),
    ("timeline", "Timeline"),
    ("containment", "Containment"),
    ("volumes", "Volumes"),
    ("certificates", "Certificates"),
    ("findings", "Findings"),
    ("incident", "Incident"),
    ("integrity", "Integrity"),
)


def page(report: Row, document_sha256: str, signature: str | None = None) -> str:
    """The report as HTML. ``document_sha256`` is that of report.json, ``signature`` its Ed25519 signature in base64."""
    name, app = report["incident"]["id"], report["application"]
    head = join(
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="referrer", content="no-referrer"),
        el("meta", name="robots", content="noindex"),
        el("title", f"Incident {name}: {app['target']}"),
        style(CSS),
    )
    body = el(
        "body",
        el(
            "div",
            el(
                "header",
                el(
                    "p",
                    f"Incident report · {app['target']} · cluster {app['cluster'] or app['cluster_uid'] or 'unknown'}",
                    class_="over",
                ),
                el("h1", name + (f": {report['incident']['title']}" if report["incident"]["title"] else "")),
            ),
            el(
                "main",
                sections.verdict(report),
                sections.figures(report),
                el("nav", *(el("a", title, href=f"#{anchor}") for anchor, title in _CONTENTS), aria_label="Sections"),
                sections.duties(report),
                sections.gaps(report),
                sections.decision(report),
                sections.timeline(report),
                sections.containment(report),
                sections.volumes(report),
                sections.certificates(report),
                sections.findings(report),
                sections.operations(report),
                sections.incident(report),
                sections.integrity(report, document_sha256, signature),
            ),
            el("footer", f"{report['schema']} · made by knowngood.kube from what the steps of the playbook returned"),
            class_="page",
        ),
    )
    return document(head, body)
