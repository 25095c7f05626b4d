"""What "auto" stands for: numbers by the rules in the docstrings, recomputed here."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_matrix
from sklearn.datasets import make_classification

from sk_twolayer import TwoLayerClassifier
from sk_twolayer.automatic import auto_learning_rate
from sk_twolayer.batches import Data

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module")
def data():
    return make_classification(
        n_samples=120, n_features=8, n_informative=6, n_classes=3, random_state=0
    )


@pytest.mark.parametrize("as_sparse", [False, True])
def test_the_automatic_learning_rate_follows_the_length_of_the_rows(data, as_sparse):
    X, y = data
    X = X / np.sqrt(np.mean((X**2).sum(axis=1)))  # of mean squared length 1
    expected = [(0.1, 64, 8 / 32), (0.1, 16, 4 / 32), (1.25, 64, 0.25 / 1.25**2)]
    expected += [(10, 64, 0.1), (100, 64, 30 / 100**2)]
    for scale, batch_size, rate in expected:
        scaled = csr_matrix(scale * X) if as_sparse else scale * X
        model = TwoLayerClassifier(batch_size=batch_size, max_iter=1, random_state=0)
        assert_allclose(model.fit(scaled, y).learning_rate_, rate)
    # The first chunk of a stream decides.
    model = TwoLayerClassifier(random_state=0).partial_fit(100 * X, y, classes=[0, 1, 2])
    assert_allclose(model.partial_fit(X, y).learning_rate_, 30 / 100**2)
    # A weight counts like a repetition.
    weights = np.repeat([1, 2], len(X) // 2)
    weighted = TwoLayerClassifier(random_state=0, max_iter=1).fit(1e4 * X**2, y, weights)
    repeated = np.repeat(X, weights, axis=0), np.repeat(y, weights)
    repeated = TwoLayerClassifier(random_state=0, max_iter=1).fit(
        1e4 * repeated[0] ** 2, repeated[1]
    )
    assert_allclose(weighted.learning_rate_, repeated.learning_rate_)


@pytest.mark.parametrize(
    ("n_rows", "of_a_tenth", "of_a_fiftieth"), [(300, 10, 10), (3000, 15, 50), (20_000, 100, 100)]
)
def test_the_automatic_batches(n_rows, of_a_tenth, of_a_fiftieth):
    rows = np.arange(n_rows)
    narrow, wide = (csr_matrix((np.ones(n_rows), (rows, rows % n))) for n in (2, 1000))
    for X, solver, n_updates in [
        (narrow.toarray(), "sgd", of_a_tenth),
        (narrow, "sgd", of_a_tenth),  # every feature occurs in every batch
        (wide, "sgd", of_a_fiftieth),
        (wide, "adam", of_a_tenth),
    ]:
        model = TwoLayerClassifier(2, solver=solver, max_iter=1, random_state=0)
        assert model.fit(X, rows % 2).n_updates_ == n_updates


def test_the_automatic_rate_is_for_the_rows_that_a_batch_can_have(data):
    X, y = data
    X = X[:64] / np.sqrt(np.mean((X[:64] ** 2).sum(axis=1)))
    model = TwoLayerClassifier(batch_size=1000, max_iter=1, random_state=0).fit(X, y[:64])
    assert_allclose(model.learning_rate_, np.sqrt(64) / 32)


@pytest.mark.parametrize(
    ("activation", "init"),
    [("relu", "he"), ("tanh", "glorot"), ("logistic", "glorot"), ("identity", "glorot")],
)
def test_the_automatic_initialization(data, activation, init):
    automatic, chosen = (
        TwoLayerClassifier(activation=activation, init=init, max_iter=1, random_state=0).fit(*data)
        for init in ("auto", init)
    )
    assert_array_equal(automatic.coefs_[0], chosen.coefs_[0])


def test_entries_that_a_sparse_row_holds_twice_count_as_their_sum(data):
    X, y = data
    X = 10 * X
    whole = csr_matrix(X)
    # Each entry as two, of which the squares are much more than that of their sum.
    halves = np.stack([3 * whole.data, -2 * whole.data], axis=1).ravel()
    twice = csr_matrix((halves, whole.indices.repeat(2), 2 * whole.indptr), shape=X.shape)
    rates = [
        TwoLayerClassifier(max_iter=1, batch_size=32, random_state=0).fit(rows, y).learning_rate_
        for rows in (whole, twice)
    ]
    assert_allclose(rates, 30 / np.mean((X**2).sum(axis=1)))
    assert twice.nnz == 2 * whole.nnz  # what was handed in is not summed


@pytest.mark.parametrize("container", [np.asarray, csr_matrix])
@pytest.mark.parametrize("weight", [1e-300, 1, 1e300])
def test_the_automatic_rate_is_positive_and_finite_at_any_scale(data, container, weight):
    X, y = data
    weights = np.full(len(X), weight)
    for scale in (1e-320, 1e-200, 1e100, 1e153, 1e200, 1e307):
        rows = Data(container(np.clip(X, -1, 1) * scale), y, weights)
        rate = auto_learning_rate("sgd", rows, 64)
        with np.errstate(over="ignore"):
            length = np.mean((np.clip(X, -1, 1) * scale) ** 2) * X.shape[1]
        expected = 0.25 if scale < 1 else 30 / min(length, np.finfo(float).max)
        assert_allclose(rate, expected)
        assert rate > 0
