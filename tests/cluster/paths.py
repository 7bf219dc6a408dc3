# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where things lie: sources, the cache of a machine, run directories of instances."""

from __future__ import annotations

import os
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
GO = HERE / "go"
# Short on purpose: Unix socket paths are limited to 108 characters.
RUN = Path("/run/knowngood")


def cache() -> Path:
    """The cache of this machine; ``KNOWNGOOD_CACHE`` moves it."""
    return Path(os.environ.get("KNOWNGOOD_CACHE") or Path.home() / ".cache" / "knowngood")
