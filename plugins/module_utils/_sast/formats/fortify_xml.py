# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What else Fortify's products write as XML: the older report (``<ReportDefinition>``), which states the priority, and
the scans of WebInspect (``<Scan>``, ``<Sessions>``), which look at a running application and name no source."""

from __future__ import annotations

from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

from ..._core.findings import Severity
from .. import secrets
from ..draft import Draft, Place, cwe_from
from ..look import XML, Look
from ..markup import Markup
from ..recorder import Recorder
from .form import Form
from .fortify import WORDS, cwe_names, hidden, tags_of, text_of

_WEBINSPECT = {
    "4": Severity.CRITICAL,
    "3": Severity.HIGH,
    "2": Severity.MEDIUM,
    "1": Severity.LOW,
    "0": Severity.INFO,
}
# Groupings in which an issue is in one group only, so that their counts add up to the number of issues.
_AXES = frozenset({"category", "fortify priority order", "folder", "kingdom"})


# -- the older report --------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Listings:
    """How many issues the report says there are, and which it holds. A listing may be cut at some issues a group."""

    any: bool = False
    adds_up: bool = False
    here: int = 0
    most: int = 0
    seen: set[int] = field(default_factory=set)

    def note(self, element: Element) -> None:
        if element.tag == "IssueListing":
            self.any, self.here, self.adds_up = True, 0, False
        elif element.tag == "Axis":
            self.adds_up = (element.text or "").strip().lower() in _AXES
        elif element.tag == "GroupingSection" and self.adds_up:
            count = element.get("count") or ""
            self.here += int(count) if count.isdecimal() and len(count) < 10 else 0
            self.most = max(self.most, self.here)


def _recognise_report(look: Look) -> str:
    return "its root element is ReportDefinition" if look.root == "ReportDefinition" else ""


def _read_report(document: Markup, out: Recorder) -> None:
    out.tool("Fortify SCA")
    listings = _Listings()
    for element in document.elements():
        if element.tag == "Issue":
            listings.seen.add(hash(element.get("iid") or element))
            _issue(element, out)
        else:
            listings.note(element)
    if not listings.any:
        out.failed("it has no listing of issues: the report was made without them")
    elif len(listings.seen) < listings.most:
        out.partial(f"it lists {len(listings.seen)} of {listings.most} issues: its template cuts the listings")


def _issue(element: Element, out: Recorder) -> None:
    identifier, category = element.get("iid") or "", text_of(element, "Category")
    rule = element.get("ruleID") or category
    if not rule:
        out.dropped("result_without_rule", "an issue names neither rule nor category", identifier)
        return
    field_name = "Friority" if text_of(element, "Friority") else "Folder"
    word = text_of(element, field_name)
    tags = {text_of(tag, "Name").lower(): text_of(tag, "Value") for tag in element.iterfind("Tag")}
    analysis = tags.get("analysis", "")
    suppressed = "true" in ((element.get("suppressed") or "").lower(), tags.get("suppressed", "").lower())
    external = [
        cwe_names(one.text or "")
        for one in element.iter("ExternalCategory")
        if (one.get("type") or "").upper() == "CWE"
    ]
    out.finding(
        Draft(
            rule=rule,
            rule_name=category,
            message=text_of(element, "Abstract") or category,
            severity=WORDS.get(word.lower(), Severity.UNKNOWN),
            severity_source=field_name if field_name == "Friority" or not word else "Folder (approximate)",
            native=word,
            cwe=cwe_from(ExternalCategory=external),
            fingerprints={"iid": identifier} if identifier else {},
            key=identifier,
            places=_place(element.find("Primary")),
            snippet=element.findtext("Primary/Snippet") or "",
            tags=tags_of(text_of(element, "Kingdom"), analysis=analysis),
            suppressions=hidden(analysis, "") if suppressed else (),
        )
    )


def _place(primary: Element | None) -> tuple[Place, ...]:
    if primary is None:
        return ()
    function = text_of(primary, "TargetFunction")
    return (
        Place(
            text_of(primary, "FilePath") or text_of(primary, "FileName"),
            text_of(primary, "LineStart"),
            symbol="" if function == "null()" else function,
        ),
    )


# -- WebInspect --------------------------------------------------------------------------------------------------


def _recognise_scan(look: Look) -> str:
    if look.root == "Scan" and ("Issues" in look.children or "PolicyName" in look.children):
        return "its root element is Scan with Issues"
    return "its root element is Sessions" if look.root == "Sessions" else ""


def _read_scan(document: Markup, out: Recorder) -> None:
    out.tool("Fortify WebInspect")
    url, listed = "", False
    for element in document.elements():
        if element.tag == "Issue":
            _web_issue(element, url, out)
        elif element.tag == "URL":
            # Of the session that the next issues belong to.
            url = (element.text or "").strip()
        else:
            listed = True
    if not listed and document.root == "Scan":
        out.failed("it has no list of issues: the scan did not finish")
    elif not listed:
        out.empty("it holds no session: nothing was scanned")


def _web_issue(element: Element, session: str, out: Recorder) -> None:
    rule = text_of(element, "VulnerabilityID") or text_of(element, "CheckID")
    name, word = text_of(element, "Name"), text_of(element, "Severity")
    if not rule and not name:
        out.dropped("result_without_rule", "an issue names neither check nor vulnerability")
        return
    url = text_of(element, "URL") or session
    classes = element.iterfind("Classifications/Classification")
    cwe = [one.get("identifier") for one in classes if (one.get("kind") or "").upper() == "CWE"]
    identifier = element.get("id") or ""
    out.finding(
        Draft(
            rule=rule or name,
            rule_name=name,
            message=name,
            severity=_WEBINSPECT.get(word, Severity.UNKNOWN),
            severity_source="Severity" if word else "none",
            native=word,
            cwe=cwe_from(Classification=cwe),
            fingerprints={"id": identifier} if identifier else {},
            # What follows the question mark is what the attack sent.
            places=(Place(symbol=secrets.without_credentials(url.partition("?")[0])),),
            tags=tags_of(text_of(element, "CheckTypeID"), analysis=""),
        )
    )


FORTIFY_REPORT = Form(
    "fortify",
    "Fortify",
    XML,
    _recognise_report,
    _read_report,
    elements=("Issue", "Axis"),
    around=("IssueListing", "GroupingSection"),
)
WEBINSPECT = Form(
    "fortify", "Fortify", XML, _recognise_scan, _read_scan, elements=("Issue", "URL"), around=("Issues", "Session")
)
