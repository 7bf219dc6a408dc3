# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The forms in which findings leave, besides the store: name -> writer.

A writer takes ``scans`` (as ``Scan.to_dict``), ``records`` (called for a fresh iterator over the findings, as
``Finding.to_dict``, each time it is needed), ``changes`` (finding id -> new, unchanged, updated or absent, or None when
nothing was compared) and, by name, a ``tally`` that counts what had to be left out or changed. It gives bytes in pieces
and holds no more than a run's rules, whatever the number of findings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from . import codeclimate, markdown, sarif, table

WRITERS: Mapping[str, Callable[..., Iterator[bytes]]] = MappingProxyType(
    {
        "sarif": sarif.write,
        "csv": table.write,
        "markdown": markdown.write,
        "codeclimate": codeclimate.write,
    }
)
