# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps that a CA which cert-manager keeps has in place of those that write its Secret.

PRIVATE to this collection.
"""

from __future__ import annotations

from dataclasses import dataclass

from .._core.errors import Conflict, NotFound, NotProven
from .._core.operation import Context
from .._core.plan import Json, Step
from .authority import authority
from .ca_issue import ca_lint, common_name, next_common_name
from .ca_issuer import ask_for_next, drop_next, next_secret, point, ready, signs
from .ca_leaves import Reissue, reissue
from .ca_steps import staged_facts
from .ca_subject import CaSubject, issued
from .generation import issued_in
from .plan import Target
from .subject import Subject, Tools


@dataclass(frozen=True, slots=True)
class StageKept:
    """``tls.ca_stage_kept``: a Certificate of the next generation beside the old one, and what it made, judged."""

    tools: Tools

    def done(self, step: Step, context: Context) -> bool:
        subject = Subject.of(self.tools, step, context)
        found = next_secret(subject) if subject.new else None
        return found is not None and found.certificate.fingerprint == subject.new

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        subject = Subject.of(self.tools, step, context)
        secret = subject.secret()
        old = secret.certificate
        if old.fingerprint != subject.params["old"]:
            raise subject.foreign(secret)
        copy = ask_for_next(subject, next_common_name(common_name(old), int(subject.params["generation"])))
        above = (*copy.chain.certificates[1:], *copy.trust.certificates)
        problems = ca_lint(old, issued_in(copy), self.tools.clock.now(), above)
        if problems:
            raise NotProven(
                "the CA that cert-manager has made is not fit to sign",
                where=subject.where,
                why="; ".join(problems),
                next="undo this operation",
            )
        return staged_facts(copy, old, authority(copy.obj, self.tools.clock.now(), copy.trust.certificates))

    def undo(self, step: Step, context: Context) -> dict[str, Json] | None:
        return {"deleted": drop_next(Subject.of(self.tools, step, context))}


@dataclass(frozen=True, slots=True)
class Point:
    """``tls.ca_point``: the Issuer signs with the new CA.

    Its undo points it back and has every leaf of the new CA renewed, through its Certificate: cert-manager cannot put
    an old certificate back.
    """

    reissue: Reissue

    def done(self, step: Step, context: Context) -> bool:
        subject = Subject.of(self.reissue.tools, step, context)
        return bool(subject.new) and signs(subject.cluster, subject) == subject.params["issuer_of"]["next"]

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        subject = Subject.of(self.reissue.tools, step, context)
        found = next_secret(subject)
        if found is None or found.certificate.fingerprint != subject.new:
            raise Conflict(
                "the new CA is another one than everybody was made to trust",
                where=subject.where,
                why="its Secret is gone, or was renewed",
                next="undo this operation, then start again",
            )
        point(subject, found.name)
        return {"to": subject.new}

    def undoable(self, step: Step, context: Context) -> str | None:
        """Not without the old CA, nor where that is compromised and the new one signs, as the issuer has said."""
        subject = Subject.of(self.reissue.tools, step, context)
        try:
            if signs(subject.cluster, subject) != subject.params["issuer_of"]["next"]:
                return None
            if subject.params.get("compromised") and (context.results.get(step.name) or ready(subject)):
                return f"{subject.where}: the old key is compromised and was given up; rotate again instead"
            if subject.secret().certificate.spki != subject.params["old_spki"]:
                return f"{subject.where}: cert-manager has given the old CA another key since, which nobody trusts"
        except (Conflict, NotFound) as error:
            return f"{error.where}: {error.why or error.what}"
        return None

    def undo(self, step: Step, context: Context) -> dict[str, Json] | None:
        ca = CaSubject.of(self.reissue.tools, step, context)
        point(ca.subject, ca.subject.name)
        renewed = []
        for ref in issued(ca, ca.new_ca):
            namespace, _slash, name = ref.partition("/")
            renewed.append(reissue(self.reissue, ca, Target(namespace, name), back=True)["operation"])
        return {"renewed": renewed}
