"""Stateless operations on NumPy arrays: what the layers of `fastconv.nn` are made of, each with its gradients.

    convolution             conv2d and its two gradients, plan
    normalization           batch norm with the addition and the activation behind it
    group_normalization     group, instance and layer norm
    activation              activations, sums with an activation, the gradients of biases
    softmax                 softmax and its logarithm

Images are NCHW-shaped and of either memory format, which is read from their strides; results keep it.
"""

from .activation import SAVED, activate, activation_bias_grad, activation_grad, add, bias_grad
from .convolution import conv2d, conv2d_input_grad, conv2d_weight_grad, plan
from .group_normalization import (
    group_norm,
    group_norm_grad,
    instance_norm,
    instance_norm_grad,
    layer_norm,
    layer_norm_grad,
)
from .normalization import (
    batch_norm,
    batch_norm_grad,
    batch_norm_inference,
    batch_norm_inference_grad,
    batch_variance,
)
from .softmax import log_softmax, log_softmax_grad, softmax, softmax_grad

__all__ = [
    "SAVED",
    "activate",
    "activation_bias_grad",
    "activation_grad",
    "add",
    "batch_norm",
    "batch_norm_grad",
    "batch_norm_inference",
    "batch_norm_inference_grad",
    "batch_variance",
    "bias_grad",
    "conv2d",
    "conv2d_input_grad",
    "conv2d_weight_grad",
    "group_norm",
    "group_norm_grad",
    "instance_norm",
    "instance_norm_grad",
    "layer_norm",
    "layer_norm_grad",
    "log_softmax",
    "log_softmax_grad",
    "plan",
    "softmax",
    "softmax_grad",
]
