"""`overfit_single_batch`: can a network learn a handful of samples by heart?"""

from __future__ import annotations

import copy
import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InvalidArgumentError
from ..nn import Network
from ..optim import Adam
from .table import Table

if TYPE_CHECKING:
    from ..optim.optimizer import Optimizer

__all__ = ["OverfitTest", "overfit_single_batch"]


@dataclasses.dataclass(frozen=True)
class OverfitTest(Table):
    """What `overfit_single_batch` saw; prints as a table, and is true if the loss came down far enough.

    Attributes
    ----------
    losses : list of float
        Before each step.
    target : float
        The share of the first loss that the last must not exceed.
    """

    losses: list[float]
    target: float

    _headers = ("step", "loss")

    @property
    def ok(self) -> bool:
        # Also false if the loss is not a number.
        return self.losses[-1] <= self.target * self.losses[0]

    def __bool__(self) -> bool:
        return self.ok

    def _cells(self):
        # Ten lines say how it went.
        steps = np.unique(np.linspace(0, len(self.losses) - 1, 10).astype(int))
        return [(str(step), f"{self.losses[step]:.6f}") for step in steps]

    def _remarks(self):
        if self.ok:
            return ["the loss falls: model and gradients work; if training does not, look at the data or regularisation"]
        return ["THE LOSS DOES NOT FALL: look for a bug in the model, or another learning rate"]


def overfit_single_batch(
    network: Network,
    x: np.ndarray,
    y: np.ndarray,
    *,
    optimizer: Optimizer | None = None,
    steps: int = 200,
    target: float = 0.05,
    dropout: bool = False,
) -> OverfitTest:
    """Train a copy of a network on one small batch, which it must be able to learn by heart.

    Parameters
    ----------
    network : Network
        Stays as it is.
    x, y : ndarray
        One to some ten samples, see `Network.train_step`.
    optimizer : optimizer of `fastconv.optim`, optional
        Of which a copy is used; ``Adam(1e-3)`` if left out.
    steps : int
        At most; it ends where the target is reached.
    target : float
        The share of the first loss to come down to.
    dropout : bool
        Leave dropout on, which is there to prevent what is tried here.

    Returns
    -------
    OverfitTest

    Examples
    --------
    >>> import numpy as np, fastconv as fc
    >>> net = fc.models.simple_cnn((None, 1, 8, 8), 2, rng=0)
    >>> x = np.random.default_rng(0).standard_normal((4, 1, 8, 8)).astype(np.float32)
    >>> bool(fc.diagnostics.overfit_single_batch(net, x, np.array([0, 1, 1, 0])))
    True
    """
    if steps < 2:
        raise InvalidArgumentError(f"steps: got {steps}, expected at least 2")
    # Copied together, an optimizer of the network's parameters becomes one of the copy's.
    network, optimizer = copy.deepcopy((network, optimizer or Adam(1e-3)))
    network.train()
    for _, layer in network.layers_inside():
        if layer.random and not dropout:
            layer.training = False
    losses = []
    for _ in range(steps):
        losses.append(float(network.train_step(x, y, optimizer)))
        if not np.isfinite(losses[-1]) or losses[-1] <= target * losses[0]:
            break
    return OverfitTest(losses, target)
