"""Predicted times as sums of terms: the amount of each kind of work at the machine's rates, times a factor that is fitted."""

from __future__ import annotations

from abc import abstractmethod

from . import machine
from .base import ConvAlgorithm

__all__ = ["Modelled"]


class Modelled(ConvAlgorithm):
    """An algorithm that tells how much of which work it does; `fastconv calibrate` fits how long that takes on a machine."""

    @abstractmethod
    def terms(self, problem):
        """Seconds of one call with packed operands at the machine's full rates, as a dict by kind of work. Constant time."""

    def pack_terms(self, problem):
        """The same for `pack`. Here: the weights are read and written once."""
        nbytes = problem.itemsize * problem.out_channels * problem.w_shape[1] * problem.taps
        return {"call": machine.call_seconds(1), "copy": machine.traffic_seconds(2 * nbytes, nbytes, threads=1)}

    def model(self, problem):
        """Name of the factors of `terms`."""
        return self.name if problem.direction == "forward" else f"{self.name} {problem.direction}"

    def pack_model(self, problem):
        """Name of the factors of `pack_terms`; gradients have the filters transposed."""
        return f"{self.name} pack" if problem.direction == "forward" else f"{self.name} transposed pack"

    def cost(self, problem):
        return machine.predict(self.model(problem), self.terms(problem))

    def pack_cost(self, problem):
        if problem.direction == "weight_grad":
            return 0.0
        return machine.predict(self.pack_model(problem), self.pack_terms(problem))
