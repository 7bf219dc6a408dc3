# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The XML reader: elements whole, those around them, those only counted, and bounds that hold wherever it is cut."""

from __future__ import annotations

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput
from ansible_collections.knowngood.kube.plugins.module_utils._sast.markup import MAX_DEPTH, Markup
from ansible_collections.knowngood.kube.plugins.module_utils._sast.tally import Tally

DOCUMENT = '<r v="1"><file name="a"><item n="1">x<b>y</b></item></file><file name="b"><item n="2"/></file></r>'


def blocks_of(text, size):
    data = text.encode() if isinstance(text, str) else text
    return iter([data[at : at + size] for at in range(0, len(data), size)])


def markup_of(text, size=1 << 20, limit=1 << 20, **names):
    return Markup(blocks_of(text, size), **{"wanted": (), **names}, name="x.xml", tally=Tally(), limit=limit)


def seen(text, size=1 << 20, **more):
    return [(found.tag, dict(found.attrib)) for found in markup_of(text, size, **more).elements()]


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_wanted_elements_come_whole_and_those_around_them_as_they_begin(size):
    markup = markup_of(DOCUMENT, size, wanted=("item",), opened=("file",))
    found = list(markup.elements())
    assert [(one.tag, dict(one.attrib)) for one in found] == [
        ("file", {"name": "a"}),
        ("item", {"n": "1"}),
        ("/file", {}),
        ("file", {"name": "b"}),
        ("item", {"n": "2"}),
        ("/file", {}),
    ]
    assert (found[1].text, found[1].findtext("b")) == ("x", "y")
    assert (markup.root, markup.attributes) == ("r", {"v": "1"})


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_hollow_elements_are_their_attributes(size):
    found = list(markup_of(DOCUMENT, size, hollow=("item",), opened=("file",)).elements())
    assert [one.tag for one in found] == ["file", "item", "/file", "file", "item", "/file"]
    assert [len(one) for one in found] == [0] * 6
    assert found[1].text is None


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_a_wanted_element_inside_another_is_a_part_of_it(size):
    text = '<r><item n="1"><item n="2"/><c><item n="3"/></c></item><item n="4"/></r>'
    assert seen(text, size, wanted=("item",)) == [("item", {"n": "1"}), ("item", {"n": "4"})]


def test_names_come_without_their_namespace():
    text = '<p:r xmlns:p="urn:one"><p:item n="1"><q:b xmlns:q="urn:two"/><c/></p:item></p:r>'
    (found,) = markup_of(text, wanted=("item",)).elements()
    assert [node.tag for node in found.iter()] == ["item", "b", "c"]
    assert seen('<r xmlns="urn:x"><item n="1"/></r>', hollow=("item",)) == [("item", {"n": "1"})]


def test_the_outline_is_the_children_of_the_root():
    assert list(markup_of("<r><a><b/></a><c/>", 3).outline()) == ["a", "c"]


@pytest.mark.parametrize("size", [16, 100_000])
@pytest.mark.parametrize("names", [{"wanted": ("item",)}, {"hollow": ("item",)}, {"wanted": ("other",)}])
def test_depth_is_bounded(names, size):
    """Wherever it is deep; what is hollow and over before a block ends was never built."""
    deep = "<a>" * (2 * MAX_DEPTH) + "</a>" * (2 * MAX_DEPTH)
    text = f"<r><item>{deep}</item></r>"
    if "hollow" in names and size > len(text):
        assert seen(text, size, **names) == [("item", {})]
        return
    with pytest.raises(BadInput, match="nested too deeply"):
        seen(text, size, **names)


@pytest.mark.parametrize("names", [{"wanted": ("item",)}, {"hollow": ("item",)}])
def test_what_never_closes_is_found_to_be_deep_at_the_next_block(names):
    def endless():
        yield b"<r><item>"
        for _round in range(100):
            yield b"<a>" * 100

    with pytest.raises(BadInput, match="nested too deeply"):
        list(Markup(endless(), **{"wanted": (), **names}, name="x", tally=Tally(), limit=1000).elements())


def test_as_deep_as_allowed_is_read():
    deep = "<a>" * (MAX_DEPTH - 2) + "</a>" * (MAX_DEPTH - 2)
    assert seen(f"<r><item>{deep}</item></r>", wanted=("item",)) == [("item", {})]


@pytest.mark.parametrize(
    ("inside", "cut"),
    [
        ("<b>t</b>" * 500, "parts of elements longer than the window"),
        ("t" * 4000, "characters of elements longer than the window"),
    ],
)
def test_more_than_the_window_is_left_out_and_counted(inside, cut):
    tally = Tally()
    text = f'<r><item n="1"><first/>{inside}</item><item n="2"><b/></item></r>'
    markup = Markup(blocks_of(text, 64), wanted=("item",), name="x", tally=tally, limit=256)
    one, two = markup.elements()
    assert (one.get("n"), two.get("n")) == ("1", "2")
    assert one.find("first") is not None
    assert len(one) < 100
    assert len(one.text or "") < 1000
    assert len(two) == 1
    (told,) = tally.truncated
    assert told["what"] == cut
    assert told["seen"] > 100


@pytest.mark.parametrize("begin", ['<r a="', "<r><!--", "<r><?p ", "<r><item>x</item><item b='", "<"])
def test_a_tag_or_comment_without_end_is_refused_at_the_window(begin):
    """Expat before 2.6 reads such a piece again from its start with each block: 200 MB would take hours."""
    fed = []

    def endless():
        yield begin.encode()
        for number in range(10_000):
            fed.append(number)
            yield b"x" * 1000

    with pytest.raises(BadInput, match="longer than the window"):
        list(Markup(endless(), wanted=("item",), name="x", tally=Tally(), limit=20_000).elements())
    assert len(fed) < 30


@pytest.mark.parametrize("text", ["x" * 300_000, "<![CDATA[" + "x" * 300_000 + "]]>", "x\n" * 150_000, "&lt;" * 70_000])
@pytest.mark.parametrize("around", ["<r>{}</r>", "<r><item>{}</item></r>"])
def test_a_long_text_is_no_such_piece(text, around):
    assert len(seen(around.format(text), 1000, wanted=("item",), limit=20_000)) == around.count("<item>")


@pytest.mark.parametrize(
    "head", ["<!DOCTYPE r>", '<!DOCTYPE r [<!ENTITY a "b">]>', '<!DOCTYPE r SYSTEM "file:///etc/passwd">']
)
def test_document_types_are_refused(head):
    with pytest.raises(BadInput, match="declares a document type"):
        seen(f"{head}<r/>", wanted=("item",))


@pytest.mark.parametrize("names", [{"wanted": ("item",)}, {"hollow": ("item",)}])
@pytest.mark.parametrize("size", [1, 1000])
def test_cut_off_anywhere_it_is_an_error(names, size):
    for end in range(len(DOCUMENT)):
        with pytest.raises(BadInput):
            seen(DOCUMENT[:end], size, **names)


def test_other_damage_is_an_error_with_its_place():
    with pytest.raises(BadInput, match="not XML") as raised:
        seen("<r>\n<item></r>", wanted=("item",))
    assert "line 2" in str(raised.value)
    with pytest.raises(BadInput):
        seen(b'<?xml version="1.0" encoding="no-such"?><r/>')


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings(encoding):
    assert seen('<r><item n="\u00e4\u20ac"/></r>'.encode(encoding), wanted=("item",)) == [
        ("item", {"n": "\u00e4\u20ac"})
    ]
