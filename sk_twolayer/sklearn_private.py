"""scikit-learn's names that are not public, all in one place, each with the reason for it.

The tests run with the oldest and the newest supported scikit-learn.
"""

# Validates the hyper-parameters of scikit-learn's own estimators, and tears callbacks down when
# `fit` ends. There is no public way to do the second.
from sklearn.base import _fit_context as fit_context

# Declare what hyper-parameters may be, with the error messages of scikit-learn's own estimators.
from sklearn.utils._param_validation import (
    Interval,
    InvalidParameterError,
    Options,
    StrOptions,
)

# Checks names given to `get_feature_names_out` against those of `fit`.
from sklearn.utils.validation import _check_feature_names_in as check_feature_names_in

__all__ = [
    "Interval",
    "InvalidParameterError",
    "Options",
    "StrOptions",
    "callbacks_of",
    "check_feature_names_in",
    "fit_context",
    "scored_function",
]


def callbacks_of(estimator):
    """Return the callbacks of an estimator: `set_callbacks` has no public counterpart."""
    return getattr(estimator, "_skl_callbacks", [])


def scored_function(scorer):
    """Return the function that a scorer of `make_scorer` calls, or the scorer itself."""
    return getattr(scorer, "_score_func", scorer)
