"""The optimizers against scikit-learn's own, number by number."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.neural_network._stochastic_optimizers import SGDOptimizer

from sk_twolayer.optimizers import SGD


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
