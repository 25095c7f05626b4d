"""Files of checkpoints: concurrent writers and what is never replaced."""

import os
import pickle
import stat
import threading
from unittest import mock

import pytest
from estimator_state import make_rows, new
from joblib import parallel_config
from sklearn.ensemble import BaggingClassifier, VotingClassifier
from sklearn.experimental import enable_halving_search_cv
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

X, y = make_rows()
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


def make_loop(path):
    path.symlink_to(path.name)


@posix
@pytest.mark.parametrize("make", [make_folder, make_pipe, make_link_to_pipe, make_loop])
@pytest.mark.parametrize("when", ["made", "written"])
def test_only_regular_files_are_replaced(make, when, tmp_path):
    path = tmp_path / "fit.pkl"
    if when == "made":
        make(path)
        before = names(tmp_path), os.lstat(path)
        with pytest.raises(ValueError, match=r"path='.*fit\.pkl' .*fit\.pkl"):
            Checkpoint(path)
    else:
        model = network(path)
        make(path)
        before = names(tmp_path), os.lstat(path)
        with pytest.raises(ValueError, match=r"path='.*fit\.pkl' "):
            model.fit(X, y)
        assert not hasattr(model, "coefs_")
    assert (names(tmp_path), os.lstat(path)) == before


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
