"""The pages of the documentation: their Python runs as written, in order, and prints what the pages say it prints."""

import contextlib
import io
import pathlib
import re

import numpy as np
import pytest

import fastconv as fc

ROOT = pathlib.Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("docs/*.md"), ROOT / "README.md"])
# A block of Python, and a block of text right behind it, which is what it prints.
BLOCK = re.compile(r"^```python\n(?P<code>.*?)^```\n(?:\n```text\n(?P<output>.*?)^```)?", re.DOTALL | re.MULTILINE)


def blocks(page):
    return list(BLOCK.finditer(page.read_text("utf-8")))


def of_selection():
    """What the page about selection takes for granted: a small problem, and a lock file of somebody's."""
    problem = fc.ConvProblem.parse("1x8x12x12,8x3x3,p1")
    fc.autotune([problem], lock="plans.json")
    return {"fc": fc, "problem": problem, "x": np.ones(problem.x_shape, "f4"), "w": np.ones(problem.w_shape, "f4")}


# Names that the examples of a page begin with.
BEGIN = {
    "selection.md": of_selection,
    "data.md": lambda: {"image": np.random.default_rng(0).random((3, 250, 300), dtype=np.float32)},
}


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=lambda page: page.name)
def test_examples_run_and_print_what_the_page_says(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    effort = fc.get_config().effort
    names = BEGIN.get(page.name, dict)()
    try:
        for block in blocks(page):
            line = page.read_text("utf-8")[: block.start()].count("\n") + 1
            code = compile("\n" * line + block["code"], str(page), "exec")
            with contextlib.redirect_stdout(io.StringIO()) as printed:
                exec(code, names)
            if block["output"] is not None:
                assert printed.getvalue() == block["output"], f"{page.name}, line {line}"
    finally:
        fc.set_config(effort=effort)
