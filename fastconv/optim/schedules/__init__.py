"""Learning-rate schedules: a schedule counts its steps and sets its optimizer's ``lr`` from the count."""

from .cosine import CosineAnnealing
from .exponential import ExponentialLR
from .function import FunctionLR, cosine_decay, exp_decay, step_decay
from .multi_step import MultiStep
from .one_cycle import OneCycle
from .plateau import ReduceOnPlateau
from .polynomial import Polynomial
from .schedule import Schedule
from .step import StepLR
from .warmup import LinearWarmup

__all__ = [
    "CosineAnnealing",
    "ExponentialLR",
    "FunctionLR",
    "LinearWarmup",
    "MultiStep",
    "OneCycle",
    "Polynomial",
    "ReduceOnPlateau",
    "Schedule",
    "StepLR",
    "cosine_decay",
    "exp_decay",
    "step_decay",
]
