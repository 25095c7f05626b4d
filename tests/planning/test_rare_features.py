"""The "auto" values for rare features and for streams follow the rules, recomputed here."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.sparse import csr_array

from sk_twolayer import TwoLayerClassifier


def documents(n_rows, share, n_features=100, scale=1.0):
    """Return samples with exactly this share of non-zero entries, and labels."""
    rng = np.random.default_rng(0)
    X = np.zeros((n_rows, n_features))
    for row in X:
        columns = rng.permutation(n_features)[: round(share * n_features)]
        row[columns] = scale * rng.integers(1, 4, len(columns))
    return X, np.arange(n_rows) % 3


def automatic(model):
    names = (
        "batch_size_",
        "max_iter_",
        "dropout_",
        "alpha_",
        "learning_rate_",
        "learning_rate_W1_",
    )
    return [getattr(model, name) for name in names]


def mean_absolute_sum(X):
    return np.abs(X).sum(axis=1).mean()


@pytest.mark.parametrize("scale", [0.001, 1, 100])
@pytest.mark.parametrize(("share", "rare"), [(0.01, True), (0.03, False)])
def test_rare_features_have_their_own_automatic_values(share, rare, scale):
    # A batch has 64 samples: a feature occurs in 0.6 of them, or in 1.9.
    X, y = documents(600, share, n_features=1000, scale=scale)
    model = TwoLayerClassifier(3, random_state=0).fit(X, y)
    limit, bound = (0.006 if rare else 0.03), 1 / mean_absolute_sum(X)
    epochs, dropout, strength = (14, 0.5, 2000) if rare else (30, 0.0, 5000)
    occurring = X[:, X.any(axis=0)]
    deviation = np.mean(occurring.std(axis=0) / np.sqrt(np.mean(occurring**2, axis=0)))
    decay = min(strength / (3 * 600), 5 / 3) * (1 if rare else round(deviation, 2))
    assert_allclose(automatic(model), [64, epochs, dropout, decay, 0.03, min(limit, bound)])


@pytest.mark.parametrize("n_numbers", [0, 5])
@pytest.mark.parametrize("n_levels", [12, 60, 500])
@pytest.mark.parametrize("container", [np.asarray, csr_array])
def test_one_hot_columns_are_no_text(n_levels, n_numbers, container):
    rng = np.random.default_rng(0)
    one_hot = np.eye(n_levels)[rng.integers(n_levels, size=(600, 2))].reshape(600, -1)
    X = np.hstack([one_hot, rng.normal(size=(600, n_numbers))])
    model = TwoLayerClassifier(3, max_updates=1).fit(container(X), np.arange(600) % 2)
    assert (model.dropout_, model.max_iter_) == (0.0, 30)


@pytest.mark.parametrize(("n_entries", "dropout"), [(2, 0.0), (4, 0.5)])
def test_text_has_several_rare_entries_in_a_sample(n_entries, dropout):
    X, y = documents(600, n_entries / 2000, n_features=2000)
    common = np.ones((600, 10))
    model = TwoLayerClassifier(3, max_updates=1).fit(np.hstack([X, common]), y)
    assert model.dropout_ == dropout


@pytest.mark.parametrize(
    ("n_rows", "batch_size", "max_iter"), [(300, 64, 28), (5000, 100, 6), (11_000, 200, 6)]
)
def test_batches_of_sparse_samples_with_rare_features_are_a_fiftieth_of_the_samples(
    n_rows, batch_size, max_iter
):
    X, y = documents(n_rows, 0.005, n_features=1000)
    model = TwoLayerClassifier(2, random_state=0, max_updates=1).fit(csr_array(X), y)
    assert automatic(model)[:2] == [batch_size, max_iter]


@pytest.mark.parametrize("stored_zeros", [False, True])
def test_sparse_and_dense_samples_with_rare_features_give_the_same_model(stored_zeros):
    X, y = documents(600, 0.01, n_features=500)
    rows = csr_array(X)
    if stored_zeros:  # a stored zero is no occurrence of the feature
        rows = csr_array(np.where(X, X, 7.0))
        rows.data[rows.data == 7] = 0
    dense, sparse = (
        TwoLayerClassifier(8, batch_size=64, random_state=0).fit(rows, y) for rows in (X, rows)
    )
    assert automatic(dense) == automatic(sparse)
    for name in ("coefs_", "intercepts_"):
        for one, other in zip(getattr(dense, name), getattr(sparse, name), strict=True):
            assert_allclose(one, other, rtol=0, atol=1e-9)


@pytest.mark.parametrize("share", [0.005, 0.5])
@pytest.mark.parametrize("container", [np.asarray, csr_array])
def test_a_stream_has_small_batches_and_no_decay(share, container):
    X, y = documents(1000, share, n_features=1000)
    model = TwoLayerClassifier(3, random_state=0).partial_fit(container(X), y, [0, 1, 2])
    bound = 1 / mean_absolute_sum(X) / 3
    rate = min(0.01, bound, *([0.006] if share < 0.1 else []))
    found = automatic(model)
    assert found[0] == 32
    assert_allclose(found[2:], [0.0, 0.0, 0.01, rate])
    assert model.n_updates_ == 32  # the last batch has 8 samples
