"""read_idx: round trips, and everything a file can have wrong."""

import gzip
import itertools
import math
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from refboot.data import read_idx
from refboot.data.mnist import DTYPES
from refboot.errors import FormatError, TypeMismatchError

CODES = {np.dtype(text).newbyteorder("="): code for code, text in DTYPES.items()}
arrays = st.sampled_from(sorted(CODES, key=str)).flatmap(
    lambda dtype: hnp.arrays(
        dtype, hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=5)
    )
)


def idx_bytes(array):
    header = struct.pack(f">HBB{array.ndim}I", 0, CODES[array.dtype], array.ndim, *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


def stored(folder, data, name="file"):
    path = folder / name
    path.write_bytes(data)
    return path


@given(array=arrays, packed=st.booleans(), gz_name=st.booleans())
def test_what_is_written_is_read_back(tmp_path_factory, array, packed, gz_name):
    data = idx_bytes(array)
    path = stored(
        tmp_path_factory.mktemp("idx"),
        gzip.compress(data) if packed else data,
        "file.gz" if gz_name else "file",
    )
    for given_path in (path, str(path)):
        back = read_idx(given_path)
        assert (back.dtype, back.shape) == (array.dtype, array.shape)
        assert back.tobytes() == array.tobytes()
    back[...] = 0
    assert back.dtype.isnative


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_every_truncation_is_refused(tmp_path, pack):
    data = pack(idx_bytes(np.arange(30, dtype=np.int16).reshape(5, 6)))
    for length in range(len(data)):
        path = stored(tmp_path, data[:length])
        with pytest.raises(FormatError) as caught:
            read_idx(path)
        assert caught.value.name == str(path)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_values_cut_off_before_packing_are_refused(tmp_path, pack):
    data = idx_bytes(np.arange(30, dtype=np.int32))
    with pytest.raises(FormatError, match="truncated"):
        read_idx(stored(tmp_path, pack(data[:-1])))


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_trailing_bytes_are_refused(tmp_path, pack):
    data = idx_bytes(np.arange(30, dtype=np.uint8))
    with pytest.raises(FormatError, match="nothing after them"):
        read_idx(stored(tmp_path, pack(data + b"\0")))


def test_trailing_bytes_after_the_gzip_stream_are_refused(tmp_path):
    data = gzip.compress(idx_bytes(np.arange(30, dtype=np.uint8)))
    with pytest.raises(FormatError):
        read_idx(stored(tmp_path, data + b"junk"))


def test_a_damaged_gzip_file_is_refused_or_harmless(tmp_path):
    array = np.random.default_rng(0).integers(0, 256, 50, dtype=np.uint8)
    data = gzip.compress(idx_bytes(array), mtime=0)
    refused = 0
    for place, bit in itertools.product(range(len(data)), range(8)):
        damaged = bytearray(data)
        damaged[place] ^= 1 << bit
        path = stored(tmp_path, bytes(damaged))
        try:
            np.testing.assert_array_equal(read_idx(path), array)
        except FormatError:
            refused += 1
    # Only the ten bytes of gzip's own header have bits without consequence.
    assert refused >= 8 * (len(data) - 10)


@pytest.mark.parametrize(
    "magic",
    [
        b"\1\0\x08\1",
        b"\0\1\x08\1",
        b"\0\0\x07\1",
        b"\0\0\x0a\1",
        b"\0\0\x08\0",
        b"\0\0\x08\x21",
        b"PK\3\4",
    ],
    ids=["first zero", "second zero", "type 7", "type 10", "no axes", "33 axes", "zip"],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_a_foreign_magic_number_is_refused(tmp_path, magic, pack):
    with pytest.raises(FormatError, match="magic number"):
        read_idx(stored(tmp_path, pack(magic + struct.pack(">I", 1) * 40)))


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize(
    "shape",
    [(2**17,), (2**32 - 1,), (60000, 2**16, 2**16), (2**32 - 1,) * 32, (0,) + (2**32 - 1,) * 3],
)
def test_absurd_shapes_are_refused_before_memory_is_taken(tmp_path, pack, shape):
    path = stored(tmp_path, pack(struct.pack(f">HBB{len(shape)}I", 0, 0x0E, len(shape), *shape)))
    tracemalloc.start()
    try:
        with pytest.raises(FormatError) as caught:
            read_idx(path)
        assert str(caught.value.got).startswith(f"of shape {shape}")
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_a_gzip_bomb_is_not_unpacked(tmp_path):
    announced, hidden = 1000, 2**26
    header = struct.pack(">HBBI", 0, 0x08, 1, announced)
    path = stored(tmp_path, gzip.compress(header + bytes(hidden)))
    tracemalloc.start()
    try:
        with pytest.raises(FormatError, match="longer"):
            read_idx(path)
        assert tracemalloc.get_traced_memory()[1] < hidden / 16
    finally:
        tracemalloc.stop()


def test_a_well_packed_file_is_read(tmp_path):
    array = np.zeros((1000, 1000), np.float64)
    data = gzip.compress(idx_bytes(array))
    assert len(data) * 1000 < array.nbytes
    np.testing.assert_array_equal(read_idx(stored(tmp_path, data)), array)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    for path in (tmp_path / "nothing", tmp_path):
        with pytest.raises(FormatError) as caught:
            read_idx(path)
        assert (caught.value.name, caught.value.got) == (str(path), "missing or no regular file")


@pytest.mark.parametrize("path", [3, None, b"bytes"])
def test_a_path_must_be_a_path(path):
    with pytest.raises(TypeMismatchError, match="path"):
        read_idx(path)


def test_the_mnist_files_are_read_whole(shared):
    for path in sorted((shared / "mnist").glob("*.gz")):
        array = read_idx(path)
        unpacked = gzip.decompress(path.read_bytes())
        assert array.dtype == np.uint8
        assert len(unpacked) == 4 + 4 * array.ndim + math.prod(array.shape)
        assert unpacked == idx_bytes(array)
