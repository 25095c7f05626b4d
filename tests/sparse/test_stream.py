"""Streams of chunks: to look, copy, set and predict gives the same as in a dense stream."""

import copy
import pickle
import sys
import threading
from concurrent.futures import ThreadPoolExecutor, wait

import numpy as np
import pytest
from estimator_state import (
    KINDS,
    SOLVERS,
    STREAMING_SOLVERS,
    assert_same_state,
    frozen,
    make_samples,
    new,
    parameters,
    state,
    state_when_read,
)
from faults import Moments, choose
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.base import clone
from threadpoolctl import threadpool_limits

from sk_twolayer.estimators import base
from sk_twolayer.planning import starting_state
from sk_twolayer.sparse import stream

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, y = make_samples(200)
CLASSES = [0, 1, 2]
CHUNKS = [slice(start, start + 40) for start in range(0, 200, 40)]
PATIENCE = 120  # seconds, after which something hangs
CLOSE = {"rtol": 1e-9, "atol": 1e-8}


@pytest.fixture(autouse=True, scope="module")
def one_blas_thread():
    with threadpool_limits(1):  # the number of threads that share a sum decides its rounding
        yield


def train(model, kind, chunks):
    for chunk in chunks:
        model.partial_fit(KINDS[kind](X[chunk]), y[chunk], classes=CLASSES)
    return model


def test_most_chunks_have_less_than_half_of_the_features_and_one_has_more():
    """A chunk with less exchanges the rows of W1 of its features; one with more copies all rows."""
    shares = [len(np.unique(X[chunk].indices)) / X.shape[1] for chunk in CHUNKS]
    assert [share < 0.5 for share in shares] == [True, False, True, True, True]


# To look at a stream.

LOOKS = {
    "dense predictions": lambda model: model.predict_proba(X.toarray()),
    "sparse predictions": lambda model: model.predict_proba(X),
    "the score": lambda model: model.score(X, y),
    "a clone": clone,
    "its representation": repr,
    "coefs_": lambda model: [array.sum() for array in model.coefs_],
    "a pickle": pickle.dumps,
    "a shallow copy": copy.copy,
    "a deep copy": copy.deepcopy,
}
ONLY_PREDICTING = list(LOOKS)[:5]


@pytest.mark.parametrize("name", LOOKS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("solver", STREAMING_SOLVERS)
def test_looking_does_not_change_a_stream(solver, kind, name):
    watched, alone = new(solver=solver, alpha=0.02), new(solver=solver, alpha=0.02)
    for chunk in CHUNKS:
        train(watched, kind, [chunk])
        train(alone, kind, [chunk])
        LOOKS[name](watched)
        LOOKS[name](watched)
    if name in ONLY_PREDICTING:
        assert_same_state(watched, alone)
    assert_allclose(parameters(watched), parameters(alone), **CLOSE)
    assert_allclose(watched.batch_loss_curve_, alone.batch_loss_curve_, **CLOSE)
    assert_allclose(watched.predict_proba(X), alone.predict_proba(X), **CLOSE)


@pytest.mark.parametrize(
    "make", [copy.copy, copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))]
)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("solver", STREAMING_SOLVERS)
def test_a_copy_continues_the_stream(solver, kind, make):
    alone = train(new(solver=solver, alpha=0.02), kind, CHUNKS)
    model = new(solver=solver, alpha=0.02)
    for chunk in CHUNKS:
        model = make(train(model, kind, [chunk]))
    assert_allclose(parameters(model), parameters(alone), **CLOSE)
    assert_allclose(model.predict_proba(X), alone.predict_proba(X), **CLOSE)
    assert_allclose(model.batch_loss_curve_, alone.batch_loss_curve_, **CLOSE)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("solver", STREAMING_SOLVERS)
def test_arrays_that_were_returned_never_change(solver, kind):
    model, returned = new(solver=solver, alpha=0.02, warm_start=True), []
    samples = KINDS[kind](X)

    def note_arrays():
        arrays = [*model.coefs_, *model.intercepts_, model.classes_, model.predict_proba(samples)]
        returned.extend((array, array.copy()) for array in arrays)
        returned.append((W1_of_a_copy := copy.copy(model).coefs_[0], W1_of_a_copy.copy()))

    for chunk in CHUNKS:
        train(model, kind, [chunk])
        note_arrays()
        with pytest.raises(ValueError, match="diverged"):
            model.set_params(learning_rate=1e200).partial_fit(samples, y)
        model.set_params(learning_rate=0.05)
        note_arrays()
        model.predict(samples)
        pickle.dumps(model)
    model.fit(samples, y)
    note_arrays()
    model.fit(samples, y)
    model.set_params(warm_start=False).fit(samples, y)
    for array, as_it_was in returned:
        assert_array_equal(array, as_it_was)


@pytest.mark.parametrize("make", [copy.copy, copy.deepcopy])
@pytest.mark.parametrize("look", [False, True], ids=["unseen", "looked at"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("solver", STREAMING_SOLVERS)
def test_a_copy_and_its_original_are_independent(solver, kind, look, make):
    samples = X.toarray() if kind == "dense" else X

    def two_chunks():
        return train(new(solver=solver, alpha=0.02), kind, CHUNKS[:2])

    expected = train(two_chunks(), kind, [CHUNKS[2], CHUNKS[4]])
    expected_copy = train(two_chunks(), kind, [CHUNKS[3], CHUNKS[3], CHUNKS[0]])
    for original_first in (False, True):
        original = two_chunks()
        duplicate = make(original)
        scores = original.decision_function(samples)
        before = state_when_read(original) if look else None
        if original_first:  # the copy must not change
            train(original, kind, [CHUNKS[2]])
            assert_allclose(duplicate.decision_function(samples), scores, **CLOSE)
            train(duplicate, kind, [CHUNKS[3]])
        else:  # the original must not change
            train(duplicate, kind, [CHUNKS[3]])
            assert_array_equal(original.decision_function(samples), scores)
            if look:
                assert_same_state(original, before)
            train(original, kind, [CHUNKS[2]])
        train(duplicate, kind, [CHUNKS[3]])  # in turns
        train(original, kind, [CHUNKS[4]])
        train(duplicate, kind, [CHUNKS[0]])
        for model, twin in [(original, expected), (duplicate, expected_copy)]:
            assert_allclose(parameters(model), parameters(twin), **CLOSE)
            assert_allclose(
                model.decision_function(samples), twin.decision_function(samples), **CLOSE
            )
            assert_allclose(model.batch_loss_curve_, twin.batch_loss_curve_, **CLOSE)


@pytest.mark.parametrize("make", [copy.copy, copy.deepcopy])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("solver", SOLVERS)
def test_a_copy_of_a_fit_and_its_original_are_independent(solver, kind, make):
    samples = KINDS[kind](X)
    original = new(solver=solver, warm_start=True).fit(samples, y)
    duplicate = make(original)
    before = state(original)
    duplicate.fit(samples[:120], y[:120])
    assert_same_state(original, before)
    twin = new(solver=solver, warm_start=True).fit(samples, y)
    assert_same_state(original.fit(samples, y), twin.fit(samples, y))


# To change a stream by hand.


def set_new_arrays(model):
    model.coefs_ = [1.5 * model.coefs_[0], np.flip(model.coefs_[1], axis=0).copy()]
    model.intercepts_ = [array + 0.25 for array in model.intercepts_]


def set_the_first_layer_alone(model):
    model.coefs_ = [np.ones_like(model.coefs_[0]), model.coefs_[1]]


def set_items_of_the_lists(model):
    model.coefs_[0] = 1.5 * model.coefs_[0]
    model.intercepts_[1] = model.intercepts_[1] + 0.25


def set_arrays_in_fortran_order(model):
    model.coefs_ = [np.asfortranarray(2 * array) for array in model.coefs_]


def change_arrays_in_place(model):
    model.coefs_[0][3:50:2] = 0.5
    model.coefs_[1][:] *= 2
    model.intercepts_[0] += 0.25
    model.intercepts_[1][0] = -1


def change_an_array_held_since_before(model):
    W1 = model.coefs_[0]
    model.predict(X)
    model.predict(X.toarray())
    W1[:40] += 0.5


CHANGES = [
    set_new_arrays,
    set_the_first_layer_alone,
    set_items_of_the_lists,
    set_arrays_in_fortran_order,
    change_arrays_in_place,
    change_an_array_held_since_before,
    *(
        {"activation": "tanh"},
        {"activation": "identity", "alpha": 0.3},
        {"alpha": 0.0},
        {"alpha": 0.5},
        {"momentum": 0.2},
        {"momentum": 0.0},
        {"nesterov": False},
        {"learning_rate": 0.01},
        {"learning_rate": 0.01, "momentum": 0.5, "alpha": 0.1},
        {"batch_size": 5},
        {"dropout": 0.4},
        {"solver": "adam"},
        {"solver": "adamw"},
        {"solver": "sgd", "momentum": 0.5},
        {"beta_1": 0.5, "beta_2": 0.99},
        {"learning_rate_schedule": "cosine", "warmup_fraction": 0.5},
        {"class_weight": "balanced"},
    ),
]


def meddle(model, by):
    if isinstance(by, dict):
        model.set_params(**by)
    else:
        by(model)


@pytest.mark.parametrize("by", CHANGES, ids=lambda by: getattr(by, "__name__", str(by)))
@pytest.mark.parametrize("solver", STREAMING_SOLVERS)
def test_what_is_set_between_chunks_takes_effect_as_in_a_dense_stream(solver, by):
    dense = train(new(solver=solver, alpha=0.02), "dense", CHUNKS[:2])
    sparse = train(new(solver=solver, alpha=0.02), "sparse", CHUNKS[:2])
    scores = dense.decision_function(X)
    for model in (dense, sparse):
        meddle(model, by)
    changes = not isinstance(by, dict) or "activation" in by
    assert changes != np.allclose(dense.decision_function(X), scores)
    for samples in (X, X.toarray()):
        assert_allclose(sparse.decision_function(samples), dense.decision_function(X), **CLOSE)
    for chunk in CHUNKS[2:]:
        train(dense, "dense", [chunk])
        train(sparse, "sparse", [chunk])
        assert_allclose(sparse.decision_function(X), dense.decision_function(X), **CLOSE)
    assert_allclose(parameters(sparse), parameters(dense), **CLOSE)
    assert_allclose(sparse.batch_loss_curve_, dense.batch_loss_curve_, **CLOSE)
    # A pickled copy, too, and a fit with a warm start.
    for model, kind in [(dense, "dense"), (sparse, "sparse")]:
        loaded = pickle.loads(pickle.dumps(model)).set_params(warm_start=True)
        scores = loaded.fit(KINDS[kind](X), y).decision_function(X)
        if kind == "dense":
            expected = scores
    assert_allclose(scores, expected, **CLOSE)


@pytest.mark.parametrize("solver", STREAMING_SOLVERS)
def test_what_is_set_by_hand_is_computed_with(solver):
    """Compare the dense stream, which sparse streams are compared with, to plain formulas."""
    for kind in KINDS:
        model = train(new(solver=solver), kind, CHUNKS[:2])
        set_new_arrays(model)
        model.set_params(activation="tanh")
        (W1, W2), (b1, b2) = model.coefs_, model.intercepts_
        expected = np.tanh(X @ W1 + b1) @ W2 + b2
        for samples in (X, X.toarray()):
            assert_allclose(model.decision_function(samples), expected, **CLOSE)


# Predictions in threads while another thread trains.

# A chunk is published as new arrays if its samples are dense, or with "adam"; else in the arrays of
# the stream.
PUBLICATIONS = [("adam", "dense"), ("sgd", "sparse"), ("adamw", "sparse")]


@pytest.fixture
def frequent_switches():
    """Switch between threads as often as possible."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def make_wide_samples(n_samples, n_features):
    rng = np.random.default_rng(0)
    columns = rng.integers(n_features, size=(n_samples, 20))
    entries = rng.random(columns.size), columns.ravel(), np.arange(0, 20 * n_samples + 1, 20)
    return csr_array(entries, shape=(n_samples, n_features)), rng.integers(3, size=n_samples)


WIDE, LABELS = make_wide_samples(320, 5000)


@pytest.mark.parametrize("method", ["partial_fit", "fit"])
@pytest.mark.parametrize(("solver", "kind"), PUBLICATIONS)
def test_predictions_during_a_stream_are_those_after_some_whole_call(
    solver, kind, method, frequent_switches
):
    samples = KINDS[kind](WIDE)
    sparse, dense = WIDE[:6], WIDE[:6].toarray()

    def first():
        model = new(solver=solver, hidden_size=8, alpha=0.02, warm_start=True, max_iter=1)
        return model.partial_fit(samples[:16], LABELS[:16], classes=CLASSES)

    def calls(model):
        for start in range(16, 320, 16):
            chunk = slice(start, start + 16)
            if method == "partial_fit":
                model.partial_fit(samples[chunk], LABELS[chunk])
            else:  # with other settings, so that a mixture would be seen
                labels = np.arange(16) % 3
                model.set_params(learning_rate=0.01 + start / 5000).fit(samples[chunk], labels)
            yield

    model = first()
    whole = {"sparse": [model.decision_function(sparse)], "dense": [model.decision_function(dense)]}
    for _ in calls(model):
        whole["sparse"].append(model.decision_function(sparse))
        whole["dense"].append(model.decision_function(dense))
    assert len({scores.tobytes() for scores in whole["sparse"]}) == 20
    expected = state_when_read(model)

    for _ in range(2):
        model, ended = first(), threading.Event()

        def train_on(model=model, ended=ended):
            try:
                for _ in calls(model):
                    pass
            finally:
                ended.set()

        def predict_on(given, model=model, ended=ended):
            seen = [model.decision_function(given)]
            while not ended.is_set():
                seen.append(model.decision_function(given))
            return seen

        with ThreadPoolExecutor(4) as threads:
            training = threads.submit(train_on)
            predicting = [threads.submit(predict_on, given) for given in (sparse, dense, sparse)]
            training.result(PATIENCE)
            seen_sparse, seen_dense, seen_too = (task.result(PATIENCE) for task in predicting)
        known = {scores.tobytes() for scores in whole["sparse"]}
        assert all(scores.tobytes() in known for scores in seen_sparse + seen_too)
        for scores in seen_dense:
            assert min(np.abs(scores - other).max() for other in whole["dense"]) < 1e-12
        assert_same_state(model, expected)


def in_between(call, other, moment):
    """Start another call in a thread at a moment of a call; return the results of both.

    The call waits a little for the other one, which ends later if it needs a lock of the call.
    """
    with ThreadPoolExecutor(1) as thread:
        futures = []

        def start():
            futures.append(thread.submit(other))
            wait(futures, timeout=0.05)

        with Moments({moment: start}):
            result = call()
        return result, futures[0].result(PATIENCE) if futures else other()


def publication(seen):
    """Return the moment before which the attributes of an estimator have been replaced."""
    (changed,) = [
        i + 1
        for i in range(1, len(seen))
        if seen[i].keys() != seen[i - 1].keys()
        or any(seen[i][name] is not value for name, value in seen[i - 1].items())
    ]
    return changed


@pytest.mark.parametrize("samples", ["dense samples", "sparse samples"])
@pytest.mark.parametrize(("solver", "kind"), PUBLICATIONS)
def test_a_chunk_at_any_moment_of_a_prediction_and_the_other_way_round(solver, kind, samples):
    given = X[:50].toarray() if samples == "dense samples" else X[:50]

    def start():
        model = train(new(solver=solver, alpha=0.02, batch_size=20), kind, CHUNKS[:2])
        return (
            model,
            lambda: model.decision_function(given),
            lambda: train(model, kind, [CHUNKS[2]]),
        )

    _, predict, train_on = start()
    before = predict()
    train_on()
    after = predict()
    for first in ("prediction", "chunk"):
        model, predict, train_on = start()
        calls = (predict, train_on) if first == "prediction" else (train_on, predict)
        with Moments(watch=lambda model=model: dict(vars(model))) as moments:
            calls[0]()
        n_moments = len(moments.seen)
        if first == "prediction":
            chosen = range(1, n_moments + 1, 2)
        else:
            published = publication(moments.seen)
            before_it = range(published - 40, published + 1, 3)  # where rows of W1 are exchanged
            chosen = sorted({*choose(n_moments, 8, n_last=5), *before_it})
        for moment in chosen:
            _, predict, train_on = start()
            if first == "prediction":
                scores, _ = in_between(predict, train_on, moment)
            else:
                _, scores = in_between(train_on, predict, moment)
            if samples == "sparse samples":
                assert scores.tobytes() in (before.tobytes(), after.tobytes())
            else:
                assert min(np.abs(scores - other).max() for other in (before, after)) < 1e-12
            assert_allclose(predict(), after, rtol=1e-12, atol=1e-12)


# Warm starts with other validation samples.


def two_validations():
    """Return validation samples of X, and other validation samples, with mostly wrong labels."""
    X_other, y_other = make_samples(60, seed=5)
    wrong = np.where(np.arange(60) % 4 == 0, y_other, (y_other + 1) % 3)
    return (X[:100], y[:100]), (X_other, wrong)


@pytest.mark.parametrize(
    "change", ["samples", "labels", "from a held-out part", "to a held-out part"]
)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("solver", SOLVERS)
def test_scores_of_other_validation_samples_are_not_compared(solver, kind, change):
    (X_a, y_a), (X_b, y_b) = two_validations()
    if change == "labels":
        X_b, y_b = X_a, (y_a + 1) % 3
    samples, X_a, X_b = (KINDS[kind](array) for array in (X, X_a, X_b))
    model = new(solver=solver, warm_start=True, max_iter=6, learning_rate=0.2, momentum=0.5)
    if change == "from a held-out part":
        model.set_params(early_stopping=True).fit(samples, y).set_params(early_stopping=False)
    else:
        model.fit(samples, y, X_val=X_a, y_val=y_a)
    earlier, earlier_scores = model.best_validation_score_, list(model.validation_scores_)
    assert earlier == max(earlier_scores)
    for one in (pickle.loads(pickle.dumps(model)), model):
        if change == "to a held-out part":  # with labels that no network can learn
            one.set_params(early_stopping=True, max_iter=1, validation_fraction=0.3)
            one.fit(samples, np.random.RandomState(0).permutation(y))
        else:
            one.fit(samples, y, X_val=X_b, y_val=y_b)
        scores = one.validation_scores_[-one.n_iter_ :]
        assert max(scores) < earlier  # else a comparison of old and new scores would change nothing
        # The weights kept are scored on the new samples, even if training started from them.
        assert max(scores) <= one.best_validation_score_ < earlier
        if change != "to a held-out part":
            assert one.best_validation_score_ == one.score(X_b, y_b)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("solver", STREAMING_SOLVERS)
def test_the_best_of_the_same_validation_samples_is_kept_by_a_warm_start(solver, kind):
    (X_a, y_a), _ = two_validations()
    samples, X_a = KINDS[kind](X), KINDS[kind](X_a)
    model = new(solver=solver, warm_start=True, max_iter=8).fit(samples, y, X_val=X_a, y_val=y_a)
    best, weights = model.best_validation_score_, frozen([model.coefs_, model.intercepts_])
    for one in (pickle.loads(pickle.dumps(model)), model):
        # Labels that are wrong make every epoch worse.
        one.set_params(max_iter=2).fit(samples, (y + 1) % 3, X_val=X_a.copy(), y_val=y_a.copy())
        assert max(one.validation_scores_[-2:]) < best
        assert one.best_validation_score_ == best == one.score(X_a, y_a)
        assert frozen([one.coefs_, one.intercepts_]) == weights


# What another thread does in the middle of a call, at a moment that the test chooses.


@pytest.mark.parametrize("solver", ["sgd", "adamw"])
def test_a_pickle_of_another_thread_waits_for_an_exchange_of_rows(solver, monkeypatch):
    model = train(new(solver=solver), "sparse", CHUNKS[:3])
    expected = train(copy.deepcopy(model), "sparse", CHUNKS[3:4])
    rows_to_exchange, threads, pickles = stream.rows_to_exchange, [], []

    def exchange_while_another_thread_pickles(*arguments):
        thread = threading.Thread(target=lambda: pickles.append(pickle.dumps(model)))
        thread.start()
        thread.join(0.5)  # time enough for a pickle that does not wait
        threads.append((thread, thread.is_alive()))
        return rows_to_exchange(*arguments)

    monkeypatch.setattr(stream, "rows_to_exchange", exchange_while_another_thread_pickles)
    train(model, "sparse", CHUNKS[3:4])
    ((thread, waited),) = threads
    assert waited
    thread.join(PATIENCE)
    assert_same_state(model, expected)
    assert_same_state(pickle.loads(pickles[0]), expected)


@pytest.mark.parametrize("solver", ["sgd", "adamw"])
@pytest.mark.parametrize(
    ("module", "when"),
    [(starting_state, "continue_training"), (base, "train"), (base, "exchanged")],
)
def test_reading_the_weights_does_not_disturb_a_call(solver, module, when, monkeypatch):
    model = train(new(solver=solver), "sparse", CHUNKS[:3])
    expected = train(copy.deepcopy(model), "sparse", CHUNKS[3:])
    called = getattr(module, when)

    def read_before(*arguments, **options):
        assert len(model.coefs_) == 2
        return called(*arguments, **options)

    monkeypatch.setattr(module, when, read_before)
    train(model, "sparse", CHUNKS[3:4])
    monkeypatch.undo()
    train(model, "sparse", CHUNKS[4:])
    for mine, other in zip(model.coefs_, expected.coefs_, strict=True):
        assert_allclose(mine, other, **CLOSE)


def test_reading_the_weights_does_not_disturb_an_iteration_over_the_attributes():
    """scikit-learn iterates over them in `partial_fit`."""
    model = train(new(), "sparse", CHUNKS[:1])
    names = iter(vars(model))
    next(names)
    assert len(model.coefs_) == 2
    assert len(list(names)) > 5
    assert "coefs_" in vars(model)


def test_two_threads_read_the_weights_at_once():
    """One finds that the other has read them, after Python has looked for the attribute."""
    model = train(new(), "sparse", CHUNKS[:1])
    coefs = model.coefs_
    assert type(model).__mro__[2].__dict__["coefs_"].__get__(model, type(model)) is coefs


class InterruptedNumpy:
    """NumPy, but for an interrupt before or after the n-th call of `take`."""

    def __init__(self, n, after):
        self.n_calls, self.n, self.after = 0, n, after

    def __getattr__(self, name):
        return getattr(np, name)

    def take(self, *arguments, **options):
        self.n_calls += 1
        if self.n_calls == self.n and not self.after:
            raise KeyboardInterrupt
        np.take(*arguments, **options)
        if self.n_calls == self.n:
            raise KeyboardInterrupt


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("solver", ["sgd", "adamw"])
def test_an_exchange_of_rows_that_is_interrupted_half_way_is_undone(solver, after, monkeypatch):
    """As in a worker process, where Ctrl-C is not deferred."""
    model = train(new(solver=solver), "sparse", CHUNKS[:1])
    before = frozen(model._training_state)
    n_pairs = 0
    while True:
        n_pairs += 1
        monkeypatch.setattr(stream, "np", InterruptedNumpy(n_pairs, after))
        try:
            train(model, "sparse", CHUNKS[2:3])
        except KeyboardInterrupt:
            assert frozen(model._training_state) == before
        else:
            break
    assert n_pairs > 2 * len(model._training_state.vectors)
