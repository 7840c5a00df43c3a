"""Saved comparisons, read again."""

import json

import pytest

from comparison_examples import comparison, with_everything
from fastconv.errors import InvalidArgumentError
from fastconv.report.comparison_page import comparison_page
from fastconv.report.page import render
from fastconv.report.record import is_record, read_record
from fastconv.report.text import format_comparison

SAVED = with_everything()


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(SAVED.as_dict()), encoding="utf-8")
    return path


@pytest.fixture
def page(tmp_path):
    path = tmp_path / "a.html"
    path.write_text(render(comparison_page(SAVED)), encoding="utf-8")
    return path


@pytest.mark.parametrize("kind", ["saved", "page"])
def test_a_record_is_read_as_it_was(kind, request):
    path = request.getfixturevalue(kind)
    assert is_record(path)
    found = read_record(path)
    assert found == SAVED
    assert format_comparison(found) == format_comparison(SAVED)


def test_without_peaks_there_are_none(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(comparison().as_dict()), encoding="utf-8")
    assert read_record(path).peaks is None


@pytest.mark.parametrize(
    "text",
    ['[{"C": 3}]', '{"layers": []}', "3", "{", "", '{"schema": 3}'],
    ids=["table", "object", "number", "cut", "empty", "other"],
)
def test_what_is_no_record_is_not_taken_for_one(tmp_path, text):
    path = tmp_path / "a.json"
    path.write_text(text, encoding="utf-8")
    assert not is_record(path)
    with pytest.raises(InvalidArgumentError, match=r"^record: "):
        read_record(path)


def test_a_missing_file_is_no_record(tmp_path):
    assert not is_record(tmp_path / "a.json") and is_record("a.html")
    with pytest.raises(InvalidArgumentError, match="cannot read"):
        read_record(tmp_path / "a.json")


def spoilt(change):
    data = json.loads(json.dumps(SAVED.as_dict()))
    change(data)
    return data


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda d: d.update(schema="fastconv.comparison/2"), "its schema is 'fastconv.comparison/2', expected"),
        (lambda d: d.update(schema="fastconv.comparison_change/1"), "is no saved comparison"),
        (lambda d: d.pop("schema"), "its schema has none|its schema has none, expected"),
        (lambda d: d.pop("layers"), "field layers is missing"),
        (lambda d: d["layers"][0].pop("shape"), "field shape is missing"),
        (lambda d: d["layers"][0].update(shape="1x2"), "damaged: shape: cannot read '1x2'"),
        (lambda d: d["layers"][0]["algorithms"][0].update(seconds="1"), "tiles, seconds: '1' is not a number"),
        (lambda d: d["layers"][0]["algorithms"][0].pop("spread"), "field spread is missing"),
        (lambda d: d.update(layers=3), "damaged"),
        (lambda d: d.update(peaks={"flops": 1}), "damaged"),
    ],
)
def test_a_damaged_record_is_one_clear_error(tmp_path, change, message):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(spoilt(change)), encoding="utf-8")
    with pytest.raises(InvalidArgumentError, match=message) as caught:
        read_record(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_page_of_somebody_else_is_no_record(tmp_path):
    path = tmp_path / "a.html"
    path.write_text("<!doctype html><p>hello", encoding="utf-8")
    with pytest.raises(InvalidArgumentError, match="the page has no data of fastconv"):
        read_record(path)
