"""Training: one step, one epoch, one run."""

from refboot.training.build import build, loaders, evaluation_loader
from refboot.training.run import Run
from refboot.training.step import evaluate, train_epoch, train_step

__all__ = ["Run", "build", "evaluate", "loaders", "evaluation_loader", "train_epoch", "train_step"]
