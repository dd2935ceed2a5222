"""Spike events: where, when and, if graded, how strong; to and from tensors, and as pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from refboot import arrays
from refboot.arrays import Ints
from refboot.errors import RangeError, ShapeError, TypeMismatchError
from refboot.viz import events

Array = NDArray[Any]


class Event:
    """Spikes at `x`, `y` (None on a line), channel `c` and time `t` (ms), all (n,); with payloads
    `p` (n,) they are graded, else binary.

    x, y and c are int64 and at least 0. Unlike in lava-dl, channels keep their numbers, even if
    channel 0 is silent. Raises TypeMismatchError, ShapeError and RangeError.
    """

    def __init__(
        self,
        x_event: object,
        y_event: object | None,
        c_event: object,
        t_event: object,
        payload: object | None = None,
    ) -> None:
        self.x = _places("x_event", x_event, None)
        n = len(self.x)
        self.y = None if y_event is None else _places("y_event", y_event, n)
        self.c = _places("c_event", c_event, n)
        self.t = _values("t_event", t_event, n)
        self.p = None if payload is None else _values("payload", payload, n)

    @property
    def dim(self) -> int:
        """1 on a line, 2 in a plane."""
        return 1 if self.y is None else 2

    @property
    def graded(self) -> bool:
        """True if the spikes have payloads."""
        return self.p is not None

    def __len__(self) -> int:
        return len(self.x)

    def to_tensor(
        self, sampling_time: float = 1, dim: tuple[int, ...] | None = None
    ) -> NDArray[np.float64]:
        """The spikes in bins of `sampling_time` ms: (C, X, T), in a plane (C, Y, X, T), or `dim`;
        float64. See `fill_tensor`.
        """
        sampling_time = arrays.number("sampling_time", sampling_time, 0, above=True)
        if dim is None:
            bins = np.rint(self.t / sampling_time).astype(np.int64)
            places = [a for a in (self.c, self.y, self.x, bins) if a is not None]
            sizes = [int(a.max(initial=0)) + 1 for a in places]
        else:
            sizes = [arrays.whole("dim", size) for size in arrays.items("dim", dim)]
            if len(sizes) != self.dim + 2:
                raise ShapeError("dim", dim, f"{self.dim + 2} sizes")
        room = np.zeros((sizes[0], 1, *sizes[1:]) if self.dim == 1 else sizes)
        return self.fill_tensor(room, sampling_time).reshape(sizes)

    def fill_tensor(
        self, empty_tensor: Array, sampling_time: float = 1, binning_mode: str = "OR"
    ) -> Array:
        """Put the spikes into `empty_tensor` (C, Y, X, T), Y = 1 on a line, in bins of
        `sampling_time` ms; it is changed and returned.

        A spike falls into bin round(t / sampling_time) (half to even); one outside the tensor is
        left out. Binary spikes weigh 1 / sampling_time; several in one bin count once with OR, each
        with SUM. Graded ones add p / sampling_time, so that `tensor_to_event` inverts this (lava-dl
        does not divide p, and of several spikes in one bin counts the last). Raises ShapeError,
        RangeError, TypeMismatchError.
        """
        sampling_time = arrays.number("sampling_time", sampling_time, 0, above=True)
        arrays.choice("binning_mode", binning_mode, ("OR", "SUM", "or", "sum"))
        expected = "an array (C, Y, X, T)"
        empty_tensor = arrays.instance("empty_tensor", empty_tensor, np.ndarray, expected)
        if empty_tensor.dtype.kind not in "iuf":
            raise TypeMismatchError("empty_tensor", f"of dtype {empty_tensor.dtype}", "numbers")
        arrays.check_shape("empty_tensor", empty_tensor, ("C", "Y", "X", "T"))
        y = np.zeros_like(self.x) if self.y is None else self.y
        bins = np.rint(self.t / sampling_time).astype(np.int64)
        index = np.stack([self.c, y, self.x, bins])
        inside = ((index >= 0) & (index < np.array(empty_tensor.shape)[:, None])).all(axis=0)
        where = tuple(index[:, inside])
        if self.p is not None or binning_mode.upper() == "SUM":
            weight = np.ones(inside.sum()) if self.p is None else self.p[inside]
            np.add.at(empty_tensor, where, weight / sampling_time)
        else:
            empty_tensor[where] = 1 / sampling_time
        return empty_tensor

    def show(self, ax: Any = None) -> Any:
        """All events in one picture on the matplotlib axes `ax` (or a new figure's); returns the
        figure. Needs the extra viz.
        """
        return events.still(self, ax)

    def anim(self, figure: Any = None, frame_rate: float = 24, repeat: bool = True) -> Any:
        """The events as a matplotlib animation of `frame_rate` frames per second of event time;
        needs the extra viz.

        Its `save(path, writer=matplotlib.animation.PillowWriter(fps))` makes a GIF.
        """
        return events.animation(self, figure, frame_rate, repeat)


def tensor_to_event(spike_tensor: object, sampling_time: float = 1) -> Event:
    """The events in a tensor (C, X, T) or (C, Y, X, T): where it is not zero, in row-major order,
    at t = bin * sampling_time ms.

    The payload is value * sampling_time; if all are 1 the events are binary. Raises ShapeError,
    TypeMismatchError, RangeError.
    """
    spikes = arrays.numeric("spike_tensor", spike_tensor)
    arrays.check_finite("spike_tensor", spikes)
    if spikes.ndim not in (3, 4):
        raise ShapeError("spike_tensor", f"of shape {spikes.shape}", "(C, X, T) or (C, Y, X, T)")
    sampling_time = arrays.number("sampling_time", sampling_time, 0, above=True)
    c, *places, bins = np.nonzero(spikes)
    y = places[0] if len(places) == 2 else None
    payload = spikes[np.nonzero(spikes)] * sampling_time
    binary = bool((np.abs(payload - 1) < 1e-6).all())
    whole = float(sampling_time).is_integer() and sampling_time < 2**31
    t = bins * (int(sampling_time) if whole else sampling_time)
    return Event(places[-1], y, c, t, None if binary else payload)


def _places(name: str, value: object, count: int | None) -> Ints:
    places = _values(name, value, count)
    if ((places != np.rint(places)) | (places < 0) | (places >= 1 << 31)).any():
        raise RangeError(name, "not all of them", "whole numbers from 0 to 2^31 - 1")
    return places.astype(np.int64)


def _values(name: str, value: object, count: int | None) -> Array:
    values = arrays.numeric(name, value)
    if values.ndim != 1 or (count is not None and len(values) != count):
        raise ShapeError(name, f"of shape {values.shape}", f"({'n' if count is None else count},)")
    arrays.check_finite(name, values)
    return values
