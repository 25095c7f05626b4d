"""Weights of samples and of classes: checked, multiplied, and cast without overflow.

Only ratios of weights matter, as the loss divides by their sum. So weights may be divided by a
common power of two wherever they would leave the range of a dtype.
"""

from numbers import Real
from sys import float_info

import numpy as np
from sklearn.utils.validation import check_array

from sk_twolayer.data.misfits import find_misfit


def check_weights(weights, n_samples, name):
    """Return weights as a one-dimensional array of float32 or float64.

    Parameters
    ----------
    weights : array-like of shape (n_samples,) or float
        A number stands for as many of them.
    n_samples : int
        The length that they must have.
    name : str
        What to call them in errors.

    Returns
    -------
    weights : ndarray of shape (n_samples,)

    Raises
    ------
    ValueError, TypeError
        If they are not finite numbers, are negative, too few, too many or all zero, or if their
        sum is infinite.
    """
    if getattr(getattr(weights, "dtype", None), "kind", "f") in "cmMSUV":
        raise ValueError(
            f"{name} has dtype {weights.dtype}. Weights are real numbers, none negative."
        )
    with np.errstate(over="ignore", invalid="ignore"):
        try:
            if isinstance(weights, Real):
                weights = np.full(n_samples, weights, dtype=float)
            dtypes = [np.float64, np.float32]
            weights = check_array(weights, ensure_2d=False, dtype=dtypes, input_name=name)
        except OverflowError as error:
            raise ValueError(f"{name} holds {find_misfit(np.array(weights))[0]}.") from error
        total = weights.sum(dtype=np.float64)
    if weights.shape != (n_samples,):
        raise ValueError(
            f"{name}.shape is {weights.shape}, and must be ({n_samples},): a weight for each "
            f"sample."
        )
    if weights.min() < 0:
        row = np.argmax(weights < 0)
        raise ValueError(
            f"Negative values in data passed to `{name}`: sample {row} has {weights[row]:g}. "
            f"To leave a sample out, give it weight 0."
        )
    if total == 0:
        raise ValueError(
            f"{name} is zero for all {n_samples} samples. Give some a weight above zero."
        )
    if not np.isfinite(total):
        raise ValueError(
            f"{name} sums to more than float64 holds; its largest value is {weights.max():g}. "
            f"Only ratios of weights matter: divide {name} by its maximum."
        )
    return weights


def weigh_classes(class_weight, classes, class_counts, *, all_named=False):
    """Return the weight of each class.

    Parameters
    ----------
    class_weight : dict or "balanced"
        A class that a dictionary does not name has weight 1.
    classes : ndarray of shape (n_classes,)
    class_counts : ndarray of shape (n_classes,)
        Total weight of the samples of each class, which "balanced" balances. A class that has
        not occurred yet has weight 1.
    all_named : bool, default=False
        Whether the user has named `classes`; then a dictionary may name no others. Classes that
        were found in y may lack some, as in a fold of a cross-validation. Then, as elsewhere in
        scikit-learn, other names are refused only if a class that was found has none.

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


def multiply_weights(first, second, dtype):
    """Multiply two arrays of weights, either of which may be extreme, in a dtype."""
    product = cast_weights(first, np.float64) * cast_weights(second, np.float64)
    return cast_weights(product, dtype)


def cast_weights(weights, dtype):
    """Cast weights to a dtype so that they neither overflow nor vanish.

    Where the largest weight is so large or small that sums or products might leave the range of
    the dtype, all are divided by a power of two, which leaves their digits alone.
    """
    largest = weights.max()
    if largest == 0:
        raise ValueError(
            "No sample has a weight above zero (weights of samples and of classes are "
            "multiplied), so that there is nothing to train on. Give some samples more weight."
        )
    if not np.isfinite(largest):
        raise ValueError(
            "The weight of some class is infinite: 'balanced' divides by the weight of its "
            "samples, which is close to zero. Give them more weight, or leave them out with "
            "weight 0."
        )
    _, exponent = np.frexp(largest)
    if abs(exponent) > np.finfo(dtype).maxexp // 2:
        weights = np.ldexp(weights, -exponent)
    return weights.astype(dtype, copy=False)
