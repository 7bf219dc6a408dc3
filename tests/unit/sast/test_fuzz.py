# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A short run of ``make fuzz``, another one each time; and that it would notice."""

from __future__ import annotations

import os
import socket

import pytest

from tests.fuzz import target as fuzz
from tests.fuzz.__main__ import mutations

SEED = 20261121
SECONDS = float(os.environ.get("KNOWNGOOD_FUZZ_SECONDS", "10"))


@pytest.fixture(scope="module")
def target():
    made = fuzz.Target(fuzz.Watch())
    yield made
    made.close()


def test_damaged_reports_are_answers_or_clean_errors_and_nothing_else_happens(target):
    """The same reports in every run; ``make fuzz`` draws others."""
    assert mutations(target, SECONDS, SEED) > 50
    assert target.read > 10
    assert target.refused > 10


@pytest.mark.parametrize(
    ("act", "seen"),
    [
        (lambda: open("/etc/hostname").close(), "opened '/etc/hostname'"),
        (lambda: os.close(os.open("/etc/hostname", os.O_RDONLY)), "opened '/etc/hostname'"),
        (lambda: socket.getaddrinfo("localhost", 1), "socket.getaddrinfo"),
    ],
)
def test_it_notices_what_a_reader_must_not_do(target, monkeypatch, act, seen):
    real = fuzz.read_report

    def bad(path, *, options):
        act()
        return real(path, options=options)

    monkeypatch.setattr(fuzz, "read_report", bad)
    with pytest.raises(AssertionError, match=seen):
        target.check(b'{"version": "2.1.0", "runs": []}')
    target._watch.seen.clear()


def test_it_notices_another_error(target, monkeypatch):
    def bad(_path, *, options):
        raise KeyError("x")

    monkeypatch.setattr(fuzz, "read_report", bad)
    with pytest.raises(KeyError):
        target.check(b"{}")
