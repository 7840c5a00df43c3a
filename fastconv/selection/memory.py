"""The plans in memory: one bounded, thread-safe LRU for the whole process."""

from __future__ import annotations

import threading
from collections import OrderedDict

__all__ = ["PLANS", "LRU"]

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
        self._lock = threading.Lock()
        self._generation = 0

    def get(self, key):
        """The value of `key`, or None."""
        with self._lock:
            value = self._entries.get(key)
            if value is not None:
                self._entries.move_to_end(key)
            return value

    def get_or_make(self, key, make):
        """The value of `key`; if there is none, what `make()` returns.

        A value made while entries were dropped is returned but not kept: it may rest on what was dropped.
        """
        value = self.get(key)
        if value is not None:
            return value
        generation = self._generation
        value = make()
        with self._lock:
            if generation == self._generation:
                self._insert(key, value)
        return value

    def put(self, key, value):
        """Set the value of `key`."""
        with self._lock:
            self._insert(key, value)

    def drop(self, condition=None):
        """Forget the entries whose value meets `condition`, or all of them."""
        with self._lock:
            self._generation += 1
            for key in [k for k, v in self._entries.items() if condition is None or condition(v)]:
                del self._entries[key]

    def _insert(self, key, value):
        self._entries[key] = value
        self._entries.move_to_end(key)
        while len(self._entries) > self.maxsize:
            self._entries.popitem(last=False)

    def __len__(self):
        return len(self._entries)


PLANS = LRU(_MAX_PLANS)
