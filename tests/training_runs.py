"""A small training in which everything that has a state is in play, and which can be killed: a script too."""

import os
import sys

import numpy as np

from fastconv import data, nn, optim, training

EPOCHS, STEPS = 3, 4
SAMPLES, BATCH = 30, 8
# Augmentation of images and batches, optimizers with a state, schedules by step and by epoch, prefetching.
KINDS = {
    "adam": {"optimizer": lambda: optim.Adam(0.01), "schedule": lambda: optim.OneCycle(max_lr=0.01, total_steps=12)},
    "momentum": {
        "optimizer": lambda: optim.SGD(lr=0.05, momentum=0.9),
        "schedule": lambda: optim.StepLR(step_size=1, gamma=0.5),
        "clip_norm": 1.0,
        "workers": 2,
    },
    "plateau": {
        "optimizer": lambda: optim.RMSprop(lr=0.01, momentum=0.5),
        "schedule": lambda: optim.ReduceOnPlateau(patience=0, threshold=10.0, factor=0.5),
    },
}


class Killed(training.Callback):
    """Ends the process without a word at a named place: "step 5", "gradients 5", "epoch 2", "begin 2" or "writing 5"."""

    def __init__(self, death):
        self.where, number = death.split()
        self.number = int(number)

    def on_step_end(self, training):
        if self.where == "writing" and training.step == self.number:
            np.savez = self.writes_half
        self.die("step", training.step)

    def on_gradients(self, training):
        self.die("gradients", training.step + 1)

    def on_epoch_begin(self, training):
        self.die("begin", training.epoch + 1)

    def on_epoch_end(self, training):
        self.die("epoch", training.epoch + 1)

    def die(self, where, number):
        if (self.where, self.number) == (where, number):
            os._exit(9)

    @staticmethod
    def writes_half(file, **arrays):
        file.write(b"PK\x03\x04 the beginning of an archive")
        file.flush()
        os._exit(9)


class KilledAfterWriting(Killed):
    """The same, but called after the checkpoint of that moment has been written."""

    last = True


def network(rng=0):
    return nn.CNN(
        [
            nn.Conv2D(6, 3, padding=1),
            nn.BatchNormalization(),
            nn.ReLU(),
            nn.MaxPool2D(2),
            nn.Flatten(),
            nn.Dropout(0.3),
            nn.Dense(3),
        ],
        rng=rng,
    )


def samples():
    rng = np.random.default_rng(5)
    y = rng.integers(0, 3, SAMPLES)
    return rng.random((SAMPLES, 2, 6, 6), np.float32) + y.reshape(-1, 1, 1, 1).astype(np.float32), y


def run(kind, path, callbacks=(), every_steps=1, resume=True, epochs=EPOCHS):
    """Train, or go on with it from the file; returns network, optimizer, history, and the callbacks with a state."""
    x, y = samples()
    options = {name: value() if callable(value) else value for name, value in KINDS[kind].items()}
    net = network()
    monitor = training.Monitor(every=3)
    stopping = training.EarlyStopping("val_loss", patience=1, min_delta=10.0 if kind == "plateau" else 0.0, restore_best=True)
    checkpoint = training.Checkpoint(path, every_steps=every_steps, resume=resume, keep_best=True)
    history = training.fit(
        net,
        x,
        y,
        epochs=epochs,
        batch_size=BATCH,
        validation_split=0.1,
        transform=[data.RandomCrop(6, padding=1), data.RandomHorizontalFlip(), data.Mixup(0.4, num_classes=3)],
        callbacks=[monitor, stopping, checkpoint, *callbacks],
        rng=7,
        verbose=False,
        **options,
    )
    return net, options["optimizer"], history, monitor


def everything(result):
    """All numbers that a run leaves, but its seconds, as (name, bytes)."""
    net, optimizer, history, monitor = result
    found = {f"network {name}": value.tobytes() for name, value in net.state_dict().items()}
    found |= {f"optimizer {name}": np.asarray(value).tobytes() for name, value in optimizer.state_dict().items()}
    found["random"] = repr(net.random_states())
    found["monitor"] = repr(monitor.to_dict())
    for kind, columns in history.to_dict().items():
        found |= {f"{kind} {name}": repr(column) for name, column in columns.items() if name != "seconds"}
    return found


if __name__ == "__main__":
    kind, path, every_steps, order, death = sys.argv[1:]
    run(kind, path, [{"before": Killed, "after": KilledAfterWriting}[order](death)], every_steps=int(every_steps))
    print("survived")
