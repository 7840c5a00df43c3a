import re
from dataclasses import replace

import pytest

from comparison_examples import ROWS, comparison, measured, row, with_peers
from fastconv.report.comparison import Measurement
from fastconv.report.quantities import seconds_text
from fastconv.report.text import WIDTH, format_comparison, format_heuristic, format_layer, format_table


def line_of(text, start):
    return next(line for line in text.splitlines() if line.startswith(start))


def test_each_layer_shows_its_fastest_algorithm_and_the_next():
    line = line_of(format_comparison(comparison()), "first").split()
    assert line[:6] == ["first", "1x3x32x32,8x3x3,p1", "1", "tiles", "1.00", "ms"]
    assert line[-2:] == ["2.00x", "im2col"]


def test_each_algorithm_shows_its_time_relative_to_the_fastest_or_its_reason():
    matrix = format_comparison(comparison()).split("time relative")[1]
    assert line_of(matrix, "first").split() == ["first", "best", "2.00x", "4.00x"]
    number = re.search(r"\((\d+)\) tiles: the kernel is 1x1, not 3x3", matrix)[1]
    assert line_of(matrix, "point").split() == ["point", f"({number})", "best", "1.20x"]
    assert "tiles: the kernel is 5x5, not 3x3" in matrix


def test_reasons_that_differ_in_quantities_only_are_given_once():
    rows = [
        row(
            str(n),
            "1x3x32x32,8x3x3,p1",
            1,
            "direct",
            measured("direct", 1e-3),
            measured("tiles", 1e-3, reason=f"needs {n} bytes of 4096"),
        )
        for n in (200000, 300000)
    ]
    text = format_comparison(comparison(*rows))
    assert "(1) tiles: needs 200000..300000 bytes of 4096" in text
    assert "(2)" not in text


def test_an_algorithm_that_does_no_layer_has_no_column():
    rows = [
        row(n, "1x3x32x32,8x3x3,p1", 1, "direct", Measurement("fft", reason="small"), measured("direct", 1e-3)) for n in "ab"
    ]
    text = format_comparison(comparison(*rows))
    assert "fft, on no layer: small" in text
    assert line_of(text.split("time relative")[1], "a").split() == ["a", "best"]


def test_totals_name_the_policies_and_the_speed_up():
    text = format_comparison(comparison())
    assert line_of(text, "the fastest for each layer").split()[-5:] == ["6.00", "ms", "2", "1.17x", "4"]
    assert "tiles, else im2col" in text
    assert "take 6.00 ms with the fastest algorithm for each layer: 1.17x faster than with im2col alone." in " ".join(
        text.split()
    )
    assert "im2col 3, tiles 1 of 4 convolutions" in " ".join(text.split())


def test_a_layer_in_full_shows_every_algorithm_and_why_others_cannot():
    text = format_layer(ROWS[1])
    assert line_of(text, ">").split()[1] == "im2col"
    assert "not used: tiles: the kernel is 1x1, not 3x3" in text
    assert "2.00 KB" in text and "1e-07" in text and "1.20x" in text


def test_details_show_every_layer_in_full():
    text = format_comparison(comparison(), details=True)
    assert all(format_layer(r) in text for r in ROWS)


def test_a_single_layer_is_shown_in_full_without_totals():
    text = format_comparison(comparison(ROWS[0]))
    assert format_layer(ROWS[0]) in text
    assert "the fastest for each layer" not in text


def test_directions_are_told_apart():
    back = replace(ROWS[0], layer=replace(ROWS[0].layer, problem=ROWS[0].layer.problem.replace(direction="weight_grad")))
    text = format_comparison(comparison(ROWS[0], back))
    assert "first y " in text and "first dw " in text


@pytest.mark.parametrize("algorithms", [3, 30])
def test_lines_fit_the_width(algorithms):
    others = [measured(f"algorithm{i}", 1e-3 * (i + 1), reason="no " * 60 if i % 2 else None) for i in range(algorithms)]
    rows = [row(f"layer_{i}", "32x128x112x112,128x3x3,p1", 3, "algorithm0", *others) for i in range(3)]
    for details in (False, True):
        assert max(map(len, format_comparison(comparison(*rows), details).splitlines())) <= WIDTH


def test_a_layer_that_nothing_can_do_leaves_no_total():
    text = format_comparison(comparison(ROWS[0], row("none", "1x3x8x8,8x3x3", 1, None, Measurement("tiles", reason="denied"))))
    assert "no totals" in text


def test_heuristic_lists_the_rows_it_misses():
    lines = format_heuristic(comparison()).splitlines()
    assert lines[0].startswith("heuristic: 2 of 3 rows (67%)")
    assert lines[1:] == ["  last (1x16x32x32,16x5x5,p2): direct, 2.00x slower than im2col"]


@pytest.mark.parametrize(
    "seconds, text",
    [
        (None, "-"),
        (1.5, "1.50 s"),
        (0.99999, "1.00 s"),
        (0.01234, "12.3 ms"),
        (1e-3, "1.00 ms"),
        (99.96e-6, "100 us"),
        (5e-7, "0.50 us"),
    ],
)
def test_seconds_have_three_digits_and_a_unit(seconds, text):
    assert seconds_text(seconds) == text


def test_columns_are_as_wide_as_their_widest_cell():
    assert format_table(["a", "bb"], [["ccc", "1"]], "l") == "a    bb\n---  --\nccc   1"


def test_other_libraries_stand_beside_the_algorithms():
    text = format_comparison(with_peers())
    assert line_of(text, "first").split()[-2:] == ["3.00x", "PyTorch"]
    matrix = text.split("time relative to the fastest algorithm of fastconv")[1]
    assert line_of(matrix, "layer").split("  ")[-2:] == ["PyTorch", "ONNX Runtime"]
    assert line_of(matrix, "point").split()[-2:] == ["1.50x", "2.00x"]
    assert "OpenVINO is left out: openvino is not installed" in text
    assert line_of(text, "the fastest peer for each layer").split()[-5:] == ["10.5", "ms", "1", "0.67x", "4"]
    assert "1.75x faster than the fastest of PyTorch and ONNX Runtime for each layer." in " ".join(text.split())


def test_a_layer_in_full_ranks_other_libraries_with_the_algorithms():
    text = format_layer(with_peers().rows[1])
    assert [line.split()[0] for line in text.splitlines()[3:7]] == [">", "direct", "PyTorch", "ONNX"]


def test_a_layer_that_a_library_cannot_do_leaves_it_without_total():
    whole = with_peers()
    point = replace(
        whole.rows[1], peers=(whole.rows[1].peers[0], Measurement("ONNX Runtime", kind="failed", reason="raised X"))
    )
    text = format_comparison(replace(whole, rows=(whole.rows[0], point, whole.rows[2])))
    assert "ONNX Runtime: raised X" in text
    totals = text.split("4 convolutions")[1]
    assert "ONNX Runtime  " not in totals and "PyTorch" in totals


def test_single_other_library_is_named():
    whole = with_peers()
    rows = [replace(r, peers=r.peers[:1]) for r in whole.rows]
    text = " ".join(format_comparison(replace(whole, rows=tuple(rows), peers={"PyTorch": "1"})).split())
    assert "1.75x faster than PyTorch." in text and "fastest of" not in text
