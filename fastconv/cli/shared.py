"""What several commands do alike: progress, and files that are written."""

from __future__ import annotations

import contextlib
import json
import os
import sys

import click
from tqdm import tqdm

from ..errors import InvalidArgumentError
from ..files import write_whole
from ..report.page import render

__all__ = ["progress", "require_writable", "write_json", "write_page", "writing"]


def progress(items, unit):
    """A progress bar on standard error, where that is a terminal."""
    return tqdm(items, unit=unit, leave=False, disable=None, file=sys.stderr)


def write_json(path, data):
    text = json.dumps(data, indent=1, allow_nan=False)
    if path == "-":
        click.echo(text)
        return
    with writing("json", path), open(path, "w", encoding="utf-8") as file:
        file.write(text + "\n")


def write_page(path, page):
    """A page of `fastconv.report.page`, as --html names it."""
    with writing("html", path):
        write_whole(path, render(page))


def require_writable(option, path):
    """Refuses a path that cannot be written before the work that it is for."""
    if path not in (None, "-") and not os.access(os.path.dirname(path) or ".", os.W_OK):
        raise InvalidArgumentError(f"{option}: cannot write {path}: its folder does not exist or cannot be written")


@contextlib.contextmanager
def writing(option, path):
    try:
        yield
    except OSError as error:
        raise InvalidArgumentError(f"{option}: cannot write {path}: {error.strerror}") from None
