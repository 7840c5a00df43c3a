"""The table of all layers: what the tests in `test_layers.py` are made with. A layer that is not here fails a test."""

import dataclasses
import functools
import inspect
from collections.abc import Callable

import numpy as np

import fastconv as fc
from fastconv import nn

__all__ = ["CASES", "FORMATS", "Case", "exported_layers", "in_format"]

FORMATS = ("nchw", "channels_last")
# What is exported and no layer by itself.
_BASES = {nn.Layer, nn.Network}


@dataclasses.dataclass(frozen=True)
class Case:
    """A layer, how to make it, and inputs that suit it.

    Attributes
    ----------
    name : str
    kind : type
    make_with : callable
        Makes it, given the options that all layers take.
    inputs : tuple of shapes
        Of what forward takes; several for layers with several inputs.
    inferred : dict
        Arguments that follow from the input and were left out.
    refused : tuple of shapes
        Inputs it does not take once it has been built for `inputs`.
    scale : float
        Inputs are between -scale and scale.
    """

    name: str
    kind: type
    make_with: Callable[..., nn.Layer]
    inputs: tuple
    inferred: dict
    refused: tuple
    scale: float

    def make(self, dtype=np.float64, **options):
        """The layer; the same parameters each time."""
        if "rng" in inspect.signature(self.kind.__init__).parameters:
            options.setdefault("rng", 0)
        return self.make_with(dtype=dtype, **options)

    def arrays(self, dtype=np.float64, memory_format="nchw", seed=0):
        """Inputs whose values all differ, none of them near zero: no maximum and no sign changes with a small step."""
        rng = np.random.default_rng(seed)
        sizes = [int(np.prod(shape)) for shape in self.inputs]
        values = rng.permutation(np.linspace(-self.scale, self.scale, 2 * ((sum(sizes) + 1) // 2)))
        parts = np.split(values[: sum(sizes)], np.cumsum(sizes)[:-1])
        return [in_format(v.reshape(s).astype(dtype), memory_format) for v, s in zip(parts, self.inputs, strict=True)]

    def __str__(self):
        return self.name


def in_format(x, memory_format):
    return fc.functional.to_memory_format(x, memory_format) if x.ndim == 4 else x


def exported_layers():
    exported = (getattr(nn, name) for name in nn.__all__)
    return {kind for kind in exported if isinstance(kind, type) and issubclass(kind, nn.Layer)} - _BASES


IMAGE = (2, 4, 6, 5)
ROWS = (4, 6)
# Not images, and images of another number of channels.
NO_IMAGES = ((2, 4), (2, 4, 6), (2, 4, 6, 5, 1))
OTHER_CHANNELS = ((2, 5, 6, 5),)


def case(kind, *arguments, inputs=(IMAGE,), inferred=None, refused=NO_IMAGES, scale=2.0, label="", **options):
    shown = [repr(v) for v in arguments] + [f"{k}={v!r}" for k, v in options.items()]
    name = f"{kind.__name__}({label or ', '.join(shown)}){'x'.join(map(str, inputs[0]))}".replace(" ", "")
    return Case(name, kind, functools.partial(kind, *arguments, **options), inputs, inferred or {}, refused, scale)


def conv(*arguments, refused=NO_IMAGES + OTHER_CHANNELS, **options):
    return case(nn.Conv2D, *arguments, inferred={"in_channels": 4}, refused=refused, **options)


def dense(*arguments, **options):
    return case(nn.Dense, *arguments, inputs=(ROWS,), inferred={"in_features": 6}, refused=((4, 5), (4,), IMAGE), **options)


def container(kind, label, *layers, inputs=(IMAGE,), refused=NO_IMAGES + OTHER_CHANNELS, **options):
    """A container of what `layers` make, given a dtype."""

    def make_with(dtype, **rest):
        return kind([layer(dtype=dtype) for layer in layers], dtype=dtype, **options, **rest)

    return Case(f"{kind.__name__}({label})", kind, make_with, inputs, {}, refused, 2.0)


def residual(kind, *arguments, **options):
    return case(kind, *arguments, inferred={"in_channels": 4}, refused=NO_IMAGES + OTHER_CHANNELS, **options)


def branches(dtype, **options):
    """conv + batch norm, ReLU of the sum, two results side by side."""
    nodes = [
        (nn.Conv2D(4, 3, padding=1, name="conv", dtype=dtype), "input"),
        (nn.BatchNormalization(name="norm", dtype=dtype),),
        (nn.Add(name="sum", dtype=dtype), "input", "norm"),
        (nn.ReLU(name="relu", dtype=dtype),),
        (nn.Concat(name="both", dtype=dtype), "relu", "conv"),
    ]
    return nn.Graph(nodes, dtype=dtype, **options)


P = functools.partial
CONV = P(nn.Conv2D, 3, 3, padding=1)

CASES = [
    conv(3, 3),
    conv(3, 3, padding=1, bias=False),
    conv(3, (3, 2), stride=(2, 1), padding=((1, 0), (0, 1)), dilation=(1, 2)),
    conv(4, 3, groups=2, padding="same"),
    conv(4, 3, groups=4, padding=1),
    conv(2, 1, activation="relu"),
    conv(2, 1, activation=("leaky_relu", 0.2)),
    conv(2, 3, activation="sigmoid", init="glorot_uniform"),
    conv(2, 3, bias=False, activation="relu6"),
    conv(2, 3, algorithm="im2col"),
    conv(2, 3, algorithm={"forward": "direct", "weight_grad": "im2col"}),
    dense(3),
    dense(1, bias=False),
    dense(5, activation="relu6"),
    dense(2, bias=False, activation="sigmoid"),
    case(nn.BatchNormalization, inferred={"channels": 4}, refused=((2, 4, 3), *OTHER_CHANNELS)),
    case(
        nn.BatchNormalization, momentum=0.5, eps=1e-2, inputs=(ROWS,), inferred={"channels": 6}, refused=((4, 5), (4,))
    ),
    case(nn.GroupNormalization, 2, inferred={"channels": 4}, refused=((2, 4, 3), *OTHER_CHANNELS)),
    case(nn.GroupNormalization, 1, eps=0.1, inferred={"channels": 4}, refused=((2, 4, 3), *OTHER_CHANNELS)),
    case(nn.GroupNormalization, 3, inputs=(ROWS,), inferred={"channels": 6}, refused=((4, 5), (4,))),
    case(nn.InstanceNormalization, inferred={"channels": 4}, refused=NO_IMAGES + OTHER_CHANNELS),
    case(nn.LayerNormalization, 6, inputs=(ROWS,), refused=((4, 5), (6,))),
    case(nn.LayerNormalization, (4, 6, 5), eps=1e-3, refused=((2, 4, 5, 6), (4, 6, 5), (2, 6, 5))),
    case(nn.LayerNormalization, 5, refused=((2, 4), (5,))),
    *(
        case(kind, *arguments, inputs=(shape,), refused=(), scale=scale)
        for kind, arguments, scale in (
            (nn.ReLU, (), 2), (nn.ReLU6, (), 9), (nn.LeakyReLU, (), 2), (nn.LeakyReLU, (0.3,), 2), (nn.Sigmoid, (), 4),
            (nn.Tanh, (), 3), (nn.SiLU, (), 4), (nn.GELU, (), 4), (nn.Softmax, (), 3),
        )
        for shape in ((2, 3, 3, 4), (3, 7))
    ),
    case(nn.Softmax, -1, inputs=((2, 3, 3, 4),), refused=()),
    case(nn.MaxPool2D, 2, 2),
    case(nn.MaxPool2D, 3, stride=2, padding=1),
    case(nn.MaxPool2D, (2, 3), (2, 1), ceil_mode=True, dilation=(2, 1)),
    case(nn.AdaptiveMaxPool2D, (4, 2)),
    case(nn.AdaptiveMaxPool2D, (None, 1)),
    case(nn.AvgPool2D, 2),
    case(nn.AvgPool2D, 3, stride=2, padding=1, ceil_mode=True, count_include_pad=False),
    case(nn.AdaptiveAvgPool2D, (4, 2)),
    case(nn.AdaptiveAvgPool2D, 1),
    case(nn.GlobalAvgPool2D),
    case(nn.Flatten, refused=((4,),)),
    case(nn.Flatten, inputs=(ROWS,), refused=((4,),)),
    case(nn.Flatten, inputs=((2, 3, 4),), refused=((4,),)),
    case(nn.Reshape, (6, 4, -1), refused=((2, 5, 5),)),
    case(nn.Reshape, (-1,), refused=()),
    case(nn.Reshape, (2, 3, 1), inputs=(ROWS,), refused=((4, 5),)),
    case(nn.Pad, 1),
    case(nn.Pad, ((0, 2), (1, 0)), value=-1.5),
    case(nn.Pad, (2, 1), mode="reflect"),
    case(nn.Pad, ((1, 0), (2, 3)), mode="replicate"),
    case(nn.Upsample, 2),
    case(nn.Upsample, (1.5, 2.2)),
    case(nn.Upsample, size=(3, 8), mode="bilinear"),
    case(nn.Upsample, 2, mode="bilinear", align_corners=True),
    case(nn.Add, inputs=(IMAGE, IMAGE), refused=()),
    case(nn.Add, inputs=(ROWS, ROWS, ROWS), refused=()),
    case(nn.Concat, inputs=(IMAGE, (2, 1, 6, 5), (2, 2, 6, 5)), refused=()),
    case(nn.Concat, -1, inputs=(IMAGE, (2, 4, 6, 2)), refused=()),
    case(nn.Concat, inputs=(ROWS, (4, 1)), refused=()),
    case(nn.Dropout, 0.5, inputs=((2, 5, 3, 3),), refused=()),
    case(nn.Dropout, 0.3, inputs=((5, 7),), refused=()),
    case(nn.Dropout, 0.0, inputs=(ROWS,), refused=()),
    case(nn.SpatialDropout, 0.4, inputs=((3, 7, 2, 3),)),
    case(nn.SpatialAttention),
    case(nn.SpatialAttention, 3, bias=False, inputs=((2, 4, 4, 5),)),
    case(nn.ChannelAttention, 2, inferred={"channels": 4}, refused=NO_IMAGES + OTHER_CHANNELS),
    case(nn.ChannelAttention, inferred={"channels": 4}, refused=NO_IMAGES + OTHER_CHANNELS),
    case(nn.DepthwiseSeparableConv, 3, inferred={"in_channels": 4}, refused=NO_IMAGES + OTHER_CHANNELS),
    case(
        nn.DepthwiseSeparableConv, 5, (3, 2), stride=2, padding=0, batch_norm=True, activation="relu",
        inferred={"in_channels": 4}, refused=NO_IMAGES + OTHER_CHANNELS,
    ),
    case(
        nn.DepthwiseSeparableConv, 2, activation="silu", bias=False, dilation=2, inferred={"in_channels": 4},
        refused=NO_IMAGES + OTHER_CHANNELS,
    ),
    container(nn.Sequential, "conv-norm-relu-pool", CONV, nn.BatchNormalization, nn.ReLU, P(nn.MaxPool2D, 2)),
    container(nn.Sequential, "pool-flatten-dense", P(nn.AvgPool2D, 2), nn.Flatten, P(nn.Dense, 3), nn.Tanh),
    container(nn.Sequential, "nothing", refused=()),
    container(
        nn.CNN, "conv-relu-pool-dropout-dense", CONV, nn.ReLU, P(nn.MaxPool2D, 2, 2), nn.Flatten,
        P(nn.Dropout, 0.25, rng=1), P(nn.Dense, 3),
    ),
    residual(nn.ResidualBlock, 4),
    residual(nn.ResidualBlock, 3, stride=2),
    residual(nn.Bottleneck, 2, expansion=2),
    residual(nn.Bottleneck, 2, stride=2, expansion=3),
    Case("Graph(branches)", nn.Graph, branches, (IMAGE,), {}, NO_IMAGES + OTHER_CHANNELS, 2.0),
]  # fmt: skip
