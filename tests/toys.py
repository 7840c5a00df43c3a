"""Small NumPy algorithms for tests of what surrounds algorithms: the call path and the selection."""

import numpy as np

from clock import CLOCK
from fastconv.algorithms import ConvAlgorithm


class Toy(ConvAlgorithm):
    """Right for every problem; what it predicts, claims and takes, by `CLOCK`, is up to the test."""

    def __init__(
        self, name, *, seconds=1e-4, pack_seconds=1e-4, cost=1.0, pack_cost=0.0, workspace=0, error=20.0, local=True,
        refuses=None,
    ):  # fmt: skip
        self.name, self.local_non_finite = name, local
        self.seconds, self.pack_seconds, self.refuses = seconds, pack_seconds, refuses
        self._cost, self._pack_cost, self._workspace, self._error = cost, pack_cost, workspace, error
        self.runs = self.packs = 0

    def supports(self, problem):
        return self.refuses

    def cost(self, problem):
        return self._cost

    def pack_cost(self, problem):
        return self._pack_cost

    def workspace(self, problem):
        return self._workspace(problem) if callable(self._workspace) else self._workspace

    def error(self, problem):
        return self._error

    def pack(self, problem, w):
        assert w.flags.c_contiguous and w.flags.aligned and w.dtype == problem.dtype
        self.packs += 1
        CLOCK.sleep(self.pack_seconds)
        return w[::-1].copy()

    def run(self, problem, x, packed, bias, activation, out, workspace):
        self.runs += 1
        CLOCK.sleep(self.seconds)
        assert workspace.dtype == np.uint8 and workspace.nbytes >= self.workspace(problem)
        assert not workspace.size or workspace.ctypes.data % 64 == 0
        workspace[:] = 0xA5
        assert _is(x, problem.memory_format)
        if problem.direction == "weight_grad":
            assert _is(packed, problem.memory_format) and out.flags.c_contiguous
            out[...] = _weight_grad(problem, packed, x)
            return
        assert _is(out, problem.memory_format)
        w = packed[::-1]
        if problem.direction == "input_grad":
            out[...] = _input_grad(problem, x, w)
            return
        y = _forward(problem, x, w)
        if bias is not None:
            y = y + bias[:, None, None]
        if activation.name == "relu":
            y = np.maximum(y, 0)
        out[...] = y


def _is(a, memory_format):
    return (a if memory_format == "nchw" else a.transpose(0, 2, 3, 1)).flags.c_contiguous and a.dtype.isnative


def _windows(problem, padded):
    """For each kernel position, the pixels it meets."""
    (sh, sw), (dh, dw) = problem.stride, problem.dilation
    for i in range(problem.kernel_height):
        for j in range(problem.kernel_width):
            rows = slice(i * dh, i * dh + (problem.out_height - 1) * sh + 1, sh)
            columns = slice(j * dw, j * dw + (problem.out_width - 1) * sw + 1, sw)
            yield i, j, padded[..., rows, columns]


def _padded(problem, x):
    n, c = x.shape[:2]
    return np.pad(x, ((0, 0), (0, 0), *problem.padding)).reshape(n, problem.groups, c // problem.groups, *_padded_size(problem))


def _padded_size(problem):
    return problem.height + sum(problem.padding[0]), problem.width + sum(problem.padding[1])


def _grouped(problem, w):
    return w.reshape(problem.groups, -1, *w.shape[1:])


def _forward(problem, x, w):
    w = _grouped(problem, w)
    y = sum(np.einsum("ngchw,gkc->ngkhw", v, w[..., i, j]) for i, j, v in _windows(problem, _padded(problem, x)))
    return y.reshape(problem.y_shape)


def _input_grad(problem, gy, w):
    w, gy = _grouped(problem, w), gy.reshape(gy.shape[0], problem.groups, -1, *gy.shape[2:])
    n, c, h, width = problem.x_shape
    padded = np.zeros((n, problem.groups, c // problem.groups, *_padded_size(problem)), gy.dtype)
    for i, j, view in _windows(problem, padded):
        view += np.einsum("ngkhw,gkc->ngchw", gy, w[..., i, j])
    (top, _), (left, _) = problem.padding
    return padded.reshape(n, c, *padded.shape[3:])[:, :, top : top + h, left : left + width]


def _weight_grad(problem, gy, x):
    gy = gy.reshape(gy.shape[0], problem.groups, -1, *gy.shape[2:])
    dw = np.zeros(problem.w_shape, x.dtype)
    grouped = _grouped(problem, dw)
    for i, j, view in _windows(problem, _padded(problem, x)):
        grouped[..., i, j] = np.einsum("ngkhw,ngchw->gkc", gy, view)
    return dw
