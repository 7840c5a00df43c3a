"""The plans in memory: one bounded, thread-safe LRU for the whole process."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..execution import Plan

__all__ = ["LRU", "PLANS", "remembered"]

# A network has tens of layers, each with three directions and a few batch sizes; an entry is a few hundred bytes.
_MAX_PLANS = 1024


class LRU:
    """A mapping that forgets the entry unused for longest once it holds more than `maxsize`.

    Parameters
    ----------
    maxsize : int
    """

    def __init__(self, maxsize):
        self.maxsize = maxsize
        self._entries = OrderedDict()
        self.generation = 0
        self.renew_lock()

    def renew_lock(self):
        """Forget who holds the lock: the thread that did may not exist in a forked process."""
        self._lock = threading.Lock()

    def get(self, key):
        """The value of `key`, or None."""
        with self._lock:
            value = self._entries.get(key)
            if value is not None:
                self._entries.move_to_end(key)
            return value

    def put(self, key, value, generation=None):
        """Set the value of `key`; not if a `generation` is given and entries were dropped since it was read."""
        with self._lock:
            if generation not in (None, self.generation):
                return
            self._entries[key] = value
            self._entries.move_to_end(key)
            while len(self._entries) > self.maxsize:
                self._entries.popitem(last=False)

    def drop(self, condition=None):
        """Forget the entries whose value meets `condition`, or all of them."""
        with self._lock:
            self.generation += 1
            for key in [k for k, v in self._entries.items() if condition is None or condition(v)]:
                del self._entries[key]

    def __len__(self):
        return len(self._entries)


PLANS = LRU(_MAX_PLANS)


def remembered(key: Hashable, make: Callable[[], Plan]) -> Plan:
    """The plan kept under `key`; if there is none, what `make()` returns.

    A plan made while others were dropped for new measurements is not kept, unless it rests on these.
    """
    plan = PLANS.get(key)
    if plan is None:
        generation = PLANS.generation
        plan = make()
        PLANS.put(key, plan, None if plan.source == "measured" else generation)
    return plan


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=PLANS.renew_lock)
