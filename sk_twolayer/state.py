"""What training needs to go on, as one value.

`TrainingState` holds the parameters, the optimizer's moments, what rows of W1 have missed, the
learning rate, the random numbers to come and the history. ``training.train`` is the only thing
that moves it, in place: whoever may need the state as it was copies it first. So a call of the
estimator trains a copy of its own, and publishes it when nothing can go wrong any more.
"""

from dataclasses import asdict, dataclass, field, fields, replace

import numpy as np

from sk_twolayer.missed_updates import MissedUpdates
from sk_twolayer.parameters import n_parameters, unpack


@dataclass
class History:
    """What training recorded; a later training may append to it.

    Attributes
    ----------
    batch_losses : list of float
        Loss of every batch, before its update, with the penalty.
    losses : list of float
        Mean of them over each epoch, every batch counting by its rows (their weight).
    train_scores : list of float
        Mean score (accuracy, or R2) of the batches of each epoch, measured as they were trained on.
    validation_losses, validation_scores : list of float
        Loss, with the penalty, and score on the validation rows after each epoch.
    n_forgotten : int
        Updates before the first of `batch_losses`, whose losses a pickle has left out.
    """

    batch_losses: list = field(default_factory=list)
    losses: list = field(default_factory=list)
    train_scores: list = field(default_factory=list)
    validation_losses: list = field(default_factory=list)
    validation_scores: list = field(default_factory=list)
    n_forgotten: int = 0

    @classmethod
    def of(cls, fitted):
        """Return the history that the attributes of an estimator hold."""
        batch_losses = list(fitted["batch_loss_curve_"] or [])
        return cls(
            batch_losses,
            list(fitted["loss_curve_"]),
            list(fitted["train_scores_"]),
            list(fitted["validation_loss_curve_"] or []),
            list(fitted["validation_scores_"] or []),
            fitted["n_updates_"] - len(batch_losses),
        )

    @property
    def n_updates(self):
        """Updates so far."""
        return self.n_forgotten + len(self.batch_losses)

    def copy(self):
        """Return a copy whose lists are its own."""
        return History(**asdict(self))


@dataclass(eq=False)
class TrainingState:
    """All that training needs to go on; can be copied, pickled and compared.

    Attributes
    ----------
    shape : tuple of three int
        Features, hidden units and outputs.
    parameters : ndarray of shape (n_parameters,) or None
        ``[W1 | W2 | b1 | b2]``. None where an estimator has them in `coefs_`.
    solver : {"sgd", "adam", "lbfgs"}
        Whose moments these are.
    moments : list of ndarray of shape (n_parameters,)
        What the optimizer keeps of earlier gradients.
    n_moment_updates : int
        Updates that the moments have seen.
    missed : MissedUpdates or None
        What rows of W1 have missed, where sparse rows are trained on.
    rate, base_rate, initial_rate : float or None
        Step size of the last update, the one that the schedule multiplies by its factor, and the
        one that this has decayed from.
    first_layer : float
        What they are multiplied by for W1.
    position : int
        Updates made of the plan that the schedule spans.
    asked_rate : float or str
        What was asked for, which `initial_rate` followed from.
    generator : tuple or None
        State of the `numpy.random.RandomState` that draws what is drawn next.
    class_counts : ndarray of shape (n_classes,) or None
        Weight of each class in all rows so far.
    split_seed : int or None
        Seed of the split into rows to train on and rows to validate with.
    history : History
        What was recorded so far.
    n_epochs, epochs_without_progress : int
        Epochs of this training that have ended; the last ones without an improvement.
    best : float
        The best value so far of what has to improve.
    best_parameters : ndarray or None
        The parameters that have it, where there are validation rows.
    under_way : bool
        Whether this is the middle of a fit, as a checkpoint has it, and not the end of one.

    Examples
    --------
    >>> from sk_twolayer.state import TrainingState
    >>> state = TrainingState.start((4, 10, 3), "sgd", dtype=float)
    >>> copy = state.copy()
    >>> copy.parameters[0] = 1
    >>> copy == state, copy == copy.copy()
    (False, True)
    """

    shape: tuple
    parameters: np.ndarray | None
    solver: str
    moments: list = field(default_factory=list)
    n_moment_updates: int = 0
    missed: MissedUpdates | None = None
    rate: float | None = None
    base_rate: float | None = None
    initial_rate: float | None = None
    asked_rate: float | str | None = None
    first_layer: float = 1.0
    position: int = 0
    generator: tuple | None = None
    class_counts: np.ndarray | None = None
    split_seed: int | None = None
    history: History = field(default_factory=History)
    n_epochs: int = 0
    epochs_without_progress: int = 0
    best: float = -np.inf
    best_parameters: np.ndarray | None = None
    under_way: bool = False

    @classmethod
    def start(cls, shape, solver, dtype, epsilon=1e-8):
        """Return a state whose parameters are zero, and whose moments are what the solver wants."""
        state = cls(tuple(shape), np.zeros(n_parameters(*shape), dtype), solver)
        state.start_moments(epsilon)
        return state

    def start_moments(self, epsilon):
        """Let the moments be those before the first update."""
        n_moments = {"lbfgs": 0, "sgd": 1, "adam": 2, "adamw": 2}[self.solver]
        self.moments = [np.zeros_like(self.parameters) for _ in range(n_moments)]
        if self.solver == "adamw":  # which adds no epsilon to the root of it later
            self.moments[1].fill(epsilon**2)
        self.n_moment_updates = 0

    @property
    def vectors(self):
        """The parameters and their moments."""
        return [self.parameters, *self.moments]

    @property
    def rows(self):
        """The rows of W1, and those of its moments."""
        return [unpack(vector, *self.shape)[0] for vector in self.vectors]

    def copy(self, features=None):
        """Return a state whose arrays and lists are its own.

        Parameters
        ----------
        features : ndarray of int, default=None
            The features whose rows to copy; None copies all.

        Returns
        -------
        state : TrainingState
        """
        shape = self.shape if features is None else (len(features), *self.shape[1:])
        parameters, *moments = (copy_features(v, self.shape, features) for v in self.vectors)
        return replace(
            self,
            shape=shape,
            parameters=parameters,
            moments=moments,
            missed=self.missed and self.missed.copy(features),
            history=self.history.copy(),
            best_parameters=copy_features(self.best_parameters, self.shape, features),
        )

    def unpack(self, vector):
        """Return the views W1, W2, b1, b2 of a vector laid out like the parameters."""
        return unpack(vector, *self.shape)

    def without_what_is_published(self, attributes):
        """Return the state without what the attributes of an estimator hold."""
        if "coefs_" in attributes:  # then no row waits
            return replace(self, history=History(), parameters=None, missed=None)
        return replace(self, history=History())

    def as_dict(self):
        """Return the state as a dictionary of arrays, numbers, strings and lists."""
        state = {item.name: getattr(self, item.name) for item in fields(self)}
        return state | {
            "missed": self.missed and dict(vars(self.missed)),
            "history": asdict(self.history),
        }

    @classmethod
    def from_dict(cls, state):
        """Return the state that `as_dict` made a dictionary of."""
        missed = None
        if state["missed"] is not None:
            missed = MissedUpdates(0)
            vars(missed).update(state["missed"])
        history = History(**state["history"])
        return cls(**state | {"shape": tuple(state["shape"]), "missed": missed, "history": history})

    def __eq__(self, other):
        return isinstance(other, TrainingState) and equal(self.as_dict(), other.as_dict())

    __hash__ = None


def copy_features(vector, shape, features):
    """Copy a vector laid out like the parameters, with some of the features or all."""
    if vector is None or features is None:
        return None if vector is None else vector.copy()
    W1 = unpack(vector, *shape)[0]
    part = np.empty(n_parameters(len(features), *shape[1:]), vector.dtype)
    np.take(W1, features, axis=0, out=part[: len(features) * shape[1]].reshape(-1, shape[1]))
    part[len(features) * shape[1] :] = vector[W1.size :]
    return part


def equal(a, b):
    """Return whether two values, arrays or containers of such, are the same."""
    if isinstance(a, dict):
        same_keys = isinstance(b, dict) and a.keys() == b.keys()
        return same_keys and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        same_length = isinstance(b, list | tuple) and len(a) == len(b)
        return same_length and all(map(equal, a, b))
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and a.dtype == b.dtype and np.array_equal(a, b)
    return type(a) is type(b) and a == b
