"""Whom training reports to: scikit-learn's callbacks, ours, and the lines that `verbose` prints.

They are told when an epoch starts and when it has ended, and may then ask to stop. What watches a
fit is made when it begins: so a callback is a plain value, which may be set on many networks.
"""

from dataclasses import dataclass
from functools import partial
from time import perf_counter

from sk_twolayer.compatibility import CallbackSupportMixin, refuse_missing_callbacks


class Watcher:
    """Whoever watches a fit, and so far does nothing."""

    def epoch_starts(self, progress):
        """Do nothing."""

    def epoch_ended(self, progress):
        """Ask for nothing."""
        return False

    def abandon_epoch(self):
        """Do nothing."""


class PrintedLines(Watcher):
    """Print one aligned line after each epoch.

    Parameters
    ----------
    score_name : str
        What the scores of the network are called.
    scoring : str, callable or None
        What validation rows are scored by, if not by these.
    """

    def __init__(self, score_name, scoring=None):
        self.score_name = score_name
        self.validation_name = score_name if scoring is None else "score"

    def epoch_starts(self, progress):
        """Start the clock."""
        self.start = perf_counter()

    def epoch_ended(self, progress):
        """Print the line."""
        history, rate = progress.state.history, progress.state.rate
        line = f"epoch {progress.state.n_epochs:5d}   loss {history.losses[-1]:10.6f}"
        line += f"   training {self.score_name} {history.train_scores[-1]:.4f}"
        if progress.validation is not None:
            line += f"   validation {self.validation_name} {history.validation_scores[-1]:.4f}"
        if rate is not None:
            line += f"   learning rate {rate:.2e}"
        print(f"{line}   {perf_counter() - self.start:8.3f} s")


class CallbackTasks(Watcher):
    """Make every epoch a task of scikit-learn's callbacks, under the task that is the fit.

    Parameters
    ----------
    context : sklearn.callback.CallbackContext
        That of the fit.
    fitted_attributes : callable
        Makes the attributes of an estimator as if the fit had stopped now, from the
        parameters of the network. Called only if a callback asks for such an estimator.
    **arguments : dict
        What every hook is given: `estimator`, `X`, `y`, `metadata`.

    References
    ----------
    scikit-learn enhancement proposal 23, "Callback API", and the developer guide of
    scikit-learn 1.9.
    """

    def __init__(self, context, fitted_attributes, **arguments):
        self.context = context
        self.fitted_attributes = fitted_attributes
        self.arguments = arguments

    def epoch_starts(self, progress):
        """Open the task of the epoch."""
        self.task = self.context.subcontext(task_name="epoch")
        self.task.call_on_fit_task_begin(**self.arguments)

    def epoch_ended(self, progress):
        """Close the task; return whether a callback asks to stop."""
        return self.task.call_on_fit_task_end(
            **self.arguments,
            reconstruction_attributes=lambda: self.fitted_attributes(progress.kept_parameters()),
        )

    def abandon_epoch(self):
        """Close the task of an epoch that was broken off: every begin has its end."""
        self.task.call_on_fit_task_end(estimator=self.arguments["estimator"])


@dataclass(frozen=True)
class TrainingCallback:
    """A callback of scikit-learn's protocol that watches the training itself.

    The hooks of the protocol are not told what it needs to know, and do nothing.
    """

    def __post_init__(self):
        refuse_missing_callbacks(type(self).__name__)

    def watch(self, make_checkpoint):
        """Return a `Watcher` for one fit.

        Parameters
        ----------
        make_checkpoint : callable
            Returns an estimator with which a fit goes on from where this one is.
        """
        raise NotImplementedError

    def setup(self, estimator, context):
        """Refuse to be set on anything but a network, where there is nothing to watch."""
        if not isinstance(estimator, FitTaskMixin):
            name, other = type(self).__name__, type(estimator).__name__
            raise TypeError(
                f"{name} watches the training of a network, and was set on a {other}, which has "
                f"none of its own. Set it on the network in there: in a pipeline, "
                f"TwoLayerClassifier(...).set_callbacks({name}(...)) is the step."
            )

    def on_fit_task_begin(self, estimator, context):
        """Do nothing."""

    def on_fit_task_end(self, estimator, context):
        """Do nothing."""

    def teardown(self, estimator, context):
        """Do nothing."""


class FitTaskMixin(CallbackSupportMixin):
    """An estimator whose fit is a task of scikit-learn's callbacks, where there are any."""

    def _begin_fit_task(self, rows, call, watchers):
        """Tell scikit-learn's callbacks that a fit begins; return what tells them its end."""
        X, y, sample_weight = rows
        context = self._init_callback_context(max_subtasks=call.most_epochs())
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        arguments = {"estimator": self, "X": X, "y": y, "metadata": metadata}
        context.call_on_fit_task_begin(**arguments)
        if hasattr(self, "_skl_callbacks"):  # where they are has no public name
            attributes = partial(self._prediction_attributes, call, copy=True)
            watchers.append(CallbackTasks(context, attributes, **arguments))
            make_checkpoint = partial(self._checkpoint, call)
            watchers += [
                callback.watch(make_checkpoint)
                for callback in self._skl_callbacks
                if isinstance(callback, TrainingCallback)
            ]
        return partial(context.call_on_fit_task_end, **arguments)
