"""L-BFGS sums the gradient over batches, and ends at a minimum."""

import os
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.datasets import load_diabetes, load_iris, load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.preprocessing import StandardScaler

from sk_twolayer import TwoLayerClassifier, TwoLayerRegressor
from sk_twolayer.data import Data
from sk_twolayer.network import TwoLayerNetwork, initialize, n_parameters, unpack
from sk_twolayer.planning import Plan
from sk_twolayer.training import TrainingState, train


@pytest.mark.parametrize("batch_size", [50, 7])
def test_the_gradient_of_all_samples_vanishes_at_the_end(batch_size):
    rng = np.random.RandomState(0)
    X, y, w = rng.standard_normal((50, 4)), rng.randint(3, size=50), rng.uniform(0, 2, 50)
    w[:5] = 0
    state = TrainingState((4, 5, 3), np.zeros(n_parameters(4, 5, 3)), "lbfgs")
    initialize(*unpack(state.parameters, 4, 5, 3), "he", rng)
    settings = {"alpha": 0.02, "activation": "tanh"}
    plan = Plan("lbfgs", Data(X, y, w), state=state, network_settings=settings)
    plan.batch_size, plan.max_iter, plan.tol = batch_size, 1000, 1e-5
    assert train(plan)
    history = state.history

    whole = TwoLayerNetwork(4, 5, 3, batch_size=50, **settings)
    whole.parameters[:] = state.parameters
    loss, accuracy = whole.loss_and_gradients(X, y, w)
    assert np.abs(whole.gradient).max() < 1e-5
    assert_allclose(history.losses[-1], loss, rtol=1e-12)
    assert_allclose(history.train_scores[-1], accuracy, rtol=1e-12)
    assert (np.diff(history.losses) <= 0).all()
    assert history.batch_losses == history.losses


def test_a_linear_network_reaches_the_optimum_of_logistic_regression():
    # Without a penalty, two linear layers are equivalent to one. With overlapping classes, the
    # optimum is finite.
    X, y = load_iris(return_X_y=True)
    X, y = StandardScaler().fit_transform(X[50:, :2]), y[50:]
    linear = LogisticRegression(C=np.inf, tol=1e-10).fit(X, y)
    ours = TwoLayerClassifier(
        3, activation="identity", solver="lbfgs", alpha=0, tol=1e-8, random_state=0
    ).fit(X, y)
    assert_allclose(ours.predict_proba(X), linear.predict_proba(X), atol=1e-5)


def test_float32_samples_give_float32_parameters_of_the_same_minimum():
    X, y = load_iris(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    options = {"solver": "lbfgs", "random_state": 0, "alpha": 0.01}
    in_64 = TwoLayerClassifier(**options).fit(X, y)
    in_32 = TwoLayerClassifier(**options).fit(X.astype(np.float32), y)
    assert in_32.coefs_[0].dtype == np.float32
    assert_allclose(in_32.loss_, in_64.loss_, rtol=1e-3)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_warm_starts_add_iterations_within_max_iter_and_max_updates():
    X, y = load_iris(return_X_y=True)
    options = {"solver": "lbfgs", "random_state": 0, "warm_start": True}
    model = TwoLayerClassifier(max_iter=5, **options).fit(X, y)
    assert (model.n_iter_, model.n_updates_, model.learning_rate_) == (5, 5, None)
    first_loss = model.loss_
    model.fit(X, y)
    assert (model.n_iter_, model.n_updates_, len(model.loss_curve_)) == (5, 10, 10)
    assert model.loss_ < first_loss
    assert TwoLayerClassifier(max_updates=3, **options).fit(X, y).n_iter_ == 3


def test_training_stops_when_ten_iterations_lower_the_loss_by_less_than_a_hundredth():
    X, y = load_wine(return_X_y=True)
    model = TwoLayerClassifier(solver="lbfgs", tol=1.0, max_iter=2000, random_state=0)
    losses = model.fit(StandardScaler().fit_transform(X), y).loss_curve_
    assert model.n_iter_ < 2000
    assert losses[-1] >= 0.99 * losses[-11]
    assert all(losses[i] < 0.99 * losses[i - 10] for i in range(10, len(losses) - 1))


def test_validation_samples_stop_training():
    X, y = load_iris(return_X_y=True)
    model = TwoLayerClassifier(solver="lbfgs", random_state=0, n_iter_no_change=5)
    model.fit(X[::2], y[::2], X_val=X[1::2], y_val=y[1::2])
    assert model.score(X[1::2], y[1::2]) == model.best_validation_score_
    assert model.n_iter_ < 200


def test_dropout_is_refused():
    with pytest.raises(ValueError, match=r"dropout=0\.5 makes the loss a random number"):
        TwoLayerClassifier(solver="lbfgs", dropout=0.5).fit([[0], [1]], [0, 1])


FIT_OF_WIDE_ROWS = """
import resource
import numpy as np
from scipy.sparse import csr_array
from sk_twolayer import TwoLayerClassifier, TwoLayerRegressor

def fit(n_features):
    rng = np.random.default_rng(0)
    columns = rng.integers(n_features, size=20 * 1000)
    parts = np.ones(len(columns)), columns, np.arange(0, len(columns) + 1, 20)
    X, y = csr_array(parts, shape=(1000, n_features)), np.arange(1000) % 2
    model = TwoLayerClassifier(1, activation="tanh", solver="lbfgs", max_iter=2, random_state=0)
    return model.fit(X, y)

fit(100)  # exclude what the first fit loads
with open("/proc/self/statm") as file:
    taken = int(file.read().split()[0]) * resource.getpagesize()
limit = taken + 64 * 8 * 2**22  # SciPy keeps about 30 vectors of this size
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
assert fit(2**22).n_iter_ == 2
print("fitted")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the memory limit needs Linux")
def test_memory_is_proportional_to_the_non_zeros_and_the_parameters():
    # A dense batch of these samples would be a thousand times as large as the parameters.
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FIT_OF_WIDE_ROWS],
        capture_output=True,
        text=True,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
    )
    assert (done.returncode, done.stdout) == (0, "fitted\n"), done.stderr


@pytest.mark.parametrize("scale", [1.0, 0.05, 1e-3])
def test_the_initial_penalty_is_no_more_than_half(scale):
    """The first loss is near the loss of a guess, with the penalties of W1 and W2."""
    X, y = load_iris(return_X_y=True)
    X = scale * StandardScaler().fit_transform(X)
    model = TwoLayerClassifier(solver="lbfgs", alpha=0.01, max_iter=1, tol=1e9, random_state=0)
    guess = log_loss(y, np.full((150, 3), 1 / 3))
    assert model.fit(X, y).loss_curve_[0] < guess + 1


def test_raw_columns_of_small_scale_do_not_spend_the_iterations_on_the_penalty():
    """The deviations are 0.05. With a penalty of 85 at the start, R2 was -0.3."""
    X, y = load_diabetes(return_X_y=True)
    ours = TwoLayerRegressor(solver="lbfgs", random_state=0).fit(X, y)
    he = TwoLayerRegressor(solver="lbfgs", init="he", random_state=0).fit(X, y)
    assert ours.score(X, y) > he.score(X, y) - 0.02
