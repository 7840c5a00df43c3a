from . import algorithms, data, diagnostics, functional, models, nn, optim, reference, report, selection, training
from .errors import (
    FastconvError,
    InvalidArgumentError,
    InvalidTypeError,
    MissingExtraError,
    MissingPlanError,
    NotReadyError,
    UnknownAlgorithmError,
    UnsupportedProblemError,
)
from .execution import Plan, PreparedConv
from .functional import conv2d, conv2d_input_grad, conv2d_weight_grad, plan
from .problem import ConvProblem
from .selection import autotune, config, get_config, set_config
from .threads import get_num_threads, num_threads, set_num_threads
from .workspace import release_workspaces

__all__ = [
    "ConvProblem",
    "FastconvError",
    "InvalidArgumentError",
    "InvalidTypeError",
    "MissingExtraError",
    "MissingPlanError",
    "NotReadyError",
    "Plan",
    "PreparedConv",
    "UnknownAlgorithmError",
    "UnsupportedProblemError",
    "__version__",
    "algorithms",
    "autotune",
    "config",
    "conv2d",
    "conv2d_input_grad",
    "conv2d_weight_grad",
    "data",
    "diagnostics",
    "functional",
    "get_config",
    "get_num_threads",
    "models",
    "nn",
    "num_threads",
    "optim",
    "plan",
    "reference",
    "release_workspaces",
    "report",
    "selection",
    "set_config",
    "set_num_threads",
    "training",
]

__version__: str
