"""The scaling of Adagrad."""

from __future__ import annotations

from .arguments import at_least
from .compiled import CompiledTransformation

__all__ = ["AdagradScaling"]


class AdagradScaling(CompiledTransformation):
    """Divides the update by the root of the sum of all its squares so far (Duchi, Hazan and Singer, 2011).

    Parameters
    ----------
    lr_decay : float
        At step t the result is divided by 1 + (t - 1) lr_decay; at least 0.
    initial_accumulator_value : float
        What the sum starts from; at least 0.
    eps : float
        Added to the root; at least 0.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        The message names the argument.

    Examples
    --------
    >>> from fastconv import optim
    >>> optim.Chain(optim.AdagradScaling(), lr=0.01)
    Chain(AdagradScaling; lr=0.01)
    """

    slots = ("sum",)
    operation = "adagrad"

    def __init__(self, lr_decay: float = 0.0, initial_accumulator_value: float = 0.0, eps: float = 1e-10) -> None:
        self.lr_decay = at_least("lr_decay", lr_decay)
        self.initial_accumulator_value = at_least("initial_accumulator_value", initial_accumulator_value)
        self.eps = at_least("eps", eps)

    def initial(self, slot: str) -> float:
        return self.initial_accumulator_value

    def coefficients(self, step: int) -> tuple[float, ...]:
        divisor = 1 + (step - 1) * self.lr_decay
        return divisor, divisor * self.eps
