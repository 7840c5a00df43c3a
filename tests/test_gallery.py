"""The scripts in examples/ run, and the figures of the pages are drawn and shown."""

import importlib.util
import runpy
import sys

import pytest

import fastconv as fc
from fastconv import threads
from pages import DOCS, ROOT, links, pages

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
FIGURES = sorted((DOCS / "figures").glob("*.py"))
ARGUMENTS = {"batch_norm_convergence": ["--epochs", "1", "--plot", "curves.png"]}


@pytest.fixture
def drawing(tmp_path, monkeypatch):
    """Matplotlib without a screen, in a folder of its own, on one thread."""
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("agg")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(threads, "_global", 1)
    yield plt
    plt.close("all")


@pytest.mark.parametrize("script", EXAMPLES, ids=lambda path: path.stem)
def test_examples_run_and_draw(script, drawing, monkeypatch):
    registered = fc.algorithms.names()
    monkeypatch.setattr(sys, "argv", [str(script), *ARGUMENTS.get(script.stem, [])])
    runpy.run_path(str(script), run_name="__main__")
    assert drawing.get_fignums()
    assert fc.algorithms.names() == registered


@pytest.mark.parametrize("script", EXAMPLES, ids=lambda path: path.stem)
def test_examples_have_a_title_for_the_gallery(script):
    title, line = script.read_text("utf-8").split('"""\n', 1)[1].splitlines()[:2]
    assert title and line == "=" * len(title)


def test_figures_are_drawn(drawing, tmp_path):
    specification = importlib.util.spec_from_file_location("figures", DOCS / "_extensions" / "figures.py")
    figures = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(figures)
    drawn = figures.draw_all(tmp_path)
    assert [path.stem for path in drawn] == [path.stem for path in FIGURES]
    assert all(path.read_text("utf-8").rstrip().endswith("</svg>") for path in drawn)


def test_figures_are_shown():
    shown = {link.rpartition("/")[2] for page in pages() for link in links(page)}
    assert {f"{script.stem}.svg" for script in FIGURES} <= shown
