"""Fits and epochs as tasks of scikit-learn's callbacks, and the base of the package's callbacks.

Callbacks came with scikit-learn 1.9. Before, the estimators have no `set_callbacks`, a fit is no
task, and the callbacks of this package cannot be made; `verbose` prints its lines all the same.
This module alone knows about it. Once 1.9 is required, `CallbackSupportMixin` is imported without
a condition, and `refuse_missing_callbacks` is deleted.

References
----------
scikit-learn enhancement proposal 23, "Callback API", and the developer guide of scikit-learn 1.9.
"""

from functools import partial

from sklearn import __version__ as sklearn_version

from sk_twolayer.sklearn_private import callbacks_of
from sk_twolayer.training.observers import Observer

try:
    from sklearn.callback import CallbackSupportMixin

    HAS_CALLBACKS = True
except ImportError:
    HAS_CALLBACKS = False

    class CallbackSupportMixin:
        """An estimator without `set_callbacks`."""

        @property
        def set_callbacks(self):
            """Say why there is no such method."""
            raise AttributeError(
                f"{type(self).__name__!r} has no attribute 'set_callbacks': callbacks came with "
                f"scikit-learn 1.9, and {sklearn_version} is installed. Upgrade it: "
                f'pip install "scikit-learn>=1.9".'
            )


def refuse_missing_callbacks(name):
    """Refuse a callback if scikit-learn is too old for any estimator to take it."""
    if not HAS_CALLBACKS:
        raise ImportError(
            f"{name} is a callback, which came with scikit-learn 1.9, and {sklearn_version} is "
            f'installed. Upgrade it: pip install "scikit-learn>=1.9".'
        )


class CallbackTasks(Observer):
    """Make every epoch a task of scikit-learn's callbacks, below the task of the fit.

    Parameters
    ----------
    context : sklearn.callback.CallbackContext
        Of the fit.
    fitted_attributes : callable
        Makes the attributes of an estimator as if the fit had stopped now, from the
        parameters of the network. Called only if a callback asks for such an estimator.
    **arguments : dict
        Arguments of every hook: `estimator`, `X`, `y`, `metadata`.
    """

    def __init__(self, context, fitted_attributes, **arguments):
        self.context = context
        self.fitted_attributes = fitted_attributes
        self.arguments = arguments

    def epoch_starts(self, progress):
        """Begin the task of the epoch."""
        self.task = self.context.subcontext(task_name="epoch")
        self.task.call_on_fit_task_begin(**self.arguments)

    def epoch_ended(self, progress):
        """End the task; return True if a callback asks to stop."""
        return self.task.call_on_fit_task_end(
            **self.arguments,
            reconstruction_attributes=lambda: self.fitted_attributes(progress.kept_parameters()),
        )

    def abandon_epoch(self):
        """End the task of an epoch that came to nothing: every begin has its end."""
        self.task.call_on_fit_task_end(estimator=self.arguments["estimator"])


class TrainingCallback:
    """A callback of scikit-learn's protocol that observes the training itself.

    The hooks of the protocol do nothing, as they do not receive the progress of the training.
    """

    def __post_init__(self):
        refuse_missing_callbacks(type(self).__name__)

    def observe(self, make_checkpoint):
        """Return an `Observer` for one fit.

        Parameters
        ----------
        make_checkpoint : callable
            Returns an estimator from which the fit can be resumed.
        """
        raise NotImplementedError

    def setup(self, estimator, context):
        """Refuse to be set on anything but a network: there is no training to observe."""
        if not isinstance(estimator, FitTaskMixin):
            name, other = type(self).__name__, type(estimator).__name__
            raise TypeError(
                f"{name} observes the training of a network, and was set on a {other}, which has "
                f"none itself. Set it on the network in there: in a pipeline, "
                f"TwoLayerClassifier(...).set_callbacks({name}(...)) is the step."
            )

    def on_fit_task_begin(self, estimator, context):
        """Do nothing."""

    def on_fit_task_end(self, estimator, context):
        """Do nothing."""

    def teardown(self, estimator, context):
        """Do nothing."""


class FitTaskMixin(CallbackSupportMixin):
    """An estimator whose fit is a task of scikit-learn's callbacks, if it has callbacks."""

    def _begin_fit_task(self, samples, plan, observers):
        """Notify scikit-learn's callbacks that a fit begins; return a function for its end."""
        X, y, sample_weight = samples
        context = self._init_callback_context(max_subtasks=plan.most_epochs())
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        arguments = {"estimator": self, "X": X, "y": y, "metadata": metadata}
        context.call_on_fit_task_begin(**arguments)
        attributes = partial(self._attributes_now, plan)
        observers.append(CallbackTasks(context, attributes, **arguments))
        make_checkpoint = partial(self._checkpoint, plan)
        observers += [
            callback.observe(make_checkpoint)
            for callback in callbacks_of(self)
            if isinstance(callback, TrainingCallback)
        ]
        return partial(context.call_on_fit_task_end, **arguments)
