"""`config` and `set_config`: scopes, nesting, validation."""

import asyncio
import threading

import pytest

import fastconv as fc
from fastconv.selection import options
from registered_toys import own_store, register_only  # noqa: F401 -- fixtures
from toys import Toy


@pytest.fixture(autouse=True)
def toys(register_only):  # noqa: F811
    return register_only(Toy("a"), Toy("b"))


@pytest.fixture
def process_wide(monkeypatch):
    monkeypatch.setattr(options, "_global", options._global)


def test_defaults():
    c = fc.get_config()
    assert (c.effort, c.precision, c.workspace_limit, c.max_error, c.deny) == ("cached", "high", 2**28, 1e-5, ())


def test_blocks_nest_and_inherit():
    with fc.config(effort="heuristic", deny=("b",)):
        with fc.config(precision="highest") as inner:
            assert inner is fc.get_config()
            assert (inner.effort, inner.precision, inner.deny) == ("heuristic", "highest", ("b",))
        assert fc.get_config().precision == "high"
    assert fc.get_config().effort == "cached"


def test_options_are_restored_after_an_exception():
    with pytest.raises(KeyError), fc.config(effort="heuristic"):
        raise KeyError
    assert fc.get_config().effort == "cached"


def test_one_block_can_be_entered_again_and_inside_itself():
    block = fc.config(effort="heuristic")
    with block, block:
        pass
    with block:
        assert fc.get_config().effort == "heuristic"
    assert fc.get_config().effort == "cached"


def test_works_as_a_decorator_in_several_threads():
    barrier = threading.Barrier(2)
    seen = []

    @fc.config(effort="heuristic")
    def work():
        barrier.wait()
        seen.append(fc.get_config().effort)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert seen == ["heuristic"] * 2
    assert fc.get_config().effort == "cached"


def test_a_block_is_seen_by_its_own_thread_only():
    seen = []
    with fc.config(effort="heuristic"):
        t = threading.Thread(target=lambda: seen.append(fc.get_config().effort))
        t.start()
        t.join()
    assert seen == ["cached"]


def test_tasks_have_options_of_their_own():
    async def work(effort):
        with fc.config(effort=effort):
            await asyncio.sleep(0)
            return fc.get_config().effort

    async def both():
        return await asyncio.gather(work("measure"), work("heuristic"))

    assert asyncio.run(both()) == ["measure", "heuristic"]


def test_set_config_is_seen_by_all_threads(process_wide):
    fc.set_config(effort="heuristic", deny="a")
    seen = []
    t = threading.Thread(target=lambda: seen.append(fc.get_config().effort))
    t.start()
    t.join()
    assert seen == ["heuristic"]
    assert fc.plan(fc.ConvProblem.parse("1x1x3x3,1x1x1")).algorithm.name == "b"


def test_equal_options_are_one_object():
    with fc.config(deny=("b", "a", "a")) as one:
        pass
    with fc.config(deny=["a", "b"]) as other:
        pass
    assert one is other


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"effort": "lots"}, "effort: got 'lots', expected one of heuristic, cached"),
        ({"effort": None}, "effort: got None"),
        ({"precision": "low"}, "precision: got 'low'"),
        ({"workspace_limit": -1}, "workspace_limit: got -1"),
        ({"workspace_limit": 1e6}, "workspace_limit: got 1000000.0, expected an integer"),
        ({"max_error": 0}, "max_error: got 0"),
        ({"max_error": "small"}, "max_error: got 'small'"),
        ({"max_error": float("nan")}, "max_error: got nan"),
        ({"deny": "direkt"}, "'direkt' is not registered; there are a, b"),
        ({"deny": 5}, "deny: got 5"),
        ({"cache_dir": 5}, "cache_dir: got 5"),
        ({"efort": "cached"}, "no option 'efort'; there are effort"),
    ],
)
def test_bad_options_raise_at_once(options, message, process_wide):
    for setter in (fc.config, fc.set_config):
        with pytest.raises(fc.FastconvError, match=message):
            setter(**options)
    assert fc.get_config().effort == "cached"
