# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option ``app``: one entry of ``knowngood_apps``, documented in the doc fragment ``application``.

PRIVATE to this collection.
"""

from __future__ import annotations

from typing import Any

from .._core.application import ApplicationSpec

APP_ARGS: dict[str, dict[str, Any]] = {"app": {"type": "dict", "required": True}}


def spec_of(params: dict[str, Any]) -> ApplicationSpec:
    """The application that the options name. Raises BadInput naming the key that is wrong."""
    return ApplicationSpec.from_dict(params["app"])
