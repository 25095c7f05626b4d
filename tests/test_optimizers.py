"""The optimizers against scikit-learn's own, number by number."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

# The optimizers of MLPClassifier have no public name, and are what ours are to equal.
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer

from sk_twolayer import blocks
from sk_twolayer.optimizers import SGD, Adam


@pytest.fixture(autouse=True, params=[2**15, 3])
def block_size(request, monkeypatch):
    """Whether the parameters fit into one block or not changes nothing."""
    monkeypatch.setattr(blocks, "BLOCK_SIZE", request.param)


@pytest.mark.parametrize("momentum", [0, 0.9])
@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_updates_are_scikit_learns(momentum, nesterov):
    rng = np.random.RandomState(0)
    ours, theirs = np.ones(7), [np.ones(7)]
    sgd = SGD(ours, momentum=momentum, nesterov=nesterov)
    peer = SGDOptimizer(theirs, 0.1, momentum=momentum, nesterov=nesterov)
    for step in range(20):
        peer.learning_rate = 0.1 if step < 10 else 0.03
        gradient = rng.standard_normal(7)
        peer.update_params(theirs, [gradient.copy()])
        sgd.update(gradient, peer.learning_rate)
    assert_allclose(ours, theirs[0], rtol=1e-13)


def test_adam_updates_are_scikit_learns():
    rng = np.random.RandomState(0)
    ours, theirs = np.ones(7), [np.ones(7)]
    adam = Adam(ours, beta_1=0.8, beta_2=0.95, epsilon=1e-3)
    peer = AdamOptimizer(theirs, 0.1, beta_1=0.8, beta_2=0.95, epsilon=1e-3)
    for step in range(20):
        peer.learning_rate_init = 0.1 if step < 10 else 0.03
        gradient = rng.standard_normal(7)
        peer.update_params(theirs, [gradient.copy()])
        adam.update(gradient, peer.learning_rate_init, step + 1)
    assert_allclose(ours, theirs[0], rtol=1e-13)


@pytest.mark.parametrize("make", [SGD, Adam])
def test_another_optimizer_goes_on_with_the_moments(make):
    rng = np.random.RandomState(0)
    gradients = rng.standard_normal((6, 7))
    whole, parts = np.ones(7), np.ones(7)
    optimizer = make(whole)
    for step, gradient in enumerate(gradients):
        optimizer.update(gradient.copy(), 0.1, step + 1)
    first = make(parts)
    assert len(first.moments) == make.n_moments
    for step, gradient in enumerate(gradients[:3]):
        first.update(gradient.copy(), 0.1, step + 1)
    moments = [moment.copy() for moment in first.moments]
    second = make(parts, moments)
    for step, gradient in enumerate(gradients[3:]):
        second.update(gradient.copy(), 0.1, step + 4)
    assert_array_equal(parts, whole)
    for moment, expected in zip(moments, optimizer.moments, strict=True):  # moved in place
        assert_array_equal(moment, expected)
