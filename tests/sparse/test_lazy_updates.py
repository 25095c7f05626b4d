"""Pending updates of rows of W1: applied together, they equal the single updates."""

from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from sk_twolayer.optimizers import SGD, AdamW
from sk_twolayer.sparse import lazy_updates
from sk_twolayer.sparse.lazy_updates import PendingUpdates, inner_products, move_products

MOMENTA = [(0, False), (0.9, False), (0.9, True)]


@pytest.mark.parametrize(("momentum", "nesterov"), MOMENTA)
def test_the_maps_equal_repeated_single_updates(momentum, nesterov):
    rng = np.random.default_rng(0)
    W, velocity = rng.standard_normal((2, 6, 3))
    rates = [0.1] * 3 + [0.05] * 4
    w, v = W.copy(), velocity.copy()
    sgd = SGD(w.ravel(), [v.ravel()], momentum=momentum, nesterov=nesterov)
    pending = PendingUpdates(6)
    for i, rate in enumerate(rates):
        if i == 2:
            at_two, v_at_two = w.copy(), v.copy()
        sgd.update((0.3 * w).ravel(), rate)
        zero_gradient_map, _ = sgd.zero_gradient_map(rate, 0.3)
        pending.advance(np.array([5] if i == 1 else [], dtype=int), zero_gradient_map, sgd)
    late = np.vstack([W[:5], at_two[5:]]), np.vstack([velocity[:5], v_at_two[5:]])
    sgd.apply_maps(pending.maps(np.arange(6), sgd), *late)
    assert_allclose(late[0], w, rtol=1e-12)
    assert_allclose(late[1], v, rtol=1e-12)


@settings(max_examples=100, deadline=None)
@given(
    kind=st.sampled_from(MOMENTA),
    alpha=st.sampled_from([0.0, 0.1, 1.0]),
    recent=st.sampled_from([1, 2, 5, 30]),
    n_updates=st.integers(1, 40),
    seed=st.integers(0, 1000),
)
def test_pending_updates_of_sgd_equal_single_updates(kind, alpha, recent, n_updates, seed):
    """Rows are read at random updates, and the tables of maps are joined between the reads."""
    rng = np.random.default_rng(seed)
    W, velocity = rng.standard_normal((2, 5, 3))
    w, v = W.copy(), velocity.copy()  # with every update applied
    sgd = SGD(w.ravel(), [v.ravel()], momentum=kind[0], nesterov=kind[1])
    pending = PendingUpdates(5)
    with patch.object(lazy_updates, "RECENT", recent):
        for rate in rng.uniform(0.01, 0.3, n_updates):
            rows = np.flatnonzero(rng.random(5) < 0.1)
            if pending.n_updates:
                late = W[rows], velocity[rows]
                sgd.apply_maps(pending.maps(rows, sgd), *late)
                assert_allclose(late[0], w[rows], rtol=1e-9, atol=1e-12)
                assert_allclose(late[1], v[rows], rtol=1e-9, atol=1e-12)
            sgd.update((alpha * w).ravel(), rate)
            W[rows], velocity[rows] = w[rows], v[rows]
            pending.advance(rows, sgd.zero_gradient_map(rate, alpha)[0], sgd)
    assert pending.n_updates == n_updates
    sgd.apply_maps(pending.maps(np.arange(5), sgd), W, velocity)
    assert_allclose(W, w, rtol=1e-9, atol=1e-12)
    assert_allclose(velocity, v, rtol=1e-9, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(
    betas=st.sampled_from([(0.9, 0.95), (0.5, 0.99), (0.0, 0.5), (0.9, 0.82)]),
    decay=st.sampled_from([0.0, 0.1, 1.0]),
    recent=st.sampled_from([1, 2, 5, 30]),
    n_updates=st.integers(1, 60),
    seed=st.integers(0, 1000),
)
def test_pending_updates_of_adamw_equal_single_updates(betas, decay, recent, n_updates, seed):
    rng = np.random.default_rng(seed)
    shape = {"hidden_size": 3, "n_outputs": 1}
    vectors = rng.uniform(0.1, 1, (3, 5 * 3 + 3 + 3 + 1))
    W1s = [vector[:15].reshape(5, 3) for vector in vectors]  # with every update applied
    late = [W1.copy() for W1 in W1s]
    beta_1, beta_2 = betas
    adamw = AdamW(vectors[0], [*vectors[1:]], decay=decay, beta_1=beta_1, beta_2=beta_2, **shape)
    pending = PendingUpdates(5)
    with patch.object(lazy_updates, "RECENT", recent):
        for t, rate in enumerate(rng.uniform(0.01, 0.3, n_updates), 1):
            rows = np.flatnonzero(rng.random(5) < 0.1)
            if pending.n_updates:
                read = [array[rows] for array in late]
                adamw.apply_maps(pending.maps(rows, adamw), *read)
                for array, W1 in zip(read, W1s, strict=True):
                    assert_allclose(array, W1[rows], rtol=1e-9, atol=1e-300)
            gradient = np.zeros(vectors.shape[1])
            gradient[:15].reshape(5, 3)[rows] = rng.standard_normal((len(rows), 3))
            adamw.update(gradient, rate, t)
            for array, W1 in zip(late, W1s, strict=True):
                array[rows] = W1[rows]
            pending.advance(rows, adamw.zero_gradient_map(rate, None, t)[0], adamw)
    adamw.apply_maps(pending.maps(np.arange(5), adamw), *late)
    for array, W1 in zip(late, W1s, strict=True):
        assert_allclose(array, W1, rtol=1e-9, atol=1e-300)


def test_the_maps_equal_the_derived_matrices():
    r, alpha, m = 0.1, 0.3, 0.9
    heavy_ball = [[1 - r * alpha, m], [-r * alpha, m]]
    nesterovs = [[1 - r * alpha * (1 + m), m**2], [-r * alpha, m]]
    for nesterov, expected in [(False, heavy_ball), (True, nesterovs)]:
        zero_gradient_map, _ = SGD(np.zeros(0), momentum=m, nesterov=nesterov).zero_gradient_map(
            r, alpha
        )
        assert_allclose(zero_gradient_map, expected, rtol=1e-12)


@pytest.mark.parametrize(("momentum", "nesterov"), MOMENTA)
def test_the_moved_products_equal_the_products_of_the_updated_rows(momentum, nesterov):
    rng = np.random.default_rng(0)
    w, v, g = rng.standard_normal((3, 6, 3))
    g[2:] = 0  # these rows do not occur in the batch
    sgd = SGD(np.zeros(0), momentum=momentum, nesterov=nesterov)
    dots = np.array([np.vdot(w, g), np.vdot(v, g), np.vdot(g, g)])
    products = move_products(inner_products(w, v), *sgd.zero_gradient_map(0.1, 0.3), dots)
    sgd.move(0.1, None, w, v, 0.3 * w + g)
    assert_allclose(products, [np.vdot(w, w), np.vdot(w, v), np.vdot(v, v)], rtol=1e-12)


def test_a_copy_counts_its_updates_independently():
    """Copies may share the tables of maps, but not the counts."""
    sgd = SGD(np.zeros(0), momentum=0.5)
    pending, (zero_gradient_map, _) = PendingUpdates(4), sgd.zero_gradient_map(0.1, 1.0)
    for row in (1, 3, 1):
        pending.advance(np.array([row]), zero_gradient_map, sgd)
    rows = np.arange(4)
    before, whole, part = pending.maps(rows, sgd).copy(), pending.copy(), pending.copy(rows[1:3])
    assert_array_equal(part.seen, [3, 0])
    assert_array_equal(part.maps(np.arange(2), sgd), before[..., 1:3])
    with patch.object(lazy_updates, "RECENT", 1):
        for copy in (whole, part):
            copy.advance(np.array([0]), zero_gradient_map, sgd)
    assert (pending.n_updates, whole.n_updates, part.n_updates) == (3, 4, 4)
    assert_array_equal(pending.seen, [0, 3, 0, 2])
    assert_array_equal(pending.maps(rows, sgd), before)
    expected = np.linalg.matrix_power(zero_gradient_map, 4)
    assert_allclose(whole.maps(np.array([2]), sgd)[..., 0], expected, rtol=1e-12)
    assert_allclose(part.maps(np.array([1]), sgd)[..., 0], expected, rtol=1e-12)
