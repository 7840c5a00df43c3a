"""Other libraries beside fastconv in a comparison: same problem, same threads, their own public interfaces.

    opened(threads) -> peers, reasons of those that are missing
        peer.prepare(problem, operands) -> what takes turns with fastconv's algorithms

Each prepares once what a user would prepare once: weights are constants of a model, outputs are bound where that exists.
"""

from __future__ import annotations

import contextlib
import importlib.util

from .base import Peer
from .onnx_runtime import OnnxRuntime
from .openvino import OpenVINO
from .pytorch import PyTorch, PyTorchChannelsLast

__all__ = ["PEERS", "Peer", "opened"]

PEERS = (PyTorch, PyTorchChannelsLast, OnnxRuntime, OpenVINO)


@contextlib.contextmanager
def opened(threads):
    """The peers that are installed, on so many threads.

    Yields
    ------
    peers : list of Peer
    missing : dict of str to str
        By name, why one is left out.
    """
    peers, missing = [], {}
    with contextlib.ExitStack() as stack:
        for kind in PEERS:
            if importlib.util.find_spec(kind.module) is None:
                missing[kind.name] = f"{kind.module} is not installed"
                continue
            try:
                peer = kind(threads)
            except (ImportError, OSError, RuntimeError) as error:
                missing[kind.name] = " ".join(str(error).split()) or type(error).__name__
                continue
            stack.callback(peer.close)
            peers.append(peer)
        yield peers, missing
