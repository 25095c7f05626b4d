"""Checks of what a call leaves behind: its error, the estimator, its predictions, its arguments.

Each check raises `BrokenError` with a message if something does not hold.
"""

import pickle
import re
import sys
import traceback
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from sklearn.base import clone, is_regressor

sys.path.append(str(Path(__file__).parents[2] / "tests" / "shared"))
from estimator_state import frozen
from faults import PACKAGE

# Phrases from errors of NumPy and Python. Such errors do not tell a user what to change.
RAW = re.compile(
    "broadcast|operand|shape mismatch|array element|has no attribute|not supported between|ufunc|"
    "out of bounds|out of range|zero-size|[Cc]annot cast|not aligned|dimension mismatch|"
    "need at least one|unhashable|must have same|object is not|could not convert|truth value"
)


# Attributes of sparse arrays that hold their entries.
SPARSE_PARTS = ("data", "indices", "indptr", "coords", "rows", "offsets", "_dict")


class BrokenError(Exception):
    """A check failed."""


def require(condition, message):
    """Raise `BrokenError` with a message unless the condition holds."""
    if not condition:
        raise BrokenError(message)


def freeze_argument(value):
    """Return the content of an argument in a form that `==` compares bit for bit."""
    if sp.issparse(value):
        return {name: frozen(part) for name, part in vars(value).items() if name in SPARSE_PARTS}
    return frozen(np.asarray(value) if hasattr(value, "to_numpy") else value)


def check_error(error):
    """Require a ValueError or TypeError, worded by this package or by scikit-learn.

    A method that the hyper-parameters rule out raises an AttributeError.
    """
    if type(error) is AttributeError and isinstance(error.__cause__, AttributeError):
        error = ValueError(str(error.__cause__))
    known = type(error) in (ValueError, TypeError)
    known = known or type(error).__module__.startswith(("sklearn", "sk_twolayer"))
    text = f"{type(error).__name__}: {error}"
    require(known and isinstance(error, (ValueError, TypeError)), f"raised {text}")
    require(len(str(error)) > 15, f"an error without information: {text}")
    files = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
    ours = [i for i, file in enumerate(files) if file.startswith(PACKAGE)]
    deepest = files[ours[-1] + 1 :] if ours else files
    validated = any("sklearn" in file or "pandas" in file for file in deepest)
    require(validated or not RAW.search(str(error)), f"a raw error: {text}")


def check_unchanged(model, before):
    """Require that the attributes of a model are the same as before a call that raised."""
    after = frozen(vars(model))
    changed = [name for name in before | after if before.get(name) != after.get(name)]
    require(not changed, f"a call that raised has changed {changed}")


def check_fitted(model, n_features):
    """Require finite numbers, consistent shapes and a consistent history."""
    arrays = [*model.coefs_, *model.intercepts_]
    require(all(np.isfinite(array).all() for array in arrays), "a parameter is not finite")
    require(len({array.dtype for array in arrays}) == 1, "the parameters have several dtypes")
    n_outputs = len(model.y_mean_ if is_regressor(model) else model.classes_)
    if model.out_activation_ == "logistic" and n_outputs == 2 and arrays[1].shape[1] == 1:
        n_outputs = 1
    hidden = model.hidden_size
    shapes = [(n_features, hidden), (hidden, n_outputs), (hidden,), (n_outputs,)]
    require([array.shape for array in arrays] == shapes, "a parameter has the wrong shape")
    require(model.n_features_in_ == n_features, "n_features_in_ is wrong")
    curves = "loss_curve_", "batch_loss_curve_", "train_scores_", "validation_scores_"
    for name in (*curves, "validation_loss_curve_", "loss_", "best_loss_"):
        values = getattr(model, name)
        finite = values is None or np.isfinite(values).all()
        # A metric of huge numbers may be -inf.
        require(finite or (model.scoring and "score" in name), f"{name} is not finite")
    least = -np.inf if is_regressor(model) else 0  # R2 has no lower bound, accuracy has
    scores = [*model.train_scores_, *((not model.scoring and model.validation_scores_) or [])]
    require(all(least <= score <= 1 + 1e-6 for score in scores), "a score is out of its range")
    require(len(model.loss_curve_) == len(model.train_scores_), "curves differ in length")
    require(len(model.loss_curve_) >= model.n_iter_ >= 1, "n_iter_ exceeds the curve")
    require(model.loss_ == model.loss_curve_[-1], "loss_ is not the last loss of the curve")
    require(len(model.batch_loss_curve_) <= model.n_updates_, "more batch losses than updates")


def check_scale(model):
    """Require that rounding of constant targets is not taken for their scale."""
    if is_regressor(model):
        varies = model.y_scale_ > 1e-12 * np.abs(model.y_mean_)
        require(varies.all(), "the scale of a constant target is a rounding error")


def check_dtype(model, X):
    """Require that a new network has the dtype of X, in native byte order, if X has one."""
    given, dtype = getattr(X, "dtype", np.dtype("O")), model.coefs_[0].dtype
    if given.char in "fd":
        require(dtype == given.newbyteorder("="), f"computes in {dtype} on X of {given}")


def outputs(model, X):
    """Return the predictions of a regressor, or the probabilities of a classifier."""
    return model.predict(X) if is_regressor(model) else model.predict_proba(X)


def check_predictions(model, X, samples):
    """Require valid predictions, and the same ones of a pickle; `samples` is for messages."""
    p = outputs(model, X)
    again = outputs(pickle.loads(pickle.dumps(model)), X)
    require(np.array_equal(again, p), "a pickle predicts differently")
    if is_regressor(model):
        n_targets = len(model.y_mean_)
        shape = (X.shape[0],) if n_targets == 1 else (X.shape[0], n_targets)
        require(p.shape == shape, "the predictions have the wrong shape")
        require(np.isfinite(p).all(), f"a prediction for {samples} is not finite")
        return
    require(p.shape == (X.shape[0], len(model.classes_)), "the probabilities have the wrong shape")
    valid = np.isfinite(p).all() and (p >= 0).all() and (p <= 1).all()
    require(valid, f"{p.dtype} probabilities for {samples} are not in [0, 1]")
    predicted = model.predict(X)
    if predicted.ndim == 1:
        require(np.abs(p.sum(axis=1) - 1).max() < 1e-5, "probabilities do not sum to 1")
        require(np.isin(predicted, model.classes_).all(), "predicts a label not in classes_")


def check_same_predictions(model, X, dense):
    """Require the same predictions for X in two forms."""
    expected = outputs(model, dense)
    tolerance = (1e-3 if expected.dtype == np.float32 else 1e-8) * max(1, np.abs(expected).max())
    close = np.allclose(outputs(model, X), expected, rtol=0, atol=tolerance)
    require(close, f"predictions for {type(X).__name__} and for a dense array differ")


def check_sparse_equals_dense(model, given, dense):
    """Require that training on sparse samples gives the same network as on dense samples.

    Hyper-parameters whose "auto" may depend on the format are set to numbers.
    """
    given = {name: value for name, value in given.items() if name != "X"}
    models = []
    for X in (dense.astype("f8"), sp.csr_array(dense.astype("f8"))):
        model = clone(model).set_params(learning_rate=0.01, batch_size=7, random_state=0)
        models.append(model.fit(X, **given))
    for name in ("coefs_", "intercepts_"):
        for a, b in zip(*(getattr(model, name) for model in models), strict=True):
            require(np.allclose(a, b, rtol=1e-6, atol=1e-9), f"{name} of dense and sparse differ")
    curves = [model.batch_loss_curve_ for model in models]
    require(np.allclose(*curves, rtol=1e-6), "losses of dense and sparse differ")
