"""CIFAR-10: what its files hold, and what becomes of damaged files, attacks and broken downloads.

The tests write the files themselves, with random images. Most of them make a batch of 20 images;
the format's own 10,000 have a test of their own. The server of the downloads is on 127.0.0.1.
"""

import errno
import hashlib
import io
import itertools
import json
import os
import pickle
import shutil
import subprocess
import sys
import tarfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from cs231n_utils import data
from cs231n_utils.datasets import download_cifar10, load_cifar10

ROOT = Path(__file__).parent.parent
ROWS = 20  # of a small batch
SMALL = {"num_train": 90, "num_val": 10, "num_test": 20}
SPLITS = ["X_train", "y_train", "X_val", "y_val", "X_test", "y_test"]
FOUND_DATA = data._find_cifar10(data._cifar10_folder(None))


# The two layouts, written.


def random_batches(rows):
    """For each batch, images (rows, 32, 32, 3) of bytes and labels (rows,)."""
    rng = np.random.default_rng(0)
    return {
        name: (rng.integers(0, 256, (rows, 32, 32, 3), np.uint8), rng.integers(0, 10, rows))
        for name in data.BATCHES
    }


def planes(images):
    """Rows of pixels (N, 3072) as the files have them: all red, then all green, then all blue."""
    return images.transpose(0, 3, 1, 2).reshape(len(images), -1)


def write_binary(folder, batches):
    folder.mkdir(parents=True)
    for name, (images, labels) in batches.items():
        rows = np.column_stack([labels.astype(np.uint8), planes(images)])
        (folder / f"{name}.bin").write_bytes(rows.tobytes())
    names = "\n".join(data.CIFAR10_CLASSES)
    (folder / "batches.meta.txt").write_text(f"{names}\n\n", encoding="ascii")


def python2_pickle(value):
    """A pickle in the dialect of Python 2's cPickle, in which the official files are written."""
    numbers = itertools.count(1)

    def put():
        number = next(numbers)
        return b"q" + bytes([number]) if number < 256 else b"r" + number.to_bytes(4, "little")

    def write(value):
        match value:
            case None:
                return b"N"
            case bool():
                return b"\x88" if value else b"\x89"
            case int() if 0 <= value < 256:
                return b"K" + bytes([value])
            case int() if 0 <= value < 65536:
                return b"M" + value.to_bytes(2, "little")
            case int() if -(2**31) <= value < 2**31:
                return b"J" + value.to_bytes(4, "little", signed=True)
            case int():
                return b"\x8a\x09" + value.to_bytes(9, "little", signed=True)
            case bytes() if len(value) < 256:
                return b"U" + bytes([len(value)]) + value + put()
            case bytes():
                return b"T" + len(value).to_bytes(4, "little") + value + put()
            case tuple() if len(value) <= 3:
                return b"".join(map(write, value)) + [b")", b"\x85", b"\x86", b"\x87"][len(value)]
            case tuple():
                return b"(" + b"".join(map(write, value)) + b"t" + put()
            case list():
                parts = [value[i : i + 1000] for i in range(0, len(value), 1000)]
                items = b"".join(b"(" + b"".join(map(write, part)) + b"e" for part in parts)
                return b"]" + put() + items
            case dict():
                items = b"".join(write(key) + write(item) for key, item in value.items())
                return b"}" + put() + b"(" + items + b"u"
            case Array(shape, kind, content):
                dtype = b"cnumpy\ndtype\n" + write((kind, 0, 1)) + b"R"
                dtype += write((3, b"|", None, None, None, -1, -1, 0)) + b"b"
                array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n"
                array += write((0,)) + write(b"b") + b"\x87R"
                return array + b"(K\x01" + write(shape) + dtype + b"\x89" + write(content) + b"tb"
        raise TypeError(type(value))

    return b"\x80\x02" + write(value) + b"."


class Array:
    """An array in a pickle: its shape, the name of its type, and its bytes."""

    __match_args__ = ("shape", "kind", "content")

    def __init__(self, shape, kind, content):
        self.shape, self.kind, self.content = shape, kind, content


def python_batch(images, labels):
    """What a pickled batch holds."""
    return {
        b"batch_label": b"a batch",
        b"labels": labels.tolist(),
        b"data": Array((len(images), 3072), b"u1", planes(images).tobytes()),
        b"filenames": [b"%d.png" % n for n in range(len(images))],
    }


def write_python(folder, batches):
    folder.mkdir(parents=True)
    for name, (images, labels) in batches.items():
        (folder / name).write_bytes(python2_pickle(python_batch(images, labels)))
    names = [name.encode("ascii") for name in data.CIFAR10_CLASSES]
    meta = {b"num_cases_per_batch": 10_000, b"label_names": names, b"num_vis": 3072}
    (folder / "batches.meta").write_bytes(python2_pickle(meta))


@pytest.fixture
def small(monkeypatch):
    """Batches of 20 images, and no data set of the machine's."""
    monkeypatch.setattr(data, "BATCH_ROWS", ROWS)
    monkeypatch.delenv("CS231N_DATA", raising=False)
    return random_batches(ROWS)


@pytest.fixture
def binary(small, tmp_path):
    """A folder with a small data set in the binary layout."""
    write_binary(tmp_path / "cifar-10-batches-bin", small)
    return tmp_path


@pytest.fixture
def python(small, tmp_path):
    """A folder with a small data set in the python layout."""
    write_python(tmp_path / "cifar-10-batches-py", small)
    return tmp_path


# What is loaded.


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("layout", ["binary", "python"])
def test_images_are_upright_and_split_in_file_order(request, small, layout, dtype):
    loaded = load_cifar10(**SMALL, dtype=dtype, folder=request.getfixturevalue(layout))
    images = np.concatenate([small[name][0] for name in data.BATCHES[:-1]])
    labels = np.concatenate([small[name][1] for name in data.BATCHES[:-1]])
    for X, y, (expected_images, expected_labels) in [
        (loaded.X_train, loaded.y_train, (images[:90], labels[:90])),
        (loaded.X_val, loaded.y_val, (images[90:], labels[90:])),
        (loaded.X_test, loaded.y_test, small["test_batch"]),
    ]:
        assert X.dtype == dtype
        assert y.dtype == np.int64
        upright = X.reshape(-1, *loaded.image_shape)
        assert np.array_equal(upright, expected_images.astype(dtype) / dtype(255))
        assert np.array_equal(y, expected_labels)
    assert loaded.class_names == data.CIFAR10_CLASSES


def test_a_single_pixel_lands_where_it_was(small, tmp_path):
    images, _ = small["data_batch_1"]
    images[0] = 0
    images[0, 2, 30] = [255, 51, 0]  # third row from the top, at the right, orange
    write_binary(tmp_path / "cifar-10-batches-bin", small)
    image = load_cifar10(1, 1, 1, folder=tmp_path).X_train[0].reshape(32, 32, 3)
    assert np.argwhere(image).tolist() == [[2, 30, 0], [2, 30, 1]]
    assert image[2, 30] == pytest.approx([1, 0.2, 0])


def test_both_layouts_give_the_same_bits(binary, small):
    write_python(binary / "cifar-10-batches-py", small)
    first = load_cifar10(**SMALL, folder=binary / "cifar-10-batches-bin")
    second = load_cifar10(**SMALL, folder=binary / "cifar-10-batches-py")
    for split in SPLITS:
        assert getattr(first, split).tobytes() == getattr(second, split).tobytes()


def test_the_official_size(tmp_path):
    """10,000 images a batch: the numbers by default, and both layouts."""
    images, labels = random_batches(10_000)["data_batch_1"]
    for write, suffix in [(write_binary, ".bin"), (write_python, "")]:
        folder = tmp_path / write.__name__
        write(folder, {"data_batch_1": (images, labels)})
        for name in data.BATCHES[1:]:
            os.link(folder / f"data_batch_1{suffix}", folder / f"{name}{suffix}")

    assert (tmp_path / "write_binary" / "test_batch.bin").stat().st_size == 30_730_000
    loaded = load_cifar10(folder=tmp_path / "write_binary")
    assert [len(getattr(loaded, split)) for split in SPLITS[::2]] == [49_000, 1_000, 10_000]
    assert loaded.X_train.dtype == np.float32
    assert np.array_equal(loaded.y_val, labels[9_000:])
    pickled = load_cifar10(1, 1, 10_000, folder=tmp_path / "write_python")
    assert np.array_equal(pickled.X_test, loaded.X_test)
    assert np.array_equal(pickled.y_test, labels)
    assert make_data(tmp_path / "write_binary") == (
        0,
        f"CIFAR-10 is in {tmp_path / 'write_binary'}\n",
        "",
    )


@pytest.mark.skipif(
    FOUND_DATA is None, reason="CIFAR-10 is not on this machine: `make data` downloads it"
)
def test_the_real_files_have_as_many_images_of_each_class():
    loaded = load_cifar10()
    training = np.concatenate([loaded.y_train, loaded.y_val])
    assert np.bincount(training).tolist() == [5_000] * 10
    assert np.bincount(loaded.y_test).tolist() == [1_000] * 10
    assert 0.4 < loaded.X_train.mean(dtype=np.float64) < 0.55


def test_files_that_hold_no_wanted_row_are_not_read(binary):
    for k in (3, 4, 5):
        (binary / "cifar-10-batches-bin" / f"data_batch_{k}.bin").unlink()
    assert len(load_cifar10(30, 10, 1, folder=binary).X_val) == 10
    with pytest.raises(FileNotFoundError, match=r"data_batch_3\.bin is missing"):
        load_cifar10(30, 11, 1, folder=binary)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_train": 0}, "num_train must be at least 1, not 0"),
        ({"num_val": -1}, "num_val must be at least 1, not -1"),
        ({"num_test": 0}, "num_test must be at least 1, not 0"),
        (
            {"num_train": 49_001},
            r"num_train \+ num_val must be at most 50,000, not 49,001 \+ 1,000 = 50,001",
        ),
        ({"num_test": 10_001}, "num_test must be at most 10,000, not 10,001"),
        ({"dtype": np.float16}, "dtype must be float32 or float64, not float16"),
        ({"dtype": int}, "dtype must be float32 or float64, not int64"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        load_cifar10(**options)


# Where the data are looked for.


def test_the_variable_names_the_folder(binary, monkeypatch, tmp_path):
    monkeypatch.setattr(data, "DATA_DIR", tmp_path / "nowhere")
    monkeypatch.setenv("CS231N_DATA", str(binary))
    assert len(load_cifar10(**SMALL).X_train) == 90
    assert download_cifar10() == binary / "cifar-10-batches-bin"
    with pytest.raises(FileNotFoundError, match=r"CIFAR-10 is not in .*other"):
        load_cifar10(**SMALL, folder=tmp_path / "other")  # the argument counts more


def test_without_the_variable_data_is_the_folder(binary, monkeypatch):
    monkeypatch.setattr(data, "DATA_DIR", binary)
    assert len(load_cifar10(**SMALL).X_train) == 90


def test_an_empty_folder_does_not_hide_the_other_layout(python):
    (python / "cifar-10-batches-bin").mkdir()
    assert len(load_cifar10(**SMALL, folder=python).X_train) == 90


def test_missing_data_are_three_lines(small, tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        load_cifar10(**SMALL, folder=tmp_path)
    where, download, variable = str(error.value).splitlines()
    assert where == f"CIFAR-10 is not in {tmp_path}."
    assert "`make data`" in download
    assert "download_cifar10()" in download
    assert "CS231N_DATA" in variable


# Damaged files.


def replace_by_folder(path):
    path.unlink()
    path.mkdir()


def set_byte(path, position, value):
    content = bytearray(path.read_bytes())
    content[position] = value
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("name", "damage", "error", "message"),
    [
        ("data_batch_2.bin", Path.unlink, FileNotFoundError, "is missing, but CIFAR-10 needs it"),
        ("test_batch.bin", Path.unlink, FileNotFoundError, "is missing, but CIFAR-10 needs it"),
        ("data_batch_2.bin", replace_by_folder, FileNotFoundError, "is no file, but CIFAR-10"),
        (
            "data_batch_2.bin",
            lambda path: path.write_bytes(b""),
            ValueError,
            "is damaged: it holds 0 bytes, but 61,460 was expected",
        ),
        (
            "data_batch_2.bin",
            lambda path: path.write_bytes(path.read_bytes()[:-1]),
            ValueError,
            "it holds 61,459 bytes, but 61,460 was expected",
        ),
        (
            "data_batch_2.bin",
            lambda path: path.write_bytes(path.read_bytes() + b"\0"),
            ValueError,
            "it holds 61,461 bytes, but 61,460 was expected",
        ),
        (
            "data_batch_2.bin",
            lambda path: set_byte(path, 7 * 3073, 10),
            ValueError,
            "it holds the label 10 in row 7, but 0 to 9 was expected",
        ),
        (
            "batches.meta.txt",
            lambda path: path.write_text("dog\ncat\n"),
            ValueError,
            r"it holds the classes \['dog', 'cat'\], but \['airplane', 'automobile', .* was",
        ),
        (
            "batches.meta.txt",
            lambda path: path.write_bytes(bytes(1_001)),
            ValueError,
            "it holds 1,001 bytes, but 1 to 1,000 was expected",
        ),
        ("batches.meta.txt", replace_by_folder, FileNotFoundError, "is no file"),
    ],
)
def test_a_damaged_binary_file_is_named(binary, name, damage, error, message):
    path = binary / "cifar-10-batches-bin" / name
    damage(path)
    with pytest.raises(error, match=message) as caught:
        load_cifar10(**SMALL, folder=binary)
    text = str(caught.value)
    assert text.startswith(f"{path} is ")
    assert text.endswith(
        f"Delete the folder {path.parent} and run `make data` or download_cifar10(), "
        "or copy the folder again from where you have it"
    )


@pytest.mark.parametrize("layout", ["binary", "python"])
def test_class_names_may_be_missing(request, layout):
    folder = request.getfixturevalue(layout)
    next(folder.glob("*/batches.meta*")).unlink()
    assert load_cifar10(**SMALL, folder=folder).class_names == data.CIFAR10_CLASSES


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({b"data": None}, "it holds no array as 'data', but one was expected"),
        ({b"data": [b"x"]}, "it holds no array as 'data'"),
        (
            {b"data": Array((ROWS, 3071), b"u1", bytes(ROWS * 3071))},
            r"an array of shape \(20, 3071\) and type b'u1', but one of shape \(20, 3072\) and",
        ),
        ({b"data": Array((2**62, 3072), b"u1", b"")}, r"an array of shape \(4611686018427387904, "),
        (
            {b"data": Array((ROWS, 3072), b"i1", bytes(ROWS * 3072))},
            r"an array of shape \(20, 3072\) and type b'i1', but one of .* type 'u1' was expected",
        ),
        (
            {b"data": Array((ROWS, 3072), b"u1", bytes(ROWS * 3072 + 1))},
            "it holds 61,441 bytes of pixels, but 61,440 was expected",
        ),
        ({b"data": Array((ROWS, 3072), b"O8", [b"x"] * ROWS)}, "it holds no array as 'data'"),
        ({b"labels": None}, "it holds no list of integers as 'labels', but one was expected"),
        ({b"labels": [b"3"] * ROWS}, "it holds no list of integers as 'labels'"),
        ({b"labels": [True] * ROWS}, "it holds no list of integers as 'labels'"),
        ({b"labels": [3] * (ROWS - 1)}, "it holds 19 labels, but 20 was expected"),
        ({b"labels": [3] * 6 + [10] * 14}, "it holds the label 10 in row 6, but 0 to 9"),
        ({b"labels": [-1] * ROWS}, "it holds the label -1 in row 0, but 0 to 9"),
        ({b"labels": [2**64] * ROWS}, "it holds the label 18446744073709551616 in row 0"),
    ],
)
def test_a_python_batch_with_other_content_is_named(python, small, change, message):
    path = python / "cifar-10-batches-py" / "data_batch_2"
    batch = python_batch(*small["data_batch_2"]) | change
    content = python2_pickle({key: value for key, value in batch.items() if value is not None})
    path.write_bytes(content.ljust(ROWS * 3072, b"\0"))  # what stands after the end is not read
    with pytest.raises(ValueError, match=message) as caught:
        load_cifar10(**SMALL, folder=python)
    assert str(caught.value).startswith(f"{path} is damaged: ")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it holds 0 bytes, but 61,440 to 63,440 was expected"),
        (bytes(70_000), "it holds 70,000 bytes, but 61,440 to 63,440"),
        (b"<html>", "it holds no such pickle"),
        (b"\x80\x02" + b"}" * 61_440, r"it holds no such pickle \("),
        (python2_pickle([1, 2]), "it holds a pickled list, but a pickled dictionary"),
    ],
)
def test_a_file_that_is_no_python_batch_is_named(python, content, message):
    path = python / "cifar-10-batches-py" / "data_batch_2"
    path.write_bytes(content.ljust(ROWS * 3072, b"\0") if 0 < len(content) < 61_440 else content)
    with pytest.raises(ValueError, match=message):
        load_cifar10(**SMALL, folder=python)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (python2_pickle({b"label_names": [b"dog", b"cat"]}), r"it holds the classes \['dog', "),
        (python2_pickle({b"label_names": [1, 2]}), "it holds no list of strings as 'label_names'"),
        (python2_pickle({}), "it holds no list of strings as 'label_names'"),
    ],
)
def test_other_pickled_class_names_are_refused(python, content, message):
    (python / "cifar-10-batches-py" / "batches.meta").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        load_cifar10(**SMALL, folder=python)


# Attacks.


class Call:
    """Pickles as a call: the function runs when the pickle is loaded."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __call__(self):
        """A Call may stand for a function."""

    def __reduce__(self):
        return self.function, self.arguments


ATTACKS = {
    "mkdir": lambda canary: Call(os.mkdir, canary),
    "system": lambda canary: Call(os.system, f'mkdir "{canary}"'),
    "eval": lambda canary: Call(eval, f"__import__('os').mkdir({canary!r})"),
    "getattr": lambda canary: Call(Call(getattr, Call(__import__, "os"), "mkdir"), canary),
    "in an object array": lambda canary: np.array([Call(os.mkdir, canary)], dtype=object),
    "as a value": lambda canary: {b"data": Call(os.mkdir, canary), b"labels": []},
}


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_of_a_malicious_pickle_runs(python, attack, protocol):
    canary = python / "canary"
    program = pickle.dumps(ATTACKS[attack](str(canary)), protocol)
    pickle.loads(program)
    assert canary.is_dir(), "the attack does nothing: it would prove nothing"
    canary.rmdir()

    program = program.replace(b"cnumpy._core", b"cnumpy.core")  # as in the official files
    batch = python / "cifar-10-batches-py" / "data_batch_1"
    batch.write_bytes(program.ljust(ROWS * 3072, b"\0"))
    with pytest.raises(ValueError, match=r"it holds no such pickle \(.*name"):
        load_cifar10(**SMALL, folder=python)
    assert not canary.exists()


@pytest.mark.parametrize(
    "program",
    [
        b"\x80\x02T\xff\xff\xff\x7f.",  # a string of 2 GB
        b"\x80\x04\x8e" + (2**40).to_bytes(8, "little") + b".",  # bytes, 1 TB of them
        b"\x80\x05\x96" + (2**40).to_bytes(8, "little") + b".",  # a bytearray
        b"\x80\x02cnumpy\nndarray\n\x8a\x06\0\0\0\0\0\x01\x85R.",  # an array with 2**40 entries
    ],
)
def test_a_pickle_that_asks_for_huge_memory_is_refused(python, program):
    batch = python / "cifar-10-batches-py" / "data_batch_1"
    batch.write_bytes(program.ljust(ROWS * 3072, b"\0"))
    with pytest.raises(ValueError, match="is damaged: it holds"):
        load_cifar10(**SMALL, folder=python)


def entry(name, size=0, kind=tarfile.REGTYPE, target=""):
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = size, kind, target
    return info


def write_archive(path, entries):
    """A .tar.gz of (TarInfo, bytes) pairs."""
    with tarfile.open(path, "w:gz") as tar:
        for info, content in entries:
            tar.addfile(info, io.BytesIO(content))
    return path


def honest_entries(batches):
    """The entries of an archive as the official one has them."""
    rng = np.random.default_rng(1)
    contents = {"batches.meta.txt": "\n".join(data.CIFAR10_CLASSES).encode() + b"\n\n"}
    contents |= {"readme.html": rng.bytes(88)}
    for name, (images, labels) in batches.items():
        rows = np.column_stack([labels.astype(np.uint8), planes(images)])
        contents[f"{name}.bin"] = rows.tobytes()
    yield entry("cifar-10-batches-bin", kind=tarfile.DIRTYPE), b""
    for name, content in contents.items():
        yield entry(f"cifar-10-batches-bin/{name}", len(content)), content


SIZE = ROWS * 3073
IN_PLACE = "cifar-10-batches-bin/data_batch_1.bin"
HOSTILE = {
    "absolute path": lambda outside: entry(str(outside), 5),
    "parent folder": lambda outside: entry("cifar-10-batches-bin/../../escaped", 5),
    "parent of the folder": lambda outside: entry("../escaped", 5),
    "symbolic link": lambda outside: entry(IN_PLACE, 0, tarfile.SYMTYPE, str(outside)),
    "hard link": lambda outside: entry(IN_PLACE, 0, tarfile.LNKTYPE, str(outside)),
    "link for the folder": lambda outside: entry(
        "cifar-10-batches-bin", 0, tarfile.SYMTYPE, str(outside.parent)
    ),
    "device": lambda outside: entry(IN_PLACE, 0, tarfile.CHRTYPE),
    "pipe": lambda outside: entry(IN_PLACE, 0, tarfile.FIFOTYPE),
    "folder for a file": lambda outside: entry(IN_PLACE, 0, tarfile.DIRTYPE),
    "another folder": lambda outside: entry("escaped", 0, tarfile.DIRTYPE),
    "unknown name": lambda outside: entry("cifar-10-batches-bin/run.py", 5),
    "too large": lambda outside: entry(IN_PLACE, SIZE + 1),
    "too small": lambda outside: entry(IN_PLACE, SIZE - 1),
    "link for a text": lambda outside: entry(
        "cifar-10-batches-bin/readme.html", 0, tarfile.SYMTYPE, str(outside)
    ),
    "large text": lambda outside: entry("cifar-10-batches-bin/readme.html", 1_001),
}


@pytest.mark.parametrize("first", [True, False], ids=["first", "last"])
@pytest.mark.parametrize("fault", HOSTILE)
def test_a_hostile_archive_is_refused_whole(small, tmp_path, fault, first):
    outside = tmp_path / "outside" / "escaped"
    outside.parent.mkdir()
    info = HOSTILE[fault](outside)
    hostile = [(info, bytes(info.size))]
    honest = [pair for pair in honest_entries(small) if pair[0].name != info.name]
    archive = write_archive(
        tmp_path / "archive.tar.gz", hostile + honest if first else honest + hostile
    )
    with pytest.raises(ValueError, match=r"is not the official archive: it holds '.*unpacked$"):
        data._unpack(archive, tmp_path / "inside" / "batches")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["archive.tar.gz", "outside"]


def test_an_archive_with_a_repeated_or_a_missing_batch_is_refused(small, tmp_path):
    entries = list(honest_entries(small))
    twice = write_archive(tmp_path / "twice.tar.gz", [*entries, entries[-1]])
    with pytest.raises(ValueError, match=r"it holds 'cifar-10-batches-bin/test_batch\.bin' with"):
        data._unpack(twice, tmp_path / "batches")
    without = write_archive(tmp_path / "without.tar.gz", entries[:-1])
    with pytest.raises(ValueError, match=r"it lacks cifar-10-batches-bin/test_batch\.bin\. "):
        data._unpack(without, tmp_path / "batches")
    assert not (tmp_path / "batches").exists()


# Downloads.


class Site(ThreadingHTTPServer):
    """Serves one file, whatever the path. Each request is answered by the next of `answers`.

    When none is left, the file is sent as it should be.
    """

    daemon_threads = True

    def __init__(self, content):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = content
        self.answers = []
        self.requests = []  # the Range header of each
        self.sent = 0  # bytes of the file, in all
        self.go_on = threading.Event()  # for the answers that wait

    def handle_error(self, request, client_address):
        """Say nothing: clients that go away are part of the tests."""


class Handler(BaseHTTPRequestHandler):
    """Answers a request with a function from below."""

    def do_GET(self):
        """Answer with the next function."""
        self.server.requests.append(self.headers["Range"])
        answer = self.server.answers.pop(0) if self.server.answers else good
        answer(self, self.server.content)

    def send(self, content, stop=None, status=200):
        """Announce the whole content, and send it up to `stop`."""
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.server.sent += self.wfile.write(content[:stop])

    def log_message(self, *arguments):
        """Print nothing."""


def good(handler, content):
    if handler.headers["Range"]:
        start = int(handler.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        handler.send(content[start:], status=206)
    else:
        handler.send(content)


def without_range(handler, content):
    handler.send(content)


def cut(handler, content):
    handler.send(content, stop=150_000)


def slow(handler, content):
    handler.send(content, stop=150_000)
    handler.server.go_on.wait(20)
    handler.wfile.write(content[150_000:])


def cut_without_length(handler, content):
    handler.send_response(200)
    handler.end_headers()
    handler.server.sent += handler.wfile.write(content[:150_000])


def silent(handler, content):
    handler.server.go_on.wait(20)
    handler.send(content)


def other(handler, content):
    handler.send(bytes(len(content)))


def short(handler, content):
    handler.send(b"<html>Sign in to this network")


def endless(handler, content):
    handler.send_response(200)
    handler.end_headers()
    for _ in range(500):
        handler.server.sent += handler.wfile.write(content)


def busy(handler, content):
    handler.send_error(503)


def absent(handler, content):
    handler.send_error(404)


@pytest.fixture
def site(small, tmp_path, monkeypatch):
    """A server with a small archive, in place of both official addresses."""
    archive = write_archive(tmp_path / "archive.tar.gz", honest_entries(small))
    content = archive.read_bytes()
    with Site(content) as site:
        thread = threading.Thread(target=site.serve_forever, args=(0.01,))
        thread.start()
        host = f"http://127.0.0.1:{site.server_port}"
        site.settings = {
            "BATCH_ROWS": ROWS,
            "CIFAR10_URLS": (f"{host}/first", f"{host}/second"),
            "CIFAR10_BYTES": len(content),
            "CIFAR10_SHA256": hashlib.sha256(content).hexdigest(),
            "RETRY_WAITS": (0, 0, 0),
        }
        for name, value in site.settings.items():
            monkeypatch.setattr(data, name, value)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield site
        site.go_on.set()
        site.shutdown()
        thread.join()


@pytest.fixture
def target(tmp_path):
    """A folder that is not there yet."""
    return tmp_path / "new" / "data"


def assert_whole(target, small):
    """The data are there, and nothing else but the lock."""
    assert {path.name for path in target.iterdir()} <= {
        "cifar-10-batches-bin",
        "cifar-10-download.lock",
    }
    loaded = load_cifar10(**SMALL, folder=target)
    assert np.array_equal(loaded.y_test, small["test_batch"][1])


def assert_nothing_loads(target):
    with pytest.raises(FileNotFoundError, match="CIFAR-10 is not in"):
        load_cifar10(**SMALL, folder=target)


def start_download(site, target):
    """The same download in a process of its own."""
    program = (
        "import json, sys\n"
        "from cs231n_utils import data\n"
        "for name, value in json.loads(sys.argv[1]).items():\n"
        "    setattr(data, name, value)\n"
        "print(data.download_cifar10(sys.argv[2]))\n"
    )
    command = [sys.executable, "-u", "-c", program, json.dumps(site.settings), str(target)]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


def wait_until(condition):
    """Wait for something that another process does."""
    for _ in range(2_000):
        if condition():
            return
        time.sleep(0.01)
    raise TimeoutError("it did not happen within 20 seconds")


def test_a_download_is_unpacked_and_not_repeated(site, target, small):
    assert download_cifar10(target) == target / "cifar-10-batches-bin"
    assert download_cifar10(target) == target / "cifar-10-batches-bin"
    assert site.requests == [None]
    assert_whole(target, small)


def test_a_passing_fault_is_retried(site, target, small):
    site.answers = [busy, busy, good]
    download_cifar10(target)
    assert len(site.requests) == 3
    assert_whole(target, small)


def test_a_silent_server_is_retried(site, target, small, monkeypatch):
    monkeypatch.setattr(data, "TIMEOUT", (5, 0.2))
    site.answers = [silent, good]
    download_cifar10(target)
    assert len(site.requests) == 2
    assert_whole(target, small)


@pytest.mark.parametrize("fault", [cut, cut_without_length])
def test_a_cut_download_goes_on_where_it_stopped(site, target, small, fault):
    site.answers = [fault, good]
    download_cifar10(target)
    assert site.requests == [None, "bytes=150000-"]
    assert site.sent == len(site.content), "no byte is sent twice"
    assert_whole(target, small)


def test_a_server_without_ranges_sends_all_again(site, target, small):
    site.answers = [cut, without_range]
    download_cifar10(target)
    assert site.requests == [None, "bytes=150000-"]
    assert_whole(target, small)


@pytest.mark.parametrize("fault", [absent, other, short, endless])
def test_a_lasting_fault_leads_to_the_second_address_at_once(site, target, small, fault):
    site.answers = [fault, good]
    download_cifar10(target)
    assert site.requests == [None, None], "nothing of another file is kept"
    assert site.sent < 100 * len(site.content), "it listened to the end"
    assert_whole(target, small)


def test_a_damaged_part_is_dropped(site, target, small):
    part = target / "cifar-10-download" / "cifar-10-binary.tar.gz.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(bytes(1_000))
    download_cifar10(target)
    assert site.requests == ["bytes=1000-", None]
    assert_whole(target, small)


@pytest.mark.parametrize(
    ("answers", "reasons"),
    [
        ([other, other], ["the file there is not the official archive"] * 2),
        ([short, absent], ["the file there is not the official archive", "status 404"]),
        ([busy] * 8, ["status 503"] * 2),
    ],
)
def test_when_no_address_helps_the_reasons_are_told(site, target, answers, reasons):
    site.answers = list(answers)
    with pytest.raises(ConnectionError) as error:
        download_cifar10(target)
    assert len(site.requests) == len(answers)
    first, second = site.settings["CIFAR10_URLS"]
    assert str(error.value).splitlines() == [
        "CIFAR-10 could not be downloaded:",
        f"  {first}: {reasons[0]}",
        f"  {second}: {reasons[1]}",
        "Check the network and run this again: it goes on where it stopped. If you have the files "
        "of CIFAR-10, name their folder in the variable CS231N_DATA.",
    ]
    assert {path.name for path in target.iterdir()} <= {"cifar-10-download.lock"}
    assert_nothing_loads(target)


def test_without_a_network_nothing_is_left(site, target, monkeypatch):
    monkeypatch.setattr(data, "CIFAR10_URLS", ("http://127.0.0.1:1/nobody-listens",))
    with pytest.raises(ConnectionError, match="nobody-listens: ConnectionError"):
        download_cifar10(target)
    assert_nothing_loads(target)


def test_a_killed_download_leaves_nothing_that_loads_and_is_continued(site, target, small):
    site.answers = [slow, good]
    part = target / "cifar-10-download" / "cifar-10-binary.tar.gz.part"
    with start_download(site, target) as process:
        wait_until(lambda: part.exists() and part.stat().st_size > 0)
        process.kill()
    got = part.stat().st_size
    assert_nothing_loads(target)
    download_cifar10(target)
    assert site.requests == [None, f"bytes={got}-"]
    assert_whole(target, small)


def test_stopping_while_it_unpacks_leaves_nothing_that_loads(site, target, small, monkeypatch):
    copies = []

    def interrupted(source, copy):
        if len(copies) == 3:
            raise KeyboardInterrupt
        copies.append(copy.write(source.read()))

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfileobj", interrupted)
        with pytest.raises(KeyboardInterrupt):
            download_cifar10(target)
    assert list(target.rglob("*.bin")), "it was interrupted before it wrote a batch"
    assert_nothing_loads(target)
    download_cifar10(target)
    assert len(site.requests) == 1, "the archive was there already"
    assert_whole(target, small)


def test_two_processes_share_one_download(site, target, small):
    site.answers = [slow]
    with start_download(site, target) as first:
        wait_until(lambda: site.requests)
        with start_download(site, target) as second:
            assert second.stdout.readline() == (
                f"Another process is downloading CIFAR-10 into {target}: waiting for it.\n"
            )
            site.go_on.set()
            assert second.stdout.read() == f"{target / 'cifar-10-batches-bin'}\n"
        assert first.stdout.read() == f"{target / 'cifar-10-batches-bin'}\n"
    assert site.requests == [None]
    assert_whole(target, small)


def storage_error(number):
    return OSError(number, os.strerror(number))


def test_a_read_only_folder_is_one_message(site, target, monkeypatch):
    def refuse(*arguments, **options):
        raise storage_error(errno.EROFS)

    target.mkdir(parents=True)
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        with pytest.raises(OSError, match=r"could not be stored in .* \(Read-only") as error:
            download_cifar10(target)
    assert error.value.errno == errno.EROFS
    assert "name another folder in the variable CS231N_DATA" in str(error.value)
    assert list(target.iterdir()) == []


class FullDisk(io.FileIO):
    """A file on a disk that has little room."""

    room = 0  # in bytes

    def write(self, block):
        """Write the block, if there is room for it."""
        if self.tell() + len(block) > self.room:
            raise storage_error(errno.ENOSPC)
        return super().write(block)


@pytest.mark.parametrize(
    ("suffix", "room", "requests"),
    [(".part", 100_000, [None, "bytes=65536-"]), (".bin", 50_000, [None])],
)
def test_a_full_disk_is_one_message_and_the_download_goes_on(
    site, target, small, monkeypatch, suffix, room, requests
):
    def open_file(path, mode="r", **options):
        full = path.suffix == suffix and mode in ("ab", "wb")
        return FullDisk(path, mode) if full else open(path, mode, **options)

    monkeypatch.setattr(FullDisk, "room", room)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", open_file)
        with pytest.raises(OSError, match=r"could not be stored in .* \(No space left") as error:
            download_cifar10(target)
    assert error.value.errno == errno.ENOSPC
    assert "it needs 360 MB there" in str(error.value)
    assert_nothing_loads(target)
    download_cifar10(target)
    assert site.requests == requests
    assert_whole(target, small)


@pytest.mark.parametrize("fault", ["symbolic link", "parent folder"])
def test_a_hostile_archive_with_the_right_hash_writes_nothing(
    site, target, small, tmp_path, monkeypatch, fault
):
    info = HOSTILE[fault](tmp_path / "escaped")
    hostile = [*honest_entries(small), (info, bytes(info.size))]
    site.content = write_archive(tmp_path / "hostile.tar.gz", hostile).read_bytes()
    monkeypatch.setattr(data, "CIFAR10_BYTES", len(site.content))
    monkeypatch.setattr(data, "CIFAR10_SHA256", hashlib.sha256(site.content).hexdigest())
    with pytest.raises(ValueError, match="is not the official archive"):
        download_cifar10(target)
    assert not list(tmp_path.rglob("escaped"))
    assert not list(tmp_path.rglob("*.bin"))
    assert_nothing_loads(target)


def test_damaged_data_are_not_taken_for_the_data_set(site, target, small):
    write_binary(target / "cifar-10-batches-bin", small)
    (target / "cifar-10-batches-bin" / "data_batch_4.bin").unlink()
    with pytest.raises(FileNotFoundError, match=r"data_batch_4\.bin is missing"):
        download_cifar10(target)
    assert site.requests == []


# `make data`.


def make_data(folder):
    """What `make data` does: its exit status, output and errors."""
    result = subprocess.run(
        [sys.executable, "-m", "cs231n_utils.datasets"],
        cwd=ROOT,
        env=os.environ | {"CS231N_DATA": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    return result.returncode, result.stdout, result.stderr


def test_make_data_prints_an_error_as_a_sentence(tmp_path):
    (tmp_path / "test_batch.bin").write_bytes(b"")
    status, output, errors = make_data(tmp_path)
    assert status == 1
    assert output == ""
    assert errors.startswith(f"{tmp_path / 'data_batch_1.bin'} is missing, but CIFAR-10 needs it. ")
