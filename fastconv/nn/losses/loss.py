"""The base class of losses."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ...errors import InvalidArgumentError, InvalidTypeError

__all__ = ["ElementwiseLoss", "Loss"]

DTYPES = (np.float32, np.float64)
REDUCTIONS = ("mean", "sum", "none")


class Loss:
    """A value and its gradient.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}
        Of the losses of samples or elements. The mean of none, of an empty batch, is 0.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        The message names the argument.
    """

    reductions: ClassVar[tuple[str, ...]] = REDUCTIONS

    def __init__(self, reduction: str = "mean") -> None:
        if reduction not in self.reductions:
            raise InvalidArgumentError(f"reduction: got {reduction!r}, expected one of {', '.join(self.reductions)}")
        self.reduction = reduction
        # What `backward` needs of the last `forward`.
        self._saved: tuple[Any, ...] | None = None

    def forward(self, predictions: np.ndarray, targets: np.ndarray) -> float | np.ndarray:
        """The loss, a float; with ``reduction="none"`` an array of the predictions' dtype."""
        raise NotImplementedError

    def backward(self, gradient: float | np.ndarray = 1.0) -> np.ndarray:
        """The gradient with respect to the predictions of the last `forward`, of their shape and dtype.

        Parameters
        ----------
        gradient : float or ndarray
            With respect to what `forward` returned, and of its shape.
        """
        raise NotImplementedError

    def __call__(self, predictions: np.ndarray, targets: np.ndarray) -> float | np.ndarray:
        return self.forward(predictions, targets)

    def __getstate__(self):
        return {**self.__dict__, "_saved": None}

    def _last(self):
        if self._saved is None:
            raise InvalidArgumentError("backward: there was no forward before it")
        return self._saved

    def _reduced(self, losses: np.ndarray, divisor: float) -> float | np.ndarray:
        """The reduction of each sample's or element's loss; `divisor` is what the mean's sum is divided by."""
        if self.reduction == "none":
            return losses
        total = float(losses.sum(dtype=np.float64))
        return total if self.reduction == "sum" else total / divisor if divisor else 0.0

    def _incoming(self, gradient: float | np.ndarray, shape: tuple[int, ...], dtype: np.dtype, divisor: float) -> np.ndarray:
        """The gradient with respect to each sample's or element's loss: an array that broadcasts to `shape`."""
        given = np.asarray(gradient, dtype)
        if given.shape not in ((), shape) or (given.shape and self.reduction != "none"):
            expected = shape if self.reduction == "none" else ()
            raise InvalidArgumentError(f"gradient: shape is {given.shape}, expected {expected}")
        if self.reduction not in ("sum", "none"):
            given = given / dtype.type(divisor or 1)
        return given


class ElementwiseLoss(Loss):
    """A loss that is a sum or mean over elements, each of one prediction and one target."""

    def forward(self, predictions: np.ndarray, targets: np.ndarray) -> float | np.ndarray:
        predictions = as_predictions(predictions)
        targets = as_values("targets", targets, predictions)
        with np.errstate(all="ignore"):
            losses, slopes = self._elements(predictions, targets)
        # Of arrays without dimensions NumPy makes scalars.
        losses, slopes = np.asarray(losses), np.asarray(slopes)
        self._saved = (slopes,)
        return self._reduced(losses, self._divisor(predictions))

    def backward(self, gradient: float | np.ndarray = 1.0) -> np.ndarray:
        (slopes,) = self._last()
        return np.asarray(slopes * self._incoming(gradient, slopes.shape, slopes.dtype, self._divisor(slopes)))

    def _divisor(self, predictions: np.ndarray) -> int:
        return predictions.size

    def _elements(self, predictions: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Each element's loss and its derivative with respect to the prediction."""
        raise NotImplementedError


def as_predictions(predictions: Any) -> np.ndarray:
    """The predictions; raises for what is no array of float32 or float64."""
    if not isinstance(predictions, np.ndarray) or predictions.dtype not in DTYPES:
        got = getattr(predictions, "dtype", type(predictions).__name__)
        raise InvalidTypeError(f"predictions: got {got}, expected an array of float32 or float64")
    return predictions


def as_values(name: str, values: Any, predictions: np.ndarray) -> np.ndarray:
    """Real numbers of the predictions' shape, in their dtype."""
    values = np.asarray(values)
    if values.dtype.kind not in "fiub":
        raise InvalidTypeError(f"{name}: got {values.dtype}, expected real numbers")
    if values.shape != predictions.shape:
        raise InvalidArgumentError(f"{name}: shape is {values.shape}, expected {predictions.shape} as of predictions")
    return values.astype(predictions.dtype, copy=False)


def as_weight(name: str, weight: Any) -> np.ndarray | None:
    """Weights as an array of float64, or None."""
    if weight is None:
        return None
    weight = np.asarray(weight)
    if weight.dtype.kind not in "fiu":
        raise InvalidTypeError(f"{name}: got {weight.dtype}, expected real numbers")
    return weight.astype(np.float64)
