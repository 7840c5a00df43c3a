"""What programs may write under `mypy --strict`; `make lint` checks it, nothing runs it."""

from typing import Any

import numpy as np

import fastconv as fc
from fastconv import nn, optim

x = np.zeros((1, 3, 8, 8), np.float32)
w = np.zeros((4, 3, 3, 3), np.float32)
y = fc.conv2d(x, w, padding=1, activation="relu")
dx = fc.conv2d_input_grad(y, w, x.shape, padding=1)
dw = fc.conv2d_weight_grad(y, x, w.shape, padding=1)
problem = fc.ConvProblem.from_arrays(x, w, padding=1)
plan = fc.plan(problem, effort="heuristic")
name: str = plan.algorithm.name
print(plan.explain().to_dict())
conv = plan.prepare(w, activation=("leaky_relu", 0.1))
conv(x, out=y)
fc.set_num_threads(2)
with fc.num_threads(1), fc.config(effort="heuristic", deny="fft", lock=None) as c:
    print(c.precision)
fc.autotune(["1x8x8x8,8x3x3,p1"], time_budget=0.0, lock="plans.json")
net = (
    nn.CNN(rng=0)
    .add_layer(nn.Conv2D(32, 3, padding="same"))
    .add_layer(nn.ReLU())
    .add_layer(nn.Flatten())
    .add_layer(nn.Dense(10))
)
fc.autotune(net)
out = net.forward(x)
out.sum()
net.backward(np.ones_like(out))
opt = optim.Adam(net.parameters(), lr=1e-3)
loss: float = net.train_step(x, np.zeros(1, np.int64), opt)
history = net.fit((x, np.zeros(1, np.int64)), optimizer=opt, epochs=1, batch_size=32, callbacks=[fc.training.EarlyStopping()])
print(history["loss"][-1], net.predict(x).argmax(axis=1), net.evaluate(x, np.zeros(1, np.int64)).accuracy)
net.summary((None, 3, 32, 32))
net.save("a.npz")
net2 = nn.CNN.load("a.npz")
m = fc.models.resnet18((None, 3, 32, 32), 10, stem="cifar", rng=0)
train, test = fc.data.train_test_split(fc.data.digits(), test_size=0.25, rng=0)
loader = fc.data.DataLoader(train, batch_size=8, transform=[fc.data.RandomCrop(8, padding=1)], rng=0)
for bx, by in loader:
    print(bx.shape, by)
print(fc.diagnostics.gradient_check(net, x))
fc.functional.max_pool2d(x, 2)


class TapProducts(fc.algorithms.ConvAlgorithm):
    name = "mine"

    def supports(self, problem: fc.ConvProblem) -> str | None:
        return None

    def cost(self, problem: fc.ConvProblem) -> float:
        return problem.flops / 1e9

    def error(self, problem: fc.ConvProblem) -> float:
        return 3.0

    def run(
        self,
        problem: fc.ConvProblem,
        x: np.ndarray,
        packed: Any,
        bias: np.ndarray | None,
        activation: fc.algorithms.Activation,
        out: np.ndarray,
        workspace: np.ndarray,
    ) -> None:
        out[...] = 0


fc.algorithms.register(TapProducts())
print(fc.algorithms.names(), fc.get_config().effort, fc.training.CNNClassifier(epochs=1))


class Double(nn.Layer):
    def forward(self, x: np.ndarray) -> np.ndarray:
        return 2 * x

    def backward(self, gy: np.ndarray) -> np.ndarray:
        return 2 * gy


class Stop(fc.training.Callback):
    def on_epoch_end(self, training: fc.training.Training) -> None:
        training.stop("enough")
