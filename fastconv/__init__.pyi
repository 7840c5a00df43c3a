from . import algorithms as algorithms
from . import data as data
from . import diagnostics as diagnostics
from . import functional as functional
from . import models as models
from . import nn as nn
from . import optim as optim
from . import reference as reference
from . import report as report
from . import selection as selection
from . import training as training
from .errors import FastconvError as FastconvError
from .errors import InvalidArgumentError as InvalidArgumentError
from .errors import InvalidTypeError as InvalidTypeError
from .errors import MissingExtraError as MissingExtraError
from .errors import MissingPlanError as MissingPlanError
from .errors import NotReadyError as NotReadyError
from .errors import UnknownAlgorithmError as UnknownAlgorithmError
from .errors import UnsupportedProblemError as UnsupportedProblemError
from .execution import Plan as Plan
from .execution import PreparedConv as PreparedConv
from .functional import conv2d as conv2d
from .functional import conv2d_input_grad as conv2d_input_grad
from .functional import conv2d_weight_grad as conv2d_weight_grad
from .functional import plan as plan
from .problem import ConvProblem as ConvProblem
from .selection import autotune as autotune
from .selection import config as config
from .selection import get_config as get_config
from .selection import set_config as set_config
from .threads import get_num_threads as get_num_threads
from .threads import num_threads as num_threads
from .threads import set_num_threads as set_num_threads
from .workspace import release_workspaces as release_workspaces

__version__: str
__all__: list[str]
