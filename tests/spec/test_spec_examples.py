"""The examples in the text of the spec come out as they are shown there."""

import doctest
from functools import cache

import pytest
from spec_text import ALL, CHAPTERS, SPEC, Clause, fences, setup


@cache
def chapter(stem: str) -> str:
    return (SPEC / f"{stem}.md").read_text()


def failures(setting: str, source: str, name: str) -> str:
    """What doctest says against `source`, run after `setting`; empty if nothing."""
    test = doctest.DocTestParser().get_doctest(setting + "\n" + source, {}, name, name, 0)
    report: list[str] = []
    doctest.DocTestRunner(verbose=False).run(test, out=report.append)
    return "".join(report)


@pytest.mark.parametrize("clause", ALL, ids=lambda clause: clause.id)
def test_example_comes_out_as_shown(clause: Clause) -> None:
    assert clause.examples, "no example"
    assert failures(setup(chapter(clause.file)), "\n".join(clause.examples), clause.id) == ""


def test_wrong_example_is_caught() -> None:
    assert "Expected" in failures(">>> x = 1\n", ">>> x + 1\n3\n", "sample")
    assert failures(">>> x = 1\n", ">>> x + 1\n2\n", "sample") == ""


def test_every_example_prints_something() -> None:
    silent = [
        clause.id
        for clause in ALL
        for source in clause.examples
        if not any(e.want for e in doctest.DocTestParser().get_examples(source))
    ]
    assert silent == []


def test_chapters_have_no_other_python() -> None:
    """A block of Python outside the clauses, or under another name, would not be run."""
    for path in CHAPTERS:
        text = path.read_text()
        shown = text.count("\n>>> ")
        run = setup(text) + "".join(
            "".join(clause.examples) for clause in ALL if clause.file == path.stem
        )
        assert shown == sum(line.startswith(">>> ") for line in run.splitlines()), path.name
        assert fences(text, "") == [], path.name
