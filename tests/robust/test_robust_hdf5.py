"""HDF5 files are parsed in a process of its own: it may crash or hang, and the reader gets an
error; what it copies is what was there.
"""

import subprocess
import sys

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from surgery import HOLES, MAKING, VALUES

from refboot import hdf5, hdf5_process
from refboot.errors import FormatError
from refboot.hdf5_process import Parser

LIMITS = hdf5.LIMITS
BAD_SCRIPTS = {
    "crash": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
    "hang": "import time\ntime.sleep(600)",
    "garbage": "print('garbage' * 100)",
    "nothing": "",
    "a short answer": "import sys\nsys.stdout.buffer.write(b'+' + (10**6).to_bytes(8, 'little') + b'abc')",
}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "file.h5"
    with h5py.File(path, "w") as made:
        made["a/b"] = np.arange(6.0).reshape(2, 3)
        made["a"].attrs["text"] = "text"
    return path


@pytest.mark.parametrize("script", BAD_SCRIPTS)
def test_a_process_that_fails_is_an_error_and_the_next_one_works(
    script, file, tmp_path, monkeypatch
):
    parser = Parser()
    parser.seconds = 0.5
    bad = tmp_path / "bad.py"
    bad.write_text(BAD_SCRIPTS[script])
    with monkeypatch.context() as patched:
        patched.setattr(hdf5_process, "SCRIPT", bad)
        with pytest.raises(FormatError, match=r"file\.h5 is unreadable"):
            parser.copy(file, LIMITS)
    parser.end()
    parser.seconds = 60
    assert parser.copy(file, LIMITS)
    parser.end()


def test_a_process_killed_between_two_files_is_started_again(file):
    parser = Parser()
    first = parser.copy(file, LIMITS)
    parser._process.kill()
    parser._process.wait()
    with pytest.raises(FormatError, match="HDF5 crashed"):
        parser.copy(file, LIMITS)
    assert parser.copy(file, LIMITS) == first
    parser.end()


def test_the_process_ends_with_the_one_that_asked(file):
    code = f"from refboot import hdf5, hdf5_process as p\nwith hdf5.reading({str(file)!r}): print(p.parser._process.pid)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        env=None,
    )
    ended = subprocess.run(["ps", "-p", done.stdout.strip()], capture_output=True, check=False)
    assert ended.returncode
    assert done.stderr == ""


DTYPES = ["f4", "f8", "i8", "u1", ">f4", "S5", "?"]


@given(
    st.lists(
        st.tuples(st.sampled_from(DTYPES), st.lists(st.integers(0, 4), max_size=3)),
        min_size=1,
        max_size=4,
    ),
    st.integers(0, 2**32 - 1),
)
def test_what_is_read_is_what_was_written(tmp_path_factory, kinds, seed):
    rng, path = np.random.default_rng(seed), tmp_path_factory.mktemp("copy") / "file.h5"
    with hdf5.writing(path) as file:
        for number, (dtype, shape) in enumerate(kinds):
            file[f"group/{number}"] = rng.integers(0, 2, shape).astype(dtype)
            file[f"group/{number}"].attrs["number"] = number
        file.attrs["note"] = "é" * number
    with h5py.File(path) as there, hdf5.reading(path) as copy:
        assert copy.attrs["note"] == there.attrs["note"]
        for number in range(len(kinds)):
            one, two = there[f"group/{number}"], copy[f"group/{number}"]
            assert (one.dtype, one.shape) == (two.dtype, two.shape)
            np.testing.assert_array_equal(one[()], two[()])
            assert two.attrs["number"] == number


@pytest.mark.parametrize("hole", sorted(set(HOLES) - {"many", "bomb"}))
def test_what_is_no_plain_data_in_the_file_is_refused_by_name(hole, file):
    with h5py.File(file, "r+") as made:
        MAKING[hole](made, "x")

    def read_all():
        with hdf5.reading(file) as read:
            return [
                hdf5.read_array(dataset, "biufS", "numbers or text")
                for _, dataset in hdf5.walk(read)
            ]

    with pytest.raises(FormatError, match=r"file\.h5"):
        read_all()


@pytest.mark.parametrize("kind", sorted(VALUES))
def test_attributes_of_any_type_are_copied_or_refused(kind, file):
    with h5py.File(file, "r+") as made:
        made.attrs["odd"] = VALUES[kind]
        whole = made.attrs["odd"]
    with hdf5.reading(file) as read:
        found = read.attrs["odd"]
    assert type(found) is type(whole)
    assert np.asarray(found).dtype == np.asarray(whole).dtype
