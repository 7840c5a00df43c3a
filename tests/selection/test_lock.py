"""Lock files: written, read, compared and replayed."""

import json

import pytest

import fastconv as fc
from fastconv import selection
from fastconv.selection import Lock, LockedPlan
from registered_toys import own_store, register_only  # noqa: F401 -- fixtures
from toys import Toy

P = fc.ConvProblem.parse("1x4x6x6,4x3x3,s2,p0.1x1")
GRADIENT = P.replace(direction="weight_grad", dtype="float64", memory_format="nhwc")


@pytest.fixture(autouse=True)
def toys(register_only):  # noqa: F811
    return register_only(Toy("a", cost=2.0, seconds=5e-4, pack_seconds=6e-3), Toy("b", cost=1.0, seconds=2e-3))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "plans.json"


def test_exported_plans_are_replayed_elsewhere(path, monkeypatch, tmp_path):
    fc.autotune([P, GRADIENT], lock=path)
    monkeypatch.setenv("FASTCONV_CACHE_DIR", str(tmp_path / "empty"))
    selection.PLANS.drop()
    assert fc.plan(P).source == "heuristic"
    with fc.config(lock=path, effort="replay"):
        plan = fc.plan(P)
        assert (plan.algorithm.name, plan.source) == ("a", "lock")
        assert "locked" in plan.explain().rows[1].reason
        choice = selection.select(P, "auto", fc.get_config(), packed_once=False)
        assert (choice.algorithm.name, choice.source) == ("b", "lock")
        assert fc.plan(GRADIENT).source == "lock"
        with pytest.raises(fc.MissingPlanError, match="no stored plan"):
            fc.plan(P.replace(batch=3))
        with pytest.raises(fc.MissingPlanError), fc.num_threads(7):
            fc.plan(P)
    with fc.config(lock=path):
        assert fc.plan(P.replace(batch=3)).source == "heuristic"


def test_files_are_the_same_whatever_the_order(path, tmp_path):
    fc.autotune([P, GRADIENT])
    selection.lock_of([P, GRADIENT]).write(path)
    selection.lock_of([GRADIENT, P]).write(tmp_path / "other.json")
    assert path.read_text() == (tmp_path / "other.json").read_text()
    assert {p.key for p in Lock.read(path)} == {(p, 1, once) for p in (P, GRADIENT) for once in (True, False)}
    # A line for each plan.
    assert sum('"problem"' in line for line in path.read_text().splitlines()) == 4


def test_diff_names_what_changed():
    a, b, c = (LockedPlan(P.replace(batch=n), 1, True, "a") for n in (1, 2, 3))
    b2 = LockedPlan(b.problem, 1, True, "b", 1.0)
    assert selection.diff(Lock([a, b]), Lock([a, b2, c])) == [(b, b2), (None, c)]
    assert selection.diff(Lock([a]), Lock([])) == [(a, None)]


def test_a_locked_plan_that_may_not_be_used_is_an_error(path, register_only):  # noqa: F811
    Lock([LockedPlan(P, 1, True, "a")]).write(path)
    with fc.config(lock=path, deny="a"), pytest.raises(fc.UnsupportedProblemError, match=r"lock: 'a', locked for .* denied"):
        fc.plan(P)
    register_only(Toy("b"))
    with fc.config(lock=path), pytest.raises(fc.MissingPlanError, match=r"lock: 'a', locked for .* not registered"):
        fc.plan(P)


ENTRY = LockedPlan(P, 1, True, "a").to_dict()


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "{}", json.dumps({"format": "fastconv plans", "version": 99, "plans": []}),
        *(
            json.dumps({"format": "fastconv plans", "version": 1, "plans": plans})
            for plans in (5, [5], [{}], [ENTRY | {"problem": "x"}], [ENTRY | {"threads": "1"}], [ENTRY | {"packing": "?"}],
                          [ENTRY | {"algorithm": None}], [ENTRY | {"dtype": "int8"}], [ENTRY | {"seconds": "?"}])
        ),
    ],
)  # fmt: skip
def test_a_damaged_lock_file_is_one_clear_error(path, text):
    path.write_text(text)
    with pytest.raises(fc.InvalidArgumentError, match=r"lock: .*plans.json"):
        fc.config(lock=path)


def test_a_missing_lock_file_is_one_clear_error(path):
    with pytest.raises(fc.MissingPlanError, match=r"lock: there is no file"):
        fc.config(lock=path)
    with pytest.raises(fc.InvalidArgumentError, match=r"lock: got"):
        fc.config(lock=3.5)
