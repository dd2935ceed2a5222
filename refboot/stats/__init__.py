"""Learning statistics: loss and accuracy of each epoch, printed, plotted, saved and restored."""

from refboot.stats.learning_stat import LearningStat
from refboot.stats.learning_stats import LearningStats

__all__ = ["LearningStat", "LearningStats"]
