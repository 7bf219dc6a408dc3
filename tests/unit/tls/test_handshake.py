# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looking at a server: from here, and with the probe's commands as they run inside the cluster."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import NotFound
from ansible_collections.knowngood.kube.plugins.module_utils._tls import handshake, sights
from ansible_collections.knowngood.kube.plugins.module_utils._tls.certificates import Certificate, read_chain
from ansible_collections.knowngood.kube.plugins.module_utils._tls.handshake import HTTP, TLS, Served, look
from ansible_collections.knowngood.kube.plugins.module_utils._tls.inside import command, read
from ansible_collections.knowngood.kube.plugins.module_utils._tls.sights import Sight, TlsPort

from . import pki

TODAY = dt.datetime.now(dt.UTC).replace(microsecond=0)
CA = pki.ca("wire-ca", begin=TODAY - pki.DAY)
OTHER = pki.ca("other-ca", begin=TODAY - pki.DAY)
LEAF = pki.leaf(CA, ("DNS:web.test", "IP:127.0.0.1"), begin=TODAY - pki.DAY, end=TODAY + pki.DAY)
PAGE = b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno"

Start = Callable[..., int]


def of(pair: pki.Pair) -> Certificate:
    found = read_chain(pair.pem).leaf
    assert found is not None
    return found


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Start]:
    """Starts a server on a free port and returns the port. ``answer`` None: it does not speak TLS at all."""
    listening: list[socket.socket] = []

    def start(answer: bytes | None = PAGE, leaf: pki.Pair = LEAF, asks_for_certificate: bool = False) -> int:
        (tmp_path / "tls.crt").write_bytes(leaf.pem)
        (tmp_path / "tls.key").write_bytes(pki.key_pem(leaf.key))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "tls.crt", tmp_path / "tls.key")
        if asks_for_certificate:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(cadata=CA.pem.decode())
        listener = socket.create_server(("127.0.0.1", 0))
        listening.append(listener)
        threading.Thread(target=_accept, args=(listener, context, answer), daemon=True).start()
        return int(listener.getsockname()[1])

    yield start
    for listener in listening:
        listener.close()


def _accept(listener: socket.socket, context: ssl.SSLContext, answer: bytes | None) -> None:
    with contextlib.suppress(OSError):
        while True:
            raw, _address = listener.accept()
            threading.Thread(target=_serve, args=(raw, context, answer), daemon=True).start()


def _serve(raw: socket.socket, context: ssl.SSLContext, answer: bytes | None) -> None:
    with contextlib.suppress(OSError), raw:
        if answer is None:
            raw.sendall(b"220 plain text here\r\n")
            return
        with context.wrap_socket(raw, server_side=True) as channel:
            channel.settimeout(5)
            if channel.recv(4096):
                channel.sendall(answer)


def dialling(port: int) -> Callable[[], socket.socket]:
    return lambda: socket.create_connection(("127.0.0.1", port), 5)


class TestFromHere:
    def test_a_trusted_one_with_bytes_behind_it(self, serve: Start) -> None:
        seen = look(dialling(serve()), server_name="web.test", trust=[of(CA)], protocol=HTTP)
        assert seen == Served(LEAF.fingerprint, True, len(seen_page(seen)), "HTTP/1.1 404 Not Found")

    def test_without_trust_it_is_only_looked_at(self, serve: Start) -> None:
        assert look(dialling(serve()), server_name="web.test") == Served(LEAF.fingerprint)

    @pytest.mark.parametrize(("name", "trust"), [("web.test", OTHER), ("else.test", CA)])
    def test_another_ca_or_another_name_is_seen_and_not_verified(
        self, serve: Start, name: str, trust: pki.Pair
    ) -> None:
        seen = look(dialling(serve()), server_name=name, trust=[of(trust)], protocol=HTTP)
        assert (seen.fingerprint, seen.verified, seen.status) == (LEAF.fingerprint, False, "HTTP/1.1 404 Not Found")
        assert seen.why

    def test_an_intermediate_may_be_all_that_is_trusted(self, serve: Start) -> None:
        middle = pki.ca("middle", CA, begin=TODAY - pki.DAY)
        leaf = pki.leaf(middle, ("DNS:web.test",), begin=TODAY - pki.DAY, end=TODAY + pki.DAY)
        assert look(dialling(serve(leaf=leaf)), server_name="web.test", trust=[of(middle)]).verified

    def test_without_a_name_only_the_chain_is_checked(self, serve: Start) -> None:
        assert look(dialling(serve()), trust=[of(CA)]).verified is True

    def test_an_expired_one_is_still_seen(self, serve: Start) -> None:
        old = pki.leaf(CA, ("DNS:web.test",), begin=TODAY - 2 * pki.DAY, end=TODAY - pki.DAY)
        seen = look(dialling(serve(leaf=old)), server_name="web.test", trust=[of(CA)])
        assert (seen.fingerprint, seen.verified) == (old.fingerprint, False)
        assert "expired" in seen.why

    def test_what_does_not_speak_tls_shows_nothing(self, serve: Start) -> None:
        seen = look(dialling(serve(answer=None)), server_name="web.test")
        assert not seen.fingerprint
        assert seen.why

    def test_an_answer_that_is_not_http_is_no_proof(self, serve: Start) -> None:
        seen = look(dialling(serve(answer=b"hello\r\n")), server_name="web.test", protocol=HTTP)
        assert (seen.status, seen.bytes, seen.why) == ("", 7, "what came back is not HTTP")

    def test_a_handshake_that_the_server_takes_back_brings_no_bytes(self, serve: Start) -> None:
        seen = look(dialling(serve(asks_for_certificate=True)), server_name="web.test", protocol=HTTP)
        assert (seen.fingerprint, seen.bytes, seen.status) == (LEAF.fingerprint, 0, "")
        assert seen.why

    def test_a_server_that_is_silent_is_given_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(handshake, "_LEAVE_S", 0.1)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            seen = look(dialling(listener.getsockname()[1]), timeout_s=0.2)
        assert seen.why == "no answer in time"


def seen_page(seen: Served) -> bytes:
    return PAGE if seen.bytes == len(PAGE) else PAGE[: seen.bytes]


# Python as it really lies there: a shim would need more around it.
TOOLS = {"python3": os.path.realpath(sys.executable), "openssl": shutil.which("openssl")}


@pytest.fixture(params=sorted(TOOLS))
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[list[str]], tuple[int, str, str]]:
    """Runs a probe's command where only one of the tools is to be found, as an image may have it."""
    directory = tmp_path / "bin"
    directory.mkdir()
    for tool, where in {"sh": shutil.which("sh"), request.param: TOOLS[request.param]}.items():
        if where is None:
            pytest.skip(f"needs {tool}")
        (directory / tool).symlink_to(where)

    def call(argv: list[str]) -> tuple[int, str, str]:
        done = subprocess.run(
            argv, capture_output=True, text=True, check=False, timeout=20, env={"PATH": str(directory)}
        )
        return done.returncode, done.stdout, done.stderr

    return call


class TestThePortsOfAPodThroughOneForward:
    @pytest.fixture
    def forwards(self, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
        """The ports that each forward was made for, in the order made; a port is one of this machine."""
        made: list[tuple[int, ...]] = []

        def dial_all(cluster: object, namespace: str, pod: str, ports: tuple[int, ...]) -> dict[int, socket.socket]:
            made.append(tuple(ports))
            return {port: dialling(port)() for port in ports}

        monkeypatch.setattr(sights, "dial_all", dial_all)
        monkeypatch.setattr(sights, "dial", lambda *where: dial_all(*where[:3], (where[3],))[where[3]])
        return made

    def see(self, *ports: TlsPort, share: bool = True) -> tuple[Sight, ...]:
        cluster: Any = None
        return sights.see(cluster, "shop", ports, share=share)

    def test_is_one_forward_a_pod(self, serve: Start, forwards: list[tuple[int, ...]]) -> None:
        one, two, other = serve(), serve(), serve()

        seen = self.see(TlsPort("web-0", one), TlsPort("web-0", two), TlsPort("web-1", other))

        assert [sight.port.port for sight in seen] == [one, two, other]
        assert {sight.served.fingerprint for sight in seen} == {LEAF.fingerprint}
        assert sorted(forwards) == sorted([(one, two), (other,)])

    def test_a_port_that_shows_nothing_is_asked_by_itself(self, serve: Start, forwards: list[tuple[int, ...]]) -> None:
        plain, good = serve(answer=None), serve()

        nothing, seen = self.see(TlsPort("web-0", plain), TlsPort("web-0", good))

        assert nothing.served.why
        assert seen.served.fingerprint == LEAF.fingerprint
        assert forwards == [(plain, good), (plain,)]

    def test_one_connection_is_one_look(self, serve: Start, forwards: list[tuple[int, ...]]) -> None:
        one, two = serve(), serve()

        seen = self.see(TlsPort("web-0", one), TlsPort("web-0", one, server_name="b"), TlsPort("web-0", two))

        assert {sight.served.fingerprint for sight in seen} == {LEAF.fingerprint}
        assert sorted(forwards) == sorted([(one, two), (one,)])

    def test_a_proof_shares_nothing_and_asks_once(self, serve: Start, forwards: list[tuple[int, ...]]) -> None:
        one, two = serve(), serve(answer=None)

        seen, nothing = self.see(TlsPort("web-0", one), TlsPort("web-0", two), share=False)

        assert seen.served.fingerprint
        assert not nothing.served.fingerprint
        assert sorted(forwards) == sorted([(one,), (two,)])

    def test_many_ports_are_several_forwards(self, serve: Start, forwards: list[tuple[int, ...]]) -> None:
        ports = [serve() for _number in range(20)]

        seen = self.see(*(TlsPort("web-0", port) for port in ports))

        assert all(sight.served.fingerprint for sight in seen)
        assert sorted(forwards) == sorted([tuple(ports[:16]), tuple(ports[16:])])

    def test_a_pod_that_is_gone_is_said_of_each_of_its_ports(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def gone(*where: object) -> None:
            raise NotFound("no such pod or container", why="it left")

        monkeypatch.setattr(sights, "dial_all", gone)
        monkeypatch.setattr(sights, "dial", gone)

        seen = self.see(TlsPort("web-0", 1), TlsPort("web-0", 2))

        assert [sight.served.why for sight in seen] == ["no such pod or container: it left"] * 2


class TestInside:
    def ask(self, run: Callable[[list[str]], tuple[int, str, str]], port: int, **given: object) -> Served:
        name, protocol = str(given.get("name", "web.test")), str(given.get("protocol", HTTP))
        trust = given.get("trust", CA)
        assert isinstance(trust, pki.Pair)
        return read(*run(command("127.0.0.1", port, name, protocol, [of(trust)])), protocol)

    def test_a_trusted_one_with_bytes_behind_it(self, serve: Start, run: Callable[..., tuple[int, str, str]]) -> None:
        seen = self.ask(run, serve())
        assert (seen.fingerprint, seen.verified, seen.status) == (LEAF.fingerprint, True, "HTTP/1.1 404 Not Found")
        assert seen.bytes
        assert not seen.why

    def test_by_address(self, serve: Start, run: Callable[..., tuple[int, str, str]]) -> None:
        assert self.ask(run, serve(), name="127.0.0.1").verified is True

    @pytest.mark.parametrize(("name", "trust"), [("web.test", OTHER), ("else.test", CA), ("10.0.0.9", CA)])
    def test_not_verified(
        self, serve: Start, run: Callable[..., tuple[int, str, str]], name: str, trust: pki.Pair
    ) -> None:
        seen = self.ask(run, serve(), name=name, trust=trust)
        assert (seen.fingerprint, seen.verified) == (LEAF.fingerprint, False)
        assert seen.why

    def test_the_handshake_alone(self, serve: Start, run: Callable[..., tuple[int, str, str]]) -> None:
        assert self.ask(run, serve(), protocol=TLS) == Served(LEAF.fingerprint, True)

    def test_no_tls_and_nobody_there(self, serve: Start, run: Callable[..., tuple[int, str, str]]) -> None:
        assert self.ask(run, serve(answer=None)).why
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        seen = self.ask(run, port)
        assert not seen.fingerprint
        assert seen.why

    def test_no_http(self, serve: Start, run: Callable[..., tuple[int, str, str]]) -> None:
        seen = self.ask(run, serve(answer=b"hello\r\n"))
        assert (seen.fingerprint, seen.status) == (LEAF.fingerprint, "")
        assert seen.why


def test_an_image_without_tools_is_said() -> None:
    assert read(127, "", "neither python3 nor openssl in the image\n", HTTP).why.startswith("neither")


def test_garbage_is_nothing_seen() -> None:
    assert read(0, "{broken", "", HTTP) == Served(why="the probe's answer cannot be read")
    assert read(0, "", "", HTTP) == Served(why="no output")
