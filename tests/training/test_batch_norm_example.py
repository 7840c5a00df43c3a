import importlib.util
import pathlib

import numpy as np

import fastconv as fc

EXAMPLE = pathlib.Path(__file__).parents[2] / "examples" / "batch_norm_convergence.py"


def test_batch_normalisation_takes_fewer_epochs():
    specification = importlib.util.spec_from_file_location("batch_norm_convergence", EXAMPLE)
    example = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(example)
    with fc.num_threads(1):
        plain, normalised = (example.accuracies(batch_norm, lr=0.01, epochs=4) for batch_norm in (False, True))
    assert example.epochs_to(0.85, normalised) <= 3
    assert example.epochs_to(0.85, normalised) < example.epochs_to(0.85, plain)
    assert example.epochs_to(1.1, plain) == np.inf
