"""A small recorded training, which can be killed: a script too."""

import os
import sys

import numpy as np

from fastconv import files, nn, optim, training
from fastconv.training import recorder

STEPS = 5


class Killed(training.Callback):
    """Ends the process without a word at a step, before the recorder sees it ("step 7"), while it writes ("writing 8"), or when
    it has seen an epoch ("epoch 1")."""

    def __init__(self, death):
        self.where, number = death.split()
        self.number = int(number)
        self.last = self.where == "epoch"

    def on_step_end(self, training):
        if (self.where, self.number) == ("step", training.step):
            os._exit(9)
        if (self.where, self.number) == ("writing", training.step):
            files.os.fsync = lambda _: os._exit(9)

    def on_epoch_end(self, training):
        if (self.where, self.number) == ("epoch", training.epoch):
            os._exit(9)


def fit(callbacks, epochs=1, **options):
    """Train; returns history and network."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 4 * STEPS)
    x = rng.standard_normal((4 * STEPS, 1, 6, 6), dtype=np.float32)
    network = nn.CNN([nn.Conv2D(2, 3), nn.ReLU(), nn.Flatten(), nn.Dense(2)], rng=0)
    history = network.fit(
        x,
        y,
        optimizer=optim.SGD(lr=0.1),
        epochs=epochs,
        batch_size=4,
        callbacks=callbacks,
        rng=0,
        verbose=False,
        **options,
    )
    return history, network


if __name__ == "__main__":
    path, death = sys.argv[1:]
    recorder._SECONDS, recorder._TIMES = 0.0, 0
    fit([Killed(death), training.Recorder(path, every=1)], epochs=3)
