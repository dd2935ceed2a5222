"""The scheduler gives lava-dl's modes, layer by layer."""

from itertools import islice

import numpy as np
import pytest
from lava_vectors import Case, assert_equal, cases

from refboot.routine import Scheduler


@pytest.mark.parametrize("case", cases("scheduler"), ids=str)
def test_scheduler_gives_the_same_modes(case: Case) -> None:
    rows = case.read("out")["rows"]
    layers = rows.shape[1] - 5
    scheduler = Scheduler(**case.params)
    got = []
    for epoch, iteration, train in rows[:, :3].tolist():
        mode = scheduler.mode(epoch, iteration, bool(train))
        by_layer = [m.value for m in islice(mode, layers)]
        got.append([epoch, iteration, train, mode.base_mode.value, mode.crossover, *by_layer])
    assert_equal(np.array(got), rows)
