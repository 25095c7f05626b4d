"""Observers of a training: they are notified of each epoch, and may ask it to stop.

An observer belongs to one fit. Callbacks, which may be set on many networks, make one for each.
"""

from time import perf_counter


class Observer:
    """The interface of an observer; it does nothing."""

    def epoch_starts(self, progress):
        """Do nothing."""

    def epoch_ended(self, progress):
        """Return True to stop the training."""
        return False

    def abandon_epoch(self):
        """Do nothing. Called in place of `epoch_ended` if an epoch came to nothing."""


class PrintedLines(Observer):
    """Print one aligned line after each epoch.

    Parameters
    ----------
    score_name : str
        Name of the training score.
    scoring : str, callable or None
        The hyper-parameter: what scores validation samples, if another score does.
    """

    def __init__(self, score_name, scoring=None):
        self.score_name = score_name
        self.validation_name = score_name if scoring is None else "score"

    def epoch_starts(self, progress):
        """Start the clock."""
        self.start = perf_counter()

    def epoch_ended(self, progress):
        """Print the line."""
        history, rate = progress.state.history, progress.state.rate
        line = f"epoch {progress.state.n_epochs:5d}   loss {history.losses[-1]:10.6f}"
        line += f"   training {self.score_name} {history.train_scores[-1]:.4f}"
        if progress.validation is not None:
            line += f"   validation {self.validation_name} {history.validation_scores[-1]:.4f}"
        if rate is not None:
            line += f"   learning rate {rate:.2e}"
        print(f"{line}   {perf_counter() - self.start:8.3f} s")
