"""Learning statistics: numbers, printed lines, files, curves and the checkpoint form."""

import json
import math
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refboot import files
from refboot.errors import FormatError, MissingExtraError, RangeError, TypeMismatchError
from refboot.stats import LearningStat, LearningStats

NUMBER = r"(\d+\.\d{5})"
EPOCH_LINE = re.compile(
    rf"loss = +{NUMBER} (?:\(min = +{NUMBER}\))? *accuracy = {NUMBER}(?: \(max = {NUMBER}\))?"
)

losses = st.none() | st.floats(1e-3, 1e4)
correct = st.none() | st.integers(0, 100)
epochs = st.lists(st.tuples(losses, correct), max_size=8)
runs = st.lists(st.tuples(*[st.none() | st.tuples(losses, correct)] * 3), max_size=8)


def gather(
    stat: LearningStat, loss: float | None, correct_samples: int | None, samples: int = 100
) -> None:
    """One epoch's numbers, as a training loop leaves them."""
    stat.num_samples = samples
    stat.loss_sum = None if loss is None else loss * samples
    stat.correct_samples = correct_samples


def after(run: list) -> LearningStats:
    """The statistics after a run: an epoch is (loss, correct) or None for each of the three
    sets.
    """
    stats = LearningStats()
    for row in run:
        for stat, numbers in zip(
            [stats.training, stats.validation, stats.testing], row, strict=True
        ):
            gather(stat, *(numbers or (0, 0)), samples=100 if numbers else 0)
        stats.update()
    return stats


def logs(stats: LearningStats) -> list[list[float | None]]:
    return [
        log
        for stat in (stats.training, stats.validation, stats.testing)
        for log in (stat.loss_log, stat.accuracy_log)
    ]


def records(stats: LearningStats) -> list[tuple]:
    every = (stats.training, stats.validation, stats.testing)
    return [
        (stat.min_loss, stat.max_accuracy, stat.best_loss, stat.best_accuracy) for stat in every
    ]


# The running epoch and its records


@given(epochs)
def test_records_are_the_best_of_the_logs(run: list) -> None:
    stat = LearningStat()
    for loss, hits in run:
        gather(stat, loss, hits)
        stat.update()
    assert len(stat.loss_log) == len(stat.accuracy_log) == len(run)
    assert stat.min_loss == min((x for x in stat.loss_log if x is not None), default=None)
    assert stat.max_accuracy == max((x for x in stat.accuracy_log if x is not None), default=None)


@given(epochs)
def test_best_answers_before_update_what_it_answers_after(run: list) -> None:
    stat = LearningStat()
    for loss, hits in run:
        gather(stat, loss, hits)
        lowest, highest = stat.min_loss, stat.max_accuracy
        before = stat.best_loss, stat.best_accuracy
        assert before == (
            stat.loss is not None and (lowest is None or stat.loss < lowest),
            stat.accuracy is not None and (highest is None or stat.accuracy > highest),
        )
        stat.update()
        assert (stat.best_loss, stat.best_accuracy) == before
        stat.reset()
        assert (stat.best_loss, stat.best_accuracy) == before


def test_an_equal_epoch_is_not_best() -> None:
    stat = LearningStat()
    for expected in (True, False):
        gather(stat, 0.5, 90)
        assert (stat.best_loss, stat.best_accuracy) == (expected, expected)
        stat.update()
        stat.reset()


def test_nan_is_logged_but_never_best() -> None:
    stat = LearningStat()
    gather(stat, math.nan, 3)
    assert not stat.best_loss
    stat.update()
    assert math.isnan(stat.loss_log[0])
    assert stat.min_loss is None
    gather(stat, 7.0, 3)
    assert stat.best_loss


def test_nothing_gathered_is_none_and_empty() -> None:
    stat = LearningStat()
    assert (stat.loss, stat.accuracy, stat.best_loss, stat.best_accuracy) == (
        None,
        None,
        False,
        False,
    )
    assert str(stat) == ""


def test_float32_losses_are_summed_in_float64() -> None:
    stat, losses = LearningStat(), np.full(20000, 0.1, np.float32)
    for loss in losses:
        stat.loss_sum += loss
    assert stat.loss_sum == pytest.approx(losses.astype(np.float64).sum(), rel=1e-12)
    assert isinstance(stat.loss_sum, float)


def test_update_of_all_starts_the_next_epoch() -> None:
    stats = LearningStats()
    gather(stats.validation, 0.5, 50)
    stats.update()
    assert (
        stats.validation.num_samples,
        stats.validation.loss_sum,
        stats.validation.correct_samples,
    ) == (0, 0, 0)
    assert logs(stats) == [[None], [None], [0.5], [0.5], [None], [None]]


def test_reset_keeps_what_the_run_does_not_count() -> None:
    stat = LearningStat()
    gather(stat, 0.5, None)
    stat.reset()
    assert (stat.num_samples, stat.loss_sum, stat.correct_samples) == (0, 0.0, None)


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("num_samples", 1.5, TypeMismatchError),
        ("num_samples", -1, RangeError),
        ("correct_samples", "3", TypeMismatchError),
        ("loss_sum", "3", TypeMismatchError),
        ("loss_sum", [1, 2], TypeMismatchError),
    ],
)
def test_bad_numbers_are_named(name: str, value: object, error: type) -> None:
    stat = LearningStat()
    with pytest.raises(error, match=name):
        setattr(stat, name, value)
    assert getattr(stat, name) == 0


@pytest.mark.parametrize(
    ("text", "error"), [(3, TypeMismatchError), ("a\nb", RangeError), ("\033[2J", RangeError)]
)
def test_names_are_printable_text(text: object, error: type) -> None:
    with pytest.raises(error, match="loss_unit"):
        LearningStats(loss_unit=text)


# Printed lines


def tutorial_evaluations(shared: Path) -> list[str]:
    text = (shared / "mission" / "bootstrap_tutorial.txt").read_text(encoding="utf-8")
    return [
        line.removeprefix("SNN Testing: ")
        for line in text.splitlines()
        if line.startswith("SNN Testing: loss")
    ]


def test_lines_of_the_tutorial_come_out_again(shared: Path) -> None:
    stat, lines, best = LearningStat(), tutorial_evaluations(shared), []
    for line in lines:
        loss, _, accuracy, _ = EPOCH_LINE.fullmatch(line).groups()
        gather(stat, float(loss), round(float(accuracy) * 10000), samples=10000)
        assert str(stat) == line
        best.append(stat.best_accuracy)
        stat.update()
        stat.reset()
    accuracies = [EPOCH_LINE.fullmatch(line)[3] for line in lines]
    saved = max(i for i, is_best in enumerate(best) if is_best)
    assert accuracies[saved] == max(accuracies)


def test_last_line_of_the_tutorial_comes_out_again(shared: Path) -> None:
    text = (shared / "mission" / "bootstrap_tutorial.txt").read_text(encoding="utf-8")
    line = re.search(r"^\[Epoch 99/100\] (Train .*)$", text, re.MULTILINE)[1]
    stats = LearningStats()
    for stat, part in zip([stats.training, stats.testing], line.split(" | "), strict=True):
        loss, low, accuracy, high = map(float, EPOCH_LINE.search(part).groups())
        gather(stat, loss, round(accuracy * 100000), samples=100000)
        stat.min_loss, stat.max_accuracy = low, high
    assert str(stats) == line


def test_units_stand_behind_each_number() -> None:
    stat = LearningStat("cost", "nats", "hits", "of 1")
    gather(stat, 2.0, 50)
    first = str(stat)
    stat.update()
    assert re.fullmatch(r"cost = {5}2\.00000 {2}nats {24}hits = 0\.50000 of 1", first)
    assert re.fullmatch(
        r"cost = .* \(min = {5}2\.00000\) nats {4}hits = .* \(max = 0\.50000\) of 1", str(stat)
    )


@pytest.mark.parametrize("known", [False, True], ids=["first epoch", "later epoch"])
def test_line_without_accuracy_or_without_loss(known: bool) -> None:
    stat = LearningStat(accuracy_unit="%")
    gather(stat, 2.0, 50)
    if known:
        stat.update()
    stat.correct_samples = None
    assert str(stat) == "loss =     2.00000" + " (min =     2.00000)" * known
    stat.loss_sum, stat.correct_samples = None, 50
    assert str(stat) == "accuracy = 0.50000" + " (max = 0.50000)" * known + " %"


@pytest.mark.parametrize(("low", "high"), [(None, 0.75), (0.25, None)])
def test_line_with_only_one_record(low: float | None, high: float | None) -> None:
    stat = LearningStat()
    gather(stat, 2.0, 50)
    stat.min_loss, stat.max_accuracy = low, high
    assert ("(min =     0.25000)" in str(stat), "(max = 0.75000)" in str(stat)) == (
        low is not None,
        high is not None,
    )
    gap = re.fullmatch(
        r"loss = +2\.00000(?: \(min.*\))?( +)accuracy = 0\.50000(?: \(max.*\))?", str(stat)
    )[1]
    assert len(gap) == (24 if low is None else 4)


class Loader:
    """Just what print asks of a loader."""

    def __init__(self, samples: int, batch_size: int) -> None:
        self.dataset = range(samples)
        self.batch_size = batch_size

    def __len__(self) -> int:
        return (len(self.dataset) + self.batch_size - 1) // self.batch_size


def test_print_shows_epoch_time_progress_and_statistics(capsys: pytest.CaptureFixture) -> None:
    stats = LearningStats()
    gather(stats.training, 1.0, 10)
    gather(stats.testing, 2.0, 20)
    stats.print(3, iter=5, time_elapsed=0.25, header=["sampling"], dataloader=Loader(1000, 50))
    lines = capsys.readouterr().out.split("\n")
    shown = [line.strip() for line in lines]
    assert shown[:3] == [
        "\033[0A",
        "\033[2Ksampling",
        "Epoch    3: 250/1000 (25%),     250.0000 ms elapsed",
    ]
    assert shown[3:] == [f"Train {stats.training}", f"Test  {stats.testing}", ""]
    stats.print(3, iter=5)
    again = capsys.readouterr().out.split("\n")
    assert again[0] == f"\033[{len(lines) - 1}A"
    assert again[1].strip() == "Epoch    3: i =     5"
    stats.new_line()
    stats.print(4)
    assert capsys.readouterr().out.startswith("\033[0A\nEpoch    4        \nTrain ")


@pytest.mark.parametrize(
    "arguments",
    [
        {"epoch": -1},
        {"epoch": 0, "iter": 0.5},
        {"epoch": 0, "time_elapsed": "now"},
        {"epoch": 0, "iter": 0, "dataloader": Loader(0, 1)},
    ],
)
def test_print_of_bad_numbers_prints_nothing(
    arguments: dict, capsys: pytest.CaptureFixture
) -> None:
    with pytest.raises((TypeMismatchError, RangeError)):
        LearningStats().print(**arguments)
    assert capsys.readouterr().out == ""


# Text files


@given(run=runs, slash=st.booleans())
def test_load_restores_what_save_wrote(
    run: list, slash: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("logs")
    stats, loaded = after(run), LearningStats()
    stats.save(f"{folder}/" if slash else folder)
    loaded.load(folder)
    for got, wanted in zip(logs(loaded), logs(stats), strict=True):
        assert [x is None for x in got] == [x is None for x in wanted]
        assert [x for x in got if x is not None] == pytest.approx(
            [x for x in wanted if x is not None], rel=0, abs=5.01e-7
        )
    assert [stat.min_loss for stat in (loaded.training, loaded.testing)] == [
        min((x for x in log if x is not None), default=None) for log in logs(loaded)[::4]
    ]
    assert sorted(path.name for path in folder.iterdir()) == ["accuracy.txt", "loss.txt"]


def test_file_has_a_named_column_of_twelve_for_each_set_with_numbers(tmp_path: Path) -> None:
    stats = after([((0.5, 50), None, (0.25, 75)), ((0.125, 80), None, None)])
    stats.save(str(tmp_path) + "/")
    head, *rows, end = (tmp_path / "loss.txt").read_bytes().decode().split("\r\n")
    assert head == "# Train        Test        "
    assert rows == [f"{0.5:12.6f} {0.25:12.6f} ", f"{0.125:12.6f} {'-':>12} "]
    assert end == ""
    assert np.genfromtxt(tmp_path / "accuracy.txt")[0].tolist() == [0.5, 0.75]


def test_nan_and_none_stay_apart_in_files(tmp_path: Path) -> None:
    stats = after([((math.nan, 1), None, None), ((None, 1), None, None), ((1.0, 1), None, None)])
    stats.save(tmp_path)
    stats.load(tmp_path)
    assert math.isnan(stats.training.loss_log[0])
    assert stats.training.loss_log[1:] == [None, 1.0]


def test_load_starts_the_running_epoch_anew_and_keeps_names(tmp_path: Path) -> None:
    stats = LearningStats("cost", "J")
    gather(stats.training, 1.0, 1)
    stats.update()
    stats.save(tmp_path)
    gather(stats.training, 9.0, 9)
    stats.load(tmp_path)
    assert (stats.training.num_samples, stats.training.loss_unit) == (0, "J")
    assert stats.training.loss_log == [1.0]
    assert (tmp_path / "cost.txt").is_file()


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("loss.txt", b""),
        ("loss.txt", b"0.5\r\n"),
        ("loss.txt", b"# Test Train\r\n0.5 0.5\r\n"),
        ("loss.txt", b"# Train Total\r\n0.5 0.5\r\n"),
        ("loss.txt", b"# Train Test\r\n0.5\r\n"),
        ("loss.txt", b"# Train\r\n0.5 0.5\r\n"),
        ("loss.txt", b"# Train\r\nhalf\r\n"),
        ("accuracy.txt", b"# Train\r\n0.5\r\n0.5\r\n"),
        ("accuracy.txt", b"\xff\xfe"),
        ("accuracy.txt", None),
    ],
)
def test_damaged_file_is_refused_and_changes_nothing(
    file: str, text: bytes | None, tmp_path: Path
) -> None:
    stats = after([((0.5, 50), None, None)])
    stats.save(tmp_path)
    (tmp_path / file).unlink()
    if text is not None:
        (tmp_path / file).write_bytes(text)
    gather(stats.training, 0.125, 90)
    before = stats.to_dict()
    with pytest.raises(FormatError, match=file.partition(".")[0]):
        stats.load(tmp_path)
    assert stats.to_dict() == before


def test_damaged_line_is_named(tmp_path: Path) -> None:
    after([((0.5, 50), None, None)]).save(tmp_path)
    (tmp_path / "loss.txt").write_text("# Train\n0.5\n0,5\n", encoding="utf-8")
    with pytest.raises(FormatError, match=r"loss\.txt line 3 is '0,5'"):
        LearningStats().load(tmp_path)


def test_sets_of_unequal_length_are_saved_whole(tmp_path: Path) -> None:
    stats = after([((0.5, 50), None, None)])
    gather(stats.testing, 0.25, 60)
    stats.testing.update()
    stats.save(tmp_path)
    stats.load(tmp_path)
    assert (stats.training.loss_log, stats.testing.loss_log) == ([0.5, None], [None, 0.25])


def test_full_disk_leaves_the_old_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    after([((0.5, 50), None, None)]).save(tmp_path)
    old = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def refuse(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", refuse)
    with pytest.raises(FormatError, match="No space"):
        after([((0.25, 60), None, None)]).save(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == old


def test_failed_save_leaves_the_old_files(tmp_path: Path) -> None:
    after([((0.5, 50), None, None)]).save(tmp_path)
    old = (tmp_path / "loss.txt").read_bytes()
    stats = after([((0.25, 60), None, None)])
    stats.training.accuracy_log[0] = "broken"
    with pytest.raises(ValueError, match="format"):
        stats.save(tmp_path)
    assert (tmp_path / "loss.txt").read_bytes() == old
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("call", ["save", "load", "plot"])
@pytest.mark.parametrize(("path", "error"), [("nowhere", FormatError), (3, TypeMismatchError)])
def test_folder_must_exist(
    call: str, path: object, error: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match="path"):
        getattr(LearningStats(), call)(path=path)


@pytest.mark.parametrize(
    ("loss", "accuracy"), [("a/b", "accuracy"), ("same", "same"), ("", "accuracy"), ("x", "..\\y")]
)
def test_names_that_are_no_files_are_refused(loss: str, accuracy: str, tmp_path: Path) -> None:
    with pytest.raises(RangeError, match="file names"):
        LearningStats(loss, accuracy_str=accuracy).save(tmp_path)
    assert list(tmp_path.iterdir()) == []


# Checkpoint form


@given(runs, st.none() | st.tuples(losses, correct))
def test_dict_through_json_gives_the_same_statistics(run: list, running: tuple | None) -> None:
    stats = after(run)
    gather(stats.training, *(running or (0, 0)), samples=100 if running else 0)
    again = LearningStats.from_dict(json.loads(json.dumps(stats.to_dict())))
    assert again.to_dict() == stats.to_dict()
    assert (str(again), logs(again), records(again)) == (str(stats), logs(stats), records(stats))


def test_dict_remembers_that_the_epoch_is_logged() -> None:
    stats = LearningStats("cost")
    gather(stats.testing, 1.0, 1)
    stats.testing.update()
    again = LearningStats.from_dict(stats.to_dict())
    assert again.testing.best_loss
    assert again.testing.loss_str == "cost"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"loss_log": [1.0]}, FormatError),
        ({"loss_log": 3}, FormatError),
        ({"loss_log": ["1"], "accuracy_log": [1.0]}, TypeMismatchError),
        ({"num_samples": -1}, RangeError),
        ({"surplus": 1}, FormatError),
    ],
)
def test_bad_dict_is_refused_and_changes_nothing(change: dict, error: type) -> None:
    stat = LearningStat()
    gather(stat, 1.0, 1)
    before = stat.to_dict()
    with pytest.raises(error):
        stat.restore(before | change)
    assert stat.to_dict() == before


@pytest.mark.parametrize("state", [None, {}, {"training": {}}])
def test_foreign_dict_is_refused(state: object) -> None:
    with pytest.raises(FormatError, match="learning stats"):
        LearningStats.from_dict(state)


# Curves

RUN = [((0.5, 50), (0.6, 40), None), ((0.25, 75), None, (0.3, 70)), ((0.3, 70), (0.2, 80), None)]


def test_plot_draws_the_measured_epochs_with_units(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    stats = after(RUN)
    stats.training.loss_unit = "nats"
    figures = stats.plot(figsize=(15, 5), path=tmp_path)
    assert [figure.get_size_inches().tolist() for figure in figures] == [[15, 5]] * 2
    for figure, scale, label, index in zip(
        figures, ["log", "linear"], ["Loss (nats)", "Accuracy"], [0, 1], strict=True
    ):
        (axes,) = figure.axes
        assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_yscale()) == ("Epoch", label, scale)
        named = [line for line in axes.lines if not line.get_label().startswith("_")]
        assert [line.get_label().split()[0] for line in named] == [
            "Training",
            "Validation",
            "Testing",
        ]
        for line, log in zip(named, logs(stats)[index::2], strict=True):
            assert line.get_xydata().tolist() == [
                [epoch, value] for epoch, value in enumerate(log) if value is not None
            ]
        assert len(axes.get_legend().get_texts()) == 3
    for name in ("loss.png", "accuracy.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    assert len(list(tmp_path.iterdir())) == 2


def test_plot_rings_the_best_epoch_and_labels_whole_epochs() -> None:
    pytest.importorskip("matplotlib")
    run = [
        ((math.nan, 60), None, None),
        ((0.5, 50), None, None),
        ((0.25, 75), None, None),
        ((0.3, 70), None, None),
    ]
    for figure, best in zip(after(run).plot(), [0.25, 0.75], strict=True):
        (axes,) = figure.axes
        curve, ring = axes.lines
        assert ring.get_xydata().tolist() == [[2, best]]
        assert curve.get_label() == f"Training (best {best})"
    axes = after(run[1:2]).plot()[0].axes[0]
    low, high = axes.get_xlim()
    assert [tick for tick in axes.get_xticks() if low <= tick <= high] == [0]


def test_plot_leaves_pyplot_alone() -> None:
    pyplot = pytest.importorskip("matplotlib.pyplot")
    before = pyplot.get_fignums(), dict(pyplot.rcParams)
    after(RUN).plot()
    assert (pyplot.get_fignums(), dict(pyplot.rcParams)) == before


def test_plot_draws_on_given_figures() -> None:
    module = pytest.importorskip("matplotlib.figure")
    mine = module.Figure(), module.Figure()
    mine[0].add_subplot()
    drawn = after(RUN).plot(figures=mine)
    assert drawn[0] is mine[0]
    assert drawn[1] is mine[1]
    assert [len(figure.axes) for figure in drawn] == [1, 1]
    assert [figure.get_label() for figure in after(RUN).plot(figures=(3, 4))] == ["3", "4"]


@pytest.mark.parametrize(
    "run",
    [[], [((0.0, 0), None, None)], [((math.nan, 1), None, None)], [(None, None, None)]],
    ids=str,
)
def test_plot_of_little_or_odd_data(run: list, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    loss, _ = after(run).plot(path=tmp_path)
    assert len(loss.axes) == 1
    assert (tmp_path / "loss.png").stat().st_size > 0


def test_plot_without_matplotlib_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match="refboot\\[viz\\]"):
        LearningStats().plot()
