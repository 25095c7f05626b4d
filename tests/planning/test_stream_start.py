"""A stream learns the scales of columns and targets, and its rates, from its first 300 samples."""

import pickle

import numpy as np
import pytest
from estimator_state import STREAMING_SOLVERS
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.base import is_classifier
from sklearn.datasets import load_digits, make_friedman1
from sklearn.neural_network import MLPClassifier, MLPRegressor

from sk_twolayer import TwoLayerClassifier, TwoLayerRegressor
from sk_twolayer.data import Data, DataSummary
from sk_twolayer.planning.stream_start import StreamStart

RNG = np.random.default_rng(0)
X = RNG.normal(0.2, 1, (400, 6)) * np.logspace(-2, 3, 6) * (RNG.random((400, 6)) < 0.7)
Y = X[:, 2] / 1 + X[:, 3] / 10
KINDS = {"dense": np.asarray, "sparse": csr_array}


def stream(model, X, y, sizes, kind="dense"):
    start = 0
    for size in sizes:
        chunk = slice(start, start + size)
        classes = {"classes": np.unique(y)} if is_classifier(model) else {}
        model.partial_fit(KINDS[kind](X[chunk]), y[chunk], **classes)
        start += size
    return model


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("solver", STREAMING_SOLVERS)
@pytest.mark.parametrize("sizes", [[1] * 300, [2, 98, 199, 1], [299, 1]], ids=str)
def test_chunks_of_any_size_end_at_the_scales_and_rates_of_300_samples(sizes, solver, kind):
    small = TwoLayerRegressor(4, solver=solver, random_state=0)
    whole = TwoLayerRegressor(4, solver=solver, random_state=0)
    stream(small, X, Y, sizes, kind)
    whole.set_params(batch_size=1).partial_fit(KINDS[kind](X[:300]), Y[:300])
    assert_allclose(small.y_mean_, np.mean(Y[:300]))
    assert_allclose(small.y_scale_, np.std(Y[:300]))
    rates = small.learning_rate_, small.learning_rate_W1_
    assert_allclose(rates, (whole.learning_rate_, whole.learning_rate_W1_))
    # What 300 samples have told stays.
    small.partial_fit(KINDS[kind](1e3 * X[300:]), 1e3 * Y[300:])
    assert_allclose(small.y_scale_, np.std(Y[:300]))
    assert (small.learning_rate_, small.learning_rate_W1_) == rates


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sizes", [[1] * 300, [7, 93, 150, 50]], ids=str)
@pytest.mark.parametrize("solver", STREAMING_SOLVERS)
def test_rows_of_W1_end_at_the_scales_of_300_samples(solver, sizes, kind):
    """At such a rate no weight moves but by its scale."""
    model = TwoLayerRegressor(5, solver=solver, learning_rate=1e-300, random_state=0)
    whole = TwoLayerRegressor(5, solver=solver, learning_rate=1e-300, random_state=0)
    W1, _ = stream(model, X, Y, sizes, kind).coefs_
    assert_allclose(W1, whole.partial_fit(X[:300], Y[:300]).coefs_[0], rtol=1e-9)
    rms = np.sqrt([np.mean(x[x != 0] ** 2) for x in X[:300].T])
    drawn = np.random.RandomState(0).standard_normal((6, 5)) * np.sqrt(2 / 6)
    assert_allclose(W1, drawn / rms[:, np.newaxis], rtol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_hidden_units_stay_centred_while_scales_are_learned(kind):
    X = RNG.normal(3, 1, (300, 6)) * np.logspace(-2, 3, 6)
    model = TwoLayerRegressor(5, learning_rate=1e-300, random_state=0)
    for sizes in ([1, 2, 40], [257]):
        stream(model, X, Y, sizes, kind)
        X_seen = np.concatenate([X[: sum(sizes)], X[:43]]) if sizes == [257] else X[:43]
        assert_allclose(model.intercepts_[0], -X_seen.mean(axis=0) @ model.coefs_[0], rtol=1e-6)


@pytest.mark.parametrize("solver", STREAMING_SOLVERS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_pickle_of_a_stream_at_its_start_continues_bit_for_bit(kind, solver):
    one = TwoLayerRegressor(5, solver=solver, random_state=0)
    other = TwoLayerRegressor(5, solver=solver, random_state=0)
    for start in range(0, 400, 40):
        chunk = KINDS[kind](X[start : start + 40]), Y[start : start + 40]
        one.partial_fit(*chunk)
        other = pickle.loads(pickle.dumps(other.partial_fit(*chunk)))
        assert_array_equal(one.predict(X), other.predict(X))
    assert vars(one)["_training_state"].stream_start is None


@pytest.mark.parametrize("solver", STREAMING_SOLVERS)
def test_sparse_chunks_of_some_features_equal_dense_chunks(solver):
    """The last features do not occur in the first chunks, whose rows alone are copied."""
    rng = np.random.default_rng(0)
    X = rng.choice([0.0, 1, 5], (60, 80), p=[0.9, 0.05, 0.05]) * np.logspace(-3, 3, 80)
    y = X @ np.logspace(3, -3, 80)
    options = {"solver": solver, "alpha": 0.01, "random_state": 0}
    dense, sparse = TwoLayerRegressor(5, **options), TwoLayerRegressor(5, **options)
    for i in range(330):
        chunk = slice(i % 60, i % 60 + 1)
        dense.partial_fit(X[chunk], y[chunk])
        sparse.partial_fit(csr_array(X[chunk]), y[chunk])
        if i % 50 == 49:
            assert_allclose(sparse.predict(csr_array(X)), dense.predict(X), rtol=1e-6, atol=1e-6)
    assert_allclose(sparse.batch_loss_curve_, dense.batch_loss_curve_, rtol=1e-6)


FIRST = {
    "a tiny entry": (np.array([[1e-6, 0, 0, 0, 0, 0, 0, 0, 0, 0]]), np.array([0.1])),
    "nothing": (np.zeros((1, 10)), np.array([14.0])),
    "equal samples": (np.full((10, 10), 0.3), np.full(10, 14.0)),
    "large y": (np.full((1, 10), 0.3), np.array([60.0])),
}


@pytest.mark.parametrize("solver", STREAMING_SOLVERS)
@pytest.mark.parametrize("first", FIRST)
def test_an_odd_first_chunk_does_not_spoil_a_stream(first, solver):
    X, y = make_friedman1(1200, random_state=0)
    model = TwoLayerRegressor(solver=solver, random_state=0).partial_fit(*FIRST[first])
    for start in range(0, 900, 5):
        model.partial_fit(X[start : start + 5], y[start : start + 5])
    assert model.score(X[900:], y[900:]) > 0.65  # MLPRegressor has 0.7 without that chunk


@pytest.mark.parametrize("data", ["friedman", "digits"])
def test_samples_may_come_one_by_one(data):
    if data == "friedman":
        (X, y), peer, ours = make_friedman1(1200, random_state=0), MLPRegressor, TwoLayerRegressor
    else:
        X, y = load_digits(return_X_y=True)
        peer, ours = MLPClassifier, TwoLayerClassifier
    peer = peer(hidden_layer_sizes=(200,), random_state=0)
    reference = stream(peer, X, y, [1] * 900).score(X[900:], y[900:])
    for solver in STREAMING_SOLVERS:
        model = stream(ours(solver=solver, random_state=0), X, y, [1] * 900)
        assert model.score(X[900:], y[900:]) > reference - 0.02


@pytest.mark.parametrize("kind", KINDS)
def test_settings_that_are_numbers_learn_nothing(kind):
    options = {"solver": "sgd", "init": 0.1, "learning_rate": 0.01, "random_state": 0}
    model = TwoLayerClassifier(5, **options)
    stream(model, X, Y > 0, [1, 2], kind)
    assert vars(model)["_training_state"].stream_start is None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("solver", STREAMING_SOLVERS)
def test_a_velocity_is_rescaled_with_the_weights_and_running_means_are_not(solver, kind):
    model = TwoLayerRegressor(5, solver=solver, random_state=0)
    model.partial_fit(KINDS[kind](X[:20]), Y[:20])
    start, state = StreamStart.of(vars(model)), model._training_state.copy()
    if state.pending is None:
        state.parameters = np.concatenate([a.ravel() for a in (*model.coefs_, *model.intercepts_)])
    W1, *moments = (rows.copy() for rows in state.rows)
    summary = DataSummary(Data(KINDS[kind](X[20:100]), np.zeros((80, 1)), None), start.totals)
    start.rescale(state, summary, None)
    rescaled_W1, *rescaled = state.rows
    ratios = rescaled_W1 / W1
    assert_allclose(ratios, np.broadcast_to(ratios[:, :1], ratios.shape))  # one for each feature
    assert np.abs(np.log(ratios)).max() > 0.01
    for before, after in zip(moments, rescaled, strict=True):
        expected = before * ratios if solver == "sgd" else before
        assert_allclose(after, expected, rtol=1e-12)
