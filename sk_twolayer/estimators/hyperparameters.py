"""The values that hyper-parameters may have, and errors about their names.

Their meaning is in the docstrings of `TwoLayerClassifier` and `TwoLayerRegressor`, and the rules
behind "auto" are in ``planning.auto``.
"""

from functools import wraps
from inspect import signature
from numbers import Integral, Real
from sys import float_info

from sklearn.metrics import get_scorer_names

from sk_twolayer.network import ACTIVATIONS
from sk_twolayer.optimizers import SCHEDULES
from sk_twolayer.sklearn_private import Interval, InvalidParameterError, StrOptions


class NotedInterval(Interval):
    """An interval with a note for the error message."""

    def __init__(self, *bounds, closed, note):
        super().__init__(*bounds, closed=closed)
        self.note = note

    def __str__(self):
        return super().__str__() + self.note


# Python's integers may be larger, and the network computes with floats.
LARGEST = float_info.max

CONSTRAINTS = {
    "hidden_size": [
        NotedInterval(Integral, 1, None, closed="left", note=", as there is one hidden layer")
    ],
    "activation": [StrOptions(set(ACTIVATIONS))],
    "solver": [StrOptions({"sgd", "adam", "adamw", "lbfgs"})],
    "alpha": [StrOptions({"auto"}), Interval(Real, 0, LARGEST, closed="both")],
    "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
    "learning_rate": [
        StrOptions({"auto"}),
        NotedInterval(
            Real, 0, LARGEST, closed="right", note=" (for a schedule, set learning_rate_schedule)"
        ),
    ],
    "learning_rate_schedule": [StrOptions(set(SCHEDULES))],
    "warmup_fraction": [Interval(Real, 0, 1, closed="left")],
    "learning_rate_decay": [Interval(Real, 0, 1, closed="right")],
    "momentum": [Interval(Real, 0, 1, closed="left")],
    "nesterov": ["boolean"],
    "beta_1": [Interval(Real, 0, 1, closed="left")],
    "beta_2": [Interval(Real, 0, 1, closed="left")],
    "epsilon": [Interval(Real, 0, 1e18, closed="right")],  # float32 must hold its square
    "dropout": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="left")],
    "init": [StrOptions({"auto", "he", "glorot"}), Interval(Real, 0, LARGEST, closed="right")],
    "replacement": ["boolean"],
    "max_iter": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
    "max_updates": [None, Interval(Integral, 1, None, closed="left")],
    "tol": [Interval(Real, 0, LARGEST, closed="both")],
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

REGRESSOR_CONSTRAINTS = CONSTRAINTS | {
    "loss": [StrOptions({"squared_error", "absolute_error", "quantile", "poisson"})],
    "quantile": [None, Interval(Real, 0, 1, closed="neither")],
}

# Hyper-parameters of scikit-learn's perceptrons that have another name here, or none.
ELSEWHERE = {
    "hidden_layer_sizes": "The units of the one hidden layer are set by hidden_size.",
    "learning_rate_init": "The initial learning rate is set by learning_rate.",
    "nesterovs_momentum": "Nesterov's momentum is chosen by nesterov.",
    "shuffle": "Samples are always shuffled, unless replacement=True draws them with replacement.",
    "power_t": "There is no inverse scaling; see learning_rate_schedule.",
    "max_fun": "The iterations of 'lbfgs' are limited by max_iter.",
    "loss": "The loss is cross-entropy; TwoLayerRegressor has the squared error and others.",
    "quantile": "Quantiles are predicted by TwoLayerRegressor, with loss='quantile'.",
    "class_weight": "A regressor has no classes; sample_weight of fit weighs samples.",
}


def explain_names(init):
    """Make a constructor refuse unknown names with the name of the class, and with advice."""

    @wraps(init)
    def construct(self, *args, **kwargs):
        try:
            init(self, *args, **kwargs)
        except TypeError:
            unknown = [name for name in kwargs if name not in self._parameter_constraints]
            if not unknown:
                raise
            names = ", ".join(map(repr, unknown))
            message = f"{type(self).__name__}() got an unexpected keyword argument {names}."
            advice = [ELSEWHERE[name] for name in unknown if name in ELSEWHERE]
            raise TypeError(" ".join([message, *advice])) from None

    construct.__signature__ = signature(init)  # some tools do not look behind a wrapper
    return construct


def chosen_loss(estimator):
    """Return the loss of a regressor, and its quantile or None.

    Raises
    ------
    InvalidParameterError
        If the quantile of ``loss="quantile"`` is missing; it is a ValueError and a TypeError.
    """
    if estimator.loss != "quantile":
        return estimator.loss, None
    if estimator.quantile is None:
        raise InvalidParameterError(
            "loss='quantile' needs the quantile to predict, and quantile=None. Set it to a number "
            "between 0 and 1, such as 0.5 for the median."
        )
    return "quantile", float(estimator.quantile)


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
