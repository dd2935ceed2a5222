"""Training: one step, one epoch, one run."""

from refboot.training.build import build, evaluation_loader, loaders
from refboot.training.run import Run, resumed_settings
from refboot.training.step import evaluate, train_epoch, train_step

__all__ = [
    "Run",
    "build",
    "evaluate",
    "evaluation_loader",
    "loaders",
    "resumed_settings",
    "train_epoch",
    "train_step",
]
