"""
Batch normalisation and convergence
===================================

How many epochs a network takes to an accuracy, with batch normalisation and without: the same network, data, batches and
optimizer, at several learning rates (Ioffe and Szegedy 2015). Measured, epochs to 90% of scikit-learn's digits, without and
with it: 6 and 2 at rate 0.01, 3 and 1 at 0.03, 2 and 1 at 0.1. ``python examples/batch_norm_convergence.py`` prints the
validation accuracy by epoch and the epochs needed; with ``--plot curves.png`` it draws the curves.
"""

from __future__ import annotations

import argparse

import numpy as np

from fastconv import data, nn, optim

RATES = (0.003, 0.01, 0.03, 0.1)


def network(batch_norm: bool, rng: int) -> nn.CNN:
    """Three convolutions and a dense layer."""
    layers = []
    for filters in (16, 32, 32):
        layers.append(nn.Conv2D(filters, 3, padding=1, bias=not batch_norm))
        layers += [nn.BatchNormalization(), nn.ReLU()] if batch_norm else [nn.ReLU()]
    return nn.CNN([*layers, nn.MaxPool2D(2), nn.Flatten(), nn.Dense(10)], rng=rng)


def accuracies(batch_norm: bool, lr: float, epochs: int, seed: int = 0) -> list[float]:
    """The validation accuracy after each epoch."""
    train, test = data.train_test_split(data.digits(), rng=seed)
    history = network(batch_norm, seed).fit(
        train, optimizer=optim.SGD(lr=lr), epochs=epochs, batch_size=50, validation_data=test, rng=seed, verbose=False
    )
    return history["val_accuracy"]


def epochs_to(accuracy: float, by_epoch: list[float]) -> float:
    """How many epochs it took to reach an accuracy; infinite if it never did."""
    reached = np.flatnonzero(np.asarray(by_epoch) >= accuracy)
    return int(reached[0]) + 1 if reached.size else np.inf


def main() -> None:
    parser = argparse.ArgumentParser(description="Epochs to an accuracy, with batch normalisation and without.")
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--accuracy", type=float, default=0.9)
    parser.add_argument("--plot", metavar="FILE")
    options = parser.parse_args()
    curves = {}
    print(f"{'rate':>5}  {'batch norm':10}  epochs to {options.accuracy:.0%}  validation accuracy by epoch")
    for lr in RATES:
        for batch_norm in (False, True):
            curve = curves[lr, batch_norm] = accuracies(batch_norm, lr, options.epochs)
            shown = " ".join(f"{value:.2f}" for value in curve)
            print(f"{lr:5}  {'yes' if batch_norm else 'no':10}  {epochs_to(options.accuracy, curve):>13}  {shown}", flush=True)
    if options.plot:
        import matplotlib.pyplot as plt

        figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
        for (lr, batch_norm), curve in curves.items():
            style = {"color": f"C{RATES.index(lr)}", "linestyle": "-" if batch_norm else ":"}
            axes.plot(range(1, len(curve) + 1), curve, label=f"rate {lr}{', batch norm' if batch_norm else ''}", **style)
        axes.set(xlabel="epoch", ylabel="validation accuracy")
        axes.legend()
        figure.savefig(options.plot)


if __name__ == "__main__":
    main()
