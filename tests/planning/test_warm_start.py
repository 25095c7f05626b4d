"""The moments of Adam continue with other decay rates, as running means of the gradients."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from plain_model import PlainModel
from plain_settings import plain_classifier
from scipy.sparse import csr_array

rng = np.random.default_rng(0)
X = rng.standard_normal((60, 9)) * (rng.random((60, 9)) < 0.2)
y = rng.integers(3, size=60)
CHUNKS = [slice(start, start + 20) for start in (0, 20, 40)]


@pytest.mark.parametrize("container", [np.asarray, csr_array])
@pytest.mark.parametrize("solver", ["adam", "adamw"])
@pytest.mark.parametrize("betas", [{"beta_1": 0.5}, {"beta_2": 0.999}])
def test_other_decay_rates_continue_from_the_same_means(container, solver, betas):
    ours = plain_classifier(4, solver=solver, batch_size=5, init=0.5, random_state=0)
    ours.set_params(learning_rate=0.01, beta_1=0.8, beta_2=0.95, epsilon=1e-2)
    plain = PlainModel(**ours.get_params())
    for chunk in CHUNKS:
        ours.partial_fit(container(X[chunk]), y[chunk], classes=[0, 1, 2])
        plain.partial_fit(X[chunk], y[chunk], classes=[0, 1, 2])
        ours.set_params(**betas)
        plain.parameters |= betas
    for array, expected in zip([*ours.coefs_, *ours.intercepts_], plain.weights, strict=True):
        assert_allclose(array, expected, rtol=1e-9, atol=1e-12)
