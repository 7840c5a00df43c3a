import io
import pickle
import zipfile

import numpy as np
import pytest

from fastconv.data import npz
from fastconv.errors import FastconvError, InvalidArgumentError, InvalidTypeError

PIXELS = np.random.default_rng(0).integers(0, 256, (4, 3, 5, 6), np.uint8)
LABELS = np.array([1, 0, 2, 1])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data.npz"


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64", ">f4"])
def test_arrays_are_read(path, save, dtype):
    save(path, x=PIXELS.astype(dtype), y=LABELS.astype(np.int8))
    dataset = npz(path)
    assert dataset.images.dtype == np.dtype(dtype).newbyteorder("=") and np.array_equal(dataset.images, PIXELS)
    assert dataset.labels.dtype == np.int64 and np.array_equal(dataset.labels, LABELS)


def test_other_names_layouts_and_label_columns(path):
    np.savez(path, images=np.asfortranarray(PIXELS.transpose(0, 2, 3, 1)), target=LABELS[:, None])
    dataset = npz(path, "images", "target", layout="nhwc", classes=["a", "b", "c"])
    assert np.array_equal(dataset.images, PIXELS) and dataset.images.flags.c_contiguous
    assert np.array_equal(dataset.labels, LABELS) and dataset.classes == ("a", "b", "c")


def test_images_without_channels_have_one(path):
    np.savez(path, x=PIXELS[:, 0], y=LABELS)
    assert np.array_equal(npz(path).images, PIXELS[:, :1])


class Trap:
    """Sets a mark if it is unpickled."""

    sprung = False

    def __reduce__(self):
        return setattr, (Trap, "sprung", True)


def test_arrays_of_objects_are_refused_and_not_unpickled(path):
    np.savez(path, x=PIXELS, y=np.array([Trap()] * 4, object))
    with pytest.raises(InvalidTypeError, match=r"data.npz: y holds Python objects"):
        npz(path)
    assert not Trap.sprung


# (arrays, kind, message)
UNFIT = {
    "flat": ({"x": PIXELS.reshape(4, -1)}, InvalidArgumentError, r"x has shape \(4, 90\), expected \(n, c, h, w\)"),
    "integers": ({"x": PIXELS.astype(int)}, InvalidTypeError, "x has dtype int64, expected one of uint8"),
    "text": ({"y": np.array(list("abcd"))}, InvalidTypeError, "y has dtype <U1, expected integers"),
    "float labels": ({"y": LABELS * 1.0}, InvalidTypeError, "y has dtype float64, expected integers"),
    "one-hot labels": ({"y": np.eye(4, dtype=int)}, InvalidArgumentError, r"labels: got shape \(4, 4\)"),
    "fewer labels": ({"y": LABELS[:3]}, InvalidArgumentError, r"labels: got shape \(3,\), expected \(4,\)"),
    "negative labels": ({"y": LABELS - 1}, InvalidArgumentError, "labels: got -1"),
    "no images": (
        {"x": PIXELS[:0], "y": LABELS[:0]},
        InvalidArgumentError,
        r"x has shape \(0, 3, 5, 6\), expected at least one",
    ),
}


@pytest.mark.parametrize("arrays, kind, message", UNFIT.values(), ids=UNFIT)
def test_unfit_arrays_are_refused(path, arrays, kind, message):
    np.savez(path, **({"x": PIXELS, "y": LABELS} | arrays))
    with pytest.raises(kind, match=f"data.npz: {message}"):
        npz(path)


def test_a_missing_array_is_named_with_those_that_are_there(path):
    np.savez(path, images=PIXELS, y=LABELS)
    with pytest.raises(InvalidArgumentError, match="has no array 'x'; there are images, y"):
        npz(path)


def test_a_label_without_a_class_is_refused(path):
    np.savez(path, x=PIXELS, y=LABELS)
    with pytest.raises(InvalidArgumentError, match=r"data.npz: labels: got 2 \(sample 2\), expected less than 2"):
        npz(path, classes=["a", "b"])


def member(shape, data=b"", version=(1, 0), dtype="|u1"):
    """A .npy file with that header."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": dtype, "fortran_order": False, "shape": shape})
    head = bytearray(file.getvalue())
    head[6:8] = version
    return bytes(head) + data


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize(
    "content",
    [
        member((4, 1, 2, 2), bytes(15)), member((4, 1, 2, 2), bytes(17)), member((2**40, 1, 2**40, 1)),
        member((4, 1, 2, 2), bytes(16), version=(9, 0)), b"", b"junk", member((4, 1, 2, 2), bytes(16))[:30],
        member((4, 1), pickle.dumps([1]), dtype="|O"),
    ],
)  # fmt: skip
def test_malformed_members_are_refused(path, content, compression):
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("x.npy", content)
        archive.writestr("y.npy", member((4,), bytes(4)))
    with pytest.raises(FastconvError, match=r"data.npz: "):
        npz(path)


def test_a_declared_size_beyond_the_file_is_refused_before_it_is_allocated(path):
    size = 2**42
    content = member((size,))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", content)
        archive.writestr("y.npy", member((4,), bytes(4)))
        # The directory at the end of the archive claims that many bytes as well.
        archive.getinfo("x.npy").file_size = len(content) + size
    with pytest.raises(InvalidArgumentError, match=r"data.npz: "):
        npz(path)


@pytest.mark.parametrize("damage", [lambda data: data[:-30], lambda data: b"", lambda data: data[:200] + b"x" + data[201:]])
def test_damaged_archives_are_refused(path, damage):
    np.savez(path, x=PIXELS, y=LABELS)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InvalidArgumentError, match=r"data.npz: cannot be read as an .npz file"):
        npz(path)


def test_what_is_no_archive_is_refused(tmp_path):
    np.save(tmp_path / "data.npy", PIXELS)
    for name in ("data.npy", "none.npz"):
        with pytest.raises(InvalidArgumentError, match=f"{name}: cannot be read as an .npz file"):
            npz(tmp_path / name)
    with pytest.raises(InvalidArgumentError, match="layout: got 'chw'"):
        npz(tmp_path / "data.npy", layout="chw")
