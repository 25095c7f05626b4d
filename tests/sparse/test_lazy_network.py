"""Lazy updates equal dense updates, up to rounding, with all settings."""

import pickle
import tracemalloc
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from plain_settings import plain_classifier
from scipy.sparse import csr_array
from sklearn.base import clone

from sk_twolayer.sparse import lazy_network, lazy_updates, stream

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


ADAMW = {"solver": "adamw", "beta_2": 0.98}
COSINE = {"learning_rate_schedule": "cosine", "warmup_fraction": 0.2}


def texts(n_rows=160, n_features=300, n_classes=3, density=0.02, seed=0, dtype=np.float64):
    """Make counts of features. Later features are rarer, and the last ones never occur."""
    rng = np.random.default_rng(seed)
    rates = density * n_features / np.arange(1, n_features + 1)
    X = (rng.random((n_rows, n_features)) < np.minimum(rates, 0.9)) * rng.integers(
        1, 4, (n_rows, n_features)
    )
    X[:, -20:] = 0
    y = rng.integers(n_classes, size=n_rows)
    X[np.arange(n_rows), y] += 2
    return csr_array(X.astype(dtype)), y


def parameters(model):
    return np.concatenate([array.ravel() for array in model.coefs_ + model.intercepts_])


def pending_rows(model):
    """Return the stored W1 of a stream, in which rows may have pending updates."""
    return vars(model)["_training_state"].rows[0]


@settings(max_examples=60, deadline=None)
@given(
    momentum=st.sampled_from([0.0, 0.5, 0.9]),
    nesterov=st.booleans(),
    alpha=st.sampled_from([0.0, 1e-4, 0.1, 1.0]),
    learning_rate_decay=st.sampled_from([1.0, 0.9, 0.5]),
    weighted=st.booleans(),
    dropout=st.sampled_from([0.0, 0.4]),
    replacement=st.booleans(),
    batch_size=st.sampled_from([1, 4, 7]),
    n_classes=st.sampled_from([2, 3]),
    activation=st.sampled_from(["relu", "tanh"]),
    # Non-zeros per sample and feature above which a batch updates all rows of W1: all batches do,
    # some do, none does.
    dense_batch=st.sampled_from([0.0, 0.09, 1.0]),
    rows_a_block=st.sampled_from([20, 1000]),
    seed=st.integers(0, 1000),
)
def test_lazy_and_dense_updates_agree(
    weighted, n_classes, batch_size, dense_batch, rows_a_block, seed, **options
):
    model = plain_classifier(5, batch_size=batch_size, random_state=seed, **options)
    check_lazy_is_dense(model, n_classes, dense_batch, rows_a_block, weighted)


@settings(max_examples=60, deadline=None)
@given(
    betas=st.sampled_from([(0.9, 0.98), (0.9, 0.999), (0.0, 0.9), (0.9, 0.82)]),
    epsilon=st.sampled_from([1e-8, 1e-2]),
    alpha=st.sampled_from([0.0, 0.01, 1.0]),
    # Within an epoch, the rate of "cosine" changes at every update, of "exponential" never.
    learning_rate_schedule=st.sampled_from(["cosine", "cosine", "exponential"]),
    warmup_fraction=st.sampled_from([0.0, 0.3]),
    weighted=st.booleans(),
    dropout=st.sampled_from([0.0, 0.4]),
    replacement=st.booleans(),
    batch_size=st.sampled_from([1, 4, 7]),
    n_classes=st.sampled_from([2, 3]),
    activation=st.sampled_from(["relu", "tanh"]),
    dense_batch=st.sampled_from([0.0, 0.09, 1.0]),
    rows_a_block=st.sampled_from([20, 1000]),
    seed=st.integers(0, 1000),
)
def test_lazy_and_dense_updates_of_adamw_agree(
    betas, weighted, n_classes, batch_size, dense_batch, rows_a_block, seed, **options
):
    model = plain_classifier(
        5,
        solver="adamw",
        batch_size=batch_size,
        beta_1=betas[0],
        beta_2=betas[1],
        random_state=seed,
        **options,
    )
    check_lazy_is_dense(model, n_classes, dense_batch, rows_a_block, weighted)


def check_lazy_is_dense(model, n_classes, dense_batch, rows_a_block, weighted):
    """Compare 200 updates on sparse samples with 200 updates on the same dense samples."""
    batch_size, seed = model.batch_size, model.random_state
    model.set_params(learning_rate=0.005, max_iter=5, n_iter_no_change=None)
    X, y = texts(n_rows=40 * batch_size, n_classes=n_classes, seed=seed)
    weights = np.random.default_rng(seed).uniform(0.5, 2, len(y)) if weighted else None
    row_bytes = 8 * model.hidden_size
    with (
        patch.object(lazy_network, "DENSE_BATCH", dense_batch * batch_size),
        patch.object(lazy_network, "ROW_BLOCK_BYTES", rows_a_block * row_bytes),
    ):
        model.fit(X, y, weights)
    sparse, losses = parameters(model), model.batch_loss_curve_
    model.fit(X.toarray(), y, weights)
    assert len(losses) == 200
    assert_allclose(sparse, parameters(model), rtol=1e-9, atol=1e-9)
    assert_allclose(losses, model.batch_loss_curve_, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("solver", "multiple"), [("adamw", 3.3), ("sgd", 2.2)])
def test_peak_memory_is_little_more_than_the_parameters_and_their_moments(solver, multiple):
    words = np.random.default_rng(0).integers(2**15, size=500 * 400)
    parts = np.ones(len(words), np.float32), words, np.arange(0, len(words) + 1, 400)
    X, y = csr_array(parts, shape=(500, 2**15)), np.arange(500) % 4
    model = plain_classifier(100, solver=solver, beta_2=0.95, batch_size=40, max_iter=1)
    model.set_params(init="auto", random_state=0)
    model.fit(X[:50, :100], y[:50])  # exclude what the first fit allocates
    tracemalloc.start()
    try:
        model.fit(X, y)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < multiple * sum(array.nbytes for array in model.coefs_ + model.intercepts_)


@pytest.mark.parametrize("options", [{"nesterov": False}, {"nesterov": True}, ADAMW], ids=str)
def test_updates_stay_pending_between_chunks_and_through_pickles(options, monkeypatch):
    monkeypatch.setattr(
        lazy_network, "MOST_PENDING", 7
    )  # apply all pending updates in the middle, too
    X, y = texts()
    sparse = plain_classifier(
        5, learning_rate=0.005, alpha=0.1, batch_size=8, random_state=0, **options
    )
    dense = clone(sparse)
    for start in range(0, 160, 40):
        chunk, labels = X[start : start + 40], y[start : start + 40]
        if start == 80:
            sparse = pickle.loads(pickle.dumps(sparse))
        if start == 120:
            sparse.set_params(learning_rate=0.001)
            dense.set_params(learning_rate=0.001)
        sparse.partial_fit(chunk, labels, classes=[0, 1, 2])
        dense.partial_fit(chunk.toarray(), labels, classes=[0, 1, 2])
        # Predictions include the pending updates, but leave them pending.
        pending = pending_rows(sparse).copy()
        assert_allclose(sparse.predict_proba(X), dense.predict_proba(X.toarray()), rtol=1e-9)
        assert_array_equal(pending_rows(sparse), pending)
    assert_allclose(sparse.batch_loss_curve_, dense.batch_loss_curve_, rtol=1e-9)
    assert_allclose(parameters(sparse), parameters(dense), rtol=1e-9, atol=1e-12)
    assert not np.array_equal(sparse.coefs_[0], pending)
    # A dense chunk may follow a sparse chunk, and a sparse chunk a dense one.
    for rows in (X.toarray()[:40], X[:40]):
        sparse.partial_fit(rows, y[:40])
        dense.partial_fit(X.toarray()[:40], y[:40])
    assert_allclose(parameters(sparse), parameters(dense), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    "options",
    [
        {"momentum": 0.0, "nesterov": False},
        {"momentum": 0.9, "nesterov": False},
        {"momentum": 0.9, "nesterov": True},
        ADAMW,
        ADAMW | COSINE,
    ],
    ids=str,
)
@pytest.mark.parametrize("streamed", [False, True])
def test_many_updates_with_different_rates_equal_dense_updates(streamed, options, monkeypatch):
    """The updates are enough to join the tables of maps repeatedly, between reads and at reads."""
    monkeypatch.setattr(lazy_updates, "RECENT", 32)
    n_updates = 3 * lazy_updates.RECENT + 20
    X, y = texts(n_rows=30, density=0.005)
    sparse = plain_classifier(
        4,
        activation="tanh",
        learning_rate=0.01,
        learning_rate_decay=0.999,
        alpha=0.05,
        batch_size=30,
        replacement=True,  # an epoch is one batch, without a third of the samples
        max_iter=n_updates,
        n_iter_no_change=None,
        random_state=0,
        **options,
    )
    dense = clone(sparse)
    if streamed:
        for i in range(n_updates):
            rows = slice(i % 30, i % 30 + 1)
            for model, chunk in ((sparse, X[rows]), (dense, X[rows].toarray())):
                model.set_params(learning_rate=0.01 * 0.999**i, batch_size=1)
                model.partial_fit(chunk, y[rows], classes=[0, 1, 2])
        assert vars(sparse)["_training_state"].pending.n_updates == n_updates
    else:
        sparse.fit(X, y)
        dense.fit(X.toarray(), y)
    assert sparse.n_updates_ == n_updates
    assert_allclose(sparse.batch_loss_curve_, dense.batch_loss_curve_, rtol=1e-9, atol=1e-12)
    assert_allclose(parameters(sparse), parameters(dense), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("options", [{}, ADAMW], ids=str)
def test_a_chunk_changes_only_the_rows_of_W1_whose_features_occur(options):
    X, y = texts()
    model = plain_classifier(5, alpha=0.1, random_state=0, **options)
    model.partial_fit(X, y, classes=[0, 1, 2])
    before = pending_rows(model).copy()
    model.partial_fit(X[:8], y[:8])
    touched = np.unique(X[:8].indices)
    changed = np.flatnonzero((pending_rows(model) != before).any(axis=1))
    assert_array_equal(changed, touched)


@pytest.mark.parametrize("options", [{}, ADAMW], ids=str)
@pytest.mark.parametrize("helper", ["as_items", "row_blocks"])
def test_a_memory_error_while_rows_are_exchanged_changes_nothing(helper, options, monkeypatch):
    X, y = texts()
    before = plain_classifier(5, alpha=0.1, random_state=0, **options)
    # More than half of the features occur in these chunks, which copy all rows of W1.
    for rows in (slice(0, 80), slice(80, 120)):
        before.partial_fit(X[rows], y[rows], classes=[0, 1, 2])
    before = pickle.dumps(before)
    original, n_struck = getattr(stream, helper), 0
    for moment in range(20):
        model = pickle.loads(before).partial_fit(X[120:124], y[120:124])  # has its own arrays
        expected = parameters(pickle.loads(pickle.dumps(model)))
        model = pickle.loads(before).partial_fit(X[120:124], y[120:124])
        countdown = iter(range(moment, -1, -1))

        def strike(rows, countdown=countdown):
            if next(countdown, 1) == 0:
                raise MemoryError
            return original(rows)

        with monkeypatch.context() as context:
            context.setattr(stream, helper, strike)
            try:
                model.partial_fit(X[124:128], y[124:128])
            except MemoryError:
                n_struck += 1
            else:
                break
        assert_array_equal(parameters(model), expected)
    assert n_struck >= 2


@pytest.mark.parametrize("solver", [{}, ADAMW, ADAMW | COSINE], ids=str)
def test_validation_and_warm_starts_equal_the_dense_ones(solver):
    X, y = texts()
    for options in ({"early_stopping": True}, {"warm_start": True}):
        sparse = plain_classifier(
            5,
            learning_rate=0.005,
            alpha=0.1,
            batch_size=32,
            max_iter=4,
            random_state=0,
            **options,
            **solver,
        )
        dense = clone(sparse)
        for _ in range(2):
            sparse.fit(X, y)
            dense.fit(X.toarray(), y)
        assert_allclose(parameters(sparse), parameters(dense), rtol=1e-9, atol=1e-12)
        assert_allclose(sparse.loss_curve_, dense.loss_curve_, rtol=1e-9)
        if sparse.early_stopping:
            losses = sparse.validation_loss_curve_
            assert_allclose(losses, dense.validation_loss_curve_, rtol=1e-9)


@pytest.mark.parametrize("options", [{}, ADAMW], ids=str)
def test_csr_arrays_of_any_kind_give_the_dense_model(options):
    X, y = texts()
    X = X.tolil()
    X[:20] = 0  # some batches have no entries
    X = csr_array(X)
    model = plain_classifier(
        5, learning_rate=0.005, alpha=0.1, batch_size=8, max_iter=3, random_state=0, **options
    )
    dense = parameters(model.fit(X.toarray(), y))
    rng = np.random.default_rng(0)
    rows = np.repeat(np.repeat(np.arange(160), np.diff(X.indptr)), 2)
    order = np.lexsort((rng.random(len(rows)), rows))  # unsorted, and every entry split in two
    parts = np.column_stack([0.25 * X.data, 0.75 * X.data]).ravel()[order]
    split = csr_array((parts, np.repeat(X.indices, 2)[order], 2 * X.indptr), shape=X.shape)
    long = csr_array((X.data, X.indices.astype(np.int64), X.indptr.astype(np.int64)), X.shape)
    for array in (split.data, split.indices, split.indptr):
        array.flags.writeable = False
    for kind in (split, long, X.tocsc(), X.tocoo()):
        assert_allclose(parameters(model.fit(kind, y)), dense, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("options", [{}, ADAMW], ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.int8, np.int64])
def test_lazy_updates_equal_dense_updates_in_every_dtype(dtype, options):
    X, y = texts(dtype=dtype)
    model = plain_classifier(
        5, learning_rate=0.005, alpha=0.1, batch_size=32, max_iter=5, random_state=0, **options
    )
    sparse, losses = parameters(model.fit(X, y)), model.batch_loss_curve_
    dense = parameters(model.fit(X.toarray(), y))
    assert sparse.dtype == dense.dtype == (np.float64 if dtype == np.int64 else np.float32)
    assert_allclose(sparse, dense, rtol=1e-4, atol=1e-6)
    assert_allclose(losses, model.batch_loss_curve_, rtol=1e-5)


@pytest.mark.parametrize("streamed", [False, True])
def test_a_row_whose_mean_square_underflows_in_float32_stays_finite(streamed, monkeypatch):
    """2,000 updates with beta_2 = 0.9 multiply the mean square by 10^-92, with reads in between."""
    monkeypatch.setattr(lazy_network, "MOST_PENDING", 800)
    rng = np.random.default_rng(0)
    X = np.zeros((2002, 30), np.float32)
    X[1:-1] = (rng.random((2000, 30)) < 0.1) * rng.integers(1, 4, (2000, 30))
    X[:, 0] = 0
    X[[0, -1], 0] = 1
    y = rng.integers(2, size=2002)
    models = []
    for dtype, container in ((np.float32, csr_array), (np.float32, np.asarray), (float, csr_array)):
        model = plain_classifier(
            4,
            **ADAMW | {"beta_1": 0.8, "beta_2": 0.9},
            activation="tanh",
            learning_rate=1e-3,
            batch_size=1,
            random_state=0,
        )
        rows = container(X.astype(dtype))
        chunks = (slice(0, 1), slice(1, 2001), slice(2001, 2002))
        for chunk in chunks if streamed else (slice(0, 2002),):
            model.partial_fit(rows[chunk], y[chunk], classes=[0, 1])
        models.append(model)
    sparse, dense, double = (parameters(model) for model in models)
    assert sparse.dtype == np.float32
    assert np.isfinite(sparse).all()
    assert_allclose(sparse, dense, rtol=1e-3, atol=1e-4)
    assert_allclose(sparse, double, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("container", [csr_array.copy, csr_array.toarray])
def test_beta_1_must_be_less_than_the_root_of_beta_2_for_adamw(container):
    X, y = texts()
    model = plain_classifier(5, solver="adamw", beta_1=0.9, beta_2=0.81)
    for call in (model.fit, lambda X, y: model.partial_fit(X, y, classes=[0, 1, 2])):
        with pytest.raises(
            ValueError, match=r"beta_1=0\.9 .*sqrt\(beta_2\) = 0\.9\. .*larger beta_2"
        ):
            call(container(X), y)
    assert not hasattr(model, "classes_")
    model.set_params(beta_2=0.82).fit(container(X), y)
    # The epsilon of adam bounds its steps.
    model.set_params(solver="adam", beta_2=0.81).fit(container(X), y)
