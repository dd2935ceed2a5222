"""Coverage-guided fuzzing of one reader, with atheris (pip install atheris): not run in CI.

    PYTHONPATH=. python tests/robust/fuzz_atheris.py netx -max_total_time=600

The first argument is a name of the table in readers.py, the others are libFuzzer's. Whatever is no
error of refboot's stops it, and the input is kept. The library starts from a good file, in a folder
of its own, without its seal.
"""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["refboot"]):
    from readers import READERS

from refboot import files
from refboot.errors import RefbootError


def main(name, *options):
    make, read, _, _ = READERS[name]
    folder = Path(tempfile.mkdtemp(prefix="refboot-fuzz-"))
    path, corpus = folder / "input", folder / "corpus"
    corpus.mkdir()
    make(path)
    content = path.read_bytes()
    (corpus / "good").write_bytes(content[files.SEAL_BYTES * content.startswith(files.SEAL) :])

    def read_one(data):
        path.write_bytes(data)
        try:
            read(path)
        except RefbootError:
            return

    atheris.Setup([sys.argv[0], *options, str(corpus)], read_one)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
