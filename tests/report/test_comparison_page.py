"""The page of a comparison: its parts, its figures, what they say in words."""

import dataclasses
import re

import pytest

from comparison_examples import ROWS, comparison, measured, refused, row, with_everything, with_peers
from fastconv.report.comparison_page import comparison_page, file_name
from fastconv.report.figures.bars import layer_bars, total_bars
from fastconv.report.figures.roofline import roofline
from fastconv.report.figures.style import family, look
from fastconv.report.figures.tradeoff import error_tradeoff, workspace_tradeoff
from fastconv.report.figures.winner_map import kernel_kind, winner_maps
from fastconv.report.page import Table, render
from fastconv.report.tables import load_layers
from fastconv.selection.rates import Peaks

PEAKS = Peaks(1, 1e11, {"L2": 9e10, "L3": 8e10, "memory": 2e10})


def described(figure):
    return re.search(r"<desc[^>]*>(.*?)</desc>", figure.svg)[1]


def hints(figure):
    return re.findall(r"<g><title>(.*?)</title>", figure.svg, re.DOTALL)


def section(page, title):
    return next(s for s in page.sections if s.title.startswith(title))


def layer_table(page):
    return next(block for block in section(page, "Layers").blocks if isinstance(block, Table))


# -- figures --------------------------------------------------------------------------------------------------------------


def test_bars_show_every_time_fastest_first_and_the_chosen_one():
    figure = layer_bars(comparison(), ROWS[0])
    assert figure.title == "first" and figure.subtitle == "1x3x32x32,8x3x3,p1"
    assert described(figure) == "Times, fastest first: tiles 1.00 ms (chosen), im2col 2.00 ms, direct 4.00 ms."
    assert ">1.00 ms \u2713</text>" in figure.svg
    assert "im2col: 2.00 ms, 2.00 of the chosen one's; the typical round 10% slower" in hints(figure)[1]
    # One bar in the colour of what is chosen, the others in another.
    assert len(re.findall(r"fill: var\(--accent\)", figure.svg)) == 1
    assert len(re.findall(r"fill: var\(--muted\)", figure.svg)) == 2


def test_bars_of_other_libraries_and_of_what_may_not_be_used_are_hollow():
    whole = with_peers()
    figure = layer_bars(whole, whole.rows[0])
    assert len(re.findall(r"fill: none; [^\"]*stroke: var\(--muted\); stroke-linejoin", figure.svg)) == 2
    rows = [row("a", "1x3x8x8,8x3x3", 1, None, measured("good", 1e-3), measured("coarse", 5e-4, kind="precision", reason="no"))]
    figure = layer_bars(comparison(*rows), rows[0])
    assert "stroke-dasharray" in figure.svg and "may not be used" in hints(figure)[0]


def test_a_layer_without_times_has_no_bars():
    assert layer_bars(comparison(), row("a", "1x3x8x8,8x3x3", 1, None, refused("tiles", "no"))) is None


def test_total_bars_tell_what_is_completed_by_another():
    figure = total_bars(comparison())
    assert "tiles * 6.00 ms" in described(figure) and "else im2col" in figure.caption
    assert "fastest per layer 6.00 ms (chosen)" in described(figure)


def test_tradeoffs_mark_what_no_other_beats_in_both():
    rows = [
        row("a", "1x3x8x8,8x3x3", 1, None, measured("fast", 1e-3, error=1e-6, workspace=4096),
            measured("exact", 2e-3, error=1e-8, workspace=8192), measured("bad", 3e-3, error=1e-7, workspace=2**20)),
    ]  # fmt: skip
    assert rows[0].front("error") == ["fast", "exact"] and rows[0].front("workspace") == ["fast"]
    figure = error_tradeoff(comparison(*rows))
    assert described(figure).endswith("fronts an algorithm is: fast 1, exact 1.")
    assert "a: bad, 3.00x, error 1.0e-07" in hints(figure)
    assert "exact 1" not in described(workspace_tradeoff(comparison(*rows)))


def test_tradeoffs_leave_out_what_is_hopeless_or_unknown():
    rows = [row("a", "1x3x8x8,8x3x3", 1, None, measured("fast", 1e-3, error=None), measured("slow", 1.0, error=None))]
    assert error_tradeoff(comparison(*rows)) is None
    assert len(hints(workspace_tradeoff(comparison(*rows)))) == 1


def test_the_roofline_needs_measured_peaks_and_names_them():
    assert roofline(comparison()) is None
    figure = roofline(comparison(peaks=PEAKS))
    assert "100 GFLOP/s" in described(figure) and "memory 20 GB/s" in figure.caption
    first = ROWS[0].layer.problem
    assert f"{first.flops / first.bytes:.0f} operations per byte" in hints(figure)[0]
    assert "third-level cache 80 GB/s" in figure.svg
    assert "fastest peer" in roofline(dataclasses.replace(with_peers(), peaks=PEAKS)).svg


def test_an_empty_batch_has_no_place_under_a_roof():
    empty = row("a", "0x3x8x8,8x3x3", 1, None, measured("fast", 1e-3))
    assert roofline(comparison(empty, peaks=PEAKS)) is None
    render(comparison_page(comparison(empty, empty, peaks=PEAKS)))


def test_winners_are_mapped_by_kernel_channels_and_image():
    maps = winner_maps(comparison())
    assert [figure.title for figure in maps] == ["1x1", "3x3", "5x5"]
    assert hints(maps[1]) == ["1x3x32x32,8x3x3,p1: tiles, im2col 2.00x"]
    assert ">tiles</text>" in maps[1].svg and ">2.0x</text>" in maps[1].svg


def test_a_cell_of_several_layers_shows_the_one_with_most_work():
    rows = [
        row("small", "1x8x16x16,8x3x3,p1", 1, None, measured("a", 1e-3), measured("b", 2e-3)),
        row("large", "1x8x16x16,64x3x3,p1", 1, None, measured("a", 2e-3), measured("b", 1e-3)),
    ]
    (figure,) = winner_maps(comparison(*rows))
    assert ">b +</text>" in figure.svg and len(hints(figure)) == 1


@pytest.mark.parametrize(
    "shape, kind",
    [
        ("1x8x9x9,8x3x3,s2,p1", "3x3, stride 2"),
        ("1x8x9x9,8x3x3,p1,g8", "3x3 depthwise"),
        ("1x8x9x9,8x3x3,p2,d2,g4", "3x3, 4 groups, dilation 2"),
        ("1x8x9x9,8x1x7,s1x2", "1x7, stride 1x2"),
    ],
)
def test_kernels_that_differ_in_more_than_size_have_a_map_each(shape, kind):
    (layer,) = load_layers(shape)
    assert kernel_kind(layer.problem) == kind


def test_members_of_a_family_share_a_colour_and_differ_in_their_markers():
    names = ("winograd4x4", "winograd4x4_5x5", "im2col", "mine", "yours_2x2")
    assert [family(name) for name in names] == ["winograd", "winograd", "im2col", "mine", "yours"]
    looks = [look(name, names) for name in names]
    assert looks[0][0] == looks[1][0] != looks[2][0] and looks[0][1] != looks[1][1]
    assert look("PyTorch", names) not in looks


# -- the page -------------------------------------------------------------------------------------------------------------


def test_the_summary_can_be_quoted_alone():
    text = comparison_page(with_everything()).summary
    assert "A processor <fast> & hot, avx2, 1 thread" in text and "no algorithm was timed on some layer" in text
    text = comparison_page(with_peers()).summary
    assert text.endswith(
        "the 4 convolutions of net (forward, float32, NCHW, batch 1) take 6.00 ms with the fastest algorithm for each layer: "
        "1.17x faster than with im2col alone, 1.75x faster than the fastest of PyTorch and ONNX Runtime for each layer."
    )


def test_every_layer_unfolds_to_what_was_timed_and_what_was_rejected():
    lines = layer_table(comparison_page(with_peers())).lines
    assert [line.cells[0] for line in lines] == ["first", "point", "last"]
    text, timed, rejected = lines[1].details
    assert "The heuristic picks direct" in text.text
    assert [line.cells[0].text for line in timed.lines] == ["im2col", "direct", "PyTorch", "ONNX Runtime"]
    assert [cell.text for cell in timed.lines[0].cells[1:4]] == ["1.00 ms", "10%", "1.00"]
    assert [line.cells for line in rejected.lines] == [["tiles", "unsupported", "the kernel is 1x1, not 3x3"]]


def test_a_layer_that_nothing_can_do_has_a_row_and_its_reasons():
    line = layer_table(comparison_page(with_everything())).lines[3]
    assert line.cells[3:] == ["-"] * 6
    assert line.details[-1].lines[0].cells[-1] == "denied </script> & more"


def test_what_there_is_nothing_to_show_of_is_left_out():
    page = comparison_page(comparison(ROWS[0]))
    assert "Network" not in [s.title for s in page.sections]
    assert "roofline" not in render(page).lower()


def test_the_page_holds_peers_environment_and_data():
    page = comparison_page(with_everything())
    assert page.environment["PyTorch"] == "1.0" and page.facts["left out"] == "OpenVINO: openvino is not installed"
    assert page.data == with_everything().as_dict() and page.data_name == "net.json"
    html = render(page)
    assert "denied &lt;/script&gt; &amp; more" in html and html.count("</script>") == 2


def test_names_of_files_are_made_of_titles():
    assert file_name("resnet50") == "resnet50"
    assert file_name("1x64x56x56,64x3x3,p1") == "1x64x56x56-64x3x3-p1"
    assert file_name("../a b/c") == "a-b-c"
    assert file_name("...") == "comparison"
