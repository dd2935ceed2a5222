"""What kernels that are written in LLVM's own terms, vectors of floats, have in common."""

from __future__ import annotations

from typing import Any

import numba
from llvmlite import binding, ir  # type: ignore[import-untyped]
from numba import extending
from numba.core import cgutils

intrinsic: Any = extending.intrinsic


def _registers() -> tuple[int, int]:
    """How many floats a register of the processor holds, and how many such registers it has; the
    least, where Numba is told of another.
    """
    if numba.config.CPU_NAME or numba.config.CPU_FEATURES:  # type: ignore[attr-defined]
        return 4, 16
    try:
        features = binding.get_host_cpu_features()
    except RuntimeError:  # where LLVM cannot tell
        features = {}
    if features.get("avx512f"):
        return 16, 32
    return (8, 16) if features.get("avx2") else (4, 32 if features.get("neon") else 16)


LANES, REGISTERS = _registers()
PICKS = LANES == 16  # whether the processor moves some lanes of a vector together
NUMBER, INDEX = ir.IntType(32), ir.IntType(64)
FLOATS, DOUBLES = ir.VectorType(ir.FloatType(), LANES), ir.VectorType(ir.DoubleType(), LANES)
ZERO = ir.Constant(FLOATS, [0.0] * LANES)
ONCE = ("contract",)  # a product and a sum may be rounded once, together


class Row:
    """Neighbours in memory from number `at` of a float32 array on, of which `width` count, or all
    if it is None.

    Of an int8 array, too, which is read as float32, beyond the width, too.
    """

    def __init__(
        self,
        context: Any,
        builder: ir.IRBuilder,
        kind: Any,
        array: ir.Value,
        at: ir.Value,
        width: ir.Value | None,
    ) -> None:
        self.builder, self.width = builder, width
        self.first = builder.gep(context.make_array(kind)(context, builder, array).data, [at])

    def further(self, steps: ir.Value) -> ir.Value:
        """To its first number, `steps` further on in memory."""
        return self.builder.gep(self.first, [steps])

    def load(self, number: int, first: ir.Value | None = None) -> ir.Value:
        """Vector `number` of what begins at `first`; zero beyond the width."""
        place, kind = self._place(number, first), self.first.type.pointee
        if kind != ir.FloatType():
            return self.builder.sitofp(self.builder.load(place, align=1), FLOATS)
        return (
            self.builder.load(place, align=4)
            if self.width is None
            else self._masked("load", number, FLOATS, [place], ZERO)
        )

    def store(self, value: ir.Value, number: int, first: ir.Value | None = None) -> None:
        """Store vector `number` of what begins at `first`, up to the width."""
        place = self._place(number, first)
        if self.width is None:
            self.builder.store(value, place, align=4)
        else:
            self._masked("store", number, ir.VoidType(), [value, place])

    def _place(self, number: int, first: ir.Value | None) -> ir.Value:
        place = self.builder.gep(self.first if first is None else first, [INDEX(LANES * number)])
        return self.builder.bitcast(
            place, ir.VectorType(self.first.type.pointee, LANES).as_pointer()
        )

    def _masked(
        self, name: str, number: int, kind: ir.Type, args: list[ir.Value], *rest: ir.Value
    ) -> ir.Value:
        """LLVM's masked load (pointer, alignment, mask, other lanes) or store (value, pointer,
        alignment, mask).
        """
        args = [*args, NUMBER(4), below(self.builder, self.width, LANES * number), *rest]
        function = ir.FunctionType(kind, [arg.type for arg in args])
        return self.builder.call(
            cgutils.get_or_insert_function(
                self.builder.module, function, f"llvm.masked.{name}.v{LANES}f32.p0"
            ),
            args,
        )


def splat(builder: ir.IRBuilder, value: ir.Value, kind: ir.VectorType = FLOATS) -> ir.Value:
    """`value` in each lane."""
    first = builder.insert_element(ir.Constant(kind, ir.Undefined), value, NUMBER(0))
    return builder.shuffle_vector(
        first,
        ir.Constant(kind, ir.Undefined),
        ir.Constant(ir.VectorType(NUMBER, kind.count), [0] * kind.count),
    )


def below(builder: ir.IRBuilder, width: ir.Value, start: int) -> ir.Value:
    """Which of the lanes from column `start` on are of columns below `width`."""
    kind = ir.VectorType(INDEX, LANES)
    return builder.icmp_signed(
        "<",
        ir.Constant(kind, [INDEX(start + lane) for lane in range(LANES)]),
        splat(builder, width, kind),
    )


class Sum:
    """A vector that is added to in a loop, in a register."""

    def __init__(self, builder: ir.IRBuilder) -> None:
        self.builder, self.place = builder, cgutils.alloca_once(builder, FLOATS)
        builder.store(ZERO, self.place)

    def add(self, x: ir.Value, y: ir.Value) -> None:
        """Add x y."""
        self.builder.store(plus_product(self.builder, self.value, x, y), self.place)

    @property
    def value(self) -> ir.Value:
        """What it is now."""
        return self.builder.load(self.place)


def plus_product(builder: ir.IRBuilder, total: ir.Value, x: ir.Value, y: ir.Value) -> ir.Value:
    """total + x y."""
    return builder.fadd(total, builder.fmul(x, y, flags=ONCE), flags=ONCE)


def lanes_sum(builder: ir.IRBuilder, value: ir.Value) -> ir.Value:
    """The sum of all lanes, halves upon halves."""
    kind = ir.FunctionType(ir.FloatType(), [ir.FloatType(), FLOATS])
    function = cgutils.get_or_insert_function(
        builder.module, kind, f"llvm.vector.reduce.fadd.v{LANES}f32"
    )
    return builder.call(function, [ir.Constant(ir.FloatType(), 0.0), value], fastmath=("reassoc",))
