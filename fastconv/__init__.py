"""Convolutional networks on the CPU, each layer with the fastest convolution algorithm for its shape."""

import importlib

__version__ = "0.1.0.dev0"

# Public name -> module that defines it, imported on first use.
_DEFINED_IN = {
    "conv2d": "functional",
    "conv2d_input_grad": "functional",
    "conv2d_weight_grad": "functional",
    "plan": "functional",
    "Plan": "execution",
    "PreparedConv": "execution",
    "ConvProblem": "problem",
    "autotune": "selection",
    "config": "selection",
    "get_config": "selection",
    "set_config": "selection",
    "get_num_threads": "threads",
    "num_threads": "threads",
    "set_num_threads": "threads",
    "release_workspaces": "workspace",
    "FastconvError": "errors",
    "InvalidArgumentError": "errors",
    "InvalidTypeError": "errors",
    "MissingExtraError": "errors",
    "MissingPlanError": "errors",
    "NotReadyError": "errors",
    "UnknownAlgorithmError": "errors",
    "UnsupportedProblemError": "errors",
}
_SUBMODULES = (
    "algorithms", "data", "diagnostics", "functional", "models", "nn", "optim", "reference", "report", "selection", "training",
)  # fmt: skip

__all__ = ["__version__", *_DEFINED_IN, *_SUBMODULES]


def __getattr__(name):
    if name in _SUBMODULES:
        return importlib.import_module(f".{name}", __name__)
    if name not in _DEFINED_IN:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_DEFINED_IN[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted(__all__)
