"""Labels and weights: from what the user has to what the network is trained on, and back.

Three kinds of labels occur. Several classes become their numbers, for a softmax over one
output each; two classes become a column of 0 and 1, for the logistic sigmoid of a single
output; and a label indicator, a matrix of 0 and 1 that allows a row any number of labels,
stays what it is, for one logistic output per label.
"""

import numpy as np
from scipy.sparse import issparse
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import column_or_1d


def find_classes(y):
    """Return the sorted labels in y, or the numbers of the columns of a label indicator."""
    return np.arange(y.shape[1]) if y.ndim == 2 else np.unique(y)


def check_labels(y):
    """Make y one-dimensional labels or a dense label indicator."""
    check_classification_targets(y)
    if type_of_target(y) == "multilabel-indicator":
        return (y.toarray() if issparse(y) else np.asarray(y)).astype(np.uint8)
    return column_or_1d(y, warn=True)


def encode(y, classes, dtype):
    """Turn labels into targets.

    Parameters
    ----------
    y : ndarray of shape (n_samples,) or (n_samples, n_labels)
        Labels out of `classes`, or a label indicator.
    classes : ndarray of shape (n_classes,)
        The sorted labels.
    dtype : dtype
        Of the targets of a logistic output.

    Returns
    -------
    targets : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        Class numbers for a softmax, or 0 and 1 for logistic outputs.
    """
    if y.ndim == 2:
        if y.shape[1] != len(classes):
            raise ValueError(f"y has {y.shape[1]} label columns, but there are {len(classes)}.")
        return y
    unseen = np.setdiff1d(y, classes)
    if len(unseen):
        raise ValueError(
            f"y has labels {unseen} that are not in classes {classes}. The outputs of the network "
            f"cannot change: name all labels when it is made (in the first call to partial_fit)."
        )
    codes = np.searchsorted(classes, y)
    if len(classes) == 2:
        return codes[:, np.newaxis].astype(dtype)
    return codes


def decode(scores, classes, output):
    """Turn scores into labels, the likeliest of each row, or into a label indicator."""
    if output == "softmax":
        return classes[scores.argmax(axis=1)]
    if scores.shape[1] == 1:
        return classes[(scores.ravel() > 0).astype(np.intp)]
    return (scores > 0).astype(np.int64)


def count_classes(y, classes, sample_weight):
    """Total weight of the rows of each class."""
    return np.bincount(np.searchsorted(classes, y), weights=sample_weight, minlength=len(classes))


def weigh_rows(y, classes, sample_weight, class_weight, class_counts):
    """Multiply the weights of rows and of their classes.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
    classes : ndarray of shape (n_classes,)
    sample_weight : ndarray of shape (n_samples,) or None
    class_weight : dict, "balanced" or None
    class_counts : ndarray of shape (n_classes,)
        What "balanced" balances. A label indicator is balanced column by column, each row
        counting by the product of its columns' weights, as elsewhere in scikit-learn.

    Returns
    -------
    weights : ndarray of shape (n_samples,) or None
    """
    if class_weight is None:
        return sample_weight
    if y.ndim == 2:
        if class_weight != "balanced":
            raise ValueError(
                f"class_weight={class_weight} cannot be used with a label indicator y, whose rows "
                f"may have several labels. Use 'balanced', or weigh the rows with sample_weight."
            )
        weights = compute_sample_weight(class_weight, y)
        return weights if sample_weight is None else weights * sample_weight
    present = class_counts > 0
    of_class = np.ones(len(classes))
    of_class[present] = compute_class_weight(
        class_weight,
        classes=classes[present],
        y=classes[present],
        sample_weight=class_counts[present],
    )
    weights = of_class[np.searchsorted(classes, y)]
    return weights if sample_weight is None else weights * sample_weight
