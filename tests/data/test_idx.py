import gzip
import struct

import numpy as np
import pytest

from fastconv.data import fashion_mnist, mnist
from fastconv.errors import InvalidArgumentError

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 3, 4), np.uint8)
LABELS = np.array([0, 9, 3, 3, 1], np.uint8)


def idx(values, *, magic=None, shape=None):
    head = bytes((0, 0, 8, values.ndim)) if magic is None else magic
    return head + struct.pack(f">{values.ndim}I", *(shape or values.shape)) + values.tobytes()


def write(folder, images=None, labels=None, *, split="train", mark="-", suffix=""):
    wrap = gzip.compress if suffix else bytes
    (folder / f"{split}-images{mark}idx3-ubyte{suffix}").write_bytes(wrap(idx(PIXELS) if images is None else images))
    (folder / f"{split}-labels{mark}idx1-ubyte{suffix}").write_bytes(wrap(idx(LABELS) if labels is None else labels))


@pytest.mark.parametrize("read", [mnist, fashion_mnist])
@pytest.mark.parametrize("mark", ["-", "."])
@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("split, prefix", [("train", "train"), ("test", "t10k")])
def test_files_are_read_as_they_are_distributed(tmp_path, read, mark, suffix, split, prefix):
    write(tmp_path, split=prefix, mark=mark, suffix=suffix)
    dataset = read(tmp_path, split)
    assert dataset.images.dtype == np.uint8 and np.array_equal(dataset.images, PIXELS[:, None])
    assert dataset.labels.dtype == np.int64 and np.array_equal(dataset.labels, LABELS)
    assert len(dataset.classes) == 10


def test_the_classes_are_those_of_the_data(tmp_path):
    write(tmp_path)
    assert mnist(tmp_path).classes == tuple("0123456789")
    assert fashion_mnist(tmp_path).classes[9] == "Ankle boot"


# (images, labels, what the message says of which file)
MALFORMED = {
    "labels for images": (idx(LABELS), None, "images.*got magic number 0x00000801, expected 0x00000803"),
    "images for labels": (None, idx(PIXELS), "labels.*got magic number 0x00000803, expected 0x00000801"),
    "other type": (idx(PIXELS, magic=b"\0\0\x0d\3"), None, "images.*got magic number 0x00000d03"),
    "nothing": (b"", None, "images.*got magic number 0x,"),
    "half a header": (idx(PIXELS)[:10], None, "images.*got 10 bytes, expected a header of 16"),
    "truncated": (idx(PIXELS)[:-1], None, "images.*expected 5x3x4 values"),
    "truncated labels": (None, idx(LABELS)[:-1], "labels.*expected 5 values"),
    "trailing": (idx(PIXELS) + b"\0", None, "images.*got more bytes, expected 5x3x4 values"),
    "no images": (idx(PIXELS[:0]), idx(LABELS[:0]), "images.*got 0x3x4 values, expected at least one"),
    "no pixels": (idx(PIXELS[:, :0]), None, "images.*got 5x0x4 values"),
    "fewer labels": (None, idx(LABELS[:4]), "labels.*got 4 labels, expected 5, one for each image of train-images"),
    "label out of range": (None, idx(LABELS + np.uint8(1)), r"labels.*got label 10 \(number 1\)"),
    "declared huge": (idx(PIXELS, shape=(2**32 - 1,) * 3), None, "images.*got a file of"),
}


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("images, labels, message", MALFORMED.values(), ids=MALFORMED)
def test_malformed_files_are_refused(tmp_path, images, labels, message, suffix):
    write(tmp_path, images, labels, suffix=suffix)
    with pytest.raises(InvalidArgumentError, match=message):
        mnist(tmp_path)


@pytest.mark.parametrize("damage", [lambda data: data[:-9], lambda data: b"no gzip" + data, lambda data: data[:20] + data[24:]])
def test_damaged_compression_is_refused(tmp_path, damage):
    write(tmp_path, suffix=".gz")
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InvalidArgumentError, match=r"train-images-idx3-ubyte.gz: (cannot be read|got)"):
        mnist(tmp_path)


def test_missing_files_and_unknown_splits_are_refused(tmp_path):
    with pytest.raises(InvalidArgumentError, match="has no train-images-idx3-ubyte"):
        mnist(tmp_path)
    with pytest.raises(InvalidArgumentError, match=r"split: got 'valid', expected one of train, test"):
        mnist(tmp_path, "valid")
