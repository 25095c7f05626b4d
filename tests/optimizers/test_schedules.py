"""The learning rate of every update follows the schedule, also when a stopped fit continues."""

import signal
import warnings
from math import cos, pi

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from plain_settings import plain_classifier
from scipy.sparse import csr_array
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning

from sk_twolayer import TwoLayerClassifier
from sk_twolayer.optimizers import SGD, Adam, AdamW
from sk_twolayer.schedules import Schedule

X, y = load_iris(return_X_y=True)
SOLVERS = ["sgd", "adam", "adamw"]


def test_the_cosine_schedule_is_half_a_period():
    factors = [Schedule("cosine", 4).factor(update) for update in range(6)]
    assert_allclose(factors, [1, 0.5 + 0.5**1.5, 0.5, 0.5 - 0.5**1.5, 0, 0], atol=1e-15)


@pytest.mark.parametrize("kind", ["constant", "exponential"])
def test_other_schedules_are_constant_after_the_warm_up(kind):
    factors = [Schedule(kind, 10, 0.4).factor(update) for update in range(12)]
    assert_allclose(factors, [0.25, 0.5, 0.75] + 9 * [1])
    assert Schedule(kind).factor(0) == Schedule(kind, 1000).factor(0) == 1


@pytest.mark.parametrize(("n_updates", "warmup_fraction"), [(1, 0), (1, 0.9), (2, 0.5), (7, 0.99)])
def test_a_schedule_of_few_updates_has_factors_above_zero(n_updates, warmup_fraction):
    schedule = Schedule("cosine", n_updates, warmup_fraction)
    assert all(0 < schedule.factor(update) <= 1 for update in range(n_updates))


@pytest.fixture
def rates(monkeypatch):
    """Record the learning rate of every update."""
    rates = []
    for optimizer in (SGD, Adam, AdamW):
        original = optimizer.update

        def spy(self, gradient, learning_rate, n_updates=None, original=original):
            rates.append(learning_rate)
            return original(self, gradient, learning_rate, n_updates)

        monkeypatch.setattr(optimizer, "update", spy)
    return rates


def make(**options):
    """Make an estimator with three updates per epoch of iris and a learning rate of 0.01."""
    defaults = {"batch_size": 50, "learning_rate": 0.01, "random_state": 0, "max_iter": 4}
    return plain_classifier(5, **{"learning_rate_schedule": "cosine"} | defaults | options)


def cosine(n_warmup, n_updates):
    """Compute the learning rates of a cosine schedule by the formula."""
    n_falling = n_updates - n_warmup
    falling = [0.5 * (1 + cos(pi * i / n_falling)) for i in range(n_falling)]
    return 0.01 * np.array([(i + 1) / n_warmup for i in range(n_warmup)] + falling)


@pytest.mark.parametrize("container", [np.asarray, csr_array])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(
    ("options", "n_warmup", "n_updates"),
    [
        ({}, 0, 12),
        ({"warmup_fraction": 0.25}, 3, 12),
        ({"warmup_fraction": 0.3, "max_updates": 7}, 2, 7),
        ({"warmup_fraction": 0.25, "max_updates": 100}, 3, 12),
        ({"warmup_fraction": 0.5, "batch_size": 40, "replacement": True}, 6, 12),
        ({"batch_size": 40}, 0, 16),
    ],
    ids=str,
)
def test_the_cosine_spans_the_updates_that_max_iter_and_max_updates_allow(
    container, solver, options, n_warmup, n_updates, rates
):
    model = make(solver=solver, **options).fit(container(X), y)
    assert model.n_updates_ == n_updates
    assert_allclose(rates, cosine(n_warmup, n_updates), rtol=1e-12)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_only_the_exponential_schedule_decays_after_each_epoch(rates):
    options = {"learning_rate_decay": 0.5, "warmup_fraction": 0.25, "max_iter": 3}
    make(learning_rate_schedule="exponential", **options).fit(X, y)
    expected = [0.5, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25]  # a quarter of nine is two
    assert_allclose(rates, 0.01 * np.array(expected))
    rates.clear()
    make(learning_rate_schedule="constant", **options).fit(X, y)
    assert_allclose(rates, [0.005] + 8 * [0.01])


@pytest.mark.parametrize("kind", ["constant", "exponential", "cosine"])
def test_partial_fit_has_a_constant_rate(kind, rates):
    model = make(learning_rate_schedule=kind, warmup_fraction=0.5)
    for _ in range(3):
        model.partial_fit(X, y, classes=[0, 1, 2])
    assert rates == 9 * [0.01]


def test_partial_fit_does_not_advance_the_schedule(rates):
    model = make(warmup_fraction=0.25, warm_start=True)
    model.partial_fit(X, y, classes=[0, 1, 2])
    rates.clear()
    model.fit(X, y)
    assert_allclose(rates, cosine(3, 12), rtol=1e-12)


class StopsAfter:
    """A callback that stops training after an epoch, by its return value or by Ctrl-C."""

    def __init__(self, n_epochs, interrupts=False):
        self.n_epochs, self.interrupts = n_epochs, interrupts

    def setup(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        stops = context.task_name == "epoch" and context.task_id + 1 == self.n_epochs
        if stops and self.interrupts:
            signal.raise_signal(signal.SIGINT)
        return stops and not self.interrupts

    def teardown(self, estimator, context):
        pass


@pytest.mark.callbacks
@pytest.mark.filterwarnings("ignore:Training interrupted")
@pytest.mark.parametrize("interrupts", [False, True])
@pytest.mark.parametrize("container", [np.asarray, csr_array])
@pytest.mark.parametrize("solver", SOLVERS)
def test_a_stopped_fit_continues_its_schedule(solver, container, interrupts, rates):
    options = {"solver": solver, "warmup_fraction": 0.5, "dropout": 0.3, "warm_start": True}
    rows = container(X * (X > 2))
    whole = make(**options).fit(rows, y)
    assert_allclose(rates, cosine(6, 12), rtol=1e-12)
    rates.clear()
    stopped = make(**options).set_callbacks(StopsAfter(1, interrupts)).fit(rows, y)
    assert (stopped.n_updates_, len(rates)) == (3, 3)
    stopped.set_callbacks(StopsAfter(2, interrupts)).fit(rows, y)
    assert (stopped.n_updates_, stopped.n_iter_) == (9, 2)
    stopped.set_callbacks().fit(rows, y)
    assert (stopped.n_updates_, stopped.n_iter_) == (12, 1)
    assert_allclose(rates, cosine(6, 12), rtol=1e-12)
    # The end of each fit applies the pending updates, which changes the rounding.
    tolerance = 0 if container is np.asarray or solver == "adam" else 1e-10
    for ours, expected in zip(
        [*stopped.coefs_, *stopped.intercepts_, stopped.batch_loss_curve_],
        [*whole.coefs_, *whole.intercepts_, whole.batch_loss_curve_],
        strict=True,
    ):
        assert_allclose(ours, expected, rtol=0, atol=tolerance)


@pytest.mark.filterwarnings("ignore:Training interrupted")
def test_a_fit_stopped_inside_an_epoch_continues_its_schedule(rates, monkeypatch):
    model = make(warmup_fraction=0.25, warm_start=True)
    original = SGD.update

    def interrupted(self, *args):
        original(self, *args)
        if len(rates) == 5:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as context:
        context.setattr(SGD, "update", interrupted)
        model.fit(X, y)
    assert model.n_updates_ == 5
    model.fit(X, y)
    assert model.n_updates_ == 12
    assert_allclose(rates, cosine(3, 12), rtol=1e-12)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_warm_start_after_a_whole_schedule_begins_a_new_one(solver, rates):
    model = make(solver=solver, warmup_fraction=0.25, warm_start=True).fit(X, y)
    once = model.coefs_[0].copy()
    model.set_params(max_iter=2).fit(X, y)
    expected = np.concatenate([cosine(3, 12), cosine(2, 6)])  # a quarter of six is two
    assert_allclose(rates, expected, rtol=1e-12)
    assert not np.array_equal(model.coefs_[0], once)


@pytest.mark.callbacks
def test_another_solver_begins_a_new_schedule(rates):
    model = make(warm_start=True).set_callbacks(StopsAfter(1)).fit(X, y)
    rates.clear()
    model.set_params(solver="adamw").set_callbacks().fit(X, y)
    assert_allclose(rates, cosine(0, 12), rtol=1e-12)


def test_only_fits_without_a_cosine_warn_about_convergence_at_max_iter():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        TwoLayerClassifier(5, random_state=0).fit(X, y)
        make(max_iter=1).fit(X, y)
    for kind in ("constant", "exponential"):
        with pytest.warns(ConvergenceWarning, match="max_iter=1 "):
            make(learning_rate_schedule=kind, max_iter=1).fit(X, y)


def test_epochs_of_the_warm_up_do_not_count_as_epochs_without_progress():
    options = {"n_iter_no_change": 3, "tol": 1e9, "max_iter": 40}
    assert make(**options, warmup_fraction=0.0).fit(X, y).n_iter_ == 4
    assert make(**options, warmup_fraction=0.25).fit(X, y).n_iter_ == 10 + 3


def test_only_fits_without_a_cosine_stop_early_by_default():
    options = {"n_iter_no_change": "auto", "tol": 1e9, "max_iter": 40}
    for validation in ({}, {"X_val": X, "y_val": y}):
        assert make(**options).fit(X, y, **validation).n_iter_ == 40
        constant = make(**options, learning_rate_schedule="constant").fit(X, y, **validation)
        assert constant.n_iter_ == 11  # the first epoch, and ten without progress
    assert make(**options, early_stopping=True).fit(X, y).n_iter_ == 40


def test_two_fits_with_the_same_settings_are_equal():
    first, second = (make(solver="adamw").fit(X, y) for _ in range(2))
    assert_array_equal(first.coefs_[0], second.coefs_[0])
