"""Layers by themselves, as in training: forward, then backward with the same gradient each time; one thread, batch 32."""

import functools

import fastconv as fc

from .common import FORMATS, Timed, begin, random_array

IMAGES = (32, 64, 16, 16)
LAYERS = {
    "Conv2D 3x3": (lambda nn: nn.Conv2D(64, 3, padding=1, rng=0), IMAGES),
    "Conv2D 1x1": (lambda nn: nn.Conv2D(64, 1, rng=0), IMAGES),
    "DepthwiseSeparableConv": (lambda nn: nn.DepthwiseSeparableConv(64, 3, padding=1, rng=0), IMAGES),
    "ResidualBlock": (lambda nn: nn.ResidualBlock(64, rng=0), IMAGES),
    "Dense": (lambda nn: nn.Dense(256, rng=0), (32, 2048)),
    "BatchNormalization": (lambda nn: nn.BatchNormalization(), IMAGES),
    "BatchNormalization, ReLU, MaxPool2D": (
        lambda nn: nn.Sequential([nn.BatchNormalization(), nn.ReLU(), nn.MaxPool2D(2)]),
        IMAGES,
    ),
    "GroupNormalization": (lambda nn: nn.GroupNormalization(8), IMAGES),
    "LayerNormalization": (lambda nn: nn.LayerNormalization(2048), (32, 2048)),
    "ReLU": (lambda nn: nn.ReLU(), IMAGES),
    "GELU": (lambda nn: nn.GELU(), IMAGES),
    "MaxPool2D": (lambda nn: nn.MaxPool2D(2), IMAGES),
    "AvgPool2D": (lambda nn: nn.AvgPool2D(2), IMAGES),
    "GlobalAvgPool2D": (lambda nn: nn.GlobalAvgPool2D(), IMAGES),
    "Dropout": (lambda nn: nn.Dropout(0.5, rng=0), IMAGES),
    "Upsample": (lambda nn: nn.Upsample(2), IMAGES),
    "ChannelAttention": (lambda nn: nn.ChannelAttention(rng=0), IMAGES),
    "SpatialAttention": (lambda nn: nn.SpatialAttention(rng=0), IMAGES),
}


@functools.lru_cache(maxsize=1)
def layer_and_arrays(layer, memory_format):
    """The layer, an input and a gradient of its result; forward has run on that input."""
    make, shape = LAYERS[layer]
    made = make(fc.nn).build(shape)
    x = random_array(shape, memory_format, 0)
    return made, x, random_array(made.forward(x).shape, memory_format, 1)


class Layer(Timed):
    param_names = ("layer", "format")
    params = (tuple(LAYERS), FORMATS)

    def setup(self, layer, memory_format):
        begin(needs="nn")
        if len(LAYERS[layer][1]) == 2 and memory_format != "nchw":
            raise NotImplementedError("rows of features have one format")
        self.layer, self.x, self.gy = layer_and_arrays(layer, memory_format)

    def time_forward(self, *params):
        self.layer.forward(self.x)

    time_forward.pretty_name = "Forward, each layer"

    def time_backward(self, *params):
        self.layer.backward(self.gy)

    time_backward.pretty_name = "Backward, each layer"


@functools.lru_cache(maxsize=1)
def scores_and_labels():
    scores = random_array((32, 1000))
    return scores, scores.argmax(axis=1)


class Loss(Timed):
    """Forward and backward, on 32 rows of 1000 classes."""

    def setup(self):
        begin(needs="nn")
        self.loss, self.scores, self.labels = fc.nn.CrossEntropyLoss(), *scores_and_labels()

    def time_cross_entropy(self):
        self.loss.forward(self.scores, self.labels)
        self.loss.backward()

    time_cross_entropy.pretty_name = "Cross-entropy, forward and backward"


@functools.lru_cache(maxsize=1)
def bound_optimizer(optimizer):
    kind, _, with_momentum = optimizer.partition(" with ")
    parameters = fc.models.simple_cnn((None, 3, 32, 32), 10, rng=0).parameters()
    for parameter in parameters:
        parameter.grad = random_array(parameter.data.shape)
    bound = getattr(fc.optim, kind)(lr=1e-6, **({"momentum": 0.9} if with_momentum else {}))
    bound.bind(parameters)
    bound.step()
    return bound


class Update(Timed):
    """One step of an optimizer on the parameters of `models.simple_cnn`, 545,098 of them."""

    param_names = ("optimizer",)
    params = (("SGD", "SGD with momentum", "Adam", "AdamW", "RMSprop", "Adagrad"),)

    def setup(self, optimizer):
        begin(needs="nn")
        self.optimizer = bound_optimizer(optimizer)

    def time_step(self, optimizer):
        self.optimizer.step()

    time_step.pretty_name = "Update, each optimizer"
