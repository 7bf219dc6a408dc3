# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The few lines of POSIX shell that run in the application's containers. Pure.

They touch no file: a frozen filesystem would hang whoever writes to it. Whoever starts one leaves its stdin open, so
that its end (the controller is gone, or the connection is) is seen in the pod at once. Every process that they start is
waited for, as many a container's first process collects nobody else's children. Their stdout and stderr stay as they
are: containerd ends the stdin of an exec as soon as one of these is closed.

PRIVATE to this collection.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

ARMED, FIRED, REFUSED = "KNOWNGOOD-ARMED", "KNOWNGOOD-FIRED", "KNOWNGOOD-REFUSED"
DONE, THAW, GO = "done\n", "thaw\n", "go\n"
"""What a dead-man is told to go without a thaw, and to thaw now; what a gate is told to let its command start."""

# $1: seconds. The rest: what thaws. It thaws when the time is over, its stdin ends, or it is told anything but "done".
_DEAD_MAN = f"""
cd /
seconds=$1; shift
command -v sleep >/dev/null 2>&1 || {{ echo "{REFUSED} the container has no sleep"; exit 9; }}
exec 3<&0
sleep "$seconds" & timer=$!
( read -r word <&3 && [ "$word" = done ]; told=$?; kill "$timer"; exit "$told" ) & reader=$!
echo {ARMED}
if wait "$timer"; then
  kill "$reader"; wait "$reader"
else
  wait "$reader" && exit 0
fi
"$@" </dev/null >/dev/null
echo "{FIRED} $?"
"""

# $1: seconds. The rest: the command, which keeps this stdin. It is ended when the time is over.
_WITHIN = f"""
seconds=$1; shift
command -v sleep >/dev/null 2>&1 || {{ echo "{REFUSED} the container has no sleep"; exit 9; }}
if timeout -k 1 5 true >/dev/null 2>&1; then exec timeout -k 2 "$seconds" "$@"; fi
exec 3<&0
"$@" <&3 & child=$!
n=0
while kill -0 "$child" 2>/dev/null; do
  sleep 1
  n=$((n + 1))
  [ "$n" -ge "$seconds" ] && kill "$child" 2>/dev/null
  [ "$n" -ge "$((seconds + 2))" ] && kill -9 "$child" 2>/dev/null
done
wait "$child"
"""

# The command starts when it is told to, with the rest of this stdin.
_GATE = """
read -r word && [ "$word" = go ] || exit 5
exec "$@"
"""

# $1: the mark. Ends what an earlier run, now dead, has left in the container.
_CLEAR = """
for folder in /proc/[0-9]*; do
  pid=${folder#/proc/}
  [ "$pid" = "$$" ] && continue
  grep -qsF -- "KNOWNGOOD_HOLD=$1" "$folder/environ" && kill "$pid" 2>/dev/null
done
exit 0
"""

# What fsfreeze needs: itself, CAP_SYS_ADMIN, and a mount of its own at the path.
_LOOK = """
command -v fsfreeze >/dev/null 2>&1 && echo "tool=fsfreeze"
while read -r key value; do [ "$key" = CapEff: ] && echo "capabilities=$value"; done </proc/self/status
while read -r line; do echo "mount=$line"; done </proc/self/mountinfo
"""


def dead_man(mark: str, seconds: float, thaw: Sequence[str]) -> tuple[str, ...]:
    """The command that thaws by ``thaw`` after ``seconds``, or when its stdin ends. Says ARMED, later FIRED."""
    return ("env", f"KNOWNGOOD_HOLD={mark}", "sh", "-c", _DEAD_MAN, "knowngood", _whole(seconds), *thaw)


def within(mark: str, seconds: float, command: Sequence[str]) -> tuple[str, ...]:
    """``command`` with the stdin it is given, ended after ``seconds`` whatever becomes of the connection."""
    return ("env", f"KNOWNGOOD_HOLD={mark}", "sh", "-c", _WITHIN, "knowngood", _whole(seconds), *command)


def gated(mark: str, command: Sequence[str]) -> tuple[str, ...]:
    """``command``, started beforehand, so that being told GO is all that is left to do at the freeze."""
    return ("env", f"KNOWNGOOD_HOLD={mark}", "sh", "-c", _GATE, "knowngood", *command)


def clear(mark: str) -> tuple[str, ...]:
    """Ends the dead-men and sessions of this mark in the container."""
    return ("sh", "-c", _CLEAR, "knowngood", mark)


def look() -> tuple[str, ...]:
    """Prints ``tool=``, ``capabilities=`` and one ``mount=`` a line, as :mod:`hook_freeze` reads them."""
    return ("sh", "-c", _LOOK)


def limited(seconds: float, command: Sequence[str]) -> tuple[str, ...]:
    """``command``, killed in the container after ``seconds``, where the container has coreutils' ``timeout``."""
    return ("timeout", "-k", "1", _whole(seconds), *command)


CAN_LIMIT = ("timeout", "-k", "1", "5", "true")
"""Ends well where :func:`limited` can be used."""


def _whole(seconds: float) -> str:
    return str(max(1, math.ceil(seconds)))
