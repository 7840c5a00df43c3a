"""The timing loop of the library.

Contenders take turns, so that a slow spell of the machine hits all of them, and each one's figure is its fastest turn:
interference can only slow a call.
"""

from __future__ import annotations

import dataclasses
import time

__all__ = ["Timing", "merged_times", "race"]

# A turn lasts at least this long, so that the clock's resolution and the call's overhead do not show.
_TURN_SECONDS = 5e-4
_MAX_CALLS = 200
# Turns every contender gets before the slow ones stop, and turns all others get whatever the time.
_TRIAL_TURNS = 2
_MIN_TURNS = 4
# Contenders slower than the best by this factor after the trial turns stop: no noise seen makes up for it.
_HOPELESS = 2.0
# Contenders this close to the best get as many turns again.
_NEAR_TIE = 0.05


@dataclasses.dataclass(frozen=True)
class Timing:
    """Fastest seconds per call over all turns, and how far their median lies above it, relatively."""

    seconds: float
    spread: float
    turns: int

    def merged(self, older):
        """This timing with an earlier one of the same call: the fastest of all turns, and the larger of the medians."""
        seconds, spread = merged_times(self, older)
        return Timing(seconds, spread, self.turns + older.turns)


def merged_times(*figures):
    """Seconds and spread of several measurements of one thing: the fastest, and how far the largest median lies above it."""
    fastest = min(figure.seconds for figure in figures)
    slowest = max(figure.seconds * (1 + figure.spread) for figure in figures)
    return fastest, slowest / fastest - 1


def race(contenders, seconds, guests=None, settle=0.0):
    """Time callables in turns.

    Parameters
    ----------
    contenders : dict of str to callable
        Called without arguments.
    seconds : float
        Aimed at for all turns together; slow contenders may take longer, because each gets a few turns in any case.
    guests : dict of str to callable, optional
        Others to compare with: they take turns to the end, and nothing is judged by their times.
    settle : float
        Seconds to wait after the turn of a guest: another library's threads spin for a while before they sleep, and would keep
        the next contender's from their cores.

    Returns
    -------
    dict of str to Timing
    """
    guests = guests or {}
    everyone = contenders | guests
    turns = {name: [] for name in everyone}
    calls = {}
    for name, call in everyone.items():
        call()
        calls[name] = max(1, min(_MAX_CALLS, round(_TURN_SECONDS / max(_time(call, 1), 1e-9))))

    def take_turns(names):
        # Back and forth, so that nobody always runs after the same neighbour.
        order = list(names) if len(turns[next(iter(names))]) % 2 else list(names)[::-1]
        for name in order:
            turns[name].append(_time(everyone[name], calls[name]))
            if settle and name in guests:
                time.sleep(settle)

    best = lambda: min(min(turns[name]) for name in contenders)  # noqa: E731
    end = time.perf_counter() + seconds
    for _ in range(_TRIAL_TURNS):
        take_turns(everyone)
    running = [name for name in contenders if min(turns[name]) <= _HOPELESS * best()]
    rounds = _TRIAL_TURNS
    while rounds < _MIN_TURNS or time.perf_counter() < end:
        take_turns([*running, *guests])
        rounds += 1
    close = [name for name in running if min(turns[name]) <= (1 + _NEAR_TIE) * best()]
    if len(close) > 1:
        for _ in range(rounds):
            take_turns([*close, *guests])
    return {name: _timing(t) for name, t in turns.items()}


def _time(call, calls):
    start = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - start) / calls


def _timing(turns):
    fastest = min(turns)
    import statistics  # costs a millisecond that calls under a stored or predicted plan need not spend

    return Timing(fastest, statistics.median(turns) / fastest - 1, len(turns))
