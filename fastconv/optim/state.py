"""What an optimizer keeps for one parameter between steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import InvalidArgumentError, InvalidTypeError
from .arguments import is_number
from .compiled import are_compiled
from .layout import flatten, memory_order, unflatten
from .parameters import ParameterLike
from .transformation import Transformation

__all__ = ["ParameterState", "slot_names"]

DTYPES = (np.float32, np.float64)


def slot_names(transformations: Sequence[Transformation]) -> list[list[str]]:
    """A name for every slot of every stage; the second of one name gets a number."""
    seen: dict[str, int] = {}
    names: list[list[str]] = []
    for transformation in transformations:
        names.append([])
        for slot in transformation.slots:
            seen[slot] = seen.get(slot, 0) + 1
            names[-1].append(slot if seen[slot] == 1 else f"{slot}{seen[slot]}")
    return names


class ParameterState:
    """The number of steps a parameter has seen, and its transformations' arrays, flat and in the order of its memory.

    Attributes
    ----------
    key : str
        What the entries of the state dictionary begin with: the parameter's name.
    step : int
    """

    __slots__ = ("arrays", "compiled", "key", "order", "parameter", "step", "transformations")

    def __init__(self, parameter: ParameterLike, key: str, transformations: Sequence[Transformation]) -> None:
        self.parameter = parameter
        self.key = key
        self.transformations = transformations
        self.compiled = are_compiled(transformations)
        self.step = 0
        self.order: tuple[int, ...] | Any = None
        self.arrays: list[list[np.ndarray]] = []

    def checked(self) -> tuple[np.ndarray, np.ndarray]:
        """(data, grad) of the parameter; raises if a step could not be done."""
        data, gradient = self.parameter.data, self.parameter.grad
        if not isinstance(data, np.ndarray) or data.dtype not in DTYPES:
            raise InvalidTypeError(f"{self.key}: data is {_described(data)}, expected an array of float32 or float64")
        if not data.flags.writeable:
            raise InvalidArgumentError(f"{self.key}: data is read-only, expected an array that can be updated in place")
        if not isinstance(gradient, np.ndarray) or gradient.dtype != data.dtype:
            raise InvalidTypeError(f"{self.key}: grad is {_described(gradient)}, expected an array of {data.dtype} like data")
        if gradient.shape != data.shape:
            raise InvalidArgumentError(f"{self.key}: grad has shape {gradient.shape}, expected {data.shape} like data")
        if self.arrays and any(array.size != data.size or array.dtype != data.dtype for array in self._flat()):
            raise InvalidArgumentError(
                f"{self.key}: data has become an array of {data.dtype}, shape {data.shape}, which the state does not fit"
            )
        return data, gradient

    def flat(self, data: np.ndarray, gradient: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Both arrays in the order of data's memory, which the state's arrays take as well; made at the first step.

        The first is a view of data, unless data has gaps in memory: then it is a copy, to be written back.
        """
        order = memory_order(data) or tuple(range(data.ndim))
        if order != self.order:
            if self.order is not None:
                self.arrays = [[flatten(unflatten(a, data.shape, self.order), order) for a in arrays] for arrays in self.arrays]
            self.order = order
        if not self.step and not self.arrays:
            self.arrays = [[np.full(data.size, t.initial(slot), data.dtype) for slot in t.slots] for t in self.transformations]
        return flatten(data, order), flatten(gradient, order)

    def entries(self) -> dict[str, Any]:
        """The state under the names it has in a state dictionary; copies, empty before the first step."""
        if not self.step:
            return {}
        shape = self.parameter.data.shape
        result: dict[str, Any] = {f"{self.key}.step": self.step}
        for names, arrays in zip(slot_names(self.transformations), self.arrays, strict=True):
            for name, array in zip(names, arrays, strict=True):
                # A copy of contiguous memory, whatever the parameter's own layout.
                result[f"{self.key}.{name}"] = np.array(unflatten(array, shape, self.order), order="C")
        return result

    def names(self) -> list[str]:
        """The names of `entries` after a step."""
        return [f"{self.key}.step", *(f"{self.key}.{n}" for names in slot_names(self.transformations) for n in names)]

    def checked_entries(self, entries: Mapping[str, Any]) -> tuple[int, list[list[np.ndarray]]] | None:
        """The state that these entries of a state dictionary hold, or None if there are none; raises if they do not fit."""
        missing = [name for name in self.names() if name not in entries]
        if len(missing) == len(self.names()):
            return None
        if missing:
            raise InvalidArgumentError(f"state: {missing[0]!r} is missing, expected {', '.join(self.names())}")
        step = entries[f"{self.key}.step"]
        if not is_number(step) or int(step) != step or step < 1:
            raise InvalidArgumentError(f"state: {self.key}.step is {step!r}, expected a number of steps")
        data = self.parameter.data
        if not isinstance(data, np.ndarray):
            raise InvalidArgumentError(
                f"{self.key}: data is {_described(data)} as yet, expected an array that the state is for"
            )
        arrays: list[list[np.ndarray]] = []
        for names in slot_names(self.transformations):
            arrays.append([])
            for name in names:
                array = np.asarray(entries[f"{self.key}.{name}"])
                if array.dtype != data.dtype or array.shape != data.shape:
                    raise InvalidArgumentError(
                        f"state: {self.key}.{name} is {_described(array)}, expected {_described(data)} as the parameter is"
                    )
                arrays[-1].append(array)
        return int(step), arrays

    def restore(self, loaded: tuple[int, list[list[np.ndarray]]] | None) -> None:
        """Takes what `checked_entries` returned."""
        self.step, self.arrays, self.order = 0, [], None
        if loaded is not None:
            self.step, arrays = loaded
            self.order = memory_order(self.parameter.data) or tuple(range(self.parameter.data.ndim))
            # Copies, also where flattening alone makes a view of the caller's array.
            self.arrays = [[np.array(flatten(array, self.order)) for array in stage] for stage in arrays]

    def _flat(self):
        return (array for arrays in self.arrays for array in arrays)


def _described(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype}, shape {value.shape}"
    return f"a {type(value).__name__}"
