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
from .batch_norm import BatchNormalization
from .cnn import CNN
from .conv import Conv2D
from .dense import Dense
from .graph import Graph
from .layer import Layer
from .network import Evaluation, Network
from .observation import observed
from .parameter import Parameter
from .residual import Bottleneck, ResidualBlock
from .sequential import Sequential

__all__ = [
    "CNN", "BatchNormalization", "Bottleneck", "Conv2D", "Dense", "Evaluation", "GELU", "Graph", "Layer", "LeakyReLU", "Network",
    "Parameter", "ReLU", "ReLU6", "ResidualBlock", "Sequential", "SiLU", "Sigmoid", "Softmax", "Swish", "Tanh", "initializers",
    "losses", "observed",
]  # fmt: skip
