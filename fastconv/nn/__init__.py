"""Layers, losses and initial weights."""

from . import initializers, losses
from .losses import (
    BCEWithLogitsLoss,
    CrossEntropyLoss,
    HuberLoss,
    KLDivLoss,
    L1Loss,
    Loss,
    MSELoss,
    log_softmax,
    log_softmax_grad,
    softmax,
)

__all__ = [
    "BCEWithLogitsLoss",
    "CrossEntropyLoss",
    "HuberLoss",
    "KLDivLoss",
    "L1Loss",
    "Loss",
    "MSELoss",
    "initializers",
    "log_softmax",
    "log_softmax_grad",
    "losses",
    "softmax",
]
