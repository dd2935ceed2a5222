"""Spike events are lava-dl's, in its order, binary and graded."""

import numpy as np
import pytest
from lava_vectors import Case, assert_equal, cases

from refboot.io.event import tensor_to_event


@pytest.mark.parametrize("case", cases("tensor_to_event"), ids=str)
def test_tensor_gives_the_same_events(case: Case) -> None:
    spikes, wanted = case.read("in")["s"], case.read("out")
    event = tensor_to_event(spikes)
    found = {name: getattr(event, name) for name in "xyctp" if getattr(event, name) is not None}
    assert found.keys() == wanted.keys()
    for name, array in found.items():
        assert_equal(array, wanted[name])
        assert array.dtype == wanted[name].dtype
    np.testing.assert_array_equal(event.to_tensor(dim=spikes.shape), spikes)
