"""`fuzz_worker.py READERS COUNT SEED FOLDER`: read COUNT damaged files by each reader, under limits
of memory, time and place.

READERS are names of the table in readers.py, with commas between. It ends with 0 if nothing but
refboot's errors came, and nothing outside FOLDER was opened. The file that was being read when the
process died is FOLDER/reader/input.
"""

import faulthandler
import gc
import os
import resource
import sys
import warnings
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings
from readers import READERS

import refboot
from refboot import hdf5
from refboot.conformance.vectors import vectors_folder
from refboot.errors import RefbootError

# The package with its data, and the golden vectors' schema beside it.
OWN = [str(Path(refboot.__file__).parent), str(vectors_folder())]
ROOM = 512 << 20
SECONDS = 120  # for one file; the processor time of HDF5's process is limited to less
QUIET = {
    "deadline": None,
    "database": None,
    "phases": [Phase.generate, Phase.shrink],
    "suppress_health_check": list(HealthCheck),
}


class Outside:
    """Which files outside `folder` are opened while it is `on`; those of Python and of the package
    do not count.
    """

    def __init__(self, folder):
        self.folder = os.path.realpath(folder)
        self.on = False
        self.found = []
        sys.addaudithook(self)

    def __call__(self, event, given):
        if self.on and event == "open" and isinstance(given[0], (str, bytes)):
            path = os.path.realpath(os.fsdecode(given[0]))
            python = (sys.prefix, sys.base_prefix, sys.pycache_prefix or sys.prefix)
            if not path.startswith((self.folder, *python, os.devnull, *OWN)):
                self.found.append(path)


def limit_memory():
    """Let the process take no more than ROOM beyond what it has."""
    if Path("/proc/self/statm").exists():
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + ROOM
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def fuzz(name, count, number, folder, outside):
    """Feed one reader; prints how many damaged files it read and how many it refused."""
    make, read, damages, damage = READERS[name]
    folder.mkdir(exist_ok=True)
    path, met = folder / "input", {"read": 0, "refused": 0}
    make(path)
    read(path)
    content = path.read_bytes()

    @seed(number)
    @settings(max_examples=count, **QUIET)
    @given(damages)
    def only_refboots_errors(drawn):
        damage(path, content, drawn)
        if sum(met.values()) % 20 == 0:
            gc.collect()  # what an error's traceback holds is no leak
        faulthandler.dump_traceback_later(SECONDS, exit=True)
        outside.on = True
        try:
            read(path)
            met["read"] += 1
        except RefbootError:
            met["refused"] += 1
        finally:
            outside.on = False
            faulthandler.cancel_dump_traceback_later()
        if outside.found:
            raise AssertionError(f"opened outside the folder: {outside.found}")

    only_refboots_errors()
    print(name, met["read"], met["refused"], flush=True)


def main(names, count, number, folder):
    warnings.simplefilter("ignore")
    outside = Outside(folder)
    hdf5.SECONDS = 3  # of the processor, for the child
    limit_memory()
    for name in names.split(","):
        print(name, flush=True)
        fuzz(name, int(count), int(number), Path(folder, name), outside)


if __name__ == "__main__":
    faulthandler.enable()
    main(*sys.argv[1:])
