import gc
import itertools
import threading
import time
import weakref

import pytest

from fastconv.data.prefetch import prefetched

# Long enough for any machine; only a failing test waits for it.
PATIENCE = 30


def threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("fastconv-data")]


def wait_until(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.mark.parametrize("workers, ahead", [(0, 1), (1, 1), (1, 3), (3, 3), (3, 8)])
@pytest.mark.parametrize("n", [0, 1, 2, 20])
def test_results_come_in_order(workers, ahead, n):
    def slow_if_even(i):
        time.sleep(0.002 * (i % 2 == 0))
        return i

    assert list(prefetched(slow_if_even, range(n), workers, ahead)) == list(range(n))
    assert not threads()


@pytest.mark.parametrize("workers, ahead", [(1, 1), (2, 3)])
def test_no_more_items_are_taken_than_may_wait(workers, ahead):
    taken = []
    results = prefetched(lambda i: i, (taken.append(i) or i for i in itertools.count()), workers, ahead)
    for i in range(5):
        assert next(results) == i
        assert len(taken) == i + 1 + ahead
    results.close()


def test_workers_work_at_the_same_time():
    # Each of two waits for the other.
    meet = threading.Barrier(2, timeout=PATIENCE)
    assert len(list(prefetched(lambda i: meet.wait(), range(4), workers=2, ahead=2))) == 4


@pytest.mark.parametrize("workers", [0, 2])
def test_an_exception_comes_in_its_place_with_its_traceback(workers):
    def faulty(i):
        if i == 2:
            raise KeyError("of the worker")
        return i

    results = prefetched(faulty, range(5), workers, 4)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(KeyError, match="of the worker") as caught:
        next(results)
    assert caught.traceback[-1].name == "faulty"
    assert not threads()


def test_closing_ends_the_threads():
    results = prefetched(lambda i: i, itertools.count(), workers=3, ahead=5)
    next(results)
    assert threads()
    results.close()
    assert not threads()


def test_an_iterator_that_is_dropped_ends_its_threads():
    results = prefetched(lambda i: i, itertools.count(), workers=3, ahead=5)
    next(results)
    del results
    gc.collect()
    assert not threads()


def test_an_iterator_that_was_not_begun_has_no_threads():
    results = prefetched(lambda i: i, range(3), workers=3, ahead=5)
    assert not threads()
    results.close()


def test_an_iterator_collected_by_its_own_worker_ends_its_threads():
    """The last reference may be dropped in a worker, which must not wait for itself."""
    holder = []
    dropped = threading.Event()

    def drop(i):
        if i == 1:
            wait_until(lambda: begun.is_set())
            holder.clear()
            dropped.set()
        return i

    begun = threading.Event()
    holder.append(prefetched(drop, itertools.count(), workers=1, ahead=2))
    next(holder[0])
    reference = weakref.ref(holder[0])
    begun.set()
    assert dropped.wait(PATIENCE)
    wait_until(lambda: reference() is None and not threads())
