# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a refused connection into a pod is told as, with old and new versions of the websocket library."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._cluster import streams
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.streams import (
    ExecResult,
    PodSession,
    _refused,
    run_in_pod,
)
from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import (
    BadInput,
    Denied,
    NotFound,
    NotProven,
    TimedOut,
    Unreachable,
)

HEADERS = "{'content-length': '403', 'date': 'Sat, 21 Nov 2026 16:10:46 GMT'}"


@pytest.mark.parametrize(
    ("told", "kind", "why"),
    [
        ("Handshake status 403 Forbidden", Denied, "Forbidden"),
        ("Handshake status 404 Not Found", NotFound, "Not Found"),
        (
            f'Handshake status 404 Not Found -+-+- {HEADERS} -+-+- {{"message":"pods \\"db-0\\" not found"}}',
            NotFound,
            'pods "db-0" not found',
        ),
        (
            f'Handshake status 400 Bad Request -+-+- {HEADERS} -+-+- {{"message":"container x is not valid"}}',
            BadInput,
            "container x is not valid",
        ),
        (
            f'Handshake status 500 Internal Server Error -+-+- {HEADERS} -+-+- container not found ("db")\n',
            Unreachable,
            'container not found ("db")',
        ),
        (
            "[Errno 111] Connection refused to 10.4.0.4:8404",
            Unreachable,
            "[Errno 111] Connection refused to 10.4.0.4:8404",
        ),
    ],
)
def test_status_and_words_come_from_the_answer_alone(told: str, kind: type[Exception], why: str) -> None:
    error = _refused(Exception(told), "Pod shop/db-0")
    assert error.__class__ is kind
    assert error.where == "Pod shop/db-0"
    assert error.why == why


class Stream:
    """Stands for the client's stream: what comes in one frame a look, then the end."""

    def __init__(self, *frames: tuple[int, str], ends: bool = True) -> None:
        self.frames, self.ends, self.sent, self.open = list(frames), ends, "", True
        self.channels: dict[int, str] = {}

    def is_open(self) -> bool:
        return self.open

    def update(self, timeout: float = 0) -> None:
        if self.frames:
            channel, text = self.frames.pop(0)
            self.channels[channel] = self.channels.get(channel, "") + text
        elif self.ends:
            self.open = False

    def read_channel(self, channel: int) -> str:
        return self.channels.pop(channel, "")

    def write_stdin(self, text: str) -> None:
        self.sent += text

    def close(self) -> None:
        self.open = False


SUCCESS = (3, '{"status":"Success"}')


class Broken(Stream):
    """Its end comes as an error of the layer below, in the look that brings the last frame or in the next one."""

    def update(self, timeout: float = 0) -> None:
        super().update(timeout)
        if not self.frames:
            raise ConnectionError("socket is already closed.")


class TestCommand:
    @pytest.fixture(autouse=True)
    def connected(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.stream = Stream()
        monkeypatch.setattr(streams, "_websocket", lambda *given: self.stream)

    def run(self, stream: Stream, **given: Any) -> ExecResult:
        self.stream = stream
        cluster: Any = None
        return run_in_pod(cluster, "shop", "db-0", ["psql"], **given)

    def test_its_end_and_all_it_wrote(self) -> None:
        assert self.run(Stream((1, "4"), (2, "note"), (1, "2\n"), SUCCESS)) == ExecResult(0, "42\n", "note")
        assert not self.stream.open

    def test_a_connection_that_breaks_after_the_command_told_its_end_was_good_enough(self) -> None:
        assert self.run(Broken((1, "42\n"), SUCCESS)) == ExecResult(0, "42\n", "")

    def test_one_that_breaks_before_that_leaves_its_end_unknown(self) -> None:
        with pytest.raises(Unreachable, match="ended without a status"):
            self.run(Broken((1, "42\n")))

    def test_a_command_that_ends_without_reading_all_of_its_input_tells_its_end(self) -> None:
        class Deaf(Stream):
            def write_stdin(self, text: str) -> None:
                raise ConnectionError(f"{len(text)} bytes: the other side has closed it")

        assert self.run(Deaf(SUCCESS), stdin="select 42;").rc == 0

    def test_one_that_does_not_end_is_not_waited_for_longer_than_asked(self) -> None:
        with pytest.raises(TimedOut, match="'psql' did not end"):
            self.run(Stream(ends=False), timeout_s=0.05)
        assert not self.stream.open


class TestSession:
    def test_the_line_with_the_word_is_waited_for_in_whatever_pieces_it_comes(self) -> None:
        session = PodSession(Stream((1, "noise\nLOC"), (1, "KED 4"), (1, "2\nmore\n"), ends=False), "p", "psql")
        assert session.expect("LOCKED", 5) == "noise\nLOCKED 42\n"
        assert (session.said("more"), session.said("LOCKED"), session.alive()) == (True, False, True)

    def test_a_command_that_ends_first_is_told_by_its_exit_code_and_not_by_its_output(self) -> None:
        status = '{"status":"Failure","details":{"causes":[{"reason":"ExitCode","message":"3"}]}}'
        session = PodSession(Stream((1, "s3cr3t\n"), (3, status)), "p", "psql")
        with pytest.raises(NotProven, match="'psql' ended.*exit code 3") as caught:
            session.expect("LOCKED", 5)
        assert "s3cr3t" not in str(caught.value)
        assert not session.alive()

    def test_one_that_says_nothing_is_waited_for_no_longer_than_asked(self) -> None:
        with pytest.raises(TimedOut, match="did not say that it is ready"):
            PodSession(Stream(ends=False), "p", "psql").expect("LOCKED", 0.05)

    def test_it_ends_with_what_it_is_sent_and_tells_its_exit_code(self) -> None:
        stream = Stream((1, "bye\n"), SUCCESS)
        assert PodSession(stream, "p", "psql").end(5, "release\n") == 0
        assert (stream.sent, stream.open) == ("release\n", False)

    def test_one_that_ends_by_the_text_before_its_stdin_is_closed_tells_its_exit_code_too(self) -> None:
        class Quick(Stream):
            def close_channel(self, channel: int) -> None:
                raise ConnectionError(f"channel {channel}: the other side has closed it")

        assert PodSession(Quick(SUCCESS), "p", "psql").end(5, "\\q\n") == 0

    def test_what_came_before_the_connection_broke_is_read(self) -> None:
        assert PodSession(Broken(SUCCESS), "p", "psql").end(5) == 0

    def test_a_lost_connection_has_no_exit_code(self) -> None:
        assert PodSession(Stream(), "p", "psql").end(5) is None
