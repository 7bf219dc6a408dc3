# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Making a new generation and putting it into the Secret: stage, check, commit, clean; and the way back.

The new pair lives in an immutable Secret whose name follows from the operation, so that a run that died anywhere finds
the very same key again. The old pair is archived the same way before the one write that replaces it.

PRIVATE to this collection.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace

from .._cluster.client import Object
from .._cluster.deletes import delete_as_read
from .._cluster.kinds import named
from .._core.clock import rfc3339
from .._core.errors import BadInput, Conflict, NotFound, NotProven
from .._core.operation import Context, LooksAgain, NothingToUndo
from .._core.plan import Json, Step
from .authority import Authority, authority
from .certificates import Certificate
from .copies import Remake, remade
from .csr import drop, find, signed
from .issue import Issued, issue, judged, judged_by
from .path import path_problems
from .secrets import CRT, KEY, TlsSecret, archive, facts_of, must_be_ours_to_write, replaced, staged
from .source import CA_SECRET, CSR, PROVIDED, pair_from, source_in
from .subject import Subject, Tools

_TRIES = 5
_NOT_KEPT, _WHY_NOT = "the old certificate is not kept any more", "its archive was removed, as when its time is over"


def signing(subject: Subject, secret: TlsSecret) -> Authority:
    """The CA of the plan, fit to sign at this moment. Raises BadInput, NotFound, Conflict (it is another one now)."""
    params = subject.params
    found = subject.cluster.get("Secret", params["ca_secret"], params["ca_namespace"])
    ca = _authority(subject, found, (*secret.chain.certificates[1:], *secret.trust.certificates))
    if ca.certificate.fingerprint != params["ca"]:
        raise Conflict(
            "the CA is another one than at planning time",
            where=ca.where,
            why=f"{ca.certificate.fingerprint}, planned with {params['ca']}",
            next="undo this operation, then plan again",
        )
    return ca


def _authority(subject: Subject, found: Object, more: tuple[Certificate, ...]) -> Authority:
    """Where many are signed in one step, the same version of the same CA is judged once."""
    kept, meta = subject.tools.signers, found["metadata"]
    mark = (meta["uid"], meta["resourceVersion"], *(certificate.fingerprint for certificate in more))
    if kept is None or mark not in kept:
        ca = authority(found, subject.tools.clock.now(), more)
        if kept is None:
            return ca
        kept[mark] = ca
    return kept[mark]


def issued_in(copy: TlsSecret) -> Issued:
    """The generation in a staged Secret."""
    return Issued(copy.certificate, copy.value(CRT), copy.value(KEY))


@dataclass(frozen=True, slots=True)
class Stage:
    """``tls.stage``: a new key and certificate into the staged Secret; one that is there already is taken."""

    tools: Tools

    def done(self, step: Step, context: Context) -> bool:
        subject = Subject.of(self.tools, step, context)
        return bool(subject.new) and subject.staged() is not None

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        subject = Subject.of(self.tools, step, context)
        return facts_of(subject.staged() or self._issue(subject))

    def undo(self, step: Step, context: Context) -> dict[str, Json] | None:
        subject = Subject.of(self.tools, step, context)
        return {"deleted": subject.drop(subject.staged())}

    def _issue(self, subject: Subject) -> TlsSecret:
        secret = subject.secret()
        if secret.certificate.fingerprint != subject.params["old"]:
            raise subject.foreign(secret)
        must_be_ours_to_write(secret, subject.copies)
        return put_aside(subject, secret, self._made(subject, secret))

    def _made(self, subject: Subject, secret: TlsSecret) -> Issued:
        """The new pair, from where the plan says."""
        kind, params = source_in(subject.params), subject.params
        if kind == CSR:
            return signed(subject)
        if kind == PROVIDED:
            return self._handed_over(subject)
        now, key_format = self.tools.clock.now(), str(params["key_format"])
        ca = signing(subject, secret)
        made = issue(secret.certificate, ca, now, key_format=key_format, kind=str(params["key"]))
        return replace(made, chain=made.chain + str(params.get("bridge") or "").encode())

    def _handed_over(self, subject: Subject) -> Issued:
        """What the caller gave. It is in no journal, so a run that died before this step needs it again."""
        given = self.tools.given.get(subject.ref)
        if given is None or given.fingerprint != subject.params["given"]:
            raise BadInput(
                "the certificate and key that this operation began with are not given",
                where=subject.where,
                why=f"it began with {subject.params['given']}; keys are kept in no journal",
                next="run the same task again with the same certificate and private_key, or undo this operation",
                details={"waiting": True},
            )
        return pair_from(given, str(subject.params["key_format"]), f"targets: {subject.ref}")


def put_aside(subject: Subject, secret: TlsSecret, new: Issued) -> TlsSecret:
    """The staged Secret with the new pair. What was created before, for an answer that was lost, is what counts."""
    whole = _copies(subject, secret, new) if subject.tried else None
    with contextlib.suppress(Conflict):
        subject.cluster.create(staged(secret, subject.context.operation_id, new.chain, new.key, whole))
    found = subject.staged()
    if found is None:
        raise NotFound("the staged Secret has vanished", where=subject.where, next="run the same task again")
    return found


def _copies(subject: Subject, secret: TlsSecret, new: Issued) -> Mapping[str, bytes]:
    """The other data keys of the Secret that hold the pair, with the new one in them."""
    if not subject.copies:
        return {}
    return remade(Remake(secret, new, subject.keystore_password()), subject.copies)


@dataclass(frozen=True, slots=True)
class Check(LooksAgain, NothingToUndo):
    """``tls.check``: the staged generation judged offline, before anything is in service."""

    tools: Tools

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        subject = Subject.of(self.tools, step, context)
        copy, secret, now = subject.staged(), subject.secret(), self.tools.clock.now()
        if copy is None:
            raise NotFound("the staged Secret has vanished", where=subject.where, next="undo this operation")
        if copy.certificate.fingerprint != subject.new:
            raise Conflict("the staged Secret holds another certificate than was staged", where=subject.where)
        new, old = issued_in(copy), secret.certificate
        problems = list(self._judged(subject, secret, new, now))
        held = secret.trust.certificates
        if held and not path_problems(old, secret.chain.certificates[1:], held, old.not_before):
            # What its users trust by ca.crt led to the old one: it has to lead to the new one as well.
            problems += path_problems(new.certificate, copy.chain.certificates[1:], held, now)
        if problems:
            raise NotProven(
                "the new certificate is not fit for service",
                where=subject.where,
                why="; ".join(problems),
                next="nothing was put into service",
            )
        return {"checked": new.certificate.fingerprint}

    def _judged(self, subject: Subject, secret: TlsSecret, new: Issued, now: dt.datetime) -> tuple[str, ...]:
        if source_in(subject.params) == CA_SECRET:
            return judged(secret.certificate, new, signing(subject, secret), now)
        accept = subject.params.get("accept") or ()
        return judged_by(secret.certificate, new, subject.trust(), now, accept=accept)


@dataclass(frozen=True, slots=True)
class Commit:
    """``tls.commit``: the old pair into the archive, then one write of the new pair into the Secret."""

    tools: Tools

    def done(self, step: Step, context: Context) -> bool:
        subject = Subject.of(self.tools, step, context)
        return bool(subject.new) and subject.secret().certificate.fingerprint == subject.new

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        subject = Subject.of(self.tools, step, context)
        kept_until = self.tools.clock.now() + dt.timedelta(seconds=float(subject.params["keep_s"]))
        for attempt in range(_TRIES):
            secret = subject.secret()
            seen = secret.certificate.fingerprint
            if seen == subject.new:
                break
            if seen != subject.params["old"]:
                raise subject.foreign(secret)
            must_be_ours_to_write(secret, subject.copies)
            if not subject.emergency:  # a compromised key is not copied once more
                self._archive(subject, secret, rfc3339(kept_until.replace(microsecond=0)))
            try:
                self._put(subject, secret)
                break
            except Conflict:  # something of the Secret changed since it was read: look what
                if attempt == _TRIES - 1:
                    raise
        copy = subject.archive()
        return {"archive": copy.name if copy else "", "from": subject.params["old"], "to": subject.new}

    def _archive(self, subject: Subject, secret: TlsSecret, kept_until: str) -> None:
        copy = subject.archive()
        if copy is None:
            subject.cluster.create(archive(secret, subject.context.operation_id, kept_until))
        elif copy.certificate.fingerprint != secret.certificate.fingerprint:
            raise Conflict("the archive holds another certificate", where=named("Secret", copy.name, copy.namespace))

    def _put(self, subject: Subject, secret: TlsSecret) -> None:
        copy = subject.staged()
        if copy is None or copy.certificate.fingerprint != subject.new:
            raise Conflict(
                "the staged key is gone",
                where=subject.where,
                why="the Secret that held it was removed or changed",
                next="undo this operation, then start again",
            )
        new = issued_in(copy)
        more = _copies(subject, secret, new)
        subject.cluster.update(replaced(secret.obj, new.chain, new.key, str(subject.params["rotated_for"]), more))

    def undoable(self, step: Step, context: Context) -> str | None:
        """Not without the archive, and not over what somebody else has written."""
        subject = Subject.of(self.tools, step, context)
        try:
            seen = subject.secret().certificate.fingerprint
            if seen == subject.params["old"]:
                return None
            if seen != subject.new:
                raise subject.foreign(subject.secret())
            if subject.emergency or subject.params.get("compromised"):
                return f"{subject.where}: the old key is compromised and was given up; rotate again instead"
            return None if subject.archive() else f"{subject.where}: {_NOT_KEPT}, {_WHY_NOT}; rotate again instead"
        except (Conflict, NotFound) as error:
            return f"{error.where}: {error.why or error.what}"

    def undo(self, step: Step, context: Context) -> dict[str, Json] | None:
        subject = Subject.of(self.tools, step, context)
        for attempt in range(_TRIES):
            secret = subject.secret()
            seen = secret.certificate.fingerprint
            if seen == subject.params["old"]:
                break
            if seen != subject.new:
                raise subject.foreign(secret)
            copy = subject.archive()
            if copy is None:
                raise NotFound(_NOT_KEPT, where=subject.where, why=_WHY_NOT, next="rotate again instead")
            before = str(subject.params["rotated_for_before"])
            try:
                more = {name: copy.value(name) for name in subject.copies}
                subject.cluster.update(replaced(secret.obj, copy.value(CRT), copy.value(KEY), before, more))
                break
            except Conflict:
                if attempt == _TRIES - 1:
                    raise
        return {"put_back": subject.params["old"]}


@dataclass(frozen=True, slots=True)
class Clean(NothingToUndo):
    """``tls.clean``: the staged copy goes; the archive stays for the way back, unless none is wanted."""

    tools: Tools

    def done(self, step: Step, context: Context) -> bool:
        subject = Subject.of(self.tools, step, context)
        left = subject.staged() is not None or subject.pending() is not None
        if left or (source_in(subject.params) == CSR and find(subject) is not None):
            return False
        return bool(subject.params["keep_s"]) or subject.archive() is None

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        subject = Subject.of(self.tools, step, context)
        secret = subject.secret()
        if secret.certificate.fingerprint != subject.new:
            raise subject.foreign(secret)
        dropped = [subject.drop(subject.staged())]
        if source_in(subject.params) == CSR:
            dropped += drop(subject)
        if not subject.params["keep_s"]:
            dropped.append(subject.drop(subject.archive()))
        return {"deleted": [name for name in dropped if name]}


@dataclass(frozen=True, slots=True)
class Purge(NothingToUndo):
    """``tls.purge``: archives of earlier operations whose time is over."""

    tools: Tools

    def done(self, step: Step, context: Context) -> bool:
        del context
        return not any(self._there(step, kept) for kept in step.params["archives"])

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        del context
        archives = step.params["archives"]
        for kept in archives:
            found = self._there(step, kept)
            if found is not None:
                delete_as_read(self.tools.cluster, "Secret", found)
        return {"deleted": [kept["name"] for kept in archives]}

    def _there(self, step: Step, kept: dict[str, str]) -> Object | None:
        found = self.tools.cluster.find("Secret", kept["name"], step.params["namespace"])
        return found if found is not None and found["metadata"]["uid"] == kept["uid"] else None
