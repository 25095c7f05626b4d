"""The losses of TwoLayerRegressor, against plain formulas, statistics and peers."""

import pickle
import warnings

import numpy as np
import pytest
import skops.io
from numpy.testing import assert_allclose, assert_array_equal
from plain_model import SOLVERS
from plain_settings import PLAIN_REGRESSOR, plain_regressor
from scipy.sparse import csr_array
from scipy.special import xlogy
from scipy.stats import norm
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import PoissonRegressor, QuantileRegressor
from sklearn.metrics import (
    mean_absolute_error,
    mean_pinball_loss,
    mean_poisson_deviance,
    r2_score,
)
from sklearn.neural_network import MLPRegressor
from threadpoolctl import threadpool_limits

from sk_twolayer import TwoLayerRegressor
from sk_twolayer.display import LossCurveDisplay
from sk_twolayer.gradient_check import gradient_check
from sk_twolayer.network.losses import make_output

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

LOSSES = {
    "absolute_error": {"loss": "absolute_error"},
    "quantile": {"loss": "quantile", "quantile": 0.8},
    "poisson": {"loss": "poisson"},
}
ALL_SOLVERS = ["adamw", "adam", "sgd", "lbfgs"]
over_losses = pytest.mark.parametrize("loss", LOSSES)
over_solvers = pytest.mark.parametrize("solver", ALL_SOLVERS)


def plain(loss, **options):
    return plain_regressor(**LOSSES[loss] | options)


def make_samples(n_targets=2, n=60, seed=0):
    """Return X, Y of counts in various units, and sample weights."""
    rng = np.random.RandomState(seed)
    X = rng.standard_normal((n, 4))
    Y = rng.poisson(np.exp(X[:, :n_targets])) * 10.0 ** np.arange(n_targets)
    return X, Y.ravel() if n_targets == 1 else Y, rng.uniform(0.5, 2, n)


def element_losses(loss, scores, T):
    """Return the loss of each sample and output, from the definitions."""
    if loss == "poisson":
        return np.exp(scores) - T - T * scores + xlogy(T, T)
    above, below = {"absolute_error": (1, 1), "quantile": (0.2, 0.8)}[loss]
    return np.where(scores > T, above * (scores - T), below * (T - scores))


def slopes(loss, scores, T):
    """Return the derivatives of `element_losses` by the scores."""
    if loss == "poisson":
        return np.exp(scores) - T
    above, below = {"absolute_error": (1, 1), "quantile": (0.2, 0.8)}[loss]
    return np.where(scores > T, above, -below)


def best_constant(loss, y, w):
    """Return the constant prediction of least loss, by trying every value of y, and its loss."""
    if loss == "poisson":
        mean = w @ y / w.sum()
        return mean, w @ xlogy(y, y / mean) / w.sum()
    losses = [w @ element_losses(loss, np.full_like(y, c), y) / w.sum() for c in y]
    return y[np.argmin(losses)], np.min(losses)


def standardise(loss, Y, w):
    """Return standardised targets, and the mean and scale that did it."""
    mean = np.array([best_constant(loss, y, w)[0] for y in Y.T])
    if loss == "poisson":
        return Y / mean, mean, mean
    scale = np.array([near_distance(np.abs(y - m), w) for y, m in zip(Y.T, mean, strict=True)])
    return (Y - mean) / scale, mean, scale


def near_distance(distances, w):
    """Return the mean of the smallest distances that make 90 % of the weight, and their equals."""
    order = np.argsort(distances)
    last = order[np.argmax(np.cumsum(w[order]) >= 0.9 * w.sum())]
    near = distances <= distances[last]
    return w[near] @ distances[near] / w[near].sum()


def to_y(loss, scores, mean, scale):
    return mean * np.exp(scores) if loss == "poisson" else mean + scale * scores


def arrays(model):
    return [*model.coefs_, *model.intercepts_]


# The units of y.


@pytest.mark.parametrize("weighted", [False, True])
@over_losses
def test_location_and_scale_follow_from_the_loss(loss, weighted):
    X, Y, w = make_samples(n=61)
    w[:5] *= not weighted
    w = w if weighted else np.ones(61)
    model = plain(loss, max_updates=1).fit(X, Y, w if weighted else None)
    kept = w > 0
    _, mean, scale = standardise(loss, Y[kept], w[kept])
    assert_allclose(model.y_mean_, mean, rtol=1e-12)
    assert_allclose(model.y_scale_, scale, rtol=1e-12)


def test_where_most_targets_are_equal_all_count_for_the_scale():
    X, y = np.zeros((100, 1)), np.where(np.arange(100) < 95, 2, 12)
    assert_allclose(plain("absolute_error", max_updates=1).fit(X, y).y_scale_, 0.5)


@pytest.mark.parametrize("unit", [1e-300, 1e-3, 1e300])
@over_solvers
@over_losses
def test_units_of_y_do_not_matter(loss, solver, unit):
    X, y, w = make_samples(1)
    of_y, of_others = (plain(loss, solver=solver, max_iter=5).fit(X, k * y, w) for k in (1, unit))
    assert_allclose(of_others.predict(X) / unit, of_y.predict(X), rtol=1e-7)
    assert_allclose(of_others.loss_curve_, of_y.loss_curve_, rtol=1e-7)


@over_losses
def test_constant_targets_are_predicted(loss):
    X = np.random.RandomState(0).standard_normal((40, 2))
    model = TwoLayerRegressor(**LOSSES[loss], random_state=0).fit(X, np.full(40, 0.1))
    assert_array_equal([model.y_mean_, model.y_scale_], [[0.1], [0.1]])
    assert_allclose(model.predict(X), 0.1, rtol=0.05)


# Updates and minima.


@pytest.mark.parametrize("n_targets", [1, 2])
@pytest.mark.parametrize("solver", SOLVERS)
@over_losses
def test_training_equals_a_plain_computation(loss, solver, n_targets):
    """Each batch holds all samples, so that their order does not matter."""
    X, y, w = make_samples(n_targets)
    model = plain(loss, solver=solver, activation="tanh", init=0.5, batch_size=60, max_iter=4)
    model.fit(X, y, w)

    rng = np.random.RandomState(0)
    shapes = {"W1": (4, 6), "W2": (6, n_targets)}
    p = {name: 0.5 * rng.standard_normal(shape) for name, shape in shapes.items()}
    p |= {"b1": np.zeros(6), "b2": np.zeros(n_targets)}
    T, mean, scale = standardise(loss, y.reshape(60, -1), w)
    share = w[:, np.newaxis] / w.sum()
    null = share.T @ element_losses(loss, np.zeros_like(T), T)
    alpha = 0 if solver == "adamw" else 0.01
    memories, losses, explained = {name: {} for name in p}, [], []
    for _ in range(4):
        a1 = np.tanh(X @ p["W1"] + p["b1"])
        scores = a1 @ p["W2"] + p["b2"]
        of_outputs = share.T @ element_losses(loss, scores, T)
        weights = (p["W1"] ** 2).sum() + (p["W2"] ** 2).sum()
        losses.append(of_outputs.sum() + alpha / 2 * weights)
        explained.append(1 - np.mean(of_outputs / null))
        ds = share * slopes(loss, scores, T)
        dz1 = ds @ p["W2"].T * (1 - a1**2)
        gradients = {
            "W1": X.T @ dz1 + alpha * p["W1"],
            "W2": a1.T @ ds + alpha * p["W2"],
            "b1": dz1.sum(axis=0),
            "b2": ds.sum(axis=0),
        }
        for name, g in gradients.items():
            step = SOLVERS[solver](memories[name], p[name], g, 0.02, model.get_params())
            p[name] = p[name] + step
    for found, name in zip(arrays(model), ("W1", "W2", "b1", "b2"), strict=True):
        assert_allclose(found, p[name], rtol=1e-8, atol=1e-11)
    assert_allclose(model.loss_curve_, losses, rtol=1e-10)
    assert_allclose(model.train_scores_, explained, rtol=1e-9, atol=1e-12)
    scores = np.tanh(X @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"]
    expected = to_y(loss, scores, mean, scale)
    assert_allclose(model.predict(X).reshape(60, -1), expected, rtol=1e-8)


def test_full_batch_epochs_of_poisson_equal_mlp_regressors():
    X, y, w = make_samples(1)
    common = {"loss": "poisson", "activation": "tanh", "solver": "sgd", "batch_size": 60}
    # No prediction exceeds twice the largest target from here, where the losses would differ.
    start = {"hidden_layer_sizes": 6, "random_state": 0}
    peer = MLPRegressor(alpha=0.5, learning_rate_init=0.01, **start, **common)
    ours = TwoLayerRegressor(
        **PLAIN_REGRESSOR | common | {"alpha": 0.5 / w.sum(), "learning_rate": 0.01}
    )
    mean = w @ y / w.sum()
    peer.partial_fit(X, y / mean, sample_weight=w)
    ours.partial_fit(X, y, sample_weight=w)
    del peer._optimizer  # both start with new moments, from the same weights
    ours._training_state = None
    ours.coefs_ = [W.copy() for W in peer.coefs_]
    ours.intercepts_ = [b.copy() for b in peer.intercepts_]
    for _ in range(5):
        peer.partial_fit(X, y / mean, sample_weight=w)
        ours.partial_fit(X, y, sample_weight=w)
    for a, b in zip(arrays(ours), [*peer.coefs_, *peer.intercepts_], strict=True):
        assert_allclose(a, b, rtol=0, atol=1e-10)
    assert_allclose(ours.predict(X), mean * peer.predict(X), rtol=1e-9)
    assert ours.out_activation_ == peer.out_activation_ == "exp"


@over_solvers
@over_losses
def test_without_features_the_prediction_is_the_best_constant(loss, solver):
    """The training starts elsewhere: y had other values before."""
    rng = np.random.RandomState(0)
    X, y, w = np.zeros((400, 1)), rng.gamma(2, 3, 400), rng.uniform(0.5, 2, 400)
    model = TwoLayerRegressor(5, solver=solver, warm_start=True, alpha=0, random_state=0)
    model.set_params(**LOSSES[loss], batch_size=400, max_iter=1000)
    if solver == "sgd":
        model.set_params(learning_rate=0.1)
    model.fit(X[:50], 2 + y[:50] / 3)
    model.fit(X, y, w)
    best, _ = best_constant(loss, y, w)
    assert abs(model.y_mean_[0] - best) > 1
    assert_allclose(model.predict(X[:1]), best, rtol=0.02)


def test_a_linear_network_finds_the_poisson_regression():
    X, y, w = make_samples(1, n=300)
    peer = PoissonRegressor(alpha=0, tol=1e-10, max_iter=1000).fit(X, y, w)
    options = {"activation": "identity", "solver": "lbfgs", "alpha": 0, "tol": 1e-10}
    ours = TwoLayerRegressor(4, loss="poisson", max_iter=2000, random_state=0, **options)
    ours.fit(X, y, w)
    assert_allclose(ours.predict(X), peer.predict(X), rtol=1e-4)
    assert_allclose(ours.train_scores_[-1], peer.score(X, y, w), rtol=1e-6)  # both are D2


@pytest.mark.parametrize("solver", ["adamw", "lbfgs"])
@pytest.mark.parametrize("quantile", [0.2, 0.5])
def test_a_linear_network_finds_the_quantile_regression(quantile, solver):
    rng = np.random.RandomState(0)
    X = rng.standard_normal((300, 5))
    y = X @ rng.standard_normal(5) + rng.standard_exponential(300)
    peer = QuantileRegressor(quantile=quantile, alpha=0).fit(X, y)  # a linear program
    least = mean_pinball_loss(y, peer.predict(X), alpha=quantile)
    options = {"activation": "identity", "solver": solver, "alpha": 0, "max_iter": 200}
    ours = TwoLayerRegressor(5, loss="quantile", quantile=quantile, random_state=0, **options)
    assert mean_pinball_loss(y, ours.fit(X, y).predict(X), alpha=quantile) < 1.002 * least
    if quantile == 0.5:
        ours.set_params(loss="absolute_error", quantile=None)
        assert mean_absolute_error(y, ours.fit(X, y).predict(X)) < 1.002 * 2 * least


# How good the predictions are.


def make_uneven_noise(n, seed):
    """Return X and y with a spread that depends on X, and the function of its true quantiles."""
    rng = np.random.RandomState(seed)
    X = rng.standard_normal((n, 4))
    middle, spread = 3 * np.sin(X[:, 0]) + X[:, 1] * X[:, 2], np.exp(X[:, 3] / 2)
    y = middle + spread * rng.standard_normal(n)
    return X, y, lambda q: middle + spread * norm.ppf(q)


@pytest.mark.parametrize("quantile", [0.05, 0.5, 0.95])
def test_quantiles_cover_their_share_of_samples_held_out(quantile):
    (X, y, _), (X_test, y_test, truth) = make_uneven_noise(3000, 0), make_uneven_noise(3000, 1)
    options = {"loss": "quantile", "quantile": quantile, "random_state": 0}
    predicted = TwoLayerRegressor(**options).fit(X, y).predict(X_test)
    assert abs((y_test <= predicted).mean() - quantile) < 0.03
    loss = mean_pinball_loss(y_test, predicted, alpha=quantile)
    assert loss < 1.1 * mean_pinball_loss(y_test, truth(quantile), alpha=quantile)
    with threadpool_limits(1):
        peer = HistGradientBoostingRegressor(**options).fit(X, y)
    assert loss < mean_pinball_loss(y_test, peer.predict(X_test), alpha=quantile)


@pytest.mark.parametrize("mean", [0.3, 30])
def test_the_deviance_of_counts_is_comparable_with_peers(mean):
    rng = np.random.RandomState(0)
    X = rng.standard_normal((6000, 4))
    rate = mean * np.exp(np.sin(2 * X[:, 0]) + 0.5 * X[:, 1] * X[:, 2])
    y = rng.poisson(rate)
    train, test = slice(3000), slice(3000, None)

    def deviance(model):
        return mean_poisson_deviance(y[test], model.fit(X[train], y[train]).predict(X[test]))

    ours = deviance(TwoLayerRegressor(loss="poisson", random_state=0))
    with threadpool_limits(1):
        assert ours < deviance(HistGradientBoostingRegressor(loss="poisson", random_state=0))
    assert ours < deviance(PoissonRegressor())
    of_the_mean = mean_poisson_deviance(y[test], np.full(3000, y[train].mean()))
    of_the_truth = mean_poisson_deviance(y[test], rate[test])
    assert (ours - of_the_truth) / (of_the_mean - of_the_truth) < 0.2


@over_solvers
def test_outliers_have_little_influence_on_the_absolute_error(solver):
    X, y, truth = make_uneven_noise(2000, 0)
    y[::100] += 1e6
    model = TwoLayerRegressor(loss="absolute_error", solver=solver, random_state=0).fit(X, y)
    error = mean_absolute_error(truth(0.5), model.predict(X))
    assert error < 0.6 * mean_absolute_error(truth(0.5), np.full(2000, np.median(y)))
    squared = TwoLayerRegressor(solver=solver, random_state=0).fit(X, y)
    assert error < 0.01 * mean_absolute_error(truth(0.5), squared.predict(X))


# Gradient checks.


@pytest.mark.parametrize("n_targets", [1, 2])
@over_losses
def test_gradient_check_of_fitted_estimators(loss, n_targets):
    X, y, w = make_samples(n_targets)
    y = y + np.random.RandomState(1).uniform(0, 1, y.shape)
    model = plain(loss, solver="sgd", max_updates=20).fit(X, y)
    assert max(gradient_check(model, X, y).values()) < 1e-6
    assert max(gradient_check(model, X, y, w).values()) < 1e-6


@pytest.mark.parametrize("loss", ["absolute_error", "quantile"])
def test_gradient_check_leaves_out_the_kinks_of_the_loss(loss):
    X, y, _ = make_samples(1)
    model = plain(loss, solver="sgd", max_updates=20).fit(X, y)
    y = np.where(np.arange(60) == 7, model.predict(X), y)  # exact: each step of b2 crosses it
    errors = gradient_check(model, X, y)
    assert np.isnan(errors["b2"])
    assert not max(np.nan_to_num([*errors.values()])) > 1e-6


# Sparse samples, weights, streams and warm starts.


def make_sparse_samples():
    rng = np.random.default_rng(0)
    X = (rng.random((120, 200)) < 0.03) * rng.integers(1, 4, (120, 200)).astype(float)
    return X, rng.poisson(np.exp(X @ rng.standard_normal((200, 2)) / 3)) + rng.random((120, 2))


@over_solvers
@over_losses
def test_sparse_and_dense_samples_give_the_same(loss, solver):
    X, Y = make_sparse_samples()
    options = {"solver": solver, "batch_size": 10, "max_iter": 5}
    dense, sparse = plain(loss, **options).fit(X, Y), plain(loss, **options).fit(csr_array(X), Y)
    for a, b in zip(arrays(dense), arrays(sparse), strict=True):
        assert_allclose(a, b, rtol=1e-6, atol=1e-8)
    assert_allclose(sparse.predict(csr_array(X)), dense.predict(X), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("solver", ["sgd", "adamw"])
@over_losses
def test_streams_of_sparse_chunks_are_exact_and_continue_from_pickles(loss, solver):
    X, Y = make_sparse_samples()
    dense, sparse = (plain(loss, solver=solver, batch_size=10) for _ in range(2))
    for start in range(0, 120, 30):
        chunk = slice(start, start + 30)
        dense.partial_fit(X[chunk], Y[chunk])
        sparse = pickle.loads(pickle.dumps(sparse)).partial_fit(csr_array(X[chunk]), Y[chunk])
        assert "coefs_" not in vars(sparse)  # rows of W1 have pending updates
        assert_allclose(sparse.predict(csr_array(X)), dense.predict(X), rtol=1e-7, atol=1e-7)


@over_solvers
@over_losses
def test_weights_are_repetitions(loss, solver):
    X, Y, _ = make_samples()
    times = np.arange(60) % 3
    options = {"solver": solver, "batch_size": 1000, "max_iter": 5, "activation": "tanh"}
    weighted = plain(loss, **options).fit(X, Y, times)
    repeated = plain(loss, **options).fit(X.repeat(times, axis=0), Y.repeat(times, axis=0))
    assert_allclose(weighted.predict(X), repeated.predict(X), rtol=1e-8)
    assert_allclose(weighted.loss_curve_, repeated.loss_curve_, rtol=1e-9)
    assert_allclose(weighted.train_scores_, repeated.train_scores_, rtol=1e-9)


@pytest.mark.parametrize("solver", ["sgd", "adam", "adamw"])
@over_losses
def test_a_warm_start_continues_bit_for_bit(loss, solver, tmp_path):
    X, Y, _ = make_samples()
    options = {"solver": solver, "batch_size": 20, "dropout": 0.1}
    whole = plain(loss, max_iter=6, **options).fit(X, Y)
    half = plain(loss, max_iter=3, warm_start=True, **options).fit(X, Y)
    skops.io.dump(half, tmp_path / "half.skops")
    types = skops.io.get_untrusted_types(file=tmp_path / "half.skops")
    assert types == ["sk_twolayer.TwoLayerRegressor"]
    saved = skops.io.load(tmp_path / "half.skops", trusted=types)
    for halves in (pickle.loads(pickle.dumps(half)), saved, half):
        halves.fit(X, Y)
        for a, b in zip(arrays(halves), arrays(whole), strict=True):
            assert_array_equal(a, b)
        assert halves.loss_curve_ == whole.loss_curve_
        assert_array_equal(halves.predict(X), whole.predict(X))


@pytest.mark.callbacks
@over_losses
def test_a_checkpoint_resumes_bit_for_bit(loss, tmp_path):
    from sk_twolayer.callbacks import Checkpoint

    X, Y, _ = make_samples()
    model = plain(loss, max_iter=7, batch_size=20, early_stopping=True)
    model.set_callbacks(Checkpoint(tmp_path / "fit.pkl", every=3)).fit(X, Y)
    resumed = Checkpoint.load(tmp_path / "fit.pkl")
    assert resumed.n_iter_ == 6
    other = pickle.loads(pickle.dumps(resumed)).set_params(loss="squared_error")
    with pytest.raises(ValueError, match=r"loss='squared_error', but the network to continue"):
        other.fit(X, Y)
    assert_array_equal(resumed.fit(X, Y).predict(X), model.predict(X))
    assert resumed.validation_scores_ == model.validation_scores_


@pytest.mark.parametrize("call", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"quantile": 0.7}, r"loss='quantile' and quantile=0.7, but .* quantile=0.8, "),
        ({"loss": "poisson"}, r"loss='poisson', but .* loss='quantile' and quantile=0.8, "),
    ],
)
def test_another_loss_is_refused_by_a_network_that_is_trained_further(call, change, message):
    X, Y, _ = make_samples()
    model = plain("quantile", warm_start=True, max_iter=2)
    getattr(model, call)(X, Y)
    before = model.predict(X)
    model.set_params(**change)
    assert_array_equal(model.predict(X), before)  # of the loss that it was trained with
    for again in (model.fit, model.partial_fit):
        with pytest.raises(ValueError, match=message):
            again(X, Y)
    model.set_params(warm_start=False).fit(X, Y)
    assert (model.predict(X) != before).all()


# Validation samples.


@pytest.mark.parametrize("solver", ["sgd", "adamw", "lbfgs"])
@over_losses
def test_validation_scores_are_d2(loss, solver):
    X, Y, w = make_samples(n=90)
    train, held_out = np.arange(0, 90, 2), np.arange(1, 90, 2)
    model = plain(loss, solver=solver, max_iter=20)
    validation = {"X_val": X[held_out], "y_val": Y[held_out], "sample_weight_val": w[held_out]}
    model.fit(X[train], Y[train], w[train], **validation)
    assert model.best_validation_score_ == max(model.validation_scores_)

    predicted, w_val, explained = model.predict(X[held_out]), w[held_out], []
    for y, found in zip(Y[held_out].T, predicted.T, strict=True):
        scores = np.log(found) if loss == "poisson" else found
        _, least = best_constant(loss, y, w_val)
        if loss == "poisson":  # half the deviance
            error = mean_poisson_deviance(y, found, sample_weight=w_val) / 2
        else:
            error = w_val @ element_losses(loss, scores, y) / w_val.sum()
        explained.append(1 - error / least)
    assert_allclose(model.best_validation_score_, np.mean(explained), rtol=1e-9)
    r2 = r2_score(Y[held_out], predicted, sample_weight=w_val)
    assert_allclose(model.score(X[held_out], Y[held_out], w_val), r2)  # whatever the loss

    model.set_params(scoring="loss").fit(X[train], Y[train], w[train], **validation)
    assert_allclose(model.validation_scores_, -np.array(model.validation_loss_curve_), rtol=1e-12)


@over_losses
def test_d2_of_constant_targets_is_one_if_they_are_exact(loss):
    """All features are zero, so that the network predicts the constant of its training."""
    X, Y = np.zeros((6, 1)), np.tile([3.0, 0.5], (6, 1))
    model = plain(loss, solver="sgd", max_iter=1, learning_rate=1e-300)
    assert model.fit(X, Y, X_val=X, y_val=Y).best_validation_score_ == 1
    assert model.fit(X, Y, X_val=X, y_val=Y + np.array([0, 0.5])).best_validation_score_ == 0.5
    if loss == "poisson":  # zeros may be validated with
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            assert model.fit(X, Y, X_val=X, y_val=0 * Y).best_validation_score_ == 0


def test_early_stopping_keeps_weights_that_predict_the_quantile():
    """The R2 of a high quantile is lowest where its predictions are best."""
    (X, y, _), (X_test, y_test, _) = make_uneven_noise(3000, 0), make_uneven_noise(3000, 1)
    options = {"loss": "quantile", "quantile": 0.95, "early_stopping": True, "random_state": 0}
    options["learning_rate_schedule"] = "constant"  # the last epoch is not always the best
    losses = {}
    for scoring in (None, "r2"):
        model = TwoLayerRegressor(scoring=scoring, **options).fit(X, y)
        losses[scoring] = mean_pinball_loss(y_test, model.predict(X_test), alpha=0.95)
    constant = mean_pinball_loss(y_test, np.full(3000, np.quantile(y, 0.95)), alpha=0.95)
    assert losses[None] < 0.75 * constant
    assert losses[None] < losses["r2"]


def test_printed_lines_and_curves_name_d2(capsys):
    X, y, _ = make_samples(1)
    model = plain("quantile", max_iter=2, early_stopping=True, verbose=True).fit(X, y)
    line = capsys.readouterr().out.splitlines()[0]
    assert "training D2" in line
    assert "validation D2" in line
    assert LossCurveDisplay.from_estimator(model).axes_[1].get_ylabel() == "D2"


# Dtypes and extremes.


@over_losses
def test_float32_is_kept(loss):
    X, Y, _ = make_samples()
    wide, narrow = (plain(loss, max_iter=20).fit(X.astype(t), Y) for t in ("f8", "f4"))
    assert {array.dtype for array in arrays(narrow)} == {np.dtype(np.float32)}
    predicted = narrow.predict(X.astype("f4"))
    assert predicted.dtype == np.float32
    if loss == "poisson":  # with kinks, a rounding may decide the sign of a gradient
        assert_allclose(predicted, wide.predict(X), rtol=1e-4)
    else:
        assert_allclose(narrow.loss_, wide.loss_, rtol=1e-3)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_predicted_means_are_positive_whatever_x(dtype):
    X, y, _ = make_samples(1)
    X = X.astype(dtype)
    model = plain("poisson", activation="identity", solver="lbfgs").fit(X, y)
    slope = (model.coefs_[0] @ model.coefs_[1]).ravel()
    far = -1e6 * np.sign(slope)[np.newaxis].astype(dtype)
    assert model.predict(far) == np.finfo(dtype).tiny
    with pytest.raises(
        ValueError, match=r"overflows float\d\d.*the exponential of .* times y_scale_"
    ):
        model.predict(-far)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@over_solvers
def test_a_poisson_network_that_starts_far_away_does_not_overflow(solver, dtype):
    """Large weights give the first scores a size of thousands."""
    X, y, _ = make_samples(1)
    model = TwoLayerRegressor(20, loss="poisson", solver=solver, init=20.0, alpha=0, random_state=0)
    if solver == "sgd":
        model.set_params(learning_rate=1e-4)
    model.set_params(max_iter=300).fit(X.astype(dtype), y)
    rng = np.random.RandomState(0)
    W1, W2 = 20 * rng.standard_normal((4, 20)), 20 * rng.standard_normal((20, 1))
    assert (np.maximum(X @ W1, 0) @ W2).max() > 710  # its exponential is infinite
    assert np.isfinite(model.batch_loss_curve_).all()
    assert model.loss_ < model.loss_curve_[0] / 5


def test_the_poisson_loss_continues_linearly_above_twice_the_largest_target():
    loss, _ = make_output(("exp", {"largest": 5.0}))
    scores, T = np.linspace(-3, 9, 1201), np.full((1201, 1), 3.0)
    found, slope = scores.copy()[np.newaxis], np.minimum(np.exp(scores), 10) - 3
    losses, _ = loss(found, T)
    assert_allclose(found[0], slope, rtol=1e-12)
    assert_allclose(np.gradient(losses, scores)[1:-1], slope[1:-1], rtol=0.01, atol=1e-3)
    below = scores < np.log(10)
    expected = element_losses("poisson", scores, T[:, 0])
    assert_allclose(losses[below], expected[below], rtol=1e-12, atol=1e-14)
    # A larger target, as a later chunk of a stream may have, still has a loss with a minimum.
    at = np.log([[99.0, 100, 101, 1000]])
    losses, _ = loss(at, np.full((4, 1), 100.0))
    assert losses.argmin() == 1
    assert at[0, 3] > 0


# Errors.


def test_the_quantile_is_needed_and_lies_between_0_and_1():
    X, y, _ = make_samples(1)
    model = TwoLayerRegressor(loss="quantile")
    for call in (model.fit, model.partial_fit):
        with pytest.raises(ValueError, match=r"loss='quantile' needs the quantile"):
            call(X, y)
        with pytest.raises(TypeError, match=r"quantile=None"):  # scikit-learn's type
            call(X, y)
    for quantile in (0, 1, 1.5, "median"):
        with pytest.raises(ValueError, match=r"'quantile' parameter of TwoLayerRegressor"):
            model.set_params(quantile=quantile).fit(X, y)
    with pytest.raises(ValueError, match=r"'loss' parameter of TwoLayerRegressor"):
        TwoLayerRegressor(loss="gamma").fit(X, y)
    TwoLayerRegressor(quantile=0.5, max_updates=1).fit(X, y)  # not used, as in scikit-learn


def test_targets_without_a_poisson_deviance_are_refused():
    X, y, w = make_samples(1)
    model = plain("poisson", max_iter=2, warm_start=True)
    negative = np.where(np.arange(60) == 5, -3, y)
    with pytest.raises(ValueError, match=r"requires non-negative y and sum\(y\) > 0.*holds -3"):
        model.fit(X, negative)
    with pytest.raises(ValueError, match=r"sum\(y\) > 0, and y is zero in all samples"):
        model.fit(X, 0 * y)
    with pytest.raises(ValueError, match=r"sum\(y\) > 0, and y is zero in all samples"):
        model.fit(X, y, w * (y == 0))
    with pytest.raises(ValueError, match=r"sum\(y\) > 0, and y is zero in all samples"):
        model.fit(X, np.column_stack([y, 0 * y]))
    with pytest.raises(ValueError, match=r"validation samples.*y holds -3"):
        model.fit(X, y, X_val=X, y_val=negative)
    assert not hasattr(model, "coefs_")
    model.fit(X, y)
    with pytest.raises(ValueError, match=r"holds -3"):
        model.fit(X, negative)
    model.partial_fit(X, 0 * y)  # a chunk of a stream may hold zeros only
    assert (model.predict(X) > 0).all()
