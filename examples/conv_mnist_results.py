"""The results page of a convolutional MNIST run. Run: python examples/conv_mnist_results.py RUN
MNIST OUT

RUN is the folder of `refboot train mnist --network conv`, MNIST that of the data, OUT the folder
that gets results.md, the settings and the log of the run, and its pictures.
"""

import json
import shutil
import sys
from pathlib import Path

from mnist_results import best_network

from refboot import threads
from refboot.viz.run import plot_run

PICTURES = ("accuracy", "samples", "alignment")


def page(log, settings, epoch, shapes, found):
    yield f"# A convolutional network on MNIST\n\nSeed {settings.seed}; settings in settings.json. Shapes: {' '.join(map(str, shapes))}."
    yield f"\nBest network (epoch {epoch}), 10,000 test images:\n\n| mode | accuracy (%) |\n|---|---|"
    yield from (f"| {name} | {100 * accuracy:.2f} |" for name, accuracy in found.items())
    yield "\n| epoch | mode of the test | test accuracy (%) | training accuracy (%) |\n|---|---|---|---|"
    for line in log:
        yield f"| {line['epoch']} | {line['test_mode']} | {100 * line['test_accuracy']:.2f} | {100 * line['train_accuracy']:.2f} |"
    train, test = (sum(line[name] for line in log) for name in ("seconds", "test_seconds"))
    yield f"\nSeconds for {len(log)} of {settings.epochs} epochs, on two shared cores: training {train:.0f}, evaluation {test:.0f}."
    yield from (f"\n![{name}]({name}.png)" for name in PICTURES)


def main(run, root, out):
    run, out = Path(run), Path(out)
    out.mkdir(parents=True, exist_ok=True)
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    network, settings, epoch, found = best_network(run, root)
    (out / "results.md").write_text(
        "\n".join(page(log, settings, epoch, network.shapes, found)) + "\n"
    )
    for path in (run / "settings.json", run / "log.jsonl", *plot_run(run, root)):
        if path.suffix != ".png" or path.stem in PICTURES:
            shutil.copy(path, out)


if __name__ == "__main__":
    with threads.blas(1):
        main(*sys.argv[1:])
