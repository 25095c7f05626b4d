"""Targets of a classifier: labels checked, encoded for the network, and decoded from its scores.

Three kinds occur. Several classes become class numbers, for a softmax over one output each. Two
classes become a column of 0 and 1, for the logistic sigmoid of a single output. A label indicator,
a matrix of 0 and 1 that gives a sample any number of labels, has one logistic output per label.

NumPy compares strings with numbers, and a matrix with a list, without an error. So labels are
compared by kind and form first: numbers of any dtype with numbers, strings with strings, one label
per sample with one label per sample, a label indicator with another of as many columns.
"""

import numpy as np
from scipy.sparse import issparse
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import column_or_1d

from sk_twolayer.data.weights import cast_weights, multiply_weights, weigh_classes


def check_labels(y):
    """Return y as one-dimensional labels or as a dense label indicator of 0 and 1."""
    refuse_mixed_types(y, "y")
    form = type_of_target(y)
    if form.startswith("continuous"):
        raise ValueError(
            f"Unknown label type: {form}. y holds numbers that are not whole, and labels are. For "
            f"continuous targets there is TwoLayerRegressor; np.digitize makes classes of them."
        )
    check_classification_targets(y)
    if form == "multilabel-indicator":
        y = y.toarray() if issparse(y) else np.asarray(y)
        values = np.unique(y)
        if not np.isin(values, [0, 1]).all():
            raise ValueError(
                f"y is a matrix of {values}, but a label indicator is one of 0 and 1. Make it "
                f"one, for example with (y > 0).astype(int)."
            )
        return y.astype(np.uint8)
    y = column_or_1d(y, warn=True)
    if y.dtype.kind in "mM" and np.isnat(y).any():
        raise ValueError("Input y contains NaT, a missing value. Leave such samples out.")
    return y


class ClassTargets:
    """The labels that a network tells apart.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
        Sorted labels, or the column numbers of a label indicator.
    indicator : bool
        Whether y is a label indicator.

    Attributes
    ----------
    output : {"softmax", "logistic"}
        Turns the scores of the network into probabilities.
    network_output : str
        The same, for the network.
    n_outputs : int
        Number of scores.
    score_name : "accuracy"
        Of the network's own score.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_twolayer.data import ClassTargets
    >>> targets = ClassTargets(np.array(["cat", "dog"]), indicator=False)
    >>> targets.encode(np.array(["dog", "cat"]), float)
    array([[1.],
           [0.]])
    >>> targets.decode(np.array([[-2.0], [3.0]]))
    array(['cat', 'dog'], dtype='<U3')
    """

    check_form, score_name = staticmethod(check_labels), "accuracy"

    def __init__(self, classes, indicator):
        if not classes.dtype.isnative:
            classes = classes.astype(classes.dtype.newbyteorder("="))
        self.classes, self.indicator = classes, indicator
        two = len(classes) == 2 and not indicator
        self.n_outputs = 1 if two else len(classes)
        self.output = self.network_output = "logistic" if two or indicator else "softmax"

    @classmethod
    def of(cls, estimator):
        """Return the targets that an estimator was fitted on."""
        n_outputs = len(estimator.intercepts_[1])
        return cls(estimator.classes_, estimator.out_activation_ == "logistic" and n_outputs > 1)

    @classmethod
    def resolve(cls, known, y, sample_weight):
        """Return the targets of y in `fit`.

        Parameters
        ----------
        known : ClassTargets or None
            The targets of a network that is trained further.
        y : ndarray of shape (n_samples,) or (n_samples, n_labels)
            Labels or a label indicator.
        sample_weight : object
            Not used.

        Returns
        -------
        targets : ClassTargets

        Raises
        ------
        ValueError
            If y has not the known classes.
        """
        classes = np.arange(y.shape[1]) if y.ndim == 2 else np.unique(y)
        if known is None:
            return cls(classes, y.ndim == 2)
        known.check_kind(y)
        if not np.array_equal(classes, known.classes):
            raise ValueError(
                f"warm_start can only be used where `y` has the same classes as in the previous "
                f"call to fit. Previously got {known.classes}, `y` has {classes}. Pass samples of "
                f"all classes, or fit anew with warm_start=False."
            )
        return known

    @classmethod
    def resolve_named(cls, known, y, sample_weight, classes):
        """Return the targets of a stream, whose classes the user names.

        Parameters
        ----------
        known, y, sample_weight
            As for `resolve`; y is a chunk.
        classes : array-like of shape (n_classes,) or None
            All labels that will ever occur.

        Returns
        -------
        targets : ClassTargets

        Raises
        ------
        ValueError
            If `classes` is missing in the first call, differs in a later one or is no list of
            labels, or if y holds a label outside of it.
        """
        if classes is None and known is None:
            raise ValueError(
                "classes must be given in the first call to partial_fit: later chunks may hold "
                "labels that this one does not."
            )
        if classes is not None:
            classes = check_named_classes(classes)
        if known is not None:
            if classes is not None and not (
                label_kind(classes) == label_kind(known.classes)
                and np.array_equal(classes, known.classes)
            ):
                raise ValueError(
                    f"classes={classes} is not the same as in the previous call: {known.classes}. "
                    f"The outputs of the network cannot change; fit a new estimator."
                )
            known.check(y)
            return known
        if y.ndim == 2:
            if not np.array_equal(classes, np.arange(y.shape[1])):
                raise ValueError(
                    f"classes={classes}, but y is a label indicator of {y.shape[1]} columns: then "
                    f"classes must be their numbers, {np.arange(y.shape[1])}."
                )
        elif len(classes) < 2:
            raise ValueError(f"classes={classes} has only 1 class: at least 2 are needed.")
        targets = cls(classes, y.ndim == 2)
        targets.check(y)
        return targets

    def attributes(self):
        """Return the fitted attributes of an estimator that describe its targets."""
        return {"classes_": self.classes}

    def check(self, y):
        """Refuse labels that the network does not tell apart."""
        self.check_kind(y)
        unseen = np.array([]) if y.ndim == 2 else np.setdiff1d(y, self.classes)
        if len(unseen):
            raise ValueError(
                f"y has labels {unseen} that are not in classes {self.classes}, which are all that "
                f"the network tells apart. Leave these samples out, or name all labels when the "
                f"network is made (in y of fit, or in classes of the first call to partial_fit)."
            )

    def check_kind(self, y):
        """Refuse labels that cannot belong to the network, whatever their values."""
        classes = self.classes
        if (y.ndim == 2) != self.indicator:
            matrix = f"a label indicator of {y.shape[1] if y.ndim == 2 else len(classes)} columns"
            forms = "one label per sample", matrix
            got, expected = forms if self.indicator else forms[::-1]
            raise ValueError(
                f"y is {got}, but the network is trained on {expected}. Pass labels of the same "
                f"form; sklearn.preprocessing.MultiLabelBinarizer makes label indicators."
            )
        if self.indicator:
            if y.shape[1] != len(classes):
                raise ValueError(
                    f"y has {y.shape[1]} label columns, but there are {len(classes)}. Each column "
                    f"is an output of the network, whose outputs cannot change."
                )
        elif label_kind(y) != label_kind(classes):
            raise ValueError(
                f"y has labels that are {label_kind(y)}, such as {y[:1].tolist()[0]!r}, but the "
                f"classes {classes} are {label_kind(classes)}. Convert them, for example with "
                f"y.astype(str) or y.astype(int)."
            )

    def strata(self, y):
        """Return the classes by which held-out samples are stratified, or None."""
        return None if self.indicator else y

    def weigh(self, y, sample_weight, class_weight, counted, dtype):
        """Multiply the weights of samples and classes, and count the weight of each class.

        Parameters
        ----------
        y : ndarray of shape (n_samples,) or (n_samples, n_labels)
        sample_weight : ndarray of shape (n_samples,) or None
        class_weight : dict, "balanced" or None
            A label indicator is balanced column by column, and a sample's weight is the product
            of its columns' weights, as elsewhere in scikit-learn.
        counted : ndarray of shape (n_classes,), 0 or None
            Weight of each class in earlier chunks; None in `fit`. In a stream the user has named
            the classes, and a chunk may lack some.
        dtype : dtype
            Of the weights.

        Returns
        -------
        weights : ndarray of shape (n_samples,) or None
        class_counts : ndarray of shape (n_classes,) or None
            Weight of each class so far; None for a label indicator.

        Raises
        ------
        ValueError
            If no sample has a weight above zero, or in `fit` only one class has.
        """
        weights = class_counts = None
        if not self.indicator:
            codes = np.searchsorted(self.classes, y)
            class_counts = np.bincount(codes, weights=sample_weight, minlength=len(self.classes))
            if counted is not None:
                class_counts = class_counts + counted
        elif class_weight is not None and not isinstance(class_weight, str):
            raise ValueError(
                f"class_weight={class_weight} cannot be used with a label indicator y, whose "
                f"samples may have several labels. Use 'balanced', or weigh the samples with "
                f"sample_weight."
            )
        if class_weight is not None and self.indicator:
            weights = compute_sample_weight(class_weight, y)
        elif class_weight is not None:
            named = counted is not None
            of_classes = weigh_classes(class_weight, self.classes, class_counts, all_named=named)
            weights = of_classes[codes]
        if weights is not None and sample_weight is not None:
            weights = multiply_weights(weights, sample_weight, dtype)
        elif class_weight is not None or sample_weight is not None:
            weights = cast_weights(sample_weight if weights is None else weights, dtype)
        if counted is None and not self.indicator:
            self.refuse_single_class(y, weights)
        return weights, class_counts

    def refuse_single_class(self, y, weights):
        """Refuse to fit labels of which all but one class have no weight."""
        present = self.classes if weights is None else np.unique(y[weights > 0])
        if len(present) < 2:
            raise ValueError(
                f"y has only 1 class of a weight above zero, {present[0]}: there is nothing to "
                f"tell apart. Give the classifier samples of at least 2."
            )

    def encode(self, y, dtype, predicted_in=None):
        """Turn labels into targets.

        Parameters
        ----------
        y : ndarray of shape (n_samples,) or (n_samples, n_labels)
            Labels out of `classes`, or a label indicator.
        dtype : dtype
            Of the column for two classes.
        predicted_in : object
            Not used: labels have no dtype to overflow.

        Returns
        -------
        targets : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Class numbers for a softmax, or 0 and 1 for logistic outputs.
        """
        if self.indicator:
            return y
        codes = np.searchsorted(self.classes, y)
        return codes[:, np.newaxis].astype(dtype) if len(self.classes) == 2 else codes

    def decode(self, scores):
        """Turn scores into the likeliest label of each sample, or into a label indicator."""
        if self.output == "softmax":
            return self.classes[scores.argmax(axis=1)]
        if self.indicator:
            return (scores > 0).astype(np.int64)
        return self.classes[(scores.ravel() > 0).astype(np.intp)]


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


def check_named_classes(classes):
    """Return `classes` as a sorted array without repetitions."""
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
