"""The leaky integrator, the spike and the CUBA neuron answer as lava-dl's do."""

import math

import numpy as np
import pytest
from lava_vectors import Case, assert_close, assert_equal, cases

from refboot.neuron import cuba
from refboot.ops import Ops
from refboot.reference.numbers import STATE_SCALE, WEIGHT_SCALE, decay_mantissa, to_real, to_state

# lava-dl's gradient of a decay is this many times the true derivative for the stored 4096 * decay.
LAVA_DECAY_FACTOR = -4096


@pytest.mark.parametrize("case", cases("leaky_integrator"), ids=str)
def test_leaky_integrator_runs_through_the_same_states(case: Case, operations: Ops) -> None:
    given, wanted, threshold = case.read("in"), case.read("out"), case.params["threshold"]
    limit = None if threshold is None else int(threshold * STATE_SCALE)
    y, last = operations.leaky_forward(
        to_state(given["x"]), decay_mantissa(given["decay"]), to_state(given["state"]), limit
    )
    assert_equal(to_real(y), wanted["y"])
    after = wanted["y"][..., -1]
    assert_equal(
        to_real(last), after if threshold is None else np.where(after > threshold, 0, after)
    )


@pytest.mark.parametrize(
    "case", [case for case in cases("leaky_integrator") if not case.params["per_channel"]], ids=str
)
def test_leaky_integrator_passes_the_same_gradients(case: Case, operations: Ops) -> None:
    given, wanted = case.read("in"), case.read("out")
    decay, y = decay_mantissa(given["decay"]), to_state(wanted["y"])
    gx = operations.leaky_backward(given["grad"], decay)
    assert_close(gx, wanted["grad_x"])
    gd = operations.leaky_decay_backward(gx, y, shared=True)
    assert_close(
        LAVA_DECAY_FACTOR * gd, wanted["grad_decay"], terms=gx[..., 1:] * wanted["y"][..., :-1]
    )


@pytest.mark.parametrize("case", cases("neuron_params"), ids=str)
def test_neuron_parameters_land_on_the_same_grids(case: Case) -> None:
    wanted, params = case.read("out"), case.params
    neuron = cuba.Neuron(**params)
    assert neuron.v_th_mant == wanted["v_th_mant"]
    assert neuron.threshold == wanted["threshold"]
    assert neuron.cx_current_decay.tolist() == [wanted["i_decay"]]
    assert neuron.cx_voltage_decay.tolist() == [wanted["v_decay"]]
    assert math.isclose(neuron.tau, 100 * wanted["tau_rho"], rel_tol=1e-15)
    assert math.isclose(neuron.scale, 0.1 * wanted["scale_rho"], rel_tol=1e-15)


@pytest.mark.parametrize("case", cases("neuron_params"), ids=str)
def test_strict_threshold_is_lavas_threshold_with_its_fudge(case: Case, operations: Ops) -> None:
    wanted, neuron = case.read("out"), cuba.Neuron(**case.params)
    lowest = math.ceil((wanted["threshold"] + wanted["threshold_eps"]) * STATE_SCALE)
    around = np.arange(lowest - 2, lowest + 2)
    limit = neuron.v_th_mant * (STATE_SCALE // WEIGHT_SCALE)
    assert operations.spike_forward(around, limit).tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("case", cases("spike"), ids=str)
def test_spike_comes_at_the_same_voltages_with_the_same_surrogate(
    case: Case, operations: Ops
) -> None:
    given, wanted, neuron = case.read("in"), case.read("out"), cuba.Neuron(**case.params)
    if neuron.graded_spike:
        forward, backward = operations.graded_forward, operations.graded_backward
    else:
        forward, backward = operations.spike_forward, operations.spike_backward
    limit = neuron.v_th_mant * (STATE_SCALE // WEIGHT_SCALE)
    assert_equal(forward(to_state(given["voltage"]), limit), wanted["s"])
    gv = backward(given["grad"], given["voltage"], neuron.threshold, neuron.tau, neuron.scale)
    assert_close(gv, wanted["grad_voltage"])


@pytest.mark.parametrize("train_decays", [False, True])
@pytest.mark.parametrize("case", cases("cuba"), ids=str)
@pytest.mark.usefixtures("operations")
def test_cuba_neuron_spikes_and_learns_alike(case: Case, train_decays: bool) -> None:
    given, wanted = case.read("in"), case.read("out")
    neuron = cuba.Neuron(**case.params, requires_grad=train_decays)
    assert_equal(neuron.forward(given["z"]), wanted["s"])
    assert_close(neuron.backward(given["grad"]), wanted["grad_z"])


@pytest.mark.parametrize("case", cases("cuba"), ids=str)
@pytest.mark.usefixtures("operations")
def test_cuba_neuron_runs_through_the_same_states(case: Case) -> None:
    given, wanted = case.read("in"), case.read("out")
    trace = cuba.Neuron(**case.params).trace(given["z"])
    assert_equal(to_real(trace.u), wanted["current"])
    assert_equal(to_real(trace.v), wanted["voltage"])
    assert_equal(trace.s, wanted["s"])


@pytest.mark.parametrize("case", cases("cuba"), ids=str)
def test_decays_get_lavas_gradients_but_for_the_factor(case: Case, operations: Ops) -> None:
    given, wanted = case.read("in"), case.read("out")
    neuron = cuba.Neuron(**case.params, requires_grad=True)
    neuron.forward(given["z"])
    gz = neuron.backward(given["grad"])
    gv = operations.spike_backward(
        given["grad"], wanted["voltage"], neuron.threshold, neuron.tau, neuron.scale
    )
    gu = operations.leaky_backward(gv, neuron.cx_voltage_decay)
    for name, gradient, state in (
        ("current_decay", gz, wanted["current"]),
        ("voltage_decay", gu, wanted["voltage"]),
    ):
        grad = neuron.parameters()[name].grad
        assert grad is not None
        assert_close(
            LAVA_DECAY_FACTOR * grad,
            wanted[f"grad_{name}"],
            terms=gradient[..., 1:] * state[..., :-1],
        )


@pytest.mark.parametrize("case", cases("cuba_persistent"), ids=str)
@pytest.mark.usefixtures("operations")
def test_persistent_state_carries_over_alike(case: Case) -> None:
    given, wanted = case.read("in"), case.read("out")
    neuron = cuba.Neuron(**case.params, persistent_state=True)
    for call in range(len(given)):
        assert_equal(neuron.forward(given[f"z{call}"]), wanted[f"s{call}"])
