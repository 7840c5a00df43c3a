"""ONNX Runtime on the CPU: a model of one Conv node, its operands bound once."""

from __future__ import annotations

import importlib

import numpy as np

from .base import Peer, contiguous

__all__ = ["OnnxRuntime"]

# Of ONNX, so that older releases of the runtime read the model.
_OPSET, _IR_VERSION = 17, 8
_ERRORS_ONLY = 3


class OnnxRuntime(Peer):
    """On contiguous NCHW, the only format of its tensors; it rearranges inside as it sees fit."""

    name = "ONNX Runtime"
    module = "onnxruntime"

    def __init__(self, threads):
        super().__init__(threads)
        self._onnx = importlib.import_module("onnx")
        self._runtime = importlib.import_module("onnxruntime")

    @property
    def version(self):
        return self._runtime.__version__

    def prepare(self, problem, operands):
        x, w = map(contiguous, operands)
        options = self._runtime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = self.threads, 1
        options.log_severity_level = _ERRORS_ONLY
        session = self._runtime.InferenceSession(self._model(problem, w), options, providers=["CPUExecutionProvider"])
        y = np.empty(problem.y_shape, np.float32)
        binding = session.io_binding()
        binding.bind_cpu_input("x", x)
        binding.bind_output("y", "cpu", 0, np.float32, y.shape, y.ctypes.data)

        def run(held=x):
            """`held`: the binding refers to the array without keeping it alive."""
            session.run_with_iobinding(binding)
            return y

        return run

    def _model(self, problem, w):
        onnx = self._onnx
        (top, bottom), (left, right) = problem.padding
        node = onnx.helper.make_node(
            "Conv", ["x", "w"], ["y"], strides=problem.stride, pads=[top, left, bottom, right], dilations=problem.dilation,
            group=problem.groups, kernel_shape=w.shape[2:],
        )  # fmt: skip
        tensor = lambda name, shape: onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)  # noqa: E731
        graph = onnx.helper.make_graph(
            [node], "convolution", [tensor("x", problem.x_shape)], [tensor("y", problem.y_shape)],
            [onnx.numpy_helper.from_array(w, "w")],
        )  # fmt: skip
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION)
        return model.SerializeToString()
