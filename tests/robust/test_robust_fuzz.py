"""Damaged and hostile files: every reader refuses them with refboot's own errors, in bounded time
and memory, and looks nowhere else.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mutations import DAMAGES, damaged
from run_folders import ENVIRONMENT, LONG

from refboot import files
from refboot.errors import FormatError

pytest.importorskip("resource", reason="limits on memory are POSIX's")

COUNT = 10_000 if LONG else 200
FOREIGN = 10_000 if LONG else 40  # each is read by a new process
GROUPS = [
    "netx,netx-lenient,state-unsealed,vectors-arrays",
    "netx-surgery,state-surgery,vectors-surgery",
    "state,checkpoint,idx,idx-gzip,answer,vectors-index,settings,table,log",
]


@pytest.mark.parametrize(
    "names", [name for group in GROUPS for name in group.split(",")] if LONG else GROUPS
)
def test_readers_only_raise_refboots_errors(names, tmp_path):
    worker = Path(__file__).with_name("fuzz_worker.py")
    count = COUNT if names in GROUPS[2] else FOREIGN
    command = [sys.executable, str(worker), names, str(count), "11", str(tmp_path)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        check=False,
        timeout=7200 if LONG else 600,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-5000:]
    for name in names.split(","):
        (line,) = [line for line in done.stdout.splitlines() if line.startswith(f"{name} ")]
        _, read, refused = line.split()
        assert int(read) + int(refused) >= count
        assert int(refused) or name == "log", (
            line
        )  # a log is cut to what is whole, and never refused


def test_every_reader_is_fuzzed():
    from readers import READERS

    assert sorted(",".join(GROUPS).split(",")) == sorted(READERS)


def test_the_worker_notices_what_it_must(tmp_path):
    """A reader that leaks an error, takes the memory, hangs, or opens another file: each is
    caught.
    """
    bad = {
        "leak": "lambda path: [][1]",
        "memory": "lambda path: bytearray(1 << 30)",
        "hang": "lambda path: exec('while True: pass')",
        "outside": "lambda path: open('/etc/hosts').close()",
    }
    for name, reader in bad.items():
        code = (
            f"import fuzz_worker as w\nw.SECONDS = 1\ngood = [True]\nread = {reader}\n"
            "make = lambda path: path.write_bytes(b'abc')\n"
            "once = lambda path: path.read_bytes() == b'abc' or read(path)\n"
            "w.READERS['x'] = (make, once, *w.READERS['idx'][2:])\n"
            f"w.main('x', '20', '1', {str(tmp_path)!r})"
        )
        environment = ENVIRONMENT | {
            "PYTHONPATH": f"{ENVIRONMENT['PYTHONPATH']}:{Path(__file__).parent}"
        }
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            env=environment,
            check=False,
            timeout=120,
        )
        assert done.returncode, name
        assert {
            "leak": "IndexError",
            "memory": "MemoryError",
            "hang": "Timeout",
            "outside": "/etc/hosts",
        }[name] in done.stderr


@given(st.binary(max_size=3000), DAMAGES)
def test_a_seal_tells_every_change(tmp_path_factory, content, damages):
    path = tmp_path_factory.mktemp("seal") / "file"
    files.replace(path, files.seal(content), content)
    whole = path.read_bytes()
    files.check_seal(path, whole)
    other = damaged(whole, damages)
    if other == whole:
        files.check_seal(path, other)
    else:
        with pytest.raises(FormatError, match="file"):
            files.check_seal(path, other)


def test_a_seal_tells_every_flipped_bit(tmp_path):
    content = np.random.default_rng(0).bytes(300)
    whole = files.seal(content) + content
    for bit in range(8 * len(whole)):
        data = bytearray(whole)
        data[bit // 8] ^= 1 << (bit % 8)
        with pytest.raises(FormatError):
            files.check_seal(tmp_path / "file", bytes(data))
