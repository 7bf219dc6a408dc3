# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules of the house that no tool checks."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from ansible_collections.knowngood.kube.plugins.module_utils._ansible.args import AUTH_ARGS
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.auth import AuthOptions

THIRD_PARTY = {"kubernetes", "cryptography", "jmespath", "yaml", "urllib3", "requests", "dateutil"}


def requirements(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if line and not line.startswith("#")]


def imports_at_import_time(path: Path) -> Iterator[str]:
    """Absolute imports that run when the file is imported: not those in functions or for type checking."""

    def statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
        for node in body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Try)):
                continue
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
                continue
            yield node
            yield from statements(getattr(node, "body", []))

    for node in statements(ast.parse(path.read_text()).body):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module or ""


def test_nothing_below_the_doors_knows_ansible_modules(root: Path) -> None:
    words = re.compile(r"AnsibleModule|fail_json|exit_json|module\.params")
    found = [
        str(path.relative_to(root))
        for path in sorted((root / "plugins" / "module_utils").rglob("*.py"))
        if "_ansible" not in path.parts and words.search(path.read_text())
    ]
    assert found == []


def test_no_third_party_library_is_imported_at_import_time(root: Path) -> None:
    found = [
        f"{path.relative_to(root)}: {name}"
        for folder in ("module_utils", "modules")
        for path in sorted((root / "plugins" / folder).rglob("*.py"))
        for name in imports_at_import_time(path)
        if name.partition(".")[0] in THIRD_PARTY
    ]
    assert found == []


def test_every_python_file_carries_the_licence(root: Path) -> None:
    missing = [
        str(path.relative_to(root))
        for folder in ("plugins", "tests", "extensions", "examples")
        for path in sorted((root / folder).rglob("*.py"))
        if path.name != "__init__.py" and "SPDX-License-Identifier: GPL-3.0-or-later" not in path.read_text()[:600]
    ]
    assert missing == []


def test_no_sanity_rule_is_ignored(root: Path) -> None:
    assert [path.name for path in (root / "tests" / "sanity").glob("ignore*") if path.read_text().strip()] == []


def test_execution_environments_install_what_the_modules_import(root: Path) -> None:
    assert requirements(root / "meta" / "ee-requirements.txt") == requirements(root / "requirements.txt")


def test_lower_bounds_are_the_versions_that_are_tested(root: Path) -> None:
    tested = requirements(root / "tests" / "lower-bounds.txt")
    assert [bound.replace(">=", "==") for bound in requirements(root / "requirements.txt")] == tested[1:4]


def test_auth_options_are_the_fields_of_the_connection() -> None:
    assert list(AUTH_ARGS) == list(AuthOptions.__dataclass_fields__)


@pytest.mark.parametrize("option", sorted(AUTH_ARGS))
def test_each_auth_option_reads_the_environment_variable_of_kubernetes_core(option: str) -> None:
    names = {
        "validate_certs": "VERIFY_SSL",
        "ca_cert": "SSL_CA_CERT",
        "client_cert": "CERT_FILE",
        "client_key": "KEY_FILE",
    }
    assert AUTH_ARGS[option]["fallback"][1] == [f"K8S_AUTH_{names.get(option, option.upper())}"]


def test_action_plugins_stand_before_modules(root: Path) -> None:
    actions = {path.name for path in (root / "plugins" / "action").glob("*.py")}
    assert actions - {path.name for path in (root / "plugins" / "modules").glob("*.py")} == set()


def test_the_collection_depends_on_no_other(root: Path) -> None:
    assert yaml.safe_load((root / "galaxy.yml").read_text())["dependencies"] == {}
