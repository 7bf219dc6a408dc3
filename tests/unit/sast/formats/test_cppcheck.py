# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Cppcheck: what its corpus does not show."""

from __future__ import annotations

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput


def report(*errors, head='<cppcheck version="2.14.0"/>'):
    return f'<results version="2">{head}<errors>{"".join(errors)}</errors></results>'


def test_an_error_without_an_id_is_dropped_and_counted(read):
    seen = read(report('<error severity="error" msg="x"/>', '<error id="a" severity="error" msg="x"/>'))
    assert (seen.scan.totals.results, seen.scan.totals.dropped) == (2, 1)
    assert seen.scan.status == "partial"


def test_the_name_of_a_product_built_on_it(read):
    seen = read(report(head='<cppcheck version="24.1" product-name="Cppcheck Premium"/>'))
    assert (seen.scan.tool, seen.scan.tool_version) == ("Cppcheck Premium", "24.1")


def test_it_is_known_without_its_own_element_by_its_version(read):
    assert read(report(head="")).scan.format == "cppcheck"


@pytest.mark.parametrize("text", ["<results><error/></results>", "<results><result/></results>", "<errors/>"])
def test_results_of_others_are_not_its_own(read, text):
    with pytest.raises(BadInput, match="no report of a format that we know"):
        read(text)


def test_hundreds_of_messages_are_one_reason(read):
    seen = read(report(*['<error id="internalError" severity="error" msg="bailed out" file0="a.c"/>'] * 500))
    assert seen.scan.totals.results == 0
    assert seen.warnings["not_analysed"] == 500
    assert len(seen.scan.status_reasons) == 1
