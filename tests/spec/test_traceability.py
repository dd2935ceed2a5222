"""Every clause is named by a docstring, a test and a vector, and every name of a clause is that of
one.
"""

import ast
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from spec_text import ALL, CHAPTERS, HEADING, IDS, NAME, PREFIXES, SPEC, clauses

ROOT = SPEC.parent
PACKAGE = sorted((ROOT / "refboot").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
KIT = ROOT / "refboot" / "conformance"
INDEX = SPEC / "vectors" / "index.json"

Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def in_docstrings(source: str) -> set[str]:
    """The clauses that docstrings of `source` name."""
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, Documented)]
    return {name for node in nodes for name in NAME.findall(ast.get_docstring(node) or "")}


def in_tests(source: str) -> set[str]:
    """The clauses that docstrings of test functions, or comments that begin with `# Spec:`,
    name.
    """
    functions = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]
    texts = [ast.get_docstring(node) or "" for node in functions] + re.findall(
        r"# Spec: (.+)$", source, re.MULTILINE
    )
    return {name for text in texts for name in NAME.findall(text)}


def in_vectors(index: dict[str, Any]) -> set[str]:
    """The clauses that the cases of a vector index name, in `clauses` (a list) or `clause`."""
    cases = index["cases"].values() if isinstance(index["cases"], dict) else index["cases"]
    found: set[str] = set()
    for case in cases:
        found |= {case["clause"]} if "clause" in case else set(case["clauses"])
    return found


def untraced(ids: Iterable[str], named: set[str]) -> list[str]:
    """The clauses that are not among those named."""
    return [name for name in ids if name not in named]


def dead(text: str, ids: Iterable[str]) -> list[str]:
    """The names in `text` that are no clause's: of a known prefix, or of any after `Spec:`."""
    spoken = {
        name
        for line in re.findall(r"Spec: (.+)$", text, re.MULTILINE)
        for name in re.findall(r"\b[A-Z]{3}-\d+\b", line)
    }
    return sorted((spoken | set(NAME.findall(text))) - set(ids))


def sources(paths: Iterable[Path]) -> list[str]:
    return [path.read_text() for path in paths]


def vectors() -> dict[str, Any]:
    if not INDEX.is_file():
        pytest.skip("spec/vectors/index.json is not there yet: run `refboot vectors make`")
    index: dict[str, Any] = json.loads(INDEX.read_text())
    return index


def test_every_clause_is_named_by_a_docstring_of_the_package() -> None:
    named = set().union(
        *map(in_docstrings, sources(path for path in PACKAGE if KIT not in path.parents))
    )
    assert untraced(IDS, named) == []


def test_every_clause_is_named_by_a_test() -> None:
    assert untraced(IDS, set().union(*map(in_tests, sources(TESTS)))) == []


def test_every_clause_is_named_by_a_vector_or_says_why_not() -> None:
    named = in_vectors(vectors())
    assert untraced((clause.id for clause in ALL if clause.no_vector is None), named) == []
    assert [
        clause.id for clause in ALL if clause.no_vector is not None and clause.id in named
    ] == []


def test_no_name_is_dead() -> None:
    texts = [
        *sources(PACKAGE),
        *sources(TESTS),
        *sources(SPEC.glob("*.md")),
        *([INDEX.read_text()] if INDEX.is_file() else []),
    ]
    assert [name for text in texts for name in dead(text, IDS)] == []


def test_ids_count_up_from_one_in_every_chapter() -> None:
    assert {path.stem for path in CHAPTERS} == set(PREFIXES.values())
    for prefix, stem in PREFIXES.items():
        own = [name for name, _ in HEADING.findall((SPEC / f"{stem}.md").read_text())]
        assert own == [f"{prefix}-{number}" for number in range(1, len(own) + 1)]
    assert len(set(IDS)) == len(IDS)


def test_readme_lists_every_chapter_and_the_version_has_a_change() -> None:
    readme, changes = (SPEC / "README.md").read_text(), (SPEC / "CHANGELOG.md").read_text()
    assert [
        path.name
        for path in SPEC.glob("*.md")
        if path.name != "README.md" and f"({path.name})" not in readme
    ] == []
    version = re.search(r"^Version (\d+\.\d+\.\d+)$", readme, re.MULTILINE)
    assert version is not None
    assert re.findall(r"^## (.+)$", changes, re.MULTILINE)[0] == version.group(1)


def test_levels_are_those_of_the_readme() -> None:
    assert {clause.level for clause in ALL} == {1, 2, 3, 4, 5}


# What follows shows that the checks above can fail.

GHOST = "LIF" + "-999"
STRANGE = "ABC" + "-1"
CHAPTER = (
    "### LIF-1 A\n\n*Level 1. Exact.*\n\nSo.\n\n### LIF-2 B\n\n*Level 2. 4 ulps.*\n\n"
    "Too.\n\nNo vector: it is a sample.\n"
)


def test_clause_without_level_is_caught() -> None:
    first, second = clauses(CHAPTER, "sample")
    assert (first.id, first.level, first.no_vector, second.tolerance, second.no_vector) == (
        "LIF-1",
        1,
        None,
        "4 ulps.",
        "it is a sample.",
    )
    with pytest.raises(ValueError, match="LIF-1"):
        clauses(CHAPTER.replace("*Level 1. Exact.*\n\n", ""), "sample")


def test_withdrawn_clause_asks_for_nothing() -> None:
    assert [
        clause.id
        for clause in clauses(
            CHAPTER.replace("*Level 1. Exact.*", "*Withdrawn* in 2.0.0."), "sample"
        )
    ] == ["LIF-2"]


def test_missing_docstring_is_caught() -> None:
    source = 'def f():\n    """Does it. Spec: LIF-1."""\n    # LIF-2 is only spoken of here\n'
    assert untraced(["LIF-1", "LIF-2"], in_docstrings(source)) == ["LIF-2"]


def test_missing_test_is_caught() -> None:
    source = (
        'X = "LIF-3"\ndef test_a():\n    """LIF-1."""\n    # Spec: LIF-2\n'
        'def helper():\n    """LIF-4."""\n'
    )
    assert untraced(["LIF-1", "LIF-2", "LIF-3", "LIF-4"], in_tests(source)) == ["LIF-3", "LIF-4"]


@pytest.mark.parametrize(
    "cases", [[{"clause": "LIF-1"}, {"clauses": ["LIF-3"]}], {"a": {"clauses": ["LIF-1", "LIF-3"]}}]
)
def test_missing_vector_is_caught(cases: Any) -> None:
    assert untraced(["LIF-1", "LIF-2"], in_vectors({"cases": cases})) == ["LIF-2"]


def test_dead_name_is_caught() -> None:
    assert dead(f"see {GHOST} and LIF-1", ["LIF-1"]) == [GHOST]
    assert dead(f"UTF-8. Spec: {STRANGE}, LIF-1.", ["LIF-1"]) == [STRANGE]
