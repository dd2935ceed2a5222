"""Every reader of files from outside: a small good file for each, and the call that reads it."""

import json
from pathlib import Path

import numpy as np
from mutations import DAMAGES, damaged, deflated
from surgery import CUTS, operated

from refboot import files
from refboot.conformance import vectors
from refboot.conformance.backend import Answer
from refboot.conformance.container import answer_bytes, parse_answer
from refboot.data import read_idx
from refboot.errors import FormatError
from refboot.files import replace
from refboot.io import netx, state
from refboot.settings import DIGITS, Settings
from refboot.stats import LearningStats
from refboot.training import Run, build, checkpoint
from refboot.training.folder import RunFolder

SETTINGS = Settings(
    **{
        **DIGITS,
        "hidden": (3,),
        "epochs": 2,
        "num_sample_iter": 1,
        "sample_period": 1,
        "batch_size": 700,
        "augment": False,
    }
)


def network():
    net = build(SETTINGS, np.random.default_rng(0))
    net.forward(np.random.default_rng(1).random((2, 64), np.float32), _mode("SAMPLE"))
    net.forward(np.random.default_rng(1).random((2, 64), np.float32), _mode("FIT"))
    return net


def _mode(name):
    from refboot.routine import LayerMode, Mode

    return LayerMode(0, Mode[name])


def make_netx(path):
    network().export_hdf5(path)


def make_state(path):
    state.save(network(), path, {"settings": SETTINGS.to_dict()})


def load_state(path):
    notes = state.load(network(), path)
    Settings.from_dict(notes["settings"]) if isinstance(notes.get("settings"), dict) else None


def make_checkpoint(path):
    run = Run(SETTINGS, path.parent / "run", overwrite=True)
    run.run_epoch(lambda line: None, lambda *given: None)
    run.place.release()
    path.write_bytes((path.parent / "run" / checkpoint.CURRENT).read_bytes())


def resume(path):
    """Resume from `path` alone."""
    folder = path.parent / "run"
    for name in (checkpoint.PREVIOUS, checkpoint.CURRENT):
        (folder / name).unlink(missing_ok=True)
    (folder / checkpoint.CURRENT).write_bytes(path.read_bytes())
    Run(SETTINGS, folder, resume=True).place.release()


def make_idx(path):
    path.write_bytes(b"\0\0\x08\x03" + np.array([3, 4, 5], ">u4").tobytes() + bytes(60))


def make_answer(path):
    outputs = {"s": np.ones((2, 3), np.float32), "u": np.arange(4), "loss": np.array(0.5)}
    path.write_bytes(answer_bytes(Answer("answer", outputs)))


def make_settings(path):
    path.write_text(json.dumps(SETTINGS.to_dict()))


def read_settings(path):
    """As a run's notes are read: JSON, then Settings."""
    try:
        values = json.loads(path.read_bytes())
    except ValueError as error:
        raise FormatError(str(path), "not JSON", "settings") from error
    if not isinstance(values, dict):
        raise FormatError(str(path), "no object", "settings")
    Settings.from_dict(values)


def make_table(path):
    stats = LearningStats()
    for stat in (stats.training, stats.testing):
        stat.num_samples, stat.loss_sum, stat.correct_samples = 10, 5.0, 7
    stats.update()
    stats.save(path.parent)
    path.write_bytes((path.parent / "loss.txt").read_bytes())


def read_tables(path):
    replace(path.parent / "loss.txt", path.read_bytes())
    LearningStats().load(path.parent)


def make_log(path):
    path.write_text(
        "".join(
            json.dumps({"epoch": epoch, "grad_norms": {"blocks.0": 0.5}}) + "\n"
            for epoch in range(4)
        )
    )


def cut_log(path):
    folder = path.parent / "log"
    folder.mkdir(exist_ok=True)
    replace(folder / "log.jsonl", path.read_bytes())
    place = RunFolder(folder)
    place.cut_log(3)
    place.release()


def make_vectors(path):
    """The index of a few golden vectors; their arrays lie beside it."""
    chosen = [
        case
        for case in vectors.read()
        if case.op in {"quantize_8bit", "schedule", "threshold_mantissa"}
    ][:12]
    vectors.write(chosen, path.parent, "1.0.0")
    path.write_bytes((path.parent / vectors.INDEX).read_bytes())


def read_vectors(path):
    replace(path.parent / vectors.INDEX, path.read_bytes())
    vectors.read(path.parent)


def make_arrays(path):
    make_vectors(path)
    path.write_bytes((path.parent / vectors.ARRAYS).read_bytes())


def read_arrays(path):
    replace(path.parent / vectors.ARRAYS, path.read_bytes())
    vectors.read(path.parent)


def bytes_damaged(finish=lambda content: content):
    """The way to damage a file's bytes; `finish` makes the damage pass the first gate."""
    return DAMAGES, lambda path, content, damages: path.write_bytes(
        finish(damaged(content, damages))
    )


def operate(path, content, cuts):
    """Damage what the HDF5 file says. A seal is taken off: what it seals, refboot wrote."""
    path.write_bytes(content[files.SEAL_BYTES * content.startswith(files.SEAL) :])
    operated(path, cuts)


def make_unsealed(path):
    make_state(path)
    path.write_bytes(path.read_bytes()[files.SEAL_BYTES :])


# name: (makes a good file, reads one, draws damage and does it)
READERS = {
    "netx": (make_netx, netx.load, *bytes_damaged()),
    "netx-lenient": (make_netx, lambda path: netx.load(path, strict=False), *bytes_damaged()),
    "netx-surgery": (make_netx, netx.load, CUTS, operate),
    "state": (make_state, load_state, *bytes_damaged()),
    "state-unsealed": (make_unsealed, load_state, *bytes_damaged()),
    "state-surgery": (make_state, load_state, CUTS, operate),
    "checkpoint": (make_checkpoint, resume, *bytes_damaged()),
    "idx": (make_idx, read_idx, *bytes_damaged()),
    "idx-gzip": (make_idx, read_idx, *bytes_damaged(deflated)),
    "answer": (make_answer, lambda path: parse_answer(Path(path).read_bytes()), *bytes_damaged()),
    "vectors-index": (make_vectors, read_vectors, *bytes_damaged()),
    "vectors-arrays": (make_arrays, read_arrays, *bytes_damaged()),
    "vectors-surgery": (make_arrays, read_arrays, CUTS, operate),
    "settings": (make_settings, read_settings, *bytes_damaged()),
    "table": (make_table, read_tables, *bytes_damaged()),
    "log": (make_log, cut_log, *bytes_damaged()),
}
