import numpy as np
import pytest

from fastconv import models, nn
from fastconv.errors import InvalidArgumentError, InvalidTypeError

# (model, input shape, classes, options, parameters): published counts, or the guide's.
COUNTS = [
    ("simple_cnn", (None, 3, 32, 32), 10, {}, 896 + 18_496 + 524_416 + 1_290),
    ("advanced_cnn", (None, 3, 32, 32), 10, {}, 896 + 18_496 + 73_856 + 2 * (32 + 64 + 128) + 524_544 + 2_570),
    ("lenet", (None, 1, 28, 28), 10, {}, 61_706),
    ("resnet18", (None, 3, 224, 224), 1000, {}, 11_689_512),
    ("resnet50", (None, 3, 224, 224), 1000, {}, 25_557_032),
    ("mobilenet_v1", (None, 3, 224, 224), 1000, {}, 4_231_976),
    ("resnet18", (None, 3, 32, 32), 10, {"stem": "cifar"}, 11_173_962),
    ("resnet50", (None, 3, 32, 32), 10, {"stem": "cifar"}, 23_520_842),
]
# (model, options, smallest image, least number of channels): those that run quickly.
QUICK = [
    ("simple_cnn", {"dropout": 0.0}, 4, 1),
    ("advanced_cnn", {"dropout": 0.0}, 8, 1),
    ("lenet", {}, 12, 1),
    ("resnet18", {"stem": "cifar"}, 1, 3),
    ("resnet18", {"stem": "imagenet"}, 1, 3),
    ("mobilenet_v1", {"alpha": 0.25}, 1, 3),
]
IDS = [f"{name}-{options}" for name, options, *_ in QUICK]


def make(name, *arguments, **options):
    return getattr(models, name)(*arguments, **options)


def count(net):
    return sum(p.size for p in net.parameters())


@pytest.mark.parametrize(("name", "shape", "classes", "options", "expected"), COUNTS, ids=lambda v: str(v))
def test_parameters_are_as_many_as_published(name, shape, classes, options, expected):
    net = make(name, shape, classes, rng=0, **options)
    assert count(net) == expected
    assert net.output_shape((5, *shape[1:])) == (5, classes)
    assert isinstance(net, nn.CNN)


@pytest.mark.slow
def test_vgg16_has_as_many_parameters_as_published():
    assert count(models.vgg16((None, 3, 224, 224), 1000, rng=0)) == 138_357_544


def test_vgg16_of_small_images():
    net = models.vgg16((None, 3, 32, 32), 10, rng=0)
    assert count(net) == 14_714_688 + 512 * 4096 + 4096 + 4096 * 4096 + 4096 + 4096 * 10 + 10
    assert net.predict(np.zeros((1, 3, 32, 32), np.float32)).shape == (1, 10)


@pytest.mark.parametrize(("name", "options", "smallest", "channels"), QUICK, ids=IDS)
@pytest.mark.parametrize("extra", [(0, 0), (1, 3), (9, 4)])
def test_images_of_odd_sizes_and_few_channels_pass(name, options, smallest, channels, extra):
    shape = (None, channels, smallest + extra[0], smallest + extra[1])
    net = make(name, shape, 3, rng=0, **options)
    for n in (1, 3):
        x = np.random.default_rng(0).standard_normal((n, *shape[1:])).astype(np.float32)
        scores = net.infer(x)
        assert scores.shape == net.output_shape(x.shape) == (n, 3)
        assert np.isfinite(scores).all()


@pytest.mark.parametrize("memory_format", ["nchw", "channels_last"])
@pytest.mark.parametrize(("name", "options", "smallest", "channels"), QUICK, ids=IDS)
def test_a_small_gradient_step_lowers_the_loss_as_its_length_tells(name, options, smallest, channels, memory_format):
    rng = np.random.default_rng(1)
    side = max(smallest, 16)
    net = make(name, (None, channels, side, side), 4, rng=2, **options).astype(np.float64)
    net.memory_format = memory_format
    x, labels = rng.standard_normal((8, channels, side, side)), np.arange(8) % 4
    before = net.gradients(x, labels)
    gradients = [p.grad for p in net.parameters()]
    assert all(p.grad.shape == p.shape and np.isfinite(p.grad).all() for p in net.parameters())
    expected = 1e-4 * before
    step = expected / sum(np.vdot(g, g) for g in gradients)
    for p, g in zip(net.parameters(), gradients, strict=True):
        p.data -= step * g
    assert before - net.gradients(x, labels) == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize(("name", "options", "smallest", "channels"), QUICK, ids=IDS)
def test_initial_values_follow_from_the_seed(name, options, smallest, channels):
    nets = [make(name, (None, channels, 16, 16), 4, rng=seed, **options) for seed in (0, 0, 1)]
    first, same, other = ([p.array for p in net.parameters()] for net in nets)
    assert all(np.array_equal(a, b) for a, b in zip(first, same, strict=True))
    assert not np.array_equal(first[0], other[0])


@pytest.mark.parametrize(("name", "options", "smallest", "channels"), QUICK, ids=IDS)
def test_saved_models_come_back(name, options, smallest, channels, tmp_path):
    net = make(name, (None, channels, 16, 16), 4, rng=0, dtype=np.float64, **options)
    x = np.random.default_rng(0).standard_normal((3, channels, 16, 16))
    net.forward(x)
    net.save(tmp_path / "net.npz")
    twin = nn.CNN.load(tmp_path / "net.npz")
    assert [p.name for p in twin.parameters()] == [p.name for p in net.parameters()]
    np.testing.assert_array_equal(twin.infer(x), net.infer(x))


@pytest.mark.parametrize("name", ["simple_cnn", "advanced_cnn", "vgg16"])
def test_dropout_of_zero_is_no_layer(name):
    rates = {}
    for rate in (0.0, 0.25):
        net = make(name, (None, 1, 32, 32), 2, dropout=rate, rng=0)
        rates[rate] = [layer.rate for layer in net.layers if isinstance(layer, nn.Dropout)]
    assert rates[0.0] == [] and set(rates[0.25]) == {0.25}


def test_convolutions_have_biases_where_no_normalisation_follows_and_in_advanced_cnn():
    for name, options, bias in (
        ("simple_cnn", {}, True), ("advanced_cnn", {}, True), ("resnet18", {"stem": "cifar"}, False),
        ("resnet18", {}, False), ("resnet50", {}, False), ("mobilenet_v1", {}, False),
    ):  # fmt: skip
        net = make(name, (None, 3, 32, 32), 2, rng=0, **options)
        convolutions = [layer for _, layer in net.layers_inside() if isinstance(layer, nn.Conv2D)]
        assert convolutions and all(conv.bias == bias for conv in convolutions), name


def test_widths_follow_alpha():
    full, half = (models.mobilenet_v1((None, 3, 32, 32), 2, alpha=a, rng=0) for a in (1.0, 0.5))
    widths = [[layer.filters for layer in net.layers if isinstance(layer, nn.Conv2D)] for net in (full, half)]
    assert widths[1] == [w // 2 for w in widths[0]]


IMAGE = (None, 3, 32, 32)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: models.simple_cnn((None, 3, 3, 8), 10), InvalidArgumentError, "simple_cnn takes images of 4 x 4"),
        (lambda: models.advanced_cnn((None, 3, 8, 7), 10), InvalidArgumentError, "advanced_cnn takes images of 8 x 8"),
        (lambda: models.lenet((None, 1, 11, 28), 10), InvalidArgumentError, "lenet takes images of 12 x 12"),
        (lambda: models.vgg16((None, 3, 31, 32), 10), InvalidArgumentError, "vgg16 takes images of 32 x 32"),
        (lambda: models.resnet18((None, 3, 0, 32), 10), InvalidArgumentError, "input_shape"),
        (lambda: models.simple_cnn((3, 32, 32), 10), InvalidArgumentError, "input_shape"),
        (lambda: models.simple_cnn((None, None, 32, 32), 10), InvalidArgumentError, "input_shape"),
        (lambda: models.simple_cnn(32, 10), InvalidTypeError, "input_shape: got int"),
        (lambda: models.simple_cnn(IMAGE, 0), InvalidArgumentError, "num_classes: got 0"),
        (lambda: models.simple_cnn(IMAGE, True), InvalidArgumentError, "num_classes: got True"),
        (lambda: models.simple_cnn(IMAGE, 10, dropout=1.0), InvalidArgumentError, "dropout: got 1.0"),
        (lambda: models.vgg16(IMAGE, 10, dropout=-0.1), InvalidArgumentError, "dropout: got -0.1"),
        (lambda: models.resnet18(IMAGE, 10, stem="small"), InvalidArgumentError, "stem: got 'small'"),
        (lambda: models.resnet50(IMAGE, 10, stem=None), InvalidArgumentError, "stem: got None"),
        (lambda: models.mobilenet_v1(IMAGE, 10, alpha=0), InvalidArgumentError, "alpha: got 0"),
        (lambda: models.mobilenet_v1(IMAGE, 10, alpha=float("nan")), InvalidArgumentError, "alpha: got nan"),
    ],
)
def test_what_cannot_be_is_refused(call, kind, message):
    with pytest.raises(kind, match=message):
        call()
