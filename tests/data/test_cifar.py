import numpy as np
import pytest

from fastconv.data import cifar10, cifar100
from fastconv.errors import InvalidArgumentError

RECORDS = 3
PIXELS = np.random.default_rng(0).integers(0, 256, (5 * RECORDS, 3, 32, 32), np.uint8)
LABELS = np.arange(5 * RECORDS) % 10
COARSE, FINE = np.arange(5 * RECORDS) % 20, 99 - np.arange(5 * RECORDS)
BATCHES = [f"data_batch_{i}.bin" for i in range(1, 6)]


def records(rows, *labels):
    return np.column_stack([np.array(label)[rows] for label in labels] + [PIXELS[rows].reshape(len(PIXELS[rows]), -1)]).astype(
        np.uint8
    )


def write10(folder):
    folder.mkdir(exist_ok=True)
    for i, name in enumerate(BATCHES):
        records(slice(i * RECORDS, (i + 1) * RECORDS), LABELS).tofile(folder / name)
    records(slice(2), LABELS).tofile(folder / "test_batch.bin")


def write100(folder):
    folder.mkdir(exist_ok=True)
    records(slice(None), COARSE, FINE).tofile(folder / "train.bin")
    records(slice(2), COARSE, FINE).tofile(folder / "test.bin")


@pytest.mark.parametrize("subfolder", ["", "cifar-10-batches-bin"])
def test_cifar10_is_read(tmp_path, subfolder):
    write10(tmp_path / subfolder)
    train, test = cifar10(tmp_path), cifar10(tmp_path, "test")
    assert train.images.dtype == np.uint8 and np.array_equal(train.images, PIXELS)
    assert train.labels.dtype == np.int64 and np.array_equal(train.labels, LABELS)
    assert np.array_equal(test.images, PIXELS[:2]) and np.array_equal(test.labels, LABELS[:2])
    assert train.classes[3] == "cat"


@pytest.mark.parametrize("subfolder", ["", "cifar-100-binary"])
@pytest.mark.parametrize("labels, expected, count", [("fine", FINE, 100), ("coarse", COARSE, 20)])
def test_cifar100_is_read(tmp_path, subfolder, labels, expected, count):
    write100(tmp_path / subfolder)
    train, test = cifar100(tmp_path, labels=labels), cifar100(tmp_path, "test", labels=labels)
    assert np.array_equal(train.images, PIXELS) and np.array_equal(train.labels, expected)
    assert np.array_equal(test.labels, expected[:2])
    assert train.classes == tuple(map(str, range(count)))


def test_class_names_are_taken_from_their_files(tmp_path):
    write10(tmp_path)
    write100(tmp_path)
    (tmp_path / "batches.meta.txt").write_text("\n".join(f"c{i}" for i in range(10)) + "\n\n")
    (tmp_path / "coarse_label_names.txt").write_text("\n".join(f"d{i}" for i in range(20)))
    assert cifar10(tmp_path).classes == tuple(f"c{i}" for i in range(10))
    assert cifar100(tmp_path, labels="coarse").classes[19] == "d19"
    assert cifar100(tmp_path, labels="fine").classes[99] == "99"


@pytest.mark.parametrize("content, message", [(b"cat dog", "got 2 names, expected 10"), (b"\xff\xfe", "is not a text file")])
def test_a_malformed_file_of_names_is_refused(tmp_path, content, message):
    write10(tmp_path)
    (tmp_path / "batches.meta.txt").write_bytes(content)
    with pytest.raises(InvalidArgumentError, match=f"batches.meta.txt: {message}"):
        cifar10(tmp_path)


@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: data + b"\0", lambda data: b""])
@pytest.mark.parametrize(
    "write, read, name, size", [(write10, cifar10, BATCHES[2], 3073), (write100, cifar100, "train.bin", 3074)]
)
def test_a_file_of_no_whole_records_is_refused(tmp_path, change, write, read, name, size):
    write(tmp_path)
    (tmp_path / name).write_bytes(change((tmp_path / name).read_bytes()))
    with pytest.raises(InvalidArgumentError, match=rf"{name}: got \d+ bytes, expected a multiple of {size}"):
        read(tmp_path)


@pytest.mark.parametrize(
    "write, read, name, column, largest",
    [
        (write10, cifar10, "test_batch.bin", 0, 9),
        (write100, cifar100, "test.bin", 0, 19),
        (write100, cifar100, "test.bin", 1, 99),
    ],
)
def test_a_label_out_of_range_is_refused(tmp_path, write, read, name, column, largest):
    write(tmp_path)
    data = bytearray((tmp_path / name).read_bytes())
    data[len(data) // 2 + column] = largest + 1
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InvalidArgumentError, match=rf"{name}: got label {largest + 1} \(record 1\), expected 0 to {largest}"):
        read(tmp_path, "test")


def test_missing_batches_are_named(tmp_path):
    write10(tmp_path)
    (tmp_path / BATCHES[1]).unlink()
    (tmp_path / BATCHES[3]).unlink()
    with pytest.raises(InvalidArgumentError, match=r"has no data_batch_2.bin, data_batch_4.bin, of the binary version"):
        cifar10(tmp_path)


@pytest.mark.parametrize(
    "read, name",
    [(cifar10, "data_batch_1"), (cifar10, "cifar-10-batches-py/"), (cifar100, "train"), (cifar100, "cifar-100-python/")],
)
def test_the_pickled_version_is_refused_by_name(tmp_path, read, name):
    (tmp_path / name).mkdir() if name.endswith("/") else (tmp_path / name).write_bytes(b"\x80\x02}")
    with pytest.raises(
        InvalidArgumentError, match=rf"has no .*\.bin; {name.rstrip('/')} is the pickled version, which is not read"
    ):
        read(tmp_path)


def test_unknown_splits_and_labels_are_refused(tmp_path):
    write100(tmp_path)
    with pytest.raises(InvalidArgumentError, match="split: got 'valid', expected one of train, test"):
        cifar10(tmp_path, "valid")
    with pytest.raises(InvalidArgumentError, match="labels: got 'x', expected one of coarse, fine"):
        cifar100(tmp_path, labels="x")
    with pytest.raises(InvalidArgumentError, match="is not a folder"):
        cifar10(tmp_path / "train.bin")
