"""The command protocol: what is written can be read by any program, and nothing a program answers
harms the kit.
"""

import shlex
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from conformance_vectors import BY_ID, STORED
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from refboot.conformance import command
from refboot.conformance.backend import Answer
from refboot.conformance.command import CommandBackend
from refboot.conformance.container import answer_bytes, case_bytes, parse_answer
from refboot.errors import FormatError, RangeError

ARRAYS = hnp.arrays(
    st.sampled_from(["<f4", "<f8", "<i8"]),
    hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3),
)
PLAIN = """
import numpy as np, sys
data = open(sys.argv[1], "rb").read()
head, rest = data.split(b"array x f4 1 ", 1)
assert head == b"refboot-case 1\\nop quantize_8bit\\n"
size, rest = rest.split(b"\\n", 1)
x = np.frombuffer(rest[: 4 * int(size)], "<f4")
assert rest[4 * int(size) :] == b"end\\n"
y = np.clip(np.rint(x * 32) / 32, -4, 3.96875).astype("<f4")
head = b"refboot-answer 1\\narray y f4 1 %d\\n" % len(y)
open(sys.argv[2], "wb").write(head + y.tobytes() + b"end\\n")
"""


def program(tmp_path: Path, source: str, timeout: float = 60) -> CommandBackend:
    path = tmp_path / "backend.py"
    path.write_text(source)
    return CommandBackend(
        f"{shlex.quote(sys.executable)} -S {shlex.quote(str(path))} {{input}} {{output}}", timeout
    )


def ask(backend: CommandBackend) -> Answer:
    return backend.answer(BY_ID["quantize-ties"])


@given(outputs=st.dictionaries(st.from_regex(r"[a-z_]{1,9}", fullmatch=True), ARRAYS, max_size=4))
def test_what_is_written_is_read_back(outputs: dict[str, np.ndarray]) -> None:
    found = parse_answer(answer_bytes(Answer("answer", outputs)))
    assert found.outputs.keys() == outputs.keys()
    for name, array in outputs.items():
        assert found.outputs[name].dtype == array.dtype
        assert found.outputs[name].shape == array.shape
        assert found.outputs[name].tobytes() == array.tobytes()


@pytest.mark.parametrize("answer", [Answer("missing"), Answer("reject", detail="order")])
def test_other_answers_are_read_back(answer: Answer) -> None:
    assert parse_answer(answer_bytes(answer)) == answer


@given(data=st.binary(max_size=200), cut=st.integers(0, 60))
def test_no_bytes_do_more_than_be_refused(data: bytes, cut: int) -> None:
    whole = answer_bytes(Answer("answer", {"y": np.arange(4, dtype=np.float32)}))
    for bytes_ in (data, whole[:cut] + data, b"refboot-answer 1\n" + data):
        with suppress(FormatError):
            parse_answer(bytes_)


@pytest.mark.parametrize(
    "body",
    [
        b"array y f4 1 99999999999\nend\n",
        b"array y f4 9 1 1 1 1 1 1 1 1 1\n",
        b"array y f4 1 -1\nend\n",
        b"array y f4 2 3\nend\n",
        b"array y f2 0\nend\n",
        b"array y f4 1 \xb2\nend\n",
        b"array y f8 8 " + b"999999999 " * 8 + b"\nend\n",
        b"reject maybe\nend\n",
        b"reject range\n",
        b"x" * 1000,
    ],
)
def test_answers_that_lie_about_themselves_are_refused(body: bytes) -> None:
    with pytest.raises(FormatError, match="the answer file"):
        parse_answer(b"refboot-answer 1\n" + body)


def test_every_case_can_be_written() -> None:
    for case in STORED:
        data = case_bytes(case)
        assert data.startswith(f"refboot-case 1\nop {case.op}\n".encode())
        assert data.endswith(b"end\n")


def test_a_program_in_any_language_can_answer(tmp_path: Path) -> None:
    path = tmp_path / "plain.py"
    path.write_text(PLAIN)
    backend = CommandBackend(
        f"{shlex.quote(sys.executable)} {shlex.quote(str(path))} {{input}} {{output}}"
    )
    assert np.array_equal(
        backend.answer(BY_ID["quantize-ties"]).outputs["y"], BY_ID["quantize-ties"].outputs["y"]
    )
    assert backend.answer(BY_ID["cuba-random"]).status == "crash"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import sys; sys.exit('I broke')", "exit code 1: I broke"),
        ("import os; os.abort()", "exit code"),
        ("", "wrote no answer"),
        ("import sys; open(sys.argv[2], 'wb').write(b'refboot-answer 1\\narray y')", "cut off"),
        ("import sys; open(sys.argv[2], 'wb').write(b'\\xff' * 100)", "endless line"),
        ("import sys, os; os.mkdir(sys.argv[2])", "wrote no answer"),
    ],
)
def test_a_program_that_fails_is_a_crash(tmp_path: Path, source: str, reason: str) -> None:
    answer = ask(program(tmp_path, source))
    assert answer.status == "crash"
    assert reason in answer.detail


def test_a_program_that_hangs_is_ended(tmp_path: Path) -> None:
    answer = ask(program(tmp_path, "while True: pass", timeout=0.3))
    assert (answer.status, answer.detail) == ("crash", "no answer within 0.3 s")


def test_a_program_that_writes_without_end_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "LARGEST_ANSWER", 100_000)
    answer = ask(
        program(
            tmp_path, "import sys\nf = open(sys.argv[2], 'wb')\nwhile True: f.write(b'x' * 9999)"
        )
    )
    assert answer.status == "crash"
    assert "more than 100000 bytes" in answer.detail


def test_a_program_that_is_gone_by_the_time_it_is_run_is_a_crash(tmp_path: Path) -> None:
    gone = tmp_path / "program"
    gone.write_text("")
    gone.chmod(0o755)
    backend = CommandBackend(f"{gone} {{input}} {{output}}")
    gone.unlink()
    assert "could not be started" in ask(backend).detail


def test_commands_that_cannot_be_run_are_told() -> None:
    with pytest.raises(RangeError, match="/no/such/program"):
        CommandBackend("/no/such/program {input} {output}")
    for bad in ("prog", "prog {input}", "prog {output}"):
        with pytest.raises(RangeError, match="--command"):
            CommandBackend(bad)
