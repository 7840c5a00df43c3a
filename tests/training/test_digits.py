"""Real data: scikit-learn's digits, three quarters to train on."""

import numpy as np
import pytest

import fastconv as fc
from fastconv import data, nn, optim

REQUIRED = 0.98


def network(seed):
    layers = []
    for filters in ((32,), (32, "pool"), (64, "pool")):
        layers += [nn.Conv2D(filters[0], 3, padding=1, bias=False), nn.BatchNormalization(), nn.ReLU()]
        layers += [nn.MaxPool2D(2)] if "pool" in filters else []
    return nn.CNN([*layers, nn.Flatten(), nn.Dropout(0.3), nn.Dense(10)], rng=seed)


@pytest.mark.slow
def test_a_small_network_reads_digits():
    accuracies = []
    epochs, batch_size = 15, 64
    for seed in range(3):
        train, test = data.train_test_split(data.digits(), test_size=0.25, rng=seed)
        steps = epochs * -(-len(train) // batch_size)
        with fc.num_threads(1):
            history = network(seed).fit(
                train,
                optimizer=optim.AdamW(weight_decay=0.01),
                schedule=optim.OneCycle(max_lr=0.01, total_steps=steps),
                epochs=epochs,
                batch_size=batch_size,
                transform=[data.RandomCrop(8, padding=1)],
                validation_data=test,
                rng=seed,
                verbose=False,
            )
        accuracies.append(history["val_accuracy"][-1])
    assert np.mean(accuracies) >= REQUIRED, accuracies
