"""Sums over sparse samples of several blocks: as over dense samples, in little memory."""

import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array

from sk_twolayer.data import Data, Totals
from sk_twolayer.data.totals import BLOCK_ENTRIES


def random_samples(n_samples, n_features, n_entries):
    """Return sparse samples with duplicates and explicit zeros among their entries."""
    rng = np.random.default_rng(0)
    size = n_samples * n_entries
    values = np.where(rng.uniform(size=size) < 0.1, 0.0, rng.normal(size=size))
    indices = rng.integers(0, n_features, size)
    indptr = np.arange(n_samples + 1) * n_entries
    return csr_array((values, indices, indptr), shape=(n_samples, n_features))


@pytest.mark.parametrize("scale", [1.0, 1e150])
@pytest.mark.parametrize(
    ("n_samples", "n_features", "n_entries"), [(700, 300, 250), (40, 70_000, 10), (3, 5, 2)]
)
def test_sparse_sums_equal_dense_sums(n_samples, n_features, n_entries, scale):
    X = scale * random_samples(n_samples, n_features, n_entries)
    weights, y = np.random.default_rng(1).uniform(0.5, 3.0, n_samples), np.zeros(n_samples)
    before = X.copy()
    sparse = Totals.of(Data(X, y, weights))
    dense = Totals.of(Data(X.toarray(), y, weights))
    columns = np.zeros((4, n_features))
    columns[:, sparse.features] = sparse.columns
    assert sparse.unit == dense.unit
    assert_allclose(sparse.l1, dense.l1, rtol=1e-12)
    assert_allclose(columns, dense.columns, rtol=1e-12, atol=1e-12)
    assert_array_equal(X.data, before.data)
    assert_array_equal(X.indices, before.indices)


def test_sparse_sums_take_a_block_at_a_time():
    n_samples, n_features, n_entries = 1000, 2**14, 430
    assert n_samples * n_entries > 5 * BLOCK_ENTRIES
    data = Data(random_samples(n_samples, n_features, n_entries), np.zeros(n_samples), None)
    tracemalloc.start()
    try:
        Totals.of(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 128 * BLOCK_ENTRIES + 64 * n_features
