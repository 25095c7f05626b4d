"""Callbacks that end a fit: at a target score, and when its time is up."""

import pickle

import joblib
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from plain_settings import plain_classifier
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from sk_twolayer import TwoLayerClassifier, TwoLayerRegressor
from sk_twolayer.callbacks import EarlyStopping, TimeLimit

CLOCK = "sk_twolayer.callbacks.stopping.monotonic"

X, X_val, y, y_val = train_test_split(*load_digits(return_X_y=True), random_state=0)
X, X_val = X / 16, X_val / 16
SOLVERS = ["sgd", "adamw", "lbfgs"]


def make(**options):
    defaults = {"max_iter": 25, "n_iter_no_change": None, "random_state": 0}
    return plain_classifier(20, **defaults | options)


def assert_same_fit(model, other):
    assert model.n_iter_ == other.n_iter_
    assert model.loss_curve_ == other.loss_curve_
    assert model.validation_scores_ == other.validation_scores_
    for mine, expected in zip(model.coefs_, other.coefs_, strict=True):
        assert_array_equal(mine, expected)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(
    "validation", [{}, {"X_val": X_val, "y_val": y_val}], ids=["training", "validation"]
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_fit_ends_at_the_first_score_that_reaches_the_target(validation, solver):
    whole = make(solver=solver).fit(X, y, **validation)
    scores = whole.validation_scores_ if validation else whole.train_scores_
    target = sorted(scores)[len(scores) // 2]
    n_epochs = 1 + next(i for i, score in enumerate(scores) if score >= target)
    assert 1 < n_epochs < whole.n_iter_
    stopped = make(solver=solver).set_callbacks(EarlyStopping(target)).fit(X, y, **validation)
    assert stopped.n_iter_ == n_epochs
    assert_same_fit(stopped, make(solver=solver, max_iter=n_epochs).fit(X, y, **validation))
    if validation:
        assert stopped.score(X_val, y_val) == stopped.best_validation_score_ >= target


def test_the_target_of_a_regressor_is_an_r2():
    others, pixel = X[:, :-1], X[:, 20]
    options = {"max_iter": 20, "early_stopping": True, "random_state": 0}
    whole = TwoLayerRegressor(**options).fit(others, pixel)
    n_epochs = 1 + next(i for i, r2 in enumerate(whole.validation_scores_) if r2 >= 0.9)
    assert 1 < n_epochs < 20
    stopped = TwoLayerRegressor(**options).set_callbacks(EarlyStopping(0.9)).fit(others, pixel)
    assert stopped.validation_scores_ == whole.validation_scores_[:n_epochs]


def test_a_target_that_is_not_reached_changes_nothing():
    stopped, whole = make(max_iter=3).set_callbacks(EarlyStopping(1.1)), make(max_iter=3)
    for model in (stopped, whole):
        with pytest.warns(ConvergenceWarning):
            model.fit(X, y)
    assert_same_fit(stopped, whole)


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still, as a list of one number, which tests may change."""
    now = [1000.0]
    monkeypatch.setattr(CLOCK, lambda: now[0])
    return now


class Ticking:
    """A callback that moves the clock by some seconds after each epoch."""

    def __init__(self, clock, seconds):
        self.clock, self.seconds = clock, seconds

    def setup(self, estimator, context):
        self.clock[0] += 17  # before the fit begins, which is not counted

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        self.clock[0] += self.seconds

    def teardown(self, estimator, context):
        pass


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(("seconds", "n_epochs"), [(0.1, 1), (2, 1), (2.5, 2), (10, 5)])
def test_a_fit_ends_with_the_epoch_in_which_its_time_is_up(seconds, n_epochs, solver, clock):
    limit, ticking = TimeLimit(seconds), Ticking(clock, 2.0)
    model = make(solver=solver).set_callbacks(ticking, limit)
    for _ in range(2):  # every fit has all of the time
        model.fit(X, y)
        assert model.n_iter_ == n_epochs


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_in_a_search_through_a_pipeline(clock):
    network = make(max_iter=50).set_callbacks(Ticking(clock, 2.0), TimeLimit(8), EarlyStopping(2))
    search = GridSearchCV(
        make_pipeline(MinMaxScaler(), network), {"twolayerclassifier__alpha": [1e-3, 1e-2]}, cv=2
    )
    search.fit(X, y)
    assert search.best_estimator_[-1].n_iter_ == 4
    shorter = make_pipeline(MinMaxScaler(), make(max_iter=4))
    expected = GridSearchCV(shorter, search.param_grid, cv=2).fit(X, y)
    for name in ("split0_test_score", "split1_test_score"):
        assert_array_equal(search.cv_results_[name], expected.cv_results_[name])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_in_the_workers_of_a_search():
    network = make(early_stopping=True).set_callbacks(EarlyStopping(0.5), TimeLimit(3600))
    pipeline = make_pipeline(MinMaxScaler(), network)
    grid = {"twolayerclassifier__alpha": [1e-3, 1e-2]}
    alone = GridSearchCV(pipeline, grid, cv=2).fit(X, y)
    with joblib.parallel_config("multiprocessing", n_jobs=2):  # workers that import nothing
        together = GridSearchCV(pipeline, grid, cv=2).fit(X, y)
    assert 0.5 <= alone.best_estimator_[-1].validation_scores_[-1] < 0.9  # stopped early
    for name in ("split0_test_score", "split1_test_score"):
        assert_array_equal(together.cv_results_[name], alone.cv_results_[name])


@pytest.mark.parametrize("callback", [EarlyStopping(0.5), TimeLimit(3)])
def test_callbacks_are_values(callback):
    assert pickle.loads(pickle.dumps(callback)) == callback
    model = TwoLayerClassifier().set_callbacks(callback)
    assert clone(model)._skl_callbacks == [callback]
    with pytest.raises(TypeError, match=rf"{type(callback).__name__} observes .* on a Pipeline"):
        make_pipeline(MinMaxScaler(), model.set_callbacks()).set_callbacks(callback).fit(X, y)


def test_targets_and_limits_that_are_refused():
    for target in ("high", None, np.nan):
        with pytest.raises(TypeError, match=r"target=.* must be a number"):
            EarlyStopping(target)
    for seconds in ("3", None):
        with pytest.raises(TypeError, match=r"seconds=.* must be a number"):
            TimeLimit(seconds)
    for seconds in (0, -1, np.nan):
        with pytest.raises(ValueError, match=r"seconds=.* must be above zero"):
            TimeLimit(seconds)
