"""Files of models know which versions wrote them, and say so when others read them."""

import warnings

from sklearn import __version__ as sklearn_version
from sklearn.exceptions import InconsistentVersionWarning


def our_version():
    """Return the version of this package, which imports this module first."""
    from sk_twolayer import __version__

    return __version__


class VersionedState:
    """Add versions to what is pickled, which scikit-learn does for estimators of its own."""

    def __getstate__(self):
        versions = {"_sklearn_version": sklearn_version, "_sk_twolayer_version": our_version()}
        return super().__getstate__() | versions

    def __setstate__(self, state):
        state = dict(state)
        version = state.pop("_sklearn_version", "of an unknown version")
        if version != sklearn_version:
            warnings.warn(
                InconsistentVersionWarning(
                    estimator_name=type(self).__name__,
                    current_sklearn_version=sklearn_version,
                    original_sklearn_version=version,
                ),
                stacklevel=2,
            )
        version = state.pop("_sk_twolayer_version", "of an unknown version")
        if version != our_version():
            warnings.warn(
                f"This {type(self).__name__} was saved by sk_twolayer {version}, and is loaded by "
                f"{our_version()}: it may predict otherwise, or fail. Fit it anew, or install "
                f"the version that saved it.",
                stacklevel=2,
            )
        super().__setstate__(state)
