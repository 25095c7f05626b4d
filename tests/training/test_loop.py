"""The training loop and its parts: gathering, batches, history and stopping."""

from dataclasses import replace

import numpy as np
import pytest
from estimator_state import equal
from numpy.testing import assert_allclose, assert_array_equal

from sk_twolayer.data import Data, draw_batches, gather
from sk_twolayer.network import Dropout, TwoLayerNetwork, n_parameters, two_layer
from sk_twolayer.optimizers import OPTIMIZERS
from sk_twolayer.planning import Plan
from sk_twolayer.training import Interrupts, TrainingState, train
from sk_twolayer.training.progress import evaluate


@pytest.mark.parametrize("layout", ["C", "F", "strided", "uint8", "int64"])
def test_gather_casts_the_chosen_samples(layout):
    X = np.arange(60.0).reshape(10, 6)
    source = {
        "C": X,
        "F": np.asfortranarray(X),
        "strided": np.repeat(X, 2, axis=1)[:, ::2],
        "uint8": X.astype(np.uint8),
        "int64": X.astype(np.int64),
    }[layout]
    samples = np.array([3, 0, 3, 7])
    out = np.full((5, 6), np.nan)
    assert_array_equal(gather(source, samples, out), X[samples])
    assert_array_equal(out[:4], X[samples])  # in the buffer it was given
    assert np.isnan(out[4:]).all()


def test_shuffled_epochs_have_every_sample_once():
    rng = np.random.RandomState(0)
    samples = np.array([1, 4, 5, 7, 8, 9, 11])
    first, second = (list(draw_batches(samples, 3, False, rng)) for _ in range(2))
    assert [len(batch) for batch in first] == [3, 3, 1]
    for epoch in (first, second):
        assert_array_equal(np.sort(np.concatenate(epoch)), samples)
    assert not np.array_equal(np.concatenate(first), np.concatenate(second))


@pytest.mark.parametrize(("n", "batch_size", "n_batches"), [(7, 3, 2), (7, 20, 1)])
def test_batches_with_replacement(n, batch_size, n_batches):
    rng, expected = np.random.RandomState(0), np.random.RandomState(0)
    batches = list(draw_batches(np.arange(n), batch_size, True, rng))
    assert len(batches) == n_batches
    for batch in batches:
        assert_array_equal(batch, expected.choice(n, batch_size))


def new_state(shape, solver):
    """Return a state whose parameters are zero."""
    parameters = np.zeros(n_parameters(*shape))
    moments = [] if solver == "lbfgs" else OPTIMIZERS[solver].start_moments(parameters)
    return TrainingState(shape, parameters, solver, moments)


def make_plan(state, data, *, alpha=0.1, batch_size=40, **options):
    """Return a plan for the solver of a state."""
    plan = Plan(state.solver, data, state=state, batch_size=batch_size, **options)
    plan.network_settings = {"alpha": alpha}
    return plan


SCRIPTED_ROW = Data(np.zeros((1, 1)), np.zeros(1, int), None)


def train_on_script(monkeypatch, losses, **options):
    """Train on one sample, with losses from a list and no gradient."""
    losses = iter(losses)

    def next_loss(self, X, y, sample_weight=None, keep=None):
        self.gradient[:] = 0
        return next(losses), 1.0

    monkeypatch.setattr(TwoLayerNetwork, "loss_and_gradients", next_loss)
    generator = np.random.RandomState(0).get_state()
    state = replace(new_state((1, 1, 1), "sgd"), base_rate=0.5, initial_rate=0.5)
    state.generator = generator
    plan = make_plan(state, SCRIPTED_ROW, alpha=0.0, batch_size=1, **options)
    return state, train(plan)


def test_stops_after_epochs_without_progress(monkeypatch):
    # Against tol = 0.1: 0.95 is no progress, 0.8 is (against 0.95), and then three are not.
    losses = [2.0, 1.0, 0.95, 0.8, 0.75, 0.7, 0.65, 0.1]
    options = {"max_iter": 8, "tol": 0.1, "n_iter_no_change": 3}
    state, stopped = train_on_script(monkeypatch, losses, **options)
    assert (state.n_epochs, state.epochs_without_progress, stopped) == (7, 3, True)
    assert state.history.losses == losses[:7]
    assert state.best == -0.65


def test_no_patience_given_never_stops(monkeypatch):
    state, stopped = train_on_script(monkeypatch, [1.0] * 30, max_iter=30, tol=1.0)
    assert (len(state.history.losses), stopped) == (30, False)


def test_learning_rate_decays_after_each_epoch(monkeypatch):
    options = {"max_iter": 3, "learning_rate_decay": 0.5}
    state, _ = train_on_script(monkeypatch, [1.0] * 3, **options)
    assert (state.rate, state.base_rate, state.initial_rate) == (0.5 * 0.5**2, 0.5 * 0.5**3, 0.5)


def test_a_non_finite_loss_stops_at_that_update(monkeypatch):
    with pytest.raises(ValueError, match=r"nan at update 3, with learning_rate=0\.5.*StandardSc"):
        train_on_script(monkeypatch, [1.0, 2.0, np.nan, 1.0], max_iter=4)


def test_max_updates_ends_training_inside_an_epoch():
    state, data = random_problem()
    generator = np.random.RandomState(4)
    generator.set_state(state.generator)
    assert train(make_plan(state, data, batch_size=7, max_iter=9, max_updates=8))
    assert len(state.history.batch_losses) == state.n_moment_updates == 8
    assert len(state.history.losses) == state.n_epochs == 2  # of six batches, and of two
    for _ in range(2):
        generator.permutation(40)
    assert_array_equal(state.generator[1], generator.get_state()[1])
    assert state.generator[2] == generator.get_state()[2]


def random_problem(solver="sgd"):
    """Return a state with random weights, and 40 samples."""
    rng = np.random.RandomState(0)
    state = new_state((4, 6, 3), solver)
    state = replace(state, base_rate=0.1, initial_rate=0.1, generator=rng.get_state())
    state.parameters[:] = rng.standard_normal(state.parameters.size)
    X, y, w = rng.standard_normal((40, 4)), rng.randint(3, size=40), rng.uniform(1, 2, 40)
    return state, Data(X, y, w)


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_a_copied_state_trains_like_the_original_and_leaves_it_alone(solver):
    state, data = random_problem(solver)
    train(make_plan(state, data, max_iter=3, tol=1e-4))
    before, copy = state.copy(), state.copy()
    train(make_plan(copy, data, max_iter=3, tol=1e-4))
    assert equal(state, before)
    assert not equal(copy, before)
    train(make_plan(state, data, max_iter=3, tol=1e-4))
    assert equal(state, copy)
    assert state.n_updates == 6


def test_the_parameters_that_validated_best_are_kept(monkeypatch):
    """The last of equals; and the initial parameters if no epoch is as good."""
    scores = iter([0.5, 0.9, 0.9, 0.3])
    monkeypatch.setattr(
        "sk_twolayer.training.progress.evaluate",
        lambda network, data, interrupts: (1.0, next(scores)),
    )
    state, data = random_problem()
    expected, _ = random_problem()
    train(make_plan(expected, data, max_iter=3))
    train(make_plan(state, data, max_iter=4, validation=data))
    assert state.history.validation_scores == [0.5, 0.9, 0.9, 0.3]
    assert (state.best, state.best_parameters) == (0.9, None)
    assert_array_equal(state.parameters, expected.parameters)

    scores = iter([0.8, 0.7, 0.6, 0.5, 0.4])  # the first is of the initial parameters
    kept = state.parameters.copy()
    train(make_plan(state, data, max_iter=4, validation=data))
    assert state.best == 0.8
    assert_array_equal(state.parameters, kept)


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


def test_evaluation_in_chunks_equals_evaluation_at_once(monkeypatch):
    rng = np.random.RandomState(0)
    net = TwoLayerNetwork(4, 6, 3, batch_size=40, alpha=0.3)
    net.parameters[:] = rng.standard_normal(net.parameters.size)
    X, y, w = rng.standard_normal((50, 4)), rng.randint(3, size=50), rng.uniform(1, 2, 50)
    data = Data(X, y, w, np.arange(40)[::-1])
    expected = net.loss_and_gradients(X[:40], y[:40], w[:40])
    calls = []
    original = net.scores
    net.scores = lambda X: calls.append(len(X)) or original(X)
    for chunk_bytes, n_calls in ((2**23, 1), (500, 7)):  # six samples of 4 + 6 numbers
        calls.clear()
        monkeypatch.setattr(two_layer, "CHUNK_BYTES", chunk_bytes)
        assert_allclose(evaluate(net, data, Interrupts()), expected, rtol=1e-12)
        assert (len(calls), sum(calls)) == (n_calls, 40)
