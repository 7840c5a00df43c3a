"""`Network`: what a whole network offers on top of a layer: training steps, prediction, evaluation, files.

What is done by parts of the library that build on this one (the training loop, the summary) is called by name when wanted.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from ..errors import InvalidArgumentError, InvalidTypeError, NotReadyError
from ..functional import to_memory_format
from ..problem import DIRECTIONS, ConvProblem
from ..typing import InputShape, PathLike, Rng
from . import serialization
from .conv import Conv2D
from .layer import Layer
from .losses import CrossEntropyLoss
from .observation import visit_shapes

if TYPE_CHECKING:
    from ..diagnostics.summary import Summary
    from ..optim.optimizer import Optimizer
    from ..training.history import History

if TYPE_CHECKING:
    from .losses import Loss

__all__ = ["Evaluation", "Network"]

_MEMORY_FORMATS = ("channels_last", "nchw")


class Evaluation(NamedTuple):
    """What `Network.evaluate` returns: the mean loss, and the share of samples whose largest score is their label's."""

    loss: float
    accuracy: float


class Network(Layer):
    """Base of `CNN` and `Graph`.

    Attributes
    ----------
    loss_fn : loss of `fastconv.nn.losses`
        Cross-entropy unless assigned.
    memory_format : {"channels_last", "nchw"}
        Inputs are converted to it once; all layers keep it.
    input_shape : tuple or None
        What the network was built for last, with None for the batch.
    """

    def __init__(self, *, loss: Loss | None = None, memory_format: str = "channels_last", **options: Any) -> None:
        super().__init__(**options)
        if memory_format not in _MEMORY_FORMATS:
            raise InvalidArgumentError(f"memory_format: got {memory_format!r}, expected one of {', '.join(_MEMORY_FORMATS)}")
        self.loss_fn = CrossEntropyLoss() if loss is None else loss
        self.memory_format = memory_format
        self.input_shape: tuple[int | None, ...] | None = None

    def build(self, input_shape: InputShape, rng: Rng = None) -> Self:
        super().build(input_shape, rng)
        self.input_shape = None, *input_shape[1:]
        return self

    def as_input(self, x: np.ndarray) -> np.ndarray:
        """`x` in the network's dtype and memory format; converted only if it is not so already."""
        x = np.asarray(x)
        if x.dtype.kind != "f":
            raise InvalidTypeError(f"x: dtype {x.dtype}, expected floating point; scale integers, as in x / np.float32(255)")
        if x.ndim == 4:
            return to_memory_format(x, self.memory_format, self.dtype)
        return np.ascontiguousarray(x, self.dtype)

    def train_step(self, x: np.ndarray, y: np.ndarray, optimizer: Optimizer, loss_fn: Loss | None = None) -> float:
        """Forward, loss, backward, update.

        Parameters
        ----------
        x : ndarray, shape (n, c, h, w)
        y : ndarray
            Targets, as the loss takes them: for cross-entropy labels (n,) or one-hot rows (n, classes).
        optimizer : optimizer of `fastconv.optim`
        loss_fn : loss, optional
            In place of the network's own.

        Returns
        -------
        float
            The loss before the update.
        """
        loss = self.gradients(x, y, loss_fn)
        optimizer.bind(self.parameters())
        optimizer.step()
        return loss

    def gradients(self, x: np.ndarray, y: np.ndarray, loss_fn: Loss | None = None) -> float:
        """The part of `train_step` before the update: sets the parameters' gradients and returns the loss."""
        return self.loss_and_scores(x, y, loss_fn)[0]

    def loss_and_scores(self, x: np.ndarray, y: np.ndarray, loss_fn: Loss | None = None) -> tuple[float, np.ndarray]:
        """`gradients`, and the network's results for the batch as well."""
        loss_fn = loss_fn or self.loss_fn
        if not self.training:
            self.train()
        scores = self.forward(x)
        loss: Any = loss_fn.forward(scores, y)
        self.backward(loss_fn.backward(), input_grad=False)
        return loss, scores

    def predict(self, x: np.ndarray, batch_size: int = 256) -> np.ndarray:
        """The network's results for all of `x`, as in evaluation, batch by batch.

        Returns
        -------
        ndarray, shape (n, classes)
            Scores (logits) of a classifier; ``argmax(axis=1)`` is the predicted class.
        """
        x = np.asarray(x)
        if batch_size < 1:
            raise InvalidArgumentError(f"batch_size: got {batch_size}, expected at least 1")
        parts = [self.infer(x[i : i + batch_size]) for i in range(0, max(len(x), 1), batch_size)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def evaluate(self, x: np.ndarray, y: np.ndarray, batch_size: int = 256) -> Evaluation:
        """Mean loss and accuracy on labelled data, as in evaluation.

        Returns
        -------
        Evaluation
            ``.loss`` and ``.accuracy``, the latter for labels (n,) or one-hot rows (n, classes).
        """
        y = np.asarray(y)
        if len(x) != len(y) or not len(y):
            raise InvalidArgumentError(f"x, y: got {len(x)} samples and {len(y)} targets; expected as many, and at least one")
        total: Any = 0.0
        correct = 0
        for i in range(0, len(y), batch_size):
            targets = y[i : i + batch_size]
            scores = self.infer(np.asarray(x[i : i + batch_size]))
            total += self.loss_fn.forward(scores, targets) * len(targets)
            labels = targets if targets.ndim == 1 else targets.argmax(axis=1)
            correct += int(np.count_nonzero(scores.argmax(axis=1) == labels)) if scores.ndim == 2 else 0
        return Evaluation(total / len(y), correct / len(y))

    def fit(self, x: Any, y: np.ndarray | None = None, **options: Any) -> History:
        """Train on data, see `fastconv.training.fit`, whose options are these."""
        return _above("training").fit(self, x, y, **options)

    def summary(self, input_shape: InputShape | None = None) -> Summary:
        """Shapes, parameters, multiply-adds, memory and algorithms by layer, see `fastconv.diagnostics.summary`."""
        return _above("diagnostics").summary(self, input_shape)

    def problems(self, input_shape: InputShape | None = None) -> list[ConvProblem]:
        """Every convolution of a training step on such inputs, in all directions: what `fastconv.autotune` takes.

        Parameters
        ----------
        input_shape : tuple, optional
            (n, c, h, w). One image of the size the network was built for, if left out; the batch decides which
            algorithm is fastest.

        Raises
        ------
        NotReadyError
            No shape is given and the network has not been built.

        Examples
        --------
        >>> import fastconv as fc
        >>> net = fc.models.simple_cnn((None, 3, 32, 32), 10, rng=0)
        >>> problems = net.problems((32, 3, 32, 32))
        >>> len(problems), str(problems[0])
        (6, '32x3x32x32,32x3x3,p1')
        """
        shape = input_shape or self.input_shape
        if shape is None:
            raise NotReadyError("input_shape: the network has not been built, so the shape of its input must be given")
        batch = 1 if shape[0] is None else shape[0]
        memory_format = "nchw" if self.memory_format == "nchw" else "nhwc"
        found = []

        def note(layer, given, output):
            if isinstance(layer, Conv2D):
                inputs = batch, *given[0][1:]
                found.extend(layer.problem(inputs, memory_format, direction) for direction in DIRECTIONS)

        self.build((1, *shape[1:]))
        visit_shapes(self, shape, note)
        return found

    def save(self, path: PathLike) -> None:
        """Write architecture, parameters and buffers to one file: safetensors if its name ends so, else NumPy's npz."""
        serialization.save(self, path)

    @classmethod
    def load(cls, path: PathLike) -> Self:
        """The network that `save` wrote. Nothing is unpickled.

        Raises
        ------
        InvalidArgumentError
            The file is not one of ours, or holds another kind of network.
        """
        network = serialization.load(path)
        if not isinstance(network, cls):
            raise InvalidArgumentError(f"{path}: holds a {type(network).__name__}, expected a {cls.__name__}")
        return network


def _above(part):
    return importlib.import_module(f"{__package__.rpartition('.')[0]}.{part}")
