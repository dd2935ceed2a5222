"""load_mnist: from folders, from mirrors, and what it refuses. The mirrors are servers on this
machine.
"""

import functools
import gzip
import hashlib
import http.server
import shutil
import struct
import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from refboot import files
from refboot.data import load_mnist, mnist
from refboot.data.mnist import DIGESTS, fetch
from refboot.errors import FormatError, TypeMismatchError


@pytest.fixture
def mnist_folder(shared):
    if not (shared / "mnist").is_dir():
        pytest.skip("the MNIST files are not in the shared folder")
    return shared / "mnist"


def idx_bytes(array):
    return (
        struct.pack(f">HBB{array.ndim}I", 0, 0x08, array.ndim, *array.shape)
        + array.astype(np.uint8).tobytes()
    )


def small_set(count=7, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, 28, 28), dtype=np.uint8), rng.integers(
        0, 10, count, dtype=np.uint8
    )


def store(folder, images, labels, prefix="train", suffix=""):
    folder.mkdir(parents=True, exist_ok=True)
    pack = gzip.compress if suffix == ".gz" else bytes
    (folder / f"{prefix}-images-idx3-ubyte{suffix}").write_bytes(pack(idx_bytes(images)))
    (folder / f"{prefix}-labels-idx1-ubyte{suffix}").write_bytes(pack(idx_bytes(labels)))


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format, *args):
        pass


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A folder and the address under which it is served."""
    monkeypatch.setenv("no_proxy", "*")
    folder = tmp_path / "served"
    folder.mkdir()
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))
    ) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("inner", [".", "MNIST/raw"])
@pytest.mark.parametrize("train", [True, False])
def test_a_folder_is_read(tmp_path, suffix, inner, train):
    images, labels = small_set()
    store(tmp_path / inner, images, labels, "train" if train else "t10k", suffix)
    for root in (tmp_path, str(tmp_path)):
        data = load_mnist(root, train)
        np.testing.assert_array_equal(data.images, images[:, None])
        np.testing.assert_array_equal(data.labels, labels)
        assert (data.images.dtype, data.labels.dtype, data.images.shape) == (
            np.uint8,
            np.int64,
            (7, 1, 28, 28),
        )
        assert (data.classes, data.scale, len(data)) == (10, 255, 7)
        assert "MNIST" in data.name


def test_without_a_root_the_environment_names_the_folder(tmp_path, monkeypatch):
    store(tmp_path, *small_set())
    monkeypatch.setenv("REFBOOT_DATA", str(tmp_path))
    np.testing.assert_array_equal(load_mnist().images, small_set()[0][:, None])


def test_without_a_root_and_environment_it_is_the_cache(tmp_path, monkeypatch):
    store(tmp_path / ".cache" / "refboot" / "mnist", *small_set())
    monkeypatch.delenv("REFBOOT_DATA", raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    np.testing.assert_array_equal(load_mnist().images, small_set()[0][:, None])


def test_a_missing_file_is_named(tmp_path):
    store(tmp_path, *small_set())
    with pytest.raises(FormatError, match="t10k-images-idx3-ubyte") as caught:
        load_mnist(tmp_path, train=False)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("root", [5, True, b"root"])
def test_a_root_must_be_a_path(root):
    with pytest.raises(TypeMismatchError, match="root"):
        load_mnist(root)


IMAGES, LABELS = small_set()


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (IMAGES[:, :27], LABELS, r"uint8 \(N, 28, 28\)"),
        (IMAGES[:, :, :27], LABELS, r"uint8 \(N, 28, 28\)"),
        (IMAGES.reshape(7, 784), LABELS, r"uint8 \(N, 28, 28\)"),
        (IMAGES[:0], LABELS[:0], r"uint8 \(N, 28, 28\)"),
        (IMAGES, LABELS[:, None], r"uint8 \(N\)"),
        (IMAGES[:6], LABELS, r"shape \(7,\), expected \(6,\)"),
        (IMAGES, LABELS[:6], r"shape \(6,\), expected \(7,\)"),
        (IMAGES, np.full(7, 10), "labels .* is 10"),
        (LABELS, IMAGES, r"uint8 \(N, 28, 28\)"),
    ],
    ids=[
        "27 rows",
        "27 columns",
        "flat",
        "empty",
        "labels (N, 1)",
        "image short",
        "label short",
        "label 10",
        "swapped",
    ],
)
def test_what_is_not_mnist_is_refused(tmp_path, images, labels, message):
    store(tmp_path, images, labels)
    with pytest.raises(FormatError, match=message) as caught:
        load_mnist(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_images_of_another_dtype_are_refused(tmp_path):
    store(tmp_path, *small_set())
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes().replace(b"\0\0\x08\3", b"\0\0\x09\3", 1))
    with pytest.raises(FormatError, match="int8"):
        load_mnist(tmp_path)


def packed_file(folder, contents=b"right contents", name="file.gz"):
    (folder / name).write_bytes(gzip.compress(contents))
    return hashlib.sha256(contents).hexdigest()


def test_a_file_is_fetched_from_the_first_mirror_that_has_it_right(mirror, tmp_path):
    served, address = mirror
    (served / "wrong").mkdir()
    (served / "foreign").mkdir()
    digest = packed_file(served)
    packed_file(served / "wrong", b"other contents")
    (served / "foreign" / "file.gz").write_bytes(b"<html>")
    mirrors = [address + part for part in ("nowhere/", "wrong/", "foreign/")]
    target = tmp_path / "new" / "cache"
    path = fetch("file.gz", digest, target, [*mirrors, address.rstrip("/")])
    assert path == target / "file.gz"
    assert gzip.decompress(path.read_bytes()) == b"right contents"
    assert list(target.iterdir()) == [path]


def test_when_no_mirror_helps_each_is_listed_and_nothing_is_left(mirror, tmp_path):
    served, address = mirror
    (served / "wrong").mkdir()
    (served / "cut").mkdir()
    packed_file(served / "wrong", b"other contents")
    digest = packed_file(served / "cut")
    whole = (served / "cut" / "file.gz").read_bytes()
    (served / "cut" / "file.gz").write_bytes(whole[:-3])
    with http.server.HTTPServer(("127.0.0.1", 0), Quiet) as closed:
        port = closed.server_port
    mirrors = [
        f"{address}wrong/",
        f"{address}cut/",
        f"{address}nowhere/",
        f"http://127.0.0.1:{port}/",
        "no address",
    ]
    target = tmp_path / "cache"
    with pytest.raises(FormatError, match="SHA-256") as caught:
        fetch("file.gz", digest, target, mirrors)
    for part in mirrors:
        assert f"{part.rstrip('/')}/file.gz: " in str(caught.value)
    assert "404" in str(caught.value)
    assert not target.exists()


def test_without_mirrors_the_error_says_so(tmp_path):
    with pytest.raises(FormatError, match="no mirror given"):
        fetch("file.gz", "", tmp_path, [])


@pytest.mark.parametrize("mirrors", ["http://127.0.0.1/", [3]])
def test_mirrors_must_be_addresses(tmp_path, mirrors):
    with pytest.raises(TypeMismatchError, match="mirrors"):
        fetch("file.gz", "", tmp_path, mirrors)


def test_an_unwritable_place_is_an_error(mirror, tmp_path):
    served, address = mirror
    digest = packed_file(served)
    (tmp_path / "taken").write_bytes(b"a file where the folder should be")
    with pytest.raises(FormatError, match="not writable"):
        fetch("file.gz", digest, tmp_path / "taken", [address])


def test_when_the_last_step_fails_the_old_file_stays_and_nothing_else(
    mirror, tmp_path, monkeypatch
):
    served, address = mirror
    digest = packed_file(served)
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "file.gz").write_bytes(b"old")

    def refuse(source, target):
        assert Path(source).parent == Path(target).parent == cache
        raise PermissionError("no")

    monkeypatch.setattr(files.os, "replace", refuse)
    with pytest.raises(FormatError, match="not written"):
        fetch("file.gz", digest, cache, [address])
    assert [(path.name, path.read_bytes()) for path in cache.iterdir()] == [("file.gz", b"old")]


def test_a_bomb_on_a_mirror_is_not_unpacked(mirror, tmp_path, monkeypatch):
    served, address = mirror
    digest = packed_file(served, bytes(2**25))
    monkeypatch.setattr(mnist, "MAX_UNPACKED", 1000)
    tracemalloc.start()
    try:
        with pytest.raises(FormatError, match="SHA-256"):
            fetch("file.gz", digest, tmp_path / "cache", [address])
        assert tracemalloc.get_traced_memory()[1] < 2**23
    finally:
        tracemalloc.stop()


def test_an_endless_reply_is_not_kept(mirror, tmp_path, monkeypatch):
    served, address = mirror
    digest = packed_file(served)
    monkeypatch.setattr(mnist, "MAX_PACKED", 10)
    with pytest.raises(FormatError, match="more than 10 bytes"):
        fetch("file.gz", digest, tmp_path / "cache", [address])


def test_a_forged_mnist_is_not_accepted(mirror, tmp_path):
    served, address = mirror
    store(served, *small_set(), suffix=".gz")
    with pytest.raises(FormatError, match=DIGESTS["train-images-idx3-ubyte"]):
        load_mnist(tmp_path / "cache", download=True, mirrors=[address])
    assert not (tmp_path / "cache").exists()


def test_mnist_is_downloaded_once_and_then_read_from_the_cache(
    mirror, tmp_path, monkeypatch, mnist_folder
):
    served, address = mirror
    for path in mnist_folder.glob("t10k*.gz"):
        shutil.copy(path, served)
    monkeypatch.setenv("REFBOOT_DATA", str(tmp_path / "cache"))
    first = load_mnist(train=False, download=True, mirrors=[address])
    again = load_mnist(train=False, download=True, mirrors=[])
    assert len(first) == 10_000
    for data in (again, load_mnist(mnist_folder, train=False)):
        np.testing.assert_array_equal(data.images, first.images)
        np.testing.assert_array_equal(data.labels, first.labels)


@pytest.mark.parametrize("train", [True, False])
def test_the_shared_files_have_the_pinned_contents(mnist_folder, train):
    data = load_mnist(mnist_folder, train)
    prefix = "train" if train else "t10k"
    assert (
        hashlib.sha256(idx_bytes(data.images[:, 0])).hexdigest()
        == DIGESTS[f"{prefix}-images-idx3-ubyte"]
    )
    assert (
        hashlib.sha256(idx_bytes(data.labels)).hexdigest() == DIGESTS[f"{prefix}-labels-idx1-ubyte"]
    )
