"""`ConvProblem`: one convolution's shapes and parameters, without its data.

Everything that chooses, predicts, stores or explains works on this object. It is frozen and hashable, and its text form
is read back by `ConvProblem.parse`.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from .errors import InvalidArgumentError, InvalidTypeError
from .typing import MemoryFormat, Padding, Pair

__all__ = ["DIRECTIONS", "DTYPES", "MEMORY_FORMATS", "ConvProblem", "has_both_formats", "memory_format_of"]

DIRECTIONS = ("forward", "input_grad", "weight_grad")
DTYPES = ("float32", "float64")
MEMORY_FORMATS = ("nchw", "nhwc")

# Sizes are held in 64-bit integers by every kernel; an array of more bytes than this cannot be addressed.
_MAX_BYTES = 2**63 - 1


@dataclasses.dataclass(frozen=True)
class ConvProblem:
    """Shapes and parameters of one 2-D convolution in one direction.

    Shapes are those of the forward convolution whatever the direction: ``x`` is (batch, in_channels, height, width), ``w``
    is (out_channels, in_channels / groups, kernel_height, kernel_width).

    Parameters
    ----------
    direction : {"forward", "input_grad", "weight_grad"}
    batch, in_channels, height, width : int
        Shape of the input. `batch` may be 0.
    out_channels, kernel_height, kernel_width : int
    stride, dilation : (int, int)
        Along height and width, in pixels.
    padding : ((int, int), (int, int))
        Zeros added at (top, bottom), (left, right), in pixels.
    groups : int
    dtype : {"float32", "float64"}
    memory_format : {"nchw", "nhwc"}
        Order of the data in memory; shapes are NCHW in both.

    Raises
    ------
    InvalidArgumentError
        For sizes no convolution can have; the message names the argument.

    Examples
    --------
    >>> p = ConvProblem.parse("1x64x56x56,128x3x3,s2,p1")
    >>> p.y_shape
    (1, 128, 28, 28)
    >>> str(p)
    '1x64x56x56,128x3x3,s2,p1'
    """

    direction: str
    batch: int
    in_channels: int
    height: int
    width: int
    out_channels: int
    kernel_height: int
    kernel_width: int
    stride: tuple[int, int] = (1, 1)
    padding: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0))
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    dtype: str = "float32"
    memory_format: str = "nchw"

    def __post_init__(self):
        for name, allowed in (("direction", DIRECTIONS), ("dtype", DTYPES), ("memory_format", MEMORY_FORMATS)):
            if getattr(self, name) not in allowed:
                raise InvalidArgumentError(f"{name}: got {getattr(self, name)!r}, expected one of {', '.join(allowed)}")
        require_at_least("batch", self.batch, 0)
        for name in ("in_channels", "height", "width", "out_channels", "kernel_height", "kernel_width", "groups"):
            require_at_least(name, getattr(self, name), 1)
        for name in ("stride", "dilation"):
            for v in getattr(self, name):
                require_at_least(name, v, 1)
        for side in self.padding:
            for v in side:
                require_at_least("padding", v, 0)
        for name in ("in_channels", "out_channels"):
            if getattr(self, name) % self.groups:
                raise InvalidArgumentError(
                    f"groups: {self.groups} does not divide {name}={getattr(self, name)}; both must be multiples of groups"
                )
        padded = (self.height + sum(self.padding[0]), self.width + sum(self.padding[1]))
        if self.extent[0] > padded[0] or self.extent[1] > padded[1]:
            raise InvalidArgumentError(
                f"w: the kernel spans {self.extent[0]}x{self.extent[1]} pixels (dilation included), more than the padded "
                f"input's {padded[0]}x{padded[1]}; use more padding or a smaller kernel"
            )
        for name in ("x_shape", "w_shape", "y_shape"):
            if _product(getattr(self, name)) * self.itemsize > _MAX_BYTES:
                raise InvalidArgumentError(f"{name}: {getattr(self, name)} is too large: its size overflows 64 bits")
        if max(*padded, *self.extent, *self.stride) > 2**31 - 1:
            raise InvalidArgumentError(
                f"padding: the padded input {padded[0]}x{padded[1]} is too large; at most 2**31-1 a side"
            )

    # -- making one -------------------------------------------------------------------------------------------------

    @classmethod
    def from_arrays(
        cls,
        x: np.ndarray,
        w: np.ndarray,
        stride: Pair = 1,
        padding: Padding = 0,
        dilation: Pair = 1,
        groups: int = 1,
        direction: str = "forward",
    ) -> Self:
        """The problem of convolving `x` with `w`.

        Parameters
        ----------
        x : ndarray, shape (n, c, h, w)
            Its dtype and memory format become the problem's.
        w : ndarray, shape (k, c / groups, kh, kw)
        stride, dilation : int or (int, int)
        padding : int, (int, int), ((int, int), (int, int)), "same" or "valid"
        groups : int
        direction : {"forward", "input_grad", "weight_grad"}

        Raises
        ------
        InvalidArgumentError, InvalidTypeError
        """
        x, w = as_conv_array("x", x), as_conv_array("w", w)
        if x.dtype != w.dtype:
            raise InvalidTypeError(f"w: dtype {w.dtype.name} differs from x's {x.dtype.name}; convert one of them")
        return cls.from_shapes(
            x.shape, w.shape, stride=stride, padding=padding, dilation=dilation, groups=groups, direction=direction,
            dtype=x.dtype.name, memory_format=memory_format_of(x),
        )  # fmt: skip

    @classmethod
    def from_shapes(
        cls,
        x_shape: Sequence[int],
        w_shape: Sequence[int],
        *,
        stride: Pair = 1,
        padding: Padding = 0,
        dilation: Pair = 1,
        groups: int = 1,
        direction: str = "forward",
        dtype: str = "float32",
        memory_format: str = "nchw",
    ) -> Self:
        """The problem of the given shapes; the arguments are those of `from_arrays`."""
        n, c, h, width = _shape("x", x_shape)
        k, c_per_group, kh, kw = _shape("w", w_shape)
        groups = as_integer("groups", groups)
        require_at_least("groups", groups, 1)
        if c_per_group * groups != c:
            raise InvalidArgumentError(
                f"w: expects in_channels = {c_per_group} x groups={groups} = {c_per_group * groups}, but x has {c} channels"
            )
        stride, dilation = as_pair("stride", stride, 1), as_pair("dilation", dilation, 1)
        return cls(
            direction, n, c, h, width, k, kh, kw, stride,
            as_padding(padding, (h, width), (kh, kw), stride, dilation), dilation, groups, dtype, memory_format,
        )  # fmt: skip

    @classmethod
    def parse(cls, text: str, *, direction: str = "forward", dtype: str = "float32", memory_format: str = "nchw") -> Self:
        """Read a shape such as ``1x64x56x56,64x3x3,p1``.

        The first field is N x C x H x W, the second filters x kernel height x kernel width; then, in any order, ``s`` stride,
        ``p`` padding (``p1``, ``p0x3`` or top.bottom x left.right as ``p0.1x2.3``), ``d`` dilation, ``g`` groups.
        """
        fields = text.replace(" ", "").split(",")
        number = r"\d+"
        if len(fields) < 2 or not re.fullmatch(rf"{number}(x{number}){{3}}", fields[0]) or not re.fullmatch(
            rf"{number}(x{number}){{2}}", fields[1]
        ):  # fmt: skip
            raise InvalidArgumentError(f"shape: cannot read {text!r}; write it as 1x64x56x56,64x3x3,s1,p1,d1,g1")
        n, c, h, width = map(int, fields[0].split("x"))
        k, kh, kw = map(int, fields[1].split("x"))
        options: dict[str, list[tuple[int, ...]]] = {}
        for field in fields[2:]:
            match = re.fullmatch(r"([spdg])([\d.x]+)", field)
            if not match or match[1] in options:
                raise InvalidArgumentError(f"shape: cannot read {field!r} in {text!r}; use s, p, d or g once each")
            try:
                values = [tuple(map(int, part.split("."))) for part in match[2].split("x")]
            except ValueError:
                raise InvalidArgumentError(f"shape: cannot read {field!r} in {text!r}") from None
            options[match[1]] = values
        pad = options.pop("p", [(0,)])
        pad = pad * 2 if len(pad) == 1 else pad
        sides: Any = tuple((side[0], side[-1]) for side in pad)
        scalars = {name: [v[0] for v in values] for name, values in options.items()}
        groups = scalars.get("g", [1])[0]
        if groups < 1 or c % groups:
            raise InvalidArgumentError(f"groups: {groups} does not divide the {c} channels of {text!r}")
        return cls.from_shapes(
            (n, c, h, width), (k, c // groups, kh, kw), stride=scalars.get("s", [1]), padding=sides,
            dilation=scalars.get("d", [1]), groups=groups, direction=direction, dtype=dtype, memory_format=memory_format,
        )  # fmt: skip

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> Self:
        """The problem that `to_dict` described; other keys are ignored."""
        return cls.parse(
            entry["problem"], direction=entry["direction"], dtype=entry["dtype"], memory_format=entry["memory_format"]
        )

    def to_dict(self) -> dict[str, str]:
        """The problem as plain values, its shape as text."""
        return {
            "problem": str(self),
            "direction": self.direction,
            "dtype": self.dtype,
            "memory_format": self.memory_format,
        }

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed."""
        return dataclasses.replace(self, **changes)

    # -- what follows from the fields -------------------------------------------------------------------------------

    @cached_property
    def extent(self) -> tuple[int, int]:
        """(height, width) of the window a dilated kernel covers, in pixels."""
        dh, dw = self.dilation
        return (self.kernel_height - 1) * dh + 1, (self.kernel_width - 1) * dw + 1

    @cached_property
    def out_height(self) -> int:
        return (self.height + sum(self.padding[0]) - self.extent[0]) // self.stride[0] + 1

    @cached_property
    def out_width(self) -> int:
        return (self.width + sum(self.padding[1]) - self.extent[1]) // self.stride[1] + 1

    @property
    def x_shape(self) -> tuple[int, int, int, int]:
        return (self.batch, self.in_channels, self.height, self.width)

    @property
    def w_shape(self) -> tuple[int, int, int, int]:
        return (self.out_channels, self.in_channels // self.groups, self.kernel_height, self.kernel_width)

    @property
    def y_shape(self) -> tuple[int, int, int, int]:
        return (self.batch, self.out_channels, self.out_height, self.out_width)

    @property
    def result_shape(self) -> tuple[int, int, int, int]:
        """Shape of what this direction computes: y, dx or dw."""
        return {"forward": self.y_shape, "input_grad": self.x_shape, "weight_grad": self.w_shape}[self.direction]

    @property
    def taps(self) -> int:
        """Number of kernel positions."""
        return self.kernel_height * self.kernel_width

    @property
    def is_depthwise(self) -> bool:
        """One input channel per group."""
        return self.groups == self.in_channels and self.groups > 1

    @property
    def itemsize(self) -> int:
        """Bytes per element."""
        return 4 if self.dtype == "float32" else 8

    @cached_property
    def flops(self) -> int:
        """Floating-point operations of direct convolution, two per multiply-add; the same for all three directions."""
        return 2 * _product(self.y_shape) * self.w_shape[1] * self.taps

    @cached_property
    def bytes(self) -> int:
        """Bytes that have to move at least once: input, weights and output."""
        return self.itemsize * sum(_product(s) for s in (self.x_shape, self.w_shape, self.y_shape))

    @cached_property
    def geometry(self) -> NDArray[np.int64]:
        """The problem as the int64 array that kernels take (`kernels/geometry.h` names the fields)."""
        (top, _), (left, _) = self.padding
        return np.array(
            [
                self.batch, self.in_channels, self.height, self.width, self.out_channels, self.kernel_height,
                self.kernel_width, self.out_height, self.out_width, *self.stride, top, left, *self.dilation, self.groups,
                self.memory_format == "nhwc",
            ],
            dtype=np.int64,
        )  # fmt: skip

    def key(self) -> dict[str, Any]:
        """The fields as a dict of plain values, for files."""
        return dataclasses.asdict(self)

    def __str__(self) -> str:
        text = f"{self.batch}x{self.in_channels}x{self.height}x{self.width},"
        text += f"{self.out_channels}x{self.kernel_height}x{self.kernel_width}"
        for letter, pair in (("s", self.stride), ("d", self.dilation)):
            if pair != (1, 1):
                text += f",{letter}{pair[0]}" + (f"x{pair[1]}" if pair[0] != pair[1] else "")
            if letter == "s" and self.padding != ((0, 0), (0, 0)):
                sides = [f"{a}" if a == b else f"{a}.{b}" for a, b in self.padding]
                text += f",p{sides[0]}" + (f"x{sides[1]}" if sides[0] != sides[1] else "")
        return text + (f",g{self.groups}" if self.groups > 1 else "")

    def __getstate__(self):
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}

    def __setstate__(self, state):
        self.__dict__.update(state)


# -- reading arguments ------------------------------------------------------------------------------------------------


def has_both_formats(a: np.ndarray) -> bool:
    """Whether a 4-D array is contiguous in both memory formats: it has one channel, or a single pixel."""
    return a.flags.c_contiguous and a.transpose(0, 2, 3, 1).flags.c_contiguous


def memory_format_of(a: np.ndarray) -> MemoryFormat:
    """`"nhwc"` for a 4-D array whose channels are contiguous, `"nchw"` for any other.

    Where an array is both (one channel, or a single pixel), its strides tell which it was made as; one channel of one pixel is
    `"nchw"`.
    """
    if not a.transpose(0, 2, 3, 1).flags.c_contiguous:
        return "nchw"
    if not a.flags.c_contiguous:
        return "nhwc"
    c, h, w = a.shape[1:]
    as_made = a.strides[1] == a.itemsize and a.strides[3] == c * a.itemsize
    return "nhwc" if as_made and c * h * w > 1 else "nchw"


def as_conv_array(name, a):
    """`a` as a 4-D float32 or float64 array in native byte order, or one clear error."""
    if not isinstance(a, np.ndarray):
        raise InvalidTypeError(f"{name}: got {type(a).__name__}, expected a NumPy array of float32 or float64")
    if a.dtype.kind != "f" or a.dtype.itemsize not in (4, 8):
        raise InvalidTypeError(f"{name}: dtype {a.dtype} is not supported; convert it to float32 or float64")
    if a.ndim != 4:
        raise InvalidArgumentError(f"{name}: got {a.ndim} dimension(s), shape {a.shape}; expected 4 dimensions")
    return a if a.dtype.isnative else a.astype(a.dtype.newbyteorder("="))


def as_integer(name: str, value: Any) -> int:
    """`value` as an int; booleans and floats are refused."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise InvalidTypeError(f"{name}: got {value!r}, expected an integer")
    return int(value)


def as_pair(name: str, value: Any, minimum: int) -> tuple[int, int]:
    """`value`, an int or a pair of ints, as a pair of ints of at least `minimum`."""
    values = value if isinstance(value, (tuple, list)) else (value,)
    if len(values) not in (1, 2):
        raise InvalidArgumentError(f"{name}: got {value!r}, expected an integer or a pair of integers")
    first, second = (as_integer(name, values[i]) for i in (0, -1))
    for v in (first, second):
        require_at_least(name, v, minimum)
    return first, second


def as_padding(padding, size, kernel, stride, dilation):
    """`padding` in any accepted form as ((top, bottom), (left, right))."""
    if isinstance(padding, str):
        if padding == "valid":
            return ((0, 0), (0, 0))
        if padding != "same":
            raise InvalidArgumentError(f"padding: got {padding!r}, expected 'same', 'valid', an integer, (ph, pw) or "
                                       "((top, bottom), (left, right))")  # fmt: skip
        # As in PyTorch, "same" keeps the size and is defined at stride 1; an odd zero goes to the bottom and the right.
        if stride != (1, 1):
            raise InvalidArgumentError(f"padding: 'same' needs stride 1, got stride {stride}; give the padding in pixels")
        totals = [(k - 1) * d for k, d in zip(kernel, dilation, strict=True)]
        return tuple((t // 2, t - t // 2) for t in totals)
    if isinstance(padding, (tuple, list)) and len(padding) == 2 and all(isinstance(v, (tuple, list)) for v in padding):
        if any(len(v) != 2 for v in padding):
            raise InvalidArgumentError(f"padding: got {padding!r}, expected ((top, bottom), (left, right))")
        return tuple(as_pair("padding", v, 0) for v in padding)
    return tuple((v, v) for v in as_pair("padding", padding, 0))


def _shape(name, shape):
    if not isinstance(shape, (tuple, list)) or len(shape) != 4:
        raise InvalidArgumentError(f"{name}: got shape {shape!r}, expected 4 dimensions")
    return tuple(as_integer(name, v) for v in shape)


def require_at_least(name: str, value: Any, minimum: int) -> None:
    if value < minimum:
        raise InvalidArgumentError(f"{name}: got {value}, expected at least {minimum}")


def _product(values):
    result = 1
    for v in values:
        result *= v
    return result
