"""The sampler of a layer: it keeps points (weighted input, rate) of the spiking layer, fits a rate
curve to them, and is that curve.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refboot import arrays, ops
from refboot.arrays import Doubles, Floats
from refboot.errors import OrderError, RangeError, ShapeError, TypeMismatchError
from refboot.reference.fit import fit_curve
from refboot.reference.pwl import Curve
from refboot.reference.sampling import half, sample_points

CAPACITY = 1 << 20


class AnnSampler:
    """Samples of one layer and the piecewise-linear curve fitted to them.

    `num_centers` bands lie between `sample_range` times the saturation rate. `eps` is added to the
    gradient. At most `capacity` points are kept (float32), the newest replace the oldest. `rng`
    chooses what `soft_clear` forgets. Spec: SAM-3.
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
        bounds = arrays.pair("sample_range", sample_range)
        low, high = (arrays.number("sample_range", bound, 0, 1) for bound in bounds)
        if low >= high:
            raise RangeError("sample_range", (low, high), "two rising fractions")
        self.sample_range = (low, high)
        self.eps = arrays.number("eps", eps, 0, above=True)
        self.capacity = arrays.whole("capacity", capacity)
        self.alpha = 0.1
        self.rng = None if rng is None else arrays.generator("rng", rng)
        self.curve: Curve | None = None
        self.fresh = 0  # points kept since the last `soft_clear`, `clear` or `restore`
        self._ring: Floats | None = None  # (2, capacity), made for the first points
        self._seen = 0  # points since the last `clear`; the next goes to _seen % capacity
        self._z: Floats | None = None

    @property
    def points(self) -> Floats:
        """The points kept (2, n), float32, in order of arrival: z, then a."""
        if self._ring is None:
            return np.empty((2, 0), np.float32)
        if self._seen <= self.capacity:
            return self._ring[:, : self._seen]
        return np.roll(self._ring, -(self._seen % self.capacity), axis=1)

    @property
    def z(self) -> Floats:
        """The mean weighted inputs kept (n,), float32, in order of arrival."""
        return self.points[0]

    @property
    def a(self) -> Floats:
        """The rates kept (n,), float32, in order of arrival."""
        return self.points[1]

    @property
    def count(self) -> int:
        """How many points are kept."""
        return min(self._seen, self.capacity)

    @property
    def centers(self) -> Doubles | None:
        """The knots (K, 2) as (z, a), or None before a fit."""
        return None if self.curve is None else self.curve.knots

    @property
    def slopes(self) -> Doubles | None:
        """The slope of each piece (K-1,), or None before a fit."""
        return None if self.curve is None else self.curve.slopes

    @property
    def max(self) -> float | None:
        """The rate at saturation, or None before a fit."""
        return None if self.curve is None else self.curve.max

    @property
    def scale(self) -> float | None:
        """The factor of the gradient (z / a at saturation), or None before a fit."""
        return None if self.curve is None else self.curve.scale

    def append(self, a: Floats, z: Floats) -> None:
        """Keep the time means of spikes `a` and weighted input `z`, both (N, C, ..., T).

        Raises ShapeError, RangeError, TypeMismatchError. Spec: SAM-1.
        """
        a, z = arrays.floats("a", a), arrays.floats("z", z)
        if a.shape != z.shape or not a.size or not a.ndim:
            raise ShapeError("a", f"of shape {a.shape}", f"the shape of z, {z.shape}")
        means = sample_points(a, z)
        self.append_means(means[1], means[0])

    def append_means(self, a: Floats, z: Floats) -> None:
        """Keep points that are means already, of any one shape, float32, unchecked. Spec: SAM-2."""
        if self._ring is None:
            self._ring = np.empty((2, self.capacity), np.float32)
        start, count = self._seen % self.capacity, min(z.size, self.capacity)
        head = min(count, self.capacity - start)
        for row, means in zip(self._ring, (z, a), strict=True):
            new = means.reshape(-1)[-count:]
            row[start : start + head], row[: count - head] = new[:head], new[head:]
        self._seen += count
        self.fresh = min(self.fresh + count, self.capacity)

    def fit(self) -> None:
        """Fit the curve to the points kept, starting from the present curve: see fit.fit_curve."""
        o, (z, a) = ops.active(), self.points
        options = self.num_centers, self.sample_range, self.alpha, self.eps
        self.curve = fit_curve(z, a, self.curve, *options, o.saturation, o.band_medians)

    def clear(self) -> None:
        """Forget all points; the curve stays. Spec: SAM-5."""
        self._seen = self.fresh = 0

    def soft_clear(self, rng: Any = None) -> None:
        """Forget half of the points (rounded down), chosen at random; the others keep their order.

        `rng` is a Generator or has a method `permutation`: see reference.sampling.half. Raises
        OrderError without a generator, TypeMismatchError. Spec: SAM-4.
        """
        rng = self.rng if rng is None else rng
        if rng is None:
            expected = "rng passed here or to AnnSampler"
            raise OrderError("AnnSampler.soft_clear", "without a generator", expected)
        if not callable(getattr(rng, "permutation", None)):
            raise TypeMismatchError("rng", repr(rng), "a numpy.random.Generator")
        kept = np.flatnonzero(half(rng, self.count))
        for row, points in zip(() if self._ring is None else self._ring, self.points, strict=False):
            row[: len(kept)] = points[kept]
        self._seen, self.fresh = len(kept), 0

    def restore(self, points: Floats) -> None:
        """Replace the points kept by `points` (2, n), z then a, with n at most `capacity`.

        Raises ShapeError, RangeError, TypeMismatchError.
        """
        points = arrays.floats("points", points)
        if points.ndim != 2 or len(points) != 2:
            raise ShapeError("points", f"of shape {points.shape}", "(2, n)")
        if points.shape[1] > self.capacity:
            raise RangeError("points", points.shape[1], f"at most the capacity, {self.capacity}")
        self.clear()
        self.append_means(points[1], points[0])
        self.fresh = 0

    def forward(self, z: Floats) -> Floats:
        """The fitted rate at z (any shape), float32; raises OrderError before a fit.

        Raises TypeMismatchError. Spec: ACT-7.
        """
        if self.curve is None:
            expected = "SAMPLE and FIT mode first (or a state with fitted curves)"
            raise OrderError("ANN mode", "asked for before any fit", expected)
        self._z = z = arrays.unsearched("z", z)
        return ops.active().pwl_forward(z, *self.curve)

    def backward(self, grad: Floats) -> Floats:
        """Gradient with respect to the z of the last `forward`, given that of its rates.

        Raises OrderError before one, ShapeError.
        """
        if self._z is None or self.curve is None:
            raise OrderError("AnnSampler.backward", "called first", "a forward pass before it")
        grad = arrays.unsearched("grad", grad, self._z.shape)
        return ops.active().pwl_backward(grad, self._z, *self.curve, self.curve.scale, self.eps)
