"""Displays in notebooks: well-formed, escaped, of the page's own colours."""

import math
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

import fastconv as fc
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


def cells(text):
    """The rows of all tables of a display, as text."""
    return [["".join(cell.itertext()) for cell in row] for row in parsed(text).iter("tr")]


def test_a_plan_shows_its_explanation():
    plan = fc.plan(fc.ConvProblem.parse("1x4x6x6,4x3x3"), algorithm="im2col")
    assert plan._repr_html_() == plan.explain()._repr_html_()
    assert [row[1] for row in cells(plan._repr_html_())[1:]] == list(fc.algorithms.names())


def test_a_history_shows_its_curves_and_its_best_epoch():
    history = fc.training.History()
    for epoch, (loss, accuracy, val_loss) in enumerate([(2.0, math.nan, 2.5), (1.0, math.nan, 1.25), (0.5, math.nan, 1.5)]):
        history.add_step({"epoch": epoch, "loss": loss, "grad_norm": 1.0 + epoch})
        # Looked at every other step.
        history.add_step({"epoch": epoch, "loss": loss})
        history.add_epoch({"epoch": epoch, "loss": loss, "accuracy": accuracy, "val_loss": val_loss, "lr": 0.1})
    text = history._repr_html_()
    titles = [title.text.split(",")[0] for title in parsed(text).iter("figcaption")]
    assert titles == ["loss by epoch", "lr by epoch", "grad norm by step"] and text.count("<polyline") == 4
    assert ["val_loss", "2.5", "1.5", "1.25 in epoch 2"] in cells(text) and "3 epochs, 6 steps" in text
    assert "nan" not in text


@pytest.mark.parametrize("options", [{}, {"activations": False, "weights": False}])
def test_a_monitor_shows_parameters_and_layers(options):
    network = fc.nn.CNN([fc.nn.Dense(4, name="a<b"), fc.nn.ReLU(), fc.nn.Dense(2)], rng=0)
    monitor = fc.training.Monitor(every=1, **options)
    parsed(monitor._repr_html_())
    x, y = np.eye(4, dtype=np.float32), np.array([0, 1, 0, 1])
    network.fit(x, y, optimizer=fc.optim.SGD(lr=0.5), callbacks=[monitor], rng=0, verbose=False)
    rows = {row[0]: row[1:] for row in cells(monitor._repr_html_())}
    assert rows["a<b.weight"][0] == f"{monitor.gradients['a<b.weight'][-1]:.3g}"
    assert ("relu" in rows) == bool(monitor.activations)
    if monitor.weights:
        assert rows["a<b.weight"][-1] == f"{monitor.weights['a<b.weight']['update_ratio'][-1]:.3g}"


def test_displays_before_any_training():
    assert "0 epochs" in fc.training.History()._repr_html_()
