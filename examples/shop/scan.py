# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A small scanner for the shop's sources: reads the syntax tree, writes SARIF 2.1.0.

It has two rulesets. The first knows only the eval family. The second, published after b3 had shipped, also finds SQL
that is put together from strings: it is what makes old, "clean" commits turn out not to have been.
"""

from __future__ import annotations

import argparse
import ast
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Rule:
    """One rule: since which ruleset it exists, its weakness, and its score as GitHub reads it."""

    id: str
    since: int
    cwe: str
    score: str
    text: str


EVAL = Rule("shop/python/eval", 1, "CWE-95", "9.3", "Code is evaluated from a string")
SQL = Rule("shop/python/sql-injection", 2, "CWE-89", "9.8", "SQL is put together from strings that come from outside")
RULES = (EVAL, SQL)


def findings(tree: ast.AST, ruleset: int) -> Iterator[tuple[Rule, ast.Call]]:
    """Every place that a rule of the ruleset points at."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in ("eval", "exec"):
            yield EVAL, node
        if ruleset >= SQL.since and name in ("execute", "query") and node.args and _pasted(node.args[0]):
            yield SQL, node


def _pasted(argument: ast.expr) -> bool:
    """Is it a string built at run time (a sum, a %-format, an f-string) and not a constant?"""
    if isinstance(argument, ast.JoinedStr):
        return any(isinstance(part, ast.FormattedValue) for part in argument.values)
    if isinstance(argument, ast.BinOp) and isinstance(argument.op, (ast.Add, ast.Mod)):
        return any(not isinstance(leaf, ast.Constant) for leaf in _leaves(argument))
    return False


def _leaves(node: ast.expr) -> Iterator[ast.expr]:
    if isinstance(node, ast.BinOp):
        yield from _leaves(node.left)
        yield from _leaves(node.right)
    else:
        yield node


def sarif(text: str, *, commit: str, ruleset: int, when: str) -> dict[str, object]:
    """The report of one commit's app.py."""
    rules = [rule for rule in RULES if rule.since <= ruleset]
    results = [
        {
            "ruleId": rule.id,
            "ruleIndex": rules.index(rule),
            "message": {"text": rule.text},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": "app.py"},
                        "region": {"startLine": node.lineno, "snippet": {"text": text.splitlines()[node.lineno - 1]}},
                    }
                }
            ],
        }
        for rule, node in findings(ast.parse(text), ruleset)
    ]
    driver = {
        "name": "shop-scan",
        "semanticVersion": f"{ruleset}.0.0",
        "rules": [
            {
                "id": rule.id,
                "shortDescription": {"text": rule.text},
                "defaultConfiguration": {"level": "error"},
                "properties": {
                    "security-severity": rule.score,
                    "tags": ["security", f"external/cwe/{rule.cwe.lower()}"],
                },
            }
            for rule in rules
        ],
    }
    run = {
        "tool": {"driver": driver},
        "invocations": [{"executionSuccessful": True, "endTimeUtc": when}],
        "versionControlProvenance": [{"repositoryUri": "https://git.example.test/shop/orders", "revisionId": commit}],
        "artifacts": [{"location": {"uri": "app.py"}}],
        "results": results,
    }
    return {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("repository", type=Path)
    parser.add_argument("commit", help="a commit or a tag")
    parser.add_argument("--ruleset", type=int, choices=(1, 2), required=True)
    parser.add_argument("--when", required=True, help="end of the scan, RFC 3339")
    parser.add_argument("--output", type=Path, required=True)
    given = parser.parse_args()
    git = ["git", "-C", str(given.repository), "-c", f"safe.directory={given.repository}"]
    commit = subprocess.run(
        [*git, "rev-parse", given.commit], check=True, text=True, capture_output=True
    ).stdout.strip()
    text = subprocess.run([*git, "show", f"{commit}:app.py"], check=True, text=True, capture_output=True).stdout
    report = sarif(text, commit=commit, ruleset=given.ruleset, when=given.when)
    given.output.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
