"""Validation of samples before any work; they are changed as little as possible.

scikit-learn's validators do most of it. Beyond them, this module refuses what they let pass and a
network cannot use: dates, sparse arrays with indices outside of them, and values that the computing
dtype cannot hold. Errors name the column that holds no numbers. Nothing is written to the
estimator. What `fit` learns about the columns goes to a draft of the estimator, and is published
together with everything else.
"""

from dataclasses import replace
from math import ceil

import numpy as np
from scipy.sparse import issparse
from sklearn.model_selection import train_test_split
from sklearn.utils.validation import check_array, validate_data

from sk_twolayer.data.misfits import find_misfit
from sk_twolayer.data.weights import cast_weights, check_weights

# scikit-learn adds up all values to see whether they are finite, and the sum may overflow.
quiet = np.errstate(over="ignore", invalid="ignore")

REAL_NUMBERS = (
    "The network computes with real numbers. sk_twolayer.preprocessing.tabular_pipeline puts an "
    "encoding of categories, dates and missing values in front of it."
)
# Parts of the errors about samples that a Pipeline has not transformed.
UNTRANSFORMED = (REAL_NUMBERS, "X contains NaN", "is expecting", "feature names should match")


def computing_dtype(X):
    """Return float32 if it holds every value of X's dtype exactly, else float64."""
    narrow = X.dtype.str[1:] in ("f4", "i1", "i2", "u1", "u2", "b1")  # of any byte order
    return np.dtype(np.float32 if narrow else np.float64)


@quiet
def validate_samples(draft, X, y, sample_weight, check_y, *, reset, dtype=None):
    """Check the samples that a network is to be trained on.

    Parameters
    ----------
    draft : estimator
        Its `n_features_in_` and `feature_names_in_` are set, or compared with.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
    sample_weight : array-like of shape (n_samples,), float or None
    check_y : callable
        Returns y as an array of labels or of numbers, or raises.
    reset : bool
        If True, the columns are new; otherwise they must equal the columns of an earlier call.
    dtype : dtype, default=None
        The computing dtype of the network. None is for a new network: `computing_dtype`.

    Returns
    -------
    X : ndarray or sparse CSR of shape (n_samples, n_features)
        In its own dtype; copied only if it was not an array of numbers.
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        As `check_y` returns it.
    sample_weight : ndarray of shape (n_samples,) or None

    Raises
    ------
    ValueError, TypeError
        If X, y or the weights are not as described.
    """
    X, y = check_container(X, "X"), check_container(y, "y")
    X, y = validate_numbers(draft, X, y=y, reset=reset, multi_output=True)
    refuse_overflow(X, computing_dtype(X) if dtype is None else dtype, "X")
    y = check_y(y)
    if sample_weight is not None:
        sample_weight = check_container(sample_weight, "sample_weight")
        sample_weight = check_weights(sample_weight, X.shape[0], "sample_weight")
    return X, y, sample_weight


def validate_validation_samples(draft, X_val, y_val, sample_weight_val, targets, *, dtype):
    """Check the validation samples that `fit` was given.

    Parameters
    ----------
    draft : estimator
        Knows the columns of the training samples.
    X_val, y_val, sample_weight_val : array-like or None
        As for `validate_samples`.
    targets : ClassTargets or RegressionTargets
        The targets that the network is trained on.
    dtype : dtype
        The computing dtype of the network.

    Returns
    -------
    validation : tuple of X_val, y_val and sample_weight_val

    Raises
    ------
    ValueError, TypeError
        If anything is not as described, or `X_val` or `y_val` is missing.
    """
    if X_val is None and y_val is None:
        raise ValueError(
            "sample_weight_val is provided, but X_val and y_val were not. Pass the samples that it "
            "weighs, too."
        )
    if y_val is None:
        raise ValueError("X_val is provided, but y_val was not provided. Pass both or none.")
    if X_val is None:
        raise ValueError("y_val is provided, but X_val was not provided. Pass both or none.")
    try:
        X_val, y_val, _ = validate_samples(
            draft, X_val, y_val, None, targets.check_form, reset=False, dtype=dtype
        )
        targets.check(y_val)
    except (ValueError, TypeError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        message = f"In the validation samples (X_val, y_val): {error}"
        if any(part in message for part in UNTRANSFORMED):
            message += (
                "\nA Pipeline does not transform X_val by itself, but does with its parameter "
                'transform_input=["X_val"] and metadata routing.'
            )
        raise kind(message) from error
    if sample_weight_val is not None:
        sample_weight_val = check_container(sample_weight_val, "sample_weight_val")
        sample_weight_val = check_weights(sample_weight_val, len(y_val), "sample_weight_val")
        sample_weight_val = cast_weights(sample_weight_val, np.float64)
    return X_val, y_val, sample_weight_val


@quiet
def validate_samples_to_predict(estimator, X):
    """Check the samples to predict, and keep their dtype.

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
        If X is not numbers in as many columns as the estimator was fitted on.
    """
    has_names = hasattr(estimator, "feature_names_in_")
    if isinstance(X, np.ndarray) and X.dtype.kind in "fiub" and not has_names:
        # There are no names to compare; to look for them takes a third of the time of one sample.
        X = check_array(X, estimator=estimator, input_name="X")
        if X.shape[1] != estimator.n_features_in_:
            raise ValueError(
                f"X has {X.shape[1]} features, but {type(estimator).__name__} is expecting "
                f"{estimator.n_features_in_} features as input."
            )
        return X
    return validate_numbers(estimator, check_container(X, "X"), reset=False)


def validate_numbers(estimator, X, **options):
    """Validate as scikit-learn does, and refuse what it accepts as numeric and is not."""
    refuse_before_conversion(X)
    try:
        validated = validate_data(estimator, X, accept_sparse="csr", **options)
        dtype = (validated[0] if "y" in options else validated).dtype
        if dtype.kind not in "fiub":
            raise ValueError(f"X has dtype {dtype}. {REAL_NUMBERS}")
    except (TypeError, ValueError, OverflowError) as error:
        refuse_columns(X)
        if "X contains NaN" in str(error):
            error.add_note(REAL_NUMBERS)
        raise
    return validated


def refuse_before_conversion(X):
    """Refuse dates, durations, strings, bytes, records and complex numbers by their dtype."""
    refuse_dates(X)
    dtype = getattr(X, "dtype", None)
    kind = getattr(dtype, "kind", None)  # dtypes of pandas may have none
    if kind == "c":
        raise ValueError(
            f"Complex data not supported: X has dtype {dtype}, and the network computes "
            f"with real numbers. Make the real and imaginary parts separate columns."
        )
    if isinstance(dtype, np.dtype) and kind in "SUV":
        raise ValueError(
            f"X has dtype {dtype}, and the network computes with real numbers. Convert "
            f"strings of digits with X.astype(float). Categories are encoded by "
            f"sk_twolayer.preprocessing.tabular_pipeline."
        )


def refuse_dates(X, advice=REAL_NUMBERS):
    """Refuse samples or columns whose dtype is of dates or durations, or complex columns."""
    if getattr(getattr(X, "dtype", None), "kind", None) in ("M", "m"):
        raise ValueError(f"X has dtype {X.dtype}. {advice}")
    if hasattr(X, "columns") and hasattr(X, "dtypes"):
        for name, dtype in zip(X.columns, X.dtypes, strict=True):
            temporal = getattr(dtype, "is_temporal", bool)()  # polars makes numbers of them
            if temporal or getattr(dtype, "kind", None) in ("M", "m", "c"):
                raise ValueError(f"Column {name!r} of X has dtype {dtype}. {advice}")


def refuse_columns(X, advice=REAL_NUMBERS):
    """Name the first column of samples that holds no numbers, if there is one."""
    if hasattr(X, "columns") and hasattr(X, "dtypes"):
        dtypes = zip(X.columns, X.dtypes, strict=True)
        # Columns of a numeric dtype of pandas may hold missing values.
        names = [name for name, dtype in dtypes if getattr(dtype, "kind", "O") not in "fiub"]
        columns = ((name, np.asarray(X[name])) for name in names)
    else:
        cells = np.asarray(X)
        columns = enumerate(cells.T) if cells.ndim == 2 and cells.dtype.kind in "OSU" else ()
    for name, values in columns:
        misfit, error = find_misfit(values)
        if misfit:
            kind = TypeError if isinstance(error, TypeError) else ValueError
            advice = "Scale it." if isinstance(error, OverflowError) else advice
            raise kind(f"Column {name!r} of X holds {misfit}. {advice}") from error


def check_container(array, name):
    """Return a sparse array that is valid, or another library's array as a NumPy array."""
    if issparse(array) and array.ndim <= 2:
        return check_sparse(array, name)
    foreign = hasattr(array, "__array_namespace__") or hasattr(array, "__dlpack__")
    if isinstance(array, np.ndarray) or not foreign:
        return array
    try:
        converted = np.asarray(array)
        if converted.dtype.kind == "O":
            raise TypeError("it has no __array__")
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(
            f"{name} is of {type(array)}, which NumPy cannot convert ({error}). The network "
            f"computes with NumPy arrays: pass one."
        ) from error
    return converted


def check_sparse(X, name):
    """Return a sparse array whose indices are valid; conversions and products would not check.

    It is a container of this function's own, in the byte order of the machine, as SciPy's check may
    shorten the arrays of the container that it is called on. A vector is returned dense.
    """
    try:
        if X.format == "lil" and [*map(len, X.rows)] != [*map(len, X.data)]:
            raise ValueError("its lists of indices and of values differ in length")
        if X.format in ("lil", "dok"):
            X = X.tocoo()
        parts = {"coo": ["coords"], "dia": ["offsets"]}.get(X.format, ["indices", "indptr"])
        data = X.data.astype(X.data.dtype.newbyteorder("="), copy=False)
        X = type(X)((data, *(getattr(X, part) for part in parts)), shape=X.shape)
        if X.format in ("csr", "csc", "bsr"):
            X.check_format(full_check=True)
    except (ValueError, TypeError, IndexError, OverflowError) as error:
        raise ValueError(
            f"{name} is a broken sparse array: {error}. Build it anew; check_format() of CSR, CSC "
            f"and BSR arrays finds such errors."
        ) from error
    return X if X.ndim == 2 else X.toarray()


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
    """Refuse finite samples whose outputs are not finite, as the products overflowed."""
    row = np.argmin(np.isfinite(outputs).all(axis=1))
    largest = np.abs(X[[row]]).max()
    raise ValueError(
        f"The {name} of sample {row} of X overflow {outputs.dtype}, which the network computes in: "
        f"the sample's largest absolute value is {largest!s}. Scale X as the training samples "
        f"were, for example with StandardScaler in a pipeline before the network."
    )


def hold_out(data, strata, validation_fraction, seed):
    """Split samples into those to train on and those to validate with.

    Parameters
    ----------
    data : Data
    strata : ndarray of shape (n_samples,) or None
        The class of every sample. Both parts have all classes, in equal shares.
    validation_fraction : float
        Share to hold out. At least one sample of each class is held out, and at least two
        samples, as R2 needs.
    seed : int
        Seed of the split.

    Returns
    -------
    data, validation : Data
        They share their arrays, and differ in `indices`.

    Raises
    ------
    ValueError
        If there are too few samples.
    """
    indices, n_classes = data.indices, 1
    n_val = max(ceil(validation_fraction * len(indices)), 2)
    if strata is not None:
        strata = strata[indices]
        classes, counts = np.unique(strata, return_counts=True)
        n_classes = len(classes)
        n_val = max(n_val, n_classes)
        if counts.min() < 2:
            raise ValueError(
                f"The least populated classes in y have only 1 member of a weight above zero, such "
                f"as {classes[counts.argmin()]}, and early_stopping=True splits every class. Get "
                f"more samples of it or leave it out, or pass X_val and y_val to validate with."
            )
    if len(indices) - n_val < n_classes:
        raise ValueError(
            f"validation_fraction={validation_fraction} holds {n_val} samples out of "
            f"n_samples={len(indices)}, which leaves too few to train on. Decrease it, get more "
            f"samples, or pass validation samples as X_val and y_val."
        )
    kept, held_out = train_test_split(indices, test_size=n_val, stratify=strata, random_state=seed)
    return replace(data, indices=kept), replace(data, indices=held_out)
