# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The few lines of POSIX shell that run in the application's containers. Pure.

They touch no file: a frozen filesystem would hang whoever writes to it. Whoever starts one leaves its stdin open, so
that its end (the controller is gone, or the connection is) is seen in the pod at once. Every process that they start is
waited for, as many a container's first process collects nobody else's children; only a freeze that has to be killed may
leave its entries in the process table. Their stdout and stderr stay as they are: containerd ends the stdin of an exec
as soon as one of these is closed.

PRIVATE to this collection.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

ARMED, FIRED, REFUSED = "KNOWNGOOD-ARMED", "KNOWNGOOD-FIRED", "KNOWNGOOD-REFUSED"
DONE, THAW, STOP, GO = "done\n", "thaw\n", "stop\n", "go\n"
"""What a dead-man is told: to go without a thaw, to thaw what was frozen well, to end the freeze and then thaw. What a
gate is told to let its command start."""
WAITING = "KNOWNGOOD-WAITING"
"""What the gate of a freeze says when it can be seen in its container."""

# $1: seconds. $2: the mark of the gate that freezes. $3: for how long a freeze may go on that cannot be seen from
# here, 0 where it has to be seen. The rest: what thaws. It does when the time is over, its stdin ends, or it is told
# anything but "done". Unless it is told "thaw", what still freezes is killed first, as it would freeze after the thaw.
# Two things need more than one thaw: a process that waits for the frozen disk itself cannot be ended before, and a
# server may still do what its killed client had asked for. FIRED comes after the last one, so that none meets a later
# freeze.
_DEAD_MAN = f"""
cd /
seconds=$1; gate=$2; unseen=$3; shift 3
for tool in sleep grep; do
  command -v $tool >/dev/null 2>&1 || {{ echo "{REFUSED} the container has no $tool"; exit 9; }}
done
freezing() {{ grep -lszxF -- "KNOWNGOOD_GATE=$gate" /proc/[0-9]*/environ; }}
ended() {{
  for round in 1 2 3 4 5 6 7 8 9 10; do
    left=$(freezing)
    [ -z "$left" ] && return 0
    killed=1
    for file in $left; do file=${{file#/proc/}}; kill -9 "${{file%/environ}}" 2>/dev/null; done
    sleep 0.1 2>/dev/null || sleep 1
  done
  return 1
}}
if [ -n "$(freezing)" ]; then
  unseen=0
elif [ "$unseen" = 0 ]; then
  echo "{REFUSED} what freezes could not be ended: its process cannot be seen, and its container has no timeout"; exit 9
fi
exec 3<&0
sleep "$seconds" & timer=$!
( read -r word <&3
  case $word in done) told=0 ;; thaw) told=1 ;; *) told=2 ;; esac
  kill "$timer"; exit "$told" ) & reader=$!
echo {ARMED}
told=2
if wait "$timer"; then
  kill "$reader"; wait "$reader"
else
  wait "$reader"; told=$?
  [ "$told" = 0 ] && exit 0
fi
good="" killed=0 tries=0
thaw() {{ "$@" </dev/null >/dev/null; code=$?; [ "$good" = 0 ] || good=$code; }}
if [ "$told" != 1 ]; then until ended || [ "$tries" = 60 ]; do tries=$((tries + 1)); thaw "$@"; done; fi
thaw "$@"
if [ "$killed" = 1 ]; then sleep 1; thaw "$@"; fi
if [ "$told" != 1 ] && [ "$unseen" != 0 ]; then sleep "$unseen"; thaw "$@"; fi
echo "{FIRED} $good"
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

# $1: what it says when it waits, may be empty. The command starts when it is told to, with the rest of this stdin.
_GATE = """
[ -z "$1" ] || echo "$1"
shift
read -r word && [ "$word" = go ] || exit 5
exec "$@"
"""

# $1: the mark. Ends what an earlier run, now dead, has left in the container, and waits for it: a freeze among it must
# not come after the thaw. What is asked to end lets go by itself; it is killed where it takes too long.
_CLEAR = """
for round in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14; do
  left=$(grep -lszxF -- "KNOWNGOOD_HOLD=$1" /proc/[0-9]*/environ)
  [ -z "$left" ] && break
  how=-0
  [ "$round" = 0 ] && how=-TERM
  [ "$round" -ge 10 ] && how=-KILL
  for file in $left; do file=${file#/proc/}; kill "$how" "${file%/environ}" 2>/dev/null; done
  sleep 0.1 2>/dev/null || sleep 1
done
exit 0
"""

# $1: how. The rest: mounts, all at once, as the writers of the first wait for the last. Fails where one of them did.
_FSFREEZE = """
how=$1; shift
children="" code=0
for path in "$@"; do fsfreeze "$how" "$path" & children="$children $!"; done
for child in $children; do wait "$child" || code=$?; done
exit "$code"
"""

# What fsfreeze needs: itself, CAP_SYS_ADMIN, and a mount of its own at the path.
_LOOK = """
command -v fsfreeze >/dev/null 2>&1 && echo "tool=fsfreeze"
while read -r key value; do [ "$key" = CapEff: ] && echo "capabilities=$value"; done </proc/self/status
while read -r line; do echo "mount=$line"; done </proc/self/mountinfo
"""


def dead_man(mark: str, gate: str, seconds: float, thaw: Sequence[str], unseen_s: float = 0.0) -> tuple[str, ...]:
    """The command that thaws by ``thaw`` after ``seconds``, or when its stdin ends. Says ARMED, later FIRED.

    It kills the command behind ``gate`` (see :func:`freezing`) first. Where it cannot see that, the command must be
    over after ``unseen_s``, when it thaws once more; with 0 it says REFUSED.
    """
    unseen = _whole(unseen_s) if unseen_s else "0"
    shell = ("sh", "-c", _DEAD_MAN, "knowngood", _whole(seconds), gate, unseen)
    return ("env", f"KNOWNGOOD_HOLD={mark}", *shell, *thaw)


def within(mark: str, seconds: float, command: Sequence[str]) -> tuple[str, ...]:
    """``command`` with the stdin it is given, ended after ``seconds`` whatever becomes of the connection."""
    return ("env", f"KNOWNGOOD_HOLD={mark}", "sh", "-c", _WITHIN, "knowngood", _whole(seconds), *command)


def gated(mark: str, command: Sequence[str]) -> tuple[str, ...]:
    """``command``, started beforehand, so that being told GO is all that is left to do at the freeze."""
    return ("env", f"KNOWNGOOD_HOLD={mark}", "sh", "-c", _GATE, "knowngood", "", *command)


def freezing(mark: str, gate: str, command: Sequence[str]) -> tuple[str, ...]:
    """The same for a command that ends, which the dead-man told of ``gate`` can kill. Says WAITING first."""
    marks = (f"KNOWNGOOD_HOLD={mark}", f"KNOWNGOOD_GATE={gate}")
    return ("env", *marks, "sh", "-c", _GATE, "knowngood", WAITING, *command)


def clear(mark: str) -> tuple[str, ...]:
    """Ends the dead-men and sessions of this mark in the container."""
    return ("sh", "-c", _CLEAR, "knowngood", mark)


def look() -> tuple[str, ...]:
    """Prints ``tool=``, ``capabilities=`` and one ``mount=`` a line, as :mod:`hook_freeze` reads them."""
    return ("sh", "-c", _LOOK)


def fsfreeze(paths: Sequence[str], *, thaw: bool = False) -> tuple[str, ...]:
    """Freezes, or thaws, these mounts."""
    how = "--unfreeze" if thaw else "--freeze"
    if len(paths) == 1:
        return ("fsfreeze", how, paths[0])
    return ("sh", "-c", _FSFREEZE, "knowngood", how, *paths)


def limited(seconds: float, command: Sequence[str]) -> tuple[str, ...]:
    """``command``, killed in the container after ``seconds``, where the container has coreutils' ``timeout``."""
    return ("timeout", "-k", "1", _whole(seconds), *command)


CAN_LIMIT = ("timeout", "-k", "1", "5", "true")
"""Ends well where :func:`limited` can be used."""


def _whole(seconds: float) -> str:
    return str(max(1, math.ceil(seconds)))
