"""Labels and weights: from what the user has to what the network is trained on, and back.

`LabelTargets` is what training needs to know of a classifier's y, as ``numeric_targets`` has it for
a regressor. Three kinds of labels occur. Several classes become their numbers, for a softmax over
one output each; two classes become a column of 0 and 1, for the logistic sigmoid of a single
output; and a label indicator, a matrix of 0 and 1 that allows a row any number of labels,
stays what it is, for one logistic output per label.
"""

from numbers import Real
from sys import float_info

import numpy as np
from sklearn.utils.class_weight import compute_sample_weight

from sk_twolayer.labels import (
    check_labels,
    check_same_kind,
    refuse_unseen,
    resolve_classes,
    resolve_named_classes,
)


class LabelTargets:
    """The labels that a network tells apart.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
        Sorted labels, or the numbers of the columns of a label indicator.
    indicator : bool
        Whether they are those.

    Attributes
    ----------
    output : {"softmax", "logistic"}
        What turns the scores of the network into probabilities.
    n_outputs : int
        Scores of the network.
    """

    check_form = staticmethod(check_labels)

    def __init__(self, classes, indicator):
        self.classes, self.indicator = classes, indicator
        two = len(classes) == 2 and not indicator
        self.n_outputs = 1 if two else len(classes)
        self.output = "logistic" if two or indicator else "softmax"

    @classmethod
    def resolve(cls, known, y, sample_weight):
        """Return the targets of y in `fit`; known are those of the network to go on with."""
        earlier = (known.classes, known.indicator) if known else ()
        return cls(resolve_classes(y, *earlier), y.ndim == 2)

    @classmethod
    def resolve_named(cls, known, y, sample_weight, classes):
        """Return the targets of a stream, whose classes the user names."""
        earlier = (known.classes, known.indicator) if known else ()
        return cls(resolve_named_classes(y, classes, *earlier), y.ndim == 2)

    def attributes(self):
        """Return what a fitted estimator knows of its targets."""
        return {"classes_": self.classes}

    def check(self, y):
        """Refuse labels that the network does not tell apart."""
        check_same_kind(y, self.classes, self.indicator)
        refuse_unseen(y, self.classes)

    def strata(self, y):
        """Return what rows that are held out are to have in the shares of all, or None."""
        return None if self.indicator else y

    def encode(self, y, dtype, predicted_in=None):
        """Turn labels into what the network is trained on, whatever dtype it predicts in."""
        return encode(y, self.classes, dtype)

    def weigh(self, y, sample_weight, estimator, earlier, one_pass, dtype):
        """Weigh the rows, and count what each class weighs in them and in earlier chunks.

        Parameters
        ----------
        y : ndarray of shape (n_samples,) or (n_samples, n_labels)
        sample_weight : ndarray of shape (n_samples,) or None
        estimator : TwoLayerClassifier
            Whose `class_weight` is read.
        earlier : TrainingState or None
            Knows the class counts of earlier chunks.
        one_pass : bool
            Whether this is `partial_fit`.
        dtype : dtype
            Of the weights.

        Returns
        -------
        weights : ndarray of shape (n_samples,) or None
        class_counts : ndarray of shape (n_classes,) or None
        """
        class_counts = None
        if not self.indicator:
            class_counts = count_classes(y, self.classes, sample_weight)
            if one_pass and earlier and earlier.class_counts is not None:
                class_counts = class_counts + earlier.class_counts
        weights = weigh_rows(
            y,
            self.classes,
            sample_weight,
            estimator.class_weight,
            class_counts,
            all_named=one_pass,
            dtype=dtype,
        )
        if not one_pass:
            refuse_single_class(y, self.classes, weights)
        return weights, class_counts


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
        return y
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


def refuse_single_class(y, classes, weights):
    """Refuse to fit one-dimensional labels of which all but one class have no weight.

    Parameters
    ----------
    y : ndarray of shape (n_samples,) or (n_samples, n_labels)
    classes : ndarray of shape (n_classes,)
    weights : ndarray of shape (n_samples,) or None
        Of the rows, those of their classes multiplied in.
    """
    if y.ndim == 2:
        return
    present = classes if weights is None else np.unique(y[weights > 0])
    if len(present) < 2:
        raise ValueError(
            f"y has only 1 class of a weight above zero, {present[0]}: there is nothing to tell "
            f"apart. Give the classifier rows of at least 2."
        )


def weigh_classes(class_weight, classes, class_counts, *, all_named=False):
    """Return the weight of each class.

    Parameters
    ----------
    class_weight : dict or "balanced"
        A class that a dictionary does not name has weight 1.
    classes : ndarray of shape (n_classes,)
    class_counts : ndarray of shape (n_classes,)
        Total weight of the rows of each class, which "balanced" balances. A class that has
        not occurred yet gets weight 1.
    all_named : bool, default=False
        Whether the user has named `classes`. Then a dictionary names no others. Labels that
        were found in y may lack some, as in a fold of a cross-validation: as elsewhere in
        scikit-learn, weights of others are refused only if one of those found has none.

    Returns
    -------
    weights : ndarray of shape (n_classes,)
    """
    weights = np.ones(len(classes))
    if isinstance(class_weight, str):
        present = class_counts > 0
        counts = class_counts[present]
        with np.errstate(over="ignore"):
            weights[present] = counts.sum() / (len(counts) * counts)
        return weights
    for label, weight in class_weight.items():
        if not (isinstance(weight, Real) and 0 <= weight <= float_info.max):
            raise ValueError(
                f"class_weight has the weight {weight!r} for class {label!r}. Weights of classes "
                f"are finite numbers, none negative; 0 leaves a class out."
            )
    labels = classes.tolist()
    known = set(labels)
    unknown = [label for label in class_weight if label not in known]
    if unknown and (all_named or any(label not in class_weight for label in labels)):
        raise ValueError(
            f"class_weight has weights for {unknown}, which are not among the classes {classes}. "
            f"Its keys must be labels as they are in y."
        )
    weights[:] = [class_weight.get(label, 1) for label in labels]
    return weights


def weigh_rows(
    y, classes, sample_weight, class_weight, class_counts, *, all_named=False, dtype=np.float64
):
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
    all_named : bool, default=False
        As for `weigh_classes`.
    dtype : dtype, default=np.float64
        What the network computes in.

    Returns
    -------
    weights : ndarray of shape (n_samples,) or None
        In that dtype; up to a common factor, which does not matter.

    Raises
    ------
    ValueError
        If no row has a weight above zero, or one has no finite weight.
    """
    if class_weight is None:
        return None if sample_weight is None else cast_weights(sample_weight, dtype)
    if y.ndim == 2:
        if not isinstance(class_weight, str):
            raise ValueError(
                f"class_weight={class_weight} cannot be used with a label indicator y, whose rows "
                f"may have several labels. Use 'balanced', or weigh the rows with sample_weight."
            )
        weights = compute_sample_weight(class_weight, y)
    else:
        of_class = weigh_classes(class_weight, classes, class_counts, all_named=all_named)
        weights = of_class[np.searchsorted(classes, y)]
    if sample_weight is None:
        return cast_weights(weights, dtype)
    # Either may be extreme, but only ratios matter.
    sample_weight = cast_weights(sample_weight, np.float64)
    return cast_weights(cast_weights(weights, np.float64) * sample_weight, dtype)


def cast_weights(weights, dtype):
    """Cast weights of which only ratios matter, so that they neither overflow nor vanish.

    Where the largest is so large or small that sums or products with the others might leave the
    range of the dtype, all are divided by a power of two, which leaves their digits alone.
    """
    largest = weights.max()
    if largest == 0:
        raise ValueError(
            "No row has a weight above zero (weights of rows and of classes are multiplied), so "
            "that there is nothing to train on. Give some rows more weight."
        )
    if not np.isfinite(largest):
        raise ValueError(
            "The weight of some class is infinite: 'balanced' divides by the weight of its rows, "
            "which is close to zero. Give them more weight, or leave them out with weight 0."
        )
    _, exponent = np.frexp(largest)
    if abs(exponent) > np.finfo(dtype).maxexp // 2:
        weights = np.ldexp(weights, -exponent)
    return weights.astype(dtype, copy=False)
