"""A foreign HDF5 file is read by a child process of its own, which may crash, hang or be starved;
what comes out is what was in the file. One's own files are verified first, and need no child.
"""

import os
import pkgutil
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from run_folders import ENVIRONMENT
from surgery import HOLES, MAKING, VALUES

from refboot import hdf5
from refboot.errors import FormatError, RefbootError

STARTED = "import sys; sys.stdout.buffer.write(b'started\\n'); sys.stdout.flush()\n"
BAD_SCRIPTS = {
    "crash": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "hang": "import time; time.sleep(600)",
    "garbage": "print('garbage' * 100)",
    "nothing": "",
    "a short answer": 'print(\'["", null, "group"\')',
    "a length that is not there": 'print(\'["/x", null, "<f4", [1000], 4000]\')',
}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "file.h5"
    with h5py.File(path, "w") as made:
        made["a/b"] = np.arange(6.0).reshape(2, 3)
        made["a"].attrs["text"] = "text"
    return path


def content(path):
    with hdf5.reading(path) as read:
        return {name: item[()].tolist() for name, item in hdf5.walk(read)}


def run(code, *arguments, **options):
    """A program of its own that reads files."""
    code = "import os, signal, sys, threading\nfrom refboot import hdf5\n" + code
    command = [sys.executable, "-c", code, *map(str, arguments)]
    options = {"env": ENVIRONMENT, "timeout": 300} | options
    return subprocess.run(command, capture_output=True, text=True, check=True, **options)


@pytest.mark.parametrize("script", BAD_SCRIPTS)
def test_a_child_that_fails_is_an_error_and_the_next_read_works(script, file, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(hdf5, "SECONDS", 1)
        patched.setattr(hdf5, "PATIENCE", 3)
        code = STARTED + BAD_SCRIPTS[script]
        patched.setattr(pkgutil, "get_data", lambda *given: code.encode())
        with pytest.raises(FormatError, match=r"file\.h5 is (unreadable|damaged)"):
            content(file)
    assert content(file) == {"a.b": [[0, 1, 2], [3, 4, 5]]}


def test_a_child_that_takes_too_much_is_ended(file, monkeypatch):
    source = pkgutil.get_data("refboot", "hdf5_child.py").decode()
    reads = "content = sys.stdin.buffer.read()"
    for greed in ("bytearray(1 << 40)", "exec('while True: pass')", "open('/etc/hosts')"):
        assert source.count(reads) == 1
        changed = source.replace(reads, f"{greed}; {reads}").encode()
        with monkeypatch.context() as patched:
            patched.setattr(hdf5, "SECONDS", 1)
            patched.setattr(pkgutil, "get_data", lambda *given, text=changed: text)
            with pytest.raises(FormatError, match=r"crashed|MemoryError|Too many open files"):
                content(file)


def test_interrupted_anywhere_the_next_read_gives_the_file_asked_for(file, tmp_path):
    class Interrupted(Exception):
        pass

    def interrupt(*given):
        raise Interrupted

    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as made:
        made["c"] = [7.0]
    before = signal.signal(signal.SIGALRM, interrupt)
    stopped = 0
    try:
        for delay in np.linspace(0.002, 0.4, 12):
            signal.setitimer(signal.ITIMER_REAL, delay)
            try:
                content(file)
            except Interrupted:
                stopped += 1
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            assert content(other) == {"c": [7.0]}
    finally:
        signal.signal(signal.SIGALRM, before)
    assert stopped


def test_an_interrupt_of_the_terminal_does_not_reach_the_child(file):
    code = """
got = []
signal.signal(signal.SIGINT, lambda *given: got.append(1))
for delay in (0.02, 0.1, 0.2):
    timer = threading.Timer(delay, os.killpg, (0, signal.SIGINT))
    timer.start()
    with hdf5.reading(sys.argv[1]) as read:
        assert read["a/b"].shape == (2, 3)
    timer.join()
assert got
"""
    run(code, file, start_new_session=True)


def test_a_process_that_is_forked_while_a_thread_reads_can_read(file, tmp_path):
    with hdf5.writing(tmp_path / "own.h5", sealed=True) as made:
        made["a/b"] = np.zeros((2, 3))
    code = """
def read():
    for path in sys.argv[1:]:
        with hdf5.reading(path) as file:
            assert file["a/b"].shape == (2, 3)

def loop():
    while not done:
        read()

done = []
thread = threading.Thread(target=loop)
thread.start()
try:
    for _ in range(8):
        child = os.fork()
        if not child:
            signal.alarm(120)
            read()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
finally:
    done.append(1)
    thread.join()
"""
    run("import warnings\nwarnings.simplefilter('ignore')\n" + code, file, tmp_path / "own.h5")


def test_packages_found_through_the_path_alone_are_found_by_the_child(file):
    code = "import sys; sys.path[:0] = eval(sys.argv[2]); from refboot import hdf5\n"
    code += "with hdf5.reading(sys.argv[1]) as read: print(read['a/b'].shape)"
    environment = {k: v for k, v in ENVIRONMENT.items() if k != "PYTHONPATH"}
    path = repr([place for place in [ENVIRONMENT["PYTHONPATH"], *sys.path] if place])
    command = [sys.executable, "-S", "-c", code, str(file), path]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert done.stdout == "(2, 3)\n"


@pytest.mark.parametrize("executable", ["", None, "/bin/false", "/nowhere/python"])
def test_without_a_python_to_start_another_is_found_or_the_error_says_so(
    executable, file, tmp_path, monkeypatch
):
    with hdf5.writing(tmp_path / "own.h5", sealed=True) as made:
        made["c"] = [7.0]
    monkeypatch.setattr(sys, "executable", executable)
    assert "a.b" in content(file)
    monkeypatch.setattr(sys, "base_prefix", str(tmp_path))
    with pytest.raises(RefbootError, match=r"not started \(sys.executable is") as caught:
        content(file)
    assert not isinstance(caught.value, FormatError)  # nothing is wrong with the file
    assert content(tmp_path / "own.h5") == {"c": [7.0]}


def test_a_child_without_h5py_is_not_the_fault_of_the_file(file, monkeypatch):
    monkeypatch.setattr(sys, "path", [place for place in sys.path if "site-packages" not in place])
    with pytest.raises(RefbootError, match="No module named 'h5py'") as caught:
        content(file)
    assert not isinstance(caught.value, FormatError)


def linked(file):
    one = file.create_dataset("0", data=np.zeros(1 << 18, np.float32), compression="gzip")
    for number in range(400):
        file[f"more{number}"] = one


def referred(file):
    file.attrs.create("a", ["x" * 1_000_000] * 50, dtype=h5py.string_dtype())
    for number in range(300):
        file.attrs[f"one{number}"] = "x" * 1_000_000


def packed(file):
    options = {"compression": "gzip", "chunks": (1 << 22,), "fillvalue": 1}
    made = file.create_dataset("x", (1 << 28,), "f4", **options)
    made[: 1 << 22] = 0
    for chunk in range(1, 64):
        made.id.write_direct_chunk((chunk << 22,), made.id.read_direct_chunk((0,))[1])


@pytest.mark.skipif(not Path("/proc").exists(), reason="memory is limited on Linux only")
@pytest.mark.parametrize("make", [linked, referred, packed])
def test_a_file_that_unpacks_to_far_more_than_its_bytes_is_refused(make, tmp_path):
    path = tmp_path / "bomb.h5"
    with h5py.File(path, "w") as made:
        make(made)
    size = path.stat().st_size
    code = """
import resource
try:
    with hdf5.reading(sys.argv[1]) as read:
        print("read", end=" ")
except hdf5.FormatError as error:
    print("refused", end=" ")
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(int(status["VmHWM"].split()[0]) // 1024, end=" ")  # ru_maxrss counts the parent's, too
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024, end=" ")
"""
    told, own, child = run(code, path).stdout.split()
    most = 512 + (4 * size >> 20)
    assert (told == "refused") == (make is not referred)  # honest: the file has the bytes it says
    assert int(own) < most + (8 * size >> 20)
    assert int(child) < most + (8 * size >> 20)


def elsewhere(kind, source):
    def make(file):
        if kind == "link":
            file["x"] = h5py.ExternalLink(source, "/x")
        elif kind == "storage":
            file.create_dataset("x", (4,), "f4", external=[(source, 0, 16)])
        else:
            layout = h5py.VirtualLayout((4,), "f4", maxshape=(None,))
            rows = h5py.VirtualSource(source, "x", (4,), "f4", maxshape=(None,))
            layout[: h5py.h5s.UNLIMITED] = rows[: h5py.h5s.UNLIMITED]
            file.create_virtual_dataset("x", layout)

    return make


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("kind", ["link", "storage", "virtual"])
def test_no_other_file_is_opened(kind, tmp_path):
    """Not by this process, nor by its child; a pipe would block whoever opens it."""
    source, trace = tmp_path / "source", tmp_path / "trace"
    os.mkfifo(source)
    path = tmp_path / "file.h5"
    with h5py.File(path, "w") as made:
        elsewhere(kind, str(source))(made)
    code = "from refboot import hdf5\nwith hdf5.reading(sys.argv[1]): pass"
    command = [sys.executable, "-c", "import sys\n" + code, str(path)]
    spy = ["strace", "-f", "-s", "500", "-e", "trace=open,openat", "-o", str(trace)]
    done = subprocess.run(
        spy + command, capture_output=True, text=True, env=ENVIRONMENT, check=False, timeout=300
    )
    if "PTRACE" in done.stderr or not trace.exists():
        pytest.skip("this system does not let strace look")
    assert "file.h5:/x is" in done.stderr
    opened = [line for line in trace.read_text().splitlines() if str(tmp_path) in line]
    assert any("file.h5" in line for line in opened)
    others = [line for line in opened if "file.h5" not in line and not re.search("= -1 ", line)]
    assert others == []


@pytest.mark.parametrize("kind", ["link", "storage", "virtual"])
def test_data_elsewhere_is_refused_by_name(kind, tmp_path):
    with h5py.File(tmp_path / "file.h5", "w") as made:
        elsewhere(kind, str(tmp_path / "source"))(made)
    with pytest.raises(FormatError, match=r"file\.h5:/x is"):
        content(tmp_path / "file.h5")


NONE = {
    b"version https://git-lfs.github.com/spec/v1\n": "a Git LFS pointer.*git lfs pull",
    b"PK\x03\x04data": "a zip archive, as PyTorch",
    b"\x80\x02}q": "a pickle",
    b"\x1f\x8bdata": "packed by gzip.*unpack it first",
    b"": "empty",
    b"something": "no HDF5 file",
}


@pytest.mark.parametrize("start", NONE)
def test_what_is_no_hdf5_is_named(start, tmp_path):
    (tmp_path / "file").write_bytes(start)
    with pytest.raises(FormatError, match=NONE[start]):
        content(tmp_path / "file")


def test_a_folder_a_pipe_and_nothing_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name in ("", "pipe", "nothing"):
        with pytest.raises(FormatError, match=r"no regular file|No such file"):
            content(tmp_path / name)


DTYPES = ["f4", "f8", "i8", "u1", ">f4", "S5", "?"]


@settings(max_examples=15)
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
        file["text"], file["texts"] = "é" * number, np.array(["é"], h5py.string_dtype())
    with h5py.File(path) as there, hdf5.reading(path) as copy:
        assert copy.attrs["note"] == there.attrs["note"]
        for name in ("text", "texts"):
            assert copy[name].dtype == there[name].dtype
            assert np.array_equal(copy[name][()], there[name][()])
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
            for _, dataset in hdf5.walk(read):
                hdf5.read_array(dataset, "biufS", "numbers or text")

    with pytest.raises(FormatError, match=r"file\.h5:/x"):
        read_all()


def test_attributes_of_any_type_are_copied_or_left_empty(file):
    with h5py.File(file, "r+") as made:
        for kind, value in VALUES.items():
            made.attrs[kind] = value
        whole = dict(made.attrs)
    with hdf5.reading(file) as read:
        found = dict(read.attrs)
    assert found.keys() == whole.keys()
    for kind, value in found.items():
        if isinstance(value, h5py.Empty):
            assert kind in ("complex", "compound", "null")
        else:
            assert type(value) is type(whole[kind])
            assert np.asarray(value).dtype == np.asarray(whole[kind]).dtype
            np.testing.assert_array_equal(value, whole[kind])
