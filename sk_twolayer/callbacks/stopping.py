"""Callbacks that stop a fit: at a target score, or when its time is up."""

from dataclasses import dataclass
from math import isnan
from numbers import Real
from time import monotonic

from sk_twolayer.training import Observer, TrainingCallback


def as_float(name, value):
    """Return a number as a float; refuse anything else, and more than a float can hold."""
    if not isinstance(value, Real):
        raise TypeError(f"{name}={value!r} must be a number.")
    try:
        return float(value)
    except OverflowError as error:
        raise ValueError(f"{name}={value!r} is more than a float can hold.") from error


@dataclass(frozen=True)
class EarlyStopping(TrainingCallback):
    """Stop a fit after the first epoch whose score reaches a target.

    With validation samples, the score is the last of `validation_scores_`, and the weights that
    reached it are kept. Otherwise it is the last of `train_scores_`. Stopping when a score has
    ceased to improve needs no callback: see `n_iter_no_change`.

    Parameters
    ----------
    target : float
        The score to reach. `scoring` chooses the score of validation samples.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sk_twolayer import TwoLayerClassifier
    >>> from sk_twolayer.callbacks import EarlyStopping
    >>> X, y = load_digits(return_X_y=True)
    >>> model = TwoLayerClassifier(early_stopping=True, random_state=0)
    >>> model = model.set_callbacks(EarlyStopping(target=0.95)).fit(X, y)
    >>> [score >= 0.95 for score in model.validation_scores_].index(True) + 1 == model.n_iter_
    True
    """

    __module__ = "sk_twolayer.callbacks"

    target: float

    def __post_init__(self):
        super().__post_init__()
        if isnan(as_float("target", self.target)):
            raise TypeError("target=nan must be a number: the score of an epoch that ends the fit.")

    def observe(self, make_checkpoint):
        """Return the observer of one fit."""
        return ScoreObserver(self.target)


class ScoreObserver(Observer):
    """Ask to stop after an epoch whose score reaches a target."""

    def __init__(self, target):
        self.target = target

    def epoch_ended(self, progress):
        """Return True if the score of the epoch reaches the target."""
        history = progress.state.history
        validates = progress.validation is not None
        scores = history.validation_scores if validates else history.train_scores
        return scores[-1] >= self.target


@dataclass(frozen=True)
class TimeLimit(TrainingCallback):
    """Stop a fit after the epoch in which its time is up.

    Every fit has the whole time, also each fit of a search. A learning rate that falls along a
    cosine is still high then: a fit that is planned shorter, by a smaller `max_iter`, ends better
    than one that is cut off.

    Parameters
    ----------
    seconds : float
        Time from the end of the validation of samples.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sk_twolayer import TwoLayerClassifier
    >>> from sk_twolayer.callbacks import TimeLimit
    >>> network = TwoLayerClassifier(max_iter=1_000_000, random_state=0)
    >>> model = make_pipeline(StandardScaler(), network.set_callbacks(TimeLimit(0.1)))
    >>> search = GridSearchCV(model, {"twolayerclassifier__alpha": [0.1, 1]}, cv=2)
    >>> search.fit(*load_digits(return_X_y=True)).best_estimator_[-1].n_iter_ < 1_000_000
    True
    """

    __module__ = "sk_twolayer.callbacks"

    seconds: float

    def __post_init__(self):
        super().__post_init__()
        if not as_float("seconds", self.seconds) > 0:
            raise ValueError(f"seconds={self.seconds!r} must be above zero: a fit takes some time.")

    def observe(self, make_checkpoint):
        """Return the observer of one fit."""
        return ClockObserver(self.seconds)


class ClockObserver(Observer):
    """Ask to stop after the first epoch that ends after so many seconds."""

    def __init__(self, seconds):
        self.end = monotonic() + seconds

    def epoch_ended(self, progress):
        """Return True if the time is up."""
        return monotonic() >= self.end
