"""The golden vectors are what the definition makes, whole, well-formed and small, and every mutant
fails one of them.
"""

import json
import shutil
from pathlib import Path

import h5py
import json_schema as schema
import numpy as np
import pytest
from conformance_vectors import STORED, made

from refboot.conformance import remake, vectors
from refboot.conformance.case import KINDS
from refboot.conformance.cases.ask import Draw
from refboot.conformance.make import answered
from refboot.conformance.mutants import MUTANTS, applied
from refboot.conformance.operations import AXES, OPERATIONS
from refboot.errors import FormatError

SPEC = Path(__file__).resolve().parents[2] / "spec"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(SPEC, tmp_path / "spec")
    return tmp_path / "spec"


def test_made_again_the_vectors_and_tables_are_the_same() -> None:
    assert remake.check(SPEC, made()) == []


def test_a_changed_array_is_told(copy: Path) -> None:
    with h5py.File(copy / "vectors" / "vectors.h5", "r+") as file:
        file["cuba-random/out/s"][0, 0, 0] = 7
    (copy / "mutants.md").write_text("old")
    assert remake.check(copy, made()) == [
        "vectors.h5: cuba-random/out/s differs",
        "mutants.md: out of date",
    ]


def test_a_changed_index_is_told(copy: Path) -> None:
    path = copy / "vectors" / "index.json"
    path.write_text(
        path.read_text()
        .replace('"id": "quantize-ties"', '"id": "quantize-tied"')
        .replace("golden", "g")
    )
    assert any("quantize-ti" in line for line in remake.check(copy, made()))


def test_files_are_the_same_bytes_whenever_they_are_written(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        vectors.write(STORED[:20], tmp_path / name, "1.0.0")
    for name in (vectors.INDEX, vectors.ARRAYS):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()


def test_there_are_mutants_enough_and_each_is_caught() -> None:
    caught = {flag for case in STORED for flag in case.flags}
    assert len(MUTANTS) >= 40
    assert [mutant.name for mutant in MUTANTS if mutant.name not in caught] == []
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)


def test_a_mutant_leaves_no_trace() -> None:
    for mutant in MUTANTS:
        with applied(mutant):
            pass
    for case in STORED[::10]:
        assert answered(case).digest() == case.digest()


def test_vectors_stay_small() -> None:
    assert sum(path.stat().st_size for path in (SPEC / "vectors").iterdir()) < 10_000_000


def test_every_operation_has_a_case_and_every_axis_a_name() -> None:
    assert {case.op for case in STORED} == set(OPERATIONS)
    values = [
        value for operation in OPERATIONS.values() for value in operation.inputs + operation.outputs
    ]
    assert set("".join(value.axes or "" for value in values)) <= set(AXES)


def test_every_array_has_the_axes_of_the_table() -> None:
    for case in STORED:
        if case.reject:
            continue
        for value in case.operation.inputs + case.operation.outputs:
            there = case.outputs if value in case.operation.outputs else case.inputs
            array = there[value.name]
            assert not isinstance(array, np.ndarray) or array.ndim == len(value.axes or ""), (
                case.id,
                value.name,
            )


def test_what_changes_in_place_is_recorded_by_its_name() -> None:
    """An output of an operation in place differs from the input of its name. The moments of
    `adam-subnormal` are too small to move p.
    """
    cases = [case for case in STORED if case.operation.in_place]
    assert {case.op for case in cases} == {"sgd_step", "adam_step"}
    for case in cases:
        for name, output in case.outputs.items():
            assert output.shape == case.inputs[name].shape
            same = np.array_equal(output, case.inputs[name])
            assert same == ((case.id, name) == ("adam-subnormal", "p")), (case.id, name)
    (sgd,) = [case for case in cases if case.id == "sgd-momentum"]
    assert (
        np.round(sgd.outputs["velocity"][:2], 5).tolist()
        == np.float32([-0.69876, 0.11443]).tolist()
    )


def test_every_kind_of_error_is_asked_for() -> None:
    assert {case.reject for case in STORED if case.reject} == set(KINDS)


@pytest.mark.parametrize("op", ["leaky_forward", "cuba_forward"])
def test_decays_cover_both_ends(op: str) -> None:
    name = {"leaky_forward": "decay", "cuba_forward": "v_decay"}[op]
    decays = np.concatenate([case.inputs[name] for case in STORED if case.op == op])
    assert {0, 1, 123, 4095, 4096} <= set(decays.tolist())


def test_edges_are_there_on_purpose() -> None:
    spiking = [case for case in STORED if case.op in ("cuba_forward", "spike_forward")]
    assert any(case.inputs["threshold"] >= 64 * 4096 for case in spiking)
    assert any(
        (case.inputs["voltage"] == case.inputs["threshold"]).any()
        for case in spiking
        if "voltage" in case.inputs
    )
    outputs = [case.outputs["s"] for case in spiking]
    assert any(s.shape[-1] == 1 for s in outputs)
    assert any(not s.any() for s in outputs)
    assert any(s.all(axis=-1).any() for s in outputs)


def test_damaged_arrays_are_refused(copy: Path) -> None:
    with h5py.File(copy / "vectors" / "vectors.h5", "r+") as file:
        file["cuba-random/in/z"][0, 0, 0] += 1
    with pytest.raises(FormatError, match="cuba-random"):
        vectors.read(copy / "vectors")


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda index: index.update(version=2), "version"),
        (lambda index: index.update(more=1), "more"),
        (lambda index: index.pop("spec"), "spec"),
        (lambda index: index["cases"][0].update(level=9), "level"),
        (lambda index: index["cases"][0].update(level=True), "level"),
        (lambda index: index["cases"][3].update(clauses=[]), "clauses"),
        (lambda index: index["cases"][3].update(clauses=["num-1"]), "clauses"),
        (lambda index: index["cases"][3].update(reject="maybe"), "reject"),
        (
            lambda index: index["cases"][0]["inputs"].update(x={"dtype": "f2", "shape": [1]}),
            "inputs.x",
        ),
        (lambda index: index["cases"][0]["inputs"].update(x=0.5), "inputs.x"),
        (lambda index: index["cases"][0]["tolerance"].update(amount=-1), "amount"),
    ],
)
def test_an_index_against_the_schema_is_refused(change: object, place: str) -> None:
    index = json.loads((SPEC / "vectors" / "index.json").read_text())
    rules = json.loads((SPEC / "vectors" / "schema.json").read_text())
    schema.check(index, rules)
    change(index)  # type: ignore[operator]
    with pytest.raises(FormatError, match=place):
        schema.check(index, rules)


def test_draws_are_those_of_every_machine() -> None:
    raw = np.random.PCG64(5).random_raw(4)
    assert Draw(5).real(4, low=0).tolist() == [float(int(bits) >> 40) / 2**24 for bits in raw]
    assert sorted(Draw(6).permutation(9).tolist()) == list(range(9))
