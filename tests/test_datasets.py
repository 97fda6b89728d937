"""The data sets: their splits, where they are looked for, damaged files, attacks and downloads.

The files of CIFAR-10 are written here, with random images: most of them with batches of 20, and
the format's own 10,000 in a test of their own. The server of the downloads is on 127.0.0.1.
"""

import errno
import hashlib
import io
import os
import re
import runpy
import sys
import tarfile
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from unittest import mock

import filelock
import numpy as np
import pytest
from hypothesis import assume
from hypothesis import strategies as st
from strategies import SEEDS, bits, close, for_all

from cs231n_utils import datasets
from cs231n_utils.datasets import BATCHES, download_cifar10, load_cifar10, load_digits, make_spirals

FOLDER = datasets.FOLDER
DIGITS = (datasets.PACKAGE / "digits.csv.gz").read_bytes()
ROWS = 20  # of a small batch
SMALL = {"num_train": 90, "num_val": 10, "num_test": 20}


def in_splits(data):
    """The three (X, y) pairs of a data set."""
    return [(data.X_train, data.y_train), (data.X_val, data.y_val), (data.X_test, data.y_test)]


def test_digits_are_the_1797_of_uci_upright(tmp_path):
    data = load_digits()
    table = np.loadtxt(datasets.PACKAGE / "digits.csv.gz", delimiter=",")
    rows = np.concatenate([np.column_stack([16 * X, y]) for X, y in in_splits(data)])
    assert sorted(rows.tolist()) == sorted(table.tolist())
    assert [len(X) for X, _ in in_splits(data)] == [1204, 297, 296]
    assert (data.image_shape, data.class_names) == ((8, 8), tuple("0123456789"))
    seven = data.X_train[data.y_train == 7].mean(axis=0).reshape(data.image_shape)
    assert seven[:2].sum() > seven[-2:].sum(), "a seven has its bar at the top"
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
    num_classes=st.integers(2, 12),
    points_per_class=st.integers(6, 40),
    noise=st.just(0.0) | st.floats(0, 2 * np.pi),
    rng=SEEDS,
)
def test_spirals_are_arms_that_repeat_with_their_seed(**options):
    data, C = make_spirals(**options), options["num_classes"]
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
    assert repr(data).endswith(f" examples; 2 features, {C} classes, image shape None")


def random_batches(rows):
    """For each batch, images (rows, 32, 32, 3) of bytes and labels (rows,)."""
    rng = np.random.default_rng(0)
    return {
        name: (rng.integers(0, 256, (rows, 32, 32, 3), np.uint8), rng.integers(0, 10, rows))
        for name in BATCHES
    }


def content_of(images, labels):
    """The bytes of a batch: a label, then all red, all green and all blue pixels."""
    planes = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
    return np.column_stack([labels.astype(np.uint8), planes]).tobytes()


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
def files(small):
    """The files of the small batches, by name."""
    return {name: content_of(*batch) for name, batch in small.items()}


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
def test_images_are_upright_and_split_in_file_order(small, files, tmp_path, dtype):
    write(tmp_path / FOLDER, files)
    loaded = load_cifar10(**SMALL, dtype=dtype, folder=tmp_path)
    images, labels = map(np.concatenate, zip(*small.values(), strict=True))
    green = 1 + 1024 + 2 * 32 + 30  # of the first image's third row, at the right
    assert files["data_batch_1.bin"][green] == images[0, 2, 30, 1]
    X, y = map(np.concatenate, zip(*in_splits(loaded), strict=True))
    assert (X.dtype, y.dtype) == (dtype, np.int64)
    assert [len(y) for _, y in in_splits(loaded)] == list(SMALL.values())
    pixels = images if dtype == np.uint8 else images.astype(dtype) / dtype(255)
    assert np.array_equal(X.reshape(-1, *loaded.image_shape), pixels)
    assert np.array_equal(y, labels)
    for k in (3, 4, 5):  # files that hold no wanted row are not read
        (tmp_path / FOLDER / f"data_batch_{k}.bin").unlink()
    assert len(load_cifar10(30, 10, 1, folder=tmp_path).X_val) == 10
    with pytest.raises(FileNotFoundError, match=r"data_batch_3\.bin is missing"):
        load_cifar10(30, 11, 1, folder=tmp_path)


def test_the_official_size_and_the_memory_it_takes(tmp_path):
    """10,000 images a batch, and the bytes of one file at a time."""
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (10_000, 32, 32, 3), np.uint8), np.arange(10_000) % 10
    write(tmp_path / FOLDER, {BATCHES[0]: content_of(images, labels)})
    for name in BATCHES[1:]:
        os.link(tmp_path / FOLDER / BATCHES[0], tmp_path / FOLDER / name)
    for dtype in (np.float32, np.uint8):
        tracemalloc.start()
        loaded = load_cifar10(19_000, num_test=1, dtype=dtype, folder=tmp_path)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        arrays = sum(X.nbytes + y.nbytes for X, y in in_splits(loaded))
        assert peak - arrays < 1.1 * (tmp_path / FOLDER / BATCHES[0]).stat().st_size
        assert np.array_equal(loaded.y_val, labels[9_000:])
    splits = in_splits(load_cifar10(dtype=np.uint8, folder=tmp_path / FOLDER))
    assert [len(y) for _, y in splits] == [49_000, 1_000, 10_000]
    assert np.array_equal(splits[2][0][-1].reshape(32, 32, 3), images[-1])


BAD_OPTIONS = [
    *((load_cifar10, {"num_train": size}, "num_train must be .*, not") for size in (0, 49_001)),
    *((load_cifar10, {"num_test": size}, "num_test must be .*, not") for size in (0, 10_001)),
    *((load_cifar10, {"dtype": dtype}, "dtype must be .*, not") for dtype in (np.float16, int)),
    (load_cifar10, {"num_val": -1}, "num_val must be .*, not"),
    (make_spirals, {"num_classes": 1}, "at least 2 classes of 6 points"),
    (make_spirals, {"points_per_class": 5}, "at least 2 classes of 6 points"),
    *((make_spirals, {"noise": noise}, "noise must") for noise in (np.nan, -1e-300, 6.3)),
]


@pytest.mark.parametrize(("function", "options", "message"), BAD_OPTIONS)
def test_bad_options_are_refused(function, options, message):
    with pytest.raises(ValueError, match=message):
        function(**options)


def test_the_data_are_looked_for_in_three_places(files, tmp_path, monkeypatch):
    """A download goes into the first."""
    places = [tmp_path / "variable", tmp_path / "checkout" / "data", tmp_path / "cache"]
    write(places[1], {"README.md": b"Where the data come from."})
    (tmp_path / "checkout" / "notebooks").mkdir()
    monkeypatch.setattr(datasets, "PACKAGE", tmp_path / "checkout" / "cs231n_utils")
    monkeypatch.setenv("CS231N_DATA", str(places[0]))
    monkeypatch.setattr("platformdirs.user_cache_path", lambda *_, **__: places[2])
    looked = re.escape(" or ".join(map(str, places)))
    with pytest.raises(FileNotFoundError, match=rf"{looked}.\n.*%run .*\n.*CS231N_DATA=FOLDER\n"):
        load_cifar10(**SMALL)
    for place in reversed(places):
        write(place / FOLDER, files)
        assert download_cifar10() == place / FOLDER
    with pytest.raises(FileNotFoundError, match=r"CIFAR-10 is not in [^ ]*other\.\n"):
        load_cifar10(**SMALL, folder=tmp_path / "other")  # the argument counts alone
    assert datasets._folders(None) == places
    monkeypatch.delenv("CS231N_DATA")
    (tmp_path / "checkout" / "notebooks").rmdir()  # an installed package
    assert datasets._folders(None) == places[2:]


FAULTS = {  # a batch's new content, and the error
    "missing": (lambda content: None, FileNotFoundError, "No such file"),
    "empty": (lambda content: b"", ValueError, "cannot reshape"),
    "cut": (lambda content: content[:-1], ValueError, "buffer|cannot reshape"),
    "too long": (lambda content: content + b"\0", ValueError, "buffer|cannot reshape"),
    "a label of 10": (lambda content: b"\n" + content[1:], ValueError, "a label is larger than 9"),
}


@pytest.mark.parametrize(("damage", "error", "message"), FAULTS.values(), ids=FAULTS.keys())
def test_a_damaged_file_is_named(files, tmp_path, damage, error, message):
    damaged = damage(files.pop("data_batch_2.bin"))
    write(tmp_path / FOLDER, files | ({} if damaged is None else {"data_batch_2.bin": damaged}))
    path = re.escape(str(tmp_path / FOLDER / "data_batch_2.bin"))
    sentence = rf"^{path} is missing or damaged: .*({message}).*\. Delete its folder and run `make"
    for call in (
        lambda: load_cifar10(**SMALL, folder=tmp_path),
        lambda: download_cifar10(tmp_path),
    ):
        with pytest.raises(error, match=sentence):
            call()


def packed(files):
    """A .tar.gz like the official one."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(f"{FOLDER}/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


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
        self.send_response(status)
        if length:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[:stop])
        site.sent += len(content[:stop])
        if wait:
            site.go_on.wait(60)
            self.wfile.write(content[stop:])


@pytest.fixture
def site(files, tmp_path, monkeypatch):
    """A server on this machine with a small archive, in place of both official addresses."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as site:
        site.daemon_threads, site.handle_error = True, lambda *_: None  # clients may go away
        site.files, site.target = files, tmp_path / "new" / "data"
        site.part = site.target / "cifar-10-download" / "archive"
        site.answers, site.requests, site.sent, site.go_on = [], [], 0, threading.Event()
        urls = [f"http://127.0.0.1:{site.server_port}/{k}" for k in (1, 2)]
        site.content = packed(files)
        sha256 = hashlib.sha256(site.content).hexdigest()
        monkeypatch.setattr(datasets, "CIFAR10_URLS", urls)
        monkeypatch.setattr(datasets, "CIFAR10_BYTES", len(site.content))
        monkeypatch.setattr(datasets, "CIFAR10_SHA256", sha256)
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
    assert {path.name for path in site.target.iterdir()} - {"cifar-10-download.lock"} == {FOLDER}
    assert {path.name: path.read_bytes() for path in (site.target / FOLDER).iterdir()} == site.files


CUT = {"stop": 150_000}
SLOW = {"stop": 150_000, "wait": True}
BUSY, ABSENT = ({"status": status, "change": lambda content: b""} for status in (503, 404))
OTHER = {"change": lambda content: bytes(len(content))}
PAGE = {"change": lambda content: b"<html>Sign in"}
ENDLESS = {"change": lambda content: bytes(100 * len(content)), "length": False}
DOWNLOADS = {  # answers, and where the requests start
    "as it should be": ([], [0]),
    "busy": ([BUSY, BUSY], [0, 0, 0]),
    "silent": ([SLOW | {"stop": 0}], [0, 0]),
    "cut, of unknown length": ([CUT | {"length": False}], [0, 150_000]),
    "cut, and no ranges": ([CUT, {"status": 200}], [0, 150_000]),
    "another file": ([OTHER], [0, 0]),
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
        assert_whole(site, *starts)
    assert [path for path, _ in site.requests] == ["/1", "/2", "/1"][: len(starts)]
    assert site.sent <= 2 * len(site.content), "it does not listen to the end"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [(OTHER, "not the official archive"), (PAGE, "no file of"), (ABSENT, "404"), (BUSY, "503")],
)
def test_when_no_address_helps_the_reasons_are_told(site, answer, reason):
    site.answers = 8 * [answer]
    with pytest.raises(ConnectionError, match=f"/1: .*{reason}.*\n.*/2: .*{reason}.*\nRun this"):
        download_cifar10(site.target)
    assert len(site.requests) == 8
    assert site.waits == [0, 0, 1, 1, 2, 2, 4, 4]


def failing(action, calls, error):
    """The action, which raises this error after so many calls."""
    steps = iter(range(calls))

    def act(*arguments):
        if next(steps, None) is None:
            raise error
        return action(*arguments)

    return act


FULL, READ_ONLY = (OSError(code, os.strerror(code)) for code in (errno.ENOSPC, errno.EROFS))
STOPS = {  # what fails, after how many calls, and how
    "a read-only folder": (os, "open", 0, READ_ONLY),
    "a disk that is full during the download": (datasets.tqdm, "update", 2, FULL),
    "a disk that is full during unpacking": (tarfile.TarFile, "makefile", 3, FULL),
    "Ctrl-C during unpacking": (tarfile.TarFile, "makefile", 3, KeyboardInterrupt()),
}


@pytest.mark.parametrize("stop", STOPS)
def test_a_run_that_is_stopped_says_why_and_is_continued(site, monkeypatch, stop):
    owner, name, calls, error = STOPS[stop]
    message = rf"cannot be put in .* {error.strerror}.*\n.* with 360 MB" if error.args else ""
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, failing(getattr(owner, name), calls, error))
        with pytest.raises(type(error), match=message or None):
            download_cifar10(site.target)
    assert list(site.target.rglob("*.bin")) or "unpacking" not in stop, "it was stopped too early"
    start = site.part.stat().st_size if site.part.exists() else 0
    with pytest.raises(FileNotFoundError, match="CIFAR-10 is not in"):
        load_cifar10(**SMALL, folder=site.target)
    download_cifar10(site.target)
    assert_whole(site, *([0, start] if 0 < start < len(site.content) else [0]))


def test_two_runs_share_one_download(site, monkeypatch):
    site.answers, acquire, both = [SLOW], filelock.FileLock.acquire, threading.Barrier(2)
    monkeypatch.setattr(filelock.FileLock, "acquire", lambda lock: (both.wait(), acquire(lock))[1])
    with ThreadPoolExecutor() as pool:
        runs = [pool.submit(download_cifar10, site.target) for _ in range(2)]
        while not site.sent:
            site.go_on.wait(0.01)
        site.go_on.set()
    assert [run.result() for run in runs] == [site.target / FOLDER] * 2
    assert_whole(site, 0)


def test_ctrl_c_and_errors_are_sentences(tmp_path, monkeypatch):
    monkeypatch.setenv("CS231N_DATA", str(tmp_path))
    monkeypatch.setattr(filelock.FileLock, "acquire", mock.Mock(side_effect=KeyboardInterrupt))
    monkeypatch.delitem(sys.modules, "cs231n_utils.datasets")
    with pytest.raises(SystemExit, match=r"^Stopped. The next run goes on from here\.$"):
        runpy.run_module("cs231n_utils.datasets", run_name="__main__")
    (tmp_path / "test_batch.bin").write_bytes(b"")
    with pytest.raises(SystemExit, match=r"data_batch_1\.bin is missing or damaged: "):
        runpy.run_module("cs231n_utils.datasets", run_name="__main__")
