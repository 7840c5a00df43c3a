"""The base class of optimizers: parameters and their groups, the step in cache-sized blocks, the state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import InvalidArgumentError, InvalidTypeError
from .arguments import at_least, is_number
from .clip_norm import ClipByGlobalNorm
from .clip_value import ClipByValue
from .compiled import descend
from .layout import in_memory_order
from .negate import Negate
from .parameters import ParameterLike
from .state import ParameterState
from .transformation import Transformation

__all__ = ["Optimizer"]

# Elements of a block of stages that are not all compiled: blocks of the parameter, its gradient, state and scratch fit a
# second-level cache together; half as many cost a tenth more time in calls.
BLOCK = 1 << 16


class Optimizer:
    """Parameters -= learning rate x what a chain of transformations makes of the gradients.

    The optimizers derived from it name their chain in `transformations`. All of them have these parameters, methods and errors.

    Parameters
    ----------
    parameters : iterable of parameters or of groups, or a number, optional
        Parameters have ``.name``, ``.data`` (float32 or float64), ``.grad`` (of the same shape and dtype, or None: left
        alone) and may have ``.trainable`` (False: left alone) and ``.version`` (increased with every change). A group is a
        mapping with ``"params"`` and options that differ there: ``{"params": [...], "lr": 1e-4, "weight_decay": 0}``. A
        number is the learning rate: ``Adam(1e-3)``; the parameters then come later, with `bind`.
    lr : float
        Learning rate; at least 0.
    maximize : bool
        Climb instead of descend.
    clip_norm, clip_value : float, optional
        Limits of the gradients' global norm and of each element; see `ClipByGlobalNorm` and `ClipByValue`.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        The message names the argument. A refused step has changed nothing.
    """

    # What `lr` is unless it is given.
    default_lr = 0.01

    def __init__(
        self,
        parameters: Iterable[ParameterLike | Mapping[str, Any]] | float | None,
        lr: float,
        options: Mapping[str, Any],
        *,
        maximize: bool = False,
        clip_norm: float | None = None,
        clip_value: float | None = None,
    ) -> None:
        if is_number(parameters):
            if lr != self.default_lr:
                raise InvalidArgumentError(f"lr: got {parameters!r} and {lr!r}, expected one learning rate")
            lr = parameters
            parameters = None
        self._options = dict(options)
        self._first: list[Transformation] = []
        if clip_norm is not None:
            self._first.append(ClipByGlobalNorm(clip_norm))
        if clip_value is not None:
            self._first.append(ClipByValue(clip_value))
        if maximize:
            self._first.append(Negate())
        self._chain({})
        self._base_lr = self._lr = at_least("lr", lr)
        self._scratch: dict[np.dtype, tuple[np.ndarray, np.ndarray]] = {}
        self._states: list[ParameterState] = []
        # Of every state, what its group's learning rate is a multiple of the optimizer's by.
        self._lr_scales: list[float] = []
        self._bound_late = parameters is None
        # A state dictionary that came before the parameters it is for.
        self._pending: dict[str, Any] | None = None
        if parameters is not None:
            self._take(parameters)

    def transformations(self, *values: Any, **options: Any) -> Sequence[Transformation]:
        """The chain for these options; raises for values that are not allowed."""
        raise NotImplementedError

    @property
    def lr(self) -> float:
        """The learning rate. Groups with one of their own keep their proportion to it when a schedule sets it."""
        return self._lr

    @lr.setter
    def lr(self, value: float) -> None:
        self._lr = at_least("lr", value)

    @property
    def parameters(self) -> list[ParameterLike]:
        """The parameters it is bound to, in order; empty before `bind`."""
        return [state.parameter for state in self._states]

    def bind(self, parameters: Iterable[ParameterLike | Mapping[str, Any]]) -> None:
        """Give an optimizer that was made without parameters those it is for; `fit` and `train_step` call it.

        To bind the same ones again does nothing. An optimizer that was made with parameters stays with them, even if here are
        more: a network can be trained in part.

        Raises
        ------
        InvalidArgumentError, InvalidTypeError
            If it is bound to other parameters already, or these are none, or not parameters.
        """
        if not self._states:
            self._take(parameters)
            return
        given = {id(parameter) for group in _as_groups(parameters) for parameter in group["params"]}
        own = {id(parameter) for parameter in self.parameters}
        if not (own == given if self._bound_late else own <= given):
            raise InvalidArgumentError(
                f"parameters: the optimizer is bound to {len(own)} others, {self._states[0].key!r} first; make a new optimizer"
            )

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients of all parameters, or fill them with zeros."""
        for parameter in self.parameters:
            if set_to_none:
                parameter.grad = None
            elif parameter.grad is not None:
                parameter.grad.fill(0)

    def step(self) -> None:
        """Update every trainable parameter that has a gradient, in place; the gradients stay as they are.

        Raises
        ------
        InvalidArgumentError, InvalidTypeError
            If there are no parameters yet, or one's data or gradient cannot be used; then none has changed.
        """
        if not self._states:
            raise InvalidArgumentError("parameters: the optimizer has none yet; pass them to it, or to its bind()")
        chosen = []
        for state, scale in zip(self._states, self._lr_scales, strict=True):
            if state.parameter.grad is not None and getattr(state.parameter, "trainable", True):
                chosen.append((state, scale, *state.checked()))
        # What overflows becomes infinite in silence, as in the layers; callbacks watch for it.
        with np.errstate(all="ignore"):
            for transformation in self._observers:
                transformation.observe([in_memory_order(gradient) for *_, gradient in chosen])
            for state, scale, data, gradient in chosen:
                flat_data, flat_gradient = state.flat(data, gradient)
                state.step += 1
                self._update(state, self._lr * scale, flat_data, flat_gradient)
                if not np.may_share_memory(flat_data, data):
                    data[...] = flat_data.reshape(data.shape)
                if hasattr(state.parameter, "version"):
                    state.parameter.version += 1

    def state_dict(self) -> dict[str, Any]:
        """What a restored optimizer needs to go on bitwise as this one would: a flat dictionary of numbers and arrays.

        ``"lr"``; and of every parameter that has been updated ``"<name>.step"`` and its arrays, ``"<name>.momentum"`` or the
        like, copied. Parameters that share a name are told apart by their position: ``"<name>#<position>"``.
        """
        result: dict[str, Any] = {"lr": self._lr, **(self._pending or {})}
        for state in self._states:
            result.update(state.entries())
        return result

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned. An optimizer without parameters takes the rest up when it is bound.

        Raises
        ------
        InvalidArgumentError, InvalidTypeError
            If an entry is missing, unknown, or of another shape or dtype than the parameter; then nothing has changed.
        """
        if not isinstance(state, Mapping) or "lr" not in state:
            raise InvalidArgumentError("state: expected the mapping that state_dict() returned, with 'lr'")
        lr = at_least("lr", state["lr"])
        rest = {name: value for name, value in state.items() if name != "lr"}
        if self._states:
            self._restore(self._states, rest)
        else:
            self._pending = rest
        self._lr = lr

    def __repr__(self) -> str:
        options = "".join(f", {name}={value!r}" for name, value in self._options.items())
        return f"{type(self).__name__}(lr={self._lr!r}{options})"

    def __getstate__(self):
        return {**self.__dict__, "_scratch": {}}

    def _chain(self, options: Mapping[str, Any]) -> list[Transformation]:
        """All stages of a group that has these options of its own."""
        chain = [*self._first, *self.transformations(**{**self._options, **options})]
        for transformation in chain:
            if not isinstance(transformation, Transformation):
                raise InvalidTypeError(f"transformations: got {transformation!r}, expected instances of Transformation")
        for transformation in chain[1:]:
            if transformation.observes_all:
                raise InvalidArgumentError(
                    f"transformations: {type(transformation).__name__} needs the gradients as they are, expected as the first"
                )
        self._observers = [transformation for transformation in chain[:1] if transformation.observes_all]
        return chain

    def _take(self, parameters):
        groups = _as_groups(parameters)
        total = [parameter for group in groups for parameter in group["params"]]
        if not total:
            raise InvalidArgumentError("parameters: got none, expected at least one")
        if len({id(parameter) for parameter in total}) != len(total):
            raise InvalidArgumentError("parameters: one of them is given twice, expected each in one group only")
        names = [str(getattr(parameter, "name", "")) for parameter in total]
        states, scales = [], []
        for group in groups:
            options = {name: value for name, value in group.items() if name != "params"}
            scale = self._scale_of(options.pop("lr", None))
            unknown = options.keys() - self._options.keys()
            if unknown:
                known = ", ".join(("params", "lr", *self._options))
                raise InvalidArgumentError(f"parameters: a group has no option {sorted(unknown)[0]!r}; there are {known}")
            chain = self._chain(options)
            for parameter in group["params"]:
                position = len(states)
                name = names[position]
                key = name if name and names.count(name) == 1 else f"{name}#{position}"
                states.append(ParameterState(parameter, key, chain))
                scales.append(scale)
        if self._pending is not None:
            self._restore(states, self._pending)
        self._states, self._lr_scales, self._pending = states, scales, None

    def _scale_of(self, lr: float | None) -> float:
        if lr is None:
            return 1.0
        lr = at_least("lr", lr)
        if lr and not self._base_lr:
            raise InvalidArgumentError(
                f"lr: got 0 and a group with {lr!r}, expected above 0: groups keep their proportion to it"
            )
        return lr / self._base_lr if lr else 0.0

    @staticmethod
    def _restore(states, entries):
        known = {name for state in states for name in state.names()}
        unknown = sorted(set(entries) - known)
        if unknown:
            raise InvalidArgumentError(f"state: {unknown[0]!r} belongs to no parameter of this optimizer")
        loaded = [state.checked_entries(entries) for state in states]
        for state, values in zip(states, loaded, strict=True):
            state.restore(values)

    def _update(self, state, lr, data, gradient):
        """One parameter's step: its data, gradient and state cross memory once."""
        if state.compiled:
            descend(data, gradient, state.transformations, state.step, state.arrays, lr)
            return
        if data.dtype not in self._scratch:
            self._scratch[data.dtype] = np.empty(BLOCK, data.dtype), np.empty(BLOCK, data.dtype)
        scratch = self._scratch[data.dtype]
        stages = [
            (t, t.coefficients(state.step), arrays) for t, arrays in zip(state.transformations, state.arrays, strict=True)
        ]
        for start in range(0, data.size, BLOCK):
            part = slice(start, start + BLOCK)
            block = data[part]
            out, work = scratch if block.size == BLOCK else (scratch[0][: block.size], scratch[1][: block.size])
            update = gradient[part]
            for transformation, coefficients, arrays in stages:
                update = transformation.apply(update, block, [array[part] for array in arrays], coefficients, out, work)
            np.multiply(update, lr, out=out)
            np.subtract(block, out, out=block)


def _as_groups(parameters):
    if isinstance(parameters, (str, bytes, Mapping)) or not isinstance(parameters, Iterable):
        raise InvalidTypeError(
            f"parameters: got a {type(parameters).__name__}, expected an iterable of parameters or of groups"
        )
    items = list(parameters)
    if not any(isinstance(item, Mapping) for item in items):
        items = [{"params": items}]
    groups = []
    for item in items:
        if not isinstance(item, Mapping) or "params" not in item:
            raise InvalidTypeError(f"parameters: got {item!r} beside groups, expected mappings with 'params'")
        if isinstance(item["params"], (str, bytes, Mapping)) or not isinstance(item["params"], Iterable):
            raise InvalidTypeError(f"params: got a {type(item['params']).__name__}, expected an iterable of parameters")
        members = list(item["params"])
        for parameter in members:
            if not (hasattr(parameter, "data") and hasattr(parameter, "grad")):
                raise InvalidTypeError(
                    f"parameters: got a {type(parameter).__name__}, expected parameters with .data and .grad"
                )
        groups.append({**item, "params": members})
    return groups
