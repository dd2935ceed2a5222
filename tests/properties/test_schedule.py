"""The scheduler answers; asking it changes nothing."""

from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from refboot.routine import LayerMode, Mode, Scheduler

epochs = st.integers(0, 30)
iterations = st.integers(0, 30)
schedulers = st.builds(
    Scheduler, st.integers(0, 12), st.integers(1, 12), st.lists(epochs, max_size=5)
)
questions = st.tuples(epochs, iterations, st.booleans())
layer_modes = st.builds(LayerMode, st.integers(0, 6), st.sampled_from(Mode))


def answer(scheduler, question):
    mode = scheduler.mode(*question)
    return mode.base_mode, mode.crossover, str(mode), list(islice(mode, 8))


@given(schedulers, st.lists(questions, min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_same_question_gets_the_same_answer_however_often_and_in_whatever_order(
    scheduler, asked, random
):
    first = {q: answer(scheduler, q) for q in asked}
    again = asked * 2
    random.shuffle(again)
    assert all(answer(scheduler, q) == first[q] for q in again)


@given(
    st.integers(0, 12),
    st.integers(1, 12),
    st.lists(epochs, max_size=5),
    st.lists(questions, max_size=12),
    questions,
)
def test_evaluation_never_changes_training(samples, period, landmarks, asked, question):
    quiet, busy = (Scheduler(samples, period, landmarks) for _ in range(2))
    for epoch, iteration, _ in asked:
        busy.mode(epoch, iteration, False)
    assert answer(busy, (*question[:2], True)) == answer(quiet, (*question[:2], True))


@given(schedulers, epochs, iterations)
def test_training_samples_then_fits_once_then_follows_rates_in_every_sampling_epoch(
    scheduler, epoch, iteration
):
    expected = Mode.ANN
    if epoch % scheduler.sample_period == 0:
        expected = Mode.SAMPLE if iteration < scheduler.num_sample_iter else Mode.ANN
        expected = Mode.FIT if iteration == scheduler.num_sample_iter else expected
    assert scheduler.mode(epoch, iteration, True).base_mode is expected


@given(schedulers, epochs, iterations)
def test_evaluation_spikes_in_sampling_epochs_alone(scheduler, epoch, iteration):
    assert scheduler.mode(epoch, iteration, False).base_mode is (
        Mode.ANN if epoch % scheduler.sample_period else Mode.SNN
    )


@given(st.sets(epochs, max_size=5), st.integers(1, 4))
def test_crossover_counts_as_it_would_by_growing_at_the_first_iteration_of_each_listed_epoch(
    landmarks, iterations_per_epoch
):
    scheduler, grown = Scheduler(2, 3, sorted(landmarks, reverse=True)), 0
    for epoch in range(32):
        for iteration in range(iterations_per_epoch):
            grown += iteration == 0 and epoch in landmarks
            assert scheduler.mode(epoch, iteration, True).crossover == grown
        assert scheduler.mode(epoch, 0, False).crossover == grown


@given(layer_modes, st.integers(0, 5), st.integers(1, 8))
def test_layer_mode_iterates_afresh_each_time_and_apart_from_other_iterations(mode, taken, count):
    started = iter(mode)
    expected = list(islice(mode, taken + count))
    head = list(islice(started, taken))
    assert list(islice(mode, taken + count)) == expected
    assert head + list(islice(started, count)) == expected


@given(layer_modes, st.integers(0, 8))
def test_first_layers_spike_and_the_rest_follow_the_base_mode_but_sampling_is_for_all(mode, layer):
    expected = (
        Mode.SNN if layer < mode.crossover and mode.base_mode is not Mode.SAMPLE else mode.base_mode
    )
    assert mode.of(layer) is expected
    assert list(islice(mode, layer + 1))[-1] is expected


@given(layer_modes)
def test_text_of_a_mode_names_it_and_the_crossover_if_there_is_one(mode):
    assert str(mode) == f"Mode: {mode.base_mode.name}" + (
        f" Crossover at: {mode.crossover}" if mode.crossover else ""
    )
