"""`Plan` and `PreparedConv`: a problem with its algorithm, ready to be run.

This is the path between a call and a kernel, so it is short: outputs and workspaces are allocated here, nowhere lower.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import selection, threads, workspace
from .algorithms.base import Activation as KernelActivation
from .algorithms.base import ConvAlgorithm, as_activation
from .arrays import as_bias, as_plain, checked_out, conform, empty, require_shape
from .errors import InvalidArgumentError, InvalidTypeError
from .kernels import cpu
from .problem import as_conv_array
from .typing import Activation, Array

if TYPE_CHECKING:
    from .problem import ConvProblem

__all__ = ["Plan", "PreparedConv"]

_NO_ACTIVATION = as_activation(None)


class Plan:
    """An algorithm chosen for a problem; made by `fastconv.plan`.

    Attributes
    ----------
    problem : ConvProblem
    algorithm : ConvAlgorithm
    source : {"forced", "lock", "stored", "measured", "heuristic"}
        Where the choice came from.
    """

    def __init__(self, choice: selection.Choice) -> None:
        self._choice = choice
        self.problem = problem = choice.problem
        self.algorithm = choice.algorithm
        self.source = choice.source
        # Scratch bytes depend on the number of threads, and with the vectors' length on the instruction set.
        self._scratch: dict[tuple[int, Any], int] = {}
        self.result_format = "nchw" if problem.direction == "weight_grad" else problem.memory_format
        self.result_shape = problem.result_shape
        self.dtype = np.dtype(problem.dtype)

    def explain(self) -> selection.Explanation:
        """Why this algorithm: an `Explanation` of every candidate, which prints as a table."""
        return self._choice.explain()

    def prepare(self, w: Array, b: Array | None = None, activation: Activation = None) -> PreparedConv:
        """Pack the weights once, for many calls.

        Parameters
        ----------
        w : ndarray of ``problem.w_shape``
            Copied; later changes to it have no effect.
        b : ndarray of shape (out_channels,), optional
            Forward only.
        activation : {None, "relu", "relu6", "leaky_relu", "sigmoid", "silu"} or ("leaky_relu", slope)
            Forward only.

        Returns
        -------
        PreparedConv
            Callable: ``conv(x, out=None)`` for forward problems, ``conv(gy, out=None)`` for input gradients.

        Raises
        ------
        InvalidArgumentError, InvalidTypeError
        """
        problem = self.problem
        if problem.direction == "weight_grad":
            raise InvalidArgumentError(
                "plan: a weight gradient has no weights to prepare; call conv2d_weight_grad, which uses the plan by itself"
            )
        if problem.direction == "input_grad" and (b is not None or activation is not None):
            raise InvalidArgumentError("b, activation: an input gradient takes neither; they belong to the forward direction")
        w = as_conv_array("w", as_plain("w", w))
        if w.dtype != self.dtype:
            raise InvalidTypeError(f"w: dtype {w.dtype} differs from the problem's {problem.dtype}; convert it")
        require_shape("w", w, problem.w_shape, f"the weights of {problem}")
        bias = as_bias(b, problem)
        return PreparedConv(self, np.array(w, order="C"), None if bias is None else bias.copy(), as_activation(activation))

    def pack(self, w: Array) -> Any:
        """`w` as `run` takes it."""
        return self.algorithm.pack(self.problem, conform(w, self.dtype))

    def run(
        self,
        x: Array,
        packed: Any,
        bias: Array | None = None,
        activation: KernelActivation = _NO_ACTIVATION,
        out: Array | None = None,
    ) -> Array:
        """Run the algorithm on operands that are in the problem's shapes and format; returns the result.

        `out`, if given, has passed `checked_out`; any strides will do.
        """
        direct = out is not None and self._can_write_to(out)
        y: Any = out if direct else empty(self.result_shape, self.dtype, self.result_format)
        if self.problem.batch:
            self._run(x, packed, bias, activation, y)
        elif self.problem.direction == "weight_grad":
            y.fill(0)
        if out is None or direct:
            return y
        out[...] = y
        return out

    def _run(self, x, packed, bias, activation, y):
        n = threads.get_num_threads()
        key = n, cpu.kernels()
        # The number is pinned, so that the workspace fits even if another Python thread changes it at this moment.
        token = threads.pin(n)
        scratch = workspace.take(self._scratch.get(key) or self._scratch_bytes(key))
        try:
            self.algorithm.run(self.problem, x, packed, bias, activation, y, scratch)
        finally:
            workspace.give_back(scratch)
            threads.unpin(token)

    def _scratch_bytes(self, key):
        nbytes = self._scratch[key] = int(self.algorithm.workspace(self.problem))
        return nbytes

    def _can_write_to(self, out):
        if not out.flags.aligned:
            return False
        if self.result_format == "nhwc":
            out = out.transpose(0, 2, 3, 1)
        return out.flags.c_contiguous

    def __repr__(self) -> str:
        p = self.problem
        return f"<Plan {p.direction} {p} {p.dtype} {p.memory_format}: {self.algorithm.name}>"

    def _repr_html_(self):
        return self.explain()._repr_html_()

    def __reduce__(self):
        # Elsewhere the algorithm is looked up by its name; how it was chosen here says nothing there.
        return _forced_plan, (self.problem, self.algorithm.name)


class PreparedConv:
    """A planned convolution with its weights packed: call it with the input; made by `Plan.prepare`.

    It may be called from several threads at once, and pickled: the weights are then packed again where it is loaded.

    Attributes
    ----------
    plan : Plan
    """

    def __init__(self, plan: Plan, w: Array, bias: Array | None, activation: KernelActivation) -> None:
        self.plan = plan
        self._w, self._bias, self._activation = w, bias, activation
        problem = plan.problem
        self._name = "gy" if problem.direction == "input_grad" else "x"
        self._shape = problem.y_shape if problem.direction == "input_grad" else problem.x_shape
        self._strides = empty(self._shape, plan.dtype, problem.memory_format).strides
        self._out_strides = empty(plan.result_shape, plan.dtype, plan.result_format).strides
        self._pack()

    @property
    def problem(self) -> ConvProblem:
        return self.plan.problem

    @property
    def algorithm(self) -> ConvAlgorithm:
        return self.plan.algorithm

    def __call__(self, x: Array, out: Array | None = None) -> Array:
        """The convolution of `x`, or the input gradient for the output gradient `x`.

        Parameters
        ----------
        x : ndarray
            Of the shape and dtype of the plan's problem; any other memory format is converted.
        out : ndarray, optional
            Receives the result and is returned; it must share no memory with `x`.

        Returns
        -------
        ndarray
            In the problem's memory format.
        """
        plan = self.plan
        if not (
            type(x) is np.ndarray
            and x.shape == self._shape
            and x.strides == self._strides
            and x.dtype is plan.dtype
            and x.flags.aligned
        ):
            x = self._accept(x)
        if out is not None and not (
            type(out) is np.ndarray
            and out.shape == plan.result_shape
            and out.strides == self._out_strides
            and out.dtype is plan.dtype
            and out.flags.behaved
            and not np.may_share_memory(out, x)
        ):
            out = checked_out(out, plan.result_shape, plan.dtype, **{self._name: x})
        if cpu.kernels() is not self._kernels:
            self._pack()
        return plan.run(x, self._packed, self._bias, self._activation, out)

    def _accept(self, x):
        name, plan = self._name, self.plan
        x = as_conv_array(name, as_plain(name, x))
        if x.dtype != plan.dtype:
            raise InvalidTypeError(f"{name}: dtype {x.dtype} differs from the plan's {plan.dtype}; convert it or plan for it")
        require_shape(name, x, self._shape, f"planned for {plan.problem}; make another plan for other shapes")
        return conform(x, plan.dtype, plan.problem.memory_format)

    def _pack(self):
        # Layouts follow the vectors of the instruction set: other kernels need another packing.
        self._kernels = cpu.kernels()
        self._packed = self.plan.pack(self._w)

    def __reduce__(self):
        return PreparedConv, (self.plan, self._w, self._bias, self._activation)

    def __repr__(self) -> str:
        return f"<PreparedConv {self.plan!r}>"


def _forced_plan(problem, name):
    return Plan(selection.select(problem, name, selection.get_config(), packed_once=True))
