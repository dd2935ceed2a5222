"""Chapters 1 to 3, clause by clause: numbers, neuron, spike."""

import math
from itertools import product

import numpy as np
import pytest
import spec_plain as plain

from refboot import arrays
from refboot.errors import RangeError, ShapeError, TypeMismatchError
from refboot.neuron.cuba import Neuron, check_range
from refboot.ops import Ops
from refboot.reference import numbers
from refboot.reference.modes import mean_rate_forward

Rng = np.random.Generator
HALVES = (
    np.arange(-300, 301, dtype=np.float32) / 64
)  # every step of the weight grid, every tie, and beyond both ends


def one(values):
    return np.array([[values]], np.int64)


def run(o, z, i_decay, v_decay, m, u=0, v=0):
    """One neuron through `cuba_forward`, as plain lists: spikes, voltages in state units, last u
    and v.
    """
    z = np.array(z, np.float32).reshape(1, 1, -1)
    s, real, u, v = o.cuba_forward(
        z, np.array([i_decay]), np.array([v_decay]), 64 * m, one(u), one(v)
    )
    return (
        s[0, 0].tolist(),
        (4096 * real[0, 0].astype(np.float64)).tolist(),
        int(u[0, 0]),
        int(v[0, 0]),
    )


def test_grids():
    """NUM-1."""
    assert (
        numbers.WEIGHT_SCALE,
        float(numbers.WEIGHT_STEP),
        numbers.STATE_SCALE,
        numbers.DECAY_SCALE,
    ) == (64, 1 / 32, 4096, 4096)


def test_weight_is_rounded_to_even_and_clipped(o: Ops, rng: Rng):
    """NUM-2."""
    x = np.concatenate(
        [HALVES, np.float32(rng.normal(0, 2, 500)), np.float32([3e38, -3e38, 1e-40])]
    )
    assert o.quantize_8bit(x).tolist() == [plain.q(float(value)) for value in x]


def test_weight_mantissa_is_even_and_in_range(o: Ops):
    """NUM-3."""
    found = np.unique(64 * o.quantize_8bit(HALVES))
    assert found.tolist() == list(range(-256, 255, 2))


def test_threshold_is_cut_off():
    """NUM-4."""
    values = [1 / 64, 1.24, 1.2499, 1.25, 63.99, 64.0, 2.0**20]
    assert [numbers.threshold_mantissa(x) for x in values] == [math.trunc(64 * x) for x in values]
    neuron = Neuron(1.24, 1, 0.03)
    assert (neuron.v_th_mant, neuron.threshold) == (79, 79 / 64)


def test_decay_is_clamped_and_rounded_to_even():
    """NUM-5."""
    stored = np.float32([-7, -0.5, 0.5, 1.5, 2.5, 122.88, 4095.5, 4096.4, 9000])
    assert numbers.decay_mantissa(stored).tolist() == [
        round(min(max(float(d), 0), 4096)) for d in stored
    ]
    assert Neuron(1.25, 1, 0.03).cx_voltage_decay.tolist() == [123]


def test_real_enters_the_state_cut_off(rng: Rng):
    """NUM-6."""
    x = np.float32(np.concatenate([rng.normal(0, 1, 200), np.arange(-9, 9) / 8192]))
    assert numbers.to_state(x).tolist() == [math.trunc(4096 * float(value)) for value in x]


def test_state_leaves_the_grid_rounded_once():
    """NUM-7."""
    y = np.array([0, 1, -5120, 2**24, 2**24 + 1, 2**24 + 3, -(2**40) - 1])
    assert numbers.to_real(y).tolist() == [float(np.float32(value / 4096)) for value in y.tolist()]


def test_shift_goes_to_zero():
    """NUM-8."""
    a = [
        sign * (base + off)
        for sign, base, off in product((1, -1), (0, 4096, 8192, 2**62), (0, 1, 4095))
    ]
    assert numbers.shift_to_zero(np.array(a)).tolist() == [plain.shift0(value) for value in a]


@pytest.mark.parametrize(
    ("bad", "kind"),
    [
        ([np.nan], RangeError),
        ([-np.inf], RangeError),
        ([1e39], RangeError),
        (["a"], TypeMismatchError),
        ([1j], TypeMismatchError),
    ],
)
def test_what_is_no_number_is_rejected(bad, kind):
    """NUM-9."""
    with pytest.raises(kind):
        arrays.floats("x", bad)
    with pytest.raises(ShapeError):
        arrays.floats("x", [1.0], ("N", "C"))


def test_operations_are_rounded_one_by_one(o: Ops):
    """NUM-10: slope * (z - left) is rounded before it is added; a fused operation would give
    another bit.
    """
    z, slope, base = np.float32(1 + 2**-12), np.float32(1 + 2**-12), np.float32(-1)
    fused = np.float32(float(base) + float(slope) * float(z))
    singly = base + slope * z
    assert fused != singly
    assert (
        o.pwl_forward(z[None], np.array([[0.0, -1.0], [2.0, 4.0]]), np.array([slope]))[0] == singly
    )


def test_leaky_step(o: Ops, rng: Rng):
    """LIF-1."""
    state, drive = rng.integers(-(2**40), 2**40, (2, 64))
    for decay in (0, 1, 123, 4095, 4096):
        y, _ = o.leaky_forward(drive.reshape(1, -1, 1), np.array([decay]), state.reshape(1, -1))
        assert y.ravel().tolist() == [
            plain.leaky([x], decay, s)[1]
            for x, s in zip(drive.tolist(), state.tolist(), strict=True)
        ]


@pytest.mark.parametrize("threshold", [None, 5120])
def test_leaky_run_records_before_the_reset(o: Ops, rng: Rng, threshold):
    """LIF-2."""
    drive = rng.integers(-3000, 6000, (1, 5, 20))
    y, last = o.leaky_forward(drive, np.array([123]), np.zeros((1, 5), np.int64), threshold)
    assert [(y[0, c].tolist(), int(last[0, c])) for c in range(5)] == [
        plain.leaky(row, 123, 0, threshold) for row in drive[0].tolist()
    ]


def test_decays_lie_along_the_channels(o: Ops, rng: Rng):
    """LIF-3."""
    drive, decays = rng.integers(-3000, 6000, (2, 3, 4, 5)), [0, 123, 4096]
    y, _ = o.leaky_forward(drive, np.array(decays), np.zeros((2, 3, 4), np.int64))
    for n, c, k in product(range(2), range(3), range(4)):
        assert y[n, c, k].tolist() == plain.leaky(drive[n, c, k].tolist(), decays[c], 0)[0]


@pytest.mark.parametrize(("i_decay", "v_decay"), [(4096, 123), (1024, 0), (0, 4096), (300, 300)])
def test_neuron(o: Ops, rng: Rng, i_decay, v_decay):
    """LIF-4, LIF-6, LIF-7: the whole neuron, with resets in it, against the plain one."""
    z = np.float32(rng.normal(0.3, 0.8, 200))
    found, expected = (
        run(o, z, i_decay, v_decay, 80, 37, -41),
        plain.neuron(z.tolist(), i_decay, v_decay, 80, 37, -41),
    )
    assert sum(expected[0]) > 5
    assert found == expected


def test_voltage_at_the_threshold_does_not_fire(o: Ops):
    """LIF-5."""
    assert run(o, [80 / 64], 4096, 0, 80)[0] == [0]
    assert run(o, [80 / 64 + 1 / 4096], 4096, 0, 80)[0] == [1]


@pytest.mark.parametrize("cut", [1, 7, 19])
def test_carried_state_continues_the_run(o: Ops, rng: Rng, cut):
    """LIF-8."""
    z = np.float32(rng.normal(0.3, 0.8, (2, 3, 20)))
    whole, parts = Neuron(1.25, 0.4, 0.03), Neuron(1.25, 0.4, 0.03, persistent_state=True)
    expected = whole.forward(z)
    assert (
        np.concatenate([parts.forward(z[..., :cut]), parts.forward(z[..., cut:])], axis=-1).tolist()
        == expected.tolist()
    )
    assert parts.forward(z[:1]).tolist() == expected[:1].tolist()
    assert whole.forward(z).tolist() == expected.tolist()


def test_full_current_decay_keeps_nothing(o: Ops):
    """LIF-9."""
    assert run(o, [0.5, -0.25, 1.0], 4096, 4096, 2**20, u=10**6, v=10**6)[1:3] == (
        [2048, -1024, 4096],
        4096,
    )


@pytest.mark.parametrize("T", [1, 4, 16])
@pytest.mark.parametrize("sign", [1, -1])
def test_what_is_accepted_does_not_overflow(o: Ops, T, sign):
    """LIF-10: the largest input and state that are let in give what unbounded integers give; twice
    of it is refused.
    """
    most = np.nextafter(np.float32(2.0**38 / T**2), np.float32(0))
    state = int(2**49 / T**2) - 1
    z, start = np.full((1, 1, T), sign * most), one(sign * state)
    check_range(z, start, start)
    found, expected = (
        run(o, z, 0, 0, 2**26, sign * state, sign * state),
        plain.neuron(z[0, 0].tolist(), 0, 0, 2**26, sign * state, sign * state),
    )
    assert found[0] == expected[0]
    assert found[2:] == expected[2:]
    with pytest.raises(RangeError):
        check_range(2 * z, 2 * start, 2 * start)


def bounds(X, di, dv, T, U=0, V=0):
    """LIF-11's Bu and Bv."""
    Bu = min(U + T * X, max(U, 4096 * X // di)) if di else U + T * X
    return Bu, min(V + T * Bu, max(V, 4096 * Bu // dv)) if dv else V + T * Bu


@pytest.mark.parametrize(("di", "dv"), [(4096, 123), (0, 0), (1, 2000), (500, 0), (37, 4096)])
def test_states_stay_within_their_bound(rng: Rng, di, dv):
    """LIF-11."""
    T, X, U, V = 40, 10**6, 5 * 10**6, 7 * 10**6
    Bu, Bv = bounds(X, di, dv, T, U, V)
    drives = [
        [-X] * T,
        *rng.choice([-X, X], (20, T)).tolist(),
        *rng.integers(-X, X + 1, (20, T)).tolist(),
    ]
    for drive, u, v in product(drives, (-U, 0), (-V, 0)):
        currents, _ = plain.leaky(drive, di, u)
        voltages, _ = plain.leaky(currents, dv, v, 5120)
        assert max(map(abs, currents)) <= Bu
        assert -min(voltages) <= Bv
        assert max(voltages) <= max(5120, v) + Bu
    assert [
        tuple(b.bit_length() + 1 for b in bounds(2**14 * F, 4096, 123, 16)) for F in (10, 784, 8191)
    ] == [(19, 23), (25, 29), (28, 32)]


@pytest.mark.parametrize(
    "bad",
    [
        {"threshold": 0.0156},
        {"threshold": 2.0**20 + 1},
        {"current_decay": 1.001},
        {"voltage_decay": -0.001},
        {"tau_grad": 0},
        {"scale_grad": -1},
    ],
    ids=str,
)
def test_impossible_parameters_are_rejected(bad):
    """LIF-12."""
    with pytest.raises(RangeError):
        Neuron(**{"threshold": 1.25, "current_decay": 1, "voltage_decay": 0.03} | bad)


@pytest.mark.parametrize("m", [1, 80, 4096, 2**20, 2**26])
def test_spike_is_strict_for_every_threshold(o: Ops, m):
    """SPK-1, SPK-3."""
    v = 64 * m + np.arange(-3, 4)
    assert o.spike_forward(v.reshape(1, 1, -1), 64 * m).ravel().tolist() == [0.0] * 4 + [1.0] * 3


def test_graded_spike_is_the_voltage(o: Ops):
    """SPK-2."""
    v = np.array([-9000, 5119, 5120, 5121, 123456])
    assert o.graded_forward(v.reshape(1, 1, -1), 5120).ravel().tolist() == [
        0,
        0,
        0,
        5121 / 4096,
        123456 / 4096,
    ]


@pytest.mark.parametrize("T", [1, 3, 7, 10, 12, 16, 20, 100])
def test_rate_is_rounded_once(T):
    """SPK-4."""
    s = np.tril(np.ones((T + 1, T), np.float32), -1)[None]  # k spikes in row k
    assert mean_rate_forward(s).ravel().tolist() == [float(np.float32(k / T)) for k in range(T + 1)]


def test_surrogate_has_the_rounded_threshold_in_it():
    """SPK-5."""
    neuron = Neuron(1.24, 1, 0.03, tau_grad=0.7, scale_grad=1.3)
    assert (neuron.tau, neuron.scale) == (100 * 0.7 * (79 / 64), 0.1 * 1.3)


def test_surrogate(o: Ops, rng: Rng):
    """SPK-6."""
    v, gs = np.float32(rng.normal(0, 90, (1, 2, 50))), np.float32(rng.normal(0, 1, (1, 2, 50)))
    found = o.spike_backward(gs, v, 1.25, 62.5, 0.2)
    expected = [
        g * plain.surrogate(x, 1.25, 62.5, 0.2)
        for g, x in zip(gs.ravel().tolist(), v.ravel().tolist(), strict=True)
    ]
    np.testing.assert_allclose(found.ravel(), expected, rtol=4 * 2**-23, atol=0)


def test_gradient_of_a_graded_spike(o: Ops, rng: Rng):
    """SPK-7."""
    v, gs = np.float32(rng.normal(0, 90, (1, 2, 50))), np.float32(rng.normal(0, 1, (1, 2, 50)))
    expected = [
        g * 0.2 * math.exp(min(x - 1.25, 0) / 62.5)
        for g, x in zip(gs.ravel().tolist(), v.ravel().tolist(), strict=True)
    ]
    np.testing.assert_allclose(
        o.graded_backward(gs, v, 1.25, 62.5, 0.2).ravel(), expected, rtol=4 * 2**-23, atol=0
    )
