"""What pages are made of that are no comparisons: a training that was recorded, and claims with figures."""

import math

from fastconv.report.claims import CLAIMS, Figure, Finding
from fastconv.training import History, Monitor, RunRecord

LAYERS = {"conv2d": "Conv2D", "batchnormalization": "BatchNormalization", "relu": "ReLU", "residualblock.main.conv2d": "Conv2D"}
EPOCHS, STEPS, LOOKS = 12, 8, 24


def training_run():
    """A record with everything: long names, values of many orders of magnitude, frozen and missing ones, an odd ending."""
    history = History()
    for step in range(EPOCHS * STEPS):
        accuracy = 1 - 1 / (1 + step)
        history.add_step(
            {"epoch": step // STEPS, "loss": 10.0 / (1 + step), "accuracy": accuracy, "lr": 0.1 * 0.99**step, "samples": 32}
        )
        if step % STEPS == STEPS - 1:
            epoch = step // STEPS
            validated = {"val_loss": 12.0 / (1 + step) + 0.01 * epoch, "val_accuracy": 0.95 * accuracy}
            history.add_epoch(
                {"epoch": epoch, "loss": 10.0 / (1 + step), "accuracy": accuracy, **validated, "lr": 0.1, "seconds": 0.5}
            )
    monitor = Monitor(every=4)
    looks = range(LOOKS)
    monitor.scalars.update(step=[1 + 4 * i for i in looks], loss=[1.0] * LOOKS, accuracy=[0.5] * LOOKS, lr=[0.1] * LOOKS)
    monitor.scalars["grad_norm"] = [100.0 / (1 + i) for i in looks]
    for depth, (layer, kind) in enumerate(LAYERS.items()):
        monitor.activations[layer] = {
            "mean": [0.1] * LOOKS,
            "std": [1.0 + depth] * LOOKS,
            "sparsity": [0.5 * (kind == "ReLU")] * LOOKS,
        }
        for part in ("weight", "bias") if kind == "Conv2D" else ():
            name = f"{layer}.{part}"
            monitor.gradients[name] = [math.nan if i < 3 and depth else 10.0 ** -(4 * depth + i / 8) for i in looks]
            monitor.weights[name] = {
                "mean": [0.0] * LOOKS, "std": [0.1 + 0.01 * i for i in looks], "min": [-1.0] * LOOKS, "max": [1.0] * LOOKS,
                "update_ratio": [1e-3 / (1 + i) for i in looks],
            }  # fmt: skip
    layers = [
        {"name": name, "kind": kind, "output_shape": [32, 64, 32, 32], "parameters": 36928} for name, kind in LAYERS.items()
    ]
    return RunRecord(
        status="stopped",
        reason="val_loss has not improved on 0.135 for 6 epochs",
        started="2026-01-02T03:04:05+00:00",
        updated="2026-01-02T03:05:06+00:00",
        settings={
            "network": "residual_network", "parameters": 73856, "samples": 50000, "epochs": 30, "batch size": 32,
            "optimizer": "AdamW(lr=0.00011999999999999988, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.01, amsgrad=False)",
        },
        layers=layers,
        environment={"CPU": "A CPU with a name of some length, stepping 1", "fastconv": "0.1"},
        history=history,
        monitor=monitor,
    )  # fmt: skip


def findings():
    """Claims with figures far apart, many figures, and little between them."""
    return [
        _finding("im2col", {"Python, small": 5600.0, "compiled, layer": 40.0}, {"compiled, small": 15.0}),
        _finding(
            "winograd", {"winograd2x2, multiplications": 2.25, **_winograd(2, 1.8)}, {**_winograd(4, 3.0), **_winograd(6, 3.1)}
        ),
        _finding("fusion", {"3x3": 1.08, "1x1": 1.3}),
        _finding("fft", {f"{kind} {k}x{k}": k / 8 for kind in ("dense", "depthwise") for k in (3, 5, 7, 9, 11, 15)}),
    ]


def _winograd(m, value):
    return {f"winograd{m}x{m}, {layer}": value for layer in ("64 at 56x56", "128 at 28x28", "256 at 14x14")}


def _finding(name, figures, beside=None):
    shown = [Figure(key, f"{key}: this / that", value, "1.25 ms / 500 us") for key, value in figures.items()]
    shown += [Figure(key, f"{key}: this / that", value, "1.25 ms / 500 us", True) for key, value in (beside or {}).items()]
    return Finding(CLAIMS[name], tuple(shown), CLAIMS[name].judge({figure.key: figure.value for figure in shown}), 1.0)
