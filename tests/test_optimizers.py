"""The optimizers against scikit-learn's own, number by number."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

# The optimizers of MLPClassifier have no public name, and are what ours are to equal.
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer

from sk_twolayer import network
from sk_twolayer.optimizers import SGD, Adam


@pytest.fixture(autouse=True, params=[2**15, 3])
def block_size(request, monkeypatch):
    """Whether the parameters fit into one block or not changes nothing."""
    monkeypatch.setattr(network, "BLOCK_SIZE", request.param)


@pytest.mark.parametrize("momentum", [0, 0.9])
@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_updates_are_scikit_learns(momentum, nesterov):
    rng = np.random.RandomState(0)
    ours, theirs = np.ones(7), [np.ones(7)]
    sgd = SGD(ours, 0.1, momentum, nesterov)
    peer = SGDOptimizer(theirs, 0.1, momentum=momentum, nesterov=nesterov)
    for step in range(20):
        gradient = rng.standard_normal(7)
        peer.update_params(theirs, [gradient.copy()])
        sgd.update(gradient)
        if step == 9:
            sgd.learning_rate = peer.learning_rate = 0.03
    assert_allclose(ours, theirs[0], rtol=1e-13)


def test_adam_updates_are_scikit_learns():
    rng = np.random.RandomState(0)
    ours, theirs = np.ones(7), [np.ones(7)]
    adam = Adam(ours, 0.1, beta_1=0.8, beta_2=0.95, epsilon=1e-3)
    peer = AdamOptimizer(theirs, 0.1, beta_1=0.8, beta_2=0.95, epsilon=1e-3)
    for _ in range(20):
        gradient = rng.standard_normal(7)
        peer.update_params(theirs, [gradient.copy()])
        adam.update(gradient)
    assert_allclose(ours, theirs[0], rtol=1e-13)


@pytest.mark.parametrize("make", [SGD, Adam])
def test_a_recalled_memory_goes_on(make):
    rng = np.random.RandomState(0)
    gradients = rng.standard_normal((6, 7))
    whole, parts = np.ones(7), np.ones(7)
    optimizer = make(whole, 0.1)
    for gradient in gradients:
        optimizer.update(gradient.copy())
    first = make(parts, 0.1)
    for gradient in gradients[:3]:
        first.update(gradient.copy())
    second = make(parts, 0.1)
    second.recall(first.remember())
    for gradient in gradients[3:]:
        second.update(gradient.copy())
    assert_allclose(parts, whole, rtol=0)
