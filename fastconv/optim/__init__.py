"""Optimizers and learning-rate schedules.

An optimizer is a chain of transformations between the gradient and the update::

    gradient -> [ClipByGlobalNorm] -> [ClipByValue] -> [Negate] -> the optimizer's own -> x lr, subtracted from the parameter

    SGD       WeightDecay -> Momentum
    Adam      WeightDecay -> AdamScaling
    AdamW     AdamScaling -> WeightDecay
    RMSprop   WeightDecay -> RMSScaling -> Momentum
    Adagrad   WeightDecay -> AdagradScaling
    Chain     whatever it is given

Schedules set an optimizer's ``lr``; see `fastconv.optim.schedules`.
"""

from .adagrad import Adagrad
from .adagrad_scaling import AdagradScaling
from .adam import Adam
from .adam_scaling import AdamScaling
from .adamw import AdamW
from .chain import Chain, chain
from .clip_norm import ClipByGlobalNorm, clip_grad_norm
from .clip_value import ClipByValue, clip_grad_value
from .momentum import Momentum
from .negate import Negate
from .norm import global_norm
from .optimizer import Optimizer
from .rms_scaling import RMSScaling
from .rmsprop import RMSprop
from .schedules import (
    CosineAnnealing,
    ExponentialLR,
    FunctionLR,
    LinearWarmup,
    MultiStep,
    OneCycle,
    Polynomial,
    ReduceOnPlateau,
    Schedule,
    StepLR,
    cosine_decay,
    exp_decay,
    step_decay,
)
from .sgd import SGD
from .transformation import Transformation
from .weight_decay import WeightDecay

__all__ = [
    "SGD",
    "Adagrad",
    "AdagradScaling",
    "Adam",
    "AdamScaling",
    "AdamW",
    "Chain",
    "ClipByGlobalNorm",
    "ClipByValue",
    "CosineAnnealing",
    "ExponentialLR",
    "FunctionLR",
    "LinearWarmup",
    "Momentum",
    "MultiStep",
    "Negate",
    "OneCycle",
    "Optimizer",
    "Polynomial",
    "RMSScaling",
    "RMSprop",
    "ReduceOnPlateau",
    "Schedule",
    "StepLR",
    "Transformation",
    "WeightDecay",
    "chain",
    "clip_grad_norm",
    "clip_grad_value",
    "cosine_decay",
    "exp_decay",
    "global_norm",
    "step_decay",
]
