"""Convolution and its two gradients on NumPy arrays: validate, build the problem, select, run.

A repeated call finds its plan by the arrays' shapes, strides and dtypes and all parameters, in one bounded store of plans.
"""

from __future__ import annotations

from collections.abc import Sequence

from .. import selection, threads
from ..algorithms import registry
from ..algorithms.base import as_activation
from ..arrays import as_bias, as_plain, checked_out, conform, require_shape
from ..errors import InvalidArgumentError, InvalidTypeError
from ..execution import Plan
from ..kernels import cpu
from ..problem import ConvProblem, as_conv_array, as_integer, has_both_formats, memory_format_of
from ..typing import Activation, Array, Effort, Padding, Pair

__all__ = ["conv2d", "conv2d_input_grad", "conv2d_weight_grad", "plan"]

_NO_ACTIVATION = as_activation(None)


def conv2d(
    x: Array,
    w: Array,
    b: Array | None = None,
    *,
    stride: Pair = 1,
    padding: Padding = 0,
    dilation: Pair = 1,
    groups: int = 1,
    activation: Activation = None,
    algorithm: str = "auto",
    out: Array | None = None,
) -> Array:
    """Two-dimensional convolution (cross-correlation), with the fastest algorithm for its shape.

    Parameters
    ----------
    x : ndarray of float32 or float64, shape (n, c, h, w)
        Of any strides. If its channels are contiguous in memory (channels-last), so are the result's.
    w : ndarray, shape (k, c / groups, kh, kw)
        Filters, of x's dtype.
    b : ndarray, shape (k,), optional
        Bias.
    stride : int or (int, int)
        Along height and width.
    padding : int, (int, int), ((int, int), (int, int)), "same" or "valid"
        Zeros added at both sides, along height and width, or at (top, bottom), (left, right).
    dilation : int or (int, int)
        Distance of kernel elements, in pixels.
    groups : int
        Channels and filters are divided into this many independent convolutions.
    activation : {None, "relu", "relu6", "leaky_relu", "sigmoid", "silu"} or ("leaky_relu", slope)
        Applied to the result while it is stored.
    algorithm : str
        ``"auto"``, or a name of `fastconv.algorithms.names`, which is then used or refused with the reason.
    out : ndarray, optional
        Receives the result and is returned. It must share no memory with the inputs.

    Returns
    -------
    ndarray, shape (n, k, oh, ow)

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        The message names the argument.

    Examples
    --------
    >>> import numpy as np, fastconv as fc
    >>> x = np.ones((1, 3, 8, 8), np.float32)
    >>> w = np.ones((4, 3, 3, 3), np.float32)
    >>> y = fc.conv2d(x, w, padding=1, activation="relu")
    >>> y.shape, round(float(y[0, 0, 4, 4]), 3)
    ((1, 4, 8, 8), 27.0)
    """
    x, w = as_plain("x", x), as_plain("w", w)
    parameters = _hashable(stride, padding, dilation, groups)
    key = "forward", x.shape, x.strides, x.dtype, w.shape, w.dtype, parameters, *_context(algorithm)
    plan = selection.PLANS.get(key)
    if plan is None:
        plan = _plan_call(key, ConvProblem.from_arrays(x, w, stride, padding, dilation, groups), algorithm)
    bias = None if b is None else as_bias(b, plan.problem)
    fused = _NO_ACTIVATION if activation is None else as_activation(activation)
    if out is not None:
        out = checked_out(out, plan.result_shape, plan.dtype, x=x, w=w, b=b)
    return plan.run(conform(x, plan.dtype, plan.problem.memory_format), plan.pack(w), bias, fused, out)


def conv2d_input_grad(
    gy: Array,
    w: Array,
    x_shape: Sequence[int],
    *,
    stride: Pair = 1,
    padding: Padding = 0,
    dilation: Pair = 1,
    groups: int = 1,
    algorithm: str = "auto",
) -> Array:
    """Gradient of `conv2d` with respect to its input.

    Parameters
    ----------
    gy : ndarray, shape (n, k, oh, ow)
        Gradient with respect to the output; its memory format becomes the result's.
    w : ndarray, shape (k, c / groups, kh, kw)
    x_shape : (int, int, int, int)
        Shape of the input, which gy's does not determine when there is a stride.
    stride, padding, dilation, groups, algorithm
        As in `conv2d`.

    Returns
    -------
    ndarray of shape `x_shape`

    Examples
    --------
    >>> import numpy as np, fastconv as fc
    >>> gy, w = np.ones((1, 4, 6, 6), np.float32), np.ones((4, 3, 3, 3), np.float32)
    >>> dx = fc.conv2d_input_grad(gy, w, (1, 3, 8, 8))
    >>> dx.shape, round(float(dx[0, 0, 4, 4]), 3)
    ((1, 3, 8, 8), 36.0)
    """
    gy, w = as_plain("gy", gy), as_plain("w", w)
    parameters = _hashable(stride, padding, dilation, groups, x_shape)
    key = "input_grad", gy.shape, gy.strides, gy.dtype, w.shape, w.dtype, parameters, *_context(algorithm)
    plan = selection.PLANS.get(key)
    if plan is None:
        x_shape = _shape_of_4("x_shape", x_shape)
        geometry = x_shape, w.shape, stride, padding, dilation, groups
        plan = _plan_call(key, _gradient_problem("input_grad", gy, ("gy", gy), ("w", w), (gy,), *geometry), algorithm)
    return plan.run(conform(gy, plan.dtype, plan.problem.memory_format), plan.pack(w))


def conv2d_weight_grad(
    gy: Array,
    x: Array,
    w_shape: Sequence[int],
    *,
    stride: Pair = 1,
    padding: Padding = 0,
    dilation: Pair = 1,
    groups: int = 1,
    algorithm: str = "auto",
) -> Array:
    """Gradient of `conv2d` with respect to its weights.

    Parameters
    ----------
    gy : ndarray, shape (n, k, oh, ow)
        Gradient with respect to the output.
    x : ndarray, shape (n, c, h, w)
        The input; gy is converted to its memory format where the two differ. With one channel it has both.
    w_shape : (int, int, int, int)
        Shape of the weights: (k, c / groups, kh, kw).
    stride, padding, dilation, groups, algorithm
        As in `conv2d`.

    Returns
    -------
    ndarray of shape `w_shape`, C-contiguous

    Examples
    --------
    >>> import numpy as np, fastconv as fc
    >>> gy, x = np.ones((1, 4, 6, 6), np.float32), np.ones((1, 3, 8, 8), np.float32)
    >>> dw = fc.conv2d_weight_grad(gy, x, (4, 3, 3, 3))
    >>> dw.shape, round(float(dw[0, 0, 0, 0]), 3)
    ((4, 3, 3, 3), 36.0)
    """
    gy, x = as_plain("gy", gy), as_plain("x", x)
    parameters = _hashable(stride, padding, dilation, groups, w_shape)
    key = "weight_grad", gy.shape, gy.strides, gy.dtype, x.shape, x.strides, x.dtype, parameters, *_context(algorithm)
    plan = selection.PLANS.get(key)
    if plan is None:
        w_shape = _shape_of_4("w_shape", w_shape)
        geometry = x.shape, w_shape, stride, padding, dilation, groups
        plan = _plan_call(key, _gradient_problem("weight_grad", gy, ("x", x), ("gy", gy), (x, gy), *geometry), algorithm)
    memory_format = plan.problem.memory_format
    return plan.run(conform(x, plan.dtype, memory_format), conform(gy, plan.dtype, memory_format))


def plan(problem: ConvProblem, algorithm: str = "auto", effort: Effort | None = None) -> Plan:
    """Choose the algorithm for a problem.

    Parameters
    ----------
    problem : ConvProblem
    algorithm : str
        ``"auto"``, or the name of the algorithm to use.
    effort : {None, "heuristic", "cached", "measure", "exhaustive", "replay"}
        How to choose, see `fastconv.config`; None: as configured (``"cached"`` unless changed).

    Returns
    -------
    Plan
        ``plan.algorithm.name``, ``plan.explain()``, ``plan.prepare(w, b)``. Chosen for weights that are packed once.

    Raises
    ------
    UnknownAlgorithmError, UnsupportedProblemError, MissingPlanError

    Examples
    --------
    >>> import numpy as np, fastconv as fc
    >>> problem = fc.ConvProblem.parse("1x16x16x16,16x3x3,p1")
    >>> plan = fc.plan(problem, algorithm="direct")
    >>> conv = plan.prepare(np.ones(problem.w_shape, np.float32))
    >>> conv(np.ones(problem.x_shape, np.float32)).shape
    (1, 16, 16, 16)
    """
    if not isinstance(problem, ConvProblem):
        raise InvalidTypeError(f"problem: got {type(problem).__name__}, expected a ConvProblem")
    context = _context(algorithm)
    config = selection.get_config() if effort is None else selection.get_config().replace(effort=effort)
    # Asking for "exhaustive" is asking for new timings.
    if config.effort == "exhaustive":
        return Plan(selection.select(problem, algorithm, config, packed_once=True))
    key = "plan", problem, config, *context
    return selection.remembered(key, lambda: Plan(selection.select(problem, algorithm, config, packed_once=True)))


def _plan_call(key, problem, algorithm):
    """The plan of a call of this module's functions, where weights are packed each time, kept under `key`."""
    config = selection.get_config()
    return selection.remembered(key, lambda: Plan(selection.select(problem, algorithm, config, packed_once=False)))


def _gradient_problem(direction, gy, main, other, formats, x_shape, w_shape, stride, padding, dilation, groups):
    """The problem of a gradient with operands `main` and `other`, each a (name, array).

    The memory format is that of the first of the arrays `formats`, of one that has both the next's.
    """
    dtype = as_conv_array(*main).dtype
    if as_conv_array(*other).dtype != dtype:
        raise InvalidTypeError(
            f"{other[0]}: dtype {other[1].dtype} differs from {main[0]}'s {main[1].dtype}; convert one of them"
        )
    problem = ConvProblem.from_shapes(
        x_shape, w_shape, stride=stride, padding=padding, dilation=dilation, groups=groups, direction=direction,
        dtype=dtype.name, memory_format=memory_format_of(next((a for a in formats if not has_both_formats(a)), formats[0])),
    )  # fmt: skip
    require_shape("gy", gy, problem.y_shape, f"the output's of {problem}")
    return problem


def _shape_of_4(name, shape):
    if not isinstance(shape, (tuple, list)):
        raise InvalidTypeError(f"{name}: got {type(shape).__name__}, expected a tuple of 4 integers")
    if len(shape) != 4:
        raise InvalidArgumentError(f"{name}: got {shape!r}, expected 4 integers")
    return tuple(as_integer(name, v) for v in shape)


def _hashable(*parameters):
    """The parameters as part of a key that tells 1 from True and 1.0, and takes lists."""
    for value in parameters:
        if type(value) is not int:
            return repr(parameters)
    return parameters


def _context(algorithm):
    """What a plan depends on besides the problem."""
    if type(algorithm) is not str:
        raise InvalidTypeError(f"algorithm: got {algorithm!r}, expected 'auto' or the name of an algorithm")
    return algorithm, selection.get_config(), threads.get_num_threads(), cpu.kernels(), registry.generation()
