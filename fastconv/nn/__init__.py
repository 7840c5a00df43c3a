"""Layers, blocks and networks.

    Parameter   a trainable array and its gradient
    Layer       build, forward, infer, backward, parameters: the base of all below
      Conv2D, Dense, BatchNormalization, ReLU, ...      one layer a file
      Sequential                                        layers one after the other, fused where they can be
      Network                                           train_step, fit, predict, evaluate, save, load
        CNN                                             a network of layers one after the other
"""

from . import initializers, losses
from .activations import GELU, LeakyReLU, ReLU, ReLU6, Sigmoid, SiLU, Softmax, Swish, Tanh
from .batch_norm import BatchNormalization
from .cnn import CNN
from .conv import Conv2D
from .dense import Dense
from .layer import Layer
from .losses import BCEWithLogitsLoss, CrossEntropyLoss, HuberLoss, KLDivLoss, L1Loss, Loss, MSELoss
from .network import Evaluation, Network
from .parameter import Parameter
from .sequential import Sequential

__all__ = [
    "CNN",
    "GELU",
    "BCEWithLogitsLoss",
    "BatchNormalization",
    "Conv2D",
    "CrossEntropyLoss",
    "Dense",
    "Evaluation",
    "HuberLoss",
    "KLDivLoss",
    "L1Loss",
    "Layer",
    "LeakyReLU",
    "Loss",
    "MSELoss",
    "Network",
    "Parameter",
    "ReLU",
    "ReLU6",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Swish",
    "Tanh",
    "initializers",
    "losses",
]
