# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kubernetes quantities (``10Gi``, ``1500M``, ``1e9``) as bytes.

PRIVATE to this collection.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import ROUND_CEILING, Decimal

from .._core.errors import BadInput

_QUANTITY = re.compile(r"(?P<number>[+-]?(\d+(\.\d*)?|\.\d+))(?P<suffix>[eE][+-]?\d+|[numkMGTPE]?|[KMGTPE]i)")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}


def in_bytes(text: str) -> int:
    """Bytes, rounded up. Raises BadInput for what is no quantity."""
    found = _QUANTITY.fullmatch(text.strip())
    if not found:
        raise BadInput(f"{text!r} is not a size", next="for example 10Gi")
    number, suffix = Decimal(found["number"]), found["suffix"]
    if suffix in _BINARY:
        factor = Decimal(2) ** _BINARY[suffix]
    elif suffix in _DECIMAL:
        factor = Decimal(10) ** _DECIMAL[suffix]
    else:
        factor = Decimal(10) ** int(suffix[1:])
    return int((number * factor).to_integral_value(rounding=ROUND_CEILING))


def largest(sizes: Iterable[str | int | None]) -> str:
    """The largest of the sizes as it was written (bytes for a number); those not known are left out."""
    known = [str(size) for size in sizes if size]
    if not known:
        raise BadInput("no size is known")
    return max(known, key=in_bytes)
