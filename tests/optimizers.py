"""Parameters as layers have them, and the table of optimizers that the tests go through."""

import dataclasses

import numpy as np

from fastconv import optim


@dataclasses.dataclass
class Parameter:
    name: str
    data: np.ndarray
    grad: np.ndarray | None = None
    trainable: bool = True
    version: int = 0


def make_parameters(shapes=((3, 4), (5,)), dtype=np.float64, seed=0, grads=True):
    rng = np.random.default_rng(seed)
    parameters = []
    for i, shape in enumerate(shapes):
        data = rng.standard_normal(shape).astype(dtype)
        grad = rng.standard_normal(shape).astype(dtype) if grads else None
        parameters.append(Parameter(f"layer{i}.weight", data, grad))
    return parameters


# Name -> (a function of keyword arguments, options).
OPTIMIZERS = {
    "SGD": (optim.SGD, {}),
    "SGD momentum": (optim.SGD, {"momentum": 0.9}),
    "SGD dampening": (optim.SGD, {"momentum": 0.9, "dampening": 0.3}),
    "SGD nesterov": (optim.SGD, {"momentum": 0.9, "nesterov": True}),
    "SGD decay": (optim.SGD, {"momentum": 0.9, "weight_decay": 1e-5}),
    "SGD clipped": (optim.SGD, {"momentum": 0.5, "clip_norm": 1.0, "clip_value": 0.9}),
    "Adam": (optim.Adam, {}),
    "Adam amsgrad": (optim.Adam, {"amsgrad": True, "weight_decay": 1e-5}),
    "AdamW": (optim.AdamW, {"weight_decay": 1e-5}),
    "RMSprop": (optim.RMSprop, {}),
    "RMSprop centered": (optim.RMSprop, {"centered": True, "momentum": 0.5}),
    "Adagrad": (optim.Adagrad, {}),
    "Adagrad start": (optim.Adagrad, {"initial_accumulator_value": 0.1, "lr_decay": 1e-5}),
    "chain": (
        lambda parameters=None, lr=0.01: optim.chain(
            optim.ClipByGlobalNorm(5.0), optim.Momentum(0.5), optim.Momentum(0.5), parameters=parameters, lr=lr
        ),
        {},
    ),
}


def make(name, parameters=None, **changes):
    factory, options = OPTIMIZERS[name]
    return factory(parameters, **{**options, **changes}) if name != "chain" else factory(parameters, **changes)
