"""The choice of weight quantisation: what is done to a weight before it is used, and to its
gradient after.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from refboot import ops
from refboot.arrays import Floats
from refboot.errors import TypeMismatchError


class PreHook(NamedTuple):
    """`forward(x)` before use and `backward(grad, x)` after, both of x's shape; float32."""

    forward: Callable[[Floats], Floats]
    backward: Callable[[Floats, Floats], Floats]


quantize_8bit = PreHook(
    lambda x: ops.active().quantize_8bit(x),
    lambda grad, x: ops.active().quantize_8bit_backward(grad, x),
)
identity = PreHook(lambda x: x, lambda grad, x: grad)


def pre_hook(choice: PreHook | None) -> PreHook:
    """`choice`, or no quantisation for None; raises TypeMismatchError for anything else. Spec:
    SYN-12.
    """
    if choice is None:
        return identity
    if not isinstance(choice, PreHook):
        raise TypeMismatchError(
            "pre_hook_fx",
            repr(choice),
            "a refboot.synapse.PreHook (its forward and its gradient) or None",
        )
    return choice
