"""The pages of the documentation: their Python runs as written, in order, and prints what the pages say it prints.

On pages that a newcomer walks along, the commands of the shell run too.
"""

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys

import click
import numpy as np
import pytest

import fastconv as fc
from fastconv import threads
from fastconv.cli import main
from pages import DOCS, ROOT, blocks, name_of, pages

# Pages whose shell commands run as well.
WALKED = ("docs/getting_started/first_steps.md", "docs/how_to/train_on_your_images.md")


def of_selection():
    """What the page about selection takes for granted: a small problem and its arrays."""
    problem = fc.ConvProblem.parse("1x8x12x12,8x3x3,p1")
    return {"fc": fc, "problem": problem, "x": np.ones(problem.x_shape, "f4"), "w": np.ones(problem.w_shape, "f4")}


# Names that the examples of a page begin with.
BEGIN = {
    "docs/user_guide/selection.md": of_selection,
    "docs/user_guide/data.md": lambda: {"image": np.random.default_rng(0).random((3, 250, 300), dtype=np.float32)},
}


@pytest.fixture
def surroundings(tmp_path, monkeypatch):
    """A folder of the page's own, from which it can import; afterwards everything is as it was before."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("FASTCONV_CACHE_DIR", str(tmp_path / "store"))
    monkeypatch.setattr(threads, "_global", threads.get_num_threads())
    fc.selection.PLANS.drop()
    effort, algorithms, modules = fc.get_config().effort, fc.algorithms.names(), set(sys.modules)
    yield tmp_path
    fc.set_config(effort=effort)
    fc.selection.PLANS.drop()
    for name in set(fc.algorithms.names()) - set(algorithms):
        fc.algorithms.unregister(name)
    for name in set(sys.modules) - modules:
        if (tmp_path / f"{name}.py").exists():
            del sys.modules[name]


@pytest.mark.parametrize("page", [page for page in pages() if any(b.language == "python" for b in blocks(page))], ids=name_of)
def test_examples_run_and_print_what_the_page_says(page, surroundings):
    names = BEGIN.get(name_of(page), dict)()
    shell = Shell(surroundings) if name_of(page) in WALKED else None
    for block in blocks(page):
        where = f"{name_of(page)}, line {block.line}"
        if block.file:
            (surroundings / block.file).write_text(block.text)
        elif block.language == "python":
            printed = run_python(block, page, names)
            if block.output is not None:
                assert printed == block.output, where
        elif block.language == "sh" and shell:
            shell.run(block.text, where)


def run_python(block, page, names):
    code = compile("\n" * block.line + block.text, str(page), "exec")
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(code, names)
    return printed.getvalue()


class Shell:
    """Runs commands in a folder; `fastconv`, `python` and `pip` are those of this Python, and pip installs beside the page."""

    def __init__(self, folder):
        self.folder = folder
        shims = folder / "bin"
        shims.mkdir()
        for name, arguments in (("python", ""), ("fastconv", "-m fastconv"), ("pip", "-m pip")):
            (shims / name).write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {arguments} "$@"\n')
            (shims / name).chmod(0o755)
        site = folder / "site"
        self.environment = {
            **os.environ,
            "PATH": os.pathsep.join([str(shims), os.environ["PATH"]]),
            "PYTHONPATH": os.pathsep.join([str(site), str(ROOT)]),
            "PIP_TARGET": str(site),
            "PIP_NO_DEPS": "1",
            "PIP_NO_INDEX": "1",
            "PIP_NO_BUILD_ISOLATION": "0",  # this variable's name is turned around: isolation off
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "OMP_WAIT_POLICY": "passive",
        }

    def run(self, commands, where):
        process = subprocess.run(
            ["bash", "-e"], input=commands, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=120,
            check=False,
        )  # fmt: skip
        assert process.returncode == 0, f"{where}\n{process.stdout[-2000:]}\n{process.stderr[-2000:]}"
        return process.stdout


def test_the_plug_in_of_the_how_to_is_installed_and_wins_where_it_should_alone(surroundings):
    shell, printed = Shell(surroundings), ""
    for block in blocks(DOCS / "how_to" / "add_algorithm.md"):
        if block.file:
            (surroundings / block.file).write_text(block.text)
        elif block.language == "sh":
            printed += shell.run(block.text, f"line {block.line}")
    explained, compared = printed.split("\n1x3x224x224,8x31x31,p15: ")
    assert "\nplane_fft: fastest by predicted cost" in explained
    assert re.search(r"^> +fft ", compared, re.MULTILINE)
    assert re.search(r"^ +plane_fft .* [\d.]+x ", compared, re.MULTILINE)


def commands():
    """Every `fastconv` command in a block of shell, as (page, line)."""
    return [
        pytest.param(line.strip(), id=f"{name_of(page)}-{line.strip()}")
        for page in pages()
        for block in blocks(page)
        if block.language == "sh"
        for line in block.text.splitlines()
        if "fastconv" in shlex.split(line, comments=True) or ".venv/bin/fastconv" in line
    ]


@pytest.mark.parametrize("line", commands())
def test_commands_exist_with_these_arguments(line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = shlex.split(line, comments=True)
    while words[0].rpartition("/")[2] != "fastconv":  # variables of the environment
        assert "=" in words.pop(0)
    command, arguments = main, words[1:]
    while isinstance(command, click.Group):
        command = command.commands[arguments.pop(0)]
    for word in arguments:
        if not word.startswith("-"):
            make(tmp_path, word)
    command.make_context(command.name, list(arguments))


def make(folder, word):
    """A file or folder of this name, in case that a command wants one."""
    path = folder / word
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch() if path.suffix else path.mkdir(exist_ok=True)
