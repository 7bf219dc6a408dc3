# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All formats, and which of them a file is."""

from __future__ import annotations

from ..._core.errors import BadInput
from ..look import Look
from .bandit import BANDIT
from .bearer import BEARER
from .brakeman import BRAKEMAN
from .checkmarx import CHECKMARX_FLOW, CHECKMARX_XML
from .checkmarx_one import CHECKMARX_ONE, CHECKMARX_ONE_REPORT
from .checkov import CHECKOV
from .codechecker import CODECHECKER
from .coverity import COVERITY
from .cppcheck import CPPCHECK
from .defectdojo import DEFECTDOJO, DEFECTDOJO_CSV
from .eslint import ESLINT
from .form import SARIF, Form
from .fortify import FORTIFY
from .fortify_xml import FORTIFY_REPORT, WEBINSPECT
from .generic import GENERIC, GENERIC_CSV
from .gitlab import GITLAB
from .gosec import GOSEC
from .horusec import HORUSEC
from .infer import INFER
from .kics import KICS
from .leaks import DETECT_SECRETS, GITLEAKS
from .njsscan import NJSSCAN
from .pmd import PMD_CSV, PMD_JSON, PMD_XML
from .rubocop import RUBOCOP
from .semgrep import SEMGREP
from .sonarqube import SONARQUBE
from .spotbugs import SPOTBUGS
from .veracode import VERACODE_JSON, VERACODE_XML

FORMS: tuple[Form, ...] = (
    SARIF,
    BANDIT,
    GITLAB,
    SEMGREP,
    GOSEC,
    BRAKEMAN,
    ESLINT,
    HORUSEC,
    NJSSCAN,
    BEARER,
    RUBOCOP,
    KICS,
    CHECKOV,
    GITLEAKS,
    DETECT_SECRETS,
    GENERIC,
    GENERIC_CSV,
    DEFECTDOJO,
    DEFECTDOJO_CSV,
    SPOTBUGS,
    FORTIFY,
    FORTIFY_REPORT,
    WEBINSPECT,
    CPPCHECK,
    SONARQUBE,
    PMD_CSV,
    PMD_JSON,
    PMD_XML,
    COVERITY,
    CODECHECKER,
    INFER,
    VERACODE_JSON,
    VERACODE_XML,
    CHECKMARX_FLOW,
    CHECKMARX_XML,
    CHECKMARX_ONE,
    CHECKMARX_ONE_REPORT,
)
NAMES = tuple(dict.fromkeys(form.name for form in FORMS))


def recognised(look: Look, name: str) -> Form | None:
    """The one format whose files look like this; None for no format. Raises BadInput when several claim it."""
    claims = _claims(look)
    if len({form.name for form, _why in claims}) > 1:
        raise BadInput(
            "the format of the report is not clear",
            where=name,
            why="; ".join(f"{form.name}: {why}" for form, why in claims),
            next="name it with the option format",
        )
    return claims[0][0] if claims else None


def chosen(wanted: str, look: Look, name: str) -> Form:
    """The form to read a file with. ``wanted``: auto, or the format that the user names. Raises BadInput."""
    if wanted == "auto":
        form = recognised(look, name)
        if form is None:
            raise look.problem or BadInput(
                "this is no report of a format that we know",
                where=name,
                why=f"it is {look.told()}",
                next=f"name the format if it is one of {', '.join(NAMES)}; else give another report",
            )
        return form
    named = [form for form in FORMS if form.name == wanted]
    if not named:
        raise BadInput(f"there is no reader for the format {wanted!r}", next=f"use auto or one of {', '.join(NAMES)}")
    fitting = [form for form in named if form.container == look.container]
    for form in fitting:
        # A beginning that does not say it all may be of the named format; the user's word decides.
        if form.recognise(look) or form.bare(look) or not look.complete:
            return form
    if look.problem:
        raise look.problem
    others = ", ".join(form.name for form, _why in _claims(look))
    raise BadInput(
        f"the report is not of the format {wanted}",
        where=name,
        why=f"it is {look.told()}" + (f", which looks like {others}" if others else ""),
        next="leave the option format at auto, or give another report",
    )


def _claims(look: Look) -> list[tuple[Form, str]]:
    said = ((form, form.recognise(look)) for form in FORMS if form.container == look.container)
    return [(form, why) for form, why in said if why]
