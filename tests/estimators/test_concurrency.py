"""Threads and processes side by side compute what one thread computes, bit for bit."""

import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from threadpoolctl import threadpool_limits

from sk_twolayer import TwoLayerClassifier
from sk_twolayer.network import sample_chunks

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

N_THREADS = 8
PATIENCE = 120  # seconds, after which something hangs
METHODS = ["predict", "predict_proba", "predict_log_proba", "decision_function"]


def make_samples(n_samples=400, n_features=30):
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=n_samples)
    X = rng.normal(size=(n_samples, n_features)) + 2 * (
        np.arange(n_features) % 3 == y[:, np.newaxis]
    )
    return np.where(X < 1, 0, X), y


X, y = make_samples()
AS = {
    "float64": lambda X: X,
    "float32": lambda X: X.astype(np.float32),
    "uint8": lambda X: X.astype(np.uint8),
    "csr": csr_array,
    "csr float32": lambda X: csr_array(X.astype(np.float32)),
}
SETTINGS = {
    "sgd": {},
    "adam": {"solver": "adam"},
    "lbfgs": {"solver": "lbfgs"},
    "dropout": {"dropout": 0.3},
    "early stopping": {"early_stopping": True},
    "drawn batches": {"replacement": True, "batch_size": 50},
    "balanced": {"class_weight": "balanced", "activation": "tanh"},
    "warm start": {"warm_start": True},
    "partial_fit": {},
    "partial_fit with adam": {"solver": "adam", "dropout": 0.1},
}
FITS = [(name, kind) for name in SETTINGS for kind in ("float64", "float32", "csr")]


def train(name, kind):
    """Train a new estimator; return its parameters, predictions and curves."""
    samples = AS[kind](X)
    model = TwoLayerClassifier(20, max_iter=6, random_state=0, **SETTINGS[name])
    if "partial_fit" in name:
        for chunk in (slice(0, 150), slice(150, 300), slice(300, 400)):
            model.partial_fit(samples[chunk], y[chunk], classes=[0, 1, 2])
    else:
        for _ in range(2 if name == "warm start" else 1):
            model.fit(samples, y)
    curves = model.loss_curve_, model.batch_loss_curve_, model.validation_scores_ or []
    return [*model.coefs_, *model.intercepts_, model.predict_proba(samples), *map(np.array, curves)]


# Another process finds these functions in this module by their names.


def train_in_process(name, kind):
    warnings.simplefilter("ignore", ConvergenceWarning)
    with threadpool_limits(1):  # the number of threads that share a sum decides its rounding
        return train(name, kind)


def fit_in_process(model):
    warnings.simplefilter("ignore", ConvergenceWarning)
    with threadpool_limits(1):
        return model.fit(X, y)


def predict_in_process(model, X):
    with threadpool_limits(1):
        return [getattr(model, method)(X) for method in METHODS]


def assert_same(results, expected):
    for result, wanted in zip(results, expected, strict=True):
        for array, wanted_array in zip(result, wanted, strict=True):
            assert_array_equal(array, wanted_array, strict=True)


@pytest.fixture(autouse=True, scope="module")
def one_blas_thread():
    with threadpool_limits(1):
        yield


@pytest.fixture
def frequent_switches():
    """Switch between threads as often as possible."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.fixture(scope="module")
def serial(one_blas_thread):
    return [train(*fit) for fit in FITS]


def at_once(calls):
    """Make all calls at the same moment, each in another thread; return the results."""
    barrier = threading.Barrier(len(calls))

    def wait_and_call(call):
        barrier.wait(PATIENCE)
        return call()

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(wait_and_call, calls))


# Many threads predict with one estimator.


@pytest.mark.parametrize("kind", AS)
@pytest.mark.parametrize("n_samples", [1, 400, 20_000])
def test_threads_predict_with_one_estimator(kind, n_samples, frequent_switches):
    samples = AS[kind](make_samples(n_samples)[0])
    model = TwoLayerClassifier(100, max_iter=2, random_state=0).fit(AS[kind](X), y)
    n_chunks = len(list(sample_chunks(samples, n_samples, 100, model.coefs_[0].dtype)))
    assert (n_chunks > 1) == (n_samples == 20_000)
    calls = [lambda method=method: getattr(model, method)(samples) for method in METHODS]
    expected = [call() for call in calls]
    assert_same([at_once(calls + calls)], [expected + expected])


def test_the_first_predictions_of_all(frequent_switches):
    fitted = pickle.dumps(TwoLayerClassifier(50, max_iter=2, random_state=0).fit(X, y))
    expected = pickle.loads(fitted).predict_proba(X)
    for _ in range(5):
        model = pickle.loads(fitted)
        results = at_once(N_THREADS * [lambda model=model: model.predict_proba(X)])
        assert_same([results], [N_THREADS * [expected]])


@pytest.mark.parametrize(
    "others", [["dense"], ["sparse"], ["pickled", "coefs_"]], ids=lambda names: " and ".join(names)
)
def test_pending_updates_of_weights_are_applied_once(others):
    """Chunks of sparse samples leave updates of most weights pending; any reader applies them."""
    rng = np.random.default_rng(0)
    n_samples, n_features = 300, 15_000
    columns = rng.integers(n_features, size=40 * n_samples)
    entries = rng.random(len(columns)), (np.repeat(np.arange(n_samples), 40), columns)
    samples, labels = (
        csr_array(entries, shape=(n_samples, n_features)),
        rng.integers(3, size=n_samples),
    )
    sparse, dense = samples[:5], samples[:5].toarray()

    def stream():
        model = TwoLayerClassifier(30, alpha=0.01, random_state=0)
        for start in range(0, n_samples, 50):
            chunk = slice(start, start + 50)
            model.partial_fit(samples[chunk], labels[chunk], classes=[0, 1, 2])
        return model

    reads = {
        "dense": lambda model: model.decision_function(dense),
        "sparse": lambda model: model.decision_function(sparse),
        "pickled": lambda model: pickle.loads(pickle.dumps(model)).decision_function(dense),
        "coefs_": lambda model: (
            np.maximum(0, dense @ model.coefs_[0] + model.intercepts_[0]) @ model.coefs_[1]
            + model.intercepts_[1]
        ),
    }
    alone = stream()
    expected = alone.decision_function(dense)
    for _ in range(6):
        model = stream()
        calls = [lambda name=name, model=model: reads[name](model) for name in ["dense", *others]]
        for result in at_once(calls + calls):
            assert_allclose(result, expected, rtol=1e-9, atol=1e-12)
        assert_array_equal(model.coefs_[0], alone.coefs_[0])


def test_fitting_one_estimator_while_threads_predict_with_another(serial, frequent_switches):
    model = TwoLayerClassifier(50, max_iter=2, random_state=0).fit(X, y)
    expected = model.predict_proba(X)
    ended = threading.Event()

    def fit_all():
        try:
            return [train(*fit) for fit in FITS]
        finally:
            ended.set()

    def predict_on():
        while not ended.is_set():
            assert_array_equal(model.predict_proba(X), expected)

    fitted, *_ = at_once([fit_all, predict_on, predict_on])
    assert_same(fitted, serial)


# Fits side by side.


def test_fits_in_threads(serial, frequent_switches):
    assert_same(at_once([lambda fit=fit: train(*fit) for fit in FITS]), serial)


def test_fits_in_threads_of_joblib(serial):
    fits = (joblib.delayed(train)(*fit) for fit in reversed(FITS))
    assert_same(joblib.Parallel(N_THREADS, backend="threading")(fits), reversed(serial))


def test_a_search_in_threads():
    model = TwoLayerClassifier(20, max_iter=5, random_state=0)
    search = GridSearchCV(model, {"alpha": [1e-3, 1.0], "dropout": [0, 0.5]}, cv=3)
    expected = search.fit(X, y).cv_results_
    best = search.best_estimator_
    with joblib.parallel_config("threading", n_jobs=N_THREADS):
        search.fit(X, y)
    for i in range(3):
        assert_array_equal(
            search.cv_results_[f"split{i}_test_score"], expected[f"split{i}_test_score"]
        )
    assert_array_equal(search.best_estimator_.coefs_[0], best.coefs_[0])


@pytest.mark.callbacks
def test_a_callback_that_fits_in_threads_share():
    from sklearn.callback import ScoringMonitor

    monitor = ScoringMonitor(scoring="accuracy")

    def fit(seed):
        model = TwoLayerClassifier(20, max_iter=4, random_state=seed)
        return model.set_callbacks(monitor).fit(X, y)

    models = at_once([lambda seed=seed: fit(seed) for seed in range(N_THREADS)])
    for seed, model in enumerate(models):
        assert_array_equal(model.coefs_[0], fit(seed).coefs_[0])


@pytest.mark.filterwarnings("error")
def test_each_thread_keeps_its_handling_of_overflow(frequent_switches):
    """A diverging network does not warn of overflow; other threads keep their own settings."""
    ended = threading.Event()

    def diverge():
        try:
            with np.errstate(all="raise"):
                before = np.geterr()
                for _ in range(20):
                    with pytest.raises(ValueError, match="training diverged"):
                        TwoLayerClassifier(learning_rate=1e200, random_state=0).fit(X, y)
                    assert np.geterr() == before
        finally:
            ended.set()

    def overflow():
        with np.errstate(over="raise"):
            while not ended.is_set():
                with pytest.raises(FloatingPointError):
                    np.full(3, 1e300) ** 2

    at_once([diverge, diverge, overflow])


# Processes.


@pytest.mark.parametrize("start_method", multiprocessing.get_all_start_methods())
def test_processes_of_every_kind_fit_and_predict(start_method, serial):
    model = TwoLayerClassifier(20, max_iter=3, random_state=0)
    some = slice(None, None, 4)  # joblib gets all of them, below
    with multiprocessing.get_context(start_method).Pool(1) as processes:
        fits = processes.starmap_async(train_in_process, FITS[some])
        fitted_there = processes.apply_async(fit_in_process, [model])
        model.fit(X, y)
        expected = [getattr(model, method)(X) for method in METHODS]
        predicted_there = processes.apply_async(predict_in_process, [model, X])
        assert_same(fits.get(PATIENCE), serial[some])
        assert_same([predicted_there.get(PATIENCE)], [expected])
        fitted_there = fitted_there.get(PATIENCE)
        assert_same([[getattr(fitted_there, method)(X) for method in METHODS]], [expected])


def test_processes_of_joblib_fit_and_predict(serial):
    # Arrays larger than max_nbytes, such as the weights, arrive as read-only memory maps.
    parallel = joblib.Parallel(2, timeout=PATIENCE, max_nbytes=1000)
    assert_same(parallel(joblib.delayed(train_in_process)(*fit) for fit in FITS), serial)
    model = TwoLayerClassifier(20, max_iter=3, random_state=0).fit(X, y)
    expected = [getattr(model, method)(X) for method in METHODS]
    results = parallel(2 * [joblib.delayed(predict_in_process)(model, X)])
    assert_same(results, [expected, expected])


FORK_AFTER_A_FIT = """
import multiprocessing
import warnings
import numpy as np
from concurrent.futures import ThreadPoolExecutor
from sk_twolayer import TwoLayerClassifier

warnings.simplefilter("ignore")
rng = np.random.default_rng(0)
X, y = rng.normal(size=(1000, 100)), rng.integers(3, size=1000)

def fit(send=None):
    model = TwoLayerClassifier(100, max_iter=2, batch_size=500, random_state=0).fit(X, y)
    return model.predict_proba(X) if send is None else send(model.predict_proba(X))

with ThreadPoolExecutor(2) as threads:  # beside the threads of BLAS
    expected = fit()
    list(threads.map(lambda _: fit(), range(2)))
    receiver, sender = multiprocessing.Pipe(duplex=False)
    child = multiprocessing.get_context("fork").Process(target=fit, args=[sender.send])
    child.start()
    came = receiver.poll(PATIENCE)
    if came:
        np.testing.assert_allclose(receiver.recv(), expected)
    child.kill()
    np.testing.assert_allclose(fit(), expected)  # and the parent can still fit
print("came" if came else "hangs")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_fork_after_a_fit_does_not_hang():
    done = subprocess.run(
        [sys.executable, "-c", FORK_AFTER_A_FIT.replace("PATIENCE", str(PATIENCE))],
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "2"},
    )
    assert (done.returncode, done.stdout) == (0, "came\n"), done.stderr
