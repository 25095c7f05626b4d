"""Which labels a network tells apart, and whether those at hand can be among them.

NumPy compares strings with numbers, and a matrix with a list, without a word. So labels are
compared by their kind and form first: numbers of any dtype with numbers, strings with strings,
one label a row with one label a row, a label indicator with another of as many columns.
"""

import numpy as np
from scipy.sparse import issparse
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import column_or_1d


def find_classes(y):
    """Return the sorted labels in y, or the numbers of the columns of a label indicator."""
    return np.arange(y.shape[1]) if y.ndim == 2 else np.unique(y)


def check_labels(y):
    """Make y one-dimensional labels or a dense label indicator of 0 and 1."""
    refuse_mixed_types(y, "y")
    check_classification_targets(y)
    if type_of_target(y) == "multilabel-indicator":
        y = y.toarray() if issparse(y) else np.asarray(y)
        values = np.unique(y)
        if not np.isin(values, [0, 1]).all():
            raise ValueError(
                f"y is a matrix of {values}, but a label indicator is one of 0 and 1. Make it "
                f"one, for example with (y > 0).astype(int)."
            )
        return y.astype(np.uint8)
    return column_or_1d(y, warn=True)


def refuse_mixed_types(labels, name):
    """Refuse objects that are not all strings: they have no common order."""
    if getattr(getattr(labels, "dtype", None), "kind", None) != "O" or issparse(labels):
        return
    types = {type(label) for label in labels.flat}
    if bytes in types or all(issubclass(one, str) for one in types):
        return  # scikit-learn refuses bytes
    names = ", ".join(sorted(one.__name__ for one in types))
    raise ValueError(
        f"Unknown label type: {name} holds objects of type {names}. Labels are all strings, or "
        f"all numbers of a numeric dtype: leave out what is missing (None, nan), and convert the "
        f"others, for example with {name}.astype(str) or {name}.astype(int)."
    )


def resolve_classes(y, known_classes=None, known_indicator=False):
    """Return the labels that a network tells apart which is fitted on y.

    Parameters
    ----------
    y : ndarray of shape (n_samples,) or (n_samples, n_labels)
        Labels or a label indicator.
    known_classes : ndarray of shape (n_classes,), default=None
        The classes of the network to go on with; None for a new one.
    known_indicator : bool, default=False
        Whether that one was trained on a label indicator.

    Returns
    -------
    classes : ndarray of shape (n_classes,)

    Raises
    ------
    ValueError
        If y is not of the known classes.
    """
    classes = find_classes(y)
    if known_classes is None:
        return classes
    check_same_kind(y, known_classes, known_indicator)
    if not np.array_equal(classes, known_classes):
        raise ValueError(
            f"warm_start can only be used where `y` has the same classes as in the previous "
            f"call to fit. Previously got {known_classes}, `y` has {classes}. Pass rows of all "
            f"classes, or fit anew with warm_start=False."
        )
    return known_classes


def resolve_named_classes(y, classes, known_classes=None, known_indicator=False):
    """Return the labels that a network tells apart which is trained on a stream.

    Parameters
    ----------
    y : ndarray of shape (n_samples,) or (n_samples, n_labels)
        A chunk of labels or of a label indicator.
    classes : array-like of shape (n_classes,) or None
        All labels that will ever occur, as the user names them.
    known_classes, known_indicator : ndarray and bool
        As for `resolve_classes`.

    Returns
    -------
    classes : ndarray of shape (n_classes,)

    Raises
    ------
    ValueError
        If `classes` is missing in the first call or differs in a later one, is no list of
        labels, or y holds a label outside of it.
    """
    if classes is None and known_classes is None:
        raise ValueError(
            "classes must be given in the first call to partial_fit: later chunks may hold "
            "labels that this one does not."
        )
    if classes is not None:
        classes = check_named_classes(classes)
    if known_classes is not None:
        if classes is not None and not (
            label_kind(classes) == label_kind(known_classes)
            and np.array_equal(classes, known_classes)
        ):
            raise ValueError(
                f"classes={classes} is not the same as in the previous call: {known_classes}. "
                f"The outputs of the network cannot change; fit a new estimator."
            )
        check_same_kind(y, known_classes, known_indicator)
        classes = known_classes
    elif y.ndim == 2:
        if not np.array_equal(classes, np.arange(y.shape[1])):
            raise ValueError(
                f"classes={classes}, but y is a label indicator of {y.shape[1]} columns: then "
                f"classes must be their numbers, {np.arange(y.shape[1])}."
            )
    else:
        if len(classes) < 2:
            raise ValueError(f"classes={classes} has only 1 class: at least 2 are needed.")
        check_same_kind(y, classes, indicator=False)
    refuse_unseen(y, classes)
    return classes


def check_named_classes(classes):
    """Make `classes` a sorted array without repetitions."""
    named = np.asarray(classes)
    advice = "Name all labels that will ever occur in a list, each once, as they are in y."
    if named.ndim != 1 or len(named) == 0:
        raise ValueError(f"classes={classes!r} must be a list of labels. {advice}")
    refuse_mixed_types(named, "classes")
    mixed = named.dtype.kind == "U" and not all(isinstance(label, str) for label in classes)
    missing = named.dtype.kind in "fcmM" and not np.isfinite(named).all()
    fractions = not missing and named.dtype.kind == "f" and (named != np.floor(named)).any()
    if mixed or missing or fractions or label_kind(named) == "other":
        raise ValueError(
            f"classes={classes!r} are no labels, which are all strings or all whole numbers. "
            f"{advice}"
        )
    return np.unique(named)


def label_kind(labels):
    """Return which labels can be equal: "numbers", "strings", "dates", "durations" or "other"."""
    kinds = {"U": "strings", "O": "strings", "T": "strings", "M": "dates", "m": "durations"}
    return "numbers" if labels.dtype.kind in "biuf" else kinds.get(labels.dtype.kind, "other")


def check_same_kind(y, classes, indicator):
    """Refuse labels that cannot be those of a network, whatever their values.

    Parameters
    ----------
    y : ndarray of shape (n_samples,) or (n_samples, n_labels)
    classes : ndarray of shape (n_classes,)
        The network's labels, or the numbers of the columns of its label indicator.
    indicator : bool
        Whether they are those.
    """
    if (y.ndim == 2) != indicator:
        matrix = f"a label indicator of {y.shape[1] if y.ndim == 2 else len(classes)} columns"
        got, expected = ("one label a row", matrix) if indicator else (matrix, "one label a row")
        raise ValueError(
            f"y is {got}, but the network is trained on {expected}. Pass labels of the same "
            f"form; sklearn.preprocessing.MultiLabelBinarizer makes label indicators."
        )
    if indicator:
        if y.shape[1] != len(classes):
            raise ValueError(
                f"y has {y.shape[1]} label columns, but there are {len(classes)}. Each column is "
                f"an output of the network, whose outputs cannot change."
            )
    elif label_kind(y) != label_kind(classes):
        raise ValueError(
            f"y has labels that are {label_kind(y)}, such as {y[:1].tolist()[0]!r}, but the "
            f"classes {classes} are {label_kind(classes)}. Convert them, for example with "
            f"y.astype(str) or y.astype(int)."
        )


def refuse_unseen(y, classes):
    """Refuse labels outside of the classes."""
    unseen = np.array([]) if y.ndim == 2 else np.setdiff1d(y, classes)
    if len(unseen):
        raise ValueError(
            f"y has labels {unseen} that are not in classes {classes}, which are all that the "
            f"network tells apart. Leave their rows out, or name all labels when it is made (in y "
            f"of fit, or in classes of the first call to partial_fit)."
        )
