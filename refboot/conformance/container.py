"""The case file and the answer file of the command protocol: lines of text, each array followed by
its raw little-endian bytes.

    refboot-case 1          refboot-answer 1
    op cuba_forward         array s f4 3 2 3 16
    int threshold 5120      <2*3*16*4 bytes>
    array z f4 3 2 3 16     end
    <2*3*16*4 bytes>
    end

Other lines of a case: `real NAME VALUE`, `text NAME VALUE`, `none NAME`. Other answers: `reject
KIND` or `missing` in place of arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refboot.conformance.backend import Answer
from refboot.conformance.case import DTYPES, KINDS, Case, dtype_code
from refboot.errors import FormatError

MAX_AXES, MAX_LINE = 8, 200


def case_bytes(case: Case) -> bytes:
    """The case file: everything but the expected answer."""
    lines = [b"refboot-case 1\n", f"op {case.op}\n".encode()]
    lines += [item(value.name, case.inputs[value.name]) for value in case.operation.inputs]
    return b"".join([*lines, b"end\n"])


def item(name: str, value: Any) -> bytes:
    """One named value."""
    if isinstance(value, np.ndarray):
        code = dtype_code(value)
        sizes = "".join(f" {n}" for n in value.shape)
        return (
            f"array {name} {code} {value.ndim}{sizes}\n".encode()
            + np.ascontiguousarray(value, DTYPES[code]).tobytes()
        )
    if value is None:
        return f"none {name}\n".encode()
    if isinstance(value, (bool, int)):
        return f"int {name} {int(value)}\n".encode()
    return (
        f"real {name} {value!r}\n".encode()
        if isinstance(value, float)
        else f"text {name} {value}\n".encode()
    )


def answer_bytes(answer: Answer) -> bytes:
    """The answer file."""
    head = b"refboot-answer 1\n"
    if answer.status != "answer":
        return (
            head
            + (f"reject {answer.detail}\n" if answer.status == "reject" else "missing\n").encode()
            + b"end\n"
        )
    return (
        head
        + b"".join(item(name, np.asarray(array)) for name, array in answer.outputs.items())
        + b"end\n"
    )


def parse_answer(data: bytes) -> Answer:
    """What an answer file says; raises FormatError for one that is not whole and in this form."""
    reader = Reader(data)
    reader.expect("refboot-answer 1")
    outputs: dict[str, np.ndarray] = {}
    while True:
        words = reader.line().split()
        match words:
            case ["end"]:
                return Answer("answer", outputs)
            case ["missing"]:
                reader.expect("end")
                return Answer("missing")
            case ["reject", kind] if kind in KINDS:
                reader.expect("end")
                return Answer("reject", detail=kind)
            case ["array", name, code, *sizes] if code in DTYPES and len(outputs) < 64:
                outputs[name] = reader.array(code, sizes)
            case _:
                raise FormatError(
                    "the answer file",
                    f"with the line {' '.join(words)!r}",
                    "array, reject, missing or end",
                )


class Reader:
    """A place in the bytes of a file."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def line(self) -> str:
        """The next line without its end; raises FormatError."""
        end = self.data.find(b"\n", self.at, self.at + MAX_LINE)
        if end < 0:
            raise FormatError(
                "the answer file", "cut off, or with an endless line", "lines up to 'end'"
            )
        text = self.data[self.at : end].decode("ascii", "backslashreplace")
        self.at = end + 1
        return text

    def expect(self, wanted: str) -> None:
        """Read the line `wanted`; raises FormatError for another."""
        line = self.line()
        if line != wanted:
            raise FormatError("the answer file", f"with the line {line!r}", repr(wanted))

    def array(self, code: str, sizes: list[str]) -> np.ndarray:
        """An array whose number of axes and sizes were given; raises FormatError."""
        if (
            not sizes
            or not all(s.isascii() and s.isdigit() and len(s) < 10 for s in sizes)
            or int(sizes[0]) != len(sizes) - 1 > MAX_AXES
        ):
            raise FormatError(
                "the answer file",
                f"with sizes {' '.join(sizes)!r}",
                "the number of axes, then their sizes",
            )
        shape = [int(size) for size in sizes[1:]]
        count, dtype = int(np.prod(shape, dtype=object)) if shape else 1, np.dtype(DTYPES[code])
        if self.at + count * dtype.itemsize > len(self.data):
            raise FormatError(
                "the answer file", "cut off", f"{count} numbers for an array of shape {shape}"
            )
        array = np.frombuffer(self.data, dtype, count, self.at).reshape(shape)
        self.at += count * dtype.itemsize
        return array.copy()
