"""`Layer`: what all layers, blocks and networks have in common.

    build(input_shape)      creates the parameters, once; input_shape is (n, c, h, w) or (n, features), n may be None
    forward(x)              the result; keeps what backward needs
    infer(x)                the result as in evaluation, keeping nothing
    backward(gy)            the gradient with respect to x; sets the parameters' gradients
    output_shape(shape)     without running anything

A layer that can apply an activation while it stores its result names it in `fuses`; containers then leave the activation's own
layer out and pass it as ``forward(x, activation=...)``. One that `pools` does the same for the max pooling behind it.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from ..errors import InvalidArgumentError, InvalidTypeError, NotReadyError
from ..typing import InputShape, Rng, Shape
from .parameter import Parameter

__all__ = ["Layer"]

# Arguments of constructors that do not describe the layer: where its initial values come from, what it is trained with.
_NOT_CONFIGURATION = ("self", "rng", "loss", "name", "dtype")
_BIT_GENERATORS = {
    kind.__name__: kind for kind in (np.random.MT19937, np.random.PCG64, np.random.PCG64DXSM, np.random.Philox, np.random.SFC64)
}


class Layer:
    """Base of all layers; derive from it, and define `forward` and `backward`, for a layer of your own.

    Attributes
    ----------
    name : str
        Unique among the layers of a container, which gives a name to those that have none.
    training : bool
        Whether `forward` behaves as in training: batch statistics, dropout.
    dtype : dtype
        Of the parameters; arrays that come in must have it too.

    Examples
    --------
    >>> import numpy as np, fastconv as fc
    >>> class Double(fc.nn.Layer):
    ...     def forward(self, x):
    ...         return 2 * x
    ...     def backward(self, gy):
    ...         return 2 * gy
    >>> fc.nn.CNN().add_layer(Double()).forward(np.ones((1, 2), np.float32))
    array([[2., 2.]], dtype=float32)
    """

    # Whether relu(f(x)) = f(relu(x)).
    commutes_with_relu = False
    # Whether backward(gy, input_grad=False) is understood: it may then return None instead of the gradient of x.
    skips_input_grad = False
    # Whether forward draws random numbers in training, from `generator`, which exists from `build` on.
    random = False
    generator: np.random.Generator | None = None

    # Class by name, for reading saved networks; classes derived from Layer enter themselves.
    kinds: ClassVar[dict[str, type[Layer]]] = {}

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        Layer.kinds[cls.__name__] = cls

    def __init__(self, *, name: str | None = None, dtype: DTypeLike = np.float32) -> None:
        self.name = name
        self.dtype = np.dtype(dtype)
        if self.dtype not in (np.float32, np.float64):
            raise InvalidTypeError(f"dtype: got {self.dtype}, expected float32 or float64")
        self.training = True
        self.built = False
        self.path = name or ""
        self._parameters: dict[str, Parameter] = {}
        self._buffers: dict[str, np.ndarray] = {}
        self._saved: Any = None

    @property
    def fuses(self) -> frozenset[str]:
        """Names of activations that ``forward(x, activation=...)`` takes; a class attribute will do."""
        return frozenset()

    @property
    def pools(self) -> bool:
        """Whether forward and infer take ``pool=``, a `MaxPool2D` whose windows lie side by side, and do its work as well."""
        return False

    # -- what layers define ---------------------------------------------------------------------------------------------

    def _build(self, input_shape, rng):
        """Create the parameters for inputs of `input_shape`; layers without parameters need not define it."""

    def forward(self, x: np.ndarray) -> np.ndarray:
        raise NotImplementedError(f"{type(self).__name__} defines no forward")

    def backward(self, gy: np.ndarray, *options: Any, **named: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} defines no backward")

    def infer(self, *x: Any, **options: Any) -> np.ndarray:
        """The result as in evaluation (running statistics, no dropout); nothing is kept for `backward`."""
        before, self.training = self.training, False
        try:
            return self.forward(*x, **options)
        finally:
            self.training = before
            self._saved = None

    def output_shape(self, input_shape: InputShape) -> Shape:
        """Shape of the result for inputs of `input_shape`: the same, unless a layer says otherwise."""
        return tuple(input_shape)

    def multiply_adds(self, *input_shapes: Any, **options: Any) -> int:
        """Multiply-adds of a forward pass, bias included, as the guide counts them: one per product and one per bias."""
        return 0

    def sublayers(self) -> list[Layer]:
        """The layers this one is made of, in the order of their parameters."""
        return []

    # -- parameters -----------------------------------------------------------------------------------------------------

    def build(self, input_shape: InputShape, rng: Rng = None) -> Self:
        """Create the parameters, if that has not been done, and return self.

        Parameters
        ----------
        input_shape : tuple of int
            The first, the batch, may be None.
        rng : None, int or numpy.random.Generator
            For the initial values.
        """
        if not self.built:
            before = self.sublayers()
            self._build(tuple(input_shape), np.random.default_rng(rng))
            self.built = True
            self.set_path(self.path)
            if not before:
                # Layers made just now are in the mode that this one is in.
                for layer in self.sublayers():
                    layer.train(self.training)
        return self

    def add_parameter(self, name: str, data: ArrayLike) -> Parameter:
        """Make `data` a parameter of this layer, in its dtype."""
        parameter = Parameter(np.asarray(data, self.dtype), name)
        self._parameters[name] = parameter
        return parameter

    def parameters(self) -> list[Parameter]:
        """All parameters in layer order: of each layer weight, then bias; gamma, then beta."""
        own = list(self._parameters.values())
        if self._lacks_parameters():
            raise NotReadyError(f"{self._label()}: no parameters yet; call build(input_shape) or forward first")
        return own + [parameter for layer in self.sublayers() for parameter in layer.parameters()]

    def _lacks_parameters(self):
        return not self.built and type(self)._build is not Layer._build

    def layers_inside(self) -> Iterator[tuple[str, Layer]]:
        """(path, layer) of this layer and of all within it, depth first."""
        yield self.path, self
        for layer in self.sublayers():
            yield from layer.layers_inside()

    def set_path(self, path: str) -> None:
        """Tell the layer its place in the network; its parameters and the layers within are named after it."""
        self.path = path
        for name, parameter in self._parameters.items():
            parameter.name = f"{path}.{name}" if path else name
        for layer in self.sublayers():
            layer.set_path(f"{path}.{layer.name}" if path else str(layer.name))

    def buffers(self) -> dict[str, np.ndarray]:
        """Arrays that belong to the state but are not trained, by path: running statistics."""
        found = {}
        for path, layer in self.layers_inside():
            for name, value in layer._buffers.items():
                found[f"{path}.{name}" if path else name] = value
        return found

    def state_dict(self) -> dict[str, np.ndarray]:
        """Copies of all parameters and buffers by name."""
        state = {parameter.name: parameter.array.copy() for parameter in self.parameters()}
        state.update((name, value.copy()) for name, value in self.buffers().items())
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over all parameters and buffers; names and shapes must be this layer's, else nothing is changed.

        Raises
        ------
        InvalidArgumentError
            Names what is missing, left over, or of another shape.
        """
        targets = {parameter.name: parameter.array for parameter in self.parameters()} | self.buffers()
        missing, unknown = sorted(targets.keys() - state.keys()), sorted(state.keys() - targets.keys())
        if missing or unknown:
            raise InvalidArgumentError(f"state: missing {missing or 'nothing'}, unknown {unknown or 'nothing'}")
        for name, target in targets.items():
            if np.shape(state[name]) != target.shape:
                raise InvalidArgumentError(f"state: {name} has shape {np.shape(state[name])}, expected {target.shape}")
        for name, target in targets.items():
            np.copyto(target, state[name], casting="same_kind")
        for parameter in self.parameters():
            parameter.version += 1

    def freeze(self) -> Self:
        """Keep optimizers from changing this layer's parameters; returns self. See `unfreeze`."""
        return self._set_trainable(False)

    def unfreeze(self) -> Self:
        """Let optimizers change this layer's parameters again; returns self."""
        return self._set_trainable(True)

    def _set_trainable(self, trainable):
        for parameter in self.parameters():
            parameter.trainable = trainable
        return self

    @property
    def frozen(self) -> bool:
        """Whether there are no parameters here that an optimizer would change."""
        return not any(parameter.trainable for parameter in self.parameters())

    def astype(self, dtype: DTypeLike) -> Self:
        """Convert parameters and buffers to float32 or float64; returns self."""
        for _, layer in self.layers_inside():
            layer.dtype = np.dtype(dtype)
            for parameter in layer._parameters.values():
                parameter.astype(layer.dtype)
            for name, value in layer._buffers.items():
                layer._buffers[name] = value.astype(layer.dtype)
            layer._saved = None
        return self

    def random_states(self) -> dict[str, dict[str, Any] | None]:
        """The state of each random layer's generator by the layer's path, as data that JSON can hold.

        With parameters, buffers and the optimizer's state this is what resuming training exactly takes. None stands for a
        generator that does not exist yet.

        Examples
        --------
        >>> import numpy as np, fastconv as fc
        >>> dropout, x = fc.nn.Dropout(0.5, rng=0, name="dropout"), np.ones((1, 8), np.float32)
        >>> states = dropout.random_states()
        >>> first = dropout.forward(x)
        >>> dropout.load_random_states(states)
        >>> np.array_equal(dropout.forward(x), first)
        True
        """
        return {
            path: None if layer.generator is None else _plain(layer.generator.bit_generator.state)
            for path, layer in self.layers_inside()
            if layer.random
        }

    def load_random_states(self, states: Mapping[str, Any]) -> None:
        """Take over what `random_states` returned; the paths must be the same, else nothing is changed.

        Raises
        ------
        InvalidArgumentError
            Names what is missing or left over.
        """
        layers = {path: layer for path, layer in self.layers_inside() if layer.random}
        missing, unknown = sorted(layers.keys() - states.keys()), sorted(states.keys() - layers.keys())
        if missing or unknown:
            raise InvalidArgumentError(f"states: missing {missing or 'nothing'}, unknown {unknown or 'nothing'}")
        generators = {path: _generator(path, state) for path, state in states.items()}
        for path, layer in layers.items():
            layer.generator = generators[path]

    # -- modes ----------------------------------------------------------------------------------------------------------

    def train(self, mode: bool = True) -> Self:
        """Behave as in training (or, with False, as in evaluation); returns self."""
        for _, layer in self.layers_inside():
            layer.training = bool(mode)
        return self

    def eval(self) -> Self:
        """Behave as in evaluation; returns self."""
        return self.train(False)

    def saved(self) -> Any:
        """What the last `forward` kept for `backward`."""
        if self._saved is None:
            raise NotReadyError(f"{self._label()}: backward without a forward before it")
        return self._saved

    def release(self) -> None:
        """Let go of what the last `forward` kept; containers do it as they go back."""
        self._saved = None

    # -- errors ---------------------------------------------------------------------------------------------------------

    def _label(self):
        """What errors call this layer."""
        return self.path or type(self).__name__

    def _shape_error(self, shape, expected):
        """The error for an input of this shape."""
        return InvalidArgumentError(f"{self._label()}: got input of shape {tuple(shape)}, expected {expected}")

    def _require_images(self, shape, channels=None):
        if len(shape) != 4 or channels not in (None, shape[1]):
            raise self._shape_error(shape, f"(n, {channels or 'c'}, h, w)")

    # -- description ----------------------------------------------------------------------------------------------------

    def config(self) -> dict[str, Any]:
        """The constructor's arguments, from the attributes of the same names, without those that have their default."""
        parameters = inspect.signature(type(self).__init__).parameters.values()
        wanted = [p for p in parameters if p.name not in _NOT_CONFIGURATION and p.kind is not p.VAR_KEYWORD]
        config = {p.name: getattr(self, p.name) for p in wanted if not _same(getattr(self, p.name), p.default)}
        if self.name is not None:
            config["name"] = self.name
        if self.dtype != np.float32:
            config["dtype"] = self.dtype.name
        return config

    def __getstate__(self):
        # What a pass keeps is not part of the state; neither are packed weights, which layers put there too.
        return self.__dict__ | {"_saved": None}

    def __repr__(self) -> str:
        arguments = ", ".join(f"{key}={value!r}" for key, value in self.config().items() if key != "name")
        return f"{type(self).__name__}({arguments})"


def _same(value, default):
    return value is default or (type(value) is type(default) and value == default)


def _plain(state):
    """A bit generator's state with lists in place of arrays."""
    if isinstance(state, dict):
        return {key: _plain(value) for key, value in state.items()}
    return state.tolist() if isinstance(state, np.ndarray) else state


def _generator(path, state):
    if state is None:
        return None
    try:
        bits = _BIT_GENERATORS[state["bit_generator"]]()
        bits.state = state
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidArgumentError(f"states: {path or 'the layer'}: no state of a generator of NumPy: {error!r}") from error
    return np.random.Generator(bits)
