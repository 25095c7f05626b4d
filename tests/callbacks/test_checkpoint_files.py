"""Files of checkpoints: concurrent writers, what is never replaced, and foreign files."""

import io
import os
import pickle
import stat
import threading
import zipfile
from unittest import mock

import numpy as np
import pytest
import skops.io
from estimator_state import make_samples, new
from joblib import parallel_config
from sklearn.ensemble import BaggingClassifier, VotingClassifier
from sklearn.experimental import enable_halving_search_cv
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    cross_validate,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler

from sk_twolayer.callbacks import Checkpoint

pytestmark = [
    pytest.mark.callbacks,
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]
posix = pytest.mark.skipif(os.name != "posix", reason="Windows has other links, pipes and modes")

X, y = make_samples()
X = X.toarray()


def network(path):
    """Make a network whose fit writes two files."""
    return new().set_callbacks(Checkpoint(path))


def names(folder):
    """Return the sorted names in a folder."""
    return sorted(path.name for path in folder.iterdir())


def assert_whole(path):
    """Assert that a file holds the checkpoint after two of three epochs."""
    assert Checkpoint.load(path).n_iter_ == 2


def mode_of(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


# Fits that share a path.


def test_a_writer_that_is_overtaken_does_not_break(tmp_path):
    path, dump = tmp_path / "fit.pkl", pickle.dump

    def dump_slowly(checkpoint, file, **options):
        with mock.patch("pickle.dump", dump):
            new(max_iter=9).set_callbacks(Checkpoint(path)).fit(X, y)
        assert Checkpoint.load(path).n_iter_ == 8
        dump(checkpoint, file, **options)

    with mock.patch("pickle.dump", dump_slowly):
        network(path).fit(X, y)
    assert_whole(path)  # The last writer wins.
    assert names(tmp_path) == ["fit.pkl"]


UNSEEN = {
    "BaggingClassifier": lambda model: BaggingClassifier(model, 2, n_jobs=2).fit(X, y),
    "OneVsRestClassifier": lambda model: OneVsRestClassifier(model, n_jobs=2).fit(X, y),
    "VotingClassifier": lambda model: VotingClassifier([("a", model), ("b", model)], n_jobs=2).fit(
        X, y
    ),
    "cross_validate": lambda model: cross_validate(
        model, X, y, cv=2, n_jobs=2, error_score="raise"
    ),
}


@pytest.mark.parametrize("fit", UNSEEN.values(), ids=UNSEEN)
def test_unseen_fits_in_parallel_leave_whole_files(fit, tmp_path, monkeypatch):
    both, waited, fsync = threading.Barrier(2), set(), os.fsync

    def fsync_together(descriptor):
        thread = threading.get_ident()
        if thread not in waited:
            waited.add(thread)
            both.wait(120)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync_together)
    with parallel_config(backend="threading"):
        fit(network(tmp_path / "fit.pkl"))
    assert len(waited) == 2
    assert_whole(tmp_path / "fit.pkl")
    assert names(tmp_path) == ["fit.pkl"]


GRID = {"twolayerclassifier__alpha": [1e-3, 1e-2]}


@pytest.mark.parametrize(
    ("search", "n_jobs"),
    [(GridSearchCV, 1), (GridSearchCV, 2), (RandomizedSearchCV, 1), (HalvingGridSearchCV, 1)],
)
def test_fits_of_a_search_are_refused_before_they_begin(search, n_jobs, tmp_path):
    options = {"n_iter": 2} if search is RandomizedSearchCV else {}
    model = make_pipeline(MaxAbsScaler(), network(tmp_path / "fit.pkl"))
    search = search(model, GRID, cv=2, n_jobs=n_jobs, error_score="raise", **options)
    with pytest.raises(ValueError, match=f"on the network of a {type(search).__name__}"):
        search.fit(X, y)
    assert names(tmp_path) == []


# What a checkpoint does not overwrite.


@posix
@pytest.mark.parametrize("kind", ["file", "link"])
def test_a_file_with_the_name_of_a_part_is_left_alone(kind, tmp_path):
    theirs, part = tmp_path / "theirs", tmp_path / "fit.pkl.part"
    theirs.write_text("theirs")
    part.symlink_to(theirs) if kind == "link" else part.write_text("theirs")
    network(tmp_path / "fit.pkl").fit(X, y)
    assert names(tmp_path) == ["fit.pkl", "fit.pkl.part", "theirs"]
    assert part.read_text() == theirs.read_text() == "theirs"
    assert part.is_symlink() == (kind == "link")


def make_folder(path):
    path.mkdir()


def make_pipe(path):
    os.mkfifo(path)


def make_link_to_pipe(path):
    os.mkfifo(path.with_name("target"))
    path.symlink_to("target")


def identity(path):
    """Return what tells a file from another; following a link changes the time of its access."""
    status = os.lstat(path)
    return status.st_mode, status.st_ino, status.st_mtime_ns


def make_loop(path):
    path.symlink_to(path.name)


@posix
@pytest.mark.parametrize("make", [make_folder, make_pipe, make_link_to_pipe, make_loop])
@pytest.mark.parametrize("when", ["made", "written"])
def test_only_regular_files_are_replaced(make, when, tmp_path):
    path = tmp_path / "fit.pkl"
    if when == "made":
        make(path)
        before = names(tmp_path), identity(path)
        with pytest.raises(ValueError, match=r"path='.*fit\.pkl' .*fit\.pkl"):
            Checkpoint(path)
    else:
        model = network(path)
        make(path)
        before = names(tmp_path), identity(path)
        with pytest.raises(ValueError, match=r"path='.*fit\.pkl' "):
            model.fit(X, y)
        assert not hasattr(model, "coefs_")
    assert (names(tmp_path), identity(path)) == before


@posix
@pytest.mark.parametrize("exists", [True, False])
def test_a_link_stays_and_its_target_is_replaced(exists, tmp_path, monkeypatch):
    links, data = tmp_path / "links", tmp_path / "data"
    links.mkdir()
    data.mkdir()
    (links / "fit.pkl").symlink_to("other.pkl")
    (links / "other.pkl").symlink_to("../data/target.pkl")
    if exists:
        (data / "target.pkl").write_text("old")
    seen = []
    monkeypatch.setattr(os, "fsync", lambda file: seen.append((names(links), len(names(data)))))
    network(links / "fit.pkl").fit(X, y)
    assert [os.readlink(links / name) for name in names(links)] == [
        "other.pkl",
        "../data/target.pkl",
    ]
    assert names(data) == ["target.pkl"]
    assert_whole(data / "target.pkl")
    assert_whole(links / "fit.pkl")
    # The temporary file is on the disk of the target: a move between disks is not one step.
    assert seen == [(["fit.pkl", "other.pkl"], 1 + exists), (["fit.pkl", "other.pkl"], 2)]


@posix
def test_a_link_into_a_missing_folder_is_refused(tmp_path):
    (tmp_path / "fit.pkl").symlink_to("missing/fit.pkl")
    with pytest.raises(FileNotFoundError, match=r"fit\.pkl' is in no folder: make .*missing first"):
        Checkpoint(tmp_path / "fit.pkl")


@posix
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444, 0o666])
def test_a_file_keeps_its_mode(mode, tmp_path):
    path = tmp_path / "fit.pkl"
    path.write_text("old")
    path.chmod(mode)
    network(path).fit(X, y)
    assert_whole(path)
    assert mode_of(path) == mode


@posix
@pytest.mark.parametrize("umask", [0o000, 0o027])
def test_a_new_file_has_the_mode_of_the_umask(umask, tmp_path):
    before = os.umask(umask)
    try:
        network(tmp_path / "fit.pkl").fit(X, y)
    finally:
        after = os.umask(before)
    assert after == umask
    assert mode_of(tmp_path / "fit.pkl") == 0o666 & ~umask
    assert names(tmp_path) == ["fit.pkl"]


@posix
@pytest.mark.parametrize("name", ["fit.pkl", "fit.skops"])
def test_an_incomplete_file_is_private(name, tmp_path, monkeypatch):
    modes = []

    def look(descriptor):
        modes.append([mode_of(path) for path in tmp_path.iterdir() if path.name != name])

    monkeypatch.setattr(os, "fsync", look)
    network(tmp_path / name).fit(X, y)
    assert modes == [[0o600], [0o600]]


@pytest.mark.parametrize("step", ["pickle.dump", "os.fsync", "os.chmod", "os.replace"])
@pytest.mark.parametrize("error", [OSError("no space left"), KeyboardInterrupt()], ids=repr)
def test_whatever_is_raised_leaves_the_last_file_and_no_other(step, error, tmp_path):
    path = tmp_path / "fit.pkl"
    network(path).fit(X, y)
    before = path.read_bytes()
    with mock.patch(step, side_effect=error), pytest.raises(type(error)) as caught:
        network(path).fit(X, y)
    assert caught.value is error
    assert names(tmp_path) == ["fit.pkl"]
    assert path.read_bytes() == before


# Paths that are refused when they are set.

NO_FILES = ["", ".", "..", os.sep, "folder", "folder/..", "a\0b", "x" * 300, "\ud800"]


@posix
@pytest.mark.parametrize("path", NO_FILES, ids=lambda path: ascii(path)[:12])
def test_a_path_that_is_no_file_is_refused_when_set(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(ValueError, match=r"path=.*(Pass|such as) .*fit\.pkl") as caught:
        Checkpoint(path)
    assert str(caught.value).startswith(f"path={path!r} ")
    assert names(tmp_path) == ["folder"]


@posix
def test_the_longest_name_is_accepted(tmp_path):
    path = tmp_path / ("x" * 255)
    network(path).fit(X, y)
    assert_whole(path)


def test_a_file_in_place_of_the_folder_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("a file")
    with pytest.raises(FileNotFoundError, match="is in no folder: make"):
        Checkpoint(tmp_path / "file" / "fit.pkl")


def test_other_errors_of_the_disk_keep_their_type(tmp_path):
    error = PermissionError(13, "Permission denied")
    with mock.patch("os.stat", side_effect=error), pytest.raises(PermissionError) as caught:
        Checkpoint(tmp_path / "fit.pkl")
    assert caught.value is error


# Files that are no checkpoints.


class Gone:
    """A class that does not exist any more when its pickle is loaded."""


class Agreeable:
    """An object that has every attribute."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return self


class Refuser:
    """An object that raises when it is asked for an attribute."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        raise KeyError(name)


class Raiser:
    """An object whose pickle raises an OSError."""

    def __reduce__(self):
        return open, ("/missing/file",)


def pickled_away(module, name):
    """Pickle an object of a class whose module or name is another one when it is loaded."""
    data = pickle.dumps(Gone(), protocol=0)
    return data.replace(__name__.encode(), module.encode()).replace(b"Gone", name.encode())


def zipped(**files):
    """Return a zip file of these contents."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, text in files.items():
            file.writestr(name.replace("_", "."), text)
    return buffer.getvalue()


FITTED = new(n_iter_no_change=1, tol=1e9).fit(X, y)

FOREIGN = {
    "empty": b"",
    "text": b"epoch,loss\n1,0.5\n",
    "utf-16": "text".encode("utf-16"),
    "zeros": bytes(1000),
    "no module": pickled_away("no_such_module", "Gone"),
    "no class": pickled_away("sk_twolayer", "Gone"),
    "no constructor": pickle.dumps(Gone(), protocol=0).replace(b"object", b"sum"),
    "a file that is not there": pickle.dumps(Raiser()),
    "dict": pickle.dumps({"_training_state": 1}),
    "every attribute": pickle.dumps(Agreeable()),
    "no attribute": pickle.dumps(Refuser()),
    "class": pickle.dumps(new().__class__),
    "fitted": pickle.dumps(FITTED),
    "not fitted": pickle.dumps(new()),
    "other estimator": pickle.dumps(LogisticRegression()),
    "pickle in skops": pickle.dumps(3),
    "zip": zipped(readme="hello"),
    "zip, no schema": zipped(schema_json="[1, 2"),
    "zip, foreign schema": zipped(schema_json='{"a": 1}'),
    "zip, other protocol": zipped(schema_json='{"protocol": 99, "__loader__": "X"}'),
    "skops of a list": skops.io.dumps([1, 2, 3]),
    "skops of an estimator": skops.io.dumps(LogisticRegression()),
    "skops of a fitted network": skops.io.dumps(FITTED),
    "skops of a foreign class": skops.io.dumps(Gone()),
}


@pytest.mark.parametrize("name", ["fit.pkl", "fit.skops"])
@pytest.mark.parametrize("data", FOREIGN.values(), ids=FOREIGN)
def test_a_foreign_file_is_a_value_error(data, name, tmp_path):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ValueError, match=r"fit\.\w+ (is damaged|holds no checkpoint)") as caught:
        Checkpoint.load(tmp_path / name)
    damaged = "is damaged" in str(caught.value)
    assert isinstance(caught.value.__cause__, Exception) == damaged


def test_the_error_says_what_is_missing(tmp_path):
    (tmp_path / "fit.pkl").write_bytes(FOREIGN["no module"])
    with pytest.raises(ValueError, match="No module named 'no_such_module'") as caught:
        Checkpoint.load(tmp_path / "fit.pkl")
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


@pytest.mark.parametrize("name", ["fit.pkl", "fit.skops"])
def test_a_part_of_a_checkpoint_is_a_value_error(name, tmp_path):
    path = tmp_path / name
    network(path).fit(X, y)
    whole = path.read_bytes()
    for n_bytes in np.linspace(0, len(whole) - 1, 60, dtype=int):
        path.write_bytes(whole[:n_bytes])
        with pytest.raises(ValueError, match="is damaged, or no checkpoint"):
            Checkpoint.load(path)
        path.write_bytes(whole[len(whole) - n_bytes :])
        with pytest.raises(ValueError, match=r"is damaged|holds no checkpoint"):
            Checkpoint.load(path)


@pytest.mark.parametrize("name", ["fit.pkl", "fit.skops"])
def test_what_cannot_be_opened_keeps_its_error(name, tmp_path):
    with pytest.raises(FileNotFoundError):
        Checkpoint.load(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        Checkpoint.load(tmp_path / "missing" / name)
    (tmp_path / name).mkdir()
    with pytest.raises(OSError, match=name):
        Checkpoint.load(tmp_path / name)


def test_a_skops_file_is_not_loaded_without_skops(tmp_path, monkeypatch):
    network(tmp_path / "fit.skops").fit(X, y)
    monkeypatch.setattr("sk_twolayer.callbacks.checkpoint.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"fit\.skops' asks for a skops file: pip install"):
        Checkpoint.load(tmp_path / "fit.skops")
