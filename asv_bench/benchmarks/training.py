"""Whole networks on 32x32 images: a step of training, its memory, and prediction."""

import functools

import numpy as np

import fastconv as fc

from .common import THREADS, Timed, begin, random_array

IMAGES = (None, 3, 32, 32)
NETWORKS = {
    "simple_cnn": lambda models: models.simple_cnn(IMAGES, 10, dropout=0.0, rng=0),
    "advanced_cnn": lambda models: models.advanced_cnn(IMAGES, 10, dropout=0.0, rng=0),
    "resnet18": lambda models: models.resnet18(IMAGES, 10, stem="cifar", rng=0),
}
BATCH = 32


@functools.lru_cache(maxsize=1)
def step_of(network):
    """Forward, loss, backward, SGD with momentum, on one batch; it has been called once."""
    net = NETWORKS[network](fc.models)
    optimizer = fc.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    x, y = random_array((BATCH, *IMAGES[1:])), np.random.default_rng(1).integers(0, 10, BATCH)
    net.train_step(x, y, optimizer)
    return lambda: net.train_step(x, y, optimizer)


class Step(Timed):
    """Batch 32."""

    param_names = ("network", "threads")
    params = (tuple(NETWORKS), THREADS)

    def setup(self, network, threads):
        begin(threads, needs="models")
        self.step = step_of(network)

    def time_step(self, *params):
        self.step()

    time_step.pretty_name = "Step of training, batch 32"


@functools.lru_cache(maxsize=1)
def prediction_of(network, batch):
    net, x = NETWORKS[network](fc.models), random_array((batch, *IMAGES[1:]))
    net.predict(x)
    return lambda: net.predict(x)


class Predict(Timed):
    """One thread."""

    param_names = ("network", "batch")
    params = (tuple(NETWORKS), (1, BATCH))

    def setup(self, network, batch):
        begin(needs="models")
        self.predict = prediction_of(network, batch)

    def time_predict(self, *params):
        self.predict()

    time_predict.pretty_name = "Prediction"


class Memory:
    """Of a process that takes two steps of batch 32 on one thread."""

    param_names = ("network",)
    params = (tuple(NETWORKS),)

    def setup(self, network):
        begin(needs="models")

    def peakmem_steps(self, network):
        step_of(network)()

    peakmem_steps.pretty_name = "Peak memory of training"
