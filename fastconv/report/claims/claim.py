"""`Claim`: a statement about speed, how it is measured, and what decides whether it holds."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence

from ...errors import MissingExtraError
from ...threads import num_threads

__all__ = ["HOLDS", "NOT", "PARTLY", "UNKNOWN", "Claim", "Figure", "Finding", "Verdict"]

HOLDS, PARTLY, NOT, UNKNOWN = "holds", "holds partly", "does not hold", "not measured"


@dataclasses.dataclass(frozen=True)
class Figure:
    """A figure of this machine.

    Attributes
    ----------
    key : str
        What the verdict and drawings call it.
    label : str
        What was compared, and on which shape.
    value : float
        How many times faster, fewer or longer.
    detail : str
        Where it comes from: the two times, or the two counts.
    beside : bool
        Whether it only stands beside those that the claim is about.
    """

    key: str
    label: str
    value: float
    detail: str = ""
    beside: bool = False


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Whether a claim holds (`HOLDS`, `PARTLY`, `NOT`, `UNKNOWN`), the figure to set beside the guide's, and why."""

    holds: str
    here: str
    why: str


@dataclasses.dataclass(frozen=True)
class Claim:
    """A claim of the guide, and how it is put to the test.

    Attributes
    ----------
    name : str
        What it is called on the command line.
    title : str
    section : str
        Of the guide.
    quotes : tuple of str
        The guide's words.
    stated : str
        Its figure.
    span : (float, float) or None
        That figure as numbers, least and largest; None if it is not a ratio.
    method : str
        What is measured, and how.
    criterion : str
        What decides about the verdict, in words.
    measure : callable
        ``measure(seconds)`` gives the figures; the seconds are aimed at for all timings together.
    judge : callable
        ``judge(figures)`` gives the `Verdict` from the values by their keys.
    """

    name: str
    title: str
    section: str
    quotes: tuple[str, ...]
    stated: str
    span: tuple[float, float] | None
    method: str
    criterion: str
    measure: Callable[[float], Sequence[Figure]]
    judge: Callable[[Mapping[str, float]], Verdict]

    def check(self, seconds: float) -> Finding:
        """Measure on one thread, and judge. Without a package that it needs the claim stays unmeasured."""
        start = time.perf_counter()
        try:
            with num_threads(1):
                figures = tuple(self.measure(seconds))
            verdict = self.judge({figure.key: figure.value for figure in figures})
        except MissingExtraError as error:
            figures, verdict = (), Verdict(UNKNOWN, "", str(error))
        return Finding(self, figures, verdict, time.perf_counter() - start)


@dataclasses.dataclass(frozen=True)
class Finding:
    """A claim with its figures of this machine and the verdict; `seconds` is what measuring took."""

    claim: Claim
    figures: tuple[Figure, ...]
    verdict: Verdict
    seconds: float

    def as_dict(self) -> dict:
        """Everything as plain values, for JSON."""
        described = {
            field.name: getattr(self.claim, field.name)
            for field in dataclasses.fields(Claim)
            if field.name not in ("measure", "judge")
        }
        figures = [dataclasses.asdict(figure) for figure in self.figures]
        return described | {"figures": figures, **dataclasses.asdict(self.verdict), "seconds": self.seconds}
