# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a door's page says and what its code takes cannot drift apart."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils import basic
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

ROOT = Path(__file__).resolve().parents[3]
DOORS = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("[!_]*.py"))
PREFIX = "ansible_collections.knowngood.kube.plugins"
ATTRIBUTES = {"check_mode", "diff_mode", "idempotent", "action_group"}


class _Built(Exception):
    """Carries what a door gives to AnsibleModule."""


def texts(name: str) -> dict[str, Any]:
    """DOCUMENTATION, EXAMPLES and RETURN of a door, parsed."""
    tree = ast.parse((ROOT / "plugins" / "modules" / f"{name}.py").read_text())
    found = {
        target.id: yaml.safe_load(node.value.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name) and target.id in ("DOCUMENTATION", "EXAMPLES", "RETURN")
    }
    found["DOCUMENTATION"] = _with_fragments(found["DOCUMENTATION"])
    return found


def _with_fragments(page: dict[str, Any]) -> dict[str, Any]:
    page = {**page, "options": dict(page.get("options") or {}), "attributes": dict(page.get("attributes") or {})}
    fragments = page.get("extends_documentation_fragment") or []
    for fragment in [fragments] if isinstance(fragments, str) else fragments:
        if not fragment.startswith("knowngood.kube."):
            continue
        module, _dot, variable = fragment.removeprefix("knowngood.kube.").partition(".")
        holder = importlib.import_module(f"{PREFIX}.doc_fragments.{module}").ModuleDocFragment
        part = yaml.safe_load(getattr(holder, variable.upper() or "DOCUMENTATION"))
        page["options"] = {**(part.get("options") or {}), **page["options"]}
        for name, attribute in (part.get("attributes") or {}).items():
            page["attributes"][name] = {**attribute, **page["attributes"].get(name, {})}
    return page


def arguments(name: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The keyword arguments with which the door builds its AnsibleModule."""
    module = importlib.import_module(f"{PREFIX}.modules.{name}")

    def capture(*args: Any, **kwargs: Any) -> None:
        raise _Built({**({"argument_spec": args[0]} if args else {}), **kwargs})

    monkeypatch.setattr(basic.AnsibleModule, "__init__", capture)
    with pytest.raises(_Built) as built:
        module.main()
    given: dict[str, Any] = built.value.args[0]
    return given


def tasks_of(examples: list[dict[str, Any]], name: str) -> Iterator[dict[str, Any]]:
    """The options of each example task of the door, also within plays and blocks."""
    for item in examples:
        for key in ("tasks", "pre_tasks", "post_tasks", "block", "rescue", "always"):
            yield from tasks_of(item.get(key) or [], name)
        if f"knowngood.kube.{name}" in item:
            yield item[f"knowngood.kube.{name}"] or {}


def incomplete(returned: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Return keys without description, type, when they are returned, or a sample or contents."""
    for key, entry in returned.items():
        where = f"{path}{key}"
        for needed in ("description", "type") if path else ("description", "type", "returned"):
            if needed not in entry:
                yield f"{where}: no {needed}"
        if "contains" in entry:
            yield from incomplete(entry["contains"], f"{where}.")
        elif "sample" not in entry and not path:
            yield f"{where}: neither sample nor contains"


def no_template(value: Any) -> bool:
    return "{{" not in yaml.safe_dump(value)


@pytest.mark.parametrize("name", DOORS)
class TestDoor:
    def test_states_its_attributes(self, name: str) -> None:
        attributes = texts(name)["DOCUMENTATION"]["attributes"]
        takes_auth = "kubeconfig" in texts(name)["DOCUMENTATION"]["options"]
        assert set(attributes) >= (ATTRIBUTES if takes_auth else ATTRIBUTES - {"action_group"})
        assert [key for key, entry in attributes.items() if "support" not in entry] == []

    def test_describes_every_return_value(self, name: str) -> None:
        assert list(incomplete(texts(name)["RETURN"])) == []

    def test_documents_exactly_the_options_it_takes(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        assert set(texts(name)["DOCUMENTATION"]["options"]) == set(arguments(name, monkeypatch)["argument_spec"])

    def test_says_supports_check_mode_as_its_page_does(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        support = texts(name)["DOCUMENTATION"]["attributes"]["check_mode"]["support"]
        assert arguments(name, monkeypatch).get("supports_check_mode", False) is (support != "none")

    def test_has_examples_that_its_arguments_accept(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        given = arguments(name, monkeypatch)
        rules = ("mutually_exclusive", "required_together", "required_one_of", "required_if", "required_by")
        validator = ArgumentSpecValidator(given["argument_spec"], **{key: given[key] for key in rules if key in given})
        examples = list(tasks_of(texts(name)["EXAMPLES"], name))
        assert examples
        for options in examples:
            assert set(options) <= _names(given["argument_spec"]), options
            if no_template(options):
                assert validator.validate(options).error_messages == [], options

    def test_is_in_the_action_group_when_it_takes_the_auth_options(self, name: str) -> None:
        group = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())["action_groups"]["kube"]
        assert (name in group) is ("kubeconfig" in texts(name)["DOCUMENTATION"]["options"])


def _names(spec: Mapping[str, Any]) -> set[str]:
    return set(spec) | {alias for option in spec.values() for alias in option.get("aliases") or []}


def test_the_action_group_names_only_doors() -> None:
    group = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())["action_groups"]["kube"]
    assert sorted(set(group) - set(DOORS)) == []
    assert group == sorted(group)
