"""Fits that are cut off and resumed from a file end as the whole fit, bit for bit."""

import os
import pickle
import signal
import subprocess
import sys
import warnings
from datetime import timedelta

import estimator_state
import numpy as np
import pytest
import skops.io
from estimator_state import (
    KINDS,
    STREAMING_SOLVERS,
    assert_same_state,
    equal,
    make_samples,
    new,
    state,
)
from numpy.testing import assert_allclose
from scipy.sparse import csr_array
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler

import sk_twolayer
from sk_twolayer import TwoLayerClassifier, TwoLayerRegressor
from sk_twolayer.callbacks import Checkpoint

CLOCK = "sk_twolayer.callbacks.checkpoint.monotonic"

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, y = make_samples()
X_val, y_val = make_samples(seed=1)


class Hook:
    """A callback that runs an action when an epoch begins; the first epoch is number 1."""

    def __init__(self, action):
        self.action = action

    def setup(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        if context.task_name == "epoch":
            self.action(context.task_id + 1)

    def on_fit_task_end(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass


class CutOffError(Exception):
    """The fit was cut off."""


def cut_off_at(number):
    """Return a callback that raises when an epoch begins."""

    def cut_off(epoch):
        if epoch == number:
            raise CutOffError

    return Hook(cut_off)


def fit_cut_off(model, number, path, *args, every=1, **kwargs):
    """Cut a fit off at the start of an epoch; return what the file has of the fit."""
    # The callbacks of scikit-learn run first, so that the file of the epoch before is not written.
    model.set_callbacks(Checkpoint(path, every=every), cut_off_at(number))
    with pytest.raises(CutOffError):
        model.fit(*args, **kwargs)
    return Checkpoint.load(path)


OPTIONS = {
    "plain": {},
    "planned": {"learning_rate_schedule": "cosine", "warmup_fraction": 0.3, "dropout": 0.2},
    "planned updates": {"learning_rate_schedule": "cosine", "max_updates": 95},
    "constant, updates": {"learning_rate_schedule": "constant", "max_updates": 95},
    "replacement": {"replacement": True, "class_weight": "balanced"},
    "early stopping": {"early_stopping": True, "dropout": 0.3},
    "a scorer": {"early_stopping": True, "scoring": "neg_log_loss", "tol": 1.0, "max_iter": 7},
    "patience": {"early_stopping": True, "tol": 1e9, "n_iter_no_change": 5},
    "patience, loss": {"tol": 1e9, "n_iter_no_change": 5},
}


# Every solver with all of the options, and with both kinds of samples in turn.
FITS = [
    (name, solver, sorted(KINDS)[(i + j) % 2])
    for i, name in enumerate(OPTIONS)
    for j, solver in enumerate(STREAMING_SOLVERS)
]


@pytest.mark.parametrize(("name", "solver", "kind"), FITS)
def test_a_resumed_fit_ends_as_the_whole_one(name, solver, kind, tmp_path):
    samples, path = KINDS[kind](X), tmp_path / "fit.pkl"
    options = {"max_iter": 8, "solver": solver, **OPTIONS[name]}
    whole = new(warm_start=True, **options).fit(samples, y)
    assert whole.n_iter_ > 4
    # Cut off twice; the file is written after the hooks.
    first = fit_cut_off(new(**options), 4, path, samples, y)
    assert (first.n_iter_, len(first.loss_curve_)) == (2, 2)
    second = fit_cut_off(first, 3, path, samples, y)
    assert (second.n_iter_, len(second.loss_curve_)) == (3, 3)
    second.fit(samples, y)
    assert_same_state(second, whole)
    assert equal(second._training_state, whole._training_state)
    for model in (second, whole):  # and they continue alike
        model.set_params(max_iter=2).fit(samples, y)
    assert_same_state(second, whole)


@pytest.mark.parametrize("solver", STREAMING_SOLVERS)
def test_validation_samples_that_are_given(solver, tmp_path):
    weights = {"sample_weight": np.arange(1.0, 161), "sample_weight_val": np.arange(160.0)}
    samples = {"X_val": X_val, "y_val": y_val, **weights}
    options = {"max_iter": 8, "solver": solver, "learning_rate": 0.5 if solver == "sgd" else 1.0}
    whole = new(warm_start=True, **options).fit(X, y, **samples)
    scores = whole.validation_scores_
    assert scores[-1] < max(scores)  # so that earlier weights are kept
    resumed = fit_cut_off(new(**options), 6, tmp_path / "fit", X, y, **samples)
    assert_same_state(resumed.fit(X, y, **samples), whole)


def test_a_checkpoint_is_the_fit_of_so_many_epochs(tmp_path):
    samples = {"X_val": X_val.toarray(), "y_val": y_val}
    for options, given in (({}, {}), ({"learning_rate": 1.0}, samples)):
        whole = new(max_iter=8, **options).fit(X.toarray(), y, **given)
        n_epochs = 3
        if given:  # so many that the best weights are from an earlier epoch
            scores = whole.validation_scores_
            n_epochs = next(n for n in range(2, 8) if scores[n - 1] < max(scores[: n - 1]))
        model = new(max_iter=8, **options)
        resumed = fit_cut_off(model, n_epochs + 2, tmp_path / "fit", X.toarray(), y, **given)
        shorter = new(max_iter=n_epochs, warm_start=True, **options).fit(X.toarray(), y, **given)
        assert_same_state(resumed, shorter, but_for=["max_iter", "max_iter_"])
        assert_allclose(resumed.predict_proba(X), shorter.predict_proba(X), rtol=0)


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("name", ["fit.pkl", "fit.skops"])
def test_a_regressor(name, early_stopping, tmp_path):
    Y = X @ np.random.RandomState(0).standard_normal((X.shape[1], 2)) + [5, 1000]
    options = estimator_state.OPTIONS | {"dropout": 0.2, "early_stopping": early_stopping}
    whole = TwoLayerRegressor(**options | {"max_iter": 8, "warm_start": True}).fit(X, Y)
    model = TwoLayerRegressor(**options | {"max_iter": 8})
    resumed = fit_cut_off(model, 5, tmp_path / name, X, Y)
    assert_allclose(resumed.y_mean_, Y.mean(axis=0))
    assert_same_state(resumed.fit(X, Y), whole)


@pytest.mark.parametrize("kind", ["instance", "None"])
def test_random_numbers_continue(kind, tmp_path):
    def make():
        np.random.seed(3)  # noqa: NPY002 -- it seeds random_state=None
        generator = np.random.RandomState(7) if kind == "instance" else None
        return new(max_iter=6, dropout=0.3, early_stopping=True, random_state=generator)

    whole = make().set_params(warm_start=True).fit(X, y)
    resumed = fit_cut_off(make(), 5, tmp_path / "fit", X, y).fit(X, y)
    assert_same_state(resumed, whole)  # the generator included


def test_copies_of_a_checkpoint_are_resumed(tmp_path):
    whole = new(max_iter=6, warm_start=True).fit(X, y)
    resumed = fit_cut_off(new(max_iter=6), 5, tmp_path / "fit", X, y)
    for _ in range(2):
        resumed = pickle.loads(pickle.dumps(resumed))
    assert_same_state(resumed.fit(X, y), whole)


def test_in_a_pipeline(tmp_path):
    whole = make_pipeline(MaxAbsScaler(), new(max_iter=6, warm_start=True)).fit(X, y)
    network = new(max_iter=6).set_callbacks(Checkpoint(tmp_path / "fit"), cut_off_at(5))
    pipeline = make_pipeline(MaxAbsScaler(), network)
    with pytest.raises(CutOffError):
        pipeline.fit(X, y)
    pipeline.set_params(twolayerclassifier=Checkpoint.load(tmp_path / "fit")).fit(X, y)
    assert_same_state(pipeline[-1], whole[-1])


def test_a_fit_on_sparse_samples_is_resumed_on_dense_ones(tmp_path):
    whole = new(max_iter=6, solver="adamw").fit(X, y)
    resumed = fit_cut_off(new(max_iter=6, solver="adamw"), 5, tmp_path / "fit", X, y)
    resumed.fit(X.toarray(), y)
    assert resumed.n_updates_ == whole.n_updates_
    assert_allclose(resumed.coefs_[0], whole.coefs_[0], rtol=1e-7, atol=1e-9)


def test_a_resumed_fit_takes_what_was_set_since(tmp_path):
    fit_cut_off(new(max_iter=6), 5, tmp_path / "fit", X, y)
    # Weights: they begin a warm start, which is independent of the earlier fit.
    resumed = Checkpoint.load(tmp_path / "fit")
    resumed.coefs_[0][:] *= 0.5
    warm = new(max_iter=3, warm_start=True).fit(X, y)  # the epochs of the file
    warm.coefs_[0][:] *= 0.5
    assert_same_state(resumed.fit(X, y), warm.set_params(max_iter=6).fit(X, y))
    # Another solver: the same.
    resumed = Checkpoint.load(tmp_path / "fit").set_params(solver="adam").fit(X, y)
    assert (resumed.n_iter_, len(resumed.loss_curve_)) == (6, 3 + 6)
    # Limits that the fit has reached already.
    before = Checkpoint.load(tmp_path / "fit")
    for end in ({"max_iter": 2}, {"max_updates": 60}, {"max_updates": 7}):  # of 20 an epoch
        for schedule in ("exponential", "cosine"):
            resumed = Checkpoint.load(tmp_path / "fit")
            resumed.set_params(learning_rate_schedule=schedule, **end).fit(X, y)
            assert (resumed.n_iter_, resumed.n_updates_) == (3, 60)
            assert_allclose(resumed.coefs_[0], before.coefs_[0], rtol=0)
    # A stream.
    resumed = Checkpoint.load(tmp_path / "fit").partial_fit(X, y)
    assert_same_state(resumed, before.partial_fit(X, y))
    assert not resumed._training_state.under_way


def test_a_last_epoch_leaves_no_file(tmp_path):
    model = new(max_iter=1).set_callbacks(Checkpoint(tmp_path / "fit")).fit(X, y)
    assert model.n_iter_ == 1
    assert list(tmp_path.iterdir()) == []


def epochs_of_files(path, *callbacks, **options):
    """Fit seven epochs; return the number of epochs of each file that was written."""
    found = []

    def look(epoch=None):
        n_epochs = Checkpoint.load(path).n_iter_ if path.exists() else None
        if n_epochs not in (None, *found):
            found.append(n_epochs)

    checkpoint = Checkpoint(path, **options)
    new(max_iter=7).set_callbacks(*callbacks, Hook(look), checkpoint).fit(X, y)
    look()
    return found


@pytest.mark.parametrize(
    ("every", "expected"), [(1, [1, 2, 3, 4, 5, 6]), (2, [2, 4, 6]), (3, [3, 6]), (7, [])]
)
def test_every_so_many_epochs(every, expected, tmp_path):
    assert epochs_of_files(tmp_path / "fit", every=every) == expected


def test_every_so_many_seconds(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(CLOCK, lambda: now[0])
    times = {2: 5.0, 3: 9.9, 4: 10.0, 5: 19.9, 6: 40.0, 7: 49.9}  # when an epoch starts

    def tell_time(epoch):
        now[0] = times.get(epoch, 0.0)

    found = epochs_of_files(tmp_path / "fit", Hook(tell_time), every=timedelta(seconds=10))
    assert found == [3, 5]  # at 10 and at 40 seconds


def test_a_safe_format(tmp_path):
    path = tmp_path / "fit.skops"
    options = {"max_iter": 6, "early_stopping": True, "solver": "adamw"}
    whole = new(warm_start=True, **options).fit(X, y)
    resumed = fit_cut_off(new(**options), 5, path, X, y)
    address = f"{TwoLayerClassifier.__module__}.TwoLayerClassifier"
    assert skops.io.get_untrusted_types(file=path) == [address]
    assert_same_state(resumed.fit(X, y), whole)


# Processes that are killed.

KILLED_FIT = {"max_iter": 5, "solver": "adamw", "early_stopping": True, "dropout": 0.2}

# Fit in processes that are killed before a chosen line; print the folder of each process, and how
# many files had been put in place. The lines are around each change of the folder by the first and
# the third file, and a few others.
KILL = """
import os, signal, sys, warnings
from itertools import pairwise

sys.path.insert(0, TESTS)
from estimator_state import make_samples, new
from faults import Moments, choose
from sk_twolayer.callbacks import Checkpoint

warnings.simplefilter("ignore")
X, y = make_samples()

def files():
    return {entry.name: entry.inode() for entry in os.scandir("rehearsal")}

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def fit(folder, actions=None, watch=str):
    os.mkdir(folder)
    checkpoint = Checkpoint(os.path.join(folder, "fit.pkl"))
    with Moments(actions, watch) as moments:
        new(**OPTIONS).set_callbacks(checkpoint).fit(X, y)
    return moments.seen

fit("once")  # so that what a process does once has been done
seen = fit("rehearsal", watch=files)
changes = [i + 1 for i in range(1, len(seen)) if seen[i] != seen[i - 1]]
# A file appears, and is put in its place; before the first one, the mode of new files is probed.
assert len(changes) == 2 + 2 * 4, changes
around = [change - before for change in changes[:4] + changes[6:8] for before in (1, 0)]
for moment in sorted({*around, *choose(len(seen), 3, n_last=0)}):
    if os.fork() == 0:
        fit(str(moment), {moment: die})
    _, status = os.wait()
    assert os.WTERMSIG(status) == signal.SIGKILL
    inodes = [found.get("fit.pkl") for found in seen[:moment]]
    print(moment, sum(a != b for a, b in pairwise(inodes)))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_process_killed_at_any_moment_leaves_the_last_whole_file(tmp_path):
    code = KILL.replace("TESTS", repr(os.path.dirname(estimator_state.__file__)))
    done = subprocess.run(
        [sys.executable, "-c", code.replace("**OPTIONS", f"**{KILLED_FIT}")],
        capture_output=True,
        text=True,
        timeout=240,
        cwd=tmp_path,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    whole = new(warm_start=True, **KILLED_FIT).fit(X, y)
    killed = dict(line.split() for line in done.stdout.splitlines())
    assert set(killed.values()) >= {"0", "1", "2", "3"}
    for moment, n_epochs in killed.items():
        path = tmp_path / moment / "fit.pkl"
        assert path.exists() == (n_epochs != "0")
        if path.exists():
            assert Checkpoint.load(path).n_iter_ == int(n_epochs)
            resumed = Checkpoint.load(path).set_callbacks(Checkpoint(path)).fit(X, y)
            assert_same_state(resumed.set_callbacks(), whole)
            # A killed process may leave one file that was not put in its place.
            left = [file.name for file in path.parent.iterdir() if file != path]
            assert len(left) < 2
            assert all(name.startswith("checkpoint-") for name in left)


# What goes wrong.


@pytest.mark.parametrize("error", [OSError("no space left"), KeyboardInterrupt()], ids=repr)
def test_a_file_that_cannot_be_written_ends_the_fit_and_leaves_the_last_one(
    error, tmp_path, monkeypatch
):
    fit_cut_off(new(max_iter=6), 5, tmp_path / "fit", X, y)
    before = (tmp_path / "fit").read_bytes()

    def fail(descriptor):
        raise error

    monkeypatch.setattr(os, "fsync", fail)
    model = new(max_iter=6).set_callbacks(Checkpoint(tmp_path / "fit"))
    with pytest.raises(type(error)) as caught:
        model.fit(X, y)
    assert caught.value is error
    assert not hasattr(model, "coefs_")
    assert [path.name for path in tmp_path.iterdir()] == ["fit"]
    assert (tmp_path / "fit").read_bytes() == before


def test_an_interrupt_before_the_first_update_leaves_a_checkpoint(tmp_path):
    resumed = fit_cut_off(new(max_iter=6), 5, tmp_path / "fit", X, y)
    before = state(resumed)

    class Presser(Hook):
        def setup(self, estimator, context):
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        resumed.set_callbacks(Presser(lambda epoch: None)).fit(X, y)
    assert_same_state(resumed, before)
    resumed.set_callbacks().fit(X, y)
    assert_same_state(resumed, new(max_iter=6, warm_start=True).fit(X, y))


def test_samples_that_the_fit_did_not_begin_with_are_refused(tmp_path):
    resumed = fit_cut_off(new(max_iter=6), 5, tmp_path / "fit", X, y)
    before = state(resumed)
    with pytest.raises(ValueError, match=r"began with \[54 53 53\]\. Pass the samples"):
        resumed.fit(X[1:], y[1:])
    with pytest.raises(ValueError, match="had no validation samples, and this one has some"):
        resumed.fit(X, y, X_val=X_val, y_val=y_val)
    assert_same_state(resumed, before)
    samples = {"X_val": X_val, "y_val": y_val}
    resumed = fit_cut_off(new(max_iter=6), 5, tmp_path / "fit", X, y, **samples)
    with pytest.raises(ValueError, match="had some validation samples, and this one has none"):
        resumed.fit(X, y)


def test_a_checkpoint_refuses_other_samples_of_any_kind_of_y(tmp_path):
    indicator = (np.arange(len(y))[:, np.newaxis] % [2, 3, 5] == 0).astype(int)
    numbers = X @ np.arange(X.shape[1])
    weights = np.linspace(1, 2, len(y))
    changed = X.copy()
    changed.data[:] *= 2
    for model, target in (
        (new(max_iter=6), y),
        (new(max_iter=6), indicator),
        (TwoLayerRegressor(**estimator_state.OPTIONS | {"max_iter": 6}), numbers),
    ):
        resumed = fit_cut_off(model, 5, tmp_path / "fit", X, target)
        before = state(resumed)
        others = (X[::2], target[::2]), (changed, target), (X, target[::-1]), (X, target, weights)
        for samples in others:
            with pytest.raises(ValueError, match="began with"):
                resumed.fit(*samples)
            assert_same_state(resumed, before)
        assert resumed.fit(X, target).n_iter_ == 6


def test_files_that_are_no_checkpoints(tmp_path):
    for path in (tmp_path / "fit.pkl", tmp_path / "fit.skops"):
        with pytest.raises(FileNotFoundError):
            Checkpoint.load(path)
        fit_cut_off(new(max_iter=6), 5, path, X, y)
        path.write_bytes(path.read_bytes()[:500])
        with pytest.raises(ValueError, match=r"fit\.\w+ is damaged, or no checkpoint"):
            Checkpoint.load(path)
    for model in (new(warm_start=True).fit(X, y), new(), 3):
        (tmp_path / "fit.pkl").write_bytes(pickle.dumps(model))
        with pytest.raises(ValueError, match=f"but an object of type {type(model).__name__}"):
            Checkpoint.load(tmp_path / "fit.pkl")


def test_another_version_is_a_warning(tmp_path, monkeypatch):
    monkeypatch.setattr(sk_twolayer, "__version__", "99.0")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit_cut_off(new(max_iter=6), 5, tmp_path / "fit", X, y)
    monkeypatch.undo()
    with pytest.warns(UserWarning, match=r"saved by sk_twolayer 99\.0"):
        Checkpoint.load(tmp_path / "fit")


def test_what_is_refused_before_the_fit(tmp_path, monkeypatch):
    checkpoint = Checkpoint(tmp_path / "fit")
    with pytest.raises(ValueError, match="solver='lbfgs' has no checkpoints"):
        new(solver="lbfgs").set_callbacks(checkpoint).fit(X, y)
    with pytest.raises(TypeError, match=r"Checkpoint observes .* set on a Pipeline"):
        make_pipeline(MaxAbsScaler(), new()).set_callbacks(checkpoint).fit(X, y)
    pipeline = make_pipeline(MaxAbsScaler(), new().set_callbacks(checkpoint))
    search = GridSearchCV(pipeline, {"twolayerclassifier__alpha": [1e-3]}, cv=2)
    with pytest.raises(ValueError, match="GridSearchCV, whose parallel fits"):
        search.set_params(error_score="raise").fit(csr_array(X), y)
    for every in (0, -1, timedelta(0)):
        with pytest.raises(ValueError, match=r"every=.* must be above zero"):
            Checkpoint(tmp_path / "fit", every=every)
    for every in (1.5, "10", True, None):
        with pytest.raises(TypeError, match="neither a number of epochs nor a time"):
            Checkpoint(tmp_path / "fit", every=every)
    with pytest.raises(FileNotFoundError, match="is in no folder: make"):
        Checkpoint(tmp_path / "missing" / "fit")
    monkeypatch.setitem(sys.modules, "skops", None)  # as if it were not installed
    with pytest.raises(ImportError, match="pip install skops"):
        Checkpoint(tmp_path / "fit.skops")
    assert list(tmp_path.iterdir()) == []
