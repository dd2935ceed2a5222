"""The file of vectors is lava-dl's, whole, and every operation in it is tested or named as still to
come.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
from lava_vectors import FILE
from pack_vectors import pack

# Operations of lava-dl that refboot does not have yet. Whoever adds one tests it and takes its name
# out.
TO_COME: set[str] = set()


def asked_for() -> set[str]:
    """The operations whose cases some test in this folder asks for."""
    sources = [path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py")]
    return {op for source in sources for op in re.findall(r'(?<!\w)cases\("(\w+)"\)', source)}


def contents(group: h5py.Group) -> Iterator[tuple[Any, ...]]:
    """Every group and dataset below `group`: path, attributes, and of a dataset type, shape and
    bytes.
    """
    for name in sorted(group):
        item = group[name]
        attributes = sorted((key, repr(value)) for key, value in item.attrs.items())
        if isinstance(item, h5py.Group):
            yield item.name, attributes
            yield from contents(item)
        else:
            yield item.name, attributes, item.dtype.str, item.shape, item[()].tobytes()


def assert_same_contents(one: Path, other: Path) -> None:
    with h5py.File(one, "r") as left, h5py.File(other, "r") as right:
        assert dict(left.attrs) == dict(right.attrs)
        for ours, theirs in zip(contents(left), contents(right), strict=True):
            assert ours == theirs


def test_every_vector_is_used() -> None:
    with h5py.File(FILE, "r") as file:
        there = set(file)
    assert asked_for() & TO_COME == set()
    assert there - asked_for() == TO_COME
    assert asked_for() <= there


def test_the_copy_holds_what_lava_answered(shared: Path) -> None:
    assert_same_contents(FILE, shared / "lava_vectors" / "vectors.h5")


def test_packing_changes_no_bit_and_leaves_nothing_else(tmp_path: Path) -> None:
    part, packed = tmp_path / "part.h5", tmp_path / "packed.h5"
    with h5py.File(FILE, "r") as whole, h5py.File(part, "w") as file:
        file.attrs.update(whole.attrs)
        whole.copy("training", file)
    pack(part, packed)
    assert_same_contents(part, packed)
    assert {path.name for path in tmp_path.iterdir()} == {"part.h5", "packed.h5"}
