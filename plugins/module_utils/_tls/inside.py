# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A handshake through a Service, from a pod inside the cluster: the evidence path ``in_cluster``.

The image needs a shell and either Python 3 or the openssl command. The CA goes along as an argument: it is public.

PRIVATE to this collection.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterable

from .certificates import Certificate, bundle, read_chain
from .handshake import HTTP, Served
from .starttls import PROBE

# Python, where the image has it: one line of JSON. Positional: address, port, name, protocol, CA.
_PYTHON = (
    PROBE
    + """
import hashlib, json, socket, ssl, sys
address, port, name, protocol, ca = sys.argv[1:6]
def attempt(strict):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = strict
    if strict:
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.load_verify_locations(cadata=ca)
    else:
        context.verify_mode = ssl.CERT_NONE
    seen = {"verified": strict, "status": "", "bytes": None}
    with socket.create_connection((address, int(port)), 10) as raw:
        start_tls(raw, protocol)
        with context.wrap_socket(raw, server_hostname=name) as channel:
            seen["fingerprint"] = "sha256:" + hashlib.sha256(channel.getpeercert(True)).hexdigest()
            if protocol == "http":
                channel.sendall(("GET / HTTP/1.1\\r\\nHost: %s\\r\\nConnection: close\\r\\n\\r\\n" % name).encode())
                answer = channel.recv(4096)
                seen["bytes"] = len(answer)
                line = answer.split(b"\\r\\n")[0].decode("latin-1")
                seen["status"] = line[:100] if line.startswith("HTTP/") else ""
            if protocol == "postgresql":
                seen["status"], seen["bytes"] = start_postgresql(channel, "knowngood", "postgres")
    return seen
why = ""
try:
    try:
        seen = attempt(True)
    except ssl.SSLCertVerificationError as error:
        why = error.verify_message
        seen = attempt(False)
except (OSError, ValueError) as error:
    seen, why = {}, why or str(error) or type(error).__name__
print(json.dumps(dict(seen, why=why)))
"""
)
# Positional: the Python program, address, port, name, protocol, CA, and how openssl is to check the name.
_SHELL = r"""
if command -v python3 >/dev/null 2>&1; then exec python3 -c "$1" "$2" "$3" "$4" "$5" "$6"; fi
[ "$5" = postgresql ] && { echo "python3 is needed in the image to ask PostgreSQL" >&2; exit 127; }
command -v openssl >/dev/null 2>&1 || { echo "neither python3 nor openssl in the image" >&2; exit 127; }
more=
request() { printf 'GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "$1"; }
nothing() { :; }
ask=nothing
if [ "$5" = http ]; then ask=request; more=-ign_eof; fi
case "$2" in *:*) at="[$2]:$3" ;; *) at="$2:$3" ;; esac
ca=$6
if [ "$7" = ip ]; then set -- "$4" -verify_ip "$4"; else set -- "$4" -servername "$4" -verify_hostname "$4"; fi
name=$1; shift
printf '%s\n' "$ca" | {
  exec 3<&0
  $ask "$name" | openssl s_client -connect "$at" "$@" -CAfile /dev/fd/3 -partial_chain -showcerts $more 2>&1
}
"""
_VERIFY = re.compile(r"^\s*Verify return code: (\d+) \((.*)\)", re.MULTILINE)
_STATUS = re.compile(r"^HTTP/\d[^\r\n]*", re.MULTILINE)


def command(address: str, port: int, name: str, protocol: str, anchors: Iterable[Certificate]) -> list[str]:
    """The argv for the probe pod. ``name`` is the host name (or IP address) that the certificate has to hold."""
    ca = bundle(anchors).decode()
    kind = "ip" if _is_ip(name) else "dns"
    return ["sh", "-c", _SHELL, "sh", _PYTHON, address, str(port), name, protocol, ca, kind]


def read(rc: int, stdout: str, stderr: str, protocol: str) -> Served:
    """What the probe printed, as an observation. Anything unexpected is "nothing seen" with a reason."""
    text = stdout.strip()
    if text.startswith("{"):
        return _from_json(text)
    if rc == 127:
        return Served(why=(stderr or stdout).strip()[-200:] or "the probe could not run")
    return _from_openssl(stdout, protocol)


def _from_json(text: str) -> Served:
    try:
        seen = json.loads(text)
    except ValueError:
        return Served(why="the probe's answer cannot be read")
    if not seen.get("fingerprint"):
        return Served(why=str(seen.get("why") or "no connection"))
    status = str(seen.get("status") or "")
    why = str(seen.get("why") or "")
    if seen.get("bytes") is not None and not status:
        why = why or "what came back is not what was asked for"
    return Served(str(seen["fingerprint"]), bool(seen.get("verified")), seen.get("bytes"), status, why)


def _from_openssl(text: str, protocol: str) -> Served:
    leaf = read_chain(text.encode()).leaf
    if leaf is None:
        telling = [line for line in text.splitlines() if "error" in line.lower() or "errno" in line.lower()]
        return Served(why=(telling or text.strip().splitlines() or ["no output"])[-1][:200])
    codes = _VERIFY.findall(text)
    verified = bool(codes) and codes[0][0] == "0"
    why = "" if verified else (codes[0][1] if codes else "no verdict on the chain")
    if protocol != HTTP:
        return Served(leaf.fingerprint, verified, None, "", why)
    answer = _STATUS.search(text)
    if answer is None:
        return Served(leaf.fingerprint, verified, 0, "", why or "no HTTP answer")
    count = len(text[answer.start() :].removesuffix("closed\n").encode())
    return Served(leaf.fingerprint, verified, count, answer.group()[:100], why)


def _is_ip(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
