"""The loop's own parts: gathering, batches, history and stopping."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sk_twolayer.network import TwoLayerNetwork
from sk_twolayer.optimizers import SGD
from sk_twolayer.training import (
    Data,
    Dropout,
    History,
    Progress,
    draw_batches,
    evaluate,
    gather,
    train,
)


@pytest.mark.parametrize("layout", ["C", "F", "strided", "uint8", "int64"])
def test_gather_casts_the_chosen_rows(layout):
    X = np.arange(60.0).reshape(10, 6)
    source = {
        "C": X,
        "F": np.asfortranarray(X),
        "strided": np.repeat(X, 2, axis=1)[:, ::2],
        "uint8": X.astype(np.uint8),
        "int64": X.astype(np.int64),
    }[layout]
    rows = np.array([3, 0, 3, 7])
    out = np.full((5, 6), np.nan)
    assert_array_equal(gather(source, rows, out), X[rows])
    assert_array_equal(out[:4], X[rows])  # in the buffer it was given
    assert np.isnan(out[4:]).all()


def test_shuffled_epochs_hold_every_row_once():
    rng = np.random.RandomState(0)
    rows = np.array([1, 4, 5, 7, 8, 9, 11])
    first, second = (list(draw_batches(rows, 3, False, rng)) for _ in range(2))
    assert [len(batch) for batch in first] == [3, 3, 1]
    for epoch in (first, second):
        assert_array_equal(np.sort(np.concatenate(epoch)), rows)
    assert not np.array_equal(np.concatenate(first), np.concatenate(second))


@pytest.mark.parametrize(("n", "batch_size", "n_batches"), [(7, 3, 2), (7, 20, 1)])
def test_batches_with_replacement(n, batch_size, n_batches):
    rng, expected = np.random.RandomState(0), np.random.RandomState(0)
    batches = list(draw_batches(np.arange(n), batch_size, True, rng))
    assert len(batches) == n_batches
    for batch in batches:
        assert_array_equal(batch, expected.choice(n, batch_size))


class ScriptedNetwork(TwoLayerNetwork):
    """A network that reports losses from a list and never changes."""

    def __init__(self, losses):
        super().__init__(1, 1, 1, batch_size=1)
        self.losses = iter(losses)

    def loss_and_gradients(self, X, y, sample_weight=None, keep=None):
        self.gradient[:] = 0
        return next(self.losses), 1.0


def train_on_script(losses, *, max_iter, learning_rate_decay=1.0, **options):
    net = ScriptedNetwork(losses)
    history = History()
    optimizer = SGD(net.parameters, 0.5)
    stopped = train(
        net,
        optimizer,
        Data(np.zeros((1, 1)), np.zeros(1), None),
        Progress(net, history, **options),
        np.random.RandomState(0),
        batch_size=1,
        max_iter=max_iter,
        learning_rate_decay=learning_rate_decay,
    )
    return len(history.losses), stopped, history, optimizer


def test_stops_after_epochs_without_progress():
    # Against tol = 0.1: 0.95 is no progress, 0.8 is (against 0.95), and then three are not.
    losses = [2.0, 1.0, 0.95, 0.8, 0.75, 0.7, 0.65, 0.1]
    n_iter, stopped, history, _ = train_on_script(losses, max_iter=8, tol=0.1, n_iter_no_change=3)
    assert (n_iter, stopped) == (7, True)
    assert history.losses == losses[:7]


def test_no_patience_given_never_stops():
    n_iter, stopped, _, _ = train_on_script([1.0] * 30, max_iter=30, tol=1.0)
    assert (n_iter, stopped) == (30, False)


def test_learning_rate_decays_after_each_epoch():
    *_, optimizer = train_on_script([1.0] * 3, max_iter=3, learning_rate_decay=0.5)
    assert optimizer.learning_rate == 0.5 * 0.5**3


def test_a_non_finite_loss_stops_at_that_update():
    with pytest.raises(ValueError, match=r"nan at update 3, with learning_rate=0\.5.*StandardSc"):
        train_on_script([1.0, 2.0, np.nan, 1.0], max_iter=4)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dropout_keeps_the_stated_share_and_the_mean(dtype):
    dropout = Dropout(0.25, 400, 300, dtype)
    dropout.start_epoch(np.random.RandomState(0))
    keep = dropout.draw(300).copy()
    assert keep.shape == (300, 300)
    assert keep.dtype == dtype
    assert set(np.unique(keep)) == {dtype(0), dtype(1 / 0.75)}
    assert abs((keep == 0).mean() - 0.25) < 0.01
    assert not np.array_equal(keep, dropout.draw(300))


def test_evaluation_in_chunks_is_that_of_all_rows(monkeypatch):
    rng = np.random.RandomState(0)
    net = TwoLayerNetwork(4, 6, 3, batch_size=40, alpha=0.3)
    net.parameters[:] = rng.standard_normal(net.parameters.size)
    X, y, w = rng.standard_normal((50, 4)), rng.randint(3, size=50), rng.uniform(1, 2, 50)
    data = Data(X, y, w, np.arange(40)[::-1])
    expected = net.loss_and_gradients(X[:40], y[:40], w[:40])
    for chunk_bytes in (2**23, 500):
        monkeypatch.setattr("sk_twolayer.network.CHUNK_BYTES", chunk_bytes)
        assert_allclose(evaluate(net, data), expected, rtol=1e-12)
