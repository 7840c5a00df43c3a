"""Looking into networks. Each function returns data, and what it returns prints as a table.

summary                 shapes, parameters, multiply-adds, memory, algorithms
trace_shapes            the shapes that an input takes on its way, up to a layer that refuses it
gradient_check          are backward's gradients the slopes of forward?
check_gradients         layers whose gradients vanish or explode
dead_relus              units that are never active
overfit_single_batch    can the network learn a handful of samples by heart?
profile                 seconds per layer, forward and backward
memory_profile          the process's memory in the phases of a training step
"""

from .dead_relus import dead_relus
from .gradient_check import gradient_check
from .gradients import check_gradients
from .memory import MemoryMonitor, memory_profile
from .overfit import overfit_single_batch
from .profile import profile
from .shapes import trace_shapes
from .summary import summary

__all__ = [
    "MemoryMonitor",
    "check_gradients",
    "dead_relus",
    "gradient_check",
    "memory_profile",
    "overfit_single_batch",
    "profile",
    "summary",
    "trace_shapes",
]
