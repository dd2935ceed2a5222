"""The sampler of a layer: gathers (weighted input, rate) points from the spiking network, fits the
rate curve, and is that curve.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refboot import arrays, ops
from refboot.arrays import Floats
from refboot.errors import OrderError, RangeError, ShapeError, TypeMismatchError
from refboot.reference.fit import Curve, fit_curve
from refboot.reference.forgetting import half

CAPACITY = 1 << 20


class AnnSampler:
    """Samples of one layer and the piecewise-linear activation fitted to them.

    `num_centers` bands between the rates `sample_range` times saturation; `eps` is added to the
    gradient; at most `capacity` points are kept (float32), the newest replacing the oldest; `rng`
    chooses what `soft_clear` drops. Spec: SAM-3.
    """

    def __init__(
        self,
        num_centers: int = 5,
        sample_range: tuple[float, float] = (0.1, 0.9),
        eps: float = 1e-5,
        capacity: int = CAPACITY,
        rng: np.random.Generator | None = None,
    ) -> None:
        self.num_centers = arrays.whole("num_centers", num_centers, 1, 1024)
        low, high = (
            arrays.number("sample_range", bound, 0, 1)
            for bound in arrays.pair("sample_range", sample_range)
        )
        if low >= high:
            raise RangeError("sample_range", (low, high), "two rising fractions")
        self.sample_range = (low, high)
        self.eps = arrays.number("eps", eps, 0, above=True)
        self.capacity = arrays.whole("capacity", capacity)
        self.alpha = 0.1
        self.rng = None if rng is None else arrays.generator("rng", rng)
        self.curve: Curve | None = None
        self.room = np.empty(
            (2, self.capacity), np.float32
        )  # in which points are kept, those of `points` at its start or around its end
        self._seen = 0
        # of the points kept, those that came since the last `soft_clear`, `clear` or `restore`
        self.fresh = 0
        self._z: Floats | None = None

    @property
    def z(self) -> Floats:
        """The mean weighted inputs kept (n,), float32, in order of arrival."""
        return self.points[0]

    @property
    def a(self) -> Floats:
        """The rates kept (n,), float32, in order of arrival."""
        return self.points[1]

    @property
    def points(self) -> Floats:
        """Both, z then a, (2, n)."""
        if self._seen <= self.capacity:
            return self.room[:, : self._seen]
        return np.roll(self.room, -(self._seen % self.capacity), axis=1)

    @property
    def count(self) -> int:
        """How many points are kept."""
        return min(self._seen, self.capacity)

    @property
    def centers(self) -> np.ndarray | None:
        """The knots (K, 2) as (z, a), float64, or None before a fit."""
        return None if self.curve is None else self.curve.knots

    @property
    def slopes(self) -> np.ndarray | None:
        """The slope of each piece (K-1,), float64, or None before a fit."""
        return None if self.curve is None else self.curve.slopes

    @property
    def max(self) -> float | None:
        """The rate at saturation, or None before a fit."""
        return None if self.curve is None else self.curve.max

    @property
    def scale(self) -> float | None:
        """The factor of the gradient (z over a at saturation), or None before a fit."""
        return None if self.curve is None else self.curve.scale

    def append(self, a: Floats, z: Floats) -> None:
        """Keep the time means of spikes `a` and weighted input `z`, both (N, C, ..., T); raises
        ShapeError, RangeError. Spec: SAM-1.
        """
        a, z = arrays.floats("a", a), arrays.floats("z", z)
        if a.shape != z.shape or not a.size or not a.ndim:
            raise ShapeError("a", f"of shape {a.shape}", f"the shape of z, {z.shape}")
        self.append_means(a.mean(axis=-1), z.mean(axis=-1))

    def append_means(self, a: Floats, z: Floats) -> None:
        """Keep points that are means already (any one shape, float32, unchecked). Spec: SAM-2."""
        start, count = self._seen % self.capacity, min(z.size, self.capacity)
        head = min(count, self.capacity - start)
        for kept, means in zip(self.room, (z, a), strict=True):
            new = means.reshape(-1)[-count:]
            kept[start : start + head] = new[:head]
            kept[: count - head] = new[head:]
        self._seen += count
        self.fresh = min(self.fresh + count, self.capacity)

    def fit(self) -> None:
        """Fit the curve to the points kept and the curve there was: see reference.fit.fit_curve,
        what it does without points included.
        """
        o = ops.active()
        points = self.points  # not as they lie in the ring: the same bits after `restore`
        self.curve = fit_curve(
            points[0],
            points[1],
            self.curve,
            self.num_centers,
            self.sample_range,
            self.alpha,
            self.eps,
            o.saturation,
            o.band_medians,
        )

    def clear(self) -> None:
        """Forget all points; the curve stays. Spec: SAM-5."""
        self._seen = self.fresh = 0

    def soft_clear(self, rng: Any = None) -> None:
        """Forget half of the points (rounded down), chosen at random; raises OrderError without a
        generator, TypeMismatchError.

        `rng` is a Generator, or has a method `permutation`: see reference.forgetting.half. Spec:
        SAM-4.
        """
        self.keep(self.draw(rng))

    def draw(self, rng: Any = None) -> np.ndarray:
        """Of each point whether `soft_clear` keeps it, bool (n,); raises OrderError without a
        generator, TypeMismatchError. Spec: SAM-4.
        """
        rng = self.rng if rng is None else rng
        if rng is None:
            raise OrderError(
                "AnnSampler.soft_clear", "without a generator", "rng passed here or to AnnSampler"
            )
        if not callable(getattr(rng, "permutation", None)):
            raise TypeMismatchError("rng", repr(rng), "a numpy.random.Generator")
        return half(rng, self.count)

    def keep(self, stay: np.ndarray) -> None:
        """Forget all points but those that `stay`, bool (n,); they keep their order. Raises
        ShapeError, TypeMismatchError.
        """
        arrays.instance("stay", stay, np.ndarray, "an array of bool")
        if stay.dtype != np.bool_:
            raise TypeMismatchError("stay", f"of dtype {stay.dtype}", "bool")
        arrays.check_shape("stay", stay, (self.count,))
        ways, points, count = ops.shortcuts(), self.points, int(np.count_nonzero(stay))
        if ways is not None:
            with ways.Keeping([(points, stay, self.room)]):
                pass
        else:
            self.room[:, :count] = points[:, stay]
        self.kept(count)

    def kept(self, count: int) -> None:
        """So many points are kept from now on, those at the start of the room."""
        self._seen, self.fresh = count, 0

    def restore(self, points: Floats) -> None:
        """Replace the points kept by `points` (2, n): z then a; n at most `capacity`."""
        points = arrays.floats("points", points)
        if points.ndim != 2 or len(points) != 2:
            raise ShapeError("points", f"of shape {points.shape}", "(2, n)")
        if points.shape[-1] > self.capacity:
            raise RangeError("points", points.shape[-1], f"at most the capacity, {self.capacity}")
        self._seen, self.fresh = points.shape[-1], 0
        self.room[:, : self._seen] = points

    def forward(self, z: Floats) -> Floats:
        """The fitted rate at z (any shape), float32; raises OrderError before a fit,
        TypeMismatchError. Spec: ACT-7.
        """
        curve = self._fitted()
        self._z = arrays.unsearched("z", z)
        return ops.active().pwl_forward(self._z, curve.knots, curve.slopes)

    def backward(self, grad: Floats) -> Floats:
        """Gradient for the z of the last `forward`, given that of its rates, of its shape; raises
        OrderError before one, ShapeError.
        """
        if self._z is None:
            raise OrderError("AnnSampler.backward", "called first", "a forward pass before it")
        curve, grad = self._fitted(), arrays.gradient(grad, self._z.shape)
        return ops.active().pwl_backward(
            grad, self._z, curve.knots, curve.slopes, curve.scale, self.eps
        )

    def plot(self, ax: Any = None, figsize: tuple[float, float] = (5, 3.5)) -> Any:
        """Draw points, curve and centres on the matplotlib axes `ax` (or a new figure's); returns
        the axes. Needs the extra viz.
        """
        if ax is None:
            figure = arrays.extra("matplotlib.figure", "viz").Figure(
                figsize=figsize, layout="constrained"
            )
            ax = figure.subplots()
        ax.plot(self.z, self.a, ".", alpha=0.05, color="tab:blue", rasterized=True)
        ax.plot([], [], ".", color="tab:blue", label="sampled neurons")
        if self.curve is not None:
            knots = self.curve.knots
            margin = 0.25 * (knots[-1, 0] - knots[0, 0])
            z = np.linspace(knots[0, 0] - margin, knots[-1, 0] + margin, 1000, dtype=np.float32)
            ax.plot(
                z,
                ops.active().pwl_forward(z, knots, self.curve.slopes),
                color="tab:orange",
                label="fitted curve",
            )
            ax.plot(knots[:, 0], knots[:, 1], "o", color="tab:green", label="centres")
        ax.set(xlabel="mean weighted input z", ylabel="spike rate a (spikes per step)")
        ax.legend(loc="upper left")
        return ax

    def _fitted(self) -> Curve:
        if self.curve is None:
            raise OrderError(
                "ANN mode",
                "asked for before any fit",
                "SAMPLE and FIT mode first (or a state with fitted curves)",
            )
        return self.curve
