"""`Graph`: a network whose layers have names and take their inputs by name, so that it may branch and join."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from numpy.typing import DTypeLike

from ..errors import InvalidArgumentError, InvalidTypeError
from ..functional import add
from ..typing import InputShape, Rng, Shape
from .activations import Activation, activation_name
from .layer import Layer
from .max_pool import pools
from .network import Network
from .sequential import unused_name

if TYPE_CHECKING:
    from .losses import Loss

__all__ = ["Graph"]

_INPUT = "input"


class _Node(NamedTuple):
    layer: Layer
    inputs: tuple[str, ...]


class _Step(NamedTuple):
    """A layer to run, what it is told to do beside its own, and the name of the result: of the last layer it stands for."""

    layer: Layer
    inputs: tuple[str, ...]
    options: dict[str, object]
    result: str


class Graph(Network):
    """Named layers, each of which takes the network's input or results of others.

    Layers run in an order in which each comes after its inputs, whatever the order they were added in. Where a result is used
    more than once its gradients are summed. A layer applies the activation behind it, and the max pooling, itself if it can and
    nothing else uses its result.

    Parameters
    ----------
    nodes : iterable of tuple
        Of each layer (layer, input, ...), as for `add`.
    outputs : str or sequence of str, optional
        Whose results the network returns: of a name an array, of a sequence a tuple. The last layer added, if left out.
    loss, memory_format
        See `CNN`.
    rng : None, int or numpy.random.Generator
        For the initial values of layers that have no `rng` of their own.
    name, dtype
        See `Layer`.

    Examples
    --------
    A residual connection by hand:

    >>> import numpy as np, fastconv as fc
    >>> net = fc.nn.Graph(rng=0)
    >>> conv = net.add(fc.nn.Conv2D(3, 3, padding=1), "input", name="conv")
    >>> total = net.add(fc.nn.Add(), "input", conv, name="sum")
    >>> scores = net.add(fc.nn.GlobalAvgPool2D())
    >>> net.forward(np.ones((1, 3, 8, 8), np.float32)).shape, [p.name for p in net.parameters()]
    ((1, 3), ['conv.weight', 'conv.bias'])
    """

    skips_input_grad = True

    def __init__(
        self,
        nodes: Iterable[tuple] = (),
        outputs: str | Iterable[str] | None = None,
        *,
        loss: Loss | None = None,
        memory_format: str = "channels_last",
        rng: Rng = None,
        name: str | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        super().__init__(loss=loss, memory_format=memory_format, name=name, dtype=dtype)
        self.rng = rng
        # See `observed`.
        self.observer, self.observe_fused = None, False
        self.outputs = outputs if outputs is None or isinstance(outputs, str) else tuple(outputs)
        self._nodes: dict[str, _Node] = {}
        self._order = self._steps = None
        for layer, *inputs in nodes:
            self.add(layer, *inputs)

    def add(self, layer: Layer, *inputs: str, name: str | None = None) -> str:
        """Add a layer and return its name.

        Parameters
        ----------
        layer : Layer
            In one place of one network only. With several inputs it is called with several arguments, and its ``backward``
            returns as many gradients.
        *inputs : str
            Names of layers, which may be added later, or "input". Without any, the layer added last.
        name : str, optional
            The layer's own, or one made from its class, if left out.

        Raises
        ------
        InvalidArgumentError, InvalidTypeError
            A name or layer that is there already, or no layer.
        """
        if not isinstance(layer, Layer):
            raise InvalidTypeError(f"layer: got {type(layer).__name__}, expected a Layer")
        if any(layer is other for _, other in self.layers_inside()):
            raise InvalidArgumentError(f"layer: {layer!r} is part of the network already; a layer has one place")
        for source in inputs:
            if not isinstance(source, str):
                raise InvalidTypeError(f"inputs: got {type(source).__name__}, expected names of layers")
        name = name or layer.name or unused_name(layer, {_INPUT, *self._nodes})
        if name == _INPUT or name in self._nodes:
            raise InvalidArgumentError(f"name: {name!r} is taken")
        layer.name = name
        self._nodes[name] = _Node(layer, inputs or (next(reversed(self._nodes), _INPUT),))
        layer.set_path(f"{self.path}.{name}" if self.path else name)
        self._order = self._steps = None
        self.built = False
        return name

    @property
    def nodes(self) -> list[tuple]:
        """(layer, input, ...) of each layer in the order they were added in."""
        return [(node.layer, *node.inputs) for node in self._nodes.values()]

    def sublayers(self) -> list[Layer]:
        return [node.layer for node in self._nodes.values()]

    # -- structure ------------------------------------------------------------------------------------------------------

    def _results(self):
        """Names of the results that the network returns."""
        if self.outputs is None:
            return (next(reversed(self._nodes), _INPUT),)
        if not self.outputs:
            raise InvalidArgumentError("outputs: got none, expected at least one name")
        return (self.outputs,) if isinstance(self.outputs, str) else self.outputs

    def _sorted(self):
        """Names of the layers that the outputs need, each after its inputs (depth first)."""
        if self._order is None:
            order = {}
            for name in self._results():
                self._visit(name, order)
            if useless := [name for name in self._nodes if name not in order]:
                raise InvalidArgumentError(f"layers that lead to no output: {', '.join(useless)}")
            self._order = list(order)
        return self._order

    def _visit(self, name, order):
        """Put `name` in `order` behind what it needs. Iterative: networks may be deeper than Python's recursion limit."""
        stack, open_names = [(name, "outputs")], []
        while stack:
            name, wanted_by = stack.pop()
            if wanted_by is None:
                open_names.pop()
                order[name] = True
                continue
            if name == _INPUT or name in order:
                continue
            if name not in self._nodes:
                known = ", ".join([_INPUT, *self._nodes])
                raise InvalidArgumentError(f"{wanted_by}: there is no layer {name!r}; there are {known}")
            if name in open_names:
                raise InvalidArgumentError(f"cycle: {' <- '.join([*open_names[open_names.index(name) :], name])}")
            open_names.append(name)
            stack.append((name, None))
            stack += [(source, name) for source in reversed(self._nodes[name].inputs)]

    def _plan(self):
        """The steps in order; without fusing while an observer wants to see each layer."""
        if self.observer is not None and not self.observe_fused:
            return [_Step(*self._nodes[name], {}, name) for name in self._sorted()]
        if self._steps is None:
            self._steps = self._fused()
        return self._steps

    def _fused(self):
        order, kept = self._sorted(), set(self._results())
        users: dict[str, list[str]] = {}
        for name in order:
            for source in self._nodes[name].inputs:
                users.setdefault(source, []).append(name)

        def behind(name):
            """The only user of a result that nobody else sees, and its layer."""
            only = users.get(name, [])
            return (only[0], self._nodes[only[0]].layer) if len(only) == 1 and name not in kept else (name, None)

        steps: list[_Step] = []
        done: set[str] = set()
        for name in order:
            if name in done:
                continue
            layer, inputs = self._nodes[name]
            last, second = behind(name)
            activation = second.activation if isinstance(second, Activation) else None
            pool_name, pool = behind(last) if activation == "relu" else (last, second)
            if pools(layer, pool):
                options = {"activation": activation, "pool": pool}
                done |= {last, pool_name}
                last = pool_name
            elif activation is not None and activation_name(activation) in layer.fuses:
                options = {"activation": activation}
                done.add(last)
            else:
                options, last = {}, name
            steps.append(_Step(layer, inputs, options, last))
        return steps

    # -- shapes ---------------------------------------------------------------------------------------------------------

    def _shapes(self, input_shape, visit):
        """Shapes by name; ``visit(layer, shapes of its inputs)`` is called before a layer's own shape is asked for."""
        shapes = {_INPUT: tuple(input_shape)}
        for name in self._sorted():
            layer, inputs = self._nodes[name]
            given = [shapes[source] for source in inputs]
            visit(layer, given)
            shapes[name] = layer.output_shape(*given)
        return shapes

    def build(self, input_shape: InputShape, rng: Rng = None) -> Self:
        rng = np.random.default_rng(self.rng if rng is None else rng)
        self._shapes(input_shape, lambda layer, given: layer.build(given[0] if len(given) == 1 else tuple(given), rng))
        self.built = True
        self.input_shape = None, *input_shape[1:]
        return self

    def output_shape(self, input_shape: InputShape) -> Shape:
        """The output's shape, or a tuple of them where outputs are a sequence."""
        shapes = self._shapes(input_shape, lambda layer, given: None)
        return self._as_outputs([shapes[name] for name in self._results()])

    def multiply_adds(self, input_shape: InputShape) -> int:
        counts = []
        self._shapes(input_shape, lambda layer, given: counts.append(layer.multiply_adds(*given)))
        return sum(counts)

    # -- passes ---------------------------------------------------------------------------------------------------------

    def forward(self, x: np.ndarray) -> np.ndarray:
        """The output, or a tuple of them where outputs are a sequence."""
        y = self._run("forward", x)
        self._saved = self._plan()
        return y

    def infer(self, x: np.ndarray) -> np.ndarray:
        self._saved = None
        return self._run("infer", x)

    def _run(self, phase, x):
        x = self.as_input(x)
        steps = self._plan()
        if not self.built:
            self.build(x.shape)
        values, last_use = {_INPUT: x}, _last_uses(steps, self._results())
        del x
        for i, step in enumerate(steps):
            function = getattr(step.layer, phase)
            if step.options:
                function = functools.partial(function, **step.options)
            inputs = tuple(values[source] for source in step.inputs)
            for source in step.inputs:
                if last_use.get(source) == i:
                    values.pop(source, None)
            values[step.result] = function(*inputs) if self.observer is None else self._watch(step, phase, function, inputs)
            del inputs
        return self._as_outputs([values[name] for name in self._results()])

    def _watch(self, step, phase, function, inputs):
        if len(inputs) == 1:
            return self.observer(step.layer, phase, function, inputs[0])
        return self.observer(step.layer, phase, lambda arrays: function(*arrays), inputs)

    def backward(self, gy: np.ndarray, input_grad: bool = True) -> np.ndarray | Any:
        """The gradient with respect to the input; with ``input_grad=False`` None, and no layer does more than it must.

        Parameters
        ----------
        gy : ndarray, or tuple of ndarray or None
            As the outputs; None stands for zeros.
        """
        steps, names = self.saved(), self._results()
        self.release()
        given = (gy,) if self.outputs is None or isinstance(self.outputs, str) else gy
        if len(given) != len(names):
            raise InvalidArgumentError(f"gy: got {len(given)} gradients, expected one for each of {', '.join(names)}")
        wanted = _wanted(steps, input_grad)
        grads = _Gradients()
        for name, grad in zip(names, given, strict=True):
            grads.add(name, grad)
        del gy, given
        for step in reversed(steps):
            if step.result in wanted and (grad := grads.pop(step.result)) is not None:
                backward, needed = step.layer.backward, [source in wanted for source in step.inputs]
                if not any(needed) and step.layer.skips_input_grad:
                    backward = functools.partial(backward, input_grad=False)
                result = backward(grad) if self.observer is None else self.observer(step.layer, "backward", backward, grad)
                del grad
                if any(needed):
                    results = (result,) if len(step.inputs) == 1 else result
                    for source, one, need in zip(step.inputs, results, needed, strict=True):
                        grads.add(source, one if need else None)
                    del results
                del result
            step.layer.release()
        return grads.pop(_INPUT) if input_grad else None

    def fused_layers(self) -> list[Layer]:
        """The layers left out because the one before applies them."""
        run = {id(step.layer) for step in self._fused()}
        return [layer for layer in self.sublayers() if id(layer) not in run]

    def _as_outputs(self, values):
        return values[0] if self.outputs is None or isinstance(self.outputs, str) else tuple(values)

    def __getstate__(self):
        return super().__getstate__() | {"_order": None, "_steps": None, "observer": None}


class _Gradients:
    """Gradients by name, summed. A sum is changed in place only once it is an array of its own."""

    def __init__(self):
        self._arrays, self._own = {}, set()

    def add(self, name, grad):
        if grad is None:
            return
        if name not in self._arrays:
            self._arrays[name] = grad
        elif name in self._own:
            add(self._arrays[name], grad, out=self._arrays[name])
        else:
            self._arrays[name] = add(self._arrays[name], grad)
            self._own.add(name)

    def pop(self, name):
        return self._arrays.pop(name, None)


def _last_uses(steps, kept):
    """By name, the last step that takes it; what is kept to the end is not among them."""
    last = {source: i for i, step in enumerate(steps) for source in step.inputs}
    return {name: i for name, i in last.items() if name not in kept}


def _wanted(steps, input_grad):
    """Names whose gradient is needed: they, or what they come from, have parameters that change."""
    wanted = {_INPUT} if input_grad else set()
    for step in steps:
        if not step.layer.frozen or any(source in wanted for source in step.inputs):
            wanted.add(step.result)
    return wanted
