"""What changed between two comparisons: verdicts, matching, circumstances; as text, data and page."""

import dataclasses
import json

import pytest

from comparison_examples import ROWS, changed, comparison, measured, refused, row, with_everything, with_peers
from fastconv.errors import InvalidArgumentError
from fastconv.report.change_page import change_page
from fastconv.report.change_text import format_change
from fastconv.report.changes import FLOOR, Difference, change
from fastconv.report.figures.ratios import ratios
from fastconv.report.page import render
from fastconv.selection.rates import Peaks


@pytest.mark.parametrize(
    "before, after, spreads, verdict",
    [
        (1.0, 1.2, (0.1, 0.1), "slower"),
        (1.2, 1.0, (0.1, 0.1), "faster"),
        # Within the spread of the faster one, whichever it is.
        (1.0, 1.2, (0.3, 0.0), "same"),
        (1.0, 1.2, (0.0, 0.3), "slower"),
        (1.2, 1.0, (0.0, 0.3), "same"),
        # Whatever the spreads, runs lie a little apart.
        (1.0, 1 + 0.9 * FLOOR, (0.0, 0.0), "same"),
        (1.0, 1.2, (None, None), "slower"),
        (1.0, 1.0, (0.1, 0.1), "same"),
    ],
)
def test_times_differ_beyond_noise_if_their_intervals_are_apart(before, after, spreads, verdict):
    a, b = (measured("x", seconds, spread=spread) for seconds, spread in zip((before, after), spreads, strict=True))
    assert Difference("x", a, b).verdict == verdict


def test_layers_are_matched_by_name_and_problem():
    before = comparison(*ROWS, row("old", "1x3x8x8,8x3x3", 1, "a", measured("a", 1e-3)))
    after = comparison(ROWS[1], row("last", "1x16x32x32,16x3x3,p1", 1, "a", measured("a", 1e-3)))
    found = change(before, after)
    assert [layer.label for layer in found.layers] == ["point"]
    assert found.only_before == ("first 1x3x32x32,8x3x3,p1", "last 1x16x32x32,16x5x5,p2", "old 1x3x8x8,8x3x3")
    assert found.only_after == ("last 1x16x32x32,16x3x3,p1",)
    text = format_change(found)
    assert "only in before: first" in text and "only in after: last" in text


def test_records_without_a_common_layer_say_what_they_are_of():
    nhwc = [dataclasses.replace(r, layer=dataclasses.replace(r.layer, problem=r.layer.problem.replace(memory_format="nhwc")))
            for r in ROWS]  # fmt: skip
    with pytest.raises(InvalidArgumentError, match=r"a\.json \(net, forward, float32, nchw, batch 1\) and b\.json .*nhwc"):
        change(comparison(), comparison(*nhwc), ("a.json", "b.json"))


def test_the_ratio_is_the_geometric_mean_of_the_best_times():
    found = change(comparison(), changed())
    assert found.ratio == pytest.approx((0.5 * 1 * 1.07) ** (1 / 3))
    assert found.verdicts() == {"faster": 1, "slower": 0, "same": 2}
    assert [layer.new_winner for layer in found.layers] == [True, False, False]


def test_a_winner_within_noise_is_no_other_winner():
    near = row("a", "1x3x8x8,8x3x3", 1, None, measured("x", 1e-3), measured("y", 1.02e-3))
    swapped = row("a", "1x3x8x8,8x3x3", 1, None, measured("x", 1.02e-3), measured("y", 1e-3))
    gone = row("a", "1x3x8x8,8x3x3", 1, None, refused("x", "denied"), measured("y", 1.02e-3))
    far = row("a", "1x3x8x8,8x3x3", 1, None, measured("x", 1e-3), measured("y", 2e-3))
    assert not change(comparison(near), comparison(swapped)).layers[0].new_winner
    assert not change(comparison(near), comparison(gone)).layers[0].new_winner
    assert change(comparison(far), comparison(gone)).layers[0].new_winner


def test_algorithms_are_compared_where_both_timed_them():
    found = change(comparison(), changed()).by_algorithm()
    assert found["all"][1] == 7
    assert found["tiles"] == (1.0, 1, 0, 0)
    ratio, count, faster, slower = found["im2col"]
    assert ratio == pytest.approx((0.25 * 1 * 1.07) ** (1 / 3)) and (count, faster, slower) == (3, 1, 0)
    assert change(with_peers(), with_peers(3.0, 2.0)).by_algorithm()["PyTorch"][:2] == (pytest.approx(2.0), 3)


def test_what_differs_between_the_runs_is_named():
    after = dataclasses.replace(
        with_everything(),
        settings={"threads": 2, "dtype": "float32"},
        peaks=Peaks(2, 2e11, {"L2": 1, "L3": 8.1e10, "memory": 4e10}),
    )
    found = change(with_everything(), after).circumstances
    assert found == {"threads": (1, 2), "peak GFLOP/s": ("100", "200"), "memory GB/s": ("20", "40")}
    dated = dataclasses.replace(comparison(), environment={"python": "3", "date": "today"})
    assert change(comparison(), dated).circumstances == {}
    assert "settings and environment are the same" in format_change(change(comparison(), dated))


def test_the_text_says_what_changed_beyond_noise():
    text = format_change(change(comparison(), changed(), ("a.json", "b.json")), details=True)
    flat = " ".join(text.split())
    assert flat.startswith(
        "b.json is 1.23x faster than a.json: geometric mean of the fastest algorithm's time over 3 layers. "
        "Beyond noise 1 of them are faster and 0 slower. 1 layer has another fastest algorithm."
    )
    line = next(line for line in text.splitlines() if line.startswith("first  tiles -> im2col"))
    assert line.split()[-8:] == ["500", "us", "0.50", "10%", "10%", "faster,", "other", "algorithm"]
    assert "first  im2col     2.00 ms  500 us   0.25" in text
    assert max(map(len, text.splitlines())) <= 118


def test_nothing_beyond_noise_is_said_so():
    text = format_change(change(comparison(), comparison()), details=True)
    assert "after is as fast as before" in text and "No layer differs beyond noise." in " ".join(text.split())
    assert "no algorithm's time changed beyond noise" in text


def test_layers_that_were_not_timed_are_no_obstacle():
    nothing = comparison(row("a", "1x3x8x8,8x3x3", 1, None, refused("x", "denied")))
    found = change(nothing, nothing)
    assert found.ratio is None and "no layer was timed in both" in format_change(found)
    assert ratios(found) is None
    render(change_page(found))


def test_data_is_plain_and_complete():
    found = change(comparison(), changed(), ("a", "b"))
    data = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert data["schema"] == "fastconv.comparison_change/1"
    first = data["layers"][0]
    assert first["winner"] == {"before": "tiles", "after": "im2col", "changed": True}
    assert first["best"]["verdict"] == "faster" and first["algorithms"]["im2col"]["ratio"] == pytest.approx(0.25)
    assert data["geometric_mean_ratio"] == pytest.approx(found.ratio)


def test_the_page_shows_ratios_layers_and_runs():
    found = change(comparison(), changed(), ("a.json", "b.json"))
    page = change_page(found)
    html = render(page)
    assert "0.50 faster" in html and "tiles \u2192 im2col" in html
    assert "Beyond noise: first 0.50." in html
    assert page.data_name == "a-b.json" and "b.json is 1.23x faster than a.json" in page.summary
