# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a hook is in one pod: which hold stands for it, and what its server says of itself.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from .._core.errors import BadInput, KnownGoodError
from . import hook_profiles as profiles
from .hook_holds import BackupHold, CommandHold, FreezeHold, Hold, SessionHold
from .hook_places import Place
from .hooks import FSFREEZE, PROFILE, SESSION, Hook, Hooks
from .profiles.common import HELD as READY
from .profiles.common import REFUSED, Facts


@dataclass(frozen=True, slots=True)
class HoldMaker:
    """``mark``: what marks our processes in the pod. ``place_of``: where a hook runs in the pod of a name. ``note``:
    takes what the user should know; ``first``: claims to be cut before others. ``atomic``, ``budget_s``: as of the
    runner."""

    hooks: Hooks
    mark: str
    atomic: bool
    budget_s: float
    place_of: Callable[[Hook, str], Place]
    note: Callable[[str], None]
    first: Callable[[Iterable[str]], None]

    def made(self, hook: Hook, place: Place) -> Hold | None:
        """Nothing is sent to the pod but a profile's question. Raises BadInput where it cannot be asked."""
        if hook.kind == FSFREEZE:
            return FreezeHold(hook, place, frozen_mounts(hook, place), mark=self.mark)
        if hook.kind == SESSION:
            release = hook.release and hook.release + "\n"
            return SessionHold(hook, place, hook.command, ready=hook.ready, release=release, mark=self.mark)
        if hook.kind == PROFILE:
            return self._profiled(hook, place)
        thaw = self.hooks.thaw_of(hook) or hook
        there = self.place_of(thaw, place.pod)
        claim = place.claim_at(hook.command[-1]) if hook.pod else ""
        if hook.pod and not claim:
            hook = replace(hook, counts=False)
        return CommandHold(
            hook,
            place,
            hook.command,
            thaw.command,
            mark=self.mark,
            claims=(claim,) if claim else (),
            thaw_place=there,
            thaw_timeout_s=thaw.timeout_s,
        )

    def _profiled(self, hook: Hook, place: Place) -> Hold | None:
        profile = profiles.profile(hook.profile)
        facts = self._facts(hook, place)
        found = profile.plan(facts, hook.options, self.budget_s)
        if found.note:
            self.note(f"{hook.name} in {place.pod}: {found.note}")
        self.first(found.first)
        if found.backup is not None:
            if self.atomic:
                self.note(f"{hook.name} in {place.pod}: all claims are cut at one moment, no base backup is needed")
                return None
            parts = (found.session, found.opening, found.release)
            version = facts.first("version")
            number = int(version) if version.isdigit() else 0
            return BackupHold(hook, place, parts, found.backup, version=number, mark=self.mark)
        if found.session:
            return SessionHold(
                hook,
                place,
                found.session,
                ready=READY,
                release=found.release,
                mark=self.mark,
                opening=found.opening,
                proof=found.proof,
                role=facts.role,
                covers=found.covers or self.atomic,
            )
        if found.freeze:
            return CommandHold(hook, place, found.freeze, found.thaw, mark=self.mark, role=facts.role)
        return None

    def _facts(self, hook: Hook, place: Place) -> Facts:
        """What the server in the pod says of itself. Raises BadInput where it cannot be asked."""
        command = profiles.profile(hook.profile).probe_command(hook.options)
        why, printed = "", ""
        try:
            answer = place.ask(command, hook.timeout_s)
            printed = answer.stdout
            why = f"exit code {answer.rc}: nothing that it printed is repeated" if answer.rc else ""
        except KnownGoodError as error:
            why = error.why or error.what
        if REFUSED in printed:
            why = printed.partition(REFUSED)[2].strip().splitlines()[0]
        if why:
            raise BadInput(
                f"the profile {hook.profile} of the hook {hook.name} cannot ask its server, nothing was frozen",
                where=place.where,
                why=why,
                next="name the container, and in options user, host, port, password_env or password_file",
            )
        values: dict[str, list[str]] = {}
        for line in printed.splitlines():
            key, sign, value = line.partition("=")
            if sign:
                values.setdefault(key, []).append(value.strip())
        return Facts(values, place.claim_at)


def frozen_mounts(hook: Hook, place: Place) -> dict[str, str]:
    """Which mounts of the container a hook freezes, with the claim of each; an empty one for what is not there."""
    if hook.path:
        return {hook.path: place.claim_at(hook.path)}
    return {place.path_of(claim): claim for claim in hook.claims or (hook.claim,)}
