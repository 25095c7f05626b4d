"""scikit-learn's callbacks on TwoLayerClassifier behave as they do on its own estimators."""

import itertools
import multiprocessing
import pickle
import re
import signal
import tracemalloc
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from plain_settings import plain_classifier
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.datasets import load_iris
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_twolayer import TwoLayerClassifier
from sk_twolayer.network import TwoLayerNetwork

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, y = load_iris(return_X_y=True)
SOLVERS = ["sgd", "adam", "adamw", "lbfgs"]


class Observer:
    """A callback that records events, and may request a stop or raise an error after an epoch."""

    def __init__(self, stop_after=None, raise_after=None, error=None):
        self.stop_after, self.raise_after, self.error = stop_after, raise_after, error
        self.events = []

    def setup(self, estimator, context):
        self.events.append("setup")

    def on_fit_task_begin(self, estimator, context):
        self.events.append(("begin", context.task_name, context.task_id))
        if context.task_name == "epoch" and context.task_id == self.raise_after:
            raise self.error

    def on_fit_task_end(self, estimator, context):
        self.events.append(("end", context.task_name, context.task_id))
        return context.task_name == "epoch" and context.task_id + 1 == self.stop_after

    def teardown(self, estimator, context):
        self.events.append("teardown")


class Recorder:
    """A callback that records the arguments of its hooks, and may fail at one of them."""

    def __init__(self, fail_at=None):
        self.fail_at, self.record = fail_at, []

    def note(self, name, estimator, context, **kwargs):
        self.record.append(
            {"name": name, "estimator": estimator, "context": context, "kwargs": kwargs}
        )
        if name == self.fail_at:
            raise ValueError(f"fails at {name}")

    def setup(self, estimator, context):
        self.note("setup", estimator, context)

    def on_fit_task_begin(
        self, estimator, context, *, X=None, y=None, metadata=None, fitted_estimator=None
    ):
        given = {"X": X, "y": y, "metadata": metadata, "fitted_estimator": fitted_estimator}
        self.note("on_fit_task_begin", estimator, context, **given)

    def on_fit_task_end(
        self, estimator, context, *, X=None, y=None, metadata=None, fitted_estimator=None
    ):
        given = {"X": X, "y": y, "metadata": metadata, "fitted_estimator": fitted_estimator}
        self.note("on_fit_task_end", estimator, context, **given)

    def teardown(self, estimator, context):
        self.note("teardown", estimator, context)

    def hooks(self):
        return [record["name"] for record in self.record]


class FileRecorder:
    """A callback that writes its hooks to a file, so that other processes can do so too."""

    def __init__(self, path):
        self.path = path

    def note(self, name, context):
        names = []
        task = context
        while task is not None:
            names.append(task.estimator_name)
            task = task.parent
        with open(self.path, "a") as file:  # a short line is appended at once
            file.write(" ".join([name, context.task_name.replace(" ", "_"), *names]) + "\n")

    def setup(self, estimator, context):
        self.note("setup", context)

    def on_fit_task_begin(self, estimator, context):
        self.note("on_fit_task_begin", context)

    def on_fit_task_end(self, estimator, context):
        self.note("on_fit_task_end", context)

    def teardown(self, estimator, context):
        self.note("teardown", context)

    def lines(self):
        """Return the hook, the task, and the estimators of the task and its parents."""
        return [line.split() for line in self.path.read_text().splitlines()]

    def hooks(self):
        return [hook for hook, *_ in self.lines()]


class PropagatedFileRecorder(FileRecorder):
    max_propagation_depth = None


@pytest.mark.parametrize("solver", SOLVERS)
def test_order_of_hooks(solver):
    observer = Observer()
    model = TwoLayerClassifier(solver=solver, max_iter=3, random_state=0).set_callbacks(observer)
    model.fit(X, y)
    epochs = [(hook, "epoch", i) for i in range(3) for hook in ("begin", "end")]
    expected = ["setup", ("begin", "fit", 0), *epochs, ("end", "fit", 0), "teardown"]
    assert observer.events == expected
    assert not hasattr(model, "_callback_fit_ctx")
    model.fit(X, y)
    assert observer.events == 2 * expected
    assert hasattr(model, "_skl_callbacks")


def test_arguments_of_the_hooks():
    recorder = Recorder()
    w = np.random.RandomState(0).uniform(size=150)
    model = TwoLayerClassifier(max_iter=2, random_state=0).set_callbacks(recorder)
    model.fit(X, y, sample_weight=w)
    tasks = [record for record in recorder.record if record["name"].startswith("on_fit")]
    assert len(tasks) == 2 * (1 + 2)
    for record in tasks:
        assert record["estimator"] is model
        assert_array_equal(record["kwargs"]["X"], X)
        assert_array_equal(record["kwargs"]["y"], y)
        assert_array_equal(record["kwargs"]["metadata"]["sample_weight"], w)
        assert (record["kwargs"]["fitted_estimator"] is None) == record["name"].endswith("begin")
    root = tasks[0]["context"]
    assert root.max_subtasks == 2
    assert [context.parent for context in root] == [None, root, root]
    assert {context.estimator_name for context in root} == {"TwoLayerClassifier"}


@pytest.mark.parametrize(
    ("options", "most"),
    [
        ({"max_iter": 7}, 7),
        ({"max_iter": 7, "max_updates": 11, "batch_size": 50}, 4),
        ({"max_iter": 2, "max_updates": 11, "batch_size": 50}, 2),
        ({"max_iter": 9, "max_updates": 11, "batch_size": 40, "replacement": True}, 4),
        ({"max_iter": 7, "max_updates": 4, "solver": "lbfgs"}, 4),
    ],
)
def test_the_announced_number_of_epochs_is_correct(options, most):
    recorder = Recorder()
    model = TwoLayerClassifier(n_iter_no_change=None, random_state=0, **options)
    model.set_callbacks(recorder).fit(X, y)
    assert recorder.record[0]["context"].max_subtasks == most
    assert recorder.hooks().count("on_fit_task_end") == 1 + most
    assert model.n_iter_ == most


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_stop_request_ends_the_training_after_that_epoch(solver):
    options = {"solver": solver, "random_state": 0}
    observer = Observer(stop_after=3)
    model = plain_classifier(max_iter=50, **options).set_callbacks(observer)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a requested stop gives no ConvergenceWarning
        model.fit(X, y)
    shorter = plain_classifier(max_iter=3, **options).fit(X, y)
    assert (model.n_iter_, model.n_updates_) == (3, shorter.n_updates_)
    assert_array_equal(model.coefs_[0], shorter.coefs_[0])
    assert model.loss_curve_ == shorter.loss_curve_
    assert observer.events[-2:] == [("end", "fit", 0), "teardown"]


@pytest.mark.parametrize(
    "options",
    [
        {"solver": "sgd"},
        {"solver": "adam", "dropout": 0.3},
        {"solver": "adamw"},
        {"solver": "lbfgs"},
        {"early_stopping": True, "learning_rate": 0.5, "validation_fraction": 0.3},
        {"batch_size": 20, "replacement": True},
    ],
    ids=str,
)
def test_scores_of_epochs_equal_the_scores_of_refits(options):
    monitor = ScoringMonitor(scoring="accuracy")
    w = np.random.RandomState(0).uniform(size=150)
    options = {"random_state": 0, "n_iter_no_change": None, **options}
    model = plain_classifier(max_iter=6, **options).set_callbacks(monitor)
    model.fit(X, y, sample_weight=w)
    log = monitor.get_logs().data
    assert len(log) == 7
    for entry in log:
        epochs = 6 if entry["task_name"] == "fit" else entry["task_id"] + 1
        refitted = plain_classifier(max_iter=epochs, **options).fit(X, y, sample_weight=w)
        expected = accuracy_score(y, refitted.predict(X), sample_weight=w)
        assert_allclose(entry["accuracy"], expected)


def peak_memory(*callbacks):
    """Return the peak memory of a fit of two epochs with 400,000 parameters, in bytes."""
    X = np.random.RandomState(0).standard_normal((20, 2000))
    model = TwoLayerClassifier(200, max_iter=2, random_state=0).set_callbacks(*callbacks)
    tracemalloc.start()
    model.fit(X, np.arange(20) % 2)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


def test_parameters_are_copied_only_for_callbacks_that_ask_for_an_estimator():
    recorder, n_bytes = Recorder(), 400_000 * 8
    plain, observed, recorded = peak_memory(), peak_memory(Observer()), peak_memory(recorder)
    assert observed < plain + n_bytes / 2
    assert recorded > plain + 1.5 * n_bytes  # the recorder keeps a copy of each epoch
    fitted = [r["kwargs"].get("fitted_estimator") for r in recorder.record if "kwargs" in r]
    first, second = [f for f in fitted if f is not None][:2]
    assert not np.shares_memory(first.coefs_[0], second.coefs_[0])
    assert not np.array_equal(first.coefs_[0], second.coefs_[0])


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("error", [ValueError("broken"), KeyboardInterrupt()], ids=repr)
def test_teardown_after_an_error_that_changes_nothing(error, solver):
    """A KeyboardInterrupt that a callback raises is treated as any other error."""
    observer = Observer(raise_after=1, error=error)
    model = TwoLayerClassifier(max_iter=3, solver=solver, random_state=0).set_callbacks(observer)
    attributes = set(vars(model))
    with pytest.raises(type(error)) as caught:
        model.fit(X, y)
    assert caught.value is error
    assert observer.events.count("teardown") == 1
    assert set(vars(model)) == attributes
    observer.raise_after = None
    model.set_params(warm_start=True).fit(X, y)
    before = pickle.dumps(model)
    observer.raise_after = 1
    with pytest.raises(type(error)):
        model.fit(X, y)
    assert not hasattr(model, "_callback_fit_ctx")
    model._skl_callbacks[0].events = pickle.loads(before)._skl_callbacks[0].events
    assert_same_arrays(model, pickle.loads(before))
    observer.raise_after = None
    assert_same_arrays(model.fit(X, y), pickle.loads(before).set_callbacks().fit(X, y))


def test_teardown_after_a_divergence():
    observer = Observer()
    model = TwoLayerClassifier(learning_rate=1e200, random_state=0).set_callbacks(observer)
    with pytest.raises(ValueError, match="diverged"):
        model.fit(X, y)
    assert observer.events.count("setup") == observer.events.count("teardown") == 1


@pytest.mark.parametrize("fail_at", ["setup", "on_fit_task_begin", "on_fit_task_end", "teardown"])
def test_teardown_of_a_callback_that_fails(fail_at):
    callback = Recorder(fail_at=fail_at)
    with pytest.raises(ValueError, match=f"fails at {fail_at}"):
        TwoLayerClassifier(max_iter=2).set_callbacks(callback).fit(X, y)
    assert callback.hooks().count("setup") == callback.hooks().count("teardown") == 1


def test_partial_fit_is_not_a_task():
    observer = Observer()
    TwoLayerClassifier().set_callbacks(observer).partial_fit(X, y, classes=[0, 1, 2])
    assert observer.events == []


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_propagation_from_search_and_pipeline(n_jobs, tmp_path):
    callback = PropagatedFileRecorder(tmp_path / "hooks")
    model = make_pipeline(StandardScaler(), TwoLayerClassifier(max_iter=4, random_state=0))
    search = GridSearchCV(
        model, {"twolayerclassifier__alpha": [1e-3, 1e-2]}, cv=2, n_jobs=n_jobs
    ).set_callbacks(callback)
    search.fit(X, y)
    hooks = callback.hooks()
    assert hooks.count("setup") == hooks.count("teardown") == 1
    begins = [line for line in callback.lines() if line[0] == "on_fit_task_begin"]
    epochs = [line for line in begins if line[1] == "epoch"]
    assert (
        len(epochs) == (2 * 2 + 1) * 4
    )  # four epochs for each candidate and fold, and for the refit
    assert hooks.count("on_fit_task_end") == len(begins)
    for _, _, *path in epochs:
        assert path[:3] == ["TwoLayerClassifier", "TwoLayerClassifier", "Pipeline"]
        assert path[-1] == "GridSearchCV"


def test_a_callback_of_the_network_within_a_search(tmp_path):
    callback = FileRecorder(tmp_path / "hooks")
    model = TwoLayerClassifier(max_iter=3, random_state=0).set_callbacks(callback)
    GridSearchCV(model, {"alpha": [1e-3, 1e-2]}, cv=2, n_jobs=2).fit(X, y)
    hooks = callback.hooks()
    assert hooks.count("setup") == hooks.count("teardown") == 5
    assert hooks.count("on_fit_task_begin") == 5 * (1 + 3)


@pytest.mark.parametrize("make", [ProgressBar, lambda: ScoringMonitor(scoring="accuracy")])
def test_clones_and_pickles(make, capsys):
    callback = make()
    model = TwoLayerClassifier(max_iter=3, random_state=0).set_callbacks(callback)
    assert clone(model)._skl_callbacks == [callback]
    for _ in range(2):  # before and after a fit
        restored = pickle.loads(pickle.dumps(model))
        assert [type(c) for c in restored._skl_callbacks] == [type(callback)]
        assert_array_equal(restored.fit(X, y).predict(X), model.fit(X, y).predict(X))
    if isinstance(callback, ProgressBar):
        shown = capsys.readouterr().out
        assert "TwoLayerClassifier - fit" in shown
        assert "100%" in shown


# Ctrl-C.


def at_every_update(monkeypatch, action):
    """Call an action in the middle of every update (for L-BFGS, evaluation of the loss)."""
    original, numbers = TwoLayerNetwork.loss_and_gradients, itertools.count(1)

    def loss_and_gradients(self, *args):
        action(next(numbers))
        return original(self, *args)

    monkeypatch.setattr(TwoLayerNetwork, "loss_and_gradients", loss_and_gradients)


def epochs_before_updates(model, monkeypatch):
    """Fit, and return the number of epochs that ended before each update and after the last."""
    observer, n_ended = Observer(), []

    def count(number=None):
        n_ended.append(sum(event[:2] == ("end", "epoch") for event in observer.events))

    with monkeypatch.context() as context:
        at_every_update(context, count)
        model.set_callbacks(observer).fit(X, y)
    count()
    return n_ended


@pytest.mark.parametrize("number", [1, 7, 13, 14, 15])  # an epoch has three updates
@pytest.mark.parametrize("solver", SOLVERS)
def test_an_interrupted_fit_equals_a_fit_with_max_updates(solver, number, monkeypatch):
    options = {"solver": solver, "random_state": 0, "batch_size": 50, "n_iter_no_change": None}
    rehearsal = plain_classifier(max_iter=12, **options)
    n_ended = epochs_before_updates(rehearsal, monkeypatch)
    observer = Observer()
    model = plain_classifier(max_iter=50, warm_start=True, **options).set_callbacks(observer)
    with monkeypatch.context() as context:
        at_every_update(context, lambda n: n == number and signal.raise_signal(signal.SIGINT))
        if solver == "lbfgs" and number == 1:  # before the first iteration
            with pytest.raises(KeyboardInterrupt):
                model.fit(X, y)
            assert not hasattr(model, "coefs_")
            return
        message = r"Training interrupted by user.* after (\d+) updates, in epoch (\d+)\."
        with pytest.warns(UserWarning, match=message) as caught:
            model.fit(X, y)
    n_updates, n_epochs = map(int, re.search(message, str(caught[0].message)).groups())
    assert (model.n_updates_, model.n_iter_) == (n_updates, n_epochs)
    n_abandoned = 0
    if solver == "lbfgs":  # it stops before the next evaluation, perhaps within an iteration
        assert n_updates == n_epochs == n_ended[number]
        n_abandoned = int(n_ended[number] == n_ended[number - 1])
    else:
        assert n_updates == number
        assert n_epochs == -(-number // 3)

    begins = [task for hook, *task in map(tuple, observer.events[1:-1]) if hook == "begin"]
    ends = [task for hook, *task in map(tuple, observer.events[1:-1]) if hook == "end"]
    assert sorted(begins) == sorted(ends)  # an interrupted iteration ends too
    assert len(ends) == 1 + n_epochs + n_abandoned
    assert observer.events[-1] == "teardown"

    whole = plain_classifier(max_iter=50, warm_start=True, **options)
    whole.set_params(max_updates=n_updates).fit(X, y)
    assert_same_arrays(model, whole)
    for each in (model, whole):  # both continue in the same way
        each.set_params(max_iter=2, max_updates=None).fit(X, y)
    assert_same_arrays(model, whole)
    assert len(model.loss_curve_) == n_epochs + 2


def assert_same_arrays(model, other):
    for name in ("coefs_", "intercepts_"):
        for array, expected in zip(getattr(model, name), getattr(other, name), strict=True):
            assert_array_equal(array, expected)
    for name in ("n_iter_", "n_updates_", "loss_curve_", "batch_loss_curve_", "train_scores_"):
        assert getattr(model, name) == getattr(other, name)


class Presser(Observer):
    """A callback that presses Ctrl-C when the fit begins, or once or twice after some epoch."""

    def __init__(self, at, times=1):
        super().__init__()
        self.at, self.times = at, times

    def on_fit_task_begin(self, estimator, context):
        super().on_fit_task_begin(estimator, context)
        if context.task_name == self.at:
            signal.raise_signal(signal.SIGINT)

    def on_fit_task_end(self, estimator, context):
        super().on_fit_task_end(estimator, context)
        if context.task_name == "epoch" and context.task_id == self.at:
            for _ in range(self.times):
                signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(
    "presser", [Presser("fit"), Presser(2, times=2)], ids=["before the first update", "twice"]
)
def test_an_interrupt_with_nothing_to_keep_is_raised_and_changes_nothing(presser, solver):
    model = TwoLayerClassifier(max_iter=5, solver=solver, warm_start=True, random_state=0)
    model.fit(X, y)
    before = pickle.loads(pickle.dumps(model))
    with pytest.raises(KeyboardInterrupt):
        model.set_callbacks(presser).fit(X, y)
    assert presser.events[-1] == "teardown"
    assert_same_arrays(model, before)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert_same_arrays(model.set_callbacks().fit(X, y), before.fit(X, y))


def test_an_interrupt_in_a_worker_is_raised(monkeypatch):
    monkeypatch.setattr(multiprocessing.current_process(), "name", "a worker")
    presser = Presser(2)
    model = TwoLayerClassifier(max_iter=5, random_state=0).set_callbacks(presser)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    assert presser.events[-2:] == [("end", "epoch", 2), "teardown"]  # the fit does not continue
    assert not hasattr(model, "coefs_")


# The estimator of an epoch.


class KeepEstimators:
    """A callback that keeps the estimator of each epoch."""

    def __init__(self):
        self.kept = []

    def setup(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        if context.task_name == "epoch":
            self.kept.append(fitted_estimator)

    def teardown(self, estimator, context):
        pass


@pytest.mark.parametrize("container", [np.asarray, csr_array])
@pytest.mark.parametrize("solver", SOLVERS)
def test_the_estimator_of_an_epoch_is_what_a_shorter_fit_leaves_and_trains_on(solver, container):
    """It is the estimator as it would be if training stopped there."""
    samples, keep = container(X), KeepEstimators()
    options = {"solver": solver, "random_state": 0, "learning_rate_schedule": "constant"}
    options |= {"warm_start": True, "n_iter_no_change": None, "warmup_fraction": 0.0}
    whole = TwoLayerClassifier(5, max_iter=6, **options).set_callbacks(keep).fit(samples, y)
    shorter = TwoLayerClassifier(5, max_iter=3, **options).fit(samples, y)
    third = keep.kept[2]
    for name in ("n_iter_", "n_updates_", "loss_curve_", "train_scores_", "alpha_"):
        assert getattr(third, name) == getattr(shorter, name), name
    assert_array_equal(third.predict_proba(samples), shorter.predict_proba(samples))
    third.set_params(max_iter=3).fit(samples, y)
    shorter.fit(samples, y)
    for mine, other in zip(third.coefs_, shorter.coefs_, strict=True):
        assert_array_equal(mine, other)
    assert whole.n_iter_ == 6


def test_the_estimator_of_an_epoch_trains_on_without_a_warm_start():
    keep = KeepEstimators()
    whole = TwoLayerClassifier(5, max_iter=3, random_state=0).set_callbacks(keep).fit(X, y)
    before = [array.copy() for array in whole.coefs_]
    for kept in keep.kept:
        kept.partial_fit(X, y)
        pickle.loads(pickle.dumps(kept)).partial_fit(X, y)
    assert len(keep.kept) == whole.n_iter_ == len(whole.loss_curve_) == 3
    for mine, other in zip(whole.coefs_, before, strict=True):
        assert_array_equal(mine, other)
