"""What is chosen under each effort and filter, and where the choice comes from."""

import threading

import numpy as np
import pytest

import fastconv as fc
from clock import CLOCK
from fastconv import selection
from registered_toys import own_store, register_only  # noqa: F401 -- fixtures
from toys import Toy

P = fc.ConvProblem.parse("1x4x6x6,4x3x3")
FAST, SLOW = 5e-4, 2e-3


def chosen(problem=P, **kwargs):
    plan = fc.plan(problem, **kwargs)
    return plan.algorithm.name, plan.source


def packed_each_call(problem=P):
    choice = selection.select(problem, "auto", selection.get_config(), packed_once=False)
    return choice.algorithm.name, choice.source


@pytest.fixture
def toys(register_only):  # noqa: F811
    """The cost model is wrong about these two."""
    return register_only(Toy("a", cost=2.0, seconds=FAST, pack_seconds=3 * SLOW), Toy("b", cost=1.0, seconds=SLOW))


def test_heuristic_takes_the_least_cost_and_runs_nothing(toys):
    assert chosen(effort="heuristic") == ("b", "heuristic")
    assert not any(t.runs or t.packs for t in toys)


def test_equal_costs_go_to_the_first(register_only):  # noqa: F811
    register_only(Toy("second", cost=1.0), Toy("first", cost=1.0))
    assert chosen(effort="heuristic")[0] == "second"


def test_heuristic_counts_packing_where_it_is_done_in_every_call(register_only):  # noqa: F811
    register_only(Toy("packs", cost=1.0, pack_cost=5.0), Toy("plain", cost=2.0))
    assert chosen()[0] == "packs"
    assert packed_each_call()[0] == "plain"


def test_cached_is_heuristic_until_something_was_measured(toys):
    assert chosen() == ("b", "heuristic")
    assert chosen(effort="measure") == ("a", "measured")
    assert chosen() == ("a", "stored")
    assert not any(t.runs > 3000 for t in toys)


def test_measurements_serve_both_habits_of_packing(toys):
    fc.plan(P, effort="measure")
    assert chosen() == ("a", "stored")
    assert packed_each_call() == ("b", "stored")


def test_measurements_change_what_conv2d_runs(register_only):  # noqa: F811
    a, b = register_only(Toy("a", cost=2.0, seconds=FAST), Toy("b", cost=1.0, seconds=SLOW))
    x, w = np.zeros(P.x_shape, "f4"), np.zeros(P.w_shape, "f4")
    fc.conv2d(x, w)
    assert (a.runs, b.runs) == (0, 1)
    fc.plan(P, effort="measure")
    before = a.runs, b.runs
    fc.conv2d(x, w)
    assert (a.runs, b.runs) == (before[0] + 1, before[1])


def test_measure_uses_what_is_stored(toys):
    fc.plan(P, effort="measure")
    runs = [t.runs for t in toys]
    selection.PLANS.drop()
    assert chosen(effort="measure") == ("a", "stored")
    assert [t.runs for t in toys] == runs


def test_conv2d_measures_once_under_every_effort(toys):
    x, w = np.zeros(P.x_shape, "f4"), np.zeros(P.w_shape, "f4")
    for effort in ("measure", "exhaustive"):
        with fc.config(effort=effort):
            fc.conv2d(x, w)
            runs = sum(t.runs for t in toys)
            fc.conv2d(x, w)
            assert sum(t.runs for t in toys) == runs + 1


def test_exhaustive_times_again_and_prunes_nothing(register_only):  # noqa: F811
    toys = register_only(Toy("a", cost=1.0, seconds=SLOW), Toy("b", cost=100.0, seconds=FAST))
    assert chosen(effort="measure") == ("a", "measured")
    assert not toys[1].runs
    assert chosen(effort="exhaustive") == ("b", "measured")
    runs = toys[1].runs
    fc.plan(P, effort="exhaustive")
    assert toys[1].runs > runs


def test_replay_takes_what_is_stored_or_raises(toys):
    with pytest.raises(fc.MissingPlanError, match="'replay' found no stored plan for 1x4x6x6,4x3x3"):
        fc.plan(P, effort="replay")
    fc.plan(P, effort="measure")
    assert chosen(effort="replay") == ("a", "stored")
    with pytest.raises(fc.MissingPlanError), fc.num_threads(3):
        fc.plan(P, effort="replay")


# -- doubt ------------------------------------------------------------------------------------------------------------


class Disturbed(Toy):
    """Ten times as slow for some seconds of its life."""

    def __init__(self, name, *, lasting, **figures):
        super().__init__(name, **figures)
        self.usual, self.end = self.seconds, CLOCK.time() + lasting

    def run(self, *args):
        self.seconds = self.usual * (10 if CLOCK.time() < self.end else 1)
        super().run(*args)


def test_what_contradicts_the_predictions_is_timed_again(register_only):  # noqa: F811
    register_only(Disturbed("disturbed", cost=1.0, seconds=FAST, lasting=0.5), Toy("usual", cost=2.0, seconds=SLOW))
    assert chosen(effort="measure") == ("disturbed", "measured")


def test_only_what_is_in_doubt_is_timed_again(register_only):  # noqa: F811
    doubted, winner, other = register_only(
        Toy("doubted", cost=1.0, seconds=2 * SLOW),
        Toy("winner", cost=2.0, seconds=SLOW),
        Toy("other", cost=2.0, seconds=2 * SLOW),
    )
    assert chosen(effort="measure") == ("winner", "measured")
    assert other.runs < doubted.runs < winner.runs + 10


@pytest.mark.parametrize("costs", [(1.0, 1.1), (1.1, 1.0), (2.0, 1.0)])
def test_what_is_as_predicted_is_not(register_only, monkeypatch, costs):  # noqa: F811
    register_only(Toy("a", cost=costs[0], seconds=SLOW), Toy("b", cost=costs[1], seconds=FAST))
    monkeypatch.setattr(CLOCK, "sleep", refusing(CLOCK.sleep, longest=SLOW))
    assert chosen(effort="measure") == ("b", "measured")


def refusing(sleep, longest):
    def sleeping(seconds):
        assert seconds <= longest
        sleep(seconds)

    return sleeping


def test_doubt_is_settled_by_three_measurements_a_minute_apart(register_only):  # noqa: F811
    toys = register_only(Toy("predicted", cost=1.0, seconds=SLOW), Toy("measured", cost=2.0, seconds=FAST))
    for source in ("measured", "measured", "measured", "stored"):
        assert chosen(effort="cached")[1] == ("heuristic" if not toys[1].runs else "stored")
        selection.PLANS.drop()
        assert chosen(effort="measure") == ("measured", source)
        selection.PLANS.drop()
        assert chosen(effort="measure") == chosen(effort="replay") == ("measured", "stored")
        CLOCK.sleep(61)


def test_a_look_forgets_no_failure(register_only, caplog):  # noqa: F811
    register_only(Toy("predicted", cost=1.0, seconds=SLOW), Toy("measured", cost=2.0, seconds=FAST), Broken("broken"))
    for source in ("measured", "measured", "measured", "stored"):
        selection.PLANS.drop()
        assert chosen(effort="measure") == ("measured", source)
        assert fc.plan(P).explain().rows[2].reason == "raised RuntimeError: no luck"
        CLOCK.sleep(61)
    assert len(caplog.records) == 1


def test_doubt_ends_when_the_machine_has_calmed_down(register_only):  # noqa: F811
    register_only(Disturbed("disturbed", cost=1.0, seconds=FAST, lasting=50), Toy("usual", cost=2.0, seconds=SLOW))
    assert chosen(effort="measure") == ("usual", "measured")
    CLOCK.sleep(61)
    selection.PLANS.drop()
    assert chosen(effort="measure") == ("disturbed", "measured")


@pytest.mark.parametrize(
    "other",
    [
        P.replace(batch=2), P.replace(stride=(1, 2)), P.replace(dtype="float64"), P.replace(memory_format="nhwc"),
        P.replace(direction="input_grad"), P.replace(padding=((0, 0), (0, 1))), P.replace(groups=2), P.replace(dilation=(2, 1)),
    ],
    ids=str,
)  # fmt: skip
def test_measurements_belong_to_one_problem(toys, other):
    fc.plan(P, effort="measure")
    assert chosen(other)[1] == "heuristic"


# -- filters ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("effort", ["heuristic", "cached", "measure", "exhaustive"])
@pytest.mark.parametrize(
    ("first", "options", "reason"),
    [
        (Toy("first", error=1e6), {}, "its error bound 1.2e-01 exceeds direct's by over 1.0e-05"),
        (Toy("first", error=50.0), {"max_error": 1e-6}, "exceeds direct's by over 1.0e-06"),
        (Toy("first", error=21.0), {"precision": "highest"}, "its error bound 21 eps exceeds direct's 20 eps"),
        (Toy("first", local=False), {"precision": "highest"}, "spreads NaN"),
        (Toy("first", workspace=2**28 + 1), {}, "needs 268435457 bytes of workspace, the limit is 268435456"),
        (Toy("first", workspace=11), {"workspace_limit": 10}, "needs 11 bytes"),
        (Toy("first"), {"deny": ["first"]}, "denied"),
        (Toy("first"), {"deny": "first"}, "denied"),
    ],
    ids=["error", "max_error", "highest error", "highest locality", "workspace", "workspace_limit", "deny", "deny text"],
)
def test_filters_hold_under_every_effort(register_only, effort, first, options, reason):  # noqa: F811
    register_only(first, Toy("direct", cost=1.5, error=20.0))
    with fc.config(**options):
        plan = fc.plan(P, effort=effort)
        assert plan.algorithm.name == "direct"
        row = plan.explain().rows[0]
        assert reason in row.reason and not row.chosen and row.seconds is None


def test_medium_precision_allows_all(register_only):  # noqa: F811
    register_only(Toy("first", error=1e6, local=False), Toy("direct", cost=2.0))
    with fc.config(precision="medium"):
        assert chosen()[0] == "first"


def test_float64_errors_are_counted_in_its_own_eps(register_only):  # noqa: F811
    register_only(Toy("first", error=1e6), Toy("direct", cost=2.0))
    assert chosen(P)[0] == "direct"
    assert chosen(P.replace(dtype="float64"))[0] == "first"


def test_the_last_algorithm_is_precise_enough_by_definition(register_only):  # noqa: F811
    register_only(Toy("direct", error=1e9, local=False))
    for precision in selection.options.PRECISIONS:
        with fc.config(precision=precision):
            assert chosen()[0] == "direct"


def test_nothing_left_is_an_error_with_every_reason(register_only):  # noqa: F811
    register_only(Toy("a", refuses="too tired"), Toy("b"), Toy("c", workspace=2**40))
    with fc.config(deny="b"), pytest.raises(fc.UnsupportedProblemError, match="a: too tired; b: denied; c: needs"):
        fc.plan(P)


def test_forced_overrides_precision_and_denial_but_not_the_workspace_limit(register_only):  # noqa: F811
    register_only(Toy("first", error=1e9, local=False, workspace=100), Toy("direct"))
    with fc.config(precision="highest", deny="first", effort="replay"):
        assert chosen(algorithm="first") == ("first", "forced")
    with fc.config(workspace_limit=99), pytest.raises(fc.UnsupportedProblemError, match=r"'first' .* needs 100 bytes"):
        fc.plan(P, algorithm="first")


def test_a_search_under_a_filter_does_not_answer_for_a_wider_one(register_only, own_store):  # noqa: F811
    register_only(Toy("a", cost=1.0, seconds=FAST), Toy("b", cost=1.5, seconds=SLOW), Toy("c", cost=1.5, seconds=2 * SLOW))
    with fc.config(deny="a"):
        assert chosen(effort="measure") == ("b", "measured")
        assert chosen() == ("b", "stored")
    assert chosen() == ("a", "heuristic")
    with pytest.raises(fc.MissingPlanError):
        fc.plan(P, effort="replay")
    assert chosen(effort="measure") == ("a", "measured")
    with fc.config(deny="b"):
        assert chosen(effort="replay") == ("a", "stored")


def test_a_pruned_candidate_is_timed_once_its_betters_are_denied(register_only):  # noqa: F811
    register_only(Toy("a", cost=1.0), Toy("b", cost=10.0, seconds=SLOW), Toy("c", cost=12.0, seconds=FAST))
    assert chosen(effort="measure") == ("a", "measured")
    with fc.config(deny="a"):
        assert chosen() == ("b", "heuristic")
        assert chosen(effort="measure") == ("c", "measured")


class Broken(Toy):
    def run(self, *args):
        raise RuntimeError("no luck")


def test_an_algorithm_that_raises_is_left_out(register_only, caplog):  # noqa: F811
    register_only(Broken("broken"), Toy("direct", cost=2.0))
    plan = fc.plan(P, effort="measure")
    assert plan.algorithm.name == "direct"
    assert plan.explain().rows[0].reason == "raised RuntimeError: no luck"
    assert chosen() == ("direct", "stored")


def test_threads_that_ask_at_once_measure_once(toys):
    plans = []
    workers = [threading.Thread(target=lambda: plans.append(fc.plan(P, effort="measure"))) for _ in range(4)]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    assert [p.algorithm.name for p in plans] == ["a"] * 4
    assert toys[0].packs < 100


def test_plans_in_memory_are_bounded(register_only):  # noqa: F811
    register_only(Toy("toy"))
    w = np.zeros((1, 1, 1, 1), "f4")
    for n in range(1, selection.PLANS.maxsize + 100):
        fc.conv2d(np.zeros((1, 1, 1, n), "f4"), w)
    assert len(selection.PLANS) == selection.PLANS.maxsize
