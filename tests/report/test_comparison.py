import json

import pytest

from comparison_examples import ROWS, comparison, measured, row, with_everything, with_peers
from fastconv.algorithms import names
from fastconv.report.comparing import compare
from fastconv.report.comparison import Measurement
from fastconv.report.tables import load_layers
from fastconv.selection.measure import survey
from fastconv.threads import num_threads


def totals(c):
    return {t.policy: t for t in c.totals()}


def test_winner_is_the_fastest_algorithm_that_may_be_used():
    r = row(
        "a", "1x3x8x8,8x3x3", 1, None, measured("fast", 1e-3, reason="its error bound is too large"), measured("slow", 2e-3)
    )
    assert r.winner.algorithm == "slow"
    assert r.slowdown("fast") == 0.5
    assert r["fast"].seconds == 1e-3


def test_an_algorithm_that_was_not_asked_has_no_time():
    assert ROWS[0]["other"] == Measurement("other")
    assert ROWS[0].slowdown("other") is None
    assert ROWS[0].gflops("other") is None


def test_totals_count_each_layer_as_often_as_it_occurs():
    t = totals(comparison())
    assert t["best"].seconds == pytest.approx(1e-3 + 2 * 1e-3 + 3e-3)
    assert t["im2col"].seconds == pytest.approx(2e-3 + 2 * 1e-3 + 3e-3)
    assert t["direct"].seconds == pytest.approx(4e-3 + 2 * 1.2e-3 + 6e-3)
    assert t["heuristic"].seconds == pytest.approx(1e-3 + 2 * 1.2e-3 + 6e-3)


def test_an_algorithm_that_cannot_do_all_is_completed_by_the_baseline():
    t = totals(comparison())["tiles"]
    assert t.seconds == pytest.approx(1e-3 + 2 * 1e-3 + 3e-3)
    assert (t.fallback, t.convolutions) == ("im2col", 1)
    assert totals(comparison())["direct"].fallback is None


def test_speed_ups_are_relative_to_im2col_else_to_the_last_that_does_everything():
    c = comparison()
    assert c.baseline == "im2col"
    assert totals(c)["best"].speedup == pytest.approx(7 / 6)
    denied = [row("a", "1x3x8x8,8x3x3", 1, None, Measurement("im2col", reason="denied"), measured("direct", 1e-3))]
    assert comparison(*denied).baseline == "direct"


def test_the_baseline_need_not_be_allowed_but_the_fallback_must():
    c = comparison(
        row("a", "1x3x8x8,8x3x3", 1, "direct", measured("im2col", 4e-3, reason="too inaccurate"), measured("direct", 1e-3))
    )
    assert (c.baseline, c.fallback) == ("im2col", "direct")
    assert totals(c)["direct"].speedup == pytest.approx(4)
    assert "im2col" not in totals(c)


def test_totals_are_fastest_first_and_the_best_leads():
    c = comparison()
    assert [t.seconds for t in c.totals()] == sorted(t.seconds for t in c.totals())
    assert c.totals()[0].policy == "best"


def test_wins_count_convolutions():
    assert comparison().wins() == {"im2col": 3, "tiles": 1}


def test_good_picks_are_the_fastest_or_nearly():
    assert [r.layer.name for r in comparison().good_picks()] == ["first", "point"]


def test_a_layer_without_winner_has_no_totals():
    assert comparison(row("a", "1x3x8x8,8x3x3", 1, None, Measurement("direct", reason="denied"))).totals() == []


def test_data_is_plain_and_complete():
    data = json.loads(json.dumps(comparison().as_dict(), allow_nan=False))
    assert data["schema"] == "fastconv.comparison/1"
    point = data["layers"][1]
    assert (point["name"], point["winner"], point["heuristic"], point["occurrences"]) == ("point", "im2col", "direct", 2)
    tiles, im2col, direct = point["algorithms"]
    assert tiles["seconds"] is None and tiles["reason"] == "the kernel is 1x1, not 3x3"
    assert im2col["gflops"] == pytest.approx(point["flops"] / 1e-3 / 1e9)
    assert direct["slowdown"] == pytest.approx(1.2)
    assert {"workspace", "error", "error_bound", "pack_seconds", "predicted_seconds", "spread"} <= direct.keys()


@pytest.mark.parametrize("memory_format", ["nchw", "nhwc"])
def test_every_registered_algorithm_is_timed_or_has_a_reason(memory_format):
    layers = load_layers("1x4x9x10,6x3x3,p1", direction="train", memory_format=memory_format)
    seen = []
    with num_threads(1):
        result = compare(layers, seconds=0.01, passes=2, progress=lambda items: seen.append(items) or items)
    assert seen == [layers * 2]
    for r in result.rows:
        assert tuple(m.algorithm for m in r.measurements) == names()
        assert r.heuristic in names()
        for m in r.measurements:
            assert m.seconds is not None or m.reason is not None
            if m.seconds is not None:
                assert m.seconds > 0
                assert m.error <= m.error_bound


def test_other_libraries_have_totals_and_are_no_algorithms():
    c = with_peers()
    assert c.algorithms == ("tiles", "im2col", "direct") and c.wins() == comparison().wins()
    t = totals(c)
    assert t["PyTorch"].seconds == pytest.approx(1.5 * 7e-3) and t["PyTorch"].peer
    assert t["best peer"].seconds == t["PyTorch"].seconds and not t["im2col"].peer
    assert c.rows[0].best_peer.algorithm == "PyTorch"
    assert c.rows[0].slowdown("PyTorch") == pytest.approx(3.0)
    data = json.loads(json.dumps(c.as_dict()))
    assert data["layers"][0]["peers"][0]["slowdown"] == pytest.approx(3.0) and data["peers"] == {
        "PyTorch": "1.0",
        "ONNX Runtime": "1.0",
    }


def test_chosen_is_the_fastest_or_the_first_of_those_nearly_as_fast():
    layers = load_layers("1x4x9x10,6x3x3,p1")
    with num_threads(1):
        (found,) = compare(layers, seconds=0.01, passes=1).rows
    assert found.slowdown(found.chosen) <= 1.02


def test_passes_add_up_and_share_the_time(monkeypatch):
    seen = []
    monkeypatch.setattr(
        "fastconv.report.comparing.survey", lambda problem, **options: seen.append(options) or survey(problem, **options)
    )
    with num_threads(1):
        (found,) = compare(load_layers("1x4x9x10,6x3x3,p1"), seconds=0.03, passes=3).rows
    assert [options["seconds"] for options in seen] == [pytest.approx(0.01)] * 3
    assert [options["earlier"] is None for options in seen] == [True, False, False]
    assert all(m.error is not None for m in found.measurements if m.seconds is not None)


def test_a_notebook_shows_the_summary_and_a_line_for_each_layer():
    html = with_everything()._repr_html_()
    assert html.count("<tr>") == 6 and "A processor &lt;fast&gt; &amp; hot" in html
    assert ">3.00x PyTorch</td>" in html
    assert "fastest peer" not in comparison()._repr_html_()
