"""Write the results page of a convolutional MNIST run.

Run: python examples/conv_mnist_results.py RUN MNIST OUT
RUN is the folder of `refboot train mnist --network conv`, MNIST the folder of the data. OUT gets
results.md, the settings, the log and the pictures of the run.
"""

import json
import shutil
import sys
from pathlib import Path

from mnist_results import best_network

from refboot.viz.run import plot_run

PICTURES = ("accuracy", "samples", "alignment")


def page(log, settings, epoch, shapes, found):
    yield "# A convolutional network on MNIST\n"
    yield f"Seed {settings.seed}; settings in settings.json. Shapes: {' '.join(map(str, shapes))}."
    yield f"\nBest network (epoch {epoch}), 10,000 test images:\n"
    yield "| mode | accuracy (%) |\n|---|---|"
    yield from (f"| {name} | {100 * accuracy:.2f} |" for name, accuracy in found.items())
    yield "\n| epoch | mode of the test | test accuracy (%) | training accuracy (%) |"
    yield "|---|---|---|---|"
    for line in log:
        tested, trained = 100 * line["test_accuracy"], 100 * line["train_accuracy"]
        yield f"| {line['epoch']} | {line['test_mode']} | {tested:.2f} | {trained:.2f} |"
    train, test = (sum(line[name] for line in log) for name in ("seconds", "test_seconds"))
    yield f"\nSeconds for {len(log)} of {settings.epochs} epochs, on two shared cores: "
    yield f"training {train:.0f}, evaluation {test:.0f}."
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
    main(*sys.argv[1:])
