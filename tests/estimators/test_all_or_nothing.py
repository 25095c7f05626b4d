"""A call that raises changes neither the estimator nor what it learns from later calls."""

import pickle
import warnings
from contextlib import contextmanager
from functools import cache, partial

import numpy as np
import pytest
from estimator_state import (
    KINDS,
    SOLVERS,
    STREAMING_SOLVERS,
    assert_same_state,
    make_samples,
    new,
    parameters,
    state,
    state_when_read,
)
from faults import Fault, choose
from numpy.testing import assert_array_equal
from scipy.sparse import csr_array
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import threadpool_limits

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    # An overflow ends in an error, which says more than a warning would.
    pytest.mark.filterwarnings("error::RuntimeWarning:sk_twolayer"),
]

X, y = make_samples()
X_FIT, y_fit = X[:80], y[:80]
CLASSES = [0, 1, 2]


@pytest.fixture(autouse=True, scope="module")
def one_blas_thread():
    with threadpool_limits(1):  # the number of threads that share a sum decides its rounding
        yield


@contextmanager
def other_settings(model, **params):
    """Change parameters of a model for one call."""
    before = {name: getattr(model, name) for name in params}
    try:
        yield model.set_params(**params)
    finally:
        model.set_params(**before)


def with_entry(X, value):
    """Return a copy of the samples with a value in the last of them."""
    if isinstance(X, np.ndarray):
        X = X.copy()
        X[-1, 0] = value
        return X
    X = X.tolil()
    X[-1, 0] = value
    return csr_array(X)


# What makes a call fail. Each function takes the model, the method to call, and samples and labels
# that are good; a batch has eight samples.


def learning_rate_that_diverges(model, call, X, y):
    with other_settings(model, learning_rate=1e200):
        call(X, y)


def values_that_diverge(model, call, X, y):
    # The labels are wrong: where such large scores are right, the gradient is zero.
    call(X * 1e300, (y + 1) % 3)


def infinite_moments_after_the_only_update(model, call, X, y):
    # The gradient of such values is finite, and so are the parameters after the update.
    with other_settings(model, max_iter=1):
        call(X[:8] * 1e300, (y[:8] + 1) % 3)


def infinite_parameters_after_the_only_update(model, call, X, y):
    with other_settings(model, learning_rate=1e308, alpha=1e5, max_iter=1):
        call(X[:8], y[:8])


def a_label_never_seen(model, call, X, y):
    call(X, np.where(np.arange(len(y)) == len(y) - 1, 7, y))


def too_few_columns(model, call, X, y):
    call(X[:, 1:], y)


def a_nan_in_the_last_row(model, call, X, y):
    call(with_entry(X, np.nan), y)


def a_negative_weight(model, call, X, y):
    weights = np.ones(len(y))
    weights[-1] = -1
    call(X, y, sample_weight=weights)


def too_few_labels(model, call, X, y):
    call(X, y[:-1])


def another_hidden_size(model, call, X, y):
    with other_settings(model, hidden_size=7):
        call(X, y)


def a_parameter_out_of_range(model, call, X, y):
    with other_settings(model, batch_size=0):
        call(X, y)


def failures_of(solver):
    """Return what makes `partial_fit`, or a `fit` with a warm start, fail."""
    divergence = {
        "sgd": [learning_rate_that_diverges, infinite_parameters_after_the_only_update],
        "lbfgs": [],
    }.get(solver, [learning_rate_that_diverges, infinite_moments_after_the_only_update])
    return [
        *divergence,
        *([] if solver == "lbfgs" else [values_that_diverge]),
        a_label_never_seen,
        too_few_columns,
        a_nan_in_the_last_row,
        a_negative_weight,
        too_few_labels,
        another_hidden_size,
        a_parameter_out_of_range,
    ]


STREAM_FAILURES = [(s, failure) for s in STREAMING_SOLVERS for failure in failures_of(s)]
WARM_FAILURES = [(s, failure) for s in SOLVERS for failure in failures_of(s)]


def names(value):
    return getattr(value, "__name__", str(value))


# partial_fit.


def stream(kind, solver, *, fail=None, look=False, pickled="no", **options):
    """Train on four chunks; fail before the third, and look at or pickle the model around that."""
    samples = KINDS[kind](X)
    model = new(solver=solver, **options)
    for i in range(4):
        chunk = samples[40 * i : 40 * i + 40], y[40 * i : 40 * i + 40]
        if i == 2:
            if pickled == "before":
                model = pickle.loads(pickle.dumps(model))
            if look:
                before, attributes = state_when_read(model), set(vars(model))
                scores = model.decision_function(samples)
            if fail is not None:
                fail(model, model.partial_fit, *chunk)
            if look:
                assert set(vars(model)) == attributes
                assert_same_state(model, before)
                assert_array_equal(model.decision_function(samples), scores)
            if pickled == "after":
                model = pickle.loads(pickle.dumps(model))
        model.partial_fit(*chunk, classes=CLASSES)
    return model


def random_state(draws_on):
    """Return a seed, or a generator, whose draws continue from call to call."""
    return np.random.RandomState(3) if draws_on else 0


@cache
def state_without_failure(kind, solver, *, draws_on=False, **options):
    """Return the state after the same stream in which nothing failed."""
    return state_when_read(stream(kind, solver, random_state=random_state(draws_on), **options))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("solver", "failure"), STREAM_FAILURES, ids=names)
def test_a_stream_continues_as_if_no_chunk_had_failed(kind, solver, failure):
    def fail(*arguments):
        with pytest.raises(ValueError):  # noqa: PT011 -- the messages are tested elsewhere
            failure(*arguments)

    for how in ({"pickled": "before"}, {"pickled": "after"}, {"look": True}):
        failed = stream(kind, solver, fail=fail, **how)
        assert_same_state(failed, state_without_failure(kind, solver, **how))
    failed = stream(kind, solver, fail=fail, random_state=random_state(True))
    assert_same_state(failed, state_without_failure(kind, solver, draws_on=True))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("solver", STREAMING_SOLVERS)
def test_several_failures_in_a_row_change_nothing(kind, solver):
    def fail(*arguments):
        for failure in failures_of(solver):
            with pytest.raises(ValueError):  # noqa: PT011
                failure(*arguments)

    assert_same_state(stream(kind, solver, fail=fail), state_without_failure(kind, solver))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("solver", STREAMING_SOLVERS)
def test_a_failed_call_consumes_no_random_numbers(kind, solver):
    generator = np.random.RandomState(3)
    model = new(solver=solver, random_state=generator, dropout=0.2)
    samples = KINDS[kind](X)
    model.partial_fit(samples[:40], y[:40], classes=CLASSES)
    for call in (model.partial_fit, model.fit):
        before = generator.get_state(legacy=False)
        with pytest.raises(ValueError, match="diverged"):
            learning_rate_that_diverges(model, call, samples[40:80], y[40:80])
        after = generator.get_state(legacy=False)
        assert_array_equal(after["state"]["key"], before["state"]["key"])
        assert after["state"]["pos"] == before["state"]["pos"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("solver", STREAMING_SOLVERS)
def test_weights_of_classes_do_not_count_the_samples_of_a_chunk_that_failed(kind, solver):
    def fail(model, call, X, y):
        with pytest.raises(ValueError, match="diverged"):
            learning_rate_that_diverges(model, call, X[y == 1], y[y == 1])

    options = {"class_weight": "balanced", "batch_size": 4}
    assert_same_state(stream(kind, solver, fail=fail, **options), stream(kind, solver, **options))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("solver", [s for s in STREAMING_SOLVERS if s != "sgd"])
def test_a_mean_square_that_overflows_is_a_divergence(kind, solver):
    samples = KINDS[kind](X)
    model = new(solver=solver)
    for call in (model.fit, partial(model.partial_fit, classes=CLASSES)):
        with pytest.raises(ValueError, match="diverged"):
            infinite_moments_after_the_only_update(model, call, samples, y)
        assert not hasattr(model, "coefs_")


# fit.


@cache
def fitted(kind, solver, n_fits=1, **options):
    """Return the pickle of an estimator after so many fits; to load it takes less time."""
    model = new(solver=solver, warm_start=True, **options)
    for _ in range(n_fits):
        model.fit(KINDS[kind](X_FIT), y_fit)
    return pickle.dumps(model)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("solver", "failure"), WARM_FAILURES, ids=names)
def test_a_warm_start_continues_as_if_no_fit_had_failed(kind, solver, failure):
    samples = KINDS[kind](X_FIT)
    failed = new(solver=solver, warm_start=True).fit(samples, y_fit)
    never = pickle.loads(fitted(kind, solver))
    attributes = set(vars(failed))
    with pytest.raises(ValueError):  # noqa: PT011
        failure(failed, failed.fit, samples, y_fit)
    assert_same_state(failed, never)
    assert set(vars(failed)) == attributes
    assert_array_equal(failed.predict_proba(samples), never.predict_proba(samples))
    twice = state(pickle.loads(fitted(kind, solver, n_fits=2)))
    assert_same_state(pickle.loads(pickle.dumps(failed)).fit(samples, y_fit), twice)
    assert_same_state(failed.fit(samples, y_fit), twice)


def fit_columns_with_names(model, samples, y):
    import pandas as pd  # names of columns come from a data frame

    frame = pd.DataFrame(samples[:, :7], columns=[f"column {i}" for i in range(7)])
    model.fit(frame, np.zeros(len(y)))


FRESH_FAILURES = {
    "divergence": lambda model, samples, y: fit_on_large_values(model, samples[:, :7], y),
    "one class": lambda model, samples, y: model.fit(samples[:, :7], np.zeros(len(y))),
    "one class in columns with names": lambda model, samples, y: fit_columns_with_names(
        model, np.zeros((len(y), 9)), y
    ),
    "labels of real numbers": lambda model, samples, y: model.fit(samples[:, :7], y + 0.5),
    "a nan": lambda model, samples, y: model.fit(with_entry(samples[:, :7], np.nan), y),
    "a negative weight": lambda model, samples, y: model.fit(samples[:, :7], y, -np.ones(len(y))),
    "validation samples with other columns": lambda model, samples, y: model.fit(
        samples[:, :7], y, X_val=samples, y_val=y
    ),
    "validation labels never seen": lambda model, samples, y: model.fit(
        samples[:, :7], y, X_val=samples[:, :7], y_val=y + 1
    ),
    "X_val alone": lambda model, samples, y: model.fit(samples[:, :7], y, X_val=samples[:, :7]),
    "nothing to hold out of": lambda model, samples, y: fit_three_samples(model, samples),
    "a class_weight of no class": lambda model, samples, y: fit_weighted(model, samples[:, :7], y),
}


def fit_on_large_values(model, samples, y):
    with other_settings(model, init=1e10):  # so that L-BFGS diverges at its start, too
        model.fit(samples * 1e305, y)


def fit_three_samples(model, samples):
    with other_settings(model, early_stopping=True):
        model.fit(samples[:3, :7], [0, 1, 2])


def fit_weighted(model, samples, y):
    with other_settings(model, class_weight="no such way"):
        model.fit(samples, y)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("failure", FRESH_FAILURES)
@pytest.mark.parametrize("solver", SOLVERS)
def test_an_estimator_that_is_not_fitted_stays_so_when_fit_fails(kind, failure, solver):
    samples = KINDS[kind](X_FIT)
    model = new(solver=solver, warm_start=True)
    attributes = set(vars(model))
    with pytest.raises(ValueError):  # noqa: PT011
        FRESH_FAILURES[failure](model, samples, y_fit)
    assert set(vars(model)) == attributes
    with pytest.raises(NotFittedError):
        check_is_fitted(model)
    with pytest.raises(NotFittedError):
        model.predict(samples)
    assert not hasattr(model, "coefs_")
    assert_same_state(model.fit(samples, y_fit), pickle.loads(fitted(kind, solver)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("failure", FRESH_FAILURES)
@pytest.mark.parametrize("solver", SOLVERS)
def test_a_fit_on_other_columns_that_fails_leaves_the_last_fit(kind, failure, solver):
    samples = KINDS[kind](X_FIT)
    model = pickle.loads(fitted(kind, solver)).set_params(warm_start=False)
    before, attributes, p = state(model), set(vars(model)), model.predict_proba(samples)
    with pytest.raises(ValueError):  # noqa: PT011
        FRESH_FAILURES[failure](model, samples, y_fit)
    assert set(vars(model)) == attributes
    assert_same_state(model, before)
    assert_array_equal(model.predict_proba(samples), p)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("solver", STREAMING_SOLVERS)
def test_a_fit_in_the_middle_of_a_stream_that_fails_leaves_the_stream(kind, solver):
    def fail(model, call, X, y):
        with pytest.raises(ValueError, match="diverged"):
            learning_rate_that_diverges(model, model.fit, X, y)
        with pytest.raises(ValueError):  # noqa: PT011
            model.fit(X[:, :7], y, X_val=X, y_val=y)

    assert_same_state(stream(kind, solver, fail=fail), state_without_failure(kind, solver))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("solver", STREAMING_SOLVERS)
def test_a_first_chunk_that_fails_leaves_an_estimator_that_is_not_fitted(kind, solver):
    samples = KINDS[kind](X)
    model = new(solver=solver)
    attributes = set(vars(model))
    for failure in failures_of(solver):
        if failure in (too_few_columns, another_hidden_size):  # good in a first chunk
            continue

        call = partial(model.partial_fit, classes=CLASSES)
        with pytest.raises(ValueError):  # noqa: PT011
            failure(model, call, samples[:40], y[:40])
        with pytest.raises(ValueError, match="classes"):
            model.partial_fit(samples[:40], y[:40])
        assert set(vars(model)) == attributes
        with pytest.raises(NotFittedError):
            check_is_fitted(model)
    model.partial_fit(samples[:40], y[:40], classes=CLASSES)
    assert_same_state(model, new(solver=solver).partial_fit(samples[:40], y[:40], classes=CLASSES))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scale", [1e100, 1e150, 1e154, 1e160, 1e200, 1e250, 1e300])
def test_lbfgs_ends_with_finite_numbers_or_with_an_error(kind, scale):
    samples = KINDS[kind](X[:40]) * scale
    model = new(solver="lbfgs", max_iter=20)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)  # an overflow is an error, or harmless
        try:
            model.fit(samples, y[:40])
        except ValueError as error:
            assert "diverged" in str(error)  # noqa: PT017
            assert not hasattr(model, "coefs_")
            return
    assert np.isfinite(parameters(model)).all()
    assert np.isfinite([model.loss_, *model.loss_curve_, *model.batch_loss_curve_]).all()


# No memory left.


def run_out_at(moment):
    """Return a way to fail: memory runs out at a moment of the call."""

    def fail(model, call, X, y):
        with Fault(model, MemoryError, moment), pytest.raises(MemoryError, match="no memory left"):
            call(X, y)

    return fail


class CountedError(Exception):
    """The moments of a call have been counted."""


def moments_of(train):
    """Return moments of the call that `train`, given a way to fail, makes fail."""

    def count(model, call, X, y):
        with Fault(model, MemoryError) as rehearsal:
            call(X, y)
        raise CountedError(rehearsal.n_moments)

    with pytest.raises(CountedError) as counted:
        train(count)
    (n_moments,) = counted.value.args
    assert n_moments > 30
    return choose(n_moments, 12, n_last=5)


@pytest.mark.parametrize("look", [False, True], ids=["not looked at", "looked at"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("solver", STREAMING_SOLVERS)
def test_a_stream_survives_that_memory_runs_out_at_any_moment(kind, solver, look):
    never = state_without_failure(kind, solver, look=look)
    for moment in moments_of(lambda fail: stream(kind, solver, fail=fail, look=look)):
        assert_same_state(stream(kind, solver, fail=run_out_at(moment), look=look), never)


# Both kinds of samples, and both starts, with both settings.
@pytest.mark.parametrize(
    ("kind", "warm_start", "settings"),
    [
        ("dense", False, {}),
        ("sparse", True, {}),
        ("dense", True, {"early_stopping": True, "dropout": 0.3}),
        ("sparse", False, {"early_stopping": True, "dropout": 0.3}),
    ],
    ids=str,
)
@pytest.mark.parametrize("solver", SOLVERS)
def test_fits_survive_that_memory_runs_out_at_any_moment(solver, kind, warm_start, settings):
    if solver == "lbfgs":
        settings = settings | {"dropout": 0}
    samples, labels = KINDS[kind](X[20:60]), y[20:60]
    model = new(solver=solver, warm_start=warm_start, **settings).fit(samples, labels)
    once = pickle.dumps(model)

    def train(fail):
        model = pickle.loads(once)
        fail(model, model.fit, samples, labels)
        return model

    before, after = state(pickle.loads(once)), state(pickle.loads(once).fit(samples, labels))
    assert_same_state(model.fit(samples, labels), after)
    for moment in moments_of(train):
        model = train(run_out_at(moment))
        assert_same_state(model, before)
        assert_same_state(model.fit(samples, labels), after)


# Callbacks that raise.


class Raising:
    """A callback that raises an error in one hook of one task while it is armed."""

    def __init__(self, hook, task, error):
        self.when, self.error, self.armed = (hook, task), error, True

    def _look(self, hook, context):
        task = context.task_name if context.task_name == "fit" else context.task_id
        if self.armed and (hook, task) == self.when:
            raise self.error

    def setup(self, estimator, context):
        if self.armed and self.when[0] == "setup":
            raise self.error

    def on_fit_task_begin(self, estimator, context):
        self._look("begin", context)

    def on_fit_task_end(self, estimator, context):
        self._look("end", context)

    def teardown(self, estimator, context):
        pass


@pytest.mark.callbacks
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(
    ("hook", "task"),
    [("setup", None), ("begin", "fit"), ("begin", 0), ("begin", 2), ("end", 1), ("end", "fit")],
    ids=str,
)
def test_a_callback_that_raises_changes_nothing(kind, solver, hook, task):
    samples = KINDS[kind](X_FIT)
    error = RuntimeError("broken") if kind == "dense" else MemoryError("no memory left")
    callback = Raising(hook, task, error)
    model = new(solver=solver, warm_start=True).set_callbacks(callback)
    attributes = set(vars(model))

    def fail_to_fit():
        callback.armed = True
        with pytest.raises(type(error), match=str(error)):
            model.fit(samples, y_fit)
        callback.armed = False

    fail_to_fit()
    assert set(vars(model)) == attributes
    once = pickle.loads(fitted(kind, solver))
    assert_same_state(model.fit(samples, y_fit), once)
    fail_to_fit()
    assert_same_state(model, once)
    assert_same_state(model.fit(samples, y_fit), pickle.loads(fitted(kind, solver, n_fits=2)))
