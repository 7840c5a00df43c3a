"""Pages in a browser, at the width of a desktop and of a telephone; skipped where there is no Chromium."""

import json
import time

import pytest

import browser
from comparison_examples import changed, comparison, with_everything
from fastconv.report.change_page import change_page
from fastconv.report.changes import change
from fastconv.report.claims.page import findings_page
from fastconv.report.comparison_page import comparison_page
from fastconv.report.page import render
from fastconv.report.training_page import training_page
from report_examples import findings, training_run

pytestmark = pytest.mark.skipif(browser.EXECUTABLE is None, reason="no Chromium is installed")

WIDTHS = {"desktop": 1280, "telephone": 390}
# Every element that is drawn beyond the edge of the screen, but inside regions that scroll by themselves.
BEYOND = """
[...document.querySelectorAll("body *")].filter((e) => {
    const { left, right, width } = e.getBoundingClientRect();
    return width && !e.parentElement.closest(".scroll, svg") && (right > innerWidth + 0.5 || left < -0.5);
}).map((e) => e.outerHTML.slice(0, 80))
"""
# Texts of figures that their figure cuts off.
CUT = """
[...document.querySelectorAll("figure svg text")].filter((e) => {
    const text = e.getBoundingClientRect(), svg = e.closest("svg").getBoundingClientRect(), slack = 1;
    return text.width && (text.left < svg.left - slack || text.right > svg.right + slack || text.top < svg.top - slack
        || text.bottom > svg.bottom + slack);
}).map((e) => e.textContent)
"""


def page_of_comparison():
    return comparison_page(with_everything())


def page_of_change():
    return change_page(change(comparison(), changed(), ("a.json", "b.json")))


def page_of_training():
    return training_page(training_run())


def page_of_claims():
    return findings_page(findings(), {"CPU": "a CPU"})


PAGES = (page_of_comparison, page_of_change, page_of_training, page_of_claims)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    running = browser.Browser(tmp_path_factory.mktemp("browser"))
    yield running
    running.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    found = {}
    for make in PAGES:
        found[make] = folder / f"{make.__name__}.html"
        found[make].write_text(render(make()), encoding="utf-8")
    return found


@pytest.fixture
def tab(chromium, files):
    shown = chromium.open(files[page_of_comparison], WIDTHS["desktop"])
    yield shown
    shown.close()


def column(tab, number):
    """What a column of the table of layers shows, from top to bottom."""
    bodies = "[...document.querySelector('#layers table').tBodies].filter((body) => !body.hidden)"
    return tab.run(f"{bodies}.map((body) => body.rows[0].cells[{number}].textContent.trim())")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS.keys())
@pytest.mark.parametrize("make", PAGES)
def test_nothing_overflows_and_nobody_complains(chromium, files, make, width, dark):
    tab = chromium.open(files[make], width, dark=dark)
    assert tab.run("innerWidth") == width
    tab.run("document.querySelectorAll('.fold').forEach((b) => b.click())")
    assert tab.run("document.documentElement.scrollWidth") <= width
    assert tab.run(BEYOND) == []
    assert tab.run(CUT) == []
    assert tab.complaints() == []
    background = tab.run("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, background[4:-1].split(","))) < 3 * 128) == dark
    # Nothing but the page itself was asked for.
    assert all(e["request"]["url"].startswith(("file:", "data:")) for e in tab.events("Network.requestWillBeSent"))
    tab.close()


def test_a_click_on_a_header_sorts_and_another_turns_round(tab):
    assert column(tab, 0) == ["first", "point", "last", "none", "quick"]
    # Times by what they are: as text 900 us would come after 3 ms. What has none is last in both orders.
    time_header = "document.querySelector('#layers table').tHead.rows[0].cells[4].querySelector('button').click()"
    tab.run(time_header)
    assert column(tab, 4) == ["900 us", "1.00 ms", "1.00 ms", "3.00 ms", "-"]
    assert column(tab, 0)[3:] == ["last", "none"]
    tab.run(time_header)
    assert column(tab, 4) == ["3.00 ms", "1.00 ms", "1.00 ms", "900 us", "-"]
    assert tab.run("document.querySelector('#layers th[aria-sort=descending]').textContent.trim()") == "time"
    # Texts too, by any column.
    tab.run("document.querySelector('#layers table').tHead.rows[0].cells[0].querySelector('button').click()")
    assert column(tab, 0) == ["first", "last", "none", "point", "quick"]


def type_into(tab, section, text):
    tab.run(
        f"(() => {{ const i = document.querySelector('#{section} [data-filter]'); i.value = {json.dumps(text)};"
        f" i.dispatchEvent(new Event('input')); }})()"
    )


def test_a_filter_keeps_the_rows_that_hold_its_words(tab):
    type_into(tab, "layers", "1X8X32 im2col")
    assert column(tab, 0) == ["point"]
    assert tab.run("document.querySelector('#layers [role=status]').textContent") == "1 of 5"
    type_into(tab, "layers", "")
    assert len(column(tab, 0)) == 5


def test_a_filter_keeps_the_figures_whose_title_holds_its_words(tab):
    shown = "[...document.querySelectorAll('#times figure')].filter((f) => f.getClientRects().length).length"
    assert tab.run(shown) == 4
    type_into(tab, "times", "5x5")
    assert tab.run(shown) == 1


def test_a_row_unfolds_to_its_tuning_record(tab):
    shown = "document.querySelector('#layers .details').getClientRects().length"
    assert not tab.run(shown)
    tab.run("document.querySelector('#layers .fold').click()")
    assert tab.run(shown)
    assert "im2col" in tab.run("document.querySelector('#layers .details').innerText")
    assert tab.run("document.querySelector('#layers .fold').getAttribute('aria-expanded')") == "true"


def test_the_data_is_downloaded(tab):
    tab.run("document.getElementById('download').click()")
    path = tab.browser.downloads / "net.json"
    end = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < end, "no download"
        time.sleep(0.05)
    assert json.loads(path.read_text("utf-8")) == json.loads(json.dumps(with_everything().as_dict()))


def test_layers_of_a_training_are_sorted_filtered_and_unfolded(chromium, files):
    tab = chromium.open(files[page_of_training], WIDTHS["desktop"])
    names = ["conv2d", "batchnormalization", "relu", "residualblock.main.conv2d"]
    assert column(tab, 0) == names
    # By the norm of the gradient: those without one are last.
    tab.run("document.querySelector('#layers table').tHead.rows[0].cells[4].querySelector('button').click()")
    assert column(tab, 0)[:2] == names[::-3]
    type_into(tab, "layers", "batchnorm")
    assert column(tab, 0) == names[1:2]
    tab.run("[...document.querySelectorAll('#layers .fold')].forEach((b) => b.click())")
    assert tab.run("document.querySelectorAll('#layers .details:not([hidden]) figure').length") > 4
    tab.close()
