"""Layers, blocks and networks.

    Parameter   a trainable array and its gradient
    Layer       build, forward, infer, backward, parameters: the base of all below
      Conv2D, Dense, BatchNormalization, ReLU, ...      one layer a file
      ResidualBlock, Bottleneck                         branches that join again
      Sequential                                        layers one after the other, fused where they can be
      Network                                           train_step, fit, predict, evaluate, save, load
        CNN                                             a network of layers one after the other
        Graph                                           a network of named layers that branch and join

Arrays are those of `fastconv.functional`: NCHW-shaped, of either memory format.
"""

from . import initializers, losses
from .activations import GELU, LeakyReLU, ReLU, ReLU6, Sigmoid, SiLU, Softmax, Swish, Tanh
from .add import Add
from .avg_pool import AdaptiveAvgPool2D, AvgPool2D, GlobalAvgPool2D
from .batch_norm import BatchNormalization
from .channel_attention import ChannelAttention
from .cnn import CNN
from .concat import Concat
from .conv import Conv2D
from .dense import Dense
from .dropout import Dropout, SpatialDropout
from .flatten import Flatten, Reshape
from .graph import Graph
from .group_norm import GroupNormalization, InstanceNormalization
from .layer import Layer
from .layer_norm import LayerNormalization
from .losses import BCEWithLogitsLoss, CrossEntropyLoss, HuberLoss, KLDivLoss, L1Loss, Loss, MSELoss
from .max_pool import AdaptiveMaxPool2D, MaxPool2D
from .network import Evaluation, Network
from .observation import observed
from .pad import Pad
from .parameter import Parameter
from .residual import Bottleneck, ResidualBlock
from .separable_conv import DepthwiseSeparableConv
from .sequential import Sequential
from .spatial_attention import SpatialAttention
from .upsample import Upsample

__all__ = [
    "CNN",
    "GELU",
    "AdaptiveAvgPool2D",
    "AdaptiveMaxPool2D",
    "Add",
    "AvgPool2D",
    "BCEWithLogitsLoss",
    "BatchNormalization",
    "Bottleneck",
    "ChannelAttention",
    "Concat",
    "Conv2D",
    "CrossEntropyLoss",
    "Dense",
    "DepthwiseSeparableConv",
    "Dropout",
    "Evaluation",
    "Flatten",
    "GlobalAvgPool2D",
    "Graph",
    "GroupNormalization",
    "HuberLoss",
    "InstanceNormalization",
    "KLDivLoss",
    "L1Loss",
    "Layer",
    "LayerNormalization",
    "LeakyReLU",
    "Loss",
    "MSELoss",
    "MaxPool2D",
    "Network",
    "Pad",
    "Parameter",
    "ReLU",
    "ReLU6",
    "Reshape",
    "ResidualBlock",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "SpatialAttention",
    "SpatialDropout",
    "Swish",
    "Tanh",
    "Upsample",
    "initializers",
    "losses",
    "observed",
]
