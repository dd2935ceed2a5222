"""Hypothesis profiles and the folder of shared files."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

collect_ignore = ["robust/fuzz_atheris.py"]  # a tool of its own: needs atheris

settings.register_profile("dev", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, max_examples=50)
settings.register_profile("long", deadline=None, max_examples=1000)
settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev")
)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of lava-dl's answers, MNIST and the tutorial: $REFBOOT_SHARED, else ../shared
    beside the checkout.
    """
    folder = Path(
        os.environ.get("REFBOOT_SHARED") or Path(__file__).resolve().parents[2] / "shared"
    )
    if not folder.is_dir():
        pytest.skip(
            f"no shared folder at {folder}: set REFBOOT_SHARED to the one with "
            "lava_vectors, lava_mnist and mnist"
        )
    return folder
