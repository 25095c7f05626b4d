"""Callbacks for what the hyper-parameters do not reach: checkpoints, a time limit, a target score.

They go where all callbacks of scikit-learn go, and need scikit-learn 1.9, which brought them: on
the network, alone or as a step of a pipeline in a search, by ``set_callbacks``. Each is a plain
value, which any number of networks may share, in threads and processes too.
"""

from dataclasses import dataclass
from datetime import timedelta
from math import isnan
from numbers import Integral, Real
from os import PathLike
from time import monotonic

from sk_twolayer.checkpoint_files import read_whole, refuse_path, write_whole
from sk_twolayer.watchers import TrainingCallback, Watcher


@dataclass(frozen=True)
class Checkpoint(TrainingCallback):
    """Write a fit to a file as it goes, and go on from the file if the fit was cut off.

    A file is written between two epochs, in place of the last one. It is put there in one step: a
    process that is killed, at whatever moment, leaves the last whole file. The fit that goes on
    from it ends as the one that was cut off would have ended, bit for bit: the weights, history,
    schedule and random numbers are the same.

    Parameters
    ----------
    path : str or Path
        The file. One that ends with ".skops" is written by skops, which must be installed, and
        runs no code when it is loaded; any other is a pickle.

    every : int or datetime.timedelta, default=1
        Epochs from one file to the next, or the least time.

    See Also
    --------
    Checkpoint.load : Go on from the file.

    Notes
    -----
    A file takes about the memory of the parameters and of the moments of the solver, three times
    the parameters with "adamw" and "adam" and twice with "sgd", and once more with validation
    rows; writing it takes as long as the disk takes. A fit that has ended leaves the last file,
    which is that of an epoch before the last one.

    SciPy keeps to itself what "lbfgs" has learned of the curvature: it has no checkpoints. Nor have
    fits side by side in a search, which would write to the same file.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn.datasets import load_iris
    >>> from sk_twolayer import TwoLayerClassifier
    >>> from sk_twolayer.callbacks import Checkpoint, EarlyStopping
    >>> X, y = load_iris(return_X_y=True)
    >>> folder = tempfile.TemporaryDirectory()
    >>> checkpoint = Checkpoint(Path(folder.name) / "iris.pkl", every=2)
    >>> model = TwoLayerClassifier(random_state=0).set_callbacks(checkpoint)
    >>> whole = model.fit(X, y)

    As if it had been killed after its last file:

    >>> resumed = Checkpoint.load(checkpoint.path)
    >>> resumed.n_iter_, resumed.fit(X, y).n_iter_
    (132, 134)
    >>> bool((resumed.coefs_[0] == whole.coefs_[0]).all())
    True
    >>> folder.cleanup()
    """

    path: str | PathLike
    every: int | timedelta = 1

    def __post_init__(self):
        super().__post_init__()
        if isinstance(self.every, timedelta):
            positive = self.every > timedelta(0)
        elif isinstance(self.every, Integral) and not isinstance(self.every, bool):
            positive = self.every > 0
        else:
            raise TypeError(
                f"every={self.every!r} is neither a number of epochs nor a time: pass an int, or "
                f"datetime.timedelta(seconds=...)."
            )
        if not positive:
            raise ValueError(f"every={self.every!r} must be above zero: 1 is every epoch.")
        refuse_path(self.path)

    @staticmethod
    def load(path):
        """Load a fit that was cut off, as an estimator whose `fit` goes on with it.

        Its hyper-parameters are those of the fit, but for ``warm_start=True``, with which the next
        `fit` on the same rows (and the same validation rows, if there were any) goes on: it trains
        what is left of `max_iter` and `max_updates`. Callbacks are not in the file: set them anew,
        another `Checkpoint` among them. In a pipeline, put it in the place of the network:
        ``pipeline.set_params(twolayerclassifier=Checkpoint.load(path))``.

        Until then the estimator is what the fit would have left if it had stopped there: it
        predicts. It goes on as a warm start does, from the weights that it predicts with and with a
        plan of its own, once these were set by hand, or the solver was.

        Parameters
        ----------
        path : str or Path
            What was given to `Checkpoint`. A pickle runs code when it is loaded: load none from
            strangers. A skops file does not; one with a scorer or with classes of your own is
            loaded by ``skops.io.load(path, trusted=...)``, to the same effect.

        Returns
        -------
        estimator : TwoLayerClassifier
            As above; of the class that was fitted.

        Raises
        ------
        ValueError
            If there is no checkpoint in the file.
        FileNotFoundError
            If there is no file.

        Warns
        -----
        UserWarning
            If other versions of scikit-learn or of this package wrote the file: then the fit may
            end otherwise.
        """
        return read_whole(path)

    def setup(self, estimator, context):
        """Refuse fits that have no checkpoints, before they begin."""
        super().setup(estimator, context)
        if estimator.solver == "lbfgs":
            raise ValueError(
                "solver='lbfgs' has no checkpoints, as SciPy keeps to itself what it has learned "
                "of the curvature. Use 'adamw', 'adam' or 'sgd', or fit a few iterations at a "
                "time with warm_start=True, and save the estimator between the calls."
            )
        task = context.parent
        while task is not None:
            if not task.sequential_subtasks:
                raise ValueError(
                    f"Checkpoint(path={str(self.path)!r}) is set on the network of a "
                    f"{task.estimator_name}, whose fits side by side would all write to that "
                    f"file. Set it on the network that is fitted with the parameters found."
                )
            task = task.parent

    def watch(self, make_checkpoint):
        """Return what writes the files of one fit."""
        return CheckpointWriter(self, make_checkpoint)


class CheckpointWriter(Watcher):
    """Write a file where an epoch starts: only there is it settled that the fit goes on."""

    def __init__(self, callback, make_checkpoint):
        self.callback, self.make_checkpoint = callback, make_checkpoint
        self.n_epochs, self.last_time = 0, monotonic()

    def epoch_ended(self, progress):
        """Count it."""
        self.n_epochs += 1
        return False

    def epoch_starts(self, progress):
        """Write a file if it is time to."""
        every = self.callback.every
        if isinstance(every, timedelta):
            due = monotonic() - self.last_time >= every.total_seconds()
        else:
            due = self.n_epochs >= every
        if due and self.n_epochs:
            write_whole(self.make_checkpoint(), self.callback.path)
            self.n_epochs, self.last_time = 0, monotonic()


@dataclass(frozen=True)
class EarlyStopping(TrainingCallback):
    """Stop a fit after the first epoch whose score reaches a target.

    The score is the last one of `validation_scores_`, where there are validation rows; the weights
    kept are those that reached it. Where there are none, it is the last one of `train_scores_`.
    To stop when a score has ceased to improve needs no callback: see `n_iter_no_change`.

    Parameters
    ----------
    target : float
        The bigger the score, the better. What it is, `scoring` says.

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

    target: float

    def __post_init__(self):
        super().__post_init__()
        if not isinstance(self.target, Real) or isnan(self.target):
            raise TypeError(
                f"target={self.target!r} must be a number, which the score of an epoch reaches."
            )

    def watch(self, make_checkpoint):
        """Return what compares the scores of one fit with the target."""
        return ScoreWatcher(self.target)


class ScoreWatcher(Watcher):
    """Ask to stop after an epoch whose score reaches a target."""

    def __init__(self, target):
        self.target = target

    def epoch_ended(self, progress):
        """Compare the score of the epoch."""
        history = progress.state.history
        validates = progress.validation is not None
        scores = history.validation_scores if validates else history.train_scores
        return scores[-1] >= self.target


@dataclass(frozen=True)
class TimeLimit(TrainingCallback):
    """Stop a fit after the epoch in which its time is up.

    Every fit has the whole time, each of a search as well. A rate that falls along a cosine is then
    still high: a fit that is planned shorter, with a smaller `max_iter`, ends better than one that
    is cut off.

    Parameters
    ----------
    seconds : float
        From when the rows have been checked.

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

    seconds: float

    def __post_init__(self):
        super().__post_init__()
        if not isinstance(self.seconds, Real):
            raise TypeError(f"seconds={self.seconds!r} must be a number.")
        if not self.seconds > 0:
            raise ValueError(f"seconds={self.seconds!r} must be above zero: a fit takes some time.")

    def watch(self, make_checkpoint):
        """Return what watches the clock for one fit."""
        return ClockWatcher(self.seconds)


class ClockWatcher(Watcher):
    """Ask to stop after an epoch at whose end so many seconds are over."""

    def __init__(self, seconds):
        self.end = monotonic() + seconds

    def epoch_ended(self, progress):
        """Look at the clock."""
        return monotonic() >= self.end
