"""The two sets of operations that are held to lava-dl's answers."""

from collections.abc import Iterator

import pytest

from refboot import ops


@pytest.fixture(params=["reference", "numba"])
def operations(request: pytest.FixtureRequest) -> Iterator[ops.Ops]:
    """The set in use during the test: the definition, then the kernels."""
    if request.param == "numba":
        pytest.importorskip(
            "numba",
            reason="numba is not installed: only the definition can be held to lava-dl's answers",
        )
    with ops.use(request.param) as chosen:
        yield chosen
