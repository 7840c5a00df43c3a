"""Architectures, one a file. Each function returns a built `fastconv.nn.CNN` with fresh initial values drawn from `rng`.

simple_cnn, advanced_cnn    two and three convolutions, for images of 32 x 32 or so
lenet                       LeNet-5
vgg16                       thirteen 3x3 convolutions and three dense layers
resnet18, resnet50          residual networks, for photographs (stem="imagenet") or small images (stem="cifar")
mobilenet_v1                depthwise separable convolutions
"""

from .advanced_cnn import advanced_cnn
from .lenet import lenet
from .mobilenet import mobilenet_v1
from .resnet import resnet18, resnet50
from .simple_cnn import simple_cnn
from .vgg import vgg16

__all__ = ["advanced_cnn", "lenet", "mobilenet_v1", "resnet18", "resnet50", "simple_cnn", "vgg16"]
