"""Displays in notebooks: well-formed, escaped, of the page's own colours."""

import math
import re
import xml.etree.ElementTree as ET

import pytest

from fastconv.notebook import curves, table


def parsed(text):
    """HTML that is XML as well, but for the entities of HTML."""
    return ET.fromstring(f"<div>{text.replace('&nbsp;', ' ').replace('&mdash;', '-').replace('<br>', '<br/>')}</div>")


def test_a_table_holds_what_is_given_as_text():
    tree = parsed(table(["a", "<b>"], [["x & y", '"1"'], ["<script>", "2"]], caption="one\n<two>", bold=[1], notes=["<note>"]))
    assert ["".join(cell.itertext()) for cell in tree.iter("th")] == ["a", "<b>"]
    assert [[cell.text for cell in row.iter("td")] for row in tree.iter("tr")][1:] == [["x & y", '"1"'], ["<script>", "2"]]
    assert "".join(tree.find(".//caption").itertext()) == "one<two>" and tree.find("p").text == "<note>"
    rows = list(tree.iter("tr"))
    assert ["bold" in row.get("style", "") for row in rows] == [False, False, True]
    assert [cell.get("style") for cell in rows[1]] == ["text-align: left", "text-align: right"]


def test_a_table_without_a_header_has_none():
    assert parsed(table([], [["a", "b"]])).find(".//thead") is None


def points(tree):
    return [[tuple(map(float, p.split(","))) for p in line.get("points").split()] for line in tree.iter("polyline")]


def test_curves_go_down_where_values_do_and_end_at_the_edges():
    tree = parsed(curves("loss <1>", {"training": [4.0, 2.0, 1.0], "validation": [3.0, 3.0, 1.0]}))
    first, second = points(tree)
    assert [y for _, y in first] == sorted(y for _, y in first) and second[0][1] == second[1][1]
    assert first[-1] == second[-1] and first[0][0] == second[0][0]
    assert "loss <1>, from 1 to 4" in "".join(tree.itertext()) and "validation 1" in "".join(tree.itertext())


def test_what_is_not_finite_is_a_gap_and_a_lone_value_a_dot():
    tree = parsed(curves("loss", {"a": [1.0, 2.0, math.nan, 3.0, math.inf, 2.0, 1.0]}))
    assert [len(run) for run in points(tree)] == [2, 2] and len(list(tree.iter("circle"))) == 1


@pytest.mark.parametrize("lines", [{}, {"a": []}, {"a": [math.nan]}, {"a": [1.0]}, {"a": [2.0, 2.0]}])
def test_curves_of_little_or_nothing_are_drawn(lines):
    text = curves("x", lines)
    parsed(text)
    assert "nan" not in re.sub(r"<div>.*", "", text)


def test_nothing_is_loaded_and_no_colour_of_the_page_is_taken_for_granted():
    text = table(["a"], [["b"]]) + curves("x", {"a": [1.0, 2.0]})
    assert not re.search(r"https?:|<script|background|#000|#fff|black|white", text)
