"""Training networks: the loop, what it calls, and what it leaves.

fit             data -> loop (Training) -> History
train_step      one step of it; evaluate, one validation
Callback        EarlyStopping, Checkpoint, CSVLogger, TensorBoardLogger, LearningRateScheduler, StopOnNonFinite,
                GradualUnfreezing, Monitor, Recorder, ProgressBar, or one of your own
Checkpoint      files from which training goes on bitwise the same; load_network takes the network out of one
Recorder        a file of all that can be looked at (RunRecord), which `fastconv report train` makes a page of
CNNClassifier   an estimator of scikit-learn
"""

import importlib
from typing import TYPE_CHECKING

from .callback import Callback
from .checkpoint import Checkpoint
from .checkpoint_file import load_checkpoint, load_network
from .csv_logger import CSVLogger
from .early_stopping import EarlyStopping
from .fit import fit
from .history import History
from .learning_rate import LearningRateScheduler
from .loop import Training
from .monitor import Monitor
from .non_finite import StopOnNonFinite
from .progress import ProgressBar
from .recorder import Recorder
from .run_record import RunRecord
from .step import StepResult, evaluate, train_step
from .tensorboard import TensorBoardLogger
from .unfreezing import GradualUnfreezing, train_only

if TYPE_CHECKING:
    from .estimator import CNNClassifier

__all__ = [
    "CNNClassifier",
    "CSVLogger",
    "Callback",
    "Checkpoint",
    "EarlyStopping",
    "GradualUnfreezing",
    "History",
    "LearningRateScheduler",
    "Monitor",
    "ProgressBar",
    "Recorder",
    "RunRecord",
    "StepResult",
    "StopOnNonFinite",
    "TensorBoardLogger",
    "Training",
    "evaluate",
    "fit",
    "load_checkpoint",
    "load_network",
    "train_only",
    "train_step",
]


def __getattr__(name):
    # Its base class is scikit-learn's, whose import takes a second.
    if name != "CNNClassifier":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = importlib.import_module(".estimator", __name__).CNNClassifier
    globals()[name] = value
    return value
