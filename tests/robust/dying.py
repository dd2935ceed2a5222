"""Run as `dying.py train ...`: the command, killed (SIGKILL) at the call number DIE_CALL of what
DIE_AT names.

`write` dies with half of a file written, `fsync`, `replace` and `append` before they are done,
`folder` before the folder is synced.
"""

import os
import signal
import sys

from refboot import files
from refboot.cli import main


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def dying(function, half=lambda *given: None):
    """`function`, which dies at its call number DIE_CALL, `half` done."""
    left = [int(os.environ["DIE_CALL"])]

    def called(*given, **named):
        left[0] -= 1
        if left[0] == 0:
            half(*given)
            die()
        return function(*given, **named)

    return called


def half_a_file(handle, mode):
    """A temporary file that is written only in part."""
    os.write(handle, b"\x89HDF" * 500)


def half_a_line(path, line):
    with open(path, "ab", buffering=0) as file:
        file.write(line[: len(line) // 2])


def arm():
    where = os.environ["DIE_AT"]
    if where == "append":
        files.append = dying(files.append, half_a_line)
    elif where == "write":
        os.fdopen = dying(os.fdopen, half_a_file)
    elif where == "folder":
        files.sync_folder = dying(files.sync_folder)
    else:
        setattr(os, where, dying(getattr(os, where)))


if __name__ == "__main__":
    arm()
    sys.exit(main(sys.argv[1:]))
