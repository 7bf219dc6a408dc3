# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page cannot be made to act, to hide, to call home or to leak."""

from __future__ import annotations

import base64
import json
import unicodedata
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.knowngood.kube.plugins.module_utils._report import html as html_module
from ansible_collections.knowngood.kube.plugins.module_utils._report.html import el, join, style
from ansible_collections.knowngood.kube.plugins.module_utils._report.markdown import markdown
from ansible_collections.knowngood.kube.plugins.module_utils._report.model import build
from ansible_collections.knowngood.kube.plugins.module_utils._report.page import page
from ansible_collections.knowngood.kube.plugins.module_utils._report.report import document

from . import story

VOID = {"meta", "br"}
ALLOWED = {
    "html", "head", "meta", "title", "style", "body", "div", "header", "main", "nav", "section", "footer", "h1", "h2",
    "h3", "p", "a", "br", "span", "ul", "ol", "li", "i", "small", "time", "code", "pre", "dl", "dt", "dd", "table",
    "caption", "thead", "tbody", "tr", "th", "td", "svg", "g", "text", "circle", "line", "rect",
}  # fmt: skip
NASTY = (
    "</title></style><script>alert(1)</script><img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)" x=\'',
    "javascript:alert(1)",
    "\u001b[31mred\u001b[0m\u0007",
    "user\u202etxt.exe\u2066\u200b\ufeff",
    "{{ lookup('pipe', 'id') }} {% raw %} {# x #}",
    "\ud800 lone \x00 nul",
    "](http://evil.example/) | `x` <b>",
)


class Reader(HTMLParser):
    """Checks nesting and collects tags, attributes and text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str, str | None]] = []
        self.text: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text.append(data)


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    return reader


def render(incident: Any = None, app: Any = None, steps: Any = None) -> str:
    report = build(
        story.incident() if incident is None else incident,
        story.app() if app is None else app,
        story.steps() if steps is None else steps,
    )
    return page(report, "0" * 64)


def poisoned(value: Any, poison: str) -> Any:
    """The value with the poison behind every text, and as a key beside every key."""
    if isinstance(value, str):
        return value + poison
    if isinstance(value, dict):
        return {**{key: poisoned(item, poison) for key, item in value.items()}, poison: poison}
    if isinstance(value, list):
        return [poisoned(item, poison) for item in value]
    return value


class TestEscaping:
    @pytest.mark.parametrize("poison", NASTY)
    def test_nothing_that_comes_in_becomes_markup(self, poison: str) -> None:
        ours = {(tag, name) for text in (render(), render(steps={})) for tag, name, _value in read(text).attributes}
        incident, app, steps = (poisoned(part(), poison) for part in (story.incident, story.app, story.steps))
        reader = read(render(incident, app, steps))
        assert reader.tags <= ALLOWED
        assert {(tag, name) for tag, name, _value in reader.attributes} <= ours

    @pytest.mark.parametrize("poison", NASTY)
    def test_no_character_stays_hidden(self, poison: str) -> None:
        steps = poisoned(story.steps(), poison)
        texts = (render(steps=steps), markdown(build(story.incident(), story.app(), steps), "0" * 64))
        for text in texts:
            assert not [char for char in text if unicodedata.category(char)[0] == "C" and char != "\n"]
            text.encode("utf-8")

    def test_a_hidden_character_is_written_out(self) -> None:
        assert "user⟨U+202E⟩txt" in render({**story.incident(), "title": "user\u202etxt"})

    def test_no_template_braces_leave_in_text(self) -> None:
        steps = poisoned(story.steps(), NASTY[5])
        report = build(story.incident(), story.app(), steps)
        written = page(report, "0" * 64).partition("<body>")[2] + document(report).decode()
        assert not [mark for mark in ("{{", "{%", "{#") if mark in written]
        assert (
            "lookup('pipe', 'id')" in json.loads(document(report))["inputs"]["steps"]["scans"]["findings"][0]["message"]
        )

    def test_the_text_is_shown_as_it_was_written(self) -> None:
        words = "<script>alert('x')</script> & {{ y }}"
        assert words in "".join(read(render({**story.incident(), "title": words})).text)

    @given(st.text(max_size=80))
    @settings(max_examples=60)
    def test_any_text_survives_as_text(self, text: str) -> None:
        reader = read(el("p", text, title=text).source)
        assert reader.tags == {"p"}
        assert [name for _tag, name, _value in reader.attributes] == ["title"]

    def test_a_plain_text_child_is_always_escaped(self) -> None:
        assert join("<b>", el("i", "<u>", None)).source == "&lt;b&gt;<i>&lt;u&gt;</i>"

    def test_the_style_sheet_cannot_end_its_element(self) -> None:
        with pytest.raises(ValueError, match="style"):
            style("</style>")

    def test_only_one_file_makes_fragments(self) -> None:
        home = Path(html_module.__file__)
        makers = [
            path.name for path in home.parent.glob("*.py") if "Html(" in path.read_text().replace("class Html", "")
        ]
        assert makers == ["html.py"]

    def test_markdown_keeps_tables_and_links_closed(self) -> None:
        text = markdown(build({"id": "x](http://e.example/)|`<b>"}, "shop", {}), "0" * 64)
        assert text.startswith("# Incident x\\]\\(http\\://e.example/\\)\\|\\`\\<b\\>: shop\n")


class TestSelfContained:
    def test_nothing_is_loaded_from_anywhere(self) -> None:
        text = render()
        reader = read(text)
        loading = {"src", "srcset", "action", "data", "poster", "background", "xlink:href", "formaction", "style"}
        assert not [entry for entry in reader.attributes if entry[1] in loading or entry[1].startswith("on")]
        links = [value or "" for _tag, name, value in reader.attributes if name == "href"]
        assert links
        assert all(link.startswith("#") for link in links)
        assert "url(" not in text
        assert "@import" not in text
        assert "script" not in reader.tags

    def test_the_policy_forbids_everything_but_the_inline_style(self) -> None:
        policies = [value for tag, name, value in read(render()).attributes if (tag, name) == ("meta", "content")]
        assert "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'" in policies

    def test_every_link_leads_somewhere_and_every_id_is_unique(self) -> None:
        reader = read(render())
        targets = {(value or "").removeprefix("#") for _tag, name, value in reader.attributes if name == "href"}
        assert targets <= set(reader.ids)
        assert len(reader.ids) == len(set(reader.ids))

    @pytest.mark.parametrize("steps", [{}, story.steps()], ids=["nothing", "everything"])
    def test_it_parses_with_nothing_and_with_everything(self, steps: dict[str, Any]) -> None:
        words = " ".join(read(render(steps=steps)).text)
        for title in ("Duties", "Not checked, not known", "Decision", "Timeline", "Containment", "Findings"):
            assert title in words

    def test_a_missing_part_is_said_and_does_not_vanish(self) -> None:
        words = " ".join(read(render(steps={})).text)
        for sentence in (
            "Nothing was seen on the wire, or it was not reported.",
            "No volume was put back, or it was not reported.",
            "No scan was handed to this report.",
            "No recovery point was compared in this report.",
            "No check was reported: nothing proves the restored data.",
            "no approval was recorded",
            "not done or not reported",
        ):
            assert sentence in words

    def test_the_reasons_of_the_decision_are_on_the_page(self) -> None:
        words = " ".join(read(render()).text)
        assert "it is the newest point whose writers never ran the exploited finding" in words
        assert f"What each mode would choose: evidence: {story.SECOND}, strict: {story.FIRST}" in words

    def test_states_are_words_and_not_only_colours(self) -> None:
        words = " ".join(read(render()).text)
        for word in ("✓ clean", "✕ suspect", "✓ chosen", "! open", "✕ exploited", "! unsigned"):
            assert word in words

    def test_many_points_and_points_at_one_time_can_be_drawn(self) -> None:
        steps = story.steps()
        steps["decision"]["candidates"] = [
            {"id": f"p{place}", "cut_at": "2026-11-21T13:00:00Z", "verdict": "clean"} for place in range(20)
        ]
        assert read(render(steps=steps)).tags >= {"svg", "circle"}
        steps["decision"]["candidates"] *= 2
        assert "circle" not in read(render(steps=steps)).tags


KEY = "-----BEGIN PRIVATE KEY-----\nCANARYCANARYCANARYCANARY\n-----END PRIVATE KEY-----\n"


class TestSecrets:
    @pytest.mark.parametrize(
        "plant",
        [
            lambda canary: {"kind": "Secret", "data": {"password": canary}, "stringData": {"x": canary}},
            lambda canary: f"log: Authorization: Bearer {canary}",
            lambda canary: f"postgres://shop:{canary}@db/shop",
            lambda canary: KEY.replace("CANARYCANARYCANARYCANARY", canary),
            lambda canary: base64.b64encode(KEY.replace("CANARYCANARYCANARYCANARY", canary).encode()).decode(),
            lambda canary: {"password": canary, "API-Key": canary, "kubeconfig": {"users": [canary]}, "token": canary},
            lambda canary: {"invocation": {"module_args": {"signing_key": canary}}},
        ],
        ids=["secret", "bearer", "url", "pem", "base64", "keys", "invocation"],
    )
    def test_a_planted_secret_never_comes_out(self, plant: Callable[[str], Any]) -> None:
        canary = "kgCanary7f3a91c2d4"
        steps = story.steps()
        steps["restore"]["extra"] = plant(canary)
        steps["timeline"].append({"at": "2026-11-21T14:00:01Z", "what": plant(canary), "evidence": plant(canary)})
        steps["scans"]["findings"][0]["message"] = plant(canary)
        steps["decision"]["duties"].append(plant(canary))
        report = build({**story.incident(), "note": plant(canary)}, story.app(), steps)
        written = page(report, "0" * 64) + document(report).decode() + markdown(report, "0" * 64)
        assert canary not in written
        assert base64.b64encode(canary.encode()).decode().rstrip("=") not in written
