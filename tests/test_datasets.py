"""The data sets: their splits, where they are looked for, damaged files, attacks and downloads.

The files of CIFAR-10 are written here, with random images. The server is on 127.0.0.1.
"""

import errno
import hashlib
import os
import re
import runpy
import sys
import tarfile
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from functools import partial
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
from cs231n_utils.datasets import (
    BATCHES,
    download_cifar10,
    load_cat,
    load_cifar10,
    load_digits,
    load_plays,
    make_spirals,
)

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
    turns = np.array([np.sum(table[:n, -1] == row[-1]) % 6 for n, row in enumerate(table)])
    for rows, (X, y) in zip((turns < 4, turns == 4, turns == 5), in_splits(data), strict=True):
        assert np.array_equal(np.column_stack([16 * X, y]), table[rows])
    seven = data.X_train[data.y_train == 7].mean(axis=0).reshape(data.image_shape)
    assert seven[:2].sum() > seven[-2:].sum(), "a seven has its bar at the top"
    assert repr(data).endswith(" examples; 64 features, 10 classes, image shape (8, 8)")
    with pytest.raises(FileNotFoundError, match=r"digits\.csv\.gz is missing .* Reinstall the"):
        load_digits(tmp_path / "digits.csv.gz")


@for_all(start=st.integers(0, len(DIGITS)), drop=st.integers(0, 9), new=st.binary(max_size=3))
def test_digits_with_bytes_changed_dropped_or_inserted_are_refused(start, drop, new):
    content = DIGITS[:start] + new + DIGITS[start + drop :]
    assume(content != DIGITS)
    damaged = mock.patch.object(Path, "read_bytes", return_value=content)
    with damaged, pytest.raises(ValueError, match=r"damaged: its SHA-256 .* Reinstall the package"):
        load_digits()


def test_plays_are_texts_of_one_alphabet_each_in_one_split():
    plays = load_plays()
    splits = [plays.train, plays.val, plays.test]
    assert [len(split) for split in splits] == [7, 1, 1]
    texts = [plays.decode(ids) for split in splits for ids in split.values()]
    assert "".join(sorted(set().union(*texts))) == plays.alphabet
    assert all(text.startswith("A") and text.count("\n\n\n") == 0 for text in texts)
    assert "\nIs this a dagger which I see before me,\n" in plays.decode(plays.test["Macbeth"])
    assert plays.decode(plays.encode(texts[0])) == texts[0]
    with pytest.raises(ValueError, match="lacks '5§'"):
        plays.encode("Act 5 §")
    assert repr(plays).startswith("Plays: train 7 with 894,388 characters, validation 1")
    with (
        mock.patch.object(Path, "read_bytes", return_value=DIGITS),
        pytest.raises(ValueError, match=r"damaged: its SHA-256 .* Reinstall the package"),
    ):
        load_plays()


def test_the_cat_looks_at_us_upright_and_in_her_colours():
    """Colours of a pixel side by side, rows from above: the reddest is her nose, below a pupil."""
    cat = load_cat()
    assert cat.shape == (3072,)
    assert 0 < cat.min() < cat.max() < 1
    cat = cat.reshape(32, 32, 3)
    pupil = np.unravel_index(cat.sum(axis=2).argmin(), (32, 32))
    nose = np.unravel_index((cat[..., 0] - cat[..., 2]).argmax(), (32, 32))
    assert (pupil, nose) == ((12, 7), (21, 16))


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


def content_of(images, labels):
    """The bytes of a batch: a label, then all red, all green and all blue pixels."""
    planes = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
    return np.column_stack([labels.astype(np.uint8), planes]).tobytes()


IMAGES = np.random.default_rng(0).integers(0, 256, (6, ROWS, 32, 32, 3), np.uint8)
LABELS = np.random.default_rng(1).integers(0, 10, (6, ROWS))
FILES = dict(zip(BATCHES, map(content_of, IMAGES, LABELS), strict=True))


def write(folder, files):
    """Write these files into a new folder."""
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Batches of 20 images, and no data set of the machine's."""
    monkeypatch.setattr(datasets, "ROWS", ROWS)
    monkeypatch.delenv("CS231N_DATA", raising=False)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
def test_images_are_upright_and_split_in_file_order(tmp_path, dtype):
    folder = write(tmp_path / FOLDER, FILES)
    loaded = load_cifar10(**SMALL, dtype=dtype, folder=tmp_path)
    green = 1 + 1024 + 2 * 32 + 30  # of the first image's third row, at the right
    assert FILES["data_batch_1.bin"][green] == IMAGES[0, 0, 2, 30, 1]
    X, y = map(np.concatenate, zip(*in_splits(loaded), strict=True))
    assert (X.dtype, y.dtype) == (dtype, np.int64)
    assert [len(y) for _, y in in_splits(loaded)] == list(SMALL.values())
    pixels = IMAGES if dtype == np.uint8 else IMAGES.astype(dtype) / dtype(255)
    assert np.array_equal(X, pixels.reshape(X.shape))
    assert np.array_equal(y, LABELS.ravel())
    for k in (3, 4, 5):  # files that hold no wanted row are not read
        (folder / f"data_batch_{k}.bin").unlink()
    assert len(load_cifar10(30, 10, 1, folder=tmp_path).X_val) == 10
    with pytest.raises(FileNotFoundError, match=r"data_batch_3\.bin is missing"):
        load_cifar10(30, 11, 1, folder=tmp_path)


@pytest.mark.slow
def test_the_official_size_and_the_memory_it_takes(tmp_path, monkeypatch):
    """10,000 images a batch, and the bytes of one file at a time."""
    monkeypatch.setattr(datasets, "ROWS", 10_000)
    images, labels = np.tile(IMAGES.reshape(120, 32, 32, 3), (84, 1, 1, 1)), np.arange(10_000) % 10
    folder = write(tmp_path / FOLDER, {BATCHES[0]: content_of(images[:10_000], labels)})
    for name in BATCHES[1:]:
        os.link(folder / BATCHES[0], folder / name)
    tracemalloc.start()
    loaded = load_cifar10(19_000, num_test=1, folder=tmp_path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak - sum(X.nbytes + y.nbytes for X, y in in_splits(loaded)) < 1.1 * 10_000 * 3_073
    loaded = load_cifar10(dtype=np.uint8, folder=folder)
    assert [len(y) for _, y in in_splits(loaded)] == [49_000, 1_000, 10_000]
    assert np.array_equal(loaded.X_test[-1].reshape(32, 32, 3), images[9_999])


BAD_OPTIONS = [
    (load_cifar10, SMALL | {"num_train": 91}, "num_train must be from 1 to 90, not 91"),
    (load_cifar10, SMALL | {"num_val": -1}, "num_val must be from 1 to 99, not -1"),
    (load_cifar10, SMALL | {"dtype": np.float16}, "dtype must be .*, not float16"),
    *((make_spirals, {name: 1}, "2 classes of 6") for name in ("num_classes", "points_per_class")),
    (make_spirals, {"noise": 7}, "noise must"),
]


@pytest.mark.parametrize(("function", "options", "message"), BAD_OPTIONS)
def test_bad_options_are_refused(function, options, message):
    with pytest.raises(ValueError, match=message):
        function(**options)


def test_the_data_are_looked_for_in_three_places(tmp_path, monkeypatch):
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
        write(place / FOLDER, FILES)
        assert download_cifar10() == place / FOLDER
    assert datasets._folders(None) == places
    monkeypatch.delenv("CS231N_DATA")
    (tmp_path / "checkout" / "notebooks").rmdir()  # an installed package
    assert datasets._folders(None) == places[2:]


FAULTS = [  # a batch's new content, and the error
    (None, FileNotFoundError, "No such file"),
    (b"", ValueError, "cannot reshape"),
    (FILES[BATCHES[1]] + b"\0", ValueError, "cannot reshape"),
    (b"\n" + FILES[BATCHES[1]][1:], ValueError, "a label is larger than 9"),
]


@pytest.mark.parametrize("call", [partial(load_cifar10, **SMALL), download_cifar10])
@pytest.mark.parametrize(("content", "error", "message"), FAULTS)
def test_a_damaged_file_is_named(tmp_path, call, content, error, message):
    path = write(tmp_path / FOLDER, FILES) / BATCHES[1]
    path.unlink() if content is None else path.write_bytes(content)
    sentence = f"{re.escape(str(path))} is missing or damaged: .*{message}.* Delete its folder and"
    with pytest.raises(error, match=sentence):
        call(folder=tmp_path)


class Handler(BaseHTTPRequestHandler):
    """Answers a request with the file, but for what the next of the server's answers says."""

    log_message = mock.Mock()  # print nothing

    def do_GET(self):  # noqa: D102
        self.answer(**(self.server.answers.pop(0) if self.server.answers else {}))

    def answer(self, status=206, change=bytes, length=True, stop=None):
        """Send the file from where it is asked for, up to `stop`."""
        site = self.server
        start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        site.requests.append(start)
        content = change(site.content)[start if status == 206 else 0 :]
        self.send_response(status)
        if length:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[:stop])
        site.sent += len(content[:stop])


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A server on this machine with a small archive, in place of both official addresses."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as site:
        site.daemon_threads, site.handle_error = True, lambda *_: None  # clients may go away
        with tarfile.open(tmp_path / "archive", "w:gz") as tar:
            tar.add(write(tmp_path / "files", FILES), FOLDER)
        site.content, site.target = (tmp_path / "archive").read_bytes(), tmp_path / "new" / "data"
        site.part = site.target / "cifar-10-download" / "archive"
        site.answers, site.requests, site.sent, site.waits = [], [], 0, []
        urls = [f"http://127.0.0.1:{site.server_port}/{k}" for k in (1, 2)]
        monkeypatch.setattr(datasets, "CIFAR10_URLS", urls)
        monkeypatch.setattr(datasets, "CIFAR10_BYTES", len(site.content))
        monkeypatch.setattr(datasets, "CIFAR10_SHA256", hashlib.sha256(site.content).hexdigest())
        monkeypatch.setattr(datasets.time, "sleep", site.waits.append)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        thread = threading.Thread(target=site.serve_forever, args=(0.01,))
        thread.start()
        yield site
        site.shutdown()
        thread.join()


def assert_whole(site, *starts):
    """The data are there, and nothing else but the lock; the requests started at these bytes."""
    assert site.requests == [*starts]
    assert {path.name for path in site.target.iterdir()} - {"cifar-10-download.lock"} == {FOLDER}
    assert {path.name: path.read_bytes() for path in (site.target / FOLDER).iterdir()} == FILES


CUT = {"stop": 150_000}
BUSY, ABSENT = ({"status": status, "change": lambda content: b""} for status in (503, 404))
OTHER = {"change": lambda content: bytes(len(content))}
PAGE = {"change": lambda content: b"<html>Sign in"}
ENDLESS = {"change": lambda content: bytes(100 * len(content)), "length": False}
DOWNLOADS = {  # answers, and where the requests start
    "busy": ([BUSY, BUSY], [0, 0, 0]),
    "cut": ([CUT | {"length": False}], [0, 150_000]),
    "cut, and no ranges": ([CUT, {"status": 200}], [0, 150_000]),
    "another file": ([OTHER], [0, 0]),
    "a page after a cut": ([CUT, PAGE], [0, 150_000, 150_000]),
    "without an end": ([ENDLESS], [0, 0]),
    "a damaged part is there": ([], [1_000, 0]),
}


@pytest.mark.parametrize("fault", DOWNLOADS)
def test_a_download_survives_a_fault(site, fault):
    site.answers, starts = [*DOWNLOADS[fault][0]], DOWNLOADS[fault][1]
    if starts[0]:
        write(site.part.parent, {site.part.name: bytes(starts[0])})
    for _ in range(2):  # the second finds the data
        assert download_cifar10(site.target) == site.target / FOLDER
        assert_whole(site, *starts)
    assert site.sent <= 2 * len(site.content), "it does not listen to the end"


REASONS = {"not the official archive": OTHER, "no file of": PAGE, "404": ABSENT, "503": BUSY}


@pytest.mark.parametrize("reason", REASONS)
def test_when_no_address_helps_the_reasons_are_told(site, reason):
    site.answers = 8 * [REASONS[reason]]
    with pytest.raises(ConnectionError, match=f"/1: .*{reason}.*\n.*/2: .*{reason}.*\nRun this"):
        download_cifar10(site.target)
    assert len(site.requests) == 8
    assert site.waits == [0, 0, 1, 1, 2, 2, 4, 4]


FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
UNPACK = (tarfile.TarFile, "makefile")


@pytest.mark.parametrize(
    ("owner", "name", "error"),
    [(datasets.tqdm, "update", FULL), (*UNPACK, FULL), (*UNPACK, KeyboardInterrupt())],
)
def test_a_run_that_is_stopped_says_why_and_is_continued(site, monkeypatch, owner, name, error):
    """By a full disk or by Ctrl-C, in the third block of the archive or the third file in it."""
    action, steps = getattr(owner, name), mock.Mock(side_effect=[1, 2, error])
    message = rf"cannot be put in .* {FULL.strerror}.*\n.* with 360 MB" if error is FULL else None
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, lambda *arguments: steps() and action(*arguments))
        with pytest.raises(type(error), match=message):
            download_cifar10(site.target)
    start = site.part.stat().st_size
    with pytest.raises(FileNotFoundError, match="CIFAR-10 is not in"):  # the argument counts alone
        load_cifar10(**SMALL, folder=site.target)
    download_cifar10(site.target)
    assert_whole(site, *([0, start] if name == "update" else [0]))


def test_two_runs_share_one_download(site, monkeypatch):
    acquire, both = filelock.FileLock.acquire, threading.Barrier(2)
    monkeypatch.setattr(filelock.FileLock, "acquire", lambda lock: (both.wait(), acquire(lock)))
    with ThreadPoolExecutor() as pool:
        runs = [pool.submit(download_cifar10, site.target) for _ in range(2)]
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
