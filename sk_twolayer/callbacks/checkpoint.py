"""Checkpoints: a fit is written to a file as it goes, and resumed from the file.

A file is written under a temporary name of its own in the same folder, flushed to the disk, and put
in its place in one step. A process that is killed while writing leaves the file that was there
before, and concurrent writers do not break each other's files.
"""

import errno
import os
import pickle
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from importlib.util import find_spec
from numbers import Integral
from os import PathLike
from pathlib import Path
from stat import S_ISREG
from time import monotonic

from sk_twolayer.training import FitTaskMixin, Observer, TrainingCallback

# The types in a skops file that skops does not trust by itself.
TRUSTED = ["sk_twolayer.TwoLayerClassifier", "sk_twolayer.TwoLayerRegressor"]

# The errors of a name that no file can have.
BAD_NAME = errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL


@dataclass(frozen=True)
class Checkpoint(TrainingCallback):
    """Write a fit to a file as it goes, and resume it from the file if it was interrupted.

    A file is written between two epochs, and replaces the last one in one step: a process that is
    killed, at any moment, leaves a whole file. The resumed fit ends as the interrupted fit would
    have ended, bit for bit: with the same weights, history, schedule and random numbers.

    Parameters
    ----------
    path : str or Path
        The file. If its name ends with ".skops", it is written by skops, which must be installed,
        and it runs no code when it is loaded. Any other file is a pickle. An existing file keeps
        its mode. A symbolic link stays, and its target is replaced. Folders, pipes and devices are
        refused.

    every : int or datetime.timedelta, default=1
        Epochs between two files, or the shortest time between them.

    See Also
    --------
    Checkpoint.load : Resume from the file.

    Notes
    -----
    A file has the size of the parameters and of the moments of the solver: three times the
    parameters for "adamw" and "adam", twice for "sgd", and once more with validation samples.
    Writing it takes as long as the disk takes. A fit that has ended leaves its last file, from
    before its last epoch.

    "lbfgs" has no checkpoints, as SciPy does not give access to what it has learned about the
    curvature.

    One path is for one fit. The fits of `GridSearchCV` and of scikit-learn's other searches are
    refused before they begin, whatever `n_jobs` is. scikit-learn 1.9 does not tell a callback that
    a fit belongs to `BaggingClassifier`, `OneVsRestClassifier`, `VotingClassifier`,
    `cross_validate` or another meta-estimator. These fits are not refused, even in a search, and
    neither are the fits of two scripts. Their files are all whole, and the file that is written
    last stays.

    The temporary file is removed if writing fails. A process that is killed while it writes may
    leave a file named ``checkpoint-*.part`` in the folder of the file. It can be deleted.

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

    Resume as if it had been killed after its last file:

    >>> resumed = Checkpoint.load(checkpoint.path)
    >>> resumed.n_iter_, resumed.fit(X, y).n_iter_
    (98, 100)
    >>> bool((resumed.coefs_[0] == whole.coefs_[0]).all())
    True
    >>> folder.cleanup()
    """

    __module__ = "sk_twolayer.callbacks"

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
        find_target(self.path)

    @staticmethod
    def load(path):
        """Load an interrupted fit, as an estimator whose `fit` resumes it.

        The estimator has the hyper-parameters of the fit, but ``warm_start=True``. Its next `fit`
        on the same samples (and the same validation samples, if there were any) trains the rest of
        `max_iter` and `max_updates`. Callbacks are not in the file: set them again, another
        `Checkpoint` among them. In a pipeline, replace the network:
        ``pipeline.set_params(twolayerclassifier=Checkpoint.load(path))``.

        Before that, the estimator predicts as if the fit had stopped there. If its weights or its
        solver are set by hand, `fit` is an ordinary warm start: it starts from the weights that the
        estimator predicts with, and plans anew.

        Parameters
        ----------
        path : str or Path
            As given to `Checkpoint`. A pickle runs code when it is loaded: do not load one from an
            untrusted source. A skops file does not. A skops file with a scorer or with classes of
            your own is loaded by ``skops.io.load(path, trusted=...)``, to the same effect.

        Returns
        -------
        estimator : TwoLayerClassifier
            Of the class that was fitted.

        Raises
        ------
        ValueError
            If there is no checkpoint in the file, whatever else is in it.
        FileNotFoundError
            If there is no file.

        Warns
        -----
        UserWarning
            If other versions of scikit-learn or of this package wrote the file: the resumed fit
            may differ.
        """
        return read_whole(path)

    def setup(self, estimator, context):
        """Refuse fits that cannot have checkpoints, before they begin.

        A fit of a search has a parent task whose subtasks are not sequential. In scikit-learn 1.9,
        only pipelines and searches make tasks of the fits that they contain.
        """
        super().setup(estimator, context)
        if estimator.solver == "lbfgs":
            raise ValueError(
                "solver='lbfgs' has no checkpoints: SciPy gives no access to what it has learned "
                "about the curvature. Use 'adamw', 'adam' or 'sgd', or fit a few iterations at a "
                "time with warm_start=True, and save the estimator between the calls."
            )
        task = context.parent
        while task is not None:
            if not task.sequential_subtasks:
                raise ValueError(
                    f"Checkpoint(path={str(self.path)!r}) is set on the network of a "
                    f"{task.estimator_name}, whose parallel fits would all write to that file. "
                    f"Set it on the network that is fitted with the parameters found."
                )
            task = task.parent

    def observe(self, make_checkpoint):
        """Return the observer of one fit."""
        return CheckpointWriter(self, make_checkpoint)


class CheckpointWriter(Observer):
    """Write a file when an epoch starts: only then is it certain that the fit continues."""

    def __init__(self, callback, make_checkpoint):
        self.callback, self.make_checkpoint = callback, make_checkpoint
        self.n_epochs, self.last_time = 0, monotonic()

    def epoch_ended(self, progress):
        """Count the epoch."""
        self.n_epochs += 1
        return False

    def epoch_starts(self, progress):
        """Write a file if it is due."""
        every = self.callback.every
        if isinstance(every, timedelta):
            due = monotonic() - self.last_time >= every.total_seconds()
        else:
            due = self.n_epochs >= every
        if due and self.n_epochs:
            write_whole(self.make_checkpoint(), self.callback.path)
            self.n_epochs, self.last_time = 0, monotonic()


def is_skops(path):
    """Return True if a file of this name is written by skops; it runs no code when it is loaded."""
    return Path(path).suffix == ".skops"


def refuse_missing_skops(path):
    """Raise an ImportError if skops is needed for a file of this name, and is not installed."""
    if is_skops(path) and find_spec("skops") is None:
        raise ImportError(
            f"path={str(path)!r} asks for a skops file: pip install skops, or "
            f"choose another ending for a pickle."
        )


def find_target(path):
    """Return the file that a path leads to, and its mode, or None if it does not exist yet.

    A path that cannot be written to is refused, before there is anything to write.
    """
    refuse_missing_skops(path)
    try:
        mode = os.stat(Path(path)).st_mode
    except (FileNotFoundError, NotADirectoryError):
        mode = None
    except (OSError, ValueError) as error:  # a ValueError if the name has a NUL
        if getattr(error, "errno", errno.EINVAL) not in BAD_NAME:
            raise
        raise ValueError(
            f"path={str(path)!r} cannot be the path of a file: {error}. Pass another one, such as "
            f"'fit.pkl'."
        ) from error
    if mode is not None and not S_ISREG(mode):
        raise ValueError(
            f"path={str(path)!r} is a folder, a pipe or a device, which a checkpoint does not "
            f"replace. Pass the path of a file, such as 'fit.pkl'."
        )
    target = Path(os.path.realpath(Path(path)))
    if not target.parent.is_dir():
        raise FileNotFoundError(f"path={str(path)!r} is in no folder: make {target.parent} first.")
    return target, mode


def mode_of_new_file(folder):
    """Return the mode of a new file; to read the umask is to set it, for all threads."""
    with tempfile.TemporaryDirectory(prefix="checkpoint-", suffix=".part", dir=folder) as probe:
        new = Path(probe, "new")
        new.touch()
        return new.stat().st_mode


def write_whole(checkpoint, path):
    """Write a checkpoint in place of the last one, whole or not at all."""
    target, mode = find_target(path)
    mode = mode_of_new_file(target.parent) if mode is None else mode
    # A short name, as the name of the target may be of the greatest length. Its mode is 0600.
    descriptor, part = tempfile.mkstemp(".part", "checkpoint-", target.parent)
    try:
        with open(descriptor, "wb") as file:
            if is_skops(path):
                import skops.io

                skops.io.dump(checkpoint, file)
            else:
                pickle.dump(checkpoint, file, protocol=5)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(part, mode & 0o777)
        os.replace(part, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(part)
        raise


def read_whole(path):
    """Read a checkpoint; raise a ValueError if the file holds none."""
    refuse_missing_skops(path)
    with open(path, "rb") as file:
        try:
            if is_skops(path):
                import skops.io

                checkpoint = skops.io.load(file, trusted=TRUSTED)
            else:
                checkpoint = pickle.load(file)
        except Exception as error:  # foreign bytes may make a reader raise anything
            raise ValueError(
                f"{path} is damaged, or no checkpoint, or needs a class or function that is not "
                f"here: {type(error).__name__}: {error}"
            ) from error
    ours = isinstance(checkpoint, FitTaskMixin)  # other objects may answer anything
    state = getattr(checkpoint, "_training_state", None) if ours else None
    if not getattr(state, "under_way", False):
        raise ValueError(
            f"{path} holds no checkpoint, but an object of type {type(checkpoint).__name__}. A "
            f"model that was fitted to the end is loaded with pickle.load or skops.io.load."
        )
    return checkpoint
