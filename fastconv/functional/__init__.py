"""Stateless operations on NumPy arrays: what the layers of `fastconv.nn` are made of, each with its gradients.

    convolution     conv2d and its two gradients, plan

Images are NCHW-shaped and of either memory format, which is read from their strides; results keep it.
"""

from .convolution import conv2d, conv2d_input_grad, conv2d_weight_grad, plan

__all__ = ["conv2d", "conv2d_input_grad", "conv2d_weight_grad", "plan"]
