"""The guide's formulas, examples and figures, written down as the guide does, against what fastconv computes.

docs/guide_map.md says which section each is of.
"""

import numpy as np
import pytest

import fastconv as fc
from fastconv import data, diagnostics, nn, optim

GUIDES_IMAGE = np.array([[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12], [13, 14, 15, 16]], float)
GUIDES_PATCHES = [
    [1, 2, 3, 5, 6, 7, 9, 10, 11],
    [2, 3, 4, 6, 7, 8, 10, 11, 12],
    [5, 6, 7, 9, 10, 11, 13, 14, 15],
    [6, 7, 8, 10, 11, 12, 14, 15, 16],
]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def image(rows):
    return np.array(rows, float)[None, None]


def im2col(x, filter_h, filter_w, stride):
    """The guide's, patch by patch."""
    n, c, h, w = x.shape
    out_h, out_w = (h - filter_h) // stride + 1, (w - filter_w) // stride + 1
    col = np.zeros((n, c, filter_h, filter_w, out_h, out_w))
    for i in range(filter_h):
        for j in range(filter_w):
            col[:, :, i, j] = x[:, :, i : i + stride * out_h : stride, j : j + stride * out_w : stride]
    return col.transpose(0, 4, 5, 1, 2, 3).reshape(n * out_h * out_w, -1)


# -- mathematical foundations ---------------------------------------------------------------------------------------------


def test_the_practical_convolution_example():
    y = fc.conv2d(image([[1, 2, 3], [4, 5, 6], [7, 8, 9]]), image([[1, 0], [0, 1]]))
    assert y[0, 0].tolist() == [[6, 8], [12, 14]]


def test_the_definition_of_convolution_flips_the_kernel(rng):
    x, k = rng.standard_normal((5, 6)), rng.standard_normal((3, 2))
    defined = np.zeros((3, 5))
    for i, j in np.ndindex(defined.shape):
        defined[i, j] = sum(x[m, n] * k[i + 2 - m, j + 1 - n] for m in range(i, i + 3) for n in range(j, j + 2))
    assert np.allclose(fc.conv2d(image(x), image(k[::-1, ::-1]))[0, 0], defined, rtol=1e-13)


@pytest.mark.parametrize(("size", "kernel", "padding", "stride"), [(32, 5, 2, 1), (32, 3, 0, 1), (31, 3, 1, 2), (28, 5, 0, 3)])
def test_output_sizes_follow_the_formula(size, kernel, padding, stride):
    expected = (size - kernel + 2 * padding) // stride + 1
    layer = nn.Conv2D(1, kernel, in_channels=1, stride=stride, padding=padding)
    assert layer.output_shape((None, 1, size, size)) == (None, 1, expected, expected)


def test_the_max_pooling_example_and_the_routing_of_its_gradient():
    pool = nn.MaxPool2D(2, 2)
    x = image([[1, 3, 2, 4], [5, 1, 6, 2], [7, 9, 3, 8], [2, 4, 1, 5]])
    assert pool.forward(x)[0, 0].tolist() == [[5, 6], [9, 8]]
    routed = pool.backward(image([[1, 2], [3, 4]]))
    assert routed[0, 0].tolist() == [[0, 0, 0, 0], [1, 0, 2, 0], [0, 3, 0, 4], [0, 0, 0, 0]]


def test_relu_and_its_derivative():
    relu = nn.ReLU()
    assert relu.forward(np.array([[-2.0, 0.0, 3.0]])).tolist() == [[0, 0, 3]]
    assert relu.backward(np.ones((1, 3))).tolist() == [[0, 0, 1]]


def test_softmax_and_cross_entropy_with_labels_and_one_hot_rows(rng):
    scores, labels = rng.standard_normal((4, 5)), np.array([0, 3, 1, 4])
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
    probabilities = shifted / shifted.sum(axis=1, keepdims=True)
    one_hot = np.eye(5)[labels]
    assert np.allclose(fc.functional.softmax(scores, 1), probabilities, rtol=1e-13)
    for targets in (labels, one_hot):
        loss = nn.CrossEntropyLoss()
        assert np.isclose(loss.forward(scores, targets), -np.mean(np.sum(one_hot * np.log(probabilities), axis=1)), rtol=1e-12)
        assert np.allclose(loss.backward(), (probabilities - one_hot) / 4, rtol=1e-12)


# -- layers ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("init", "variance"),
    [("he_normal", 2 / 576), ("xavier_normal_in", 1 / 576), ("xavier_normal", 2 / (576 + 1152))],
)
def test_initial_weights_have_the_variance_of_the_guide(init, variance):
    weight = nn.Conv2D(128, 3, in_channels=64, init=init, rng=0).weight.data
    assert np.isclose(weight.var(), variance, rtol=0.03)


def test_convolutions_and_dense_layers_begin_with_he():
    assert np.isclose(nn.Conv2D(128, 3, in_channels=64, rng=0).weight.data.var(), 2 / 576, rtol=0.03)
    assert np.isclose(nn.Dense(512, 256, rng=0).parameters()[0].data.var(), 2 / 256, rtol=0.03)


def test_the_im2col_example_is_a_convolution(rng):
    w = rng.standard_normal((2, 1, 3, 3))
    assert im2col(image(GUIDES_IMAGE), 3, 3, 1).tolist() == GUIDES_PATCHES
    y = fc.conv2d(image(GUIDES_IMAGE), w, algorithm="im2col")
    assert np.allclose(y[0].reshape(2, 4), w.reshape(2, 9) @ np.array(GUIDES_PATCHES).T, rtol=1e-13)


def test_convolution_forward_and_backward_follow_the_formulas(rng):
    layer = nn.Conv2D(4, 3, in_channels=2, stride=2, padding=1, dtype=np.float64, rng=0)
    layer.parameters()[1].data = rng.standard_normal(4)
    weight, bias = (parameter.data for parameter in layer.parameters())
    x = rng.standard_normal((3, 2, 7, 7))
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    x_col = im2col(padded, 3, 3, 2)
    y = layer.forward(x)
    assert np.allclose(y, (x_col @ weight.reshape(4, -1).T + bias).reshape(3, 4, 4, 4).transpose(0, 3, 1, 2), rtol=1e-12)

    grad = rng.standard_normal(y.shape)
    rows = grad.transpose(1, 0, 2, 3).reshape(4, -1)
    dx = layer.backward(grad)
    assert np.allclose(layer.parameters()[0].grad, (rows @ x_col).reshape(weight.shape), rtol=1e-12)
    assert np.allclose(layer.parameters()[1].grad, grad.sum(axis=(0, 2, 3)), rtol=1e-12)
    back = np.zeros_like(padded)
    for i, j in np.ndindex(4, 4):
        back[:, :, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3] += np.einsum("nf,fcuv->ncuv", grad[:, :, i, j], weight)
    assert np.allclose(dx, back[:, :, 1:-1, 1:-1], rtol=1e-10, atol=1e-12)


def test_dense_forward_and_backward_follow_the_formulas(rng):
    layer = nn.Dense(3, 5, dtype=np.float64, rng=0)
    (weight, bias), x, grad = layer.parameters(), rng.standard_normal((4, 5)), rng.standard_normal((4, 3))
    assert np.allclose(layer.forward(x), x @ weight.data + bias.data, rtol=1e-13)
    assert np.allclose(layer.backward(grad), grad @ weight.data.T, rtol=1e-13)
    assert np.allclose(weight.grad, x.T @ grad, rtol=1e-13)
    assert np.allclose(bias.grad, grad.sum(axis=0), rtol=1e-13)


@pytest.mark.parametrize("shape", [(8, 3), (4, 3, 5, 6)])
def test_batch_normalization_follows_the_formulas(shape, rng):
    norm, axes = nn.BatchNormalization(3, dtype=np.float64), (0, *range(2, len(shape)))
    x, grad = 2 * rng.standard_normal(shape) + 1, rng.standard_normal(shape)
    column = (3,) + (1,) * (len(shape) - 2)
    gamma, beta = rng.standard_normal((2, 3))
    norm.gamma.data, norm.beta.data = gamma, beta
    mean, var = x.mean(axis=axes, keepdims=True), x.var(axis=axes, keepdims=True)
    normalized = (x - mean) / np.sqrt(var + 1e-5)
    assert np.allclose(norm.forward(x), gamma.reshape(column) * normalized + beta.reshape(column), rtol=1e-11, atol=1e-12)
    assert np.allclose(norm.running_mean, 0.9 * 0 + 0.1 * mean.ravel(), rtol=1e-11)
    assert np.allclose(norm.running_var, 0.9 * 1 + 0.1 * var.ravel(), rtol=1e-9)

    m = x.size // 3
    sums = grad.sum(axis=axes, keepdims=True), (grad * normalized).sum(axis=axes, keepdims=True)
    expected = gamma.reshape(column) / np.sqrt(var + 1e-5) * (grad - sums[0] / m - normalized / m * sums[1])
    assert np.allclose(norm.backward(grad), expected, rtol=1e-9, atol=1e-11)
    assert np.allclose(norm.gamma.grad, sums[1].ravel(), rtol=1e-11)
    assert np.allclose(norm.beta.grad, sums[0].ravel(), rtol=1e-11)

    x_hat = (x - norm.running_mean.reshape(column)) / np.sqrt(norm.running_var.reshape(column) + 1e-5)
    assert np.allclose(norm.infer(x), gamma.reshape(column) * x_hat + beta.reshape(column), rtol=1e-11, atol=1e-12)


def test_dropout_keeps_the_expectation_and_does_nothing_in_evaluation():
    dropout, x = nn.Dropout(0.25, rng=0), np.ones((200, 500))
    y = dropout.forward(x)
    assert set(np.unique(y)) == {0, 1 / 0.75}
    assert np.isclose(y.mean(), 1, atol=0.01)
    assert np.array_equal(dropout.backward(x), y)
    assert dropout.eval().forward(x) is x


def test_a_residual_block_is_the_sum_of_its_branches(rng):
    block, x = nn.ResidualBlock(4, in_channels=4, dtype=np.float64, rng=0), rng.standard_normal((2, 4, 6, 6))
    weights = [parameter.data for parameter in block.parameters() if parameter.data.ndim == 4]
    out = x
    for weight, activation in zip(weights, (lambda v: np.maximum(v, 0), lambda v: v), strict=True):
        out = fc.conv2d(out, weight, padding=1, algorithm="direct")
        out -= out.mean(axis=(0, 2, 3), keepdims=True)
        out = activation(out / np.sqrt(out.var(axis=(0, 2, 3), keepdims=True) + 1e-5))
    assert np.allclose(block.forward(x), np.maximum(out + x, 0), rtol=1e-9, atol=1e-11)


def test_depthwise_separable_convolutions_have_as_few_parameters_as_said():
    kernel, channels, filters = 3, 128, 256
    separable = nn.DepthwiseSeparableConv(filters, kernel, in_channels=channels, bias=False)
    standard = nn.Conv2D(filters, kernel, in_channels=channels, bias=False)
    few, many = (sum(parameter.size for parameter in layer.parameters()) for layer in (separable, standard))
    assert few == kernel * kernel * channels + channels * filters
    assert many == kernel * kernel * channels * filters
    assert 8 < many / few < 9


def test_spatial_attention_follows_the_snippet(rng):
    attention, x = nn.SpatialAttention(7, dtype=np.float64, rng=0), rng.standard_normal((2, 6, 9, 9))
    weight, bias = (parameter.data for parameter in attention.parameters())
    combined = np.concatenate([x.mean(axis=1, keepdims=True), x.max(axis=1, keepdims=True)], axis=1)
    attention_map = 1 / (1 + np.exp(-fc.conv2d(combined, weight, bias, padding=3, algorithm="direct")))
    assert np.allclose(attention.forward(x), x * attention_map, rtol=1e-11)


def test_layer_normalization_follows_the_snippet(rng):
    norm, x = nn.LayerNormalization(6, dtype=np.float64), rng.standard_normal((3, 6))
    norm.gamma.data, norm.beta.data = rng.standard_normal((2, 6))
    normalized = (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-5)
    assert np.allclose(norm.forward(x), norm.gamma.data * normalized + norm.beta.data, rtol=1e-11, atol=1e-12)


# -- numerical stability --------------------------------------------------------------------------------------------------


def test_nothing_overflows_divides_by_zero_or_takes_the_logarithm_of_zero():
    scores = np.array([[1e4, 0.0, -1e4]])
    assert fc.functional.softmax(scores, 1).tolist() == [[1, 0, 0]]
    assert nn.CrossEntropyLoss().forward(scores, np.array([2])) == 2e4
    assert np.array_equal(nn.BatchNormalization(1, dtype=np.float64).forward(np.full((4, 1), 3.0)), np.zeros((4, 1)))


# -- training -------------------------------------------------------------------------------------------------------------


def test_the_chain_rule_by_hand_is_what_networks_do(rng):
    net = nn.CNN([nn.Dense(3), nn.ReLU()], rng=0).build((4, 5)).astype(np.float64)
    x, y = rng.standard_normal((4, 5)), np.array([0, 2, 1, 1])
    weight, bias = (parameter.data for parameter in net.parameters())
    z = x @ weight + bias
    loss = nn.CrossEntropyLoss()
    value = loss.forward(np.maximum(z, 0), y)
    grad_z = (z > 0) * loss.backward()

    assert np.isclose(net.loss_fn.forward(net.forward(x), y), value, rtol=1e-13)
    assert np.allclose(net.backward(net.loss_fn.backward()), grad_z @ weight.T, rtol=1e-12, atol=1e-15)
    assert np.allclose(net.parameters()[0].grad, x.T @ grad_z, rtol=1e-12, atol=1e-15)


def test_a_training_step_is_gradient_descent(rng):
    x, y = rng.standard_normal((4, 1, 6, 6)).astype("f4"), np.array([0, 1, 2, 1])
    net = nn.CNN(rng=0).add_layer(nn.Conv2D(2, 3)).add_layer(nn.ReLU()).add_layer(nn.Flatten()).add_layer(nn.Dense(3))
    net.build(x.shape)
    before = [parameter.data.copy() for parameter in net.parameters()]
    loss = net.train_step(x, y, optim.SGD(lr=0.1))
    for old, parameter in zip(before, net.parameters(), strict=True):
        assert np.allclose(parameter.data, old - 0.1 * parameter.grad, rtol=1e-6, atol=1e-7)
    assert net.evaluate(x, y).loss < loss


def test_clipping_scales_gradients_by_the_formula(rng):
    net = nn.CNN([nn.Dense(3)], rng=0)
    net.gradients(rng.standard_normal((4, 5)).astype("f4"), np.array([0, 1, 2, 1]))
    before = [parameter.grad.copy() for parameter in net.parameters()]
    norm = optim.clip_grad_norm(net.parameters(), 0.1)
    assert np.isclose(norm, np.sqrt(sum(np.sum(grad.astype(float) ** 2) for grad in before)), rtol=1e-6)
    for old, parameter in zip(before, net.parameters(), strict=True):
        assert np.allclose(parameter.grad, old * min(1, 0.1 / norm), rtol=1e-6)


def rates(schedule, count):
    return [schedule.at(epoch) for epoch in range(count)]


def test_schedules_follow_the_formulas():
    epochs = np.arange(21)
    initial, least, most = 0.01, 0.001, 20
    step = initial * 0.5 ** (epochs // 10)
    exponential = initial * 0.95**epochs
    cosine = least + (initial - least) * (1 + np.cos(np.pi * epochs / most)) / 2
    sgd = optim.SGD(lr=initial)
    assert np.allclose(rates(optim.StepLR(sgd, step_size=10, gamma=0.5), 21), step, rtol=1e-13)
    assert np.allclose(rates(optim.ExponentialLR(optim.SGD(lr=initial), gamma=0.95), 21), exponential, rtol=1e-13)
    decay = optim.ExponentialLR(optim.SGD(lr=initial), gamma=np.exp(-0.1))
    assert np.allclose(rates(decay, 21), initial * np.exp(-0.1 * epochs), rtol=1e-12)
    annealing = optim.CosineAnnealing(optim.SGD(lr=initial), period=most, min_lr=least)
    assert np.allclose(rates(annealing, 21), cosine, rtol=1e-13)
    assert np.allclose([optim.step_decay(epoch) for epoch in epochs], step, rtol=1e-13)
    assert np.allclose([optim.exp_decay(epoch) for epoch in epochs], exponential, rtol=1e-13)
    assert np.allclose([optim.cosine_decay(epoch, max_epochs=most) for epoch in epochs], cosine, rtol=1e-13)


def test_adam_follows_the_snippet(rng):
    parameter = nn.Parameter(rng.standard_normal(6), "weight")
    weights, m, v = parameter.data.copy(), np.zeros(6), np.zeros(6)
    optimizer = optim.Adam([parameter], lr=0.001, betas=(0.9, 0.999), eps=1e-8)
    for t in range(1, 6):
        gradients = parameter.grad = rng.standard_normal(6)
        m, v = 0.9 * m + 0.1 * gradients, 0.999 * v + 0.001 * gradients**2
        weights = weights - 0.001 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        optimizer.step()
    assert np.allclose(parameter.data, weights, rtol=1e-12)


# -- figures of the networks ----------------------------------------------------------------------------------------------


def test_a_large_input_takes_the_memory_of_the_guide():
    net = nn.CNN([nn.Conv2D(64, 3, padding=1), nn.MaxPool2D(2)], rng=0)
    megabytes = [row.activation_bytes / 1e6 for row in diagnostics.summary(net, (32, 3, 224, 224)).rows]
    assert np.allclose(megabytes, [19.3, 411, 103], rtol=0.01)


# -- data -----------------------------------------------------------------------------------------------------------------


def test_the_augmentations_of_the_guide_are_there(rng):
    x = rng.random((3, 32, 32), dtype=np.float32)
    assert np.array_equal(data.RandomHorizontalFlip(p=1)(x, rng=0), np.flip(x, axis=-1))
    for transform in (
        data.RandomHorizontalFlip(p=0.5),
        data.RandomRotation(degrees=15),
        data.RandomBrightness(0.2),
        data.RandomContrast(0.2),
        data.RandomCrop(32, padding=4),
    ):
        assert data.Compose([transform])(x, rng=0).shape == x.shape


# -- troubleshooting ------------------------------------------------------------------------------------------------------


def test_gradients_are_checked_as_in_the_snippet(rng):
    net = fc.models.simple_cnn((None, 1, 8, 8), 3, rng=0)
    net.gradients(rng.standard_normal((4, 1, 8, 8)).astype("f4"), np.array([0, 1, 2, 1]))
    report = diagnostics.check_gradients(net)
    norms = [
        np.sqrt(sum(np.sum(parameter.grad.astype(float) ** 2) for parameter in layer.parameters()))
        for layer in net.layers
        if layer.parameters()
    ]
    assert np.allclose([row.norm for row in report.rows], norms, rtol=1e-6)
    assert np.isclose(report.average_norm, np.mean(norms), rtol=1e-6)
    for parameter in net.parameters():
        parameter.grad *= np.float32(1e-9)
    assert diagnostics.check_gradients(net).vanishing == [row.name for row in report.rows]


def test_the_numerical_check_finds_a_wrong_gradient(rng):
    class Wrong(nn.Dense):
        def backward(self, gy):
            return super().backward(gy) * 1.001

    x = rng.standard_normal((2, 4))
    assert diagnostics.gradient_check(nn.Dense(3, 4, rng=0), x)
    assert not diagnostics.gradient_check(Wrong(3, 4, rng=0), x)
