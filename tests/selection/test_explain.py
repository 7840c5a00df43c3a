"""Explanations: what they hold, and how they print."""

import json

import pytest

import fastconv as fc
from fastconv.selection.explain import bytes_text, seconds_text
from registered_toys import own_store, register_only  # noqa: F401 -- fixtures
from toys import Toy

P = fc.ConvProblem.parse("1x4x6x6,4x3x3")


@pytest.fixture(autouse=True)
def toys(register_only):  # noqa: F811
    return register_only(
        Toy("cannot", refuses="wants <5x5>"),
        Toy("slow", cost=1.0, seconds=2e-3),
        Toy("fast", cost=2.0, seconds=5e-4, workspace=2048),
        Toy("hopeless", cost=100.0),
        Toy("direct", cost=2.5, seconds=3e-3),
    )


def rows(plan):
    return {row.name: row for row in plan.explain().rows}


def test_a_measured_choice_is_explained():
    plan = fc.plan(P, effort="measure")
    e = plan.explain()
    assert (e.algorithm, e.source, e.threads, e.packed_once) == ("fast", "measured", 1, True)
    r = rows(plan)
    assert list(r) == ["cannot", "slow", "fast", "hopeless", "direct"]
    assert [name for name, row in r.items() if row.chosen] == ["fast"]
    assert r["fast"].reason is None and r["fast"].kind is None and 5e-4 <= r["fast"].seconds < 2e-3
    assert r["fast"].workspace == 2048 and r["fast"].predicted == 2.0 and r["fast"].spread >= 0 and r["fast"].pack_seconds > 0
    assert r["fast"].error == pytest.approx(20 * 2**-23)
    assert (r["cannot"].kind, r["cannot"].reason, r["cannot"].predicted) == ("unsupported", "wants <5x5>", None)
    assert r["slow"].kind == "slower" and "measured" in r["slow"].reason
    assert (r["hopeless"].kind, r["hopeless"].seconds) == ("pruned", None)
    assert "predicted to take 100.0 times" in r["hopeless"].reason


def test_a_predicted_choice_is_explained():
    r = rows(fc.plan(P, effort="heuristic"))
    assert r["slow"].chosen
    assert r["fast"].reason == "predicted 2.00 times the chosen one's"


def test_a_forced_choice_shows_what_is_known():
    fc.plan(P, effort="measure")
    e = fc.plan(P, algorithm="slow").explain()
    assert (e.algorithm, e.source) == ("slow", "forced")
    r = {row.name: row for row in e.rows}
    assert r["fast"].seconds and r["fast"].reason == "slow was asked for"


def test_it_is_plain_data():
    data = fc.plan(P, effort="measure").explain().to_dict()
    assert json.loads(json.dumps(data)) == data
    assert (data["problem"], data["algorithm"], data["packing"]) == (str(P), "fast", "once")
    assert len(data["candidates"]) == 5


def test_it_prints_as_a_table():
    lines = str(fc.plan(P, effort="measure").explain()).splitlines()
    assert lines[0] == "forward 1x4x6x6,4x3x3 float32 nchw, 1 thread(s), weights packed once"
    assert lines[1] == "fast: fastest of the measurements"
    assert lines[2].split() == ["algorithm", "predicted", "measured", "packing", "spread", "workspace", "error", "why", "not"]
    assert [line[3:12].strip() for line in lines[3:]] == ["cannot", "slow", "fast", "hopeless", "direct"]
    assert [line.startswith("->") for line in lines[3:]] == [False, False, True, False, False]
    assert "2 KiB" in lines[5] and "2.4e-06" in lines[5]


def test_it_prints_as_html():
    text = fc.plan(P).explain()._repr_html_()
    assert text.count("<tr") == 6 and "wants &lt;5x5&gt;" in text and text.count("bold") == 1


def test_weight_gradients_pack_nothing():
    e = fc.plan(P.replace(direction="weight_grad"), effort="measure").explain()
    assert "packed" not in str(e).splitlines()[0]
    assert all(row.pack_seconds in (0.0, None) for row in e.rows)


def test_units():
    assert [seconds_text(s) for s in (None, 2.5, 2.5e-3, 2.5e-6)] == ["", "2.5 s", "2.5 ms", "2.5 us"]
    assert [bytes_text(b) for b in (None, 0, 1536, 3 * 2**20, 2**31)] == ["", "0 B", "1.5 KiB", "3 MiB", "2 GiB"]
