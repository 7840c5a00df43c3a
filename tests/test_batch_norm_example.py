"""The claim that batch normalisation converges in fewer epochs, as `examples/batch_norm_epochs.py` shows it."""

import importlib.util
import pathlib

import pytest

EXAMPLE = pathlib.Path(__file__).parents[1] / "examples" / "batch_norm_epochs.py"


@pytest.mark.skipif(not EXAMPLE.is_file(), reason="the examples are not beside the tests")
def test_batch_normalisation_needs_fewer_epochs_at_a_moderate_learning_rate():
    pytest.importorskip("sklearn")
    spec = importlib.util.spec_from_file_location("batch_norm_epochs", EXAMPLE)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    without, with_norm = (example.epochs_to_goal(batch_norm, 0.01, seed=0) for batch_norm in (False, True))
    assert with_norm is not None
    assert with_norm < (without or example.EPOCHS + 1)
