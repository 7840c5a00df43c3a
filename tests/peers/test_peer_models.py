"""Whole networks against PyTorch's, with the same weights in the same order: results, all gradients, running statistics."""

import warnings

import numpy as np
import pytest

from fastconv import models
from fastconv.functional import to_memory_format

pytestmark = pytest.mark.peers


@pytest.fixture(scope="module")
def torch():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch = pytest.importorskip("torch")
    return torch


def conv_norm(nn, i, o, k, s=1, groups=1):
    return [nn.Conv2d(i, o, k, s, k // 2, groups=groups, bias=False), nn.BatchNorm2d(o)]


def block(torch, i, o, s, bottleneck):
    nn = torch.nn
    out = 4 * o if bottleneck else o
    if bottleneck:
        main = [*conv_norm(nn, i, o, 1), nn.ReLU(), *conv_norm(nn, o, o, 3, s), nn.ReLU(), *conv_norm(nn, o, out, 1)]
    else:
        main = [*conv_norm(nn, i, o, 3, s), nn.ReLU(), *conv_norm(nn, o, o, 3)]

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.main = nn.Sequential(*main)
            self.skip = nn.Sequential(*conv_norm(nn, i, out, 1, s)) if s > 1 or i != out else nn.Identity()

        def forward(self, x):
            return torch.relu(self.main(x) + self.skip(x))

    return Block(), out


def residual(torch, depths, bottleneck, cifar, classes):
    nn = torch.nn
    layers = [*conv_norm(nn, 3, 64, 3), nn.ReLU()] if cifar else [*conv_norm(nn, 3, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    channels = 64
    for stage, depth in enumerate(depths):
        for i in range(depth):
            module, channels = block(torch, channels, 64 * 2**stage, 2 if stage and not i else 1, bottleneck)
            layers.append(module)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))


def plain(torch, widths, dense, norm, classes, side):
    nn, layers, i = torch.nn, [], 3
    for o in widths:
        layers += [nn.Conv2d(i, o, 3, 1, 1), *([nn.BatchNorm2d(o)] if norm else []), nn.ReLU(), nn.MaxPool2d(2)]
        i, side = o, side // 2
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(i * side * side, dense), nn.ReLU(), nn.Linear(dense, classes))


def mobile(torch, alpha, classes):
    nn, c = torch.nn, int(32 * alpha)
    layers = [*conv_norm(nn, 3, c, 3, 2), nn.ReLU()]
    for o, s in [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]:
        layers += [*conv_norm(nn, c, c, 3, s, c), nn.ReLU(), *conv_norm(nn, c, int(o * alpha), 1), nn.ReLU()]
        c = int(o * alpha)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c, classes))


def lenet(torch, classes):
    nn = torch.nn
    return nn.Sequential(
        nn.Conv2d(3, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2),
        nn.Flatten(), nn.Linear(16 * 5 * 5, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, classes),
    )  # fmt: skip


# name -> (side of the images, ours, theirs)
NETS = {
    "simple_cnn": (
        18, lambda s: models.simple_cnn(s, 5, 0.0, rng=0, dtype="f8"), lambda t: plain(t, (32, 64), 128, False, 5, 18),
    ),
    "advanced_cnn": (
        19, lambda s: models.advanced_cnn(s, 5, 0.0, rng=0, dtype="f8"), lambda t: plain(t, (32, 64, 128), 256, True, 5, 19),
    ),
    "lenet": (28, lambda s: models.lenet(s, 5, rng=0, dtype="f8"), lambda t: lenet(t, 5)),
    "resnet18_cifar": (
        15, lambda s: models.resnet18(s, 5, stem="cifar", rng=0, dtype="f8"),
        lambda t: residual(t, (2, 2, 2, 2), False, True, 5),
    ),
    "resnet18": (45, lambda s: models.resnet18(s, 5, rng=0, dtype="f8"), lambda t: residual(t, (2, 2, 2, 2), False, False, 5)),
    "resnet50": (40, lambda s: models.resnet50(s, 5, rng=0, dtype="f8"), lambda t: residual(t, (3, 4, 6, 3), True, False, 5)),
    "mobilenet_v1": (40, lambda s: models.mobilenet_v1(s, 5, 0.5, rng=0, dtype="f8"), lambda t: mobile(t, 0.5, 5)),
}  # fmt: skip


@pytest.mark.parametrize("memory_format", ["nchw", "channels_last"])
@pytest.mark.parametrize("name", NETS)
def test_results_gradients_and_statistics_are_pytorchs(torch, name, memory_format):
    side, make, make_theirs = NETS[name]
    ours, theirs = make((None, 3, side, side)), make_theirs(torch).double()
    ours.memory_format = memory_format
    mine, other = ours.parameters(), list(theirs.parameters())
    assert len(mine) == len(other)
    for a, b in zip(mine, other, strict=True):
        b.data.copy_(torch.from_numpy(a.array.T.copy() if a.array.ndim == 2 else a.array))
    rng = np.random.default_rng(0)
    x, gy = rng.standard_normal((6, 3, side, side)), rng.standard_normal((6, 5))
    their_x = torch.from_numpy(x).requires_grad_()
    their_y = theirs(their_x)
    their_y.backward(torch.from_numpy(gy))
    y = ours.forward(to_memory_format(x, memory_format))
    dx = ours.backward(gy)
    close(y, their_y.detach().numpy())
    close(dx, their_x.grad.numpy())
    for a, b in zip(mine, other, strict=True):
        close(a.grad, b.grad.numpy().T if a.grad.ndim == 2 else b.grad.numpy(), a.name)
    means = [value for key, value in ours.buffers().items() if key.endswith("running_mean")]
    their_means = [value.numpy() for key, value in theirs.named_buffers() if key.endswith("running_mean")]
    assert len(means) == len(their_means)
    for a, b in zip(means, their_means, strict=True):
        close(a, b)


def close(found, wanted, name=""):
    scale = np.abs(wanted).max()
    # The gradient of a bias before batch normalisation is nothing but rounding.
    assert np.abs(found - wanted).max() <= 1e-9 * max(scale, 1.0), name
