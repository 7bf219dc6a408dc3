# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Can a TCP connection be made from a pod? Tried with whatever tool its image has.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from .._core.errors import NotProven
from .streams import ExecResult

OPEN, REFUSED, TIMEOUT, UNRESOLVED = "open", "refused", "timeout", "unresolved"
"""What an attempt came to. ``refused`` covers every answer that says no (RST, or ICMP unreachable)."""

_SCRIPT = r"""
T=$1; shift
try_curl() {
  out=$(curl -s -o /dev/null --noproxy '*' --connect-timeout "$T" -m "$T" -w '%{time_connect}' "$1://$2:$3" </dev/null)
  rc=$?
  [ "$rc" = 1 ] && [ "$1" = telnet ] && { try_curl http "$2" "$3"; return; }
  case "$rc:$out" in
    6:*) echo unresolved ;;
    *:0.000000|*:0,000000|*:) case "$rc" in 28) echo timeout ;; 0) echo open ;; *) echo refused ;; esac ;;
    *) echo open ;;
  esac
}
try_python() {
  "$PY" -c '
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), float(sys.argv[3])).close()
    print("open")
except socket.gaierror:
    print("unresolved")
except (TimeoutError, socket.timeout):
    print("timeout")
except OSError:
    print("refused")' "$1" "$2" "$T"
}
by_words() {
  case "$1:$2" in
    0:*) echo open ;;
    *refused*|*unreachable*|*[Nn]o\ route*) echo refused ;;
    *not\ known*|*bad\ address*|*resol*|*getaddrinfo*) echo unresolved ;;
    *) echo timeout ;;
  esac
}
try_bash() { e=$(timeout "$T" bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$1" "$2" 2>&1); by_words $? "$e"; }
try_nc() { e=$(nc -z -w "$T" "$1" "$2" 2>&1 </dev/null); by_words $? "$e"; }
PY=$(command -v python3)
if [ -n "$PY" ]; then one() { try_python "$1" "$2"; }
elif command -v bash >/dev/null && command -v timeout >/dev/null; then one() { try_bash "$1" "$2"; }
elif command -v nc >/dev/null; then one() { try_nc "$1" "$2"; }
elif command -v curl >/dev/null; then one() { try_curl telnet "$1" "$2"; }
else echo "no tool"; exit 0
fi
n=0
while [ $# -gt 1 ]; do
  ( state=$(one "$1" "$2"); echo "$n $state" ) &
  n=$((n + 1)); shift 2
done
wait
"""


class Runs(Protocol):
    """A place where commands run, such as a probe pod."""

    def run(self, argv: Sequence[str], stdin: str = "", timeout_s: float = 30.0) -> ExecResult: ...


def try_paths(place: Runs, paths: Sequence[Mapping[str, Any]], *, timeout_s: int) -> list[str]:
    """The state of each path (``{host, port}``), all tried at once; a connection gets ``timeout_s`` seconds.

    Raises NotProven when the image has nothing to make a connection with.
    """
    if not paths:
        return []
    words = [word for path in paths for word in (str(path["host"]), str(path["port"]))]
    # Name resolution alone may take its own five seconds twice before the tool gives up.
    result = place.run(["sh", "-c", _SCRIPT, "probe", str(timeout_s), *words], "", timeout_s + 30.0)
    return read_states(result, len(paths))


def read_states(result: ExecResult, count: int) -> list[str]:
    """The script's answer: one line ``<number> <state>`` a path. Raises NotProven for anything else."""
    lines = dict(line.split(" ", 1) for line in result.stdout.splitlines() if " " in line)
    states = [lines.get(str(number), "") for number in range(count)]
    if all(state in (OPEN, REFUSED, TIMEOUT, UNRESOLVED) for state in states):
        return states
    raise NotProven(
        "the probe's image cannot try connections",
        why="it needs sh and one of python3, bash, nc or curl" if "no tool" in result.stdout else result.stderr[:300],
        next="name another one with probe_image",
    )
