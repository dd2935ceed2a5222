"""The public API under misuse: wrong types, shapes, sizes and numbers for every argument; refboot's
own error comes, and names it.
"""

import importlib
import inspect
import tempfile

import numpy as np
import pytest
from api_calls import CALLS

from refboot.errors import RefbootError

BAD = {
    "None": lambda: None,
    "text": lambda: "bad",
    "bytes": lambda: b"bad",
    "object": object,
    "minus one": lambda: -1,
    "zero": lambda: 0,
    "a fraction": lambda: 2.5,
    "nan": lambda: float("nan"),
    "infinity": lambda: float("inf"),
    "a huge integer": lambda: 10**400,
    "a huge float": lambda: 1e300,
    "an empty list": list,
    "a ragged list": lambda: [[1], [2, 3]],
    "an empty dict": dict,
    "a dict": lambda: {"a": object()},
    "a set": lambda: {1},
    "a tuple": lambda: (None, None),
    "an empty array": lambda: np.empty((0,)),
    "a scalar array": lambda: np.array(1.0),
    "a matrix": lambda: np.ones((7, 5), np.float32),
    "an array of objects": lambda: np.array([None, 1], object),
    "an array of complex": lambda: np.ones((2, 3, 4), complex),
    "an array of nan": lambda: np.full((2, 3, 4), np.nan),
    "an array of text": lambda: np.array(["a"]),
    "twelve axes": lambda: np.ones((1,) * 12),
    "a function": lambda: lambda *given: None,
    "a class": lambda: int,
    "a generator": lambda: (i for i in [1]),
}
# What errors call an argument that has another name to those who read them.
CALLED = {
    "blocks": "block 0",
    "choice": "set of operations",
    "state": "learning stat",
    "values": "the settings",
    "action": "on_trouble",
    "path": "bad",
    "root": "train-images",
    "folder": "checkpoint",
    "given": "checkpoint",
    "spike_tensor": "x_event",
    "sampling_time": "payload",
}
# What goes wrong in a function of the caller's is the caller's.
CALLERS_OWN = {("train_epoch", "after", "a class")}
# Good calls that are refused, because what they need is not there.
REFUSED = {"load_mnist.root", "resumed_settings"}

MODULES = [
    "refboot",
    *(
        f"refboot.{name}"
        for name in (
            "ann_sampler",
            "block",
            "block.cuba",
            "classifier",
            "data",
            "exchange",
            "io.event",
        )
    ),
]
MODULES += [
    f"refboot.{name}"
    for name in (
        "io.netx",
        "io.state",
        "loss",
        "neuron",
        "neuron.alif",
        "neuron.cuba",
        "neuron.integrate_fire",
    )
]
MODULES += [
    f"refboot.{name}"
    for name in (
        "neuron.norm",
        "ops",
        "optim",
        "routine",
        "settings",
        "stats",
        "synapse",
        "training",
    )
]
# Public, and not called with bad arguments: why.
INNER = "gets what a block, a network or a loader has checked, many times a step"
RECORD = "a record or protocol: whoever takes it in checks it"
UNCALLED = {
    "block.base.Block": "what is common to the blocks, which are called",
    "block.base.Layer": RECORD,
    "block.plain.Flatten": "takes no argument",
    "classifier.Rate": "takes no argument",
    "data.mnist.load_mnist": "called by another name: without the mirrors",
    "exchange.check.ExchangeWarning": "a warning",
    "exchange.spec.Geometry": RECORD,
    "exchange.spec.LayerSpec": RECORD,
    "exchange.spec.NetSpec": RECORD,
    "exchange.spec.NeuronSpec": RECORD,
    "exchange.write.write_layer": "writes into an HDF5 group that its caller opened",
    "neuron.spiking.Spiking": RECORD,
    "optim.Optimizer": "what is common to SGD and Adam, which are called",
    "optim.Parameter": RECORD,
    "reference.modes.Mode": "an enumeration",
    "synapse.dense.PreHook": RECORD,
    "synapse.dense.Weight": INNER,
}
# Arguments left out because the same ones are tried elsewhere in the table.
COMMON = {
    "tau_grad",
    "scale_grad",
    "norm",
    "dropout",
    "shared_param",
    "persistent_state",
    "requires_grad",
    "graded_spike",
}
UNTRIED = {
    "alif.Neuron": COMMON,
    "integrate_fire.Neuron": COMMON | {"reset", "loihi_limits"},
    "ToTensor.call": {"rng"},
}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    """A bad path may be a good one: what is written goes there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def everything():
    """The name of each call with each of its arguments."""
    before = tempfile.gettempdir()
    with tempfile.TemporaryDirectory() as tempfile.tempdir:
        found = [(name, argument) for name, make in CALLS.items() for argument in make()[1]]
    tempfile.tempdir = before
    return found


@pytest.mark.parametrize("name", CALLS)
def test_a_good_call_is_good(name):
    function, arguments = CALLS[name]()
    if name in REFUSED:
        with pytest.raises(RefbootError):
            function(**arguments)
    else:
        function(**arguments)


@pytest.mark.parametrize(("name", "argument"), everything())
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_bad_argument_is_taken_or_refused_by_name(name, argument):
    for kind, bad in BAD.items():
        if (name, argument, kind) in CALLERS_OWN:
            continue
        function, arguments = CALLS[name]()
        arguments[argument] = bad()
        try:
            function(**arguments)
        except RefbootError as error:
            if not any(word in str(error) for word in (*arguments, CALLED.get(argument, argument))):
                pytest.fail(f"{name}({argument}={kind}) does not name the argument: {error}")
        except Exception as error:
            pytest.fail(f"{name}({argument}={kind}) raised {type(error).__name__}: {error}")


@pytest.mark.parametrize("name", CALLS)
def test_every_argument_of_a_call_is_tried(name):
    function, arguments = CALLS[name]()
    parameters = inspect.signature(function).parameters.values()
    named = {p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
    assert named <= set(arguments) | UNTRIED.get(name, set())


def public():
    """Every function and class that a public module offers, by name."""
    found = {}
    for module in map(importlib.import_module, MODULES):
        for name in getattr(module, "__all__", vars(module)):
            thing = getattr(module, name)
            own = hasattr(module, "__all__") or getattr(thing, "__module__", "") == module.__name__
            if (
                own
                and not name.startswith("_")
                and (inspect.isclass(thing) or inspect.isfunction(thing))
            ):
                found[full_name(thing)] = thing
    return found


def full_name(thing):
    return f"{thing.__module__}.{thing.__qualname__}".removeprefix("refboot.")


def test_everything_public_is_called_or_it_is_said_why_not():
    """refboot.reference and refboot.kernels are not called: their contract is arrays of the right
    kind, checked one floor up.
    """
    called = {
        full_name(made)
        for made in (make()[0] for make in CALLS.values())
        if hasattr(made, "__qualname__")
    }
    assert sorted(set(public()) - called - IN_USE) == sorted(UNCALLED)


# Public in modules without __all__, whose names are told by what they are.
IN_USE = {
    "neuron.cuba.Trace",
    "neuron.cuba.check_range",
    "ops.active",
    "ops.use",
    "settings.option",
}
