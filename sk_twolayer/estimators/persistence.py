"""Saved models record the versions that wrote them, and warn if other versions read them."""

import warnings

from sklearn import __version__ as sklearn_version
from sklearn.exceptions import InconsistentVersionWarning


def our_version():
    """Return the version of this package, which imports this module first."""
    from sk_twolayer import __version__

    return __version__


def add_versions(state):
    """Return what is pickled with versions, which scikit-learn adds to its own estimators only."""
    return state | {"_sklearn_version": sklearn_version, "_sk_twolayer_version": our_version()}


def check_versions(state, name):
    """Return what was pickled without its versions; warn if they are not the present ones."""
    state = dict(state)
    version = state.pop("_sklearn_version", "of an unknown version")
    if version != sklearn_version:
        warnings.warn(
            InconsistentVersionWarning(
                estimator_name=name,
                current_sklearn_version=sklearn_version,
                original_sklearn_version=version,
            ),
            stacklevel=3,
        )
    version = state.pop("_sk_twolayer_version", "of an unknown version")
    if version != our_version():
        warnings.warn(
            f"This {name} was saved by sk_twolayer {version}, and is loaded by {our_version()}: it "
            f"may predict otherwise, or fail. Fit it anew, or install the version that saved it.",
            stacklevel=3,
        )
    return state
