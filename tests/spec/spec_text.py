"""The chapters of the spec, cut into clauses."""

import re
from pathlib import Path
from typing import NamedTuple

SPEC = Path(__file__).resolve().parents[2] / "spec"
PREFIXES = {
    "NUM": "01_numbers",
    "LIF": "02_neuron",
    "SPK": "03_spike",
    "SYN": "04_synapse",
    "SAM": "05_sampling",
    "FIT": "06_fit",
    "ACT": "07_activation",
    "GRD": "08_gradients",
    "NRM": "09_norms",
    "MOD": "10_modes",
    "TRN": "11_training",
    "NET": "12_exchange",
}
CHAPTERS = sorted(SPEC.glob("[0-9][0-9]_*.md"))
HEADING = re.compile(r"^### ([A-Z]{3}-\d+) (.+)$", re.MULTILINE)
META = re.compile(r"\A\n+\*Level ([1-5])\. (.+)\*\n\n(.+)\n")
FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAME = re.compile(rf"\b(?:{'|'.join(PREFIXES)})-\d+\b")
NO_VECTOR = re.compile(r"^No vector: (.+)$", re.MULTILINE)


class Clause(NamedTuple):
    """One clause: its id, title, level, tolerance, statement, all that stands below its heading,
    and the name of its file.
    """

    id: str
    title: str
    level: int
    tolerance: str
    statement: str
    body: str
    file: str

    @property
    def examples(self) -> list[str]:
        """The blocks of Python."""
        return fences(self.body, "python")

    @property
    def no_vector(self) -> str | None:
        """Why no vector carries it, if none does."""
        found = NO_VECTOR.search(self.body)
        return found.group(1) if found else None


def fences(text: str, info: str) -> list[str]:
    """The fenced blocks of `text` whose opening line says exactly `info`."""
    return [body for name, body in FENCE.findall(text) if name == info]


def clauses(text: str, file: str) -> list[Clause]:
    """The clauses of a chapter; raises ValueError for one without level, tolerance and
    statement.
    """
    parts = HEADING.split(text)[1:]
    found = [parts[i : i + 3] for i in range(0, len(parts), 3)]
    return [
        _clause(name, title, body, file)
        for name, title, body in found
        if not body.lstrip().startswith("*Withdrawn*")
    ]


def _clause(name: str, title: str, body: str, file: str) -> Clause:
    meta = META.match(body)
    if meta is None:
        raise ValueError(f"{name} does not begin with its level, tolerance and statement")
    return Clause(name, title, int(meta.group(1)), meta.group(2), meta.group(3), body, file)


def setup(text: str) -> str:
    """What the examples of a chapter begin with."""
    return "".join(fences(text, "python setup"))


ALL = [clause for chapter in CHAPTERS for clause in clauses(chapter.read_text(), chapter.stem)]
IDS = [clause.id for clause in ALL]
