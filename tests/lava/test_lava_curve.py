"""The sampler fits lava-dl's curves and passes its gradients; where lava-dl's curve breaks, ours
does not.
"""

import numpy as np
import pytest
from lava_vectors import Array, Case, assert_close, assert_equal, assert_same_fit, cases

from refboot.ann_sampler import AnnSampler

FITS = range(3)
# In this fit of this case the z of lava-dl's centres does not rise, and its curve is no curve.
FALLING = ("003", 2)


def make_sampler(case: Case) -> AnnSampler:
    return AnnSampler(**case.params)


def fit_again(f: AnnSampler, given: dict[str, Array], fit: int) -> None:
    """The fit number `fit` of a case: to its own points alone, starting from the curve there is."""
    f.clear()
    f.append(given[f"a{fit}"][:, None], given[f"z{fit}"][:, None])
    f.fit()


@pytest.mark.parametrize("case", cases("ann_sampler"), ids=str)
@pytest.mark.usefixtures("operations")
def test_sampler_fits_the_same_curves(case: Case) -> None:
    given, wanted, f = case.read("in"), case.read("out"), make_sampler(case)
    for fit in FITS:
        fit_again(f, given, fit)
        if (case.number, fit) == FALLING:
            continue
        got = {"centers": f.centers, "slopes": f.slopes, "max": f.max, "scale": f.scale}
        for name, value in got.items():
            assert_same_fit(value, wanted[f"{name}{fit}"])


@pytest.mark.parametrize("case", cases("ann_sampler"), ids=str)
@pytest.mark.usefixtures("operations")
def test_curve_gives_the_same_rates_and_gradients(case: Case) -> None:
    given, wanted, f = case.read("in"), case.read("out"), make_sampler(case)
    for fit in FITS:
        fit_again(f, given, fit)
        if (case.number, fit) == FALLING:
            continue
        assert_close(f.forward(given[f"query{fit}"]), wanted[f"y{fit}"])
        assert_close(f.backward(given[f"grad{fit}"]), wanted[f"grad_query{fit}"])


@pytest.mark.usefixtures("operations")
def test_where_lavas_centres_fall_ours_are_pooled_and_rise() -> None:
    case, last = Case("ann_sampler", FALLING[0]), FALLING[1]
    given, lava, f = case.read("in"), case.read("out")[f"centers{last}"], make_sampler(case)
    for fit in FITS:
        fit_again(f, given, fit)
    (fall,) = np.flatnonzero(np.diff(lava[:, 0]) <= 0)

    assert f.centers is not None
    assert f.slopes is not None
    assert np.isfinite(f.centers).all()
    assert np.isfinite(f.slopes).all()
    assert (np.diff(f.centers, axis=0) > 0).all()
    assert (f.slopes > 0).all()
    # The last knot is no centre: it prolongs the last line, one end of which was pooled, up to the
    # same saturation.
    pooled = np.vstack([lava[:fall], lava[fall : fall + 2].mean(axis=0), lava[fall + 2 : -1]])
    assert_same_fit(f.centers[:-1], pooled)
    assert_same_fit(f.max, lava[-1, 1])


@pytest.mark.parametrize("case", cases("soft_clear"), ids=str)
def test_soft_clear_drops_the_same_half(case: Case) -> None:
    given, wanted, f = case.read("in"), case.read("out"), AnnSampler()
    f.append(given["a"][:, None], given["z"][:, None])
    f.soft_clear(np.random.RandomState(case.params["numpy_seed"]))
    assert_equal(f.a, wanted["a"])
    assert_equal(f.z, wanted["z"])
