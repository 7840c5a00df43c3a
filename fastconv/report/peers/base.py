"""What a comparison needs of another library."""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ...problem import ConvProblem

__all__ = ["Peer", "contiguous"]


class Peer(abc.ABC):
    """Convolution by another library, through its public interface; constructed where that is installed.

    Attributes
    ----------
    name : str
        As tables show it.
    module : str
        What has to be importable.
    directions : tuple of str
        Of `ConvProblem`, those it can do.
    """

    name: str
    module: str
    directions: tuple[str, ...] = ("forward",)

    def __init__(self, threads: int):
        self.threads = threads

    @property
    @abc.abstractmethod
    def version(self) -> str:
        """Of the library."""

    def supports(self, problem: ConvProblem) -> str | None:
        """None, or the reason why the problem is not given to this library."""
        if problem.dtype != "float32":
            return "compared in float32 only"
        if problem.direction not in self.directions:
            return "compared in the forward direction only" if self.directions == ("forward",) else f"no {problem.direction}"
        return None if problem.batch else "the batch is empty"

    @abc.abstractmethod
    def prepare(self, problem: ConvProblem, operands: Sequence[np.ndarray]) -> Callable[[], np.ndarray]:
        """A function that computes the result once, with the threads given; everything that is done once is done here.

        Parameters
        ----------
        problem : ConvProblem
            One that is supported.
        operands : sequence of ndarray
            x and w forward, gy and w for the input's gradient, gy and x for that of the weights.
        """

    def close(self) -> None:
        """Undo what construction changed in the library."""
        return


def contiguous(array: np.ndarray) -> np.ndarray:
    """The array in C order: contiguous NCHW."""
    return np.ascontiguousarray(array)
