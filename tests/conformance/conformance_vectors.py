"""The golden vectors as they are stored, and as they would be made now."""

from functools import cache

from refboot.conformance import vectors
from refboot.conformance.case import Case

STORED = vectors.read()
MANDATORY = [case for case in STORED if not case.operation.optional]
BY_ID = {case.id: case for case in STORED}


@cache
def made() -> list[Case]:
    """Made anew, once for all tests."""
    return vectors.made()
