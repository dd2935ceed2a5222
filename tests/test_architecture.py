"""The house rules that no linter holds, each a function over the source of a file, shown to catch a
bad sample.
"""

import ast
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "refboot"
FILES = sorted(PACKAGE.rglob("*.py"))

TOP_LEVEL = {"refboot", "tests", "examples", "spec", "README.md", "pyproject.toml", "LICENSE"}
UNSAFE_MODULES = {"pickle", "dill", "marshal", "shelve", "joblib", "cloudpickle"}
MODERN_RANDOM = {
    "Generator",
    "BitGenerator",
    "SeedSequence",
    "PCG64",
    "PCG64DXSM",
    "Philox",
    "SFC64",
    "MT19937",
}
MOST_LINES, MOST_FUNCTION_LINES = 300, 40
# Tables written as Python: the questions of the vectors, and the known mistakes.
TABLES = ("refboot/conformance/cases/", "refboot/conformance/mutants/")
# The path of training and inference, on which every sum has a stated order (NUM-11).
PATH = ("reference", "kernels", "engine", "neuron", "synapse", "block", "data", "training")
PATH += ("ann_sampler.py", "network.py", "loss.py", "optim.py", "classifier.py", "routine.py")
OFF_PATH = "refboot/neuron/limits.py"  # bounds for `inspect`, in float64
SUMS = {"sum", "mean", "average", "var", "std", "dot", "vdot", "inner", "matmul", "einsum"}
SUMS |= {"tensordot", "convolve", "correlate", "linalg"}
LIBM = {"exp", "exp2", "expm1", "log", "log2", "log1p", "log10", "power", "float_power"}
LIBM |= {"sin", "cos", "tan", "sinh", "cosh", "tanh", "arctan2", "hypot", "cbrt"}

Function = ast.FunctionDef | ast.AsyncFunctionDef
Check = Callable[[str, str], list[str]]


def long_file(source: str, name: str) -> list[str]:
    """Files are at most 300 lines, tables apart."""
    lines = 0 if name.startswith(TABLES) else len(source.splitlines())
    return [f"{name}: {lines} lines"] if lines > MOST_LINES else []


def two_bases(source: str, name: str) -> list[str]:
    """A class has at most one base."""
    return [
        f"{name}:{c.lineno} {c.name} has {len(c.bases)} bases"
        for c in _nodes(source, ast.ClassDef)
        if len(c.bases) > 1
    ]


def long_function(source: str, name: str) -> list[str]:
    """A function has at most 40 lines, those of its docstring not counted, tables apart."""
    if name.startswith(TABLES):
        return []
    sizes = [
        (f, f.end_lineno - f.lineno + 1 - _docstring_lines(f)) for f in _nodes(source, Function)
    ]
    return [
        f"{name}:{f.lineno} {f.name} has {size} lines"
        for f, size in sizes
        if size > MOST_FUNCTION_LINES
    ]


def drawer_name(source: str, name: str) -> list[str]:
    """No module is a drawer for anything."""
    return (
        [f"{name}: say what is in it"]
        if Path(name).stem in {"utils", "util"} or "utils" in Path(name).parts
        else []
    )


def unsafe(source: str, name: str) -> list[str]:
    """Nothing that runs what it reads: pickle and its kin, eval, exec."""
    imports = [
        (node, module)
        for node, module in _imports(source)
        if module.split(".")[0] in UNSAFE_MODULES
    ]
    calls = [
        (c, c.func.id)
        for c in _nodes(source, ast.Call)
        if isinstance(c.func, ast.Name) and c.func.id in {"eval", "exec"}
    ]
    loads = [
        (k, "allow_pickle")
        for k in _nodes(source, ast.keyword)
        if k.arg == "allow_pickle" and not _is_false(k.value)
    ]
    return [f"{name}:{node.lineno} {what}" for node, what in [*imports, *calls, *loads]]


def global_random(source: str, name: str) -> list[str]:
    """Randomness comes from a Generator handed in, or from one made of a seed that was: no global
    state, no fixed seed.
    """
    tree = ast.parse(source)
    seeded = {
        id(c.func)
        for c in ast.walk(tree)
        if isinstance(c, ast.Call) and c.args and not isinstance(c.args[0], ast.Constant)
    }
    uses = [
        a
        for a in ast.walk(tree)
        if isinstance(a, ast.Attribute) and ast.unparse(a.value) in {"np.random", "numpy.random"}
    ]
    bad = [
        a
        for a in uses
        if a.attr not in MODERN_RANDOM and not (a.attr == "default_rng" and id(a) in seeded)
    ]
    imports = [
        n
        for n, module in _imports(source)
        if module.startswith(("random.", "numpy.random")) or module == "random"
    ]
    return [f"{name}:{node.lineno} {ast.unparse(node)}" for node in [*imports, *bad]]


def unordered(source: str, name: str) -> list[str]:
    """On the path of training and inference no sum in an unstated order, and no libm."""
    room = name.removeprefix("refboot/").split("/")[0]
    if room not in PATH or name == OFF_PATH:
        return []
    called = [
        (c, c.func.attr)
        for c in _nodes(source, ast.Call)
        if isinstance(c.func, ast.Attribute)
        and (c.func.attr in SUMS or (c.func.attr in LIBM and _is_numeric(c.func.value)))
    ]
    products = [(b, "@") for b in _nodes(source, ast.BinOp) if isinstance(b.op, ast.MatMult)]
    fast = [
        (k.value, "fastmath")
        for k in _nodes(source, ast.keyword)
        if k.arg == "fastmath" and not _is_false(k.value)
    ]
    return [f"{name}:{node.lineno} {what}" for node, what in [*called, *products, *fast]]


def undocumented(source: str, name: str) -> list[str]:
    """Modules, public classes and public functions say what they are; a Protocol speaks for its
    bare signatures.
    """
    tree = ast.parse(source)
    missing = [
        f"{name}:{node.lineno} {node.name}"
        for node in _public(tree.body)
        if not ast.get_docstring(node)
    ]
    return (
        missing if ast.get_docstring(tree) or not tree.body else [f"{name}: the module", *missing]
    )


def stranger(names: Iterable[str], ignored: Iterable[str]) -> list[str]:
    """Only the top-level names that the user fixed, dotfiles, and what .gitignore keeps out."""
    patterns = [line.strip("/") for line in ignored if line and not line.startswith("#")]
    known = [
        n
        for n in names
        if n in TOP_LEVEL or n.startswith(".") or any(fnmatch(n, pattern) for pattern in patterns)
    ]
    return sorted(set(names) - set(known))


BAD = [
    (long_file, "x = 1\n" * 301, "a.py"),
    (two_bases, "class A(B, C):\n    '''A.'''\n", "a.py"),
    (long_function, "def f():\n" + "    x = 1\n" * 40, "a.py"),
    (
        long_function,
        "class A:\n    async def f(self):\n        '''Doc.'''\n" + "        x = 1\n" * 40,
        "a.py",
    ),
    (drawer_name, "", "refboot/utils.py"),
    (drawer_name, "", "refboot/utils/a.py"),
    (unsafe, "import pickle", "a.py"),
    (unsafe, "from pickle import loads", "a.py"),
    (unsafe, "x = eval('1')", "a.py"),
    (unsafe, "exec('x = 1')", "a.py"),
    (unsafe, "np.load(path, allow_pickle=True)", "a.py"),
    (global_random, "np.random.seed(1)", "a.py"),
    (global_random, "x = numpy.random.rand(3)", "a.py"),
    (global_random, "import random", "a.py"),
    (global_random, "from numpy.random import rand", "a.py"),
    (global_random, "from numpy import random", "a.py"),
    (global_random, "rng = np.random.default_rng(1)", "a.py"),
    (global_random, "rng = np.random.default_rng()", "a.py"),
    (unordered, "y = x @ w", "refboot/kernels/dense.py"),
    (unordered, "y = np.dot(x, w)", "refboot/network.py"),
    (unordered, "y = x.mean(axis=0)", "refboot/neuron/norm.py"),
    (unordered, "y = np.exp(x)", "refboot/reference/spike.py"),
    (unordered, "f = njit(fastmath=True)", "refboot/engine/jit.py"),
    (undocumented, "x = 1", "a.py"),
    (undocumented, "'''A.'''\ndef f():\n    return 1", "a.py"),
    (undocumented, "'''A.'''\nclass C:\n    x = 1", "a.py"),
    (undocumented, "'''A.'''\nclass C:\n    '''C.'''\n    def f(self):\n        return 1", "a.py"),
    (
        undocumented,
        "'''A.'''\nclass C(Protocol):\n    '''C.'''\n    def f(self):\n        return 1",
        "a.py",
    ),
    (undocumented, "'''A.'''\nclass C:\n    '''C.'''\n    def f(self): ...", "a.py"),
]
GOOD = [
    (long_file, "x = 1\n" * 301, "refboot/conformance/mutants/a.py"),
    (long_function, "def f():\n" + "    x = 1\n" * 40, "refboot/conformance/cases/a.py"),
    (unordered, "y = x @ w", "refboot/viz/run.py"),
    (unordered, "y = elementary.log(total(x)) + sum(sizes)", "refboot/loss.py"),
    (long_file, "x = 1\n" * 300, "a.py"),
    (two_bases, "class A(B):\n    '''A.'''\nclass C:\n    '''C.'''\n", "a.py"),
    (long_function, "def f():\n    '''A.\n\n    B.\n    '''\n" + "    x = 1\n" * 39, "a.py"),
    (drawer_name, "", "refboot/arrays.py"),
    (unsafe, "model.eval()\nnp.load(path, allow_pickle=False)\nimport json", "a.py"),
    (
        global_random,
        "def f(rng: np.random.Generator): return rng.random()\n"
        "r = np.random.Generator(np.random.PCG64(1))",
        "a.py",
    ),
    (global_random, "rng = np.random.default_rng(seed)", "a.py"),
    (
        undocumented,
        "'''A.'''\ndef _f():\n    return 1\nclass _C:\n    def f(self): return 1\n",
        "a.py",
    ),
    (undocumented, "", "refboot/__init__.py"),
    (undocumented, "'''A.'''\nclass C(Protocol):\n    '''C.'''\n    def f(self): ...", "a.py"),
]
CHECKS: list[Check] = [
    long_file,
    two_bases,
    long_function,
    drawer_name,
    unsafe,
    global_random,
    unordered,
    undocumented,
]


def _label(value: object) -> str:
    return value.__name__ if callable(value) else ascii(value)[:50]


@pytest.mark.parametrize(("check", "source", "name"), BAD, ids=_label)
def test_check_catches_a_bad_sample(check: Check, source: str, name: str) -> None:
    assert check(source, name)


@pytest.mark.parametrize(("check", "source", "name"), GOOD, ids=_label)
def test_check_lets_a_good_sample_pass(check: Check, source: str, name: str) -> None:
    assert check(source, name) == []


def test_every_check_is_shown_to_catch_something() -> None:
    assert {check for check, _, _ in BAD} == set(CHECKS)


@pytest.mark.parametrize("check", CHECKS, ids=_label)
def test_package_keeps_the_rule(check: Check) -> None:
    assert FILES
    found = [
        problem
        for file in FILES
        for problem in check(file.read_text(encoding="utf-8"), file.relative_to(ROOT).as_posix())
    ]
    assert found == []


def test_stranger_is_caught_at_the_top_level() -> None:
    assert stranger(
        ["refboot", ".ci", "build", "x.egg-info", "docs"], ["build/", "*.egg-info/", ""]
    ) == ["docs"]


def test_top_level_holds_only_what_the_user_fixed() -> None:
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert stranger([path.name for path in ROOT.iterdir()], ignored) == []


def _nodes(source: str, kind: type) -> Iterator:
    return (node for node in ast.walk(ast.parse(source)) if isinstance(node, kind))


def _imports(source: str) -> Iterator[tuple[ast.stmt, str]]:
    """Every name a module imports, in full."""
    for node in _nodes(source, ast.Import):
        yield from ((node, alias.name) for alias in node.names)
    for node in _nodes(source, ast.ImportFrom):
        if not node.level:
            yield from ((node, f"{node.module}.{alias.name}") for alias in node.names)


def _docstring_lines(function: Function) -> int:
    """Lines that the docstring takes, quotes included."""
    doc = function.body[0]
    return doc.end_lineno - doc.lineno + 1 if ast.get_docstring(function) is not None else 0


def _public(body: list[ast.stmt]) -> Iterator[Function | ast.ClassDef]:
    """Public functions and classes of a module, and the public methods of those classes."""
    for node in body:
        if isinstance(node, (Function, ast.ClassDef)) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                protocol = any(ast.unparse(base).startswith("Protocol") for base in node.bases)
                yield from _public(
                    [inner for inner in node.body if not (protocol and _is_bare(inner))]
                )


def _is_bare(node: ast.stmt) -> bool:
    """Whether a function is a signature alone: its body is `...`."""
    return isinstance(node, Function) and [ast.unparse(line) for line in node.body] == ["..."]


def _is_numeric(value: ast.expr) -> bool:
    """True for a module with libm's functions."""
    return ast.unparse(value) in {"np", "numpy", "math"}


def _is_false(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is False
