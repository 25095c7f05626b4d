"""The values that hyper-parameters may have.

Their meaning is in the docstrings of `TwoLayerClassifier` and `TwoLayerRegressor`, and the rules
behind "auto" are in ``planning.auto``.
"""

from numbers import Integral, Real

from sklearn.metrics import get_scorer_names

from sk_twolayer.network import ACTIVATIONS
from sk_twolayer.optimizers import SCHEDULES
from sk_twolayer.sklearn_private import Interval, StrOptions

CONSTRAINTS = {
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

CLASSIFIER_CONSTRAINTS = CONSTRAINTS | {
    "class_weight": [None, dict, StrOptions({"balanced"})],
}


def has_partial_fit(estimator):
    """Return True if the hyper-parameters allow `partial_fit`; raise with the reason if not."""
    if estimator.solver == "lbfgs":
        raise AttributeError(
            "partial_fit is only available for stochastic optimizers. solver='lbfgs' needs all "
            "samples at once: use 'adamw', 'adam' or 'sgd'."
        )
    if estimator.early_stopping:
        raise AttributeError(
            "partial_fit does not support early_stopping=True: it makes a single pass. "
            "Monitor the score on validation samples of your own between the calls."
        )
    return True
