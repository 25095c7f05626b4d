"""The network matches published values, central differences, and plain formulas."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array

from sk_twolayer.network import TwoLayerNetwork, compute_scores, parameters, two_layer
from sk_twolayer.network.activations import ACTIVATIONS, logistic
from sk_twolayer.network.losses import softmax
from sk_twolayer.network.parameters import initialize, unpack

PUBLISHED_SCORES = [
    [-0.81233741, -1.27654624, -0.70335995],
    [-0.17129677, -1.18803311, -0.47310444],
    [-0.51590475, -1.01354314, -0.8504215],
    [-0.15419291, -0.48629638, -0.52901952],
    [-0.00618733, -0.12435261, -0.15226949],
]


@pytest.fixture
def toy():
    """Return the toy model of the exercise and its data, drawn in the order of the exercise."""
    toy = TwoLayerNetwork(4, 10, 3, batch_size=5, alpha=0.1)
    initialize(toy.W1, toy.W2, toy.b1, toy.b2, 0.1, np.random.RandomState(0))
    X = 10 * np.random.RandomState(1).standard_normal((5, 4))
    return toy, X, np.array([0, 1, 2, 2, 1])


def central_differences(function, vector, step=1e-5):
    gradient = np.empty_like(vector)
    for i in range(len(vector)):
        kept = vector[i]
        vector[i] = kept + step
        above = function()
        vector[i] = kept - step
        below = function()
        vector[i] = kept
        gradient[i] = (above - below) / (2 * step)
    return gradient


def test_toy_scores_equal_the_published_scores(toy):
    toy, X, _ = toy
    scores = compute_scores(X, toy.W1, toy.W2, toy.b1, toy.b2)
    assert np.abs(scores - PUBLISHED_SCORES).sum() < 3.7e-8


def test_toy_loss_equals_the_published_loss(toy):
    toy, X, y = toy
    loss, _ = toy.loss_and_gradients(X, y)
    assert abs(loss - 1.30378789133) < 1e-11  # the precision of the published digits


@pytest.mark.parametrize("block_size", [2**15, 7])
def test_toy_gradients_equal_central_differences(block_size, monkeypatch, toy):
    monkeypatch.setattr(parameters, "BLOCK_SIZE", block_size)
    toy, X, y = toy
    toy.loss_and_gradients(X, y)
    analytic = toy.gradient.copy()
    numeric = central_differences(lambda: toy.loss_and_gradients(X, y)[0], toy.parameters)
    views = zip(unpack(analytic, 4, 10, 3), unpack(numeric, 4, 10, 3), strict=True)
    for ours, theirs in views:
        relative = np.abs(ours - theirs) / np.maximum(1e-8, np.abs(ours) + np.abs(theirs))
        assert relative.max() < 4e-9


@pytest.mark.parametrize("output", ["softmax", "logistic"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dropped", [False, True])
@pytest.mark.parametrize("activation", list(ACTIVATIONS))
def test_all_gradients_equal_central_differences(output, weighted, dropped, activation):
    rng = np.random.RandomState(2)
    net = TwoLayerNetwork(5, 7, 3, batch_size=9, alpha=0.3, output=output, activation=activation)
    net.parameters[:] = rng.standard_normal(net.parameters.size)
    X = rng.standard_normal((9, 5))
    y = rng.randint(3, size=9) if output == "softmax" else rng.randint(2, size=(9, 3))
    w = rng.uniform(0.1, 3, 9) if weighted else None
    keep = 2.0 * rng.randint(2, size=(9, 7)) if dropped else None
    net.loss_and_gradients(X, y, w, keep)
    analytic = net.gradient.copy()
    numeric = central_differences(lambda: net.loss_and_gradients(X, y, w, keep)[0], net.parameters)
    assert_allclose(analytic, numeric, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("output", ["softmax", "logistic"])
def test_loss_and_accuracy_equal_the_plain_formulas(output):
    rng = np.random.RandomState(3)
    net = TwoLayerNetwork(5, 7, 3, batch_size=9, alpha=0.3, output=output)
    net.parameters[:] = rng.standard_normal(net.parameters.size)
    X, w = rng.standard_normal((9, 5)), rng.uniform(0.1, 3, 9)
    scores = np.maximum(X @ net.W1 + net.b1, 0) @ net.W2 + net.b2
    if output == "softmax":
        y = rng.randint(3, size=9)
        p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        losses, correct = -np.log(p[np.arange(9), y]), p.argmax(axis=1) == y
    else:
        y = rng.randint(2, size=(9, 3))
        p = 1 / (1 + np.exp(-scores))
        losses = -np.where(y, np.log(p), np.log(1 - p)).sum(axis=1)
        correct = ((p > 0.5) == y).all(axis=1)
    penalty = 0.15 * ((net.W1**2).sum() + (net.W2**2).sum())
    loss, accuracy = net.loss_and_gradients(X, y, w)
    assert_allclose(loss, np.average(losses, weights=w) + penalty, rtol=1e-13)
    assert_allclose(accuracy, np.average(correct, weights=w), rtol=1e-13)


def test_softmax_and_logistic_are_exact_for_huge_scores():
    scores = np.array([[1e4, 0.0, -1e4]])
    softmax(scores)
    assert_allclose(scores, [[1, 0, 0]])
    z = np.array([-1e4, 0.0, 1e4])
    logistic(z)
    assert_allclose(z, [0, 0.5, 1])


@pytest.mark.parametrize(
    ("activation", "formula"),
    [
        ("relu", lambda z: np.maximum(z, 0)),
        ("tanh", np.tanh),
        ("logistic", lambda z: 1 / (1 + np.exp(-z))),
        ("identity", lambda z: z),
    ],
)
def test_dense_and_sparse_scores_equal_the_formula_of_each_activation(activation, formula):
    rng = np.random.RandomState(4)
    W1, W2 = rng.standard_normal((5, 7)), rng.standard_normal((7, 3))
    b1, b2 = rng.standard_normal(7), rng.standard_normal(3)
    X = rng.standard_normal((9, 5)) * (rng.uniform(size=(9, 5)) < 0.5)
    expected = formula(X @ W1 + b1) @ W2 + b2
    for rows in (X, csr_array(X)):
        assert_allclose(compute_scores(rows, W1, W2, b1, b2, activation), expected, rtol=1e-12)


def test_parameters_are_views_of_one_vector():
    net = TwoLayerNetwork(4, 10, 3, batch_size=1)
    net.parameters[:] = np.arange(net.parameters.size)
    parts = [net.W1, net.W2, net.b1, net.b2]
    assert [part.shape for part in parts] == [(4, 10), (10, 3), (10,), (3,)]
    assert_array_equal(np.concatenate([part.ravel() for part in parts]), net.parameters)
    assert all(np.shares_memory(part, net.parameters) for part in parts)


@pytest.mark.parametrize(
    ("init", "deviations"),
    [
        ("he", (np.sqrt(2 / 300), np.sqrt(2 / 400))),
        ("glorot", (np.sqrt(2 / 700), np.sqrt(2 / 600))),
        (0.01, (0.01, 0.01)),
    ],
)
def test_initial_weights_have_the_documented_standard_deviation(init, deviations):
    net = TwoLayerNetwork(300, 400, 200, batch_size=1)
    initialize(net.W1, net.W2, net.b1, net.b2, init, np.random.RandomState(0))
    for W, deviation in zip((net.W1, net.W2), deviations, strict=True):
        assert_allclose(W.std(), deviation, rtol=0.01)
        assert abs(W.mean()) < 0.02 * deviation
    assert not net.b1.any()
    assert not net.b2.any()


def test_chunks_change_neither_initial_weights_nor_scores(monkeypatch):
    X = np.random.RandomState(0).randint(256, size=(50, 30), dtype=np.uint8)
    results = []
    for chunk_bytes in (2**23, 1000):
        monkeypatch.setattr(two_layer, "CHUNK_BYTES", chunk_bytes)
        net = TwoLayerNetwork(30, 11, 3, batch_size=1)
        initialize(net.W1, net.W2, net.b1, net.b2, "he", np.random.RandomState(0))
        results.append((net.parameters, compute_scores(X, net.W1, net.W2, net.b1, net.b2)))
    assert_array_equal(results[0][0], results[1][0])
    assert_allclose(results[0][1], results[1][1], rtol=1e-12)


@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic", "identity"])
def test_scores_are_nan_for_samples_whose_products_overflow(activation):
    rng = np.random.RandomState(0)
    W1, W2 = rng.standard_normal((4, 5)), rng.standard_normal((5, 3))
    X = rng.standard_normal((4, 4))
    X[2] = 1e308 * np.sign(W1[:, 0])  # the sum in z1 is far above the largest float64
    X[3] = 1e300
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = compute_scores(X, W1, W2, np.zeros(5), np.zeros(3), activation)
    assert np.isnan(scores[2]).all()
    assert np.isfinite(scores[[0, 1, 3]]).all()


def test_softmax_is_exact_for_scores_that_are_far_apart():
    scores = np.array([[1.5e308, -1.5e308, 0.0], [0.0, 1.0, 2.0]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        softmax(scores)
    assert_array_equal(scores[0], [1, 0, 0])
    assert_allclose(scores[1], np.exp([0, 1, 2]) / np.exp([0, 1, 2]).sum())
