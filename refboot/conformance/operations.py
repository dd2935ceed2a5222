"""The table of operations a backend can be asked for: level, what goes in, what comes out, and what
the axes mean.

Inputs and outputs are written `name:AXES`, one letter per axis of an array (`name` alone is a
scalar, a text or None; `name:` an array of rank 0).
"""

from __future__ import annotations

from typing import NamedTuple

AXES = {
    "N": "sample",
    "C": "neuron",
    "O": "neuron",
    "I": "input",
    "H": "row",
    "W": "column",
    "T": "time step",
    "L": "layer",
    "S": "iteration",
    "K": "class",
    "P": "point",
    "B": "band",
    "Q": "knot",
    "R": "piece",
    "E": "element",
    "Z": "z or a",
    "Y": "kernel row",
    "X": "kernel column",
    "D": "height or width",
}


class Value(NamedTuple):
    """One input or output: its name and the letters of its axes, or None for a scalar, a text or
    None.
    """

    name: str
    axes: str | None


class Operation(NamedTuple):
    """What a backend is asked to compute: `inputs` are passed in order, `outputs` come back in
    order. An operation that works in place changes the inputs that its outputs name. One that is
    `optional` belongs to no level: only the claim "reproducible" asks for it.
    """

    name: str
    level: int
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    in_place: bool = False
    optional: bool = False


OPTIONAL = {
    "exp_negative",
    "log",
    "power",
    "draw_words",
    "draw_uniform",
    "draw_permutation",
    "draw_half",
    "training_state",
}
RUN = (
    "x:SNC labels:SN weight bias v1:OI g1:O v2:OI g2:O v3:OI g3:O permutations:SLP iterations "
    "num_sample_iter sample_period crossover_epochs:E time_steps threshold current_decay "
    "voltage_decay delay_shift optimizer lr momentum"
)


def values(text: str) -> tuple[Value, ...]:
    """The values that `text` lists, as in the table below."""
    pairs = [word.partition(":") for word in text.split()]
    return tuple(Value(name, axes if colon else None) for name, colon, axes in pairs)


def _table(level: int, rows: str) -> dict[str, Operation]:
    found = {}
    for line in rows.strip().splitlines():
        name, _, rest = line.strip().partition(" ")
        inputs, arrow, outputs = rest.partition("=>" if "=>" in rest else "->")
        optional = name in OPTIONAL
        found[name] = Operation(
            name, level, values(inputs), values(outputs), arrow == "=>", optional
        )
    return found


# `=>` marks operations that work in place: their outputs are the changed inputs of the same names.
OPERATIONS = {
    **_table(
        1,
        """
        quantize_8bit x:E -> y:E
        exp_negative x:E -> y:E
        log x:E -> y:E
        power base exponent -> y:
        threshold_mantissa threshold -> mantissa:
        decay_mantissa decay:E -> mantissa:E
        to_state x:E -> state:E
        to_real state:E -> x:E
        shift_to_zero product:E -> y:E
        leaky_forward drive:NCT decay:C state:NC threshold -> y:NCT last:NC
        spike_forward voltage:NCT threshold -> s:NCT
        graded_forward voltage:NCT threshold -> s:NCT
        cuba_forward z:NCT i_decay:C v_decay:C threshold u:NC v:NC -> s:NCT voltage:NCT u_last:NC \
            v_last:NC
        neuron_forward z:NCT threshold current_decay voltage_decay graded calls -> s:NCT
        dense_forward x:NIT weight:OI -> z:NOT
        input_forward x:NCT weight:E bias:E -> z:NCT
        weight_norm_forward v:OI g:O -> w:OI
        dense_synapse x:NIT v:OI g:O mask:OI -> z:NOT
        input_synapse x:NCT weight bias -> z:NCT
        conv_forward x:NIHWT weight:OIYX stride:D padding:D dilation:D groups -> z:NOHWT
        conv_synapse x:NIHWT v:OIYX stride:D padding:D dilation:D groups -> z:NOHWT
        pool_forward x:NCHWT weight:YX stride:D padding:D dilation:D -> z:NCHWT
        pool_synapse x:NCHWT kernel:D weight_scale -> z:NCHWT
        norm_statistics x:NCT -> mean:C variance:E
        norm_exponent variance:E -> exponent:E
        batch_norm x:NCT running_mean:C running_var:E momentum scaled training -> y:NCT \
            mean_after:C var_after:E
        """,
    ),
    **_table(
        2,
        """
        sample_points z:NCT s:NCT -> z_mean:P a_mean:P
        keep_newest z:P capacity -> kept:P
        keep_half z:P permutation:P -> kept:P
        saturation a:P high -> top:
        band_medians z:P a:P levels:B -> medians:BZ
        fit_curve z:P a:P knots:QZ slopes:R num_centers low high alpha eps -> knots:QZ slopes:R
        pwl_forward z:E knots:QZ slopes:R -> a:E
        """,
    ),
    **_table(
        3,
        """
        quantize_8bit_backward grad:E x:E -> gx:E
        leaky_backward grad:NCT decay:C -> gx:NCT
        leaky_decay_backward gx:NCT y:NCT shared -> gd:C
        spike_backward grad:NCT voltage:NCT threshold tau scale -> gv:NCT
        graded_backward grad:NCT voltage:NCT threshold tau scale -> gv:NCT
        cuba_backward grad:NCT voltage:NCT i_decay:C v_decay:C threshold tau scale -> gz:NCT
        neuron_backward grad:NCT z:NCT threshold current_decay voltage_decay tau_grad scale_grad \
            graded -> gz:NCT gi:E gd:E
        dense_backward grad:NOT x:NIT weight:OI -> gx:NIT gw:OI
        input_backward grad:NCT x:NCT weight:E -> gx:NCT gw:E gb:E
        weight_norm_backward grad:OI v:OI g:O -> gv:OI gg:O
        dense_synapse_backward grad:NOT x:NIT v:OI g:O mask:OI -> gx:NIT gv:OI gg:O
        input_synapse_backward grad:NCT x:NCT weight bias -> gx:NCT gw:E gb:E
        pwl_backward grad:E z:E knots:QZ slopes:R scale eps -> gz:E
        curve_backward grad:E z:E knots:QZ slopes:R -> gz:E
        mean_rate_backward grad:NCT steps -> gx:NCT
        delay_backward grad:NCT -> gx:NCT
        conv_backward grad:NOHWT x:NIHWT weight:OIYX stride:D padding:D dilation:D groups -> \
            gx:NIHWT gw:OIYX
        pool_backward grad:NCHWT weight:YX size:D stride:D padding:D dilation:D -> gx:NCHWT
        batch_norm_backward grad:NCT x:NCT scaled training -> gx:NCT
        dropout_backward grad:NCT kept:NC p -> gx:NCT
        """,
    ),
    **_table(
        4,
        f"""
        draw_words seed count -> words:E
        draw_uniform seed low high count -> x:E
        draw_permutation seed count -> order:E
        draw_half seed count -> stays:E
        mean_rate x:NCT -> a:NCT
        delay_forward x:NCT -> y:NCT
        dropout_forward x:NCT kept:NC p training -> y:NCT
        flatten x:NCHWT -> y:NIT
        hold x:NC steps spiking -> y:NCT
        dense_block mode x:NIT grad:NOT v:OI g:O knots:QZ slopes:R threshold current_decay \
            voltage_decay delay_shift kept:NO p \
            -> y:NOT gx:NIT gv:OI gg:O
        dense_sample x:NIT v:OI g:O threshold current_decay voltage_decay delay_shift kept:NO p \
            -> y:NOT z_mean:P a_mean:P
        normed_sample x:NIT v:OI threshold voltage_decay scaled -> y:NOT z_mean:P a_mean:P
        normed_rates x:NIT v:OI knots:QZ slopes:R scaled -> y:NOT
        input_block mode x:NCT grad:NCT weight bias knots:QZ slopes:R threshold current_decay \
            voltage_decay delay_shift \
            -> y:NCT gx:NCT gw:E gb:E
        affine_block mode x:NIT grad:NOT v:OI g:O -> y:NOT gx:NIT gv:OI gg:O
        schedule num_sample_iter sample_period crossover_epochs:E layers epochs:S iterations:S \
            train:S -> modes:SL
        cross_entropy logits:NK labels:N -> loss: grad:NK
        cross_entropy_forward logits:NK labels:N -> loss: softmax:NK
        cross_entropy_backward softmax:NK labels:N -> grad:NK
        predict logits:NK -> labels:N
        initial_weight uniform:OI weight_scale -> v:OI g:O
        sgd_step p:E grad:E velocity:E lr momentum => p:E velocity:E
        adam_step p:E grad:E m:E v:E step lr beta1 beta2 eps => p:E m:E v:E
        training_trace {RUN} -> modes:SL losses:S grad_norms:SL rates:NK
        training_state {RUN} -> weight_after:E bias_after:E v1_after:OI g1_after:O v2_after:OI \
            g2_after:O v3_after:OI g3_after:O knots1:QZ slopes1:R knots2:QZ slopes2:R knots3:QZ \
            slopes3:R digest:E
        """,
    ),
    **_table(
        5,
        """
        exchange_dense v:OI g:O threshold current_decay voltage_decay -> weight:OI i_decay: \
            v_decay: v_th_mant:
        exchange_input weight bias -> weight: bias:
        exchange_norm running_mean:C -> bias:C
        input_drive x:NCT weight bias -> drive:NCT
        integer_drive s:NIT weight:OI -> drive:NOT
        load_curve knots:QZ slopes:R -> knots:QZ slopes:R
        """,
    ),
}
