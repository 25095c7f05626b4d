"""Updates of the optimizers match scikit-learn and the formulas of the papers."""

from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

# The peers of SGD and Adam have no public name.
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer

from sk_twolayer import TwoLayerClassifier, TwoLayerRegressor
from sk_twolayer.network import parameters as network_parameters
from sk_twolayer.optimizers import SGD, Adam, AdamW


@pytest.fixture(autouse=True, params=[2**16, 3])
def block_size(request, monkeypatch):
    """Run each test with one block and with several blocks: the results are the same."""
    monkeypatch.setattr(network_parameters, "BLOCK_SIZE", request.param)


@pytest.mark.parametrize("momentum", [0, 0.9])
@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_updates_match_scikit_learn(momentum, nesterov):
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


def test_adam_updates_match_scikit_learn():
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


@pytest.mark.parametrize(("beta_1", "beta_2"), [(0.9, 0.95), (0.5, 0.999), (0.0, 0.5)])
@pytest.mark.parametrize("epsilon", [1e-8, 1e-1])
@pytest.mark.parametrize("first_layer", [1.0, 0.2])
def test_adamw_updates_match_the_paper(beta_1, beta_2, epsilon, first_layer):
    """Algorithm 2 of Loshchilov and Hutter, but v starts at epsilon^2 and epsilon is not added."""
    rng = np.random.RandomState(0)
    ours = rng.standard_normal(2 * 3 + 3 * 2 + 3 + 2)  # W1, W2, b1, b2
    layers = np.repeat([first_layer, 1, 1, 1], [6, 6, 3, 2])
    decays = np.repeat([0.3, 0.3, 0, 0], [6, 6, 3, 2])
    theirs, m, v = ours.copy(), 0, epsilon**2
    betas = {"beta_1": beta_1, "beta_2": beta_2, "epsilon": epsilon}
    options = {"hidden_size": 3, "n_outputs": 2, "decay": 0.3, "first_layer": first_layer}
    adamw = AdamW(ours, **options, **betas)
    for t in range(1, 31):
        rate, g = 0.1 / t, rng.standard_normal(17) * (rng.uniform(size=17) < 0.5)
        m, v = beta_1 * m + (1 - beta_1) * g, beta_2 * v + (1 - beta_2) * g**2
        step = (m / (1 - beta_1**t)) / np.sqrt(v / (1 - beta_2**t))
        theirs = theirs - layers * rate * (step + decays * theirs)
        adamw.update(g.copy(), rate, t)
    assert_allclose(ours, theirs, rtol=1e-12)


@pytest.mark.parametrize("n_missed", [1, 3, 100])
def test_adamw_updates_without_a_gradient_compose_to_one_map(n_missed):
    rng = np.random.RandomState(0)
    options = {"hidden_size": 1, "n_outputs": 1, "decay": 0.3, "first_layer": 0.2}
    vectors = rng.uniform(0.1, 1, (3, 7))  # W1 of four features, W2, b1, b2
    adamw = AdamW(vectors[0], list(vectors[1:]), **options)
    late = vectors[:, :4].copy().reshape(3, 4, 1)
    maps = adamw.identity_map[:, np.newaxis]
    for t in range(1, n_missed + 1):
        maps = adamw.compose(adamw.zero_gradient_map(0.1 / t, None, t)[0], maps)
        adamw.update(np.zeros(7), 0.1 / t, t)
    adamw.apply_maps(maps, *late)
    assert_allclose(late[..., 0], vectors[:, :4], rtol=1e-12)


def test_a_mean_square_that_underflows_in_float32_causes_no_division_by_zero():
    vectors = np.ones((2, 3), np.float32)
    adamw = AdamW(vectors[0], hidden_size=1, n_outputs=1, decay=0.0, beta_1=0.1, beta_2=0.2)
    for t in range(1, 200):
        adamw.update(vectors[1] * (t == 1), 0.1, t)
    # The first step is the learning rate, and later steps are ever smaller shares of it.
    assert_allclose(vectors[0], 1 - 0.1 * sum(shares(0.1, 0.2, 199)), rtol=1e-5)


@pytest.mark.parametrize("make", [Adam, partial(AdamW, hidden_size=1, n_outputs=1)])
@pytest.mark.parametrize(("beta_1", "beta_2"), [(0.9, 0.9), (0.5, 0.3), (0.0, 0.5)])
def test_moments_do_not_stay_below_the_normal_numbers(make, beta_1, beta_2):
    """These make processors slow, and without a gradient rounding may never take them to zero."""
    parameters = np.ones(3, np.float32)
    optimizer = make(parameters, beta_1=beta_1, beta_2=beta_2)
    optimizer.update(np.ones(3, np.float32), 1e-3, 1)
    n_slow = 0
    for t in range(2, 3000):
        optimizer.update(np.zeros(3, np.float32), 1e-3, t)
        n_slow += any(0 < moment[0] < np.finfo(np.float32).tiny for moment in optimizer.moments)
    assert n_slow < 256
    assert np.isfinite(parameters).all()


def test_adamw_has_the_default_betas_of_the_estimators():
    adamw = AdamW(np.zeros(3), hidden_size=1, n_outputs=1)
    for estimator in (TwoLayerClassifier(), TwoLayerRegressor()):
        assert (adamw.beta_1, adamw.beta_2) == (estimator.beta_1, estimator.beta_2)


def shares(beta_1, beta_2, n_updates):
    """Return the paper's steps, divided by the rate, for a gradient of 1 followed by zeros."""
    t = np.arange(1, n_updates + 1)
    means = (1 - beta_1) * beta_1 ** (t - 1) / (1 - beta_1**t)
    mean_squares = (1 - beta_2) * beta_2 ** (t - 1.0) / (1 - beta_2**t)
    return means / np.sqrt(mean_squares)


ADAMW = partial(AdamW, hidden_size=2, n_outputs=1)


@pytest.mark.parametrize("make", [SGD, Adam, ADAMW])
def test_a_new_optimizer_continues_from_given_moments(make):
    rng = np.random.RandomState(0)
    gradients = rng.standard_normal((6, 7))
    whole, parts = np.ones(7), np.ones(7)
    optimizer = make(whole)
    for step, gradient in enumerate(gradients):
        optimizer.update(gradient.copy(), 0.1, step + 1)
    first = make(parts)
    n_moments = {SGD: 1, Adam: 2, AdamW: 2}[type(first)]
    assert len(first.moments) == n_moments
    for step, gradient in enumerate(gradients[:3]):
        first.update(gradient.copy(), 0.1, step + 1)
    moments = [moment.copy() for moment in first.moments]
    second = make(parts, moments)
    for step, gradient in enumerate(gradients[3:]):
        second.update(gradient.copy(), 0.1, step + 4)
    assert_array_equal(parts, whole)
    for moment, expected in zip(moments, optimizer.moments, strict=True):  # updated in place
        assert_array_equal(moment, expected)
