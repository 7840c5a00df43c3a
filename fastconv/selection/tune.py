"""Measuring ahead of time, and writing down the plans."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from ..errors import InvalidArgumentError, InvalidTypeError
from ..problem import ConvProblem
from ..typing import PathLike
from . import measure
from .choose import select
from .lock import Lock, LockedPlan
from .options import get_config

if TYPE_CHECKING:
    from .explain import Choice

__all__ = ["autotune", "lock_of"]


class HasProblems(Protocol):
    """Such as a network."""

    def problems(self) -> Iterable[ConvProblem]: ...


Tunable: TypeAlias = ConvProblem | str | Iterable[ConvProblem | str] | HasProblems


def autotune(
    problems_or_network: Tunable,
    *,
    time_budget: float | None = None,
    effort: Literal["measure", "exhaustive"] = "measure",
    lock: PathLike | None = None,
    progress: bool = False,
) -> list[Choice]:
    """Measure problems ahead of their use, and store what was found.

    Parameters
    ----------
    problems_or_network : network, ConvProblem, str, or iterable of the last two
        A network is any object with a method ``problems()``; text is read by `ConvProblem.parse`.
    time_budget : float, optional
        Seconds for all of them; those it does not reach keep their stored or predicted algorithm. The largest come first.
    effort : {"measure", "exhaustive"}
        Whether stored measurements are kept, or everything is timed again.
    lock : path, optional
        Write the plans, for both habits of packing weights, to this file, for ``fc.config(lock=path)``.
    progress : bool
        Show a progress bar.

    Returns
    -------
    list of Choice
        In the order of the problems, without repetitions, for weights packed once; with ``.problem``, ``.algorithm``,
        ``.source`` and ``.explain()``.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError

    Examples
    --------
    >>> import fastconv as fc
    >>> tuned = fc.autotune("1x8x8x8,8x3x3,p1", time_budget=0.0)
    >>> [str(choice.problem) for choice in tuned]
    ['1x8x8x8,8x3x3,p1']
    """
    problems = _problems(problems_or_network)
    if effort not in ("measure", "exhaustive"):
        raise InvalidArgumentError(f"effort: got {effort!r}, expected 'measure' or 'exhaustive'")
    if time_budget is not None and not (isinstance(time_budget, (int, float)) and time_budget >= 0):
        raise InvalidArgumentError(f"time_budget: got {time_budget!r}, expected seconds or None")
    config = get_config()
    choices = {}
    end = None if time_budget is None else time.monotonic() + time_budget
    queue = sorted(problems, key=lambda p: p.flops, reverse=True)
    for left, problem in zip(range(len(queue), 0, -1), _shown(queue, progress), strict=True):
        remaining = None if end is None else end - time.monotonic()
        if remaining is not None and remaining <= 0:
            choices[problem] = select(problem, "auto", config.replace(effort="cached"), True)
            continue
        usual = measure.MEASURE_SECONDS if effort == "measure" else measure.EXHAUSTIVE_SECONDS
        seconds = usual if remaining is None else min(usual, remaining / left)
        choices[problem] = select(problem, "auto", config.replace(effort=effort), True, seconds)
    if lock is not None:
        lock_of(problems).write(lock)
    return [choices[problem] for problem in problems]


def lock_of(problems_or_network: Tunable) -> Lock:
    """The plans in force for problems on the current number of threads, for both habits of packing, as a `Lock`.

    Parameters
    ----------
    problems_or_network
        As in `autotune`. Nothing is timed: stored measurements decide, else the predictions.
    """
    config = get_config().replace(effort="cached", lock=None)
    plans = []
    for problem in _problems(problems_or_network):
        for packed_once in (True, False):
            choice = select(problem, "auto", config, packed_once)
            seconds = choice.record.measured[choice.algorithm.name].total(packed_once) if choice.record else None
            plans.append(LockedPlan(problem, choice.threads, packed_once, choice.algorithm.name, seconds))
    return Lock(plans)


def _problems(problems_or_network):
    """The distinct problems meant, in order."""
    given = problems_or_network
    if hasattr(given, "problems"):
        given = given.problems()
    if isinstance(given, (str, ConvProblem)):
        given = [given]
    if not isinstance(given, Iterable):
        raise InvalidTypeError(
            f"problems_or_network: got {type(given).__name__}, expected a network, a ConvProblem, a shape such as "
            "'1x64x56x56,64x3x3,p1', or an iterable of these"
        )
    problems = [ConvProblem.parse(p) if isinstance(p, str) else p for p in given]
    for p in problems:
        if not isinstance(p, ConvProblem):
            raise InvalidTypeError(f"problems_or_network: holds a {type(p).__name__}, expected ConvProblem or text")
    return list(dict.fromkeys(problems))


def _shown(problems, progress):
    if not progress:
        return problems
    from tqdm import tqdm

    return tqdm(problems, desc="tuning", unit="problem")
