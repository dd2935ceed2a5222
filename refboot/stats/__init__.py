"""Learning statistics: loss and accuracy by epoch, their printed lines, text files, curves and
checkpoint form.
"""

from refboot.stats.learning_stat import LearningStat
from refboot.stats.learning_stats import LearningStats

__all__ = ["LearningStat", "LearningStats"]
