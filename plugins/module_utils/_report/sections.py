# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sections of the page, each a view of one part of the report.

PRIVATE to this collection.
"""

from __future__ import annotations

from .chart import chart, legend
from .fields import Row
from .html import Html, Node, el, join
from .parts import (
    BAD,
    NEUTRAL,
    OK,
    WARN,
    Column,
    chip,
    code,
    facts,
    known,
    listed,
    period,
    quiet,
    section,
    table,
    unknown,
    when,
    yes_no,
)
from .text import span
from .verdict import CHECK, INCOMPLETE, NOT_RESTORED, PARTLY, PROVEN

_VERDICT = {
    PROVEN: ("restored and proven", OK),
    PARTLY: ("restored, partly proven", WARN),
    NOT_RESTORED: ("not restored", BAD),
    INCOMPLETE: ("incomplete", BAD),
    CHECK: ("check run", NEUTRAL),
}

_PARTS = (("code", "code_at_cut"), ("data", "data_exposure"), ("evidence", "evidence"))
_MOST_REASONS = 3


def verdict(report: Row) -> Html:
    told = report["verdict"]
    word, kind = _VERDICT[told["status"]]
    return el(
        "div",
        chip(word, kind),
        el("p", told["sentence"], class_="say"),
        el(
            "div",
            el("div", el("h3", "Seen"), listed(told["proven"], "nothing")),
            el("div", el("h3", "Not proven"), listed(told["unproven"], "nothing that this report looks for")),
            class_="two",
        ),
        class_=f"verdict {kind}",
        role="status",
    )


def figures(report: Row) -> Html:
    given = report["figures"]
    hours = given["data_loss_h"]
    shown = (
        ("Downtime", given["downtime_s"]),
        ("Data loss", None if hours is None else hours * 3600),
        ("Incident to contained", given["time_to_contain_s"]),
        ("Incident to released", given["time_to_recover_s"]),
    )
    return el(
        "dl",
        *(
            el("div", el("dt", name), el("dd", span(value), class_="unknown" if value is None else None))
            for name, value in shown
        ),
        class_="figures",
    )


def incident(report: Row) -> Html:
    about, app = report["incident"], report["application"]
    finding = ", ".join(f"{key} {value}" for key, value in about["finding"].items())
    return section(
        "incident",
        "Incident",
        facts(
            (
                ("Incident", about["id"]),
                ("What", known(about["title"])),
                ("Declared", when(about["time"])),
                ("Earliest evidence", when(about["evidence_at"]) if about["evidence_at"] else unknown("not given")),
                ("Exploited finding", known(finding, "not named")),
                ("Mode", known(about["mode"])),
                ("Application", code(app["target"])),
                ("Cluster", join(code(app["cluster"]) if app["cluster"] else None, " uid ", code(app["cluster_uid"]))),
            )
        ),
        el("h3", "Phases"),
        table(
            "",
            (Column("Phase"), Column("State"), Column("Ended", "time"), Column("Operation", "mono"), Column("Note")),
            (
                (
                    None,
                    (
                        phase["title"],
                        chip("not done or not reported", WARN)
                        if phase["state"] == "not_reported"
                        else chip("nothing left to do", OK)
                        if phase["state"] == "already"
                        else chip(phase["state"]),
                        when(phase["ended"]) if phase["ended"] else unknown(),
                        ", ".join(phase["operations"]) or "–",
                        phase["note"] or "–",
                    ),
                )
                for phase in report["phases"]
            ),
            "no phases",
        ),
    )


def timeline(report: Row) -> Html:
    return section(
        "timeline",
        "Timeline",
        el(
            "ol",
            *(
                el(
                    "li",
                    el("div", period(entry["at"], entry["until"])),
                    el("i", aria_hidden="true"),
                    el("p", entry["what"], el("br"), el("small", f"Evidence: {entry['evidence'] or 'none given'}")),
                    class_=_marker(entry["kind"]),
                )
                for entry in report["timeline"]
            ),
            class_="times",
        ),
    )


def _marker(kind: str) -> str:
    """A class for the kinds that the style sheet knows; a kind from outside is none of them."""
    return kind if kind in ("incident", "point", "containment", "restore", "rotation", "release") else "note"


def decision(report: Row) -> Html:
    told = report["decision"]
    picture = chart(told["candidates"], report["incident"]["time"], told["data_loss_h"])
    others = ", ".join(f"{mode}: {name or 'none'}" for mode, name in told["choices"].items())
    images = table(
        "Images that go with the chosen data",
        (
            Column("Workload"),
            Column("Container"),
            Column("Image", "mono"),
            Column("Commit", "mono commit"),
            Column("Why"),
        ),
        (
            (
                None,
                (
                    known(entry["workload"]),
                    known(entry["container"], "not named"),
                    code(entry["image"]) if entry["image"] else unknown("none"),
                    known((entry["commit"] or "")[:12]),
                    entry["why"] or "–",
                ),
            )
            for entry in told["image_overrides"]
        ),
        "No image was overridden.",
    )
    return section(
        "decision",
        "Decision",
        el("p", "Chosen: ", code(told["chosen"])) if told["chosen"] else el("p", chip("no point was chosen", BAD)),
        listed(told["why"]) if told["why"] else None,
        el("div", picture, class_="wide") if picture else None,
        quiet(legend()) if picture else None,
        table(
            "Every recovery point that was compared",
            (
                Column("#", "num"),
                Column("Recovery point", "mono"),
                Column("Cut", "cut"),
                Column("Verdict", "verdict-cell"),
                Column("Speaks for it", "say"),
                Column("Speaks against it", "say"),
                Column("Loss", "num"),
            ),
            (("chosen" if point["chosen"] else None, _candidate(point)) for point in told["candidates"]),
            "No recovery point was compared in this report.",
        ),
        images,
        quiet(f"What each mode would choose: {others}") if others else None,
        quiet(f"Least tainted: {told['least_tainted']}") if told["least_tainted"] else None,
    )


def _candidate(point: Row) -> tuple[Node, ...]:
    loss, said = point["loss_h"], [*point["for"], *point["against"]]
    state = ", ".join(
        word for word in (point["purpose"], point["state"]) if word not in (None, "available", "scheduled")
    )
    return (
        str(point["number"]),
        join(
            el("code", point["id"] or "unknown"),
            join(el("br"), chip("chosen", OK)) if point["chosen"] else None,
            quiet(f"chosen by {', '.join(point['chosen_by'])}") if point["chosen_by"] else None,
            quiet(state) if state else None,
        ),
        period(point["cut_from"], point["cut_to"]),
        join(
            chip(point["verdict"]) if point["verdict"] else chip("unknown", WARN),
            *(_part(name, point[key], said) for name, key in _PARTS),
            quiet(f"cut: {point['consistency']}") if point["consistency"] else None,
        ),
        listed(point["for"]),
        listed(point["against"]),
        unknown() if loss is None else span(loss * 3600),
    )


def _part(name: str, part: Row, said: list[str]) -> Html:
    """One of the three verdicts, with those of its reasons that do not stand in the row already."""
    reasons = [reason for reason in (*part["reasons"], *part["notes"]) if reason not in said]
    shown = f": {'; '.join(reasons[:_MOST_REASONS])}" if reasons else ""
    left = f"; {len(reasons) - _MOST_REASONS} more in report.json" if len(reasons) > _MOST_REASONS else ""
    return quiet(f"{name} {part['verdict'] or 'unknown'}{shown}{left}")


def containment(report: Row) -> Html:
    told = report["containment"]
    return section(
        "containment",
        "Containment",
        el("p", f"{told['paths_enforced']} of {told['paths_tried']} paths proven closed.")
        if told["paths_tried"]
        else None,
        *(_quarantine(entry, "Isolated") for entry in told["isolations"]),
        *(_quarantine(entry, "Released") for entry in told["releases"]),
        None if told["isolations"] else el("p", "Not done, or not reported.", class_="unknown"),
        None if told["releases"] else el("p", "Release: not done, or not reported.", class_="unknown"),
    )


def _quarantine(entry: Row, word: str) -> Html:
    isolated = word == "Isolated"
    workloads = ", ".join(entry["workloads"]) or "workloads not named"
    return join(
        el("h3", f"{word}: {workloads} by {entry['method'] or 'a method not named'}"),
        el("p", "Enforced: ", yes_no(entry["enforced"], no="not shown"), " ", entry["why"])
        if isolated
        else el("p", entry["why"])
        if entry["why"]
        else None,
        table(
            "",
            (
                Column("Path", "mono"),
                Column("Of"),
                Column("Before"),
                Column("After"),
                Column("Enforced"),
                Column("Evidence by"),
            ),
            (
                (
                    None,
                    (
                        known(path["path"]),
                        join(known(path["workload"]), quiet(f"via {path['via']}") if path["via"] else None),
                        known(path["before"], "not tried"),
                        known(path["after"], "not tried"),
                        yes_no(path["enforced"]) if isolated else "–",
                        known(path["evidence"]),
                    ),
                )
                for path in entry["paths"]
            ),
            "No path was tried.",
        ),
    )


def volumes(report: Row) -> Html:
    told = report["volumes"]
    return section(
        "volumes",
        "Volumes before and after",
        table(
            "",
            (
                Column("Claim"),
                Column("Before", "mono"),
                Column("After", "mono"),
                Column("Data of", "time"),
                Column("Previous volume kept"),
            ),
            (
                (
                    None,
                    (
                        code(entry["claim"]),
                        _volume(entry["before"]),
                        _volume(entry["after"]),
                        join(
                            when(entry["cut_at"]), quiet(f"of {entry['of']}") if entry["of"] != entry["claim"] else None
                        ),
                        _kept(entry),
                    ),
                )
                for entry in told["rows"]
            ),
            "No volume was put back, or it was not reported.",
        ),
        el("h3", "Checks of the restored data"),
        table(
            "",
            (Column("Check"), Column("On"), Column("Outcome"), Column("Detail")),
            (
                (
                    None,
                    (
                        known(check["name"]),
                        known(check["where"]),
                        chip(check["outcome"]) if check["outcome"] else chip("unknown", WARN),
                        el("span", check["detail"] or "–", class_="message"),
                    ),
                )
                for check in told["checks"]
            ),
            "No check was reported: nothing proves the restored data.",
        ),
    )


def _volume(name: str | None) -> Node:
    return el("span", "none", class_="unknown") if name == "" else code(name)


def _kept(entry: Row) -> Node:
    if not entry["kept"]:
        return _volume(entry["kept"])
    return join(code(entry["kept"]), *((" until ", when(entry["kept_until"])) if entry["kept_until"] else ()))


def certificates(report: Row) -> Html:
    told = report["certificates"]
    failed = told["failed_handshakes"]
    return section(
        "certificates",
        "Certificates before and after",
        table(
            "",
            (Column("Secret", "mono"), Column("Before", "mono"), Column("After", "mono"), Column("Change")),
            (
                (
                    None,
                    (entry["secret"], _certificate(entry["before"]), _certificate(entry["after"]), _change(entry)),
                )
                for entry in told["rows"]
            ),
            "No certificate was inventoried or rotated, or it was not reported.",
        ),
        el("h3", "Seen on the wire"),
        table(
            "",
            (
                Column("Pod or Service", "mono"),
                Column("Evidence by"),
                Column("Expected", "mono"),
                Column("Served", "mono"),
                Column("As expected"),
                Column("Detail"),
            ),
            (
                (
                    None,
                    (
                        join(known(entry["where"]), quiet(f"port {entry['port']}") if entry["port"] else None),
                        known(entry["path"]),
                        known(entry["expected"]),
                        known(entry["served"]),
                        join(
                            yes_no(entry["ok"]),
                            quiet(f"{entry['connections']} connections") if entry["connections"] else None,
                        ),
                        entry["detail"] or "–",
                    ),
                )
                for entry in told["proof"]
            ),
            "Nothing was seen on the wire, or it was not reported.",
        ),
        el("p", "Failed handshakes during the rotation: ", known(None if failed is None else f"{failed}")),
    )


def _certificate(entry: Row | None) -> Node:
    if entry is None:
        return unknown()
    return join(
        code(entry["fingerprint"]),
        quiet(f"serial {entry['serial']}") if entry["serial"] else None,
        quiet(f"key {entry['key']}") if entry["key"] else None,
        quiet(f"issuer {entry['issuer']}") if entry["issuer"] else None,
        el("p", "until ", when(entry["not_after"]), class_="quiet") if entry["not_after"] else None,
    )


def _change(entry: Row) -> Node:
    before, after = ((entry[side] or {}).get("fingerprint") for side in ("before", "after"))
    if not before or not after:
        return chip("rotated, one side unknown" if entry["rotated"] else "unknown", WARN)
    return chip("replaced", OK) if before != after else chip("the same", WARN if entry["rotated"] else NEUTRAL)


def findings(report: Row) -> Html:
    told = report["findings"]
    return section(
        "findings",
        "Findings",
        table(
            "Scans: only one with status ok can show that something is absent",
            (
                Column("Commit", "mono commit"),
                Column("Tool"),
                Column("Status"),
                Column("Live", "num"),
                Column("Time", "time"),
                Column("Report", "mono"),
            ),
            (
                (
                    None,
                    (
                        known((scan["commit"] or "")[:12]),
                        known(" ".join(part for part in (scan["tool"], scan["tool_version"]) if part)),
                        join(
                            chip(scan["status"]) if scan["status"] else chip("unknown", WARN),
                            quiet("; ".join(scan["status_reasons"])) if scan["status_reasons"] else None,
                        ),
                        known(scan["live"]),
                        when(scan["time"]),
                        join(known(scan["file"]), quiet(f"sha256 {scan['sha256'] or 'unknown'}")),
                    ),
                )
                for scan in told["scans"]
            ),
            "No scan was handed to this report.",
        ),
        table(
            "Findings that came in, the exploited one first",
            (
                Column("Severity"),
                Column("Rule", "mono"),
                Column("CWE"),
                Column("Place", "mono"),
                Column("Commit", "mono commit"),
                Column("Message"),
            ),
            (("hit" if entry["exploited"] else None, _finding(entry)) for entry in told["rows"]),
            "No finding was handed to this report.",
        ),
        quiet(f"{told['left_out']} live findings are counted above and not listed.") if told["left_out"] else None,
    )


def _finding(entry: Row) -> tuple[Node, ...]:
    place = entry["path"] or ""
    return (
        join(
            chip(entry["severity"] or "unknown", None if entry["severity"] else WARN),
            join(el("br"), chip("exploited", BAD)) if entry["exploited"] else None,
            quiet(entry["state"]) if entry["state"] not in (None, "live") else None,
        ),
        known(entry["rule"]),
        known(", ".join(entry["cwe"])),
        known(f"{place}:{entry['line']}" if place and entry["line"] is not None else place),
        known((entry["commit"] or "")[:12]),
        el("span", known(entry["message"]), class_="message"),
    )


def duties(report: Row) -> Html:
    return section(
        "duties",
        "Duties",
        table(
            "",
            (Column("State"), Column("What"), Column("Why")),
            (
                (None, (chip("open", WARN) if duty["open"] else chip("done", OK), duty["what"], duty["why"] or "–"))
                for duty in report["duties"]
            ),
            "The decision named no duty, or it was not reported.",
        ),
    )


def gaps(report: Row) -> Html:
    return section(
        "gaps",
        "Not checked, not known",
        table(
            "",
            (Column("About"), Column("What")),
            ((None, (entry["about"], entry["what"])) for entry in report["gaps"]),
            "This report knows of no gap. It looks only where its own sections look.",
        ),
    )


def operations(report: Row) -> Html:
    return section(
        "operations",
        "Operations and how to take them back",
        quiet("Newest first: undo in this order. The commands need the same access to the cluster as the run had."),
        table(
            "",
            (
                Column("Operation"),
                Column("Started", "time"),
                Column("Can be undone until", "time"),
                Column("Plan hash", "mono"),
            ),
            (
                (
                    None,
                    (
                        join(
                            el("code", entry["id"]),
                            join(" ", chip(entry["state"])) if entry["state"] not in (None, "finished") else None,
                            el("pre", entry["undo"])
                            if entry["undo"]
                            else quiet("this id is not one of ours: no command is given"),
                        ),
                        when(entry["started"]),
                        when(entry["undo_until"]) if entry["undo_until"] else unknown("no limit stated"),
                        known(entry["plan_hash"]),
                    ),
                )
                for entry in report["operations"]
            ),
            "No operation was reported: as far as this report knows, nothing was changed.",
        ),
    )


def integrity(report: Row, document_sha256: str, signature: str | None) -> Html:
    approval, signed = report["approval"], report["signature"]
    return section(
        "integrity",
        "Approval and integrity",
        facts(
            (
                ("Approved plan", code(approval["hash"]) if approval["hash"] else unknown("no approval was recorded")),
                ("Approved by", known(approval["by"], "not recorded")),
                ("Approved at", when(approval["at"]) if approval["at"] else unknown("not recorded")),
                ("sha256 of report.json", code(document_sha256)),
                ("Signature", _signature(signed, signature)),
            )
        ),
        el("h3", "Hashes of the evidence"),
        table(
            "",
            (Column("What"), Column("sha256", "mono")),
            ((None, (entry["what"], entry["sha256"])) for entry in report["hashes"]),
            "No hash came in.",
        ),
    )


def _signature(signed: Row, signature: str | None) -> Node:
    if signature is None:
        return join(chip("unsigned", WARN), quiet("Who wrote this report cannot be proven from it."))
    return join(
        chip("Ed25519 over report.json", NEUTRAL),
        el("p", el("code", signature)),
        quiet(f"Key (sha256 of its public half): {signed['key_sha256']}"),
        quiet("Verify with the public key that you already have, not with one that came beside this file:"),
        el("pre", "openssl pkeyutl -verify -pubin -inkey reporter.pub -rawin -in report.json -sigfile report.json.sig"),
    )
