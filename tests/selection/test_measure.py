"""Timing: the race, what is measured of a problem, tuning and surveys."""

import pytest

import clock
import fastconv as fc
from clock import CLOCK
from fastconv.selection import survey
from fastconv.selection.measure import measure
from fastconv.selection.race import race
from fastconv.selection.record import TIE, fastest
from registered_toys import own_store, register_only  # noqa: F401 -- fixtures
from toys import Toy

P = fc.ConvProblem.parse("1x4x6x6,4x3x3")


@pytest.fixture(autouse=True)
def clock_rules(monkeypatch):
    clock.rule(monkeypatch)


def test_contenders_take_turns():
    turns = []

    def contender(name):
        def call():
            turns.append(name)
            CLOCK.sleep(1e-3)

        return call

    timings = race({name: contender(name) for name in "abc"}, seconds=0.02)
    # After two calls each to size the turns.
    for start in range(6, len(turns) - 2, 3):
        assert set(turns[start : start + 3]) == set("abc")
    assert all(t.turns >= 4 and t.seconds >= 1e-3 and t.spread >= 0 for t in timings.values())


def test_a_contender_without_hope_stops_early():
    calls = []
    timings = race({"slow": lambda: (calls.append(1), CLOCK.sleep(5e-3)), "fast": lambda: CLOCK.sleep(1e-4)}, seconds=0.1)
    assert len(calls) == 4 and timings["slow"].turns == 2 < timings["fast"].turns


def test_near_ties_get_twice_the_turns():
    timings = race(
        {"a": lambda: CLOCK.sleep(1e-3), "b": lambda: CLOCK.sleep(1e-3), "c": lambda: CLOCK.sleep(1.6e-3)}, seconds=0.05
    )
    assert timings["a"].turns == timings["b"].turns == 2 * timings["c"].turns


def test_guests_stay_to_the_end_and_decide_nothing():
    timings = race(
        {"slow": lambda: CLOCK.sleep(3e-3), "fast": lambda: CLOCK.sleep(1e-3), "as fast": lambda: CLOCK.sleep(1e-3)},
        seconds=0.05,
        guests={"slowest": lambda: CLOCK.sleep(6e-3), "fastest": lambda: CLOCK.sleep(1e-4)},
    )
    assert timings["slow"].turns == 2
    # A guest's time neither stops the others nor is it a near tie with any of them; of a near tie's turns guests have as many.
    assert timings["fast"].turns == timings["as fast"].turns == timings["slowest"].turns == timings["fastest"].turns >= 8


def test_the_threads_of_a_guest_get_time_to_sleep():
    start = CLOCK.perf_counter()
    timings = race({"own": lambda: CLOCK.sleep(1e-3)}, 1e-3, guests={"guest": lambda: None}, settle=0.01)
    assert CLOCK.perf_counter() - start >= 0.01 * timings["guest"].turns


def test_ties_go_to_the_first_in_order():
    times = {"b": 1.0, "a": 1.0 + TIE / 2, "c": 1.0 + 2 * TIE}
    assert fastest(times, ["c", "a", "b"]) == "a"
    assert fastest(times, ["c", "b", "a"]) == "b"


@pytest.mark.parametrize("direction", ["forward", "input_grad", "weight_grad"])
@pytest.mark.parametrize("memory_format", ["nchw", "nhwc"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_operands_are_those_of_a_real_call(direction, memory_format, dtype):
    toy = Toy("toy", pack_seconds=1e-3, workspace=300)
    measured, failed, _ = measure(P.replace(direction=direction, memory_format=memory_format, dtype=dtype), [toy], 0.01)
    assert not failed and toy.runs > 4
    m = measured["toy"]
    assert m.workspace == 300 and m.error == 20.0
    assert m.pack_seconds == 0 if direction == "weight_grad" else m.pack_seconds >= 1e-3
    assert m.total(packed_once=False) == m.seconds + m.pack_seconds


class Cold(Toy):
    """A run takes longer after packing: what was packed is not in the caches yet."""

    cold = False

    def pack(self, problem, w):
        self.cold = True
        return super().pack(problem, w)

    def run(self, *operands):
        if self.cold:
            CLOCK.sleep(2e-3)
        self.cold = False
        super().run(*operands)


def test_packing_is_timed_with_the_run_that_follows():
    toys = [Cold("cold", seconds=1e-3), Toy("warm", seconds=2e-3), Toy("far", seconds=9e-3, pack_seconds=2e-3)]
    measured = measure(P, toys, 0.02).measured
    assert measured["cold"].seconds < measured["warm"].seconds
    assert measured["cold"].pack_seconds >= 2e-3 > measured["warm"].pack_seconds >= 1e-4
    # That is looked for among the nearly fastest.
    assert toys[2].runs < toys[1].runs and measured["far"].pack_seconds >= 2e-3


def test_an_empty_batch_is_measured_on_one_image(register_only):  # noqa: F811
    register_only(Toy("toy"))
    assert fc.plan(P.replace(batch=0), effort="measure").source == "measured"
    assert fc.plan(P.replace(batch=0)).source == "stored"


# -- survey -----------------------------------------------------------------------------------------------------------


def test_a_survey_times_all_that_can_run(register_only):  # noqa: F811
    register_only(
        Toy("imprecise", cost=0.1, error=1e9),
        Toy("denied", cost=0.1),
        Toy("costly", cost=0.3, seconds=2e-3),
        Toy("endless", cost=1e9),
        Toy("huge", workspace=2**40),
        Toy("cannot", refuses="no"),
        Toy("direct", cost=0.01, seconds=1e-3),
    )
    with fc.config(deny="denied"):
        e = survey(P, seconds=0.05).explanation
    assert (e.algorithm, e.source) == ("direct", "measured")
    rows = {row.name: row for row in e.rows}
    assert {name for name, row in rows.items() if row.seconds} == {"imprecise", "denied", "direct", "costly"}
    assert {name: row.kind for name, row in rows.items() if not row.chosen} == {
        "imprecise": "precision", "denied": "denied", "costly": "slower", "endless": "pruned", "huge": "workspace",
        "cannot": "unsupported",
    }  # fmt: skip
    assert "100000000000.0 times" in rows["endless"].reason


def test_guests_of_a_survey_are_timed_and_not_stored(register_only):  # noqa: F811
    register_only(Toy("direct", cost=0.01, seconds=1e-3))
    found = survey(P, seconds=0.02, guests={"guest": lambda: CLOCK.sleep(2e-3)})
    assert found.timings.guests["guest"].seconds >= 2e-3
    assert [row.name for row in found.explanation.rows] == ["direct"]
    assert [row.name for row in fc.plan(P).explain().rows] == ["direct"]


def test_a_second_survey_adds_to_the_first(register_only):  # noqa: F811
    (toy,) = register_only(Toy("direct", cost=0.01, seconds=1e-3))
    first = survey(P, seconds=0.02, guests={"guest": lambda: CLOCK.sleep(3e-3)})
    toy.seconds = 2e-3
    second = survey(P, seconds=0.02, guests={"guest": lambda: CLOCK.sleep(1e-3)}, earlier=first)
    (row,) = second.explanation.rows
    assert row.seconds == first.explanation.rows[0].seconds
    # What got slower shows in the spread, as does what got faster.
    assert row.spread >= 0.5 and second.timings.guests["guest"].spread >= 1.0
    assert second.timings.guests["guest"].turns > first.timings.guests["guest"].turns


# -- autotune ---------------------------------------------------------------------------------------------------------


class Network:
    def problems(self):
        return [P, P.replace(batch=2), P]


def test_autotune_measures_a_network(register_only):  # noqa: F811
    register_only(Toy("a", cost=1.5, seconds=5e-4), Toy("b", cost=1.0, seconds=2e-3))
    choices = fc.autotune(Network())
    assert [(c.problem, c.algorithm.name, c.source) for c in choices] == [
        (P, "a", "measured"), (P.replace(batch=2), "a", "measured"),
    ]  # fmt: skip
    assert fc.plan(P).source == "stored"
    assert [c.explain().algorithm for c in choices] == ["a", "a"]
    (again,) = fc.autotune(str(P), effort="exhaustive")
    assert again.source == "measured"


def test_autotune_keeps_to_its_budget(register_only):  # noqa: F811
    (toy,) = register_only(Toy("toy", seconds=1e-3))
    choices = fc.autotune([P, P.replace(batch=2)], time_budget=0)
    assert [c.source for c in choices] == ["heuristic"] * 2 and not toy.runs
    start = CLOCK.monotonic()
    choices = fc.autotune([P.replace(batch=n) for n in range(1, 50)], time_budget=0.1)
    # What has begun is finished.
    assert CLOCK.monotonic() - start < 0.15
    # The largest first.
    assert choices[-1].source == "measured" and choices[0].source == "heuristic"


def test_autotune_shows_its_progress_if_asked(register_only, capsys):  # noqa: F811
    register_only(Toy("toy"))
    fc.autotune(P)
    assert capsys.readouterr().err == ""
    fc.autotune([P], progress=True)
    assert "tuning: 100%" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"problems_or_network": 5}, "problems_or_network: got int"),
        ({"problems_or_network": [5]}, "problems_or_network: holds a int"),
        ({"problems_or_network": "3x3"}, "shape: cannot read"),
        ({"problems_or_network": P, "effort": "cached"}, "effort: got 'cached'"),
        ({"problems_or_network": P, "time_budget": -1}, "time_budget: got -1"),
        ({"problems_or_network": P, "time_budget": "1s"}, "time_budget: got '1s'"),
    ],
)
def test_bad_arguments_of_autotune(register_only, arguments, message):  # noqa: F811
    register_only(Toy("toy"))
    with pytest.raises(fc.FastconvError, match=message):
        fc.autotune(**arguments)
