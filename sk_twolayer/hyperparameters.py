"""The hyper-parameters of the estimators: their defaults, and the values that they may have.

What they mean is in the docstrings of `TwoLayerClassifier` and `TwoLayerRegressor`; what "auto"
stands for, in ``automatic``. scikit-learn reads the names from the signature of each constructor,
so that there are two of them.
"""

from numbers import Integral, Real
from typing import ClassVar

from sklearn.metrics import get_scorer_names

# What declares the hyper-parameters of scikit-learn's own estimators has no public name.
from sklearn.utils._param_validation import Interval, StrOptions

from sk_twolayer.activations import ACTIVATIONS
from sk_twolayer.optimizers import SCHEDULES


class HyperParameters:
    """The constructor of an estimator, and the constraints that `fit` checks."""

    _parameter_constraints: ClassVar = {
        "hidden_size": [Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "solver": [StrOptions({"sgd", "adam", "adamw", "lbfgs"})],
        "alpha": [StrOptions({"auto"}), Interval(Real, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
        "learning_rate_schedule": [StrOptions(set(SCHEDULES))],
        "warmup_fraction": [Interval(Real, 0, 1, closed="left")],
        "learning_rate_decay": [Interval(Real, 0, 1, closed="right")],
        "momentum": [Interval(Real, 0, 1, closed="left")],
        "nesterov": ["boolean"],
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "dropout": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="left")],
        "init": [StrOptions({"auto", "he", "glorot"}), Interval(Real, 0, None, closed="neither")],
        "replacement": ["boolean"],
        "max_iter": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "max_updates": [None, Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "n_iter_no_change": [
            None,
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
        ],
        "early_stopping": ["boolean"],
        "scoring": [None, StrOptions({"loss", *get_scorer_names()}), callable],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        hidden_size=200,
        *,
        activation="relu",
        solver="adamw",
        alpha="auto",
        batch_size="auto",
        learning_rate="auto",
        learning_rate_schedule="cosine",
        warmup_fraction=0.1,
        learning_rate_decay=0.95,
        momentum=0.9,
        nesterov=True,
        beta_1=0.9,
        beta_2=0.98,
        epsilon=1e-8,
        dropout="auto",
        init="auto",
        replacement=False,
        max_iter="auto",
        max_updates=None,
        tol=1e-4,
        n_iter_no_change="auto",
        early_stopping=False,
        scoring=None,
        validation_fraction=0.1,
        warm_start=False,
        random_state=None,
        verbose=False,
    ):
        self.hidden_size = hidden_size
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_schedule = learning_rate_schedule
        self.warmup_fraction = warmup_fraction
        self.learning_rate_decay = learning_rate_decay
        self.momentum = momentum
        self.nesterov = nesterov
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.dropout = dropout
        self.init = init
        self.replacement = replacement
        self.max_iter = max_iter
        self.max_updates = max_updates
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.early_stopping = early_stopping
        self.scoring = scoring
        self.validation_fraction = validation_fraction
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose


class ClassifierHyperParameters(HyperParameters):
    """The same for a classifier, whose classes may have weights."""

    _parameter_constraints: ClassVar = HyperParameters._parameter_constraints | {
        "class_weight": [None, dict, StrOptions({"balanced"})],
    }

    def __init__(
        self,
        hidden_size=200,
        *,
        activation="relu",
        solver="adamw",
        alpha="auto",
        batch_size="auto",
        learning_rate="auto",
        learning_rate_schedule="cosine",
        warmup_fraction=0.1,
        learning_rate_decay=0.95,
        momentum=0.9,
        nesterov=True,
        beta_1=0.9,
        beta_2=0.98,
        epsilon=1e-8,
        dropout="auto",
        init="auto",
        replacement=False,
        max_iter="auto",
        max_updates=None,
        tol=1e-4,
        n_iter_no_change="auto",
        early_stopping=False,
        scoring=None,
        validation_fraction=0.1,
        class_weight=None,
        warm_start=False,
        random_state=None,
        verbose=False,
    ):
        super().__init__(
            hidden_size,
            activation=activation,
            solver=solver,
            alpha=alpha,
            batch_size=batch_size,
            learning_rate=learning_rate,
            learning_rate_schedule=learning_rate_schedule,
            warmup_fraction=warmup_fraction,
            learning_rate_decay=learning_rate_decay,
            momentum=momentum,
            nesterov=nesterov,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            dropout=dropout,
            init=init,
            replacement=replacement,
            max_iter=max_iter,
            max_updates=max_updates,
            tol=tol,
            n_iter_no_change=n_iter_no_change,
            early_stopping=early_stopping,
            scoring=scoring,
            validation_fraction=validation_fraction,
            warm_start=warm_start,
            random_state=random_state,
            verbose=verbose,
        )
        self.class_weight = class_weight
