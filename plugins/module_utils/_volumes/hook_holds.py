# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What holds the writers of one pod, from the freeze to the thaw.

Each hold has something in the pod that lets go without us: a dead-man beside a command, a time limit around a session.
Both see the end of their stdin as well, so that a controller that dies is noticed at once and not after the budget.

PRIVATE to this collection.
"""

from __future__ import annotations

import secrets
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from .._cluster.streams import PodSession
from .._core.errors import BadInput, KnownGoodError
from .._core.plan import Json
from . import hook_scripts as scripts
from .hook_places import HookRun, Place
from .hooks import Hook
from .profiles import postgresql
from .profiles.common import HELD as READY
from .profiles.common import Backup

ARMED, FREEZING, HELD, THAWED = "armed", "freezing", "held", "thawed"
_START_S = 15.0
_END_S = 20.0
"""How long a session may take to end before it is ended: a database that was asked to let go has things to tidy up."""
_TIME_OVER = (124, 137, 143)
_ENDED_S = 3.0
"""How much later than its limit a command that ``timeout`` ends is surely over."""
_LATER_S = 1.0
"""How much longer than the budget the pod waits before it lets go by itself: we are to be the first."""


class Hold(ABC):
    """One hook in one pod. ``claims``: it holds these and not the pod. ``problem``: why it does not count.

    ``began`` and ``ended`` are moments of the monotonic clock, None before. ``stops_writers`` is false where nobody is
    kept waiting. ``expired``: its time is over, so whatever its freeze does is undone at once.
    """

    stops_writers = True

    def __init__(self, hook: Hook, place: Place, *, mark: str, role: str = "", covers: bool = True) -> None:
        self.hook = hook
        self.place = place
        self.mark = mark
        self.role = role
        self.covers = covers
        self.claims: tuple[str, ...] = ()
        self.state = ARMED
        self.problem = ""
        self.began: float | None = None
        self.ended: float | None = None
        self.expired = False
        self._turn = threading.Lock()

    @property
    def pod(self) -> str:
        return self.place.pod

    @property
    def busy(self) -> bool:
        """Is its stream in use by the freeze, so that no other thread may touch it?"""
        return False

    @abstractmethod
    def arm(self, budget_s: float) -> None:
        """Gets ready without touching the application. Raises BadInput with the reason where nothing could thaw."""

    def freeze(self, timeout_s: float) -> HookRun:
        """Freezes. What goes wrong is in the run, and in ``problem``.

        Nothing is sent where it was let go before, and a freeze that outlasts its thaw is thawed once more.
        """
        began = self._now()
        with self._turn:
            if self.state == THAWED or self.expired:
                self.problem = self.problem or "it was let go before it froze"
                return self._run("pre", None, self.problem, began)
            self.state, self.began = FREEZING, began
        rc, problem = self._freeze(timeout_s)
        with self._turn:
            self.problem = self.problem or problem
            if self.state == THAWED or self.expired:
                self._let_go()
            else:
                self.state = HELD
        return self._run("pre", rc, problem, began)

    def check(self) -> None:
        """Looks whether it is still held; what is lost stays lost."""
        self.problem = self.problem or self._lost()

    def thaw(self) -> HookRun:
        """Lets go; harmless when run twice."""
        with self._turn:
            return self._let_go()

    def thaw_early(self) -> HookRun | None:
        """The same for another thread, while the wave is at work. None where there is nothing to do, or no way."""
        with self._turn:
            return None if self.state == THAWED or self.busy else self._let_go()

    def drop(self) -> None:
        """Not needed any more, and nothing was frozen."""
        with self._turn:
            if self.state != THAWED:
                self.state = THAWED
                self._drop()

    def _let_go(self) -> HookRun:
        began = self._now()
        rc, problem = self._thaw()
        self.state, self.ended = THAWED, self._now()
        self.problem = self.problem or problem
        return self._run("post", rc, problem, began)

    @abstractmethod
    def _drop(self) -> None:
        """Ends what was made ready."""

    def doubt(self, why: str) -> None:
        """Does not count, for a reason outside."""
        self.problem = self.problem or why

    @abstractmethod
    def _freeze(self, timeout_s: float) -> tuple[int | None, str]:
        """The exit status, None where there is none, and what went wrong, "" for nothing."""

    @abstractmethod
    def _lost(self) -> str:
        """Why what was frozen is not held any more, "" while it is."""

    @abstractmethod
    def _thaw(self) -> tuple[int | None, str]:
        """As ``_freeze``; harmless when run twice."""

    def _now(self) -> float:
        return self.place.tools.clock.monotonic()

    def _run(self, side: str, rc: int | None, problem: str, began: float) -> HookRun:
        ms = round((self._now() - began) * 1000)
        return HookRun(self.hook.name, side, self.pod, self.place.container, rc, ms, problem)

    def _refused(self, why: str) -> BadInput:
        return BadInput(
            f"the hook {self.hook.name} is refused, nothing was frozen",
            where=self.place.where,
            why=f"nothing in the container could let go if this run died: {why}",
            next="name a container that has sh, env, sleep and grep, or leave the hook out",
        )


class CommandHold(Hold):
    """A command freezes, another one thaws, and a dead-man in the pod knows that other one, too."""

    def __init__(
        self,
        hook: Hook,
        place: Place,
        freeze: Sequence[str],
        thaw: Sequence[str],
        *,
        mark: str,
        role: str = "",
        claims: Sequence[str] = (),
        thaw_place: Place | None = None,
        thaw_timeout_s: float = 30.0,
    ) -> None:
        super().__init__(hook, place, mark=mark, role=role)
        self.claims = tuple(claims)
        self._command = freeze
        self._counterpart = thaw
        self._thaw_place = thaw_place or place
        self._thaw_timeout_s = thaw_timeout_s
        self._guard: PodSession | None = None
        self._gate: PodSession | None = None
        self._limit_s = 0.0
        self._froze = False

    def arm(self, budget_s: float) -> None:
        self._limit_s = min(self.hook.timeout_s, budget_s)
        command = scripts.limited(self._limit_s, self._command) if self.place.limits else tuple(self._command)
        name, unseen_s = secrets.token_hex(8), self._limit_s + _ENDED_S if self.place.limits else 0.0
        try:
            self._gate = self.place.open(scripts.freezing(self.mark, name, command))
            self._gate.expect(scripts.WAITING, _START_S)
            guard = scripts.dead_man(self.mark, name, budget_s + _LATER_S, self._counterpart, unseen_s)
            self._guard = self._thaw_place.open(guard)
            said = self._guard.expect("KNOWNGOOD-", _START_S)
        except KnownGoodError as error:
            raise self._refused(error.why or error.what) from error
        if scripts.ARMED not in said:
            raise self._refused(said.partition(scripts.REFUSED)[2].strip())

    def _drop(self) -> None:
        if self._gate is not None:
            self._gate.close()
        self._disarm()

    def _freeze(self, timeout_s: float) -> tuple[int | None, str]:
        if self._gate is None or not self._gate.alive():
            # Another exec could start after the dead-man has looked for what freezes.
            return None, "the connection to the command was lost before it froze"
        rc, problem = self.place.told(
            self._gate.end(self.place.answer_s(self._limit_s), scripts.GO), self._limit_s, self.began or 0.0
        )
        self._froze = not problem
        return rc, problem

    def _lost(self) -> str:
        if self._guard is None or self._guard.said(scripts.FIRED):
            return "the dead-man in the pod let go before the cut"
        return "" if self._guard.alive() else "the connection to the dead-man was lost, which lets go"

    def _thaw(self) -> tuple[int | None, str]:
        if self._asked():
            return 0, ""
        rc, problem = self._thaw_place.attempt(self._counterpart, self._thaw_timeout_s)
        if not problem:
            return rc, "" if self._disarm() else "the dead-man in the pod did not say that it had not let go before"
        if self._guard is not None:
            self._guard.close()  # the dead-man sees its stdin end and tries once more
        return rc, problem

    def _asked(self) -> bool:
        """Has the dead-man, which is there and waits, thawed when it was told to? It is quicker than a new exec."""
        guard = self._guard
        if guard is None or guard.said(scripts.FIRED) or not guard.alive():
            return False
        try:
            guard.send(scripts.THAW if self._froze else scripts.STOP)
            line = guard.expect(scripts.FIRED, self._thaw_timeout_s)
        except KnownGoodError:
            return False
        guard.close()
        return line.rpartition(scripts.FIRED)[2].strip() == "0"

    def _disarm(self) -> bool:
        """Sends the dead-man home. Does it say by its end that it had nothing to do?"""
        guard = self._guard
        return guard is not None and guard.end(_END_S, scripts.DONE) == 0 and not guard.said(scripts.FIRED)


class FreezeHold(CommandHold):
    """``fsfreeze`` of mounts, by their claims. That all were frozen until the thaw is what the thaw itself tells."""

    def __init__(self, hook: Hook, place: Place, mounts: Mapping[str, str], *, mark: str) -> None:
        super().__init__(
            hook,
            place,
            scripts.fsfreeze(tuple(mounts)),
            scripts.fsfreeze(tuple(mounts), thaw=True),
            mark=mark,
            claims=tuple(mounts.values()),
            thaw_timeout_s=15.0,
        )
        self._mounts = mounts

    def arm(self, budget_s: float) -> None:
        why = _cannot_freeze(self.place, self._mounts)
        if why:
            raise BadInput(
                f"the hook {self.hook.name} is refused, nothing was frozen",
                where=self.place.where,
                why=why,
                next="see what fsfreeze needs in the documentation of hooks, or leave the hook out",
            )
        # What is written out now need not be while the writers wait. Where it cannot be, they wait longer.
        self.place.attempt(("sync", "-f", *self._mounts), self.hook.timeout_s)
        super().arm(budget_s)


class SessionHold(Hold):
    """A command that holds for as long as it runs: it says ``ready`` and lets go at ``release`` or at its stdin's end.

    It is started beforehand, and holds when it was sent ``opening``; without that it is kept at a gate until then. Only
    the exit code 0, and ``proof`` among what it printed where that is given, show that it had held until it let go.
    """

    def __init__(
        self,
        hook: Hook,
        place: Place,
        command: Sequence[str],
        *,
        ready: str,
        release: str,
        mark: str,
        opening: str = "",
        proof: str = "",
        role: str = "",
        covers: bool = True,
    ) -> None:
        super().__init__(hook, place, mark=mark, role=role, covers=covers)
        self._proof = proof
        self._command = command if opening else scripts.gated(mark, command)
        self._ready = ready
        self._release = release
        self._opening = opening or scripts.GO
        self._budget_s = 0.0
        self._session: PodSession | None = None

    @property
    def busy(self) -> bool:
        return self.state == FREEZING

    def arm(self, budget_s: float) -> None:
        self._budget_s = budget_s
        try:
            answer = self.place.ask(("sh", "-c", "command -v env && command -v sleep"))
            if answer.rc:
                raise self._refused("it has no env or no sleep")
            self._session = self._open()
        except BadInput as error:
            raise error if error.what.startswith("the hook") else self._refused(error.why or error.what) from error

    def _drop(self) -> None:
        if self._session is not None:
            self._session.close()

    def _open(self) -> PodSession:
        return self.place.open(scripts.within(self.mark, self._budget_s + _LATER_S, self._command))

    def _freeze(self, timeout_s: float) -> tuple[int | None, str]:
        try:
            self._session = self._session or self._open()
            self._session.send(self._opening)
            self._said(self._session.expect(self._ready, timeout_s))
        except KnownGoodError as error:
            return None, str(error)
        return 0, ""

    def _said(self, text: str) -> None:
        """What it printed up to the line that says that it holds."""

    def _lost(self) -> str:
        return "" if self._session is not None and self._session.alive() else "its session ended before the cut"

    def _thaw(self) -> tuple[int | None, str]:
        if self._session is None:
            return None, ""
        rc = self._session.end(_END_S, self._release)
        if rc in _TIME_OVER:
            return rc, "its session was ended, as its time was over"
        if rc is None and not self.problem:
            self.place.attempt(scripts.clear(self.mark), _START_S)
            return None, "its session did not end by itself and was ended"
        if self.problem or self.expired:
            return rc, ""
        if rc:
            return rc, f"its session ended with exit code {rc}, so nobody knows until when it held"
        return rc, "" if self._session.said(self._proof) else "its session was not the one any more that had frozen"


class BackupHold(SessionHold):
    """A base backup of PostgreSQL: nobody waits. ``backup``: where what lies; ``files``: what belongs to the data."""

    stops_writers = False

    def __init__(
        self, hook: Hook, place: Place, session: SessionParts, backup: Backup, *, version: int, mark: str
    ) -> None:
        command, opening, release = session
        super().__init__(hook, place, command, ready=READY, release=release, mark=mark, opening=opening, role="primary")
        self.backup = backup
        self.files: dict[str, str] = {}
        self.complete = False
        self._version = version
        self._first_wal = ""

    def arm(self, budget_s: float) -> None:
        """Nobody waits for it, so its limit is that of two cuts and of what is asked between them."""
        super().arm(2 * (budget_s + self.hook.timeout_s))

    def finish(self) -> None:
        """After what is not WAL was cut: ends the backup and keeps what belongs to it."""
        line = self._ask(postgresql.stopping(self._version), postgresql.FILES)
        if line:
            self.files = postgresql.files(line)

    def doubt(self, why: str) -> None:
        super().doubt(why)
        self.complete = False

    def prove(self) -> None:
        """After the WAL was cut: everything since the start of the backup has to be in it."""
        line = self._ask(postgresql.asking_for_wal(self._first_wal), postgresql.KEPT_WAL) if self.files else ""
        self.complete = line.partition(postgresql.KEPT_WAL)[2].strip() == "1"
        if line and not self.complete:
            self.problem = self.problem or "PostgreSQL had recycled WAL of the backup before it was cut"

    def rows(self) -> list[dict[str, Json]]:
        """What has to be written into the restored data volume, where, and owned like what."""
        inside = self.place.path_in_claim(self.backup.data_path)
        folder = f"{inside}/" if inside else ""
        return [
            {"path": folder + name, "text": text, "like": f"{folder}PG_VERSION"}
            for name, text in sorted(self.files.items())
        ]

    def _said(self, text: str) -> None:
        self._first_wal = text.rpartition(READY)[2].strip()

    def _ask(self, text: str, token: str) -> str:
        if self.problem or self._session is None:
            return ""
        try:
            self._session.send(text)
            return self._session.expect(token, self.hook.timeout_s)
        except KnownGoodError as error:
            self.problem = str(error)
            return ""


SessionParts = tuple[Sequence[str], str, str]
"""Command, what opens it, what lets go."""

_SYS_ADMIN = 1 << 21
_SHARED = {"btrfs": "all volumes of that pool, and their snapshots, would stand still with it"}
_CANNOT = ("overlay", "tmpfs", "nfs", "nfs4", "cifs", "ceph", "fuse", "9p", "virtiofs")


def _cannot_freeze(place: Place, mounts: Mapping[str, str]) -> str:
    """Why these paths (with their claims) cannot be frozen there, or must not be; empty where they can."""
    if not all(mounts):
        return "the claim is not mounted in that container"
    try:
        printed = place.ask(scripts.look()).stdout
    except KnownGoodError as error:
        return f"the container cannot be looked at, as it has no shell: {error.why or error.what}"
    why = next(filter(None, (cannot_freeze(printed, path) for path in mounts)), "")
    return why or next((f"{path} is on no claim" for path, claim in mounts.items() if not claim), "")


def cannot_freeze(printed: str, path: str) -> str:
    """The same, from what :func:`hook_scripts.look` printed (lines of proc(5) status and mountinfo)."""
    facts = [line.partition("=") for line in printed.splitlines()]
    if ("tool", "=", "fsfreeze") not in facts:
        return "the container has no fsfreeze"
    rights = next((int(value, 16) for key, sign, value in facts if key == "capabilities"), 0)
    if not rights & _SYS_ADMIN:
        return "the container has no CAP_SYS_ADMIN"
    mounts = [value.split(" ") for key, sign, value in facts if key == "mount"]
    here = [words for words in mounts if words[4] == (path.rstrip("/") or "/")]
    if not here:
        return f"{path} is no mount of its own: freezing it would freeze the container's or the node's disk"
    system = here[-1][here[-1].index("-") + 1]
    if system in _SHARED:
        return f"{path} is on {system}: {_SHARED[system]}"
    if system.split(".")[0] in _CANNOT:
        return f"{path} is on {system}, which cannot be frozen"
    return ""
