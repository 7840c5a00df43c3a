"""The contract every convolution algorithm fulfils.

    functional / selection
            |
      ConvAlgorithm          policy: supports, cost, workspace, error
            |
       pack, run             arranges tiles and calls the compiled kernels
            |
      kernels/*.pyx          loops; arrays and integers only

An algorithm is a stateless object. Correct and preferable are separate questions: `supports` answers the first, `cost` the
second. Add one by writing a file with a subclass and registering an instance (see CONTRIBUTING).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InvalidArgumentError, InvalidTypeError
from ..typing import ActivationLike

if TYPE_CHECKING:
    from ..problem import ConvProblem

__all__ = ["ACTIVATIONS", "Activation", "ConvAlgorithm", "as_activation"]

# The order is that of the codes in kernels/activation.h.
ACTIVATIONS = (None, "relu", "relu6", "leaky_relu", "sigmoid", "silu")
# PyTorch's default negative slope.
LEAKY_RELU_SLOPE = 0.01


class Activation:
    """A function applied to the result in the store of a forward convolution: its code and its parameter."""

    __slots__ = ("code", "name", "slope")

    def __init__(self, name: str | None, slope: float = 0.0) -> None:
        self.name, self.slope, self.code = name, slope, ACTIVATIONS.index(name)

    def __repr__(self):
        return f"Activation({self.name!r}, {self.slope})"


_NAMED: dict[Any, Activation] = {
    name: Activation(name, LEAKY_RELU_SLOPE if name == "leaky_relu" else 0.0) for name in ACTIVATIONS
}


def as_activation(activation: Activation | ActivationLike) -> Activation:
    """The `Activation` meant by a name, ``("leaky_relu", slope)`` or None."""
    if isinstance(activation, Activation):
        return activation
    if isinstance(activation, tuple) and len(activation) == 2 and activation[0] == "leaky_relu":
        try:
            return Activation("leaky_relu", float(activation[1]))
        except (TypeError, ValueError):
            raise InvalidTypeError(f"activation: the slope {activation[1]!r} is not a number") from None
    try:
        return _NAMED[activation]
    except (KeyError, TypeError):
        names = ", ".join(str(name) for name in ACTIVATIONS)
        raise InvalidArgumentError(
            f"activation: got {activation!r}, expected one of {names} or ('leaky_relu', slope)"
        ) from None


class ConvAlgorithm(ABC):
    """One way of computing convolutions and their gradients.

    Attributes
    ----------
    name : str
        What users write, and what reports and stored plans show.
    local_non_finite : bool
        Whether a NaN or Inf reaches only the outputs whose windows hold it. With an error no larger than direct float32
        convolution's, it makes an algorithm eligible under ``precision="highest"``.
    """

    name: str
    local_non_finite = True

    @abstractmethod
    def supports(self, problem: ConvProblem) -> str | None:
        """None if this algorithm can do `problem`; else the reason why not, in a few words.

        Constant time; runs nothing.
        """

    @abstractmethod
    def cost(self, problem: ConvProblem) -> float:
        """Predicted seconds of one call with packed operands, on the current number of threads.

        Constant time; runs nothing; called only for supported problems.
        """

    def pack_cost(self, problem: ConvProblem) -> float:
        """Predicted seconds of `pack`, which calls pay that come with weights not packed before. Constant time."""
        return 0.0

    def workspace(self, problem: ConvProblem) -> int:
        """Bytes of scratch that `run` needs on the current number of threads."""
        return 0

    @abstractmethod
    def error(self, problem: ConvProblem) -> float:
        """The published error constant c: ``|y - y_ref| <= c * eps * (|x| conv |w|)``, with eps of the dtype.

        Algorithms that are not `local_non_finite` compute a tile or a plane together, and its values share their rounding
        errors: for them ``|x| conv |w|`` is its largest value in the image's plane (for ``weight_grad``, the norm of x times
        that of gy, summed over the images), which on ordinary images is about the value itself.

        y_ref is computed in float64; for gradients the bound is of the same form with the operands of the gradient. A bias
        counts as a term of ``|x| conv |w|``.
        """

    def method_error(self, problem: ConvProblem) -> float | None:
        """The part of the error that is not the rounding of a sum, as a constant like that of `error`; None: there is none.

        Where `error` bounds a method on any data, this is its size on independent data, whose errors add up as the square root
        of their number (Higham and Mary, "A new approach to probabilistic rounding error analysis", 2019), relative to each
        result's own ``|x| conv |w|``. Precision ``"high"`` holds it to ``max_error``, ``"highest"`` to a rounding of float32.
        """
        return None

    def pack(self, problem: ConvProblem, w: np.ndarray) -> Any:
        """The weights arranged as `run` wants them; independent of the number of threads.

        Parameters
        ----------
        w : ndarray of `problem.w_shape`, C-contiguous
            For ``weight_grad`` problems nothing is packed, and this is not called.
        """
        return w

    @abstractmethod
    def run(
        self,
        problem: ConvProblem,
        x: np.ndarray,
        packed: Any,
        bias: np.ndarray | None,
        activation: Activation,
        out: np.ndarray,
        workspace: np.ndarray,
    ) -> None:
        """Compute `out`; every element of it is written. Never called for an empty batch.

        Parameters
        ----------
        x : ndarray
            forward: the input; input_grad: the output gradient gy; weight_grad: the input. In the problem's memory format.
        packed : object
            forward and input_grad: what `pack` returned; weight_grad: the output gradient gy, in the problem's memory format.
        bias : ndarray of shape (out_channels,) or None
            Forward only.
        activation : Activation
            Forward only; ``activation.code`` is 0 for none.
        out : ndarray
            forward: y; input_grad: dx, both in the problem's memory format; weight_grad: dw, C-contiguous.
        workspace : uint8 ndarray, 64-byte aligned, of at least ``workspace(problem)`` bytes
            Its content is arbitrary at entry.
        """

    def __repr__(self):
        return f"<algorithm {self.name}>"
