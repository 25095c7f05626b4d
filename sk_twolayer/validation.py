"""What may go in: rows and weights, checked before any work and changed as little as may be.

scikit-learn's validators do most of it. Beyond them, this module refuses what they let pass
and a network cannot use: dates, sparse rows whose indices lead outside of them, weights that
are all zero or have no sum, values that the computing dtype cannot hold. Nothing is written
to the estimator: what `fit` learns of the columns goes to a draft of it, which is published
together with all else.
"""

from math import ceil
from numbers import Real

import numpy as np
from scipy.sparse import issparse
from sklearn.model_selection import train_test_split
from sklearn.utils.validation import check_array, validate_data

from sk_twolayer.automatic import computing_dtype
from sk_twolayer.targets import cast_weights

# scikit-learn adds all values up to see whether they are finite, which may overflow.
quiet = np.errstate(over="ignore", invalid="ignore")


@quiet
def validate_rows(draft, X, y, sample_weight, check_y, *, reset, dtype=None):
    """Check what a network is to be trained on.

    Parameters
    ----------
    draft : estimator
        Whose `n_features_in_` and `feature_names_in_` are set, or compared with.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
    y : array-like of shape (n_samples,) or (n_samples, n_labels)
    sample_weight : array-like of shape (n_samples,), float or None
    check_y : callable
        Makes y labels, or numbers, or raises.
    reset : bool
        Whether the columns are new, rather than those of an earlier call.
    dtype : dtype, default=None
        What the network computes in, if that is settled. None is for a new one, whose dtype
        is that of `automatic.computing_dtype`.

    Returns
    -------
    X : ndarray or sparse CSR of shape (n_samples, n_features)
        Of the dtype that was given; copied only if it was no array of numbers.
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        As `check_y` makes it.
    sample_weight : ndarray of shape (n_samples,) or None

    Raises
    ------
    ValueError, TypeError
        If anything is not what it must be.
    """
    refuse_before_conversion(X)
    refuse_broken_indices(X, "X")
    refuse_broken_indices(y, "y")
    X, y = validate_data(draft, X, y, reset=reset, accept_sparse="csr", multi_output=True)
    refuse_all_but_numbers(X)
    refuse_overflow(X, computing_dtype(X) if dtype is None else dtype, "X")
    return X, check_y(y), check_weights(sample_weight, X.shape[0], "sample_weight")


def validate_validation_rows(draft, X_val, y_val, sample_weight_val, targets, *, dtype=None):
    """Check what `fit` was given to validate with.

    Parameters
    ----------
    draft : estimator
        Knows the columns of the rows to train on.
    X_val, y_val, sample_weight_val : array-like or None
        As for `validate_rows`.
    targets : LabelTargets or NumericTargets
        What the network is trained on.
    dtype : dtype, default=None
        What it computes in.

    Returns
    -------
    validation : tuple of X_val, y_val and sample_weight_val, or None
        None if nothing was given.

    Raises
    ------
    ValueError, TypeError
        If anything is not what it must be, or one of `X_val` and `y_val` is missing.
    """
    if X_val is None and y_val is None:
        if sample_weight_val is not None:
            raise ValueError(
                "sample_weight_val is provided, but X_val and y_val were not. Pass the rows "
                "that it weighs, too."
            )
        return None
    if y_val is None:
        raise ValueError("X_val is provided, but y_val was not provided. Pass both or none.")
    if X_val is None:
        raise ValueError("y_val is provided, but X_val was not provided. Pass both or none.")
    try:
        X_val, y_val, _ = validate_rows(
            draft, X_val, y_val, None, targets.check_form, reset=False, dtype=dtype
        )
        targets.check(y_val)
    except (ValueError, TypeError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"In the validation rows (X_val, y_val): {error}") from error
    weights = check_weights(sample_weight_val, len(y_val), "sample_weight_val")
    return X_val, y_val, None if weights is None else cast_weights(weights, np.float64)


@quiet
def validate_prediction_rows(estimator, X):
    """Check the rows to predict, and leave their dtype as it is.

    Parameters
    ----------
    estimator : estimator
        Fitted; not changed.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)

    Returns
    -------
    X : ndarray or sparse CSR of shape (n_samples, n_features)

    Raises
    ------
    ValueError, TypeError
        If they are not rows of as many numbers as the estimator was fitted on.
    """
    refuse_before_conversion(X)
    refuse_broken_indices(X, "X")
    if isinstance(X, np.ndarray) and not hasattr(estimator, "feature_names_in_"):
        # No names to compare, a search for which takes a third of the time of one row.
        X = check_array(X, estimator=estimator, input_name="X")
        if X.shape[1] != estimator.n_features_in_:
            raise ValueError(
                f"X has {X.shape[1]} features, but {type(estimator).__name__} is expecting "
                f"{estimator.n_features_in_} features as input."
            )
    else:
        X = validate_data(estimator, X, reset=False, accept_sparse="csr")
    refuse_all_but_numbers(X)
    return X


def refuse_before_conversion(X):
    """Refuse arrays of words, bytes, records and complex numbers by their dtype."""
    dtype = getattr(X, "dtype", None)
    kind = getattr(dtype, "kind", None)  # dtypes of pandas may have none
    if kind == "c":
        raise ValueError(
            f"Complex data not supported: X has dtype {dtype}, and the network computes "
            f"with real numbers. Make its real and imaginary parts columns of their own."
        )
    if isinstance(dtype, np.dtype) and kind in "SUV":
        raise ValueError(
            f"X has dtype {dtype}, and the network computes with real numbers. Convert "
            f"numbers in words with X.astype(float), and encode categories, for example "
            f"with sklearn.preprocessing.OneHotEncoder."
        )


def refuse_all_but_numbers(X):
    """Refuse what scikit-learn takes for numeric and is not: dates, durations, categories."""
    if X.dtype.kind not in "fiub":
        raise ValueError(
            f"X has dtype {X.dtype}, and the network computes with real numbers. Make numbers of "
            f"dates and durations by dividing by a unit, as in "
            f"(X - X.min()) / np.timedelta64(1, 'D'), and encode categories, for example with "
            f"sklearn.preprocessing.OneHotEncoder."
        )


def refuse_broken_indices(X, name):
    """Refuse a sparse array whose indices lead outside of it, where products would read."""
    if not issparse(X) or X.ndim != 2:
        return
    if X.format == "coo":
        for axis, (indices, length) in enumerate(zip(X.coords, X.shape, strict=True)):
            refuse_outside(indices, length, f"{name}.coords[{axis}]")
    elif X.format in ("csr", "csc", "bsr"):
        lengths = X.shape
        if X.format == "bsr":
            lengths = [n // size for n, size in zip(X.shape, X.blocksize, strict=True)]
        n_slices, length = lengths[::-1] if X.format == "csc" else lengths
        ends, n_entries = X.indptr, min(len(X.indices), len(X.data))
        if len(ends) != n_slices + 1 or ends[0] != 0 or ends[-1] > n_entries:
            raise ValueError(
                f"{name}.indptr has {len(ends)} entries from {ends[:1]} to {ends[-1:]}, which "
                f"cannot be: {n_slices} rows or columns with {n_entries} entries need "
                f"{n_slices + 1}, from 0 to at most {n_entries}. Build the sparse array anew."
            )
        if (ends[1:] < ends[:-1]).any():
            raise ValueError(
                f"{name}.indptr falls after entry {np.argmax(ends[1:] < ends[:-1])}, and must "
                f"never fall. Build the sparse array anew."
            )
        refuse_outside(X.indices[: ends[-1]], length, f"{name}.indices")


def refuse_outside(indices, length, name):
    """Refuse indices that are not from 0 to length - 1."""
    if len(indices) and not 0 <= indices.min() <= indices.max() < length:
        outside = indices[(indices < 0) | (indices >= length)][0]
        raise ValueError(
            f"{name} holds {outside}, outside of 0 to {length - 1}. Build the sparse array anew; "
            f"X.check_format() of CSR and CSC arrays finds such indices."
        )


def refuse_overflow(X, dtype, name):
    """Refuse values that are finite, but not in the dtype that the network computes in."""
    most = np.finfo(dtype).max
    if X.dtype.kind != "f" or np.finfo(X.dtype).max <= most:
        return
    data = X.data if issparse(X) else X
    for extreme in (data.min(initial=0), data.max(initial=0)):
        if abs(extreme) > most:
            raise ValueError(
                f"{name} holds {extreme!s}, a value too large for {dtype}, which the network "
                f"computes in. Scale {name}, for example with StandardScaler"
                + (", or fit anew on float64." if dtype == np.float32 else ".")
            )


def refuse_infinite_outputs(X, outputs, name):
    """Refuse rows that are finite, but whose outputs are not, as the products overflowed."""
    if np.isfinite(outputs).all():
        return
    row = np.argmin(np.isfinite(outputs).all(axis=1))
    largest = np.abs(X[[row]]).max()
    raise ValueError(
        f"The {name} of row {row} of X overflow {outputs.dtype}, which the network computes in: "
        f"the row's largest absolute value is {largest!s}. Scale X as the rows were that the "
        f"network was trained on, for example with StandardScaler in a pipeline before it."
    )


@quiet
def check_weights(weights, n_rows, name):
    """Make weights of rows a one-dimensional array of float32 or float64.

    Parameters
    ----------
    weights : array-like of shape (n_rows,), float or None
        A number stands for as many of them.
    n_rows : int
        Length they must have.
    name : str
        What to call them in errors.

    Returns
    -------
    weights : ndarray of shape (n_rows,) or None

    Raises
    ------
    ValueError, TypeError
        If they are no finite numbers, or negative, too few or too many, or all zero, or if
        their sum is infinite.
    """
    if weights is None:
        return None
    if isinstance(weights, Real):
        weights = np.full(n_rows, weights, dtype=float)
    if getattr(getattr(weights, "dtype", None), "kind", "f") in "cmMSUV":
        raise ValueError(
            f"{name} has dtype {weights.dtype}. Weights are real numbers, none negative."
        )
    weights = check_array(weights, ensure_2d=False, dtype=[np.float64, np.float32], input_name=name)
    if weights.shape != (n_rows,):
        raise ValueError(
            f"{name}.shape is {weights.shape}, and must be ({n_rows},): a weight for each row."
        )
    if weights.min() < 0:
        row = np.argmax(weights < 0)
        raise ValueError(
            f"Negative values in data passed to `{name}`: that of row {row} is {weights[row]:g}. "
            f"To leave a row out, give it weight 0."
        )
    total = weights.sum(dtype=np.float64)
    if total == 0:
        raise ValueError(f"{name} is zero for all {n_rows} rows. Give some a weight above zero.")
    if not np.isfinite(total):
        raise ValueError(
            f"{name} sums to more than float64 holds; its largest value is {weights.max():g}. "
            f"Only ratios of weights matter: divide {name} by its maximum."
        )
    return weights


def hold_out_rows(rows, strata, validation_fraction, seed):
    """Split rows into those to train on and those to validate with, stratified if need be.

    Parameters
    ----------
    rows : ndarray of int of shape (n_rows,)
        Numbers of the rows that count.
    strata : ndarray of shape (n_samples,) or None
        The class of every row, for both parts to have all classes in equal shares.
    validation_fraction : float
        Share to hold out; at least one row of each class is, and two in all, as R2 needs.
    seed : int
        Of the split.

    Returns
    -------
    rows, rows_val : ndarray of int

    Raises
    ------
    ValueError
        If there are too few rows for that.
    """
    n_classes = 1
    n_val = max(ceil(validation_fraction * len(rows)), 2)
    if strata is not None:
        strata = strata[rows]
        classes, counts = np.unique(strata, return_counts=True)
        n_classes = len(classes)
        n_val = max(n_val, n_classes)
        if counts.min() < 2:
            raise ValueError(
                f"The least populated classes in y have only 1 member of a weight above zero, such "
                f"as {classes[counts.argmin()]}, and early_stopping=True splits every class. Get "
                f"more rows of it or leave it out, or pass X_val and y_val to validate with."
            )
    if len(rows) - n_val < n_classes:
        raise ValueError(
            f"validation_fraction={validation_fraction} holds {n_val} rows out of "
            f"n_samples={len(rows)}, which leaves too few to train on. Decrease it, get more rows, "
            f"or pass rows to validate with as X_val and y_val."
        )
    return train_test_split(rows, test_size=n_val, stratify=strata, random_state=seed)
