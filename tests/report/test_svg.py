import re
import sys

import pytest

from fastconv.errors import MissingExtraError
from fastconv.report.svg import ACCENT, ID, SERIES, canvas, series, to_svg


def drawn(**hints):
    with canvas(300, 200) as drawing:
        axes = drawing.subplots()
        axes.plot([1, 2], [3, 4], color=series(0), gid="curve")
        axes.plot([1, 2], [4, 3], "o", color=ACCENT)
        axes.set(xlabel="x & y")
    return to_svg(drawing, "a <title>", "what it shows", hints)


def test_colours_are_variables_of_the_page():
    svg = drawn()
    assert {"var(--series-0)", "var(--accent)", "var(--ink)", "var(--line)"} <= set(re.findall(r"var\([^)]*\)", svg))
    # Nothing has a colour of its own: it would be right in one of light and dark only.
    assert not re.search(r"#[0-9a-fA-F]{6}|rgb\(|black|white", svg)


def test_series_repeat_after_the_last():
    assert len({series(i) for i in range(SERIES)}) == SERIES
    assert series(SERIES) == series(0)


def test_a_screen_reader_finds_a_title_and_a_description():
    svg = drawn()
    assert 'role="img"' in svg
    for name in re.search(r'aria-labelledby="([^"]*)"', svg)[1].split():
        assert f'id="{name}"' in svg
    assert ">a &lt;title&gt;</title>" in svg and ">what it shows</desc>" in svg


def test_ids_are_marked_and_what_refers_to_them_too():
    svg = drawn()
    ids = re.findall(r'\bid="([^"]*)"', svg)
    assert len(ids) == len(set(ids)) and all(name.startswith(ID) for name in ids)
    references = re.findall(r'(?:href="#|url\(#)([^")]*)', svg)
    assert references and set(references) <= set(ids)


def test_hints_are_titles_of_their_artists():
    assert "<g><title>a &amp; b</title>" in drawn(curve="a & b")


def test_text_stays_text_in_the_font_of_the_page():
    svg = drawn()
    assert ">x &amp; y</text>" in svg
    assert "font-family" not in svg and "<style" not in svg and "metadata" not in svg


def test_the_same_drawing_gives_the_same_file():
    assert drawn() == drawn()


def test_it_fits_the_width_it_is_shown_at():
    assert 'viewBox="0 0 300 200"' in drawn()
    assert not re.search(r"<svg[^>]* (width|height)=", drawn())


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"fastconv\[report\]"), canvas():
        pass
