"""All that training needs to go on, as one value.

`TrainingState` holds the parameters, the moments of the optimizer, pending updates, the learning
rate, the state of the random numbers and the history. ``loop.train`` moves it in place. A call of
the estimator trains a state of its own, and publishes it at the end or changes nothing.
"""

from dataclasses import asdict, dataclass, field, fields, replace

import numpy as np

from sk_twolayer.network import n_parameters, unpack
from sk_twolayer.sparse import PendingUpdates


@dataclass
class History:
    """The record of a training; a later training may append to it.

    Attributes
    ----------
    batch_losses : list of float
        Loss of every batch before its update, penalty included. A pickle leaves it out.
    losses : list of float
        Their mean over each epoch, weighted by the samples of each batch.
    train_scores : list of float
        Mean accuracy (or R2) of the batches of each epoch, measured before their updates.
    validation_losses, validation_scores : list of float
        Loss, penalty included, and score on the validation samples after each epoch.
    """

    batch_losses: list = field(default_factory=list)
    losses: list = field(default_factory=list)
    train_scores: list = field(default_factory=list)
    validation_losses: list = field(default_factory=list)
    validation_scores: list = field(default_factory=list)

    @classmethod
    def of(cls, fitted):
        """Return the history that the attributes of an estimator hold."""
        names = "batch_loss_curve_", "loss_curve_", "train_scores_"
        names += "validation_loss_curve_", "validation_scores_"
        return cls(*(list(fitted[name] or []) for name in names))


@dataclass(eq=False)
class TrainingState:
    """All that training needs to go on; it can be copied and pickled.

    Attributes
    ----------
    shape : tuple of three int
        Features, hidden units and outputs.
    parameters : ndarray of shape (n_parameters,) or None
        ``[W1 | W2 | b1 | b2]``. None in an estimator that has them in `coefs_`.
    solver : {"adamw", "adam", "sgd", "lbfgs"}
        The solver that the moments belong to.
    moments : list of ndarray of shape (n_parameters,)
        The memory of the optimizer of earlier gradients.
    betas : list of two float or None
        Decay rates that the moments of Adam and AdamW depend on.
    n_moment_updates : int
        Updates since the moments were started.
    pending : PendingUpdates or None
        The pending updates of the rows of W1, if sparse samples are trained on.
    n_updates : int
        Updates since the parameters were drawn.
    rate : float or None
        Step size of the last update.
    base_rate : float or None
        The step size that the factor of the schedule multiplies.
    initial_rate : float or None
        The base rate before any decay.
    asked_rate : float or str
        The hyper-parameter that `initial_rate` followed from.
    first_layer : float
        Factor of the step size for W1.
    position : int
        Updates made of the plan that the schedule spans.
    generator : tuple or None
        State of the `numpy.random.RandomState` for the draws to come.
    class_counts : ndarray of shape (n_classes,) or None
        Weight of each class in all samples so far.
    split_seed : int or None
        Seed of the split into training and validation samples.
    history : History
        The record so far.
    n_epochs : int
        Epochs of this fit that have ended.
    epochs_without_progress : int
        The last epochs in a row without an improvement.
    best : float
        The best value so far of the quantity that has to improve.
    best_parameters : ndarray or None
        The parameters with the best validation score, if there are validation samples.
    under_way : bool
        True in a checkpoint: the state is from the middle of a fit.
    fingerprint : ndarray or None
        Identifies the training samples of a checkpoint.
    stream_start : dict or None
        What the first samples of a stream have told, as long as they are few.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_twolayer.training import TrainingState
    >>> state = TrainingState((4, 10, 3), np.zeros(83), "sgd", [np.zeros(83)])
    >>> copy = state.copy()
    >>> copy.parameters[0] = 1
    >>> float(state.parameters[0])
    0.0
    """

    shape: tuple
    parameters: np.ndarray | None
    solver: str
    moments: list = field(default_factory=list)
    betas: list | None = None
    n_moment_updates: int = 0
    pending: PendingUpdates | None = None
    n_updates: int = 0
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
    fingerprint: np.ndarray | None = None
    stream_start: dict | None = None

    @property
    def vectors(self):
        """The parameters and their moments."""
        return [self.parameters, *self.moments]

    @property
    def rows(self):
        """The rows of W1 and of its moments."""
        return [unpack(vector, *self.shape)[0] for vector in self.vectors]

    def copy(self, features=None):
        """Return a state with its own arrays and lists.

        Parameters
        ----------
        features : ndarray of int, default=None
            The features whose rows of W1 are copied; None copies all.

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
            pending=self.pending and self.pending.copy(features),
            history=History(**asdict(self.history)),
            best_parameters=copy_features(self.best_parameters, self.shape, features),
        )

    def without_published(self, attributes):
        """Return the state without what these attributes of an estimator hold."""
        if "coefs_" in attributes:  # then no update is pending
            return replace(self, history=History(), parameters=None, pending=None)
        return replace(self, history=History())

    def as_dict(self):
        """Return the state as a dictionary of arrays, numbers, strings and lists."""
        state = {item.name: getattr(self, item.name) for item in fields(self)}
        return state | {
            "pending": self.pending and dict(vars(self.pending)),
            "history": asdict(self.history),
        }

    @classmethod
    def from_dict(cls, state):
        """Return the state that `as_dict` made a dictionary of."""
        pending = None
        if state["pending"] is not None:
            pending = PendingUpdates(0)
            vars(pending).update(state["pending"])
        changed = {"shape": tuple(state["shape"]), "history": History(**state["history"])}
        return cls(**state | changed | {"pending": pending})


def copy_features(vector, shape, features):
    """Copy a vector laid out like the parameters, with all features or with some."""
    if vector is None or features is None:
        return None if vector is None else vector.copy()
    W1 = unpack(vector, *shape)[0]
    part = np.empty(n_parameters(len(features), *shape[1:]), vector.dtype)
    np.take(W1, features, axis=0, out=part[: len(features) * shape[1]].reshape(-1, shape[1]))
    part[len(features) * shape[1] :] = vector[W1.size :]
    return part
