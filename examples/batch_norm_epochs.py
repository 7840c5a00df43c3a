"""Does a network with batch normalisation need fewer epochs? On scikit-learn's digits, at several learning rates.

Two networks that differ in batch normalisation alone are trained with SGD and momentum 0.9. What is counted is the epochs until
97 % of the test digits are right, each on three splits with three initial values; "-" is never, in twelve epochs.

    python examples/batch_norm_epochs.py
"""

from __future__ import annotations

from fastconv import data, nn, optim

LEARNING_RATES = (0.003, 0.01, 0.03, 0.1)
SEEDS = (0, 1, 2)
EPOCHS = 12
GOAL = 0.97


def network(batch_norm: bool, seed: int) -> nn.CNN:
    """Two convolutions with ReLU and pooling, and a dense layer."""
    net = nn.CNN(rng=seed)
    for filters in (32, 64):
        net.add_layer(nn.Conv2D(filters, 3, padding=1))
        if batch_norm:
            net.add_layer(nn.BatchNormalization())
        net.add_layer(nn.ReLU()).add_layer(nn.MaxPool2D(2))
    return net.add_layer(nn.Flatten()).add_layer(nn.Dense(10))


def epochs_to_goal(batch_norm: bool, learning_rate: float, seed: int) -> int | None:
    """The first epoch, from 1, after which `GOAL` is reached; None if none is."""
    train, test = data.train_test_split(data.digits(), test_size=0.25, rng=seed)
    history = network(batch_norm, seed).fit(
        train, optimizer=optim.SGD(lr=learning_rate, momentum=0.9), epochs=EPOCHS, validation_data=test, rng=seed, verbose=False
    )
    return next((epoch for epoch, accuracy in enumerate(history["val_accuracy"], 1) if accuracy >= GOAL), None)


def main() -> None:
    print(f"{'learning rate':>13}  {'without':>10}  {'with':>10}")
    for learning_rate in LEARNING_RATES:
        cells = [
            " ".join(str(epochs_to_goal(batch_norm, learning_rate, seed) or "-") for seed in SEEDS) for batch_norm in (False, True)
        ]
        print(f"{learning_rate:>13}  {cells[0]:>10}  {cells[1]:>10}", flush=True)


if __name__ == "__main__":
    main()
