"""Branches that few calls reach: each test fails if its branch is removed or swapped."""

import signal
from math import ceil

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import bsr_array, csr_array
from sklearn.datasets import load_iris
from sklearn.metrics import r2_score

from sk_twolayer import TwoLayerClassifier, TwoLayerRegressor

RNG = np.random.RandomState(0)
X = RNG.standard_normal((40, 6))
LABELS = np.arange(40) % 3


# Regressors.


@pytest.mark.parametrize(("validated", "score"), [(5.0, 1.0), (6.0, 0.0)])
def test_a_constant_target_scores_1_if_predicted_exactly_and_0_if_not(validated, score):
    # Products of two such weights are zero, and so is the error: no weight moves.
    model = TwoLayerRegressor(3, init=1e-200, max_iter=2, random_state=0)
    y, y_val = np.full(40, 5.0), np.full(40, validated)
    model.fit(X, y, X_val=X, y_val=y_val)
    assert_array_equal(model.predict(X), y)
    assert model.validation_scores_ == [score, score]
    assert r2_score(y_val, y) == score


# The length that "auto" plans.


@pytest.mark.parametrize("batch_size", [1, 3, 8, 40])
@pytest.mark.parametrize("make", [TwoLayerClassifier, TwoLayerRegressor])
@pytest.mark.parametrize("n_samples", [40, 80])
def test_auto_plans_updates_and_epochs_at_least(make, batch_size, n_samples):
    y = LABELS if make is TwoLayerClassifier else X[:, 0]
    least, planned = (
        (15, 300) if make is TwoLayerClassifier else (20, 150 if n_samples <= 64 else 300)
    )
    X_, y = (np.concatenate([array, array])[:n_samples] for array in (X, y))
    model = make(2, batch_size=batch_size, max_updates=1, random_state=0).fit(X_, y)
    assert model.max_iter_ == max(least, ceil(planned / ceil(n_samples / batch_size)))


# Input.


def blocks():
    """Return samples in blocks of two rows and three columns, as BSR."""
    return bsr_array(X * (X > 0), blocksize=(2, 3))


def test_samples_in_blocks_are_those_of_csr():
    model = TwoLayerClassifier(3, max_iter=3, random_state=0).fit(blocks(), LABELS)
    other = TwoLayerClassifier(3, max_iter=3, random_state=0).fit(csr_array(blocks()), LABELS)
    assert_array_equal(model.coefs_[0], other.coefs_[0])
    assert_array_equal(model.predict_proba(blocks()), other.predict_proba(csr_array(blocks())))


@pytest.mark.parametrize("index", [-1, 2, 5])
def test_blocks_outside_of_the_samples_are_refused(index):
    broken = blocks()
    broken.indices[-1] = index  # there are two blocks side by side: 0 and 1
    model = TwoLayerClassifier(3, max_iter=3, random_state=0).fit(X, LABELS)
    with pytest.raises(ValueError, match=r"index|indices"):  # first where products only read
        model.predict(broken)
    with pytest.raises(ValueError, match=r"index|indices"):
        model.fit(broken, LABELS)


@pytest.mark.parametrize(("at", "n_blocks"), [(0, 1), (3, 9), (-1, 50)])
def test_rows_of_blocks_that_begin_or_end_outside_are_refused(at, n_blocks):
    broken = blocks()
    broken.indptr[at] = n_blocks
    with pytest.raises(ValueError):  # noqa: PT011 -- SciPy finds some of them itself
        TwoLayerClassifier(3).fit(broken, LABELS)


# Schedules.


def test_a_warm_start_with_the_same_cosine_begins_it_anew(capsys):
    model = TwoLayerClassifier(
        *(3,),
        **{
            "learning_rate_schedule": "cosine",
            "learning_rate": 0.02,
            "max_iter": 4,
            "warmup_fraction": 0.0,
        },
        **{"batch_size": 10, "warm_start": True, "verbose": True, "random_state": 0},
    )
    rates, weights = [], []
    for _ in range(3):
        model.fit(X, LABELS)
        lines = capsys.readouterr().out.splitlines()
        rates.append([float(line.split("learning rate")[1].split()[0]) for line in lines])
        weights.append(model.coefs_[0].copy())
    # Four updates an epoch. A line is printed after the last of them, with its rate.
    expected = [0.01 * (1 + np.cos(np.pi * update / 16)) for update in (3, 7, 11, 15)]
    assert_allclose(rates, 3 * [expected], rtol=1e-2)
    assert model.n_updates_ == 3 * 16
    assert not np.array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[1], weights[2])


# L-BFGS.


def test_lbfgs_trains_until_the_gradient_is_below_tol():
    features, labels = load_iris(return_X_y=True)
    features = (features - features.mean(axis=0)) / features.std(axis=0)
    options = {"activation": "tanh", "solver": "lbfgs", "alpha": 0.01, "random_state": 0}
    model = TwoLayerClassifier(3, tol=1e-8, max_iter=2000, **options).fit(features, labels)

    (W1, W2), (b1, b2) = model.coefs_, model.intercepts_
    a1 = np.tanh(features @ W1 + b1)
    exp_scores = np.exp(a1 @ W2 + b2)
    dscores = (exp_scores / exp_scores.sum(axis=1, keepdims=True) - np.eye(3)[labels]) / len(labels)
    dz1 = dscores @ W2.T * (1 - a1**2)
    gradients = [
        features.T @ dz1 + 0.01 * W1,
        a1.T @ dscores + 0.01 * W2,
        dz1.sum(0),
        dscores.sum(0),
    ]
    assert max(np.abs(gradient).max() for gradient in gradients) < 1e-8


# Callbacks.


class PressesCtrlC:
    """A callback that notes epochs and presses Ctrl-C when one of them begins."""

    def __init__(self, number):
        self.number, self.begun, self.ended = number, [], []

    def setup(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        if context.task_name == "epoch":
            self.begun.append(context.task_id)
            if context.task_id == self.number:
                signal.raise_signal(signal.SIGINT)

    def on_fit_task_end(self, estimator, context):
        if context.task_name == "epoch":
            self.ended.append(context.task_id)

    def teardown(self, estimator, context):
        pass


@pytest.mark.callbacks
@pytest.mark.filterwarnings("ignore:Training interrupted")
def test_an_iteration_of_lbfgs_that_comes_to_nothing_ends_for_callbacks_too():
    n_abandoned = 0
    for number in range(1, 25):
        callback = PressesCtrlC(number)
        model = TwoLayerClassifier(3, solver="lbfgs", max_iter=50, random_state=0)
        model.set_callbacks(callback).fit(X, LABELS)
        assert callback.begun == callback.ended == list(range(number + 1))
        # The line search of an iteration is left if it needs another evaluation of the loss.
        assert number <= model.n_iter_ <= number + 1
        n_abandoned += model.n_iter_ == number
    assert 0 < n_abandoned < 24
