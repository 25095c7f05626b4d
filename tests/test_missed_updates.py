"""Missed updates of rows: applied together they equal the single updates."""

import numpy as np
from numpy.testing import assert_allclose

from sk_twolayer.missed_updates import (
    MissedUpdates,
    apply_maps,
    inner_products,
    move_products,
)
from sk_twolayer.optimizers import SGD


def test_the_maps_are_single_updates_repeated():
    rng = np.random.default_rng(0)
    W, velocity = rng.standard_normal((2, 6, 3))
    rates = [0.1] * 3 + [0.05] * 4
    for momentum, nesterov in [(0, False), (0.9, False), (0.9, True)]:
        w, v = W.copy(), velocity.copy()
        sgd = SGD(w.ravel(), 0.1, momentum, nesterov)
        sgd.velocity = v.ravel()
        missed = MissedUpdates(6, 0.3, sgd)
        for i, rate in enumerate(rates):
            if rate != sgd.learning_rate:
                sgd.learning_rate = rate
                missed.change_rate()
            if i == 2:
                at_two, v_at_two = w.copy(), v.copy()
            sgd.update((0.3 * w).ravel())
            missed.advance(np.array([5] if i == 1 else [], dtype=int))
        late = np.vstack([W[:5], at_two[5:]]), np.vstack([velocity[:5], v_at_two[5:]])
        apply_maps(missed.maps(np.arange(6)), *late)
        assert_allclose(late[0], w, rtol=1e-12)
        if momentum:
            assert_allclose(late[1], v, rtol=1e-12)


def test_the_maps_are_those_of_the_derivation():
    r, alpha, m = 0.1, 0.3, 0.9
    heavy_ball = [[1 - r * alpha, m], [-r * alpha, m]]
    nesterovs = [[1 - r * alpha * (1 + m), m**2], [-r * alpha, m]]
    for nesterov, expected in [(False, heavy_ball), (True, nesterovs)]:
        missed = MissedUpdates(1, alpha, SGD(np.zeros(0), r, m, nesterov))
        assert_allclose(missed.map, expected, rtol=1e-12)


def test_the_products_move_with_the_rows():
    rng = np.random.default_rng(0)
    w, v, g = rng.standard_normal((3, 6, 3))
    g[2:] = 0  # these rows do not occur in the batch
    for momentum, nesterov in [(0, False), (0.9, False), (0.9, True)]:
        sgd = SGD(np.zeros(0), 0.1, momentum, nesterov)
        missed = MissedUpdates(6, 0.3, sgd)
        dots = np.array([np.vdot(w, g), np.vdot(v, g), np.vdot(g, g)])
        products = move_products(inner_products(w, v), missed.map, missed.push, dots)
        sgd.move(w, v, 0.3 * w + g)
        assert_allclose(products, [np.vdot(w, w), np.vdot(w, v), np.vdot(v, v)], rtol=1e-12)
