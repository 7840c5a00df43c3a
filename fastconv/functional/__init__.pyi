from .convolution import Activation as Activation
from .convolution import Array as Array
from .convolution import conv2d as conv2d
from .convolution import conv2d_input_grad as conv2d_input_grad
from .convolution import conv2d_weight_grad as conv2d_weight_grad
from .convolution import plan as plan
