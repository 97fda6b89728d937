"""The data sets: their splits, where they are looked for, damaged files, attacks and downloads.

The files of CIFAR-10 are written here, with random images: most of them with batches of 20, and
the format's own 10,000 in a test of their own. The server of the downloads is on 127.0.0.1.
"""

import contextlib
import errno
import functools
import hashlib
import io
import os
import pickle
import re
import resource
import signal
import subprocess
import sys
import tarfile
import threading
import tracemalloc
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from unittest import mock

import filelock
import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import assume
from hypothesis import strategies as st
from strategies import SEEDS, bits, close, for_all

from cs231n_utils import datasets
from cs231n_utils.datasets import BATCHES, download_cifar10, load_cifar10, load_digits, make_spirals

ROOT = Path(__file__).parent.parent
DIGITS = (datasets.PACKAGE / "digits.csv.gz").read_bytes()
FOLDER, PYTHON = "cifar-10-batches-bin", "cifar-10-batches-py"
ROWS = 20  # of a small batch
SMALL = {"num_train": 90, "num_val": 10, "num_test": 20}


def in_splits(data):
    """The three (X, y) pairs of a data set."""
    return [(data.X_train, data.y_train), (data.X_val, data.y_val), (data.X_test, data.y_test)]


def test_digits_are_the_1797_of_uci_upright(tmp_path):
    data, other = load_digits(), load_digits()
    table = np.loadtxt(datasets.PACKAGE / "digits.csv.gz", delimiter=",")
    rows = np.concatenate([np.column_stack([16 * X, y]) for X, y in in_splits(data)])
    assert sorted(rows.tolist()) == sorted(table.tolist())
    assert [len(X) for X, _ in in_splits(data)] == [1204, 297, 296]
    assert (data.image_shape, data.class_names) == ((8, 8), tuple("0123456789"))
    zero = data.X_train[data.y_train == 0].mean(axis=0).reshape(data.image_shape)
    assert zero[3:5, 3:5].max() < 0.3 < zero[3:5, 2].min(), "a zero is an open ring"
    seven = data.X_train[data.y_train == 7].mean(axis=0).reshape(data.image_shape)
    assert seven[:2].sum() > seven[-2:].sum(), "a seven has its bar at the top"
    data.X_train[:] = -1
    assert other.X_train.min() == 0, "two loads share nothing"
    with pytest.raises(FileNotFoundError, match=r"digits\.csv\.gz is missing .* Reinstall the"):
        load_digits(tmp_path / "digits.csv.gz")


@for_all(start=st.integers(0, len(DIGITS)), drop=st.integers(0, 9), new=st.binary(max_size=3))
def test_digits_with_bytes_changed_dropped_or_inserted_are_refused(start, drop, new):
    content = DIGITS[:start] + new + DIGITS[start + drop :]
    assume(content != DIGITS)
    damaged = mock.patch.object(Path, "read_bytes", return_value=content)
    with damaged, pytest.raises(ValueError, match=r"damaged: its SHA-256 .* Reinstall the package"):
        load_digits()


@for_all(
    y=hnp.arrays(np.int64, st.integers(0, 60), elements=st.integers(0, 4)),
    num_classes=st.integers(5, 7),
)
def test_of_six_examples_of_a_class_four_train_one_validates_and_one_tests(y, num_classes):
    X = np.arange(len(y), dtype=float)[:, None]  # each row names its example
    names = tuple(map(str, range(num_classes)))
    turns = np.array([np.sum(y[:n] == y[n]) % 6 for n in range(len(y))])
    chosen = [turns < 4, turns == 4, turns == 5]
    for (X_part, y_part), rows in zip(in_splits(datasets._split(X, y, names)), chosen, strict=True):
        assert np.array_equal(X_part, X[rows])
        assert np.array_equal(y_part, y[rows])


@for_all(
    num_classes=st.integers(2, 12),
    points_per_class=st.integers(6, 40),
    noise=st.just(0.0) | st.floats(0, 2 * np.pi),
    rng=SEEDS,
)
def test_spirals_are_arms_that_repeat_with_their_seed(**options):
    state = bits(np.random.get_state()[1])
    data, C = make_spirals(**options), options["num_classes"]
    assert len(data.class_names) == len(set(data.class_names)) == C
    for X, y in in_splits(data):
        radius = np.hypot(X[:, 0], X[:, 1])
        assert (np.abs(radius - 0.55) <= 0.45 + 1e-12).all()
        assert set(y) == set(range(C))
        if options["noise"] == 0:
            angle = 2 * np.pi * (radius + y / C)
            close(X, radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)]))
    alike = make_spirals(**options | {"rng": np.random.default_rng(options["rng"])})
    assert bits(*sum(in_splits(alike), ())) == bits(*sum(in_splits(data), ()))
    assert bits(make_spirals(**options | {"rng": options["rng"] + 1}).X_val) != bits(data.X_val)
    assert bits(np.random.get_state()[1]) == state
    assert repr(data) == (
        f"Dataset: train {len(data.y_train):,}, validation {len(data.y_val):,}, test "
        f"{len(data.y_test):,} examples; 2 features, {C} classes, image shape None"
    )
    for name in vars(data):
        with pytest.raises(AttributeError, match="cannot assign to field"):
            setattr(data, name, None)


def random_batches(rows):
    """For each batch, images (rows, 32, 32, 3) of bytes and labels (rows,)."""
    rng = np.random.default_rng(0)
    return {
        name: (rng.integers(0, 256, (rows, 32, 32, 3), np.uint8), rng.integers(0, 10, rows))
        for name in BATCHES
    }


def planes(images):
    """Rows of pixels (N, 3072) as the files have them: all red, then all green, then all blue."""
    return images.transpose(0, 3, 1, 2).reshape(len(images), -1)


def binary_files(batches):
    """The files of the binary layout, by name."""
    files = {"batches.meta.txt": "\n".join(datasets.CIFAR10_CLASSES).encode() + b"\n\n"}
    for name, (images, labels) in batches.items():
        rows = np.column_stack([labels.astype(np.uint8), planes(images)])
        files[f"{name}.bin"] = rows.tobytes()
    return files


def python_files(batches):
    """The files of the python layout, by name."""
    names = [b"U%c%b" % (len(name), name.encode()) for name in datasets.CIFAR10_CLASSES]
    files = {"batches.meta": b"\x80\x02}U\x0blabel_names](%bes." % b"".join(names)}
    for name, (images, labels) in batches.items():
        files[name] = pickled(labels.tolist(), planes(images).tobytes(), rows=len(images))
    return files


def pickled(labels, pixels, rows=ROWS, columns=3072, kind=b"u1"):
    """A batch as Python 2 pickled it."""
    chunks = [labels[n : n + 1000] for n in range(0, len(labels), 1000)]
    items = b"".join(b"(%be" % b"".join(b"K%c" % label for label in chunk) for chunk in chunks)
    shape = b"\x8a\x08%b\x8a\x08%b" % (rows.to_bytes(8, "little"), columns.to_bytes(8, "little"))
    parts = [
        b"\x80\x02}q\x01(U\x0bbatch_labelq\x02U\x07a batchq\x03U\x06labelsq\x04]q\x05" + items,
        b"U\x04dataq\x06cnumpy.core.multiarray\n_reconstruct\nq\x07cnumpy\nndarray\nq\x08",
        b"K\0\x85q\tU\x01bq\n\x87q\x0bRq\x0c(K\x01" + shape + b"\x86",
        b"q\rcnumpy\ndtype\nq\x0eU\x02" + kind + b"q\x0fK\0K\x01\x87q\x10Rq\x11(K\x03U\x01|",
        b"q\x12NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tq\x13b\x89T",
        len(pixels).to_bytes(4, "little") + pixels,
        b"q\x14tq\x15bU\tfilenamesq\x16]q\x17(U\x05a.pngq\x18eu.",
    ]
    return b"".join(parts)


def write(folder, files):
    """Write these files into a new folder."""
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


@pytest.fixture
def small(monkeypatch):
    """Batches of 20 images, and no data set of the machine's."""
    monkeypatch.setattr(datasets, "ROWS", ROWS)
    monkeypatch.delenv("CS231N_DATA", raising=False)
    return random_batches(ROWS)


@pytest.fixture
def stored(small, tmp_path):
    """A folder for each layout."""
    write(tmp_path / "binary" / FOLDER, binary_files(small))
    write(tmp_path / "python" / PYTHON, python_files(small))
    return tmp_path


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
@pytest.mark.parametrize("layout", ["binary", "python"])
def test_images_are_upright_and_split_in_file_order(stored, small, layout, dtype):
    loaded = load_cifar10(**SMALL, dtype=dtype, folder=stored / layout)
    images, labels = map(np.concatenate, zip(*small.values(), strict=True))
    green = 1 + 1024 + 2 * 32 + 30  # of the first image's third row, at the right
    assert binary_files(small)["data_batch_1.bin"][green] == images[0, 2, 30, 1]
    assert loaded.class_names == datasets.CIFAR10_CLASSES
    X, y = map(np.concatenate, zip(*in_splits(loaded), strict=True))
    assert (X.dtype, y.dtype) == (dtype, np.int64)
    assert [len(y) for _, y in in_splits(loaded)] == list(SMALL.values())
    pixels = images if dtype == np.uint8 else images.astype(dtype) / dtype(255)
    assert np.array_equal(X.reshape(-1, *loaded.image_shape), pixels)
    assert np.array_equal(y, labels)


@pytest.mark.filterwarnings("ignore:numpy.core is")  # it has another name now
def test_the_pickles_of_these_tests_are_what_python_reads(stored, small):
    images, labels = small["test_batch"]
    path, pixels = stored / "python" / PYTHON / "test_batch", planes(images).tobytes()
    batch = pickle.loads(path.read_bytes(), encoding="bytes")
    assert np.array_equal(batch[b"labels"], labels)
    assert batch[b"data"].tobytes() == pixels
    plain = [re.sub(rb"q[\x01-\x18]", b"", part) for part in path.read_bytes().split(pixels)]
    path.write_bytes(pixels.join(plain))  # a dialect that numbers nothing
    assert np.array_equal(load_cifar10(**SMALL, folder=path.parent).y_test, labels)


def test_the_official_size_and_the_memory_it_takes(tmp_path):
    """10,000 images a batch in both layouts, and the bytes of one file at a time."""
    images, labels = random_batches(rows=10_000)["data_batch_1"]
    for layout, suffix in [(python_files, ""), (binary_files, ".bin")]:
        folder = tmp_path / layout.__name__
        write(folder, layout({"data_batch_1": (images, labels)}))
        for name in BATCHES[1:]:
            os.link(folder / f"data_batch_1{suffix}", folder / f"{name}{suffix}")
        for dtype in (np.float32, np.uint8):
            tracemalloc.start()
            loaded = load_cifar10(19_000, num_test=1, dtype=dtype, folder=folder)
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            arrays = sum(X.nbytes + y.nbytes for X, y in in_splits(loaded))
            assert peak - arrays < 1.1 * (folder / f"test_batch{suffix}").stat().st_size
            assert np.array_equal(loaded.y_val, labels[9_000:])
    loaded = load_cifar10(folder=folder)
    assert [len(y) for _, y in in_splits(loaded)] == [49_000, 1_000, 10_000]
    assert np.array_equal(loaded.X_test[-1].reshape(32, 32, 3), images[-1] / np.float32(255))


def test_files_that_hold_no_wanted_row_are_not_read(stored):
    folder = stored / "binary"
    for k in (3, 4, 5):
        (folder / FOLDER / f"data_batch_{k}.bin").unlink()
    assert len(load_cifar10(30, 10, 1, folder=folder).X_val) == 10
    with pytest.raises(FileNotFoundError, match=r"data_batch_3\.bin is missing"):
        load_cifar10(30, 11, 1, folder=folder)


TOO_FEW = "at least 2 classes of 6 points"
BAD_OPTIONS = [
    *((load_cifar10, {"num_train": size}, "num_train must be .*, not") for size in (0, 49_001)),
    *((load_cifar10, {"num_test": size}, "num_test must be .*, not") for size in (0, 10_001)),
    *((load_cifar10, {"dtype": dtype}, "dtype must be .*, not") for dtype in (np.float16, int)),
    (load_cifar10, {"num_val": -1}, "num_val must be .*, not"),
    *((make_spirals, {"num_classes": number}, TOO_FEW) for number in (1, 0, -1)),
    *((make_spirals, {"points_per_class": number}, TOO_FEW) for number in (5, 0, -1)),
    *((make_spirals, {"noise": n}, "noise must") for n in (np.nan, np.inf, -1e-300, 6.3)),
]


@pytest.mark.parametrize(("function", "options", "message"), BAD_OPTIONS)
def test_bad_options_are_refused(function, options, message):
    with pytest.raises(ValueError, match=message):
        function(**options)


def test_the_data_are_looked_for_in_three_places(small, tmp_path, monkeypatch):
    """A download goes into the first."""
    places = [tmp_path / "variable", tmp_path / "checkout" / "data", tmp_path / "cache"]
    write(places[1], {"README.md": b"Where the data come from."})
    (tmp_path / "checkout" / "notebooks").mkdir()
    monkeypatch.setattr(datasets, "PACKAGE", tmp_path / "checkout" / "cs231n_utils")
    monkeypatch.setenv("CS231N_DATA", str(places[0]))
    monkeypatch.setattr("platformdirs.user_cache_path", lambda *_, **__: places[2])
    advice = r"\n.*%run -m cs231n_utils\.datasets\n.*CS231N_DATA=FOLDER$"
    with pytest.raises(FileNotFoundError, match=f"{' or '.join(map(str, places))}.{advice}"):
        load_cifar10(**SMALL)
    for place in reversed(places):
        write(place / FOLDER, binary_files(small))
        assert download_cifar10() == place / FOLDER
        assert len(load_cifar10(**SMALL).X_train) == 90
    with pytest.raises(FileNotFoundError, match=r"CIFAR-10 is not in [^ ]*other\.\n"):
        load_cifar10(**SMALL, folder=tmp_path / "other")  # the argument counts alone
    assert datasets._folders(None) == places
    monkeypatch.delenv("CS231N_DATA")
    (tmp_path / "checkout" / "notebooks").rmdir()  # an installed package
    assert datasets._folders(None) == places[2:]


@pytest.mark.parametrize("layout", ["binary", "python"])
def test_class_names_may_be_missing_and_an_empty_folder_hides_nothing(stored, layout):
    folder = stored / layout
    next(folder.glob("*/batches.meta*")).unlink()
    (folder / FOLDER).mkdir(exist_ok=True)
    assert load_cifar10(**SMALL, folder=folder).class_names == datasets.CIFAR10_CLASSES


# Damaged files. A fault is a file's name, its new content or a function of the old one, and the
# error. None stands for a file that is missing, and `...` for a folder in its place.

PIXELS = bytes(ROWS * 3072)
GOOD = pickled([3] * ROWS, PIXELS)
MISSING = (FileNotFoundError, "directory")
LABELS = (ValueError, "it needs 20 labels from 0 to 9")
SIZE = (ValueError, "cannot reshape|buffer is")
CLASSES = (ValueError, r"the classes are not airplane\|automobile\|.*truck")
FORMAT = (ValueError, "no list 'labels' and array 'data' as in the official file")
FAULTS = [
    ("data_batch_2.bin", None, MISSING),
    ("test_batch.bin", None, MISSING),
    ("data_batch_2.bin", ..., MISSING),
    ("data_batch_2.bin", b"", SIZE),
    ("data_batch_2.bin", lambda content: content[:-1], SIZE),
    ("data_batch_2.bin", lambda content: content + b"\0", SIZE),
    ("data_batch_2.bin", lambda content: content[:21_511] + b"\n" + content[21_512:], LABELS),
    ("batches.meta.txt", b"dog\ncat\n", CLASSES),
    ("batches.meta.txt", bytes(1_001), CLASSES),
    ("batches.meta.txt", ..., MISSING),
    ("batches.meta", b"\x80\x02}U\x0blabel_names](U\x03dogU\x03cates.", CLASSES),
    ("batches.meta", b"\x80\x02}U\x0blabel_names](K\x01K\x02es.", CLASSES),
    ("batches.meta", b"\x80\x02}.", CLASSES),
    ("data_batch_2", GOOD.replace(b"\4data", b"\4dota"), FORMAT),
    ("data_batch_2", b"\x80\x02}(U\x04data](U\x01xeU\x06labels](K\x03eu.", FORMAT),
    ("data_batch_2", pickled([3] * ROWS, bytes(ROWS * 3071), columns=3071), SIZE),
    ("data_batch_2", pickled([3] * ROWS, b"", rows=2**62), SIZE),
    ("data_batch_2", pickled([3] * ROWS, PIXELS + b"\0"), SIZE),
    ("data_batch_2", GOOD[:-100], SIZE),
    ("data_batch_2", pickled([3] * ROWS, PIXELS, kind=b"i1"), FORMAT),
    ("data_batch_2", pickled([3] * ROWS, PIXELS, kind=b"O8"), FORMAT),
    ("data_batch_2", GOOD.replace(b"\6labels", b"\6levels"), FORMAT),
    ("data_batch_2", GOOD.replace(b"K\3K\3", b"U\0013U\0013"), FORMAT),
    ("data_batch_2", GOOD.replace(b"K\3K\3", b"\x88\x88"), FORMAT),
    ("data_batch_2", pickled([3] * (ROWS - 1), PIXELS), LABELS),
    ("data_batch_2", pickled([3] * (ROWS + 1), PIXELS), LABELS),
    ("data_batch_2", pickled([3] * 6 + [10] * 14, PIXELS), FORMAT),
    ("data_batch_2", GOOD.replace(b"K\3", b"J\xff\xff\xff\xff"), FORMAT),  # labels of -1
    ("data_batch_2", GOOD.replace(b"K\3", b"\x8a\x09\0\0\0\0\0\0\0\0\1"), FORMAT),  # of 2**64
    ("data_batch_2", b"", FORMAT),
    ("data_batch_2", bytes(70_000), FORMAT),
    ("data_batch_2", b"<html>", FORMAT),
    ("data_batch_2", b"\x80\x02" + b"}" * 61_440, FORMAT),
    ("data_batch_2", b"\x80\x02](K\x01K\x02e.", FORMAT),
    ("data_batch_2", b"\x80\x02T\xff\xff\xff\x7f.", FORMAT),  # a string of 2 GB
    ("data_batch_2", b"\x80\x04\x8e\0\0\0\0\0\1\0\0.", FORMAT),  # bytes, 1 TB of them
    ("data_batch_2", b"\x80\x05\x96\0\0\0\0\0\1\0\0.", FORMAT),  # a bytearray
    ("data_batch_2", b"\x80\x02cnumpy\nndarray\n\x8a\6\0\0\0\0\0\1\x85R.", FORMAT),  # 2**40 entries
]


@pytest.mark.parametrize(("name", "damage", "refusal"), FAULTS)
def test_a_damaged_file_is_named(stored, name, damage, refusal):
    path = next(stored.glob(f"*/*/{name}"))
    folder = path.parent.parent
    content = damage(path.read_bytes()) if callable(damage) else damage
    path.unlink()
    if content is ...:
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    error, message = refusal
    advice = "Delete its folder and run `make data` or `python -m"
    sentence = rf"^{path} is missing or damaged: .*({message}).*\. {advice}"
    with pytest.raises(error, match=sentence):
        load_cifar10(**SMALL, folder=folder)
    if "meta" not in name:
        with pytest.raises(error, match=sentence):
            download_cifar10(folder)  # the data are there, and are not taken for whole


PROGRAMS = {  # pickles that make the folder %b when they are loaded
    "a call": b"cos\nmkdir\n(V%b\ntR.",
    "a call in protocol 4": b"\x80\x04\x8c\x02os\x8c\x05mkdir\x93(V%b\ntR.",
    "a shell": b"cos\nsystem\n(Vmkdir %b\ntR.",
    "code": b"cbuiltins\neval\n(V__import__('os').mkdir('%b')\ntR.",
    "an attribute": b"cbuiltins\ngetattr\n(cbuiltins\n__import__\n(Vos\ntRVmkdir\ntR(V%b\ntR.",
    "an array of objects": b"cnumpy\narray\n((lcos\nmkdir\n(V%b\ntRaVO\ntR.",
    "a value": b"(Vdata\ncos\nmkdir\n(V%b\ntRd.",
}


@pytest.mark.parametrize("attack", PROGRAMS)
def test_nothing_of_a_malicious_pickle_runs(stored, attack):
    folder = stored / "python"
    canary, batch = folder / "canary", folder / PYTHON / "data_batch_1"
    program, honest = PROGRAMS[attack] % bytes(canary), batch.read_bytes()
    pickle.loads(program)
    canary.rmdir()  # the attack works
    batch.write_bytes(program)
    with pytest.raises(ValueError, match="is missing or damaged"):
        load_cifar10(**SMALL, folder=folder)
    batch.write_bytes(program[:-1] + b"0" + honest)  # the attack, dropped, and then the batch
    load_cifar10(**SMALL, folder=folder)
    assert not canary.exists()


def archive(batches, extra=(), first=False):
    """A .tar.gz as the official one. An extra entry (name, type, link, size) replaces another."""
    files = {f"{FOLDER}/{name}": content for name, content in binary_files(batches).items()}
    entries = [(name, b"0", "", content) for name, content in files.items() if name not in extra]
    if extra and extra[1]:
        entries.insert(0 if first else len(entries), (*extra[:3], bytes(extra[3])))
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, kind, link, content in entries:
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.size = kind, link, len(content)
            tar.addfile(info, io.BytesIO(content))
    return packed.getvalue()


class Handler(BaseHTTPRequestHandler):
    """Answers a request with the file, but for what the next of the server's answers says."""

    log_message = mock.Mock()  # print nothing

    def do_GET(self):  # noqa: D102
        self.answer(**(self.server.answers.pop(0) if self.server.answers else {}))

    def answer(self, status=206, change=bytes, length=True, stop=None, wait=False):
        """Send the file from where it is asked for, up to `stop`; wait there, and send the rest."""
        site = self.server
        start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        site.requests.append((self.path, start))
        content = change(site.content)[start if status == 206 else 0 :]
        if wait and not stop:
            site.go_on.wait(60)
        self.send_response(status)
        if length:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[:stop])
        site.sent += len(content[:stop])
        if wait and stop:
            site.go_on.wait(60)
            self.wfile.write(content[stop:])


def offer(site, content, monkeypatch):
    """Let this content be the official archive."""
    site.content, sha256 = content, hashlib.sha256(content).hexdigest()
    site.settings |= {"CIFAR10_BYTES": len(content), "CIFAR10_SHA256": sha256}
    for name, value in site.settings.items():
        monkeypatch.setattr(datasets, name, value)


@pytest.fixture
def site(small, tmp_path, monkeypatch):
    """A server on this machine with a small archive, in place of both official addresses."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as site:
        site.daemon_threads, site.handle_error = True, lambda *_: None  # clients may go away
        site.batches, site.target = small, tmp_path / "new" / "data"
        site.part = site.target / "cifar-10-download" / "archive"
        site.answers, site.requests, site.sent, site.go_on = [], [], 0, threading.Event()
        urls = [f"http://127.0.0.1:{site.server_port}/{k}" for k in (1, 2)]
        site.settings = {"CIFAR10_URLS": urls, "ROWS": ROWS}
        offer(site, archive(small), monkeypatch)
        site.waits = []  # before each attempt
        monkeypatch.setattr(datasets.time, "sleep", site.waits.append)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        thread = threading.Thread(target=site.serve_forever, args=(0.01,))
        thread.start()
        yield site
        site.go_on.set()
        site.shutdown()
        thread.join()


def assert_whole(site, *starts):
    """The data are there, and nothing else but the lock; the requests started at these bytes."""
    assert [start for _, start in site.requests] == [*starts]
    names = {path.name for path in site.target.iterdir()}
    assert names - {"cifar-10-download.lock"} == {FOLDER}
    loaded = load_cifar10(**SMALL, folder=site.target)
    assert np.array_equal(loaded.y_test, site.batches["test_batch"][1])


def start(*arguments, **environment):
    """Run python with these arguments in a process of its own."""
    command = [sys.executable, "-u", *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    heard = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # not ignored
    environment = os.environ | environment
    return subprocess.Popen(command, cwd=ROOT, env=environment, preexec_fn=heard, **pipes)


def start_download(site):
    """The same download in another process."""
    settings = [f"datasets.{name} = {value!r}" for name, value in site.settings.items()]
    call = f"print(datasets.download_cifar10({str(site.target)!r}))"
    return start("-c", "\n".join(["from cs231n_utils import datasets", *settings, call]))


CUT = {"stop": 150_000}
SLOW = {"stop": 150_000, "wait": True}
BUSY, ABSENT = ({"status": status, "change": lambda content: b""} for status in (503, 404))
OTHER = {"change": lambda content: bytes(len(content))}
PAGE = {"change": lambda content: b"<html>Sign in"}
ENDLESS = {"change": lambda content: bytes(100 * len(content)), "length": False}
DOWNLOADS = {  # answers, and where the requests start
    "as it should be": ([], [0]),
    "busy": ([BUSY, BUSY], [0, 0, 0]),
    "absent": ([ABSENT], [0, 0]),
    "silent": ([{"wait": True}], [0, 0]),
    "cut": ([CUT], [0, 150_000]),
    "cut, of unknown length": ([CUT | {"length": False}], [0, 150_000]),
    "cut, and no ranges": ([CUT, {"status": 200}], [0, 150_000]),
    "another file": ([OTHER], [0, 0]),
    "a page": ([PAGE], [0, 0]),
    "a page after a cut": ([CUT, PAGE], [0, 150_000, 150_000]),
    "without an end": ([ENDLESS], [0, 0]),
    "a damaged part is there": ([], [1_000, 0]),
}


@pytest.mark.parametrize("fault", DOWNLOADS)
def test_a_download_survives_a_fault(site, fault, monkeypatch):
    site.answers, starts = [*DOWNLOADS[fault][0]], DOWNLOADS[fault][1]
    if starts[0]:
        write(site.part.parent, {site.part.name: bytes(starts[0])})
    if fault == "silent":  # the first attempt alone is impatient
        seconds, change = iter([0.5, 60]), monkeypatch.setattr
        change(datasets.time, "sleep", lambda _: change(datasets, "TIMEOUT", next(seconds)))
    for _ in range(2):  # the second finds the data
        assert download_cifar10(site.target) == site.target / FOLDER
        assert site.requests == [(f"/{k % 2 + 1}", start) for k, start in enumerate(starts)]
    assert site.sent <= 2 * len(site.content), "it does not listen to the end"
    assert_whole(site, *starts)


REASONS = {"not the official archive": OTHER, "no file of": PAGE, "404": ABSENT, "503": BUSY}


@pytest.mark.parametrize("reason", [*REASONS, "refused"])
def test_when_no_address_helps_the_reasons_are_told(site, reason, monkeypatch):
    site.answers = 8 * [REASONS.get(reason)]
    if reason == "refused":  # nobody listens
        monkeypatch.setattr(datasets, "CIFAR10_URLS", [f"http://127.0.0.1:1/{k}" for k in (1, 2)])
    with pytest.raises(ConnectionError, match=f"/1: .*{reason}.*\n.*/2: .*{reason}.*\nRun this"):
        download_cifar10(site.target)
    assert len(site.requests) == (8 if reason in REASONS else 0)
    assert site.waits == [0, 0, 1, 1, 2, 2, 4, 4]
    with pytest.raises(FileNotFoundError, match="CIFAR-10 is not in"):
        load_cifar10(**SMALL, folder=site.target)


def whole_after(site, *starts):
    """Nothing loads. The next run goes on: then the data are whole, after these requests."""
    with pytest.raises(FileNotFoundError, match="CIFAR-10 is not in"):
        load_cifar10(**SMALL, folder=site.target)
    download_cifar10(site.target)
    assert_whole(site, *starts)


def test_a_killed_download_is_continued(site):
    site.answers = [SLOW]
    with start_download(site) as process:
        while process.poll() is None and not (site.part.exists() and site.part.stat().st_size):
            site.go_on.wait(0.01)
        process.kill()
    whole_after(site, 0, site.part.stat().st_size)


def test_a_run_that_is_stopped_while_it_unpacks_is_continued(site, monkeypatch):
    unpack = tarfile.TarFile.makefile
    with monkeypatch.context() as patch:
        steps = mock.Mock(side_effect=[1, 2, 3, KeyboardInterrupt])
        patch.setattr(tarfile.TarFile, "makefile", lambda *args: steps() and unpack(*args))
        with pytest.raises(KeyboardInterrupt):
            download_cifar10(site.target)
    assert list(site.target.rglob("*.bin")), "it was interrupted before it wrote a batch"
    whole_after(site, 0)


def test_a_read_only_folder_is_one_message(site, monkeypatch):
    site.target.mkdir(parents=True)
    refusal = OSError(errno.EROFS, os.strerror(errno.EROFS))
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", mock.Mock(side_effect=refusal))
        with pytest.raises(OSError, match=r"cannot be put in .* Read-only .*\n.*CS231N_DATA"):
            download_cifar10(site.target)
    assert list(site.target.iterdir()) == []


@pytest.mark.parametrize("unpacking", [False, True])
def test_a_full_disk_is_one_message_and_the_download_goes_on(site, unpacking):
    if unpacking:
        write(site.part.parent, {site.part.name: site.content})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))  # no file may be longer
    try:
        with pytest.raises(OSError, match=r"cannot be put in .* too large.*\n.* with 360 MB"):
            download_cifar10(site.target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    whole_after(site, *(() if unpacking else (0, site.part.stat().st_size)))


def test_two_processes_share_one_download(site):
    site.answers = [SLOW]
    with start_download(site) as first, start_download(site) as second:
        for process in (first, second):
            assert process.stdout.readline().endswith("downloads it there, this one waits.\n")
        site.go_on.set()
        assert first.stdout.read() == second.stdout.read() == f"{site.target / FOLDER}\n"
    assert_whole(site, 0)


IN_PLACE = f"{FOLDER}/data_batch_1.bin"
HOSTILE = {  # an entry's name, type, link and size
    "absolute path": ("{outside}", b"0", "", 5),
    "parent folder": (f"{FOLDER}/../../../../outside/escaped", b"0", "", 5),
    "parent of the folder": ("../../../outside/escaped", b"0", "", 5),
    "symbolic link": (IN_PLACE, tarfile.SYMTYPE, "{outside}", 0),
    "hard link": (IN_PLACE, tarfile.LNKTYPE, "{outside}", 0),
    "link for the folder": (FOLDER, tarfile.SYMTYPE, "{outside}", 0),
    "device": (IN_PLACE, tarfile.CHRTYPE, "", 0),
    "pipe": (IN_PLACE, tarfile.FIFOTYPE, "", 0),
    "folder for a file": (IN_PLACE, tarfile.DIRTYPE, "", 0),
    "another folder": ("escaped", tarfile.DIRTYPE, "", 0),
    "unknown name": (f"{FOLDER}/run.py", b"0", "", 5),
    "too large": (IN_PLACE, b"0", "", ROWS * 3073 + 1),
    "too small": (IN_PLACE, b"0", "", ROWS * 3073 - 1),
    "missing": (IN_PLACE, None, "", 0),
    "link for a text": (f"{FOLDER}/readme.html", tarfile.SYMTYPE, "{outside}", 0),
    "large text": (f"{FOLDER}/readme.html", b"0", "", 1_001),
}


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("fault", HOSTILE)
def test_a_hostile_archive_writes_nothing_outside(site, tmp_path, fault, first, monkeypatch):
    outside = tmp_path / "outside"
    outside.mkdir()
    name, kind, link, size = HOSTILE[fault]
    name, link = (text.format(outside=outside / "escaped") for text in (name, link))
    offer(site, archive(site.batches, (name, kind, link, size), first), monkeypatch)
    with contextlib.suppress(OSError, ValueError, tarfile.TarError):
        download_cifar10(site.target)
    assert list(outside.iterdir()) == []
    assert {path.name for path in tmp_path.iterdir()} == {"outside", "new"}
    if IN_PLACE in name:
        with pytest.raises((FileNotFoundError, ValueError)):
            load_cifar10(**SMALL, folder=site.target)


def test_ctrl_c_and_errors_are_sentences(tmp_path):
    command = ("-m", "cs231n_utils.datasets")
    lock = filelock.FileLock(tmp_path / "cifar-10-download.lock")
    with lock, start(*command, CS231N_DATA=str(tmp_path)) as process:
        assert process.stdout.readline().startswith(f"CIFAR-10 goes into {tmp_path}")
        process.send_signal(signal.SIGINT)
        assert process.communicate() == ("", "Stopped. The next run goes on from here.\n")
        assert process.returncode == 1
    (tmp_path / "test_batch.bin").write_bytes(b"")
    with start(*command, CS231N_DATA=str(tmp_path)) as process:
        output, errors = process.communicate()
    assert (process.returncode, output) == (1, "")
    assert errors.startswith(f"{tmp_path / 'data_batch_1.bin'} is missing or damaged: ")
