"""Losses: ``forward(predictions, targets)`` returns the value, ``backward()`` its gradient with respect to the predictions."""

from .bce import BCEWithLogitsLoss
from .cross_entropy import CrossEntropyLoss
from .huber import HuberLoss
from .kl_div import KLDivLoss
from .l1 import L1Loss
from .loss import Loss
from .mse import MSELoss

__all__ = [
    "BCEWithLogitsLoss",
    "CrossEntropyLoss",
    "HuberLoss",
    "KLDivLoss",
    "L1Loss",
    "Loss",
    "MSELoss",
]
