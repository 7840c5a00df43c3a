"""Stateless operations on NumPy arrays: what the layers of `fastconv.nn` are made of, each with its gradients.

    convolution         conv2d and its two gradients, plan
    linear              matrix products of fully connected layers
    activation          element-wise functions, sums with an activation, the gradients of biases
    softmax             and its logarithm
    normalization       batch norm with the addition and the activation behind it
    normalized_pooling  batch norm and max pooling in one
    group_normalization group, instance and layer norm
    layout              conversion between the memory formats
    pooling             max_pool2d, avg_pool2d, adaptive_max_pool2d, adaptive_avg_pool2d, global_avg_pool2d and their gradients
    resampling          upsample2d and its gradient
    padding             pad2d and its gradient

Images are NCHW-shaped and of either memory format, which is read from their strides; results keep it.
"""

from .activation import SAVED, activate, activation_bias_grad, activation_grad, add, bias_grad
from .convolution import conv2d, conv2d_input_grad, conv2d_weight_grad, plan
from .group_normalization import group_norm, group_norm_grad, instance_norm, instance_norm_grad, layer_norm, layer_norm_grad
from .layout import to_memory_format
from .linear import linear, linear_input_grad, linear_weight_grad
from .normalization import batch_norm, batch_norm_grad, batch_norm_inference, batch_norm_inference_grad, batch_variance
from .normalized_pooling import batch_norm_max_pool2d, batch_norm_max_pool2d_grad
from .padding import pad2d, pad2d_grad
from .pooling import (
    adaptive_avg_pool2d,
    adaptive_avg_pool2d_grad,
    adaptive_max_pool2d,
    adaptive_max_pool2d_grad,
    adaptive_max_pool2d_with_taps,
    avg_pool2d,
    avg_pool2d_grad,
    global_avg_pool2d,
    global_avg_pool2d_grad,
    max_pool2d,
    max_pool2d_grad,
    max_pool2d_with_taps,
)
from .resampling import upsample2d, upsample2d_grad
from .softmax import log_softmax, log_softmax_grad, softmax, softmax_grad

__all__ = [
    "SAVED",
    "activate",
    "activation_bias_grad",
    "activation_grad",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool2d_grad",
    "adaptive_max_pool2d",
    "adaptive_max_pool2d_grad",
    "adaptive_max_pool2d_with_taps",
    "add",
    "avg_pool2d",
    "avg_pool2d_grad",
    "batch_norm",
    "batch_norm_grad",
    "batch_norm_inference",
    "batch_norm_inference_grad",
    "batch_norm_max_pool2d",
    "batch_norm_max_pool2d_grad",
    "batch_variance",
    "bias_grad",
    "conv2d",
    "conv2d_input_grad",
    "conv2d_weight_grad",
    "global_avg_pool2d",
    "global_avg_pool2d_grad",
    "group_norm",
    "group_norm_grad",
    "instance_norm",
    "instance_norm_grad",
    "layer_norm",
    "layer_norm_grad",
    "linear",
    "linear_input_grad",
    "linear_weight_grad",
    "log_softmax",
    "log_softmax_grad",
    "max_pool2d",
    "max_pool2d_grad",
    "max_pool2d_with_taps",
    "pad2d",
    "pad2d_grad",
    "plan",
    "softmax",
    "softmax_grad",
    "to_memory_format",
    "upsample2d",
    "upsample2d_grad",
]
