"""A clock for what is timed in tests: time passes where a test says so, however busy the machine is."""

from fastconv.selection import choose, measure, race, tune


class Clock:
    """Stands in for the module `time`."""

    # What looking at it takes: no time at all would be no measurement.
    _LOOK_SECONDS = 1e-7

    def __init__(self):
        self._now = 0.0

    def perf_counter(self):
        self._now += self._LOOK_SECONDS
        return self._now

    monotonic = time = perf_counter

    def sleep(self, seconds):
        self._now += seconds


CLOCK = Clock()


def rule(monkeypatch):
    """Let the timings of the library be those of `CLOCK`."""
    for module in (choose, measure, race, tune):
        monkeypatch.setattr(module, "time", CLOCK)
