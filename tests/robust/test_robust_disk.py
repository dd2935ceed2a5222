"""A full disk and a read-only folder: a clear error, and the last good state is still there."""

import ctypes
import os

import numpy as np
import pytest
from run_folders import SMALL, assert_same_end, leftovers, train

from refboot import files
from refboot.errors import FormatError, RefbootError
from refboot.io import state
from refboot.settings import Settings
from refboot.training import Run, build, checkpoint

resource = pytest.importorskip("resource", reason="limits on the size of files are POSIX's")

TINY = {
    "data": "digits",
    "hidden": (8,),
    "epochs": 1,
    "num_sample_iter": 2,
    "batch_size": 300,
    "augment": False,
}


def limited(size):
    """What a process does first so that no file of it can be larger than `size` bytes: as on a disk
    that is full.
    """
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def whole_run(folder):
    done = train(folder, *SMALL)
    assert done.returncode == 0, done.stderr
    return folder


def test_a_disk_that_fills_up_in_a_run_is_told_and_the_run_goes_on_when_there_is_room(tmp_path):
    folder = whole_run(tmp_path / "whole")
    size = (folder / checkpoint.CURRENT).stat().st_size
    place = tmp_path / "run"
    train(place, *SMALL, "--epochs", "1")
    before = checkpoint.newest(place).notes["epoch"]
    told = train(place, *SMALL, "--resume", preexec_fn=limited(size * 3 // 4))
    assert told.returncode == 1
    assert told.stderr == (
        f"refboot: {place / '.checkpoint.h5.new'} is not written (File too large), "
        "expected a writable folder with room; what was there is unchanged\n"
    )
    assert checkpoint.newest(place).notes["epoch"] == before
    assert leftovers(place) == []
    assert train(place, *SMALL, "--resume").returncode == 0
    assert_same_end(folder, place)


def test_a_log_that_cannot_be_written_is_told(tmp_path, monkeypatch):
    run = Run(Settings(**TINY), tmp_path)
    log, sync = tmp_path / "log.jsonl", os.fsync

    def full(handle):
        if log.exists() and os.path.samestat(os.fstat(handle), log.stat()):
            raise OSError(28, "No space left on device")
        sync(handle)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(FormatError, match=r"log\.jsonl is not written \(No space left"):
            run.run(lambda line: None)
    assert checkpoint.newest(tmp_path).notes["epoch"] == 0
    Run(Settings(**TINY), tmp_path, resume=True).run(lambda line: None)


def test_nothing_is_written_through_a_link_or_into_a_pipe(tmp_path):
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / "link").symlink_to(tmp_path / "precious")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe"):
        with pytest.raises(FormatError, match="not written"):
            files.append(tmp_path / name, b"more")
    files.replace(tmp_path / "link", b"new")
    assert (tmp_path / "precious").read_bytes() == b"precious"
    assert (tmp_path / "link").read_bytes() == b"new"


@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_the_umask_is_kept(mask, tmp_path):
    before = os.umask(mask)
    try:
        files.replace(tmp_path / "file", b"")
        files.append(tmp_path / "log", b"")
    finally:
        os.umask(before)
    for name in ("file", "log"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o666 & ~mask


@pytest.mark.parametrize("what", ["state", "checkpoint"])
def test_no_space_leaves_the_old_file_and_nothing_else(what, tmp_path, monkeypatch):
    network = build(Settings(**TINY), np.random.default_rng(0))

    def save(value):
        if what == "state":
            state.save(network, tmp_path / "net.h5", {"value": value})
        else:
            checkpoint.save(tmp_path, network.state(), {"value": value})

    save(1)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FormatError, match="No space left on device"):
        save(2)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def without_override():
    """What root does first so that read-only folders are so for root too: give up the capability to
    override them, for good.
    """
    drop, override = 24, 1  # PR_CAPBSET_DROP, CAP_DAC_OVERRIDE
    if os.getuid() == 0 and ctypes.CDLL(None).prctl(drop, override, 0, 0, 0):
        os._exit(77)


def test_a_read_only_folder_is_told_and_stays_as_it_was(tmp_path):
    place = whole_run(tmp_path / "run")
    before = {path.name: path.read_bytes() for path in place.iterdir()}
    for path, rights in ((place / ".lock", 0o444), (place, 0o555), (tmp_path, 0o555)):
        path.chmod(rights)
    try:
        for folder, more in (
            (place, ["--resume", "--epochs", "9"]),
            (place, ["--overwrite"]),
            (tmp_path / "new", []),
        ):
            told = train(folder, *SMALL, *more, preexec_fn=without_override)
            if told.returncode == 77:
                pytest.skip("root here cannot give up its rights: no folder is read-only")
            assert told.returncode == 1, told
            assert told.stderr.startswith(f"refboot: {folder} is not "), told.stderr
            assert told.stderr.count("\n") == 1
    finally:
        tmp_path.chmod(0o755)
        place.chmod(0o755)
    assert {path.name: path.read_bytes() for path in place.iterdir()} == before


def test_a_path_below_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FormatError, match="file"):
        Run(Settings(**TINY), tmp_path / "file" / "run")
    with pytest.raises(FormatError, match="not written"):
        files.replace(tmp_path / "file" / "net.h5", b"")


class Bytes(os.PathLike):
    def __fspath__(self):
        return b"file"


@pytest.mark.parametrize("path", ["", "a\0b", "\ud800", b"file", Bytes(), 3, None])
def test_what_cannot_be_a_path_is_refused(path):
    with pytest.raises(RefbootError, match=r"^folder is"):
        files.as_path("folder", path)
