# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Custom resource definitions from the YAML files that upstream modules ship."""

from __future__ import annotations

import re
from pathlib import Path

from .api import Api

_PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/"


def name_of(text: str) -> str:
    """``metadata.name`` in a definition as controller-gen writes it."""
    found = re.search(r"^metadata:\n(?:[ \t].*\n)*?  name: [\"']?([\w.-]+)", text, re.MULTILINE)
    if not found:
        raise ValueError("no metadata.name in the definition")
    return found[1]


def apply(api: Api, folder: Path) -> None:
    """Apply every definition in the folder; the server reads YAML itself."""
    for file in sorted(folder.glob("*.yaml")):
        text = file.read_text()
        if "kind: CustomResourceDefinition" in text:
            api.apply_text(_PATH + name_of(text), text)
