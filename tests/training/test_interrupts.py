"""Ctrl-C at any moment: a fit ends after fewer updates, or it changes nothing."""

import os
import pickle
import signal
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import joblib
import numpy as np
import pytest
from estimator_state import (
    KINDS,
    SOLVERS,
    STREAMING_SOLVERS,
    assert_same_state,
    make_samples,
    new,
    state,
    state_when_read,
)
from faults import Moments, choose, press_ctrl_c
from threadpoolctl import threadpool_limits

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, y = make_samples(48, 200, long=slice(16, 32))
X_VAL, Y_VAL = make_samples(30, 200, seed=1)
CLASSES = [0, 1, 2]
PATIENCE = 120  # seconds, after which something hangs


@pytest.fixture(autouse=True, scope="module")
def one_blas_thread():
    with threadpool_limits(1):  # the number of threads that share a sum decides its rounding
        yield


@pytest.fixture(autouse=True)
def python_handles_sigint():
    """Install the handler that raises KeyboardInterrupt, as the tests may run in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def lines_of(call):
    """Return the handler of SIGINT before each line that a call runs."""
    with Moments() as moments:
        call()
    return moments.seen


def moments_handled(handlers):
    """Return the moments at which the handler is not the one before the call."""
    return [i for i, handler in enumerate(handlers, 1) if handler is not handlers[0]]


class Pressed:
    """A call during which Ctrl-C was pressed at a moment, once or several times; and its outcome.

    Attributes
    ----------
    raised : bool
        Whether the call raised KeyboardInterrupt.
    handled : bool
        Whether the call had replaced the handler of SIGINT when Ctrl-C was pressed.
    published : bool
        Whether the estimator already had its new attributes when Ctrl-C was pressed.
    warned : bool
        Whether a warning said that training was interrupted.
    """

    def __init__(self, model, call, moment, times=1):
        handler, updates = signal.getsignal(signal.SIGINT), vars(model).get("n_updates_")
        self.raised = self.handled = self.published = False

        def press():
            self.handled = signal.getsignal(signal.SIGINT) is not handler
            self.published = vars(model).get("n_updates_") != updates
            for _ in range(times):
                press_ctrl_c()

        with warnings.catch_warnings(record=True) as caught, Moments({moment: press}):
            warnings.simplefilter("always")
            try:
                call(model)
            except KeyboardInterrupt:
                self.raised = True
        self.warned = any("interrupted" in str(warning.message) for warning in caught)
        assert signal.getsignal(signal.SIGINT) is handler


# One Ctrl-C, anywhere in a fit.

SETTINGS = {
    "plain": {},
    "warm start": {"warm_start": True},
    "warm start, validation samples": {"warm_start": True, "X_val": X_VAL, "y_val": Y_VAL},
    "early stopping": {"early_stopping": True, "validation_fraction": 0.3},
    "dropout": {"dropout": 0.3, "warm_start": True},
    "drawn batches": {"replacement": True, "warm_start": True},
    "float32": {"dtype": np.float32},
}
# Every setting with every solver, and with both kinds of samples in turn.
FITS = [
    (solver, name, sorted(KINDS)[(i + j) % 2])
    for i, solver in enumerate(SOLVERS)
    for j, name in enumerate(SETTINGS)
    if solver != "lbfgs" or name not in ("dropout", "drawn batches")
]


class Fits:
    """Fits with the same settings; a warm start continues from a first fit."""

    def __init__(self, kind, solver, settings):
        settings = dict(settings)
        samples = X.astype(settings.pop("dtype", X.dtype))
        self.validation = {n: settings.pop(n) for n in ("X_val", "y_val") if n in settings}
        if self.validation:
            self.validation["X_val"] = KINDS[kind](self.validation["X_val"])
        self.samples, self.settings = KINDS[kind](samples), settings | {"solver": solver}
        self.limit = "max_iter" if solver == "lbfgs" else "max_updates"
        self.warm_start = settings.get("warm_start", False)
        model = new(batch_size=12, **self.settings)
        self.start = pickle.dumps(self.fit(model) if self.warm_start else model)
        self.n_earlier_updates = model.n_updates_ if self.warm_start else 0
        self.known = {}
        self.of_updates()  # so that what a process does once has been done

    def new(self):
        return pickle.loads(self.start)

    def fit(self, model):
        return model.fit(self.samples, y, **self.validation)

    def handlers(self):
        """Return the handler of SIGINT before each line of a fit."""
        model = self.new()
        return lines_of(lambda: self.fit(model))

    def of_updates(self, n_updates=None):
        """Return the state after so many updates (None for all), and after another fit."""
        if n_updates not in self.known:
            model = self.new()
            limits = {} if n_updates is None else {self.limit: n_updates}
            before = {name: getattr(model, name) for name in limits}
            self.fit(model.set_params(**limits))
            after = state(model.set_params(**before))
            if n_updates is not None:  # which follows from the limit
                after["max_iter_"] = self.of_updates()[0]["max_iter_"]
            self.known[n_updates] = after, state(self.fit(model)) if self.warm_start else None
        return self.known[n_updates]


@pytest.mark.parametrize(("solver", "name", "kind"), FITS)
def test_a_fit_that_ctrl_c_ends_is_the_fit_of_so_many_updates(solver, name, kind):
    fits = Fits(kind, solver, SETTINGS[name])
    whole, _ = fits.of_updates()
    handlers = fits.handlers()
    handled = moments_handled(handlers)
    assert handled, "no handler notes Ctrl-C"

    lengths = set()
    for moment in [*choose(len(handlers), 6, n_last=4), *handled[:: len(handled) // 4]]:
        model = fits.new()
        before = state(model)
        pressed = Pressed(model, fits.fit, moment)
        if pressed.raised:
            if pressed.published and state(model) == whole:  # pressed after the publication
                continue
            assert_same_state(model, before)
            lengths.add(0)
        else:
            length = model.n_updates_ - fits.n_earlier_updates
            assert length >= 1
            assert pressed.warned or state(model) == whole
            after, after_another_fit = fits.of_updates(length)
            assert_same_state(model, after)
            if fits.warm_start:
                assert_same_state(fits.fit(model), after_another_fit)
            lengths.add(length)
    assert 0 in lengths
    assert len(lengths) > 2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("solver", SOLVERS)
def test_a_fit_interrupted_before_its_first_update_changes_nothing(kind, solver):
    fits = Fits(kind, solver, {"warm_start": True})
    first = moments_handled(fits.handlers())[0]
    for model in (new(solver=solver), fits.new()):
        before, attributes = state(model), set(vars(model))
        for moment, handled in [(1, False), (first, True)]:
            pressed = Pressed(model, fits.fit, moment)
            assert (pressed.raised, pressed.handled) == (True, handled)
            assert_same_state(model, before)
            assert set(vars(model)) == attributes


# Twice.


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("solver", SOLVERS)
def test_a_second_ctrl_c_raises_and_changes_nothing(kind, solver):
    fits = Fits(kind, solver, {"warm_start": True, "X_val": X_VAL, "y_val": Y_VAL})
    handled = moments_handled(fits.handlers())
    raised = 0
    for moment in handled[:: len(handled) // 9]:
        model = fits.new()
        before = state(model)
        pressed = Pressed(model, fits.fit, moment, times=2)
        if pressed.raised:
            raised += 1
            assert_same_state(model, before)
            assert_same_state(fits.fit(model), fits.of_updates()[0])
        else:  # past the last safe point
            assert_same_state(model, fits.of_updates()[0])
    assert raised >= 7


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("solver", SOLVERS)
def test_a_second_ctrl_c_at_any_later_moment_leaves_nothing_half_done(kind, solver):
    fits = Fits(kind, solver, {"early_stopping": True, "validation_fraction": 0.3})
    handled = moments_handled(fits.handlers())
    middle = handled[len(handled) // 2]
    for later in choose(len(handled) // 2, 8, n_last=0):
        model = fits.new()
        before = state(model)
        actions = dict.fromkeys([middle, middle + later], press_ctrl_c)
        try:
            with pytest.warns(UserWarning, match="interrupted"), Moments(actions):
                fits.fit(model)
        except KeyboardInterrupt:
            if hasattr(model, "coefs_"):  # pressed after the publication
                assert_same_state(model, fits.of_updates(model.n_updates_)[0])
            else:
                assert_same_state(model, before)
        else:
            assert_same_state(model, fits.of_updates(model.n_updates_)[0])
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


class Pressing:
    """A callback that presses Ctrl-C at the end of tasks: epochs, by number, or the fit."""

    def __init__(self, *tasks):
        self.tasks, self.ended = tasks, []

    def setup(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        task = context.task_name if context.task_name == "fit" else context.task_id
        self.ended.append(task)
        for _ in range(self.tasks.count(task)):
            press_ctrl_c()

    def teardown(self, estimator, context):
        pass


@pytest.mark.callbacks
@pytest.mark.filterwarnings("ignore:.*interrupted")
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("tasks", [(1, 1), (1, "fit"), ("fit", "fit")], ids=str)
def test_a_second_ctrl_c_while_a_callback_is_called_raises(solver, tasks):
    samples = KINDS["dense"](X)
    model = new(solver=solver, max_iter=6).set_callbacks(Pressing(*tasks))
    attributes = set(vars(model))
    with pytest.raises(KeyboardInterrupt):
        model.fit(samples, y)
    assert set(vars(model)) == attributes


@pytest.mark.callbacks
@pytest.mark.filterwarnings("ignore:.*interrupted")
@pytest.mark.parametrize("solver", SOLVERS)
def test_an_interrupted_fit_ends_for_callbacks_too(solver):
    samples = KINDS["dense"](X)
    for task, epochs in [(1, 2), (4, 5), ("fit", 6)]:
        callback = Pressing(task)
        model = new(solver=solver, max_iter=6).set_callbacks(callback).fit(samples, y)
        assert callback.ended == [*range(epochs), "fit"]
        expected = new(solver=solver, max_iter=epochs).fit(samples, y)
        assert_same_state(model, expected, ["max_iter", "max_iter_"])


# partial_fit.


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("solver", STREAMING_SOLVERS)
def test_partial_fit_raises_at_any_moment_and_changes_nothing(kind, solver):
    samples = KINDS[kind](X)

    def train(model, *starts):
        for start in starts:
            chunk = slice(start, start + 16)
            model.partial_fit(samples[chunk], y[chunk], classes=CLASSES)
        return model

    def two_chunks():
        return train(new(solver=solver), 0, 16)

    def third_chunk(model):
        return train(model, 32)

    before, whole = state_when_read(two_chunks()), state_when_read(third_chunk(two_chunks()))
    after = state_when_read(train(two_chunks(), 32, 0))
    seen = two_chunks()
    state_when_read(seen)  # which changes the rounding of later updates
    after_reading = state_when_read(train(seen, 32, 0))
    model = two_chunks()
    handlers = lines_of(lambda: third_chunk(model))
    assert moments_handled(handlers), "no handler notes Ctrl-C"

    n_raised = 0
    for look in (False, True):
        for moment in choose(len(handlers), 14, n_last=8, seed=int(look)):
            model = two_chunks()
            pressed = Pressed(model, third_chunk, moment)
            assert pressed.raised  # so that the loop of the caller ends
            if pressed.published and state_when_read(model) == whole:
                continue  # pressed after the publication
            n_raised += 1
            if look:
                assert_same_state(model, before)
            assert_same_state(train(model, 32, 0), after_reading if look else after)
    assert n_raised > 20


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("solver", STREAMING_SOLVERS)
def test_a_first_chunk_that_ctrl_c_ends_leaves_an_estimator_that_is_not_fitted(kind, solver):
    samples = KINDS[kind](X)

    def train(model):
        return model.partial_fit(samples, y, classes=CLASSES)

    whole = state_when_read(train(new(solver=solver)))
    model = new(solver=solver)
    handlers = lines_of(lambda: train(model))
    for moment in choose(len(handlers), 8, n_last=4):
        model = new(solver=solver)
        attributes = set(vars(model))
        pressed = Pressed(model, train, moment)
        assert pressed.raised
        if not (pressed.published and "n_updates_" in vars(model)):
            assert set(vars(model)) == attributes
            train(model)
        assert_same_state(model, whole)


# The handler before the call.


class Own:
    """A handler of the user, which counts its calls."""

    n_calls = 0

    def __call__(self, number, frame):
        self.n_calls += 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("own", [Own(), signal.SIG_DFL], ids=["a function", "SIG_DFL"])
def test_a_fit_replaces_any_other_handler_and_restores_it(kind, solver, own):
    fits = Fits(kind, solver, {})
    signal.signal(signal.SIGINT, own)
    handled = moments_handled(fits.handlers())
    assert signal.getsignal(signal.SIGINT) is own
    assert handled == list(range(handled[0], handled[-1] + 1))  # without a gap
    model = fits.new()
    pressed = Pressed(model, fits.fit, handled[3 * len(handled) // 4])
    assert (pressed.raised, pressed.handled, pressed.warned) == (False, True, True)
    assert_same_state(model, fits.of_updates(model.n_updates_)[0])
    if own is not signal.SIG_DFL:
        assert own.n_calls == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("solver", SOLVERS)
def test_a_signal_that_is_ignored_stays_ignored(kind, solver):
    fits = Fits(kind, solver, {})
    whole = fits.of_updates()[0]
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    handlers = fits.handlers()
    assert set(handlers) == {signal.SIG_IGN}
    model = fits.new()
    pressed = Pressed(model, fits.fit, len(handlers) // 2)
    assert (pressed.raised, pressed.warned) == (False, False)
    assert_same_state(model, whole)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_handler_is_restored_after_every_error(solver):
    samples = KINDS["dense"](X)
    own = Own()
    signal.signal(signal.SIGINT, own)
    model = new(solver=solver, init=1e10)
    for labels, values in [(y, 1e305 * samples), (y[:-1], samples), (np.zeros(48), samples)]:
        said = r"diverged|inconsistent numbers|only 1 class|not in classes"
        with pytest.raises(ValueError, match=said):
            model.fit(values, labels)
        assert signal.getsignal(signal.SIGINT) is own
        if solver != "lbfgs":
            with pytest.raises(ValueError, match=said):
                model.partial_fit(values, labels, classes=[5, 6])
            assert signal.getsignal(signal.SIGINT) is own
    model.set_params(init="auto").fit(samples, y).predict(samples)
    assert signal.getsignal(signal.SIGINT) is own


# Other threads and processes.


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_fit_in_another_thread_is_left_alone(solver):
    fits = Fits("sparse", solver, {"X_val": X_VAL, "y_val": Y_VAL})
    whole, n_lines = fits.of_updates()[0], len(fits.handlers())
    own = Own()
    signal.signal(signal.SIGINT, own)
    reached, resume = threading.Event(), threading.Event()

    def wait():
        reached.set()
        assert resume.wait(PATIENCE)

    def fit():
        with Moments({n_lines // 2: wait}) as moments:
            return fits.fit(fits.new()), set(moments.seen)

    with ThreadPoolExecutor(1) as thread:
        fitted = thread.submit(fit)
        assert reached.wait(PATIENCE)
        press_ctrl_c()
        assert own.n_calls == 1
        resume.set()
        model, handlers = fitted.result(PATIENCE)
    assert handlers == {own}
    assert_same_state(model, whole)


@pytest.mark.filterwarnings("ignore:.*interrupted")
def test_only_the_fit_of_the_main_thread_is_ended():
    fits = Fits("dense", "sgd", {})
    whole, handlers = fits.of_updates()[0], fits.handlers()
    handled = moments_handled(handlers)
    middle = handled[len(handled) // 2]
    reached, resume = threading.Event(), threading.Event()

    def wait():
        reached.set()
        assert resume.wait(PATIENCE)

    def fit():
        with Moments({middle: wait}):
            return fits.fit(fits.new())

    with ThreadPoolExecutor(1) as thread:
        fitted = thread.submit(fit)
        assert reached.wait(PATIENCE)
        with Moments({middle: press_ctrl_c}):
            ended = fits.fit(fits.new())
        resume.set()
        assert_same_state(fitted.result(PATIENCE), whole)
    assert 1 <= ended.n_updates_ < 12
    assert_same_state(ended, fits.of_updates(ended.n_updates_)[0])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def interrupt_a_fit_here(kind, solver):
    """Press Ctrl-C in the middle of a fit; return the outcome, which a process can send back."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        fits = Fits(kind, solver, {"warm_start": True})
        handlers = fits.handlers()
        model = fits.new()
        unchanged = state(model)
        pressed = Pressed(model, fits.fit, len(handlers) // 2)
        untouched = set(handlers) == {signal.default_int_handler}
        return pressed.raised, untouched, state(model) == unchanged
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    "where",
    [
        "joblib",
        "spawn",
        pytest.param("fork", marks=pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")),
    ],
)
def test_a_worker_process_raises_at_once(where):
    """A search must not take a fit that was cut off in a worker for a whole one."""
    jobs = [(kind, solver) for kind in KINDS for solver in SOLVERS]
    if where == "joblib":
        parallel = joblib.Parallel(2, timeout=PATIENCE)
        results = parallel(joblib.delayed(interrupt_a_fit_here)(*job) for job in jobs)
    else:
        with ProcessPoolExecutor(1, mp_context=get_context(where)) as processes:
            results = list(processes.map(interrupt_a_fit_here, *zip(*jobs, strict=True)))
    assert results == len(jobs) * [(True, True, True)]


# A signal from outside.

SCRIPT = """
import itertools, signal, warnings
import numpy as np
from scipy.sparse import csr_array
from sklearn.base import clone
from sk_twolayer import TwoLayerClassifier

rng = np.random.default_rng(0)
X, y = csr_array(np.where(rng.random((600, 50)) < 0.1, 1.0, 0)), rng.integers(3, size=600)
model = TwoLayerClassifier(
    10, learning_rate=0.01, batch_size=100, n_iter_no_change=None, max_iter=10**7, random_state=0,
    learning_rate_schedule="constant", warmup_fraction=0.0,
)

def fit():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.set_params(verbose=True).fit(X, y)  # which prints a line an epoch
    assert ["interrupted" in str(warning.message) for warning in caught] == [True]
    return clone(model).set_params(max_updates=model.n_updates_, verbose=False).fit(X, y)

def stream():
    try:
        for i in itertools.count():
            chunk = slice(100 * (i % 6), 100 * (i % 6) + 100)
            model.partial_fit(X[chunk], y[chunk], classes=[0, 1, 2])
            print("a chunk", flush=True)
    except KeyboardInterrupt:
        pass
    twin = clone(model)
    for i in range(model.n_updates_):
        chunk = slice(100 * (i % 6), 100 * (i % 6) + 100)
        twin.partial_fit(X[chunk], y[chunk], classes=[0, 1, 2])
    return twin

twin = JOB()
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
for name in ("coefs_", "intercepts_"):
    for array, expected in zip(getattr(model, name), getattr(twin, name), strict=True):
        np.testing.assert_array_equal(array, expected)
assert model.batch_loss_curve_ == twin.batch_loss_curve_
print("same")
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows sends SIGINT to no other process")
@pytest.mark.parametrize("job", ["fit", "stream"])
def test_a_real_ctrl_c_comes_at_a_safe_point(job):
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", SCRIPT.replace("JOB", job)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1", "OPENBLAS_NUM_THREADS": "1"},
    ) as process:
        assert process.stdout.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out.splitlines()[-1]) == (0, "same"), err
