"""Layers, blocks and networks.

    Parameter   a trainable array and its gradient
    Layer       build, forward, infer, backward, parameters: the base of all below
      Conv2D, Dense, BatchNormalization, ReLU, ...      one layer a file
      ResidualBlock, Bottleneck                         blocks of layers
      Sequential                                        layers one after the other, fused where they can be
      Network                                           train_step, fit, predict, evaluate, save, load
        CNN                                             a network of layers one after the other
        Graph                                           a network that branches and joins
"""

from . import initializers, losses
from .activations import GELU, LeakyReLU, ReLU, ReLU6, Sigmoid, SiLU, Softmax, Swish, Tanh
from .add import Add
from .avg_pool import AdaptiveAvgPool2D, AvgPool2D, GlobalAvgPool2D
from .batch_norm import BatchNormalization
from .cnn import CNN
from .concat import Concat
from .conv import Conv2D
from .dense import Dense
from .dropout import Dropout, SpatialDropout
from .flatten import Flatten, Reshape
from .graph import Graph
from .layer import Layer
from .max_pool import AdaptiveMaxPool2D, MaxPool2D
from .network import Evaluation, Network
from .observation import observed
from .parameter import Parameter
from .residual import Bottleneck, ResidualBlock
from .sequential import Sequential

__all__ = [
    "CNN",
    "GELU",
    "AdaptiveAvgPool2D",
    "AdaptiveMaxPool2D",
    "Add",
    "AvgPool2D",
    "BatchNormalization",
    "Bottleneck",
    "Concat",
    "Conv2D",
    "Dense",
    "Dropout",
    "Evaluation",
    "Flatten",
    "GlobalAvgPool2D",
    "Graph",
    "Layer",
    "LeakyReLU",
    "MaxPool2D",
    "Network",
    "Parameter",
    "ReLU",
    "ReLU6",
    "Reshape",
    "ResidualBlock",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "SpatialDropout",
    "Swish",
    "Tanh",
    "initializers",
    "losses",
    "observed",
]
