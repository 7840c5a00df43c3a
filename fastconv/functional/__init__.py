"""Stateless operations on NumPy arrays: what the layers of `fastconv.nn` are made of, each with its gradients.

    convolution     conv2d and its two gradients, plan
    pooling         max_pool2d, avg_pool2d, adaptive_max_pool2d, adaptive_avg_pool2d, global_avg_pool2d and their gradients
    resampling      upsample2d and its gradient
    padding         pad2d and its gradient

Images are NCHW-shaped and of either memory format, which is read from their strides; results keep it.
"""

from .convolution import conv2d, conv2d_input_grad, conv2d_weight_grad, plan
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
    "adaptive_avg_pool2d",
    "adaptive_avg_pool2d_grad",
    "adaptive_max_pool2d",
    "adaptive_max_pool2d_grad",
    "adaptive_max_pool2d_with_taps",
    "avg_pool2d",
    "avg_pool2d_grad",
    "conv2d",
    "conv2d_input_grad",
    "conv2d_weight_grad",
    "global_avg_pool2d",
    "global_avg_pool2d_grad",
    "max_pool2d",
    "max_pool2d_grad",
    "max_pool2d_with_taps",
    "pad2d",
    "pad2d_grad",
    "plan",
    "upsample2d",
    "upsample2d_grad",
]
