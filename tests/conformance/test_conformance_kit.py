"""The kit tells what a backend does wrong, where first, and which known mistake it is, whatever the
backend does.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from conformance_vectors import BY_ID, MANDATORY, STORED

from refboot.cli import main
from refboot.conformance import own, report
from refboot.conformance.backend import PythonBackend, load
from refboot.conformance.definition import definition
from refboot.conformance.mutants import MUTANTS, Mutant, applied
from refboot.conformance.verify import (
    EXPECTED,
    FAILED,
    MISSING,
    PASSED,
    UNEXPECTED,
    read_expected,
    verify,
)
from refboot.errors import FormatError

KNOWN = {mutant.name: mutant for mutant in MUTANTS}
TOLD = [
    "threshold with >=",
    "threshold in float32 with a margin",
    "shift to minus infinity",
    "weight half up",
    "threshold rounded",
    "reset before output",
    "reset by subtraction",
    "state not carried",
    "delay shift always",
    "straight-through missing",
    "clip gradient passed",
    "surrogate tau without threshold",
    "surrogate abs missing",
    "curve gradient without its scale",
    "curve gradient without eps",
    "band intervals reversed",
    "mean in place of median",
    "alpha swapped",
    "unbiased variance",
    "dropout mask per step",
    "stale weight norm",
    "fit one iteration late",
]


class Mutated:
    """The definition with a mistake, as a backend."""

    def __init__(self, mutant: Mutant) -> None:
        self.mutant = mutant

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def run(*arguments: Any) -> Any:
            with applied(self.mutant):
                return getattr(definition, name)(*arguments)

        return run


@pytest.mark.parametrize("choice", ["reference", "numba"])
def test_refboot_itself_gives_every_bit(choice: str) -> None:
    found = verify(PythonBackend(getattr(own, choice), choice), STORED, exact=True)
    assert [str(r.case.id) + r.reason for r in found.results if r.status != PASSED] == []
    assert found.conforms == [1, 2, 3, 4, 5]
    assert found.reproducible
    assert found.exit_code == 0


def test_sums_in_another_order_conform_but_are_not_reproducible() -> None:
    backend = PythonBackend(Mutated(KNOWN["sums in float64"]), "x")
    ids = "dense-rates", "dense-back", "conv-back-all", "loss-random", "trace-sgd"
    cases = [BY_ID[name] for name in ids]
    assert {r.status for r in verify(backend, cases).results} == {PASSED}
    found = verify(backend, [*cases, BY_ID["state-sgd"]], exact=True)
    assert found.having(FAILED)
    assert not found.reproducible


def test_a_level_of_which_cases_were_left_out_is_not_claimed() -> None:
    backend = PythonBackend(own.reference, "reference")
    ones = [case for case in MANDATORY if case.level == 1 and case.op != "conv_forward"]
    found = verify(backend, ones, known=STORED, exact=True)
    assert (found.conforms, found.reproducible) == ([], False)
    assert verify(backend, ones).conforms == [1]


@pytest.mark.parametrize("name", TOLD)
def test_a_known_mistake_is_told(name: str) -> None:
    stale = name == "stale weight norm"  # which only training shows
    asked = [
        case
        for case in MANDATORY
        if (case.id == "trace-sgd" if stale else case.op != "training_trace")
    ]
    found = verify(PythonBackend(Mutated(KNOWN[name]), name), asked)
    failed = {result.case.id for result in found.having(FAILED)}
    assert failed
    best = found.diagnoses[0]
    same = [
        d.mutant.name
        for d in found.diagnoses
        if (d.explained, d.contradicted) == (best.explained, best.contradicted)
    ]
    assert name in same
    assert set(best.explained) == failed
    assert best.contradicted == ()
    assert f"{best.mutant.name} ({best.mutant.clause}: " in report.text(found)


def test_two_mistakes_are_both_told() -> None:
    both = SimpleNamespace(
        spike_forward=lambda v, th: (v >= th).astype(np.float32),
        quantize_8bit=lambda x: np.clip(np.rint(x * 32) / 32, -4, 4).astype(np.float32),
    )
    text = report.text(verify(PythonBackend(both, "both"), MANDATORY))
    assert "spike with >=, reset with > (SPK-1" in text
    assert "weight clipped at +4 (NUM-2" in text


def test_the_first_place_is_told_with_what_went_in() -> None:
    case = BY_ID["cuba-random"]
    later, sooner = (1, 2, 9), (1, 4, 3)

    def wrong(*arguments: Any) -> Any:
        s, voltage, u, v = definition.cuba_forward(*arguments)
        voltage[later] += 1
        voltage[sooner] += np.float32(3 / 4096)
        return s, voltage, u, v

    (result,) = verify(PythonBackend(SimpleNamespace(cuba_forward=wrong), "x"), [case]).results
    found = result.difference
    assert found is not None
    assert found.output == "voltage"
    assert found.where == {"sample": 1, "neuron": 4, "time step": 3}
    assert (found.size, found.unit, found.count) == (3, "units of 1/4096", 2)
    assert np.float32(found.inputs["z"]) == case.inputs["z"][sooner]
    assert found.inputs["threshold"] == "5120"


def test_ulps_are_told() -> None:
    case = BY_ID["surrogate-tutorial"]

    def wrong(*arguments: Any) -> Any:
        return (
            definition.spike_backward(*arguments)
            + np.float32(64 * 2**-23) * np.abs(case.outputs["gv"]).max()
        )

    (result,) = verify(PythonBackend(SimpleNamespace(spike_backward=wrong), "x"), [case]).results
    assert result.difference is not None
    assert 60 < (result.difference.size or 0) < 68
    assert "ulps" in result.difference.unit


def exits(*_: Any) -> Any:
    sys.exit(3)


HOSTILE: list[Callable[..., Any]] = [
    exits,
    lambda x: 1 / 0,
    lambda x: None,
    lambda x: "spikes",
    lambda x: np.zeros((1000, 1000)),
    lambda x: (x, x),
    lambda x: [],
    lambda x: np.array([object()]),
    lambda x: x * np.nan,
    lambda x: x.__setitem__(slice(None), 0),
    lambda x, y: x,
    lambda x: [[1, 2], [3]],
]


@pytest.mark.parametrize("function", HOSTILE)
def test_whatever_a_backend_does_is_a_failure_and_no_more(function: Callable[..., Any]) -> None:
    case = BY_ID["quantize-ties"]
    before = case.digest()
    found = verify(PythonBackend(SimpleNamespace(quantize_8bit=function), "x"), [case])
    assert [r.status for r in found.results] == [FAILED]
    assert case.digest() == before
    for form in report.FORMS.values():
        assert "quantize-ties" in form(found)


def test_what_is_not_there_is_not_covered_and_not_passed() -> None:
    def unwilling(x: Any) -> Any:
        raise NotImplementedError

    backend = PythonBackend(
        SimpleNamespace(threshold_mantissa=definition.threshold_mantissa, quantize_8bit=unwilling),
        "x",
    )
    found = verify(backend, [case for case in MANDATORY if case.level == 1])
    assert {r.case.op for r in found.having(PASSED)} == {"threshold_mantissa"}
    assert {r.case.op for r in found.results} - {"threshold_mantissa"} == {
        r.case.op for r in found.having(MISSING)
    }
    assert found.conforms == []
    assert found.exit_code == 0
    assert verify(PythonBackend(SimpleNamespace(), "x"), STORED[:3]).exit_code == 1


class Kind(Exception):
    """An adapter's own error."""

    kind = "range"


def test_rejections_need_the_right_kind() -> None:
    case = BY_ID["refused-threshold-zero"]

    def status(error: BaseException) -> str:
        def function(*_: Any) -> Any:
            raise error

        return (
            verify(PythonBackend(SimpleNamespace(neuron_forward=function), "x"), [case])
            .results[0]
            .status
        )

    assert status(Kind()) == PASSED
    assert status(FormatError("a", "b", "c")) == FAILED
    assert status(ValueError("threshold")) == FAILED
    accepts = SimpleNamespace(neuron_forward=lambda z, *_: np.zeros_like(z))
    assert (
        verify(PythonBackend(accepts, "x"), [case]).results[0].reason
        == "accepted, must be rejected as range"
    )


def test_expected_failures_are_the_adopters(tmp_path: Path) -> None:
    path = tmp_path / "known.txt"
    path.write_text(
        "# a remark\nquantize-* NUM-2: steps of 1/64  # and a remark\n"
        "threshold-third   NUM-4: said to fail\n"
    )
    backend = PythonBackend(Mutated(KNOWN["weight in steps of 1/64"]), "x")
    cases = [case for case in STORED if case.op in ("quantize_8bit", "threshold_mantissa")]
    found = verify(backend, cases, read_expected(path, STORED))
    status = {r.case.id: r.status for r in found.results}
    assert status["quantize-ties"] == EXPECTED
    assert status["quantize-grid"] == UNEXPECTED
    assert status["threshold-third"] == UNEXPECTED
    assert found.exit_code == 1
    assert (
        verify(
            backend,
            [case for case in cases if status[case.id] in (EXPECTED, PASSED)],
            read_expected(path, STORED),
        ).exit_code
        == 0
    )
    assert "steps of 1/64" in report.as_json(found)


@pytest.mark.parametrize("line", ["quantize-ties", "no-such-case NUM-2", "no-such-* NUM-2"])
def test_expected_failures_that_say_nothing_are_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / "known.txt").write_text(line)
    with pytest.raises(FormatError, match=r"known\.txt:1"):
        read_expected(tmp_path / "known.txt", STORED)


def test_backends_are_found_by_name_and_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "kit_mine.py").write_text("from kit_helper import x\nclass A:\n    pass\na = A()\n")
    (tmp_path / "kit_helper.py").write_text("x = 1\n")
    assert type(load(f"{tmp_path / 'kit_mine.py'}:a").adapter).__name__ == "A"
    assert load(str(tmp_path / "kit_mine.py")).adapter.x == 1  # type: ignore[attr-defined]
    monkeypatch.chdir(tmp_path)
    assert type(load("kit_mine:a").adapter).__name__ == "A"
    for bad in ("kit_mine:b", "no_such_module:x", "none.py:x", "", ":x"):
        with pytest.raises(FormatError, match="cannot be imported"):
            load(bad)


def test_command_line_exit_codes_and_forms(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = ["verify", "refboot.conformance.own:reference", "--clause", "LIF-5"]
    assert main([*good, "--level", "1"]) == 0
    assert "cases passed" in capsys.readouterr().out
    out = tmp_path / "report.xml"
    assert main([*good, "--report", "junit", "--output", str(out)]) == 0
    suites = ElementTree.parse(out).getroot()
    assert (
        sum(int(suite.get("tests", 0)) for suite in suites)
        == len(suites.findall(".//testcase"))
        > 10
    )
    (tmp_path / "kit_bad.py").write_text("def threshold_mantissa(th):\n    return round(th * 64)\n")
    bad = ["verify", str(tmp_path / "kit_bad.py"), "--case", "threshold-*"]
    assert main(bad) == 1
    assert "threshold rounded (NUM-4" in capsys.readouterr().out
    assert main([*bad, "--report", "json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["diagnoses"][0]["mistake"] == "threshold rounded"
    assert found["exit_code"] == 1
    for wrong in (
        ["verify"],
        ["verify", "nothing:x"],
        [*good, "--case", "none"],
        [*good, "--clause", "XYZ-1"],
        [*good, "--command", "a"],
    ):
        assert main(wrong) == 2
    assert main([*good, "--expected-failures", str(tmp_path / "absent.txt")]) == 2
