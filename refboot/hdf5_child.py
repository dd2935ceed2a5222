"""The child process that reads one foreign HDF5 file: run as a script, it knows nothing of refboot.

Standard input is the file, the arguments are the limits and the module search path. It writes what
the file holds to standard output, as entries: a line of JSON, [path, attribute, kind, shape, size],
and `size` bytes. `kind` is a NumPy dtype, "group", "text", "unread" (of a type that refboot does
not read), "refused" (why, then the end) or "end". It opens no other file: the system refuses.
"""

import sys

if __name__ == "__main__":
    sys.path[:] = sys.argv[2:]  # first of all: what the parent can import, the child can

import json
import math
from typing import Any

import h5py
import numpy as np

MOST_ITEMS, DEEPEST = 10_000, 8
# A dataset may be declared and not stored: a small one, or one that deflate could have packed.
SMALL, PACKED = 1 << 16, 1030


class Refused(Exception):
    """What is refused: its path in the file, what it is, what was expected."""


class Dump:
    """Writes the content of an HDF5 file to `out`, at most `room` bytes of it."""

    def __init__(self, out: Any, room: int) -> None:
        self.out, self.room = out, room
        self.items = 0
        self.seen: set[int] = set()

    def put(
        self, path: str, name: str | None, kind: str, shape: Any = (), data: bytes = b""
    ) -> None:
        """Write one entry."""
        self.items += 1
        if self.items > MOST_ITEMS:
            raise Refused(path, "one of too many items", f"at most {MOST_ITEMS} in a file")
        self.check_room(path, len(data))
        self.room -= len(data)
        line = json.dumps([path, name, kind, list(shape), len(data)])
        self.out.write(line.encode() + b"\n" + data)

    def check_room(self, path: str, size: int) -> None:
        """Refuse `size` bytes if the file has used up its room."""
        if size > self.room:
            raise Refused(path, f"{size} bytes more than fit", "content in proportion to the file")

    def group(self, group: Any, path: str = "", depth: int = 0) -> None:
        """Write a group and all that is in it; links, and what is linked twice, are refused."""
        if depth > DEEPEST:
            raise Refused(path, "nested too deep", f"at most {DEEPEST} levels")
        self.put(path, None, "group")
        self.attributes(group, path)
        for key in group:
            child, link = f"{path}/{key}", group.get(key, getlink=True)
            if not isinstance(link, h5py.HardLink):
                raise Refused(child, "a link", "a group or dataset in the file itself")
            address = h5py.h5o.get_info(group.id, key.encode("utf-8", "surrogateescape")).addr
            if address in self.seen:
                raise Refused(child, "a second link to what has another name", "one name for each")
            self.seen.add(address)
            item = group[key]
            if isinstance(item, h5py.Group):
                self.group(item, child, depth + 1)
            elif isinstance(item, h5py.Dataset):
                self.dataset(item, child)
            else:
                raise Refused(child, f"a {type(item).__name__}", "a group or a dataset")

    def dataset(self, item: Any, path: str) -> None:
        """Write a dataset; one that is not in the file, or larger than what is stored, is refused
        unread.
        """
        if item.is_virtual or item.external:
            raise Refused(path, "stored elsewhere", "an array in the file itself")
        size, stored = item.nbytes if item.shape is not None else 0, item.id.get_storage_size()
        if size > SMALL + PACKED * stored:
            raise Refused(
                path, f"of {size} bytes, {stored} of them stored", "an array that is in the file"
            )
        self.check_room(path, size)
        self.value(path, None, item.dtype, item.shape, lambda: item[()])
        self.attributes(item, path)

    def attributes(self, item: Any, path: str) -> None:
        """Write all attributes."""
        for name in item.attrs:
            found = item.attrs.get_id(name)
            self.check_room(path, math.prod(found.shape or ()) * found.dtype.itemsize)
            self.value(path, name, found.dtype, found.shape, lambda name=name: item.attrs[name])

    def value(self, path: str, name: str | None, dtype: Any, shape: Any, read: Any) -> None:
        """Write an array of numbers or texts of fixed length, or a single text of any length."""
        text = h5py.check_string_dtype(dtype)
        single = text is not None and text.length is None
        known = math.prod(shape or ()) == 1 if single else dtype.kind in "biufS"
        found = read() if known and shape is not None else h5py.Empty("f4")
        if isinstance(found, h5py.Empty):
            self.put(path, name, "unread")
        elif single:
            found = np.asarray(found, object).reshape(-1)[0]
            data = found.encode("utf-8", "surrogateescape") if isinstance(found, str) else found
            self.put(path, name, "text", shape, data)
        else:
            array = np.asarray(found, dtype)
            self.put(path, name, dtype.str, array.shape, array.tobytes())


def limit(memory: int, seconds: int) -> None:
    """Let this process take `memory` bytes and `seconds` of processor time more, open no file, and
    write none.
    """
    try:
        import resource  # noqa: PLC0415 (POSIX only)
    except ImportError:
        return
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            memory += int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        memory += 1 << 30
    used = resource.getrusage(resource.RUSAGE_SELF)
    limits = {
        resource.RLIMIT_AS: memory,
        resource.RLIMIT_CPU: math.ceil(used.ru_utime + used.ru_stime) + seconds,
        resource.RLIMIT_NOFILE: 0,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
    }
    for kind, wanted in limits.items():
        hard = resource.getrlimit(kind)[1]
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        try:
            resource.setrlimit(kind, (most, most))
        except (OSError, ValueError):  # macOS does not limit memory
            continue


def main() -> None:
    """Read the file and write its entries."""
    room, memory, seconds = json.loads(sys.argv[1])
    np.seterr(all="ignore")
    dump = Dump(sys.stdout.buffer, room)
    sys.stdout.buffer.write(b"started\n")
    sys.stdout.buffer.flush()
    limit(memory, seconds)
    try:
        content = sys.stdin.buffer.read()
        with h5py.File(h5py.h5f.open_file_image(content), "r") as file:
            dump.group(file)
        last: list[Any] = ["", None, "end", [], 0]
    except Refused as error:
        last = ["", None, "refused", list(error.args), 0]
    except Exception as error:  # whatever h5py raises is a reason
        reason = f"damaged ({str(error) or type(error).__name__})"
        last = ["", None, "refused", ["", reason, "a whole HDF5 file"], 0]
    sys.stdout.buffer.write(json.dumps(last).encode() + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
