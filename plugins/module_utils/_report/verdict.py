# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The verdict: one sentence that claims what was seen and names what was not.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .fields import Row
from .phases import FAILED, NOT_REPORTED, PLANNED, SKIPPED, TITLES, UNDONE, UNFINISHED, Phase

PROVEN, PARTLY, NOT_RESTORED, INCOMPLETE, CHECK = "proven", "partly_proven", "not_restored", "incomplete", "check"


def verdict(told: Mapping[str, Any], found: Mapping[str, Phase], check: bool) -> Row:
    """``status``, ``sentence``, ``proven`` and ``unproven`` (short texts).

    ``proven``: a restore ran and nothing that this report looks for is left unproven. ``partly_proven``: it ran, and
    ``unproven`` says what was not seen. ``not_restored``, ``incomplete`` (a phase failed) and ``check`` (a check run,
    nothing was changed) are what they say. ``told``: decision, volumes, certificates, containment of the report.
    """
    proven, unproven = _data(told, found["restore"])
    for more_proven, more_unproven in (
        _containment(told["containment"], found["containment"]),
        _certificates(told["certificates"], found["rotation"]),
        _release(told["containment"], found["release"]),
    ):
        proven += more_proven
        unproven += more_unproven
    status = _status(found, check, unproven)
    if status == CHECK:
        proven, unproven = [], ["everything: nothing was run"]
    sentence = _head(status, told, found)
    if status in (PROVEN, PARTLY, INCOMPLETE):
        sentence += f", proven by {_and(proven)}" if proven else ", proven by nothing"
    elif status == NOT_RESTORED and proven:
        sentence += f"; seen: {_and(proven)}"
    if unproven and status != CHECK:
        sentence += f"; unproven: {_and(unproven)}"
    return {"status": status, "sentence": sentence + ".", "proven": proven, "unproven": unproven}


def _status(found: Mapping[str, Phase], check: bool, unproven: list[str]) -> str:
    if check:
        return CHECK
    if any(phase.state in (FAILED, UNFINISHED) for phase in found.values()):
        return INCOMPLETE
    if not found["restore"].happened:
        return NOT_RESTORED
    return PARTLY if unproven else PROVEN


def _head(status: str, told: Mapping[str, Any], found: Mapping[str, Phase]) -> str:
    point = told["volumes"]["point"] or told["decision"]["chosen"]
    named = f"point {point}" if point else "a point that was not named"
    if status == CHECK:
        return (
            f"Check run, nothing was changed: it would go back to {named}"
            if point
            else ("Check run, nothing was changed: no point was chosen")
        )
    if status == INCOMPLETE:
        failed = [f"{TITLES[key]} {phase.state}" for key, phase in found.items() if phase.state in (FAILED, UNFINISHED)]
        done = f"restored to {named}" if found["restore"].happened else "data not restored"
        return f"Incomplete: {_and(failed)}, {done}"
    if status == NOT_RESTORED:
        return _why_not(told, found)
    return f"Restored to {named}"


def _why_not(told: Mapping[str, Any], found: Mapping[str, Phase]) -> str:
    if found["decision"].state == NOT_REPORTED:
        return "Not restored: no decision was reported"
    chosen = told["decision"]["chosen"]
    if not chosen:
        return "Not restored: no recovery point was acceptable"
    reasons = {
        PLANNED: "the restore was planned and not run",
        SKIPPED: "the restore was skipped",
        UNDONE: "the restore was taken back",
    }
    return f"Not restored: point {chosen} was chosen, but " + reasons.get(
        found["restore"].state, "no restore was reported"
    )


def _data(told: Mapping[str, Any], phase: Phase) -> tuple[list[str], list[str]]:
    proven: list[str] = []
    unproven: list[str] = []
    if not phase.happened:
        return proven, unproven
    checks = told["volumes"]["checks"]
    counts = {word: sum(check["outcome"] == word for check in checks) for word in ("passed", "failed")}
    if counts["passed"]:
        proven.append(f"{counts['passed']} of {len(checks)} checks of the restored data")
    if counts["failed"]:
        unproven.append(f"{counts['failed']} of {len(checks)} checks of the restored data failed")
    left = len(checks) - counts["passed"] - counts["failed"]
    if left:
        unproven.append(f"{left} of {len(checks)} checks of the restored data were not made")
    if not checks:
        unproven.append("the restored data (no check was reported)")
    point, chosen = told["volumes"]["point"], told["decision"]["chosen"]
    if point and chosen and point != chosen:
        unproven.append(f"that this is the chosen point (the decision named {chosen})")
    return proven, unproven + _point(told["decision"], point or chosen)


def _point(decision: Row, point: str | None) -> list[str]:
    """What the catalogue itself does not vouch for about the point that went back."""
    candidate = next((entry for entry in decision["candidates"] if entry["id"] == point), None)
    if candidate is None:
        return ["that the point is known good (the decision table does not hold it)"]
    found = []
    if candidate["verdict"] != "clean":
        found.append(f"that the point is clean (its verdict is {candidate['verdict'] or 'unknown'})")
    if candidate["consistency"] == "fuzzy":
        found.append("that its volumes belong together (they were cut one after the other)")
    return found


def _containment(containment: Row, phase: Phase) -> tuple[list[str], list[str]]:
    if not phase.happened:
        return [], [f"containment ({_absence(phase)})"]
    tried, enforced = containment["paths_tried"], containment["paths_enforced"]
    last = containment["isolations"][-1] if containment["isolations"] else {}
    if not tried and last.get("enforced"):
        return [f"containment enforced ({last['why'] or 'no path was there to try'})"], []
    if not tried:
        return [], ["containment (no path was tried)"]
    proven = [f"containment enforced on {enforced} of {tried} paths tried"] if enforced else []
    unproven = [f"containment on {tried - enforced} of {tried} paths tried"] if enforced < tried else []
    return proven, unproven


def _certificates(certificates: Row, phase: Phase) -> tuple[list[str], list[str]]:
    proof = certificates["proof"]
    seen = sum(entry["ok"] is True for entry in proof)
    if not phase.happened:
        return [], [f"certificates ({_absence(phase)})"]
    if not proof:
        return [], ["certificates (nothing was seen on the wire)"]
    proven = [f"the new certificate served on {seen} of {len(proof)} paths tried"] if seen else []
    unproven = [f"the certificate on {len(proof) - seen} of {len(proof)} paths tried"] if seen < len(proof) else []
    return proven, unproven


def _release(containment: Row, phase: Phase) -> tuple[list[str], list[str]]:
    if not phase.happened:
        return [], [f"release from containment ({_absence(phase)})"]
    paths = [path for release in containment["releases"] for path in release["paths"]]
    answering = sum(path["after"] == "open" for path in paths)
    proven = [f"{answering} of {len(paths)} released paths open again"] if answering else []
    unproven = [f"{len(paths) - answering} of {len(paths)} released paths"] if answering < len(paths) else []
    return proven, unproven if paths else ["release from containment (no path was tried)"]


def _absence(phase: Phase) -> str:
    return {
        PLANNED: "planned, not run",
        SKIPPED: "skipped",
        FAILED: "failed",
        UNDONE: "taken back",
        NOT_REPORTED: "not done or not reported",
    }.get(phase.state, phase.state)


def _and(texts: list[str]) -> str:
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"
