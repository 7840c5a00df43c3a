"""`memory_profile`: the process's memory in the phases of a training step."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..errors import MissingExtraError
from ..nn import Network
from .table import Table, as_bytes

if TYPE_CHECKING:
    from ..nn.losses import Loss
    from ..optim.optimizer import Optimizer

__all__ = ["MemoryMonitor", "MemoryPhase", "MemoryProfile", "memory_profile"]

# Seconds between two looks at the process: peaks shorter than that are missed.
_INTERVAL = 1e-3


class MemoryPhase(NamedTuple):
    """One phase: bytes of physical memory at its beginning, at its end, and the most in between."""

    name: str
    before: int
    after: int
    peak: int


@dataclasses.dataclass(frozen=True)
class MemoryProfile(Table):
    """Phases and their memory; prints as a table.

    Attributes
    ----------
    phases : list of MemoryPhase
    """

    phases: list[MemoryPhase]

    _headers = ("phase", "before", "after", "change", "peak")

    @property
    def peak(self) -> int:
        """Bytes, the most in all phases."""
        return max(phase.peak for phase in self.phases)

    def _cells(self):
        return [
            (p.name, as_bytes(p.before), as_bytes(p.after), as_bytes(p.after - p.before), as_bytes(p.peak)) for p in self.phases
        ]


class MemoryMonitor:
    """Watches the process's physical memory while code runs, phase by phase.

    Raises
    ------
    MissingExtraError
        psutil is not installed.

    Examples
    --------
    >>> import numpy as np, fastconv as fc
    >>> monitor = fc.diagnostics.MemoryMonitor()
    >>> with monitor.phase("allocation"):
    ...     a = np.ones(2**22)
    >>> phase = monitor.profile.phases[0]
    >>> phase.name, phase.peak >= 2**25
    ('allocation', True)
    """

    def __init__(self):
        try:
            import psutil
        except ImportError:
            raise MissingExtraError("psutil is not installed: pip install 'fastconv[profile]'") from None
        self._process = psutil.Process()
        self._phases = []

    @property
    def profile(self) -> MemoryProfile:
        return MemoryProfile(list(self._phases))

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """A block whose memory is noted under a name."""
        before = peak = self._now()
        done = threading.Event()

        def watch():
            nonlocal peak
            while not done.wait(_INTERVAL):
                peak = max(peak, self._now())

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            after = self._now()
            done.set()
            thread.join()
        self._phases.append(MemoryPhase(name, before, after, max(peak, after)))

    def _now(self):
        return self._process.memory_info().rss


def memory_profile(
    network: Network, x: np.ndarray, y: np.ndarray, optimizer: Optimizer | None = None, loss_fn: Loss | None = None
) -> MemoryProfile:
    """Run one training step and note the process's memory in its phases.

    Parameters
    ----------
    network : Network
        Its gradients change, and with an optimizer its parameters.
    x, y : ndarray
        A batch, see `Network.train_step`.
    optimizer : optimizer of `fastconv.optim`, optional
        Without one there is no update.
    loss_fn : loss, optional
        In place of the network's own.

    Returns
    -------
    MemoryProfile
        Phases "forward", "backward" and "update". Memory that was freed earlier and is used again does not show as a change.

    Raises
    ------
    MissingExtraError
        psutil is not installed.

    Examples
    --------
    >>> import numpy as np, fastconv as fc
    >>> net = fc.models.simple_cnn((None, 3, 32, 32), 10, rng=0)
    >>> x, y = np.ones((32, 3, 32, 32), np.float32), np.zeros(32, int)
    >>> [phase.name for phase in fc.diagnostics.memory_profile(net, x, y, fc.optim.SGD(lr=0.1)).phases]
    ['forward', 'backward', 'update']
    """
    monitor = MemoryMonitor()
    loss_fn = loss_fn or network.loss_fn
    network.train()
    with monitor.phase("forward"):
        loss_fn.forward(network.forward(x), y)
    with monitor.phase("backward"):
        network.backward(loss_fn.backward(), input_grad=False)
    if optimizer is not None:
        with monitor.phase("update"):
            optimizer.bind(network.parameters())
            optimizer.step()
    return monitor.profile
