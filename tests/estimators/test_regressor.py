"""TwoLayerRegressor: squared loss on standardised targets, against plain formulas and peers."""

import inspect
import pickle
import re
import warnings

import numpy as np
import pytest
import skops.io
from estimator_state import assert_same_state, state
from numpy.testing import assert_allclose, assert_array_equal
from plain_model import SOLVERS
from plain_settings import plain_regressor as plain
from scipy.sparse import csr_array
from sklearn.datasets import load_diabetes, make_friedman1, make_regression
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale

from sk_twolayer import TwoLayerClassifier, TwoLayerRegressor
from sk_twolayer.display import LossCurveDisplay
from sk_twolayer.gradient_check import gradient_check
from sk_twolayer.network import TwoLayerNetwork

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

ACTIVATIONS = ["identity", "logistic", "relu", "tanh"]


def make_samples(n_targets=1, n=60, seed=0):
    """Return X, y with targets of various units, and sample weights."""
    X, y = make_regression(n, 8, n_informative=5, n_targets=n_targets, noise=5, random_state=seed)
    units = 10.0 ** np.arange(n_targets)
    w = np.random.RandomState(seed).uniform(0.5, 2, n)
    return X, 3 + y * (units if n_targets > 1 else 1), w


def arrays(model):
    return [*model.coefs_, *model.intercepts_]


# The loss and its gradient.


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_loss_and_gradients_equal_the_formula(n_outputs, weighted):
    rng = np.random.RandomState(0)
    X, Y = rng.standard_normal((7, 4)), rng.standard_normal((7, n_outputs))
    w = rng.uniform(0.5, 2, 7) if weighted else np.ones(7)
    network = TwoLayerNetwork(
        *(4, 5, n_outputs), batch_size=7, alpha=0.3, activation="tanh", output="identity"
    )
    network.parameters[:] = rng.standard_normal(network.parameters.size)

    def loss():
        errors = np.tanh(X @ network.W1 + network.b1) @ network.W2 + network.b2 - Y
        penalty = (network.W1**2).sum() + (network.W2**2).sum()
        return 0.5 * w @ (errors**2).sum(axis=1) / w.sum() + 0.15 * penalty, errors

    found, explained = network.loss_and_gradients(X, Y, w if weighted else None)
    expected, errors = loss()
    assert_allclose(found, expected, rtol=1e-12)
    assert_allclose(explained, 1 - w @ (errors**2).mean(axis=1) / w.sum(), rtol=1e-12)
    gradient = network.gradient.copy()
    for i in range(len(gradient)):
        kept = network.parameters[i]
        network.parameters[i] = kept + 1e-5
        above, _ = loss()
        network.parameters[i] = kept - 1e-5
        below, _ = loss()
        network.parameters[i] = kept
        assert_allclose(gradient[i], (above - below) / 2e-5, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("n_targets", [1, 3])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradient_check_of_fitted_estimators(activation, n_targets):
    X, y, w = make_samples(n_targets)
    model = plain(solver="sgd", activation=activation, max_updates=20).fit(X, y)
    assert max(gradient_check(model, X, y).values()) < 1e-6
    assert max(gradient_check(model, X, y, w).values()) < 1e-6


def test_r2_of_constant_targets_equals_scikit_learns():
    """All features are zero, so that the network predicts a constant target exactly."""
    X, X_val = np.zeros((6, 1)), np.zeros((4, 1))
    y = np.tile([0.1, -3.0, 7.0, 1.0], (6, 1))
    y[:, 3] = np.arange(6)
    y_val = np.tile([0.1, -3.0, 7.5, 1.0], (4, 1))  # one constant differs from y
    y_val[:, 3] = np.arange(4)
    model = plain(solver="sgd", max_iter=2).fit(X, y, X_val=X_val, y_val=y_val)
    assert_allclose(model.validation_scores_, 2 * [r2_score(y_val, model.predict(X_val))])
    of_targets = r2_score(y_val, model.predict(X_val), multioutput="raw_values")
    assert_allclose(of_targets[:3], [1, 1, 0])


# Updates and minima.


@pytest.mark.parametrize("n_targets", [1, 3])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(
    ("solver", "options"),
    [
        ("sgd", {"momentum": 0.9, "nesterov": True}),
        ("sgd", {"momentum": 0.7, "nesterov": False}),
        ("adam", {"beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-7}),
    ],
)
def test_full_batch_epochs_equal_mlp_regressors(n_targets, activation, solver, options):
    X, y, w = make_samples(n_targets)
    common = {"activation": activation, "solver": solver, "batch_size": 60, "random_state": 0}
    peer_options = {k.replace("nesterov", "nesterovs_momentum"): v for k, v in options.items()}
    peer = MLPRegressor(
        hidden_layer_sizes=6, alpha=0.5, learning_rate_init=0.01, **common, **peer_options
    )
    ours = plain(alpha=0.5 / w.sum(), learning_rate=0.01, **common, **options)
    ours.partial_fit(X, y, sample_weight=w)
    mean = np.average(y, axis=0, weights=w)
    deviation = np.sqrt(np.average((y - mean) ** 2, axis=0, weights=w))
    standardised = (y - mean) / deviation
    peer.partial_fit(X, standardised, sample_weight=w)

    del peer._optimizer  # both start with new moments, from the same weights
    ours._training_state = None
    ours.coefs_ = [W.copy() for W in peer.coefs_]
    ours.intercepts_ = [b.copy() for b in peer.intercepts_]
    for _ in range(5):
        peer.partial_fit(X, standardised, sample_weight=w)
        ours.partial_fit(X, y, sample_weight=w)
    for a, b in zip(arrays(ours), [*peer.coefs_, *peer.intercepts_], strict=True):
        assert_allclose(a, b, rtol=0, atol=1e-10)
    assert_allclose(ours.predict(X), mean + deviation * peer.predict(X), rtol=1e-9, atol=1e-9)
    assert ours.out_activation_ == peer.out_activation_
    if n_targets == 1:  # of several targets, its loss is the mean and ours the sum
        assert_allclose(ours.loss_curve_[-5:], peer.loss_curve_[-5:], rtol=1e-9)


@pytest.mark.parametrize("n_targets", [1, 2])
@pytest.mark.parametrize("solver", SOLVERS)
def test_training_equals_a_plain_computation(solver, n_targets):
    """Each batch holds all samples, so that their order does not matter."""
    X, y, w = make_samples(n_targets)
    epochs = 4
    model = plain(solver=solver, activation="tanh", init=0.5, batch_size=60, max_iter=epochs)
    model.fit(X, y, w)

    rng = np.random.RandomState(0)
    shapes = {"W1": (8, 6), "W2": (6, n_targets)}
    p = {name: 0.5 * rng.standard_normal(shape) for name, shape in shapes.items()}
    p |= {"b1": np.zeros(6), "b2": np.zeros(n_targets)}
    Y = y.reshape(60, -1)
    mean = w @ Y / w.sum()
    deviation = np.sqrt(w @ (Y - mean) ** 2 / w.sum())
    T, share = (Y - mean) / deviation, w[:, np.newaxis] / w.sum()
    alpha = 0 if solver == "adamw" else 0.01
    memories, losses, scores = {name: {} for name in p}, [], []
    for _ in range(epochs):
        a1 = np.tanh(X @ p["W1"] + p["b1"])
        errors = a1 @ p["W2"] + p["b2"] - T
        weights = (p["W1"] ** 2).sum() + (p["W2"] ** 2).sum()
        losses.append((share * errors**2).sum() / 2 + alpha / 2 * weights)
        scores.append(r2_score(Y, mean + deviation * (errors + T), sample_weight=w))
        dz1 = (share * errors) @ p["W2"].T * (1 - a1**2)
        gradients = {
            "W1": X.T @ dz1 + alpha * p["W1"],
            "W2": a1.T @ (share * errors) + alpha * p["W2"],
            "b1": dz1.sum(axis=0),
            "b2": (share * errors).sum(axis=0),
        }
        for name, g in gradients.items():
            step = SOLVERS[solver](memories[name], p[name], g, 0.02, model.get_params())
            p[name] = p[name] + step
    for found, name in zip(arrays(model), ("W1", "W2", "b1", "b2"), strict=True):
        assert_allclose(found, p[name], rtol=1e-9, atol=1e-12)
    assert_allclose(model.loss_curve_, losses, rtol=1e-10)
    assert_allclose(model.train_scores_, scores, rtol=1e-9, atol=1e-12)
    scores = np.tanh(X @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"]
    assert_allclose(model.predict(X).reshape(60, -1), mean + deviation * scores, rtol=1e-9)


def test_a_linear_network_finds_least_squares():
    X, y, w = make_samples(2)
    linear = LinearRegression().fit(X, y, w)
    options = {"activation": "identity", "solver": "lbfgs", "tol": 1e-9, "max_iter": 2000}
    ours = TwoLayerRegressor(4, alpha=0, random_state=0, **options).fit(X, y, w)
    assert_allclose(ours.predict(X), linear.predict(X), rtol=1e-4, atol=1e-4 * y.std())
    assert_allclose(ours.score(X, y), linear.score(X, y), rtol=1e-3)


def test_a_penalised_linear_network_is_a_ridge_regression():
    """Check the minimum against a ridge regression with the same gradient.

    Of all W1 and W2 with the product w, the smallest have ||W1||^2 + ||W2||^2 = 2 ||w||. So the
    penalty is alpha ||w||, and its gradient equals the gradient of a ridge penalty of strength
    alpha / ||w||.
    """
    X, y, _ = make_samples()
    options = {"activation": "identity", "solver": "lbfgs", "tol": 1e-9, "max_iter": 2000}
    ours = TwoLayerRegressor(3, alpha=0.2, random_state=0, **options).fit(X, y)
    w = (ours.coefs_[0] @ ours.coefs_[1]).ravel()
    ridge = Ridge(alpha=0.2 / np.linalg.norm(w) * len(y), tol=1e-12).fit(X, scale(y))
    assert_allclose(w, ridge.coef_, rtol=1e-4, atol=1e-5)
    assert_allclose(ours.predict(X), y.mean() + y.std() * ridge.predict(X), rtol=1e-3, atol=1e-3)


# The units of y.


@pytest.mark.parametrize("n_targets", [1, 3])
def test_mean_and_scale_equal_those_of_standard_scaler(n_targets):
    X, y, w = make_samples(n_targets)
    w[:5] = 0
    for weights in (None, w):
        scaler = StandardScaler().fit(y.reshape(60, -1), sample_weight=weights)
        model = plain(max_updates=1).fit(X, y, weights)
        assert_allclose(model.y_mean_, scaler.mean_, rtol=1e-12)
        assert_allclose(model.y_scale_, scaler.scale_, rtol=1e-12)


def test_integer_weights_are_repetitions_for_mean_and_scale():
    X, y, _ = make_samples()
    times = np.arange(60) % 3
    weighted = plain(max_updates=1).fit(X, y, times)
    repeated = plain(max_updates=1).fit(X.repeat(times, axis=0), y.repeat(times))
    assert_allclose(weighted.y_mean_, repeated.y_mean_, rtol=1e-12)
    assert_allclose(weighted.y_scale_, repeated.y_scale_, rtol=1e-12)


@pytest.mark.parametrize("unit", [1e-320, 1e-200, 1.0, 1e200, 4e307])
def test_targets_of_any_size(unit):
    X, y, w = [[0.0], [1], [2]], unit * np.array([1.0, 2.0, 3.0]), np.full(3, 1e300)
    model = plain(activation="identity", solver="lbfgs", alpha=0, max_iter=500).fit(X, y, w)
    standardised = (y - model.y_mean_) / model.y_scale_
    assert_allclose(standardised, [-(1.5**0.5), 0, 1.5**0.5], atol=1e-3)
    assert_allclose(model.predict(X), y, rtol=1e-3)


def test_a_scale_that_vanishes_is_replaced():
    """The smallest numbers with one huge weight have a deviation below the smallest number."""
    X, y, w = np.arange(6.0).reshape(-1, 1), np.array([0, 1, 2, 3, 4, 5]) * 5e-324, np.ones(6)
    w[0] = 1e12
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = plain(max_updates=1).fit(X, y, w)
    assert model.y_scale_[0] > 0
    assert np.isfinite(model.predict(X)).all()


def test_the_scale_of_a_constant_target_is_its_absolute_value():
    X = [[0.0], [1], [2]]
    model = plain(max_updates=1).fit(X, [[0.1, -1e6, 0.0]] * 3)
    assert_array_equal(model.y_mean_, [0.1, -1e6, 0])
    assert_array_equal(model.y_scale_, [0.1, 1e6, 1])
    assert_allclose(TwoLayerRegressor(random_state=0).fit(X, [5.0] * 3).predict(X), 5, rtol=0.01)


@pytest.mark.parametrize("solver", ["sgd", "adam", "adamw", "lbfgs"])
def test_units_of_y_do_not_matter(solver):
    X, y, _ = make_samples(2)
    of_y = plain(solver=solver, max_iter=5).fit(X, y)
    of_others = plain(solver=solver, max_iter=5).fit(X, 1e6 + 1e-3 * y)
    assert_allclose(of_others.predict(X), 1e6 + 1e-3 * of_y.predict(X), rtol=1e-10)
    assert_allclose(of_others.loss_curve_, of_y.loss_curve_, rtol=1e-6)


def test_a_stream_stays_in_the_units_of_its_first_samples():
    X, y, _ = make_samples()
    model, n_samples = plain(), 0
    while n_samples < 300:
        model.partial_fit(X[:20], y[:20])
        n_samples += 20
        first = model.y_mean_, model.y_scale_
        assert_allclose(first, [[y[:20].mean()], [y[:20].std()]], rtol=1e-12)
    model.partial_fit(X[20:], 1000 * y[20:])
    assert_array_equal([model.y_mean_, model.y_scale_], first)
    model.fit(X[20:], y[20:])
    assert_allclose([model.y_mean_, model.y_scale_], [[y[20:].mean()], [y[20:].std()]], rtol=1e-12)
    model.set_params(warm_start=True).fit(X, y + 5)
    assert_allclose([model.y_mean_, model.y_scale_], [[y[20:].mean()], [y[20:].std()]], rtol=1e-12)


def test_float32_is_kept_and_rounds_once():
    X, y, _ = make_samples()
    y = 1e6 + y / y.std()
    model = plain(max_iter=50).fit(X.astype(np.float32), y)
    assert {array.dtype for array in arrays(model)} == {np.dtype(np.float32)}
    predicted = model.predict(X.astype(np.float32))
    assert predicted.dtype == np.float32
    in_64 = plain(max_iter=50).fit(X, y).predict(X)
    assert_allclose(predicted, in_64, rtol=2.0**-23, atol=0)
    assert model.predict(X).dtype == np.float32  # the dtype of the network
    integers = plain(max_iter=2).fit((10 * X).astype(np.int16), (10 * y).astype(int))
    assert integers.predict((10 * X).astype(np.int16)).dtype == np.float32


def test_float32_predictions_of_targets_with_a_large_offset():
    """Times in seconds since 1970: float32 holds multiples of 128 of them."""
    X, y, _ = make_samples()
    X, y = X.astype(np.float32), (1.7e9 + 36 * y / y.std()).astype(np.float64)
    model = TwoLayerRegressor(30, max_iter=300, early_stopping=False, random_state=0).fit(X, y)
    predicted = model.predict(X)
    assert predicted.dtype == np.float64
    assert len(np.unique(predicted)) > 50
    score = model.score(X, y)
    assert score > 0.9
    assert_allclose(score, model.train_scores_[-1], atol=0.05)
    validated = TwoLayerRegressor(30, max_iter=30, random_state=0, scoring="r2")
    validated.fit(X, y, X_val=X, y_val=y)
    assert_allclose(validated.best_validation_score_, validated.score(X, y), rtol=1e-6)


# Validation samples.


@pytest.mark.parametrize("n_targets", [1, 3])
@pytest.mark.parametrize("solver", ["sgd", "adamw", "lbfgs"])
def test_validation_scores_are_r2(solver, n_targets):
    X, y, w = make_samples(n_targets, n=90)
    train, held_out = np.arange(0, 90, 2), np.arange(1, 90, 2)
    model = plain(solver=solver, max_iter=20)
    model.fit(
        *(X[train], y[train], w[train]),
        X_val=X[held_out],
        y_val=y[held_out],
        sample_weight_val=w[held_out],
    )
    expected = r2_score(y[held_out], model.predict(X[held_out]), sample_weight=w[held_out])
    assert_allclose(model.best_validation_score_, expected, rtol=1e-12)
    assert model.best_validation_score_ == max(model.validation_scores_)
    assert len(model.validation_scores_) == model.n_iter_
    assert model.best_loss_ is None

    final = plain(solver=solver, max_iter=20).fit(X[train], y[train], w[train])
    errors = ((final.predict(X[held_out]) - y[held_out]) / y_scale(final, y)).reshape(45, -1)
    loss = 0.5 * w[held_out] @ (errors**2).sum(axis=1) / w[held_out].sum()
    if solver != "adamw":
        loss += 0.005 * sum((W**2).sum() for W in final.coefs_)
    if final.n_iter_ == model.n_iter_:
        assert_allclose(model.validation_loss_curve_[-1], loss, rtol=1e-9)


def y_scale(model, y):
    return model.y_scale_ if y.ndim == 2 else model.y_scale_[0]


def test_early_stopping_holds_samples_out_and_keeps_the_best_parameters():
    X, y = make_friedman1(300, random_state=0)
    model = TwoLayerRegressor(
        early_stopping=True,
        learning_rate_schedule="constant",
        n_iter_no_change=5,
        max_iter=500,
        random_state=0,
    ).fit(X, y)
    assert model.n_iter_ < 500
    assert model.best_validation_score_ == max(model.validation_scores_) > 0.6
    assert not hasattr(model, "partial_fit")


# Sparse samples, streams and warm starts.


def make_sparse_samples(n=120, n_features=200, seed=0):
    rng = np.random.default_rng(seed)
    X = (rng.random((n, n_features)) < 0.03) * rng.integers(1, 4, (n, n_features)).astype(float)
    return X, 50 * X @ rng.standard_normal((n_features, 2)) + 7


@pytest.mark.parametrize("solver", ["sgd", "adam", "adamw", "lbfgs"])
def test_sparse_and_dense_samples_give_the_same(solver):
    X, Y = make_sparse_samples()
    options = {"solver": solver, "batch_size": 10, "max_iter": 5}
    dense, sparse = (
        plain(**options).fit(X, Y),
        plain(**options).fit(csr_array(X), Y),
    )
    for a, b in zip(arrays(dense), arrays(sparse), strict=True):
        assert_allclose(a, b, rtol=1e-6, atol=1e-9)
    assert_allclose(sparse.predict(csr_array(X)), dense.predict(X), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("solver", ["sgd", "adamw"])
def test_lazy_updates_of_a_stream_are_exact(solver):
    X, Y = make_sparse_samples()
    dense, sparse = (plain(solver=solver, batch_size=10) for _ in range(2))
    for start in range(0, 120, 30):
        chunk = slice(start, start + 30)
        dense.partial_fit(X[chunk], Y[chunk])
        sparse.partial_fit(csr_array(X[chunk]), Y[chunk])
        assert "coefs_" not in vars(sparse)  # rows of W1 have pending updates
        assert_allclose(sparse.predict(csr_array(X)), dense.predict(X), rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("solver", ["sgd", "adam", "adamw"])
def test_a_warm_start_continues_bit_for_bit(solver):
    X, y, _ = make_samples()
    options = {"solver": solver, "batch_size": 20, "dropout": 0.1}
    whole = plain(max_iter=6, **options).fit(X, y)
    halves = plain(max_iter=3, warm_start=True, **options).fit(X, y).fit(X, y)
    for a, b in zip(arrays(halves), arrays(whole), strict=True):
        assert_array_equal(a, b)
    assert halves.loss_curve_ == whole.loss_curve_
    assert_array_equal(halves.predict(X), whole.predict(X))


FAILURES = {
    "another number of targets": lambda X, Y: (X, Y[:, :1].ravel()),
    "a nan": lambda X, Y: (X, Y + np.full_like(Y, np.nan)),
    "words": lambda X, Y: (X, np.full(Y.shape, "one")),
    "too few columns": lambda X, Y: (X[:, 1:], Y),
    "divergence": lambda X, Y: (X * 1e300, Y),
}


@pytest.mark.parametrize("kind", [np.asarray, csr_array])
@pytest.mark.parametrize("solver", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("failure", FAILURES)
def test_a_call_that_fails_changes_nothing(failure, solver, kind):
    X, Y = make_sparse_samples()
    X = kind(X)

    def stream(fails):
        model = plain(solver=solver, batch_size=8, warm_start=True)
        for start in range(0, 120, 40):
            if fails and start:
                before = state(model)
                for call in (model.partial_fit, model.fit):
                    with pytest.raises(ValueError):  # noqa: PT011 -- of many kinds
                        call(*FAILURES[failure](X[start : start + 40], Y[start : start + 40]))
                assert_same_state(model, before)
            model.partial_fit(X[start : start + 40], Y[start : start + 40])
        return model

    assert_same_state(stream(True), stream(False))


# What y may be.


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (["a", "b", "c"], r"y must hold real numbers.*TwoLayerClassifier"),
        (np.array(["a", 1, 2], dtype=object), r"y must hold real numbers"),
        (np.array(["2020-01-01"] * 3, "M8[D]"), r"y must hold real numbers.*dates"),
        ([1.0, np.nan, 2.0], r"Input y contains NaN"),
        ([1.0, 2.0], r"inconsistent numbers of samples"),
        ([-1.7e308, 0, 1.7e308], r"whose difference is more than float64 holds"),
    ],
)
def test_invalid_targets_are_refused(y, message):
    with pytest.raises(ValueError, match=message):
        TwoLayerRegressor().fit([[0.0], [1.0], [2.0]], y)


@pytest.mark.parametrize("solver", ["adamw", "lbfgs"])  # L-BFGS trains in float64
def test_targets_too_large_for_the_dtype_of_the_network_are_refused(solver):
    X, y = np.array([[0.0], [1], [2]], np.float32), np.array([0, 1, 1e100])
    model = TwoLayerRegressor(solver=solver)
    with pytest.raises(ValueError, match=r"y holds 1e\+100, a value too large for float32"):
        model.fit(X, y)
    with pytest.raises(ValueError, match=r"y holds 1e\+100, a value too large for float32"):
        model.fit(X, [0, 1, 2], X_val=X, y_val=y)
    assert model.fit(X.astype(float), y).predict([[2.0]]).dtype == np.float64


def test_errors_name_the_prediction_that_overflows():
    X = np.array([[0.0], [1], [2]])
    model = plain(activation="identity", solver="lbfgs", alpha=0).fit(X, 1e307 * X.ravel())
    with pytest.raises(ValueError, match=r"prediction of sample 1 of X overflows float64"):
        model.predict([[1.0], [100.0]])


def test_any_array_like_of_targets():
    X, y, _ = make_samples()
    model = plain(max_iter=2).fit(X, y)
    for form in (y.tolist(), y.astype(object)):
        assert_array_equal(plain(max_iter=2).fit(X, form).predict(X), model.predict(X))
    with pytest.warns(match="A column-vector y was passed"):
        column = plain(max_iter=2).fit(X, y[:, np.newaxis])
    assert_array_equal(column.predict(X), model.predict(X))
    Y = np.column_stack([y > 0, y > 50])
    two = plain(max_iter=2).fit(X, Y).predict(X)
    assert two.shape == (60, 2)
    assert_array_equal(plain(max_iter=2).fit(X, csr_array(Y.astype(float))).predict(X), two)


# "auto".


@pytest.mark.parametrize("n_targets", [1, 3])
@pytest.mark.parametrize("norm", [1e-3, 1.0, 1e3])
def test_automatic_values(norm, n_targets):
    X, y, _ = make_samples(n_targets, n=400)
    X *= norm / np.sqrt(np.mean((X**2).sum(axis=1)))
    options = {"hidden_size": 50, "max_iter": 1, "random_state": 0}
    sgd = TwoLayerRegressor(solver="sgd", **options).fit(X, y)
    assert_allclose(sgd.learning_rate_, min(0.1, 1 / (50 + 2 * n_targets * norm**2)))
    model = TwoLayerRegressor(**options).fit(X, y)
    assert_allclose([model.alpha_, model.dropout_, model.learning_rate_], [1, 0, 0.06])
    assert_allclose(model.learning_rate_W1_, min(0.06, 1 / np.abs(X).sum(axis=1).mean()))
    stream = TwoLayerRegressor(**options).partial_fit(X, y)
    assert_allclose([stream.alpha_, stream.dropout_, stream.learning_rate_], [0, 0, 0.02])
    del options["max_iter"]
    planned = TwoLayerRegressor(max_updates=1, **options).fit(X, y)
    assert (planned.batch_size_, planned.max_iter_) == (64, 43)  # 300 updates, 7 in an epoch


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_automatic_rate_of_sgd_is_steady(activation):
    X, y, _ = make_samples(3, n=200)
    for scale_ in (1e-3, 1, 1e3):
        model = TwoLayerRegressor(solver="sgd", activation=activation, alpha=0, random_state=0)
        model.fit(scale_ * X + scale_, y)
        assert model.loss_ < 1.5  # predicting the means has a loss of 0.5 for each target


# What the regressor shares with the classifier.


def test_hyper_parameters_equal_the_classifiers_except_class_weight_and_loss():
    ours, theirs = TwoLayerRegressor().get_params(), TwoLayerClassifier().get_params()
    assert theirs.pop("class_weight", "missing") is None
    assert (ours.pop("loss"), ours.pop("quantile", "missing")) == ("squared_error", None)
    assert ours == theirs
    names = list(inspect.signature(TwoLayerClassifier).parameters)
    names.remove("class_weight")
    assert [n for n in inspect.signature(TwoLayerRegressor).parameters if n in ours] == names


def described(cls):
    """Return the description of each parameter and attribute in the docstring of a class."""
    # Python 3.13 removes the indentation of docstrings, and older versions keep it.
    entries = re.findall(r"(?m)^(\w+) : (.*\n(?:\n| .*\n)*)", inspect.cleandoc(cls.__doc__))
    return {name: " ".join(text.split()) for name, text in entries}


def test_hyper_parameters_have_the_same_descriptions():
    ours, theirs = described(TwoLayerRegressor), described(TwoLayerClassifier)
    assert set(TwoLayerRegressor().get_params()) < set(ours)
    named = {"alpha", "scoring", "validation_fraction"}  # they name the peer, or depend on y
    shared = TwoLayerClassifier().get_params().keys() & TwoLayerRegressor().get_params()
    assert {name for name in shared if ours[name] != theirs[name]} == named


def test_a_search_through_a_pipeline():
    X, y = load_diabetes(return_X_y=True, scaled=False)
    model = make_pipeline(StandardScaler(), TwoLayerRegressor(random_state=0))
    search = GridSearchCV(model, {"twolayerregressor__alpha": [0.1, 1.0]}, cv=3).fit(X, y)
    assert search.best_score_ > 0.4
    linear = make_pipeline(StandardScaler(), LinearRegression()).fit(X, y)
    assert search.score(X, y) > linear.score(X, y)


def test_printed_lines_and_curves_name_r2(capsys):
    X, y, _ = make_samples()
    model = TwoLayerRegressor(max_iter=2, early_stopping=True, verbose=True).fit(X, y)
    line = capsys.readouterr().out.splitlines()[0]
    for words in ("training R2", "validation R2"):
        assert words in line
    display = LossCurveDisplay.from_estimator(model)
    assert display.axes_[1].get_ylabel() == "R2"


@pytest.mark.callbacks
def test_a_callback_scores_every_epoch():
    from sklearn.callback import ScoringMonitor

    X, y, _ = make_samples(2)
    monitor = ScoringMonitor(scoring="r2")
    model = plain(max_iter=3).set_callbacks(monitor).fit(X, y)
    log = monitor.get_logs().data
    assert len(log) == 1 + model.n_iter_
    assert_allclose(log[-1]["r2"], model.score(X, y), rtol=1e-10)


@pytest.mark.parametrize("kind", ["fit", "partial_fit", "sparse partial_fit"])
def test_saved_models_predict_and_train_the_same(kind, tmp_path):
    X, Y = make_sparse_samples()
    X = csr_array(X) if kind == "sparse partial_fit" else X
    model = plain()
    (model.fit if kind == "fit" else model.partial_fit)(X, Y)
    skops.io.dump(model, tmp_path / "model.skops")
    types = skops.io.get_untrusted_types(file=tmp_path / "model.skops")
    assert types == [f"{TwoLayerRegressor.__module__}.TwoLayerRegressor"]
    for loaded in (
        pickle.loads(pickle.dumps(model)),
        skops.io.load(tmp_path / "model.skops", trusted=types),
    ):
        assert_array_equal(loaded.predict(X), model.predict(X))
        again = pickle.loads(pickle.dumps(model)).partial_fit(X, Y)
        assert_array_equal(loaded.partial_fit(X, Y).predict(X), again.predict(X))


@pytest.mark.parametrize("n_samples", [3, 10])
def test_two_samples_are_held_out_for_r2_however_few_there_are(n_samples):
    X, y = np.arange(n_samples)[:, np.newaxis], np.arange(n_samples) ** 2.0
    model = TwoLayerRegressor(4, early_stopping=True, random_state=0).fit(X, y)
    assert np.isfinite(model.validation_scores_).all()
    assert model.set_params(scoring=count_samples).fit(X, y).validation_scores_[0] == 2


def count_samples(estimator, X, y):
    return len(X)
