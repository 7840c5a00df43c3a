"""Stateless operations on NumPy arrays: what the layers of `fastconv.nn` are made of, each with its gradients.

    convolution     conv2d and its two gradients, plan
    linear          matrix products of fully connected layers
    activation      element-wise functions, softmax, bias gradients, sums
    normalization   batch, layer, group and instance normalisation
    pooling         maxima and means of windows: sliding, adaptive, global
    resampling      upsample2d
    padding         pad2d
    layout          conversion between the memory formats

Images are NCHW-shaped and of either memory format, which is read from their strides; results keep it.
"""

from .activation import activate, activation_bias_grad, activation_grad, add, bias_grad, softmax, softmax_grad
from .convolution import conv2d, conv2d_input_grad, conv2d_weight_grad, plan
from .layout import to_memory_format
from .linear import linear, linear_input_grad, linear_weight_grad
from .normalization import batch_norm, batch_norm_grad, batch_norm_inference, batch_norm_inference_grad
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

__all__ = [
    "activate", "activation_bias_grad", "activation_grad", "adaptive_avg_pool2d", "adaptive_avg_pool2d_grad",
    "adaptive_max_pool2d", "adaptive_max_pool2d_grad", "adaptive_max_pool2d_with_taps", "add", "avg_pool2d",
    "avg_pool2d_grad", "batch_norm", "batch_norm_grad", "batch_norm_inference", "batch_norm_inference_grad", "bias_grad",
    "conv2d", "conv2d_input_grad", "conv2d_weight_grad", "global_avg_pool2d", "global_avg_pool2d_grad", "linear",
    "linear_input_grad", "linear_weight_grad", "max_pool2d", "max_pool2d_grad", "max_pool2d_with_taps", "pad2d", "pad2d_grad",
    "plan", "softmax", "softmax_grad", "to_memory_format", "upsample2d", "upsample2d_grad",
]  # fmt: skip
