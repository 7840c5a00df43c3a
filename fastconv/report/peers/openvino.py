"""OpenVINO on the CPU: a model of one convolution, compiled for latency in float32."""

from __future__ import annotations

import importlib

import numpy as np

from .base import Peer, contiguous

__all__ = ["OpenVINO"]


class OpenVINO(Peer):
    """On contiguous NCHW; it rearranges inside as it sees fit."""

    name = "OpenVINO"
    module = "openvino"

    def __init__(self, threads):
        super().__init__(threads)
        self._openvino = importlib.import_module("openvino")
        self._operations = importlib.import_module("openvino.opset13")
        self._core = self._openvino.Core()

    @property
    def version(self):
        return self._openvino.get_version().partition("-")[0]

    def prepare(self, problem, operands):
        x, w = map(contiguous, operands)
        settings = {
            "INFERENCE_NUM_THREADS": self.threads,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",
        }
        request = self._core.compile_model(self._model(problem, w), "CPU", settings).create_infer_request()
        # A copy of its own: a shared tensor does not keep the array alive.
        request.set_input_tensor(self._openvino.Tensor(x, shared_memory=False))

        def run():
            request.infer(share_outputs=True)
            return request.get_output_tensor().data

        return run

    def _model(self, problem, w):
        operations = self._operations
        x = operations.parameter(problem.x_shape, np.float32)
        (top, bottom), (left, right) = problem.padding
        if problem.groups > 1:
            # Filters by group, as the operation wants them.
            shape = (problem.groups, problem.out_channels // problem.groups, *w.shape[1:])
            convolve, filters = operations.group_convolution, w.reshape(shape)
        else:
            convolve, filters = operations.convolution, w
        y = convolve(
            x, operations.constant(filters), list(problem.stride), [top, left], [bottom, right], list(problem.dilation)
        )
        return self._openvino.Model([y], [x])
