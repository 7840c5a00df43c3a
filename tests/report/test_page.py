import json
import re
import sys
from html.parser import HTMLParser

import pytest

from fastconv.errors import MissingExtraError
from fastconv.report.page import (
    Beside,
    Cell,
    Column,
    Figure,
    Gallery,
    Line,
    Page,
    Section,
    Table,
    Text,
    render,
    require_packages,
)  # fmt: skip
from fastconv.report.svg import canvas

VOID = {"meta", "link", "input"}


class Elements(HTMLParser):
    """Every element with its attributes; complains where one is not closed by its own end."""

    def __init__(self, html):
        super().__init__()
        self.found, self.open = [], []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def of(self, tag):
        return [attributes for name, attributes in self.found if name == tag]


def figure(title="a figure", **options):
    with canvas(100, 80) as drawing:
        drawing.subplots().plot([1, 2], [1, 2], "o")
    return Figure.of(drawing, title, "two points", "its caption", **options)


TABLE = Table(
    "Times",
    [Column("layer"), Column("time", numeric=True, hint="of a call"), Column("note", minor=True, wrap=True)],
    [
        Line(["conv1", Cell("1 ms", 1e-3, "good"), "a < b"], [Text("unfolded"), figure("inner")]),
        Line(["conv2", Cell("2 s", 2.0), Cell("-")]),
    ],
    filter="Filter layers",
    caption="what the table says",
)


def page(*blocks, **changes):
    known = {
        "title": "net & more",
        "summary": "It is <fast>.",
        "sections": [Section("A section, of many", blocks)],
        "facts": {"threads": "1"},
        "environment": {"CPU": "some & any"},
        "data": {"text": "</script><script>alert(1)</script>", "numbers": [1, 2.5]},
        "data_name": "net.json",
    }
    return Page(**{**known, **changes})


def test_every_block_is_shown_and_what_comes_from_outside_is_escaped():
    html = render(page(Text("a paragraph & more"), TABLE, figure(), Gallery([figure("one"), figure("two")], filter="Filter"),
                       Beside([Text("left"), Text("right")])))  # fmt: skip
    Elements(html)
    for text in ("a paragraph &amp; more", "net &amp; more", "It is &lt;fast&gt;.", "some &amp; any", "a &lt; b", "its caption",
                 "what the table says", "unfolded", "left", "right"):  # fmt: skip
        assert text in html, text
    assert "alert(1)</script>" not in html


def test_nothing_is_fetched():
    html = render(page(TABLE, figure()))
    assert not re.search(r"https?://|@import", html)
    elements = Elements(html)
    assert all(set(attributes) & {"src"} == set() for _, attributes in elements.found)
    # The browser is told so as well.
    (policy,) = (m["content"] for m in elements.of("meta") if m.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")


def test_the_data_is_in_the_page_as_it_was():
    html = render(page())
    (text,) = re.findall(r'<script type="application/json" id="record">(.*?)</script>', html, re.DOTALL)
    assert json.loads(text) == page().data
    assert 'download="net.json"' in html


def test_data_that_json_lacks_is_refused():
    with pytest.raises(ValueError, match="Out of range float"):
        render(page(data={"time": float("nan")}))


def test_ids_differ_over_the_whole_page():
    elements = Elements(render(page(figure(), figure(), TABLE, TABLE, Gallery([figure()], filter="Filter"))))
    ids = [attributes["id"] for _, attributes in elements.found if "id" in attributes]
    assert len(ids) == len(set(ids)) > 10
    for _, attributes in elements.found:
        for name in ("aria-controls", "data-filter", "aria-labelledby"):
            assert set(attributes.get(name, "").split()) <= set(ids)
    targets = [a["href"].removeprefix("#") for a in elements.of("a") if "href" in a]
    assert "a-section-of-many" in targets and set(targets) <= set(ids)


def test_cells_tell_what_they_are_sorted_by_and_what_they_mean():
    elements = Elements(render(page(TABLE)))
    cells = elements.of("td")
    assert {"class": "good number", "data-value": "0.001"} in cells
    assert {"class": "minor wrap"} in cells
    assert [h.get("title") for h in elements.of("th") if h.get("scope") == "col"] == [None, "of a call", None]


def test_only_lines_with_details_unfold():
    elements = Elements(render(page(TABLE)))
    assert sum(b.get("class") == "fold" for b in elements.of("button")) == 1
    assert [row for row in elements.of("tr") if row.get("class") == "details"] == [{"class": "details", "id": "t1-1"}]


def test_pages_name_the_extra_where_a_package_is_missing(monkeypatch):
    require_packages()
    monkeypatch.setitem(sys.modules, "jinja2", None)
    for call in (require_packages, lambda: render(page())):
        with pytest.raises(MissingExtraError, match=r"jinja2 is not installed; pip install \"fastconv\[report\]\""):
            call()
