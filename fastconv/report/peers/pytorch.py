"""PyTorch's convolution, in both of its memory formats."""

from __future__ import annotations

import importlib

from ...problem import DIRECTIONS
from .base import Peer

__all__ = ["PyTorch", "PyTorchChannelsLast"]


class PyTorch(Peer):
    """On contiguous tensors, without recording gradients."""

    name = "PyTorch"
    module = "torch"
    directions = DIRECTIONS

    def __init__(self, threads):
        super().__init__(threads)
        self._torch = importlib.import_module("torch")
        self._before = self._torch.get_num_threads()
        self._torch.set_num_threads(threads)
        self._format = self._torch.contiguous_format

    @property
    def version(self):
        return self._torch.__version__

    def supports(self, problem):
        if any(before != after for before, after in problem.padding):
            return "padding differs between sides"
        return super().supports(problem)

    def prepare(self, problem, operands):
        torch = self._torch
        first, second = (torch.from_numpy(array).contiguous(memory_format=self._format) for array in operands)
        options = (problem.stride, tuple(side[0] for side in problem.padding), problem.dilation, problem.groups)
        if problem.direction == "forward":
            compute = lambda: torch.nn.functional.conv2d(first, second, None, *options)  # noqa: E731
        elif problem.direction == "input_grad":
            compute = lambda: torch.nn.grad.conv2d_input(problem.x_shape, second, first, *options)  # noqa: E731
        else:
            compute = lambda: torch.nn.grad.conv2d_weight(second, problem.w_shape, first, *options)  # noqa: E731

        def run():
            with torch.inference_mode():
                return compute().numpy()

        return run

    def close(self):
        self._torch.set_num_threads(self._before)


class PyTorchChannelsLast(PyTorch):
    """On channels-last tensors."""

    name = "PyTorch NHWC"

    def __init__(self, threads):
        super().__init__(threads)
        self._format = self._torch.channels_last
