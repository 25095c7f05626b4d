"""What the older versions of scikit-learn lack that this package supports, and what goes when.

This module alone knows which version is installed, and asks for features, not for numbers.

=============  =================================================================================
scikit-learn   what it lacks
=============  =================================================================================
before 1.9     Callbacks. There `TwoLayerClassifier` has no `set_callbacks`, a fit is no task of
               anybody's, and those in ``callbacks`` cannot be made; `verbose` prints its lines as
               everywhere. `CallbackSupportMixin` is then to be imported from scikit-learn, and
               this module to be deleted.
=============  =================================================================================
"""

from sklearn import __version__ as sklearn_version

try:
    from sklearn.callback import CallbackSupportMixin

    HAS_CALLBACKS = True
except ImportError:
    HAS_CALLBACKS = False

    class FitWithoutTasks:
        """What a fit reports to where there are no callbacks: nobody."""

        def call_on_fit_task_begin(self, **arguments):
            """Do nothing."""

        def call_on_fit_task_end(self, **arguments):
            """Do nothing."""

    class CallbackSupportMixin:
        """An estimator without `set_callbacks`, which nobody watches."""

        def _init_callback_context(self, **arguments):
            return FitWithoutTasks()


def refuse_missing_callbacks(name):
    """Refuse a callback where no estimator would take it."""
    if not HAS_CALLBACKS:
        raise ImportError(
            f"{name} is a callback, which came with scikit-learn 1.9, and {sklearn_version} is "
            f'installed. Upgrade it: pip install "scikit-learn>=1.9".'
        )
