"""Results of a function computed ahead by threads and handed over in order.

consumer   takes result i, submits item i + ahead
workers    compute items i + 1 ... i + ahead - 1, each item by one thread
"""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

__all__ = ["prefetched"]

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def prefetched(function: Callable[[_Item], _Result], items: Iterable[_Item], workers: int, ahead: int) -> Iterator[_Result]:
    """``map(function, items)``, computed by threads.

    Parameters
    ----------
    function : callable
        Called by several threads at once.
    items : iterable
        Taken in the consumer's thread.
    workers : int
        Number of threads; 0 computes each result when it is asked for.
    ahead : int
        Items in work or waiting for the consumer, at most.

    Yields
    ------
    The results in order. An exception is raised where its result would come, with the traceback of the worker.

    Notes
    -----
    The threads end when the iterator does: exhausted, closed, or no longer referred to.

    Examples
    --------
    >>> list(prefetched(abs, [-1, -2, -3], workers=2, ahead=2))
    [1, 2, 3]
    """
    if not workers:
        yield from map(function, items)
        return
    from concurrent.futures import ThreadPoolExecutor

    members: set[int] = set()
    pool = ThreadPoolExecutor(workers, "fastconv-data", initializer=lambda: members.add(threading.get_ident()))
    try:
        rest = iter(items)
        waiting = deque(pool.submit(function, item) for item in itertools.islice(rest, ahead))
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(pool.submit(function, item) for item in itertools.islice(rest, 1))
            yield result
    finally:
        # An abandoned iterator may be collected in one of its own threads, which cannot wait for itself.
        pool.shutdown(wait=threading.get_ident() not in members, cancel_futures=True)
