"""Saved models: every format gives the same predictions, and other versions give warnings."""

import pickle
import subprocess
import sys
import warnings

import cloudpickle
import joblib
import numpy as np
import pytest
import skops.io
from numpy.testing import assert_array_equal
from scipy.sparse import csr_array
from sklearn.datasets import load_iris
from sklearn.exceptions import InconsistentVersionWarning, NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale

import sk_twolayer
from sk_twolayer import TwoLayerClassifier

OURS = [f"{TwoLayerClassifier.__module__}.TwoLayerClassifier"]
X, y = load_iris(return_X_y=True)
X, y = scale(X).astype(np.float32), np.array(["a", "b", "c"])[y]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def make(kind):
    model = TwoLayerClassifier(7, max_iter=5, random_state=0)
    if kind == "partial_fit":
        return model.partial_fit(X, y, classes=["a", "b", "c"])
    if kind == "sparse partial_fit":
        return model.partial_fit(csr_array(X), y, classes=["a", "b", "c"])
    if kind == "pipeline":
        model = make_pipeline(StandardScaler(), model)
    if kind == "search":
        model = GridSearchCV(model, {"alpha": [0.001, 0.1]}, cv=2)
    return model.fit(X, y)


KINDS = ["fit", "partial_fit", "sparse partial_fit", "pipeline", "search"]


def through_joblib(model, path, **options):
    joblib.dump(model, path / "model.joblib", **options)
    return joblib.load(path / "model.joblib")


def through_memory_map(model, path):
    joblib.dump(model, path / "model.joblib")
    loaded = joblib.load(path / "model.joblib", mmap_mode="r")
    if isinstance(loaded, TwoLayerClassifier):
        assert not loaded.intercepts_[0].flags.writeable
    return loaded


def through_skops(model, path):
    skops.io.dump(model, path / "model.skops")
    types = skops.io.get_untrusted_types(file=path / "model.skops")
    # A search also holds types of scikit-learn that skops does not trust by default.
    assert [name for name in types if not name.startswith("sklearn.")] == OURS
    return skops.io.load(path / "model.skops", trusted=types)


FORMATS = {
    **{
        f"pickle {protocol}": lambda model, path, p=protocol: pickle.loads(pickle.dumps(model, p))
        for protocol in (2, 3, 4, 5)
    },
    "cloudpickle": lambda model, path: pickle.loads(cloudpickle.dumps(model)),
    "joblib": through_joblib,
    "joblib, compressed": lambda model, path: through_joblib(model, path, compress=3),
    "joblib, memory-mapped": through_memory_map,
    "skops": through_skops,
}


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("kind", KINDS)
def test_round_trips(kind, format_, tmp_path):
    model = make(kind)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded = FORMATS[format_](model, tmp_path)
    assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    assert_array_equal(loaded.predict(X), model.predict(X))
    if kind in ("fit", "partial_fit", "sparse partial_fit"):
        samples = csr_array(X) if kind == "sparse partial_fit" else X
        loaded.partial_fit(samples, y)
        model.partial_fit(samples, y)
        assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


def state_of(model, **versions):
    return model.__getstate__() | versions


def test_another_version_of_scikit_learn_gives_a_warning():
    loaded = TwoLayerClassifier()
    with pytest.warns(InconsistentVersionWarning, match="TwoLayerClassifier from version 1.0"):
        loaded.__setstate__(state_of(make("fit"), _sklearn_version="1.0"))


def test_another_version_of_this_package_gives_a_warning():
    loaded = TwoLayerClassifier()
    message = rf"saved by sk_twolayer 99.0, and is loaded by {sk_twolayer.__version__}"
    with pytest.warns(UserWarning, match=message):
        loaded.__setstate__(state_of(make("fit"), _sk_twolayer_version="99.0"))


@pytest.mark.parametrize("cut", [10, 500])
def test_a_truncated_file_is_an_error(cut, tmp_path):
    whole = pickle.dumps(make("fit"))
    with pytest.raises((pickle.UnpicklingError, EOFError)):
        pickle.loads(whole[:cut])
    skops.io.dump(make("fit"), tmp_path / "model.skops")
    (tmp_path / "cut.skops").write_bytes((tmp_path / "model.skops").read_bytes()[:cut])
    with pytest.raises(Exception, match=r"zip"):
        skops.io.load(tmp_path / "cut.skops", trusted=OURS)


def test_an_estimator_that_is_not_fitted_stays_so():
    loaded = pickle.loads(pickle.dumps(TwoLayerClassifier(3)))
    assert loaded.hidden_size == 3
    with pytest.raises(NotFittedError):
        loaded.predict(X)


def test_another_process_predicts_and_trains_the_same(tmp_path):
    model = make("fit")
    joblib.dump((model, X, y), tmp_path / "model.joblib")
    code = (
        "import joblib, sys; from sklearn.base import clone\n"
        "model, X, y = joblib.load(sys.argv[1]); again = clone(model).fit(X, y)\n"
        "joblib.dump([model.predict_proba(X), *again.coefs_, *again.intercepts_], sys.argv[2])"
    )
    paths = tmp_path / "model.joblib", tmp_path / "arrays.joblib"
    subprocess.run([sys.executable, "-W", "ignore", "-c", code, *paths], check=True)
    arrays = [model.predict_proba(X), *model.coefs_, *model.intercepts_]
    for found, expected in zip(joblib.load(paths[1]), arrays, strict=True):
        assert_array_equal(found, expected)
