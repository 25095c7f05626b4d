"""The gradient check: compare the gradients of the backward pass with differences of the loss.

The check increases and decreases a parameter by a small step. The difference of the two losses,
divided by twice the step, must equal the gradient. This takes two losses per parameter, so that the
check draws a sample of the parameters of a large model.
"""

import numpy as np
from sklearn.utils.validation import check_array, check_is_fitted, column_or_1d

from sk_twolayer.network import TwoLayerNetwork


def gradient_check(
    estimator_or_parameters,
    X,
    y,
    sample_weight=None,
    *,
    alpha=0.0,
    activation="relu",
    output="softmax",
    step=1e-5,
    max_coordinates=1000,
    random_state=0,
):
    """Compare analytic gradients with central differences, in float64.

    Parameters
    ----------
    estimator_or_parameters : fitted TwoLayerClassifier, TwoLayerRegressor or dict
        The model to check, or its parameters ``{"W1": ..., "b1": ..., "W2": ..., "b2": ...}``. The
        arguments `alpha`, `activation` and `output` belong to the parameters; an estimator has
        its own.
    X : array-like of shape (n_samples, n_features)
        The samples. A few dozen are enough.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        For an estimator, the targets as for `fit`. For parameters, class indices for a softmax,
        labels 0 or 1 for a logistic output, otherwise continuous targets.
    sample_weight : array-like of shape (n_samples,), default=None
        Sample weights.
    alpha : float, default=0.0
        Strength of the L2 penalty.
    activation : str, default="relu"
        Activation function of the hidden units.
    output : {"softmax", "logistic", "identity", "absolute_error", "exp"} or tuple, \
            default="softmax"
        Function that turns scores into probabilities; "identity" for predictions with the squared
        loss, and "exp" for predictions with the Poisson loss. "absolute_error" and
        ``("quantile", {"quantile": 0.9})`` are other losses of predictions that are the scores.
    step : float, default=1e-5
        Step of the central differences.
    max_coordinates : int, default=1000
        Maximum number of entries to check in each of W1, b1, W2 and b2. A larger array is sampled.
    random_state : int, default=0
        Seed of the sample.

    Returns
    -------
    errors : dict of str to float
        For each of W1, b1, W2 and b2, the maximum of ``|a - n| / max(1e-8, |a| + |n|)`` over its
        entries, where a is the analytic and n the numeric gradient. It is about 1e-9 to 1e-6 if
        they agree. The check leaves out an entry if its step changes the sign of a relu's input,
        or of an error under the absolute error or a quantile's loss, where the loss is not
        differentiable. NaN if no entry is left.

    Raises
    ------
    ValueError
        If the shapes do not match.
    sklearn.exceptions.NotFittedError
        If the estimator is not fitted.

    References
    ----------
    "Gradient checks", notes of CS231n, Stanford University.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sk_twolayer import TwoLayerClassifier
    >>> from sk_twolayer.gradient_check import gradient_check
    >>> X, y = load_iris(return_X_y=True)
    >>> model = TwoLayerClassifier(hidden_size=5, max_updates=10, random_state=0).fit(X, y)
    >>> errors = gradient_check(model, X[::5], y[::5])
    >>> list(errors), max(errors.values()) < 1e-6
    (['W1', 'b1', 'W2', 'b2'], True)
    """
    X = check_array(X, dtype=np.float64)
    y = np.asarray(y)
    if isinstance(estimator_or_parameters, dict):
        W1, b1, W2, b2 = (estimator_or_parameters[name] for name in ("W1", "b1", "W2", "b2"))
    else:
        model = estimator_or_parameters
        check_is_fitted(model)
        (W1, W2), (b1, b2) = model.coefs_, model.intercepts_
        targets = model._targets.of(model)
        activation, output = model.activation, targets.network_output
        alpha = 0.0 if model.solver == "adamw" else model.alpha_  # weight decay is no penalty
        y = targets.encode(y, np.float64)
    if X.shape[1] != len(W1) or len(X) != len(y):
        raise ValueError(
            f"X has shape {X.shape}, y has {len(y)} samples, and W1 has {len(W1)} features. Pass "
            "as many samples in y as in X, and the features that the model was trained on."
        )
    if sample_weight is not None:
        sample_weight = column_or_1d(sample_weight).astype(np.float64)

    network = TwoLayerNetwork(
        *W1.shape,
        W2.shape[1],
        batch_size=len(X),
        alpha=alpha,
        activation=activation,
        output=output,
        dtype=np.float64,
    )
    for own, given in zip(
        (network.W1, network.W2, network.b1, network.b2), (W1, W2, b1, b2), strict=True
    ):
        own[...] = given

    def sides_of_kinks():
        """Return the signs that a relu or the loss has a kink between, as one array of bool."""
        sides = [X @ network.W1 + network.b1 > 0] if activation == "relu" else []
        if (output if isinstance(output, str) else output[0]) in ("absolute_error", "quantile"):
            sides.append(network.scores(X) > np.reshape(y, (len(X), -1)))
        return np.hstack(sides) if sides else np.empty(0)

    def loss_at(parameter, entry, value):
        """Return the loss and the sides of its kinks, with one entry set to a value."""
        kept = parameter[entry]
        parameter[entry] = value
        loss, _ = network.loss_and_gradients(X, y, sample_weight)
        sides = sides_of_kinks()
        parameter[entry] = kept
        return loss, sides

    network.loss_and_gradients(X, y, sample_weight)
    gradients = {name: getattr(network, f"d{name}").copy() for name in ("W1", "b1", "W2", "b2")}
    rng = np.random.RandomState(random_state)
    errors = {}
    for name, analytic in gradients.items():
        parameter = getattr(network, name)
        entries = rng.permutation(parameter.size)[:max_coordinates]
        errors[name] = np.nan
        for entry in zip(*np.unravel_index(entries, parameter.shape), strict=True):
            above, sides_above = loss_at(parameter, entry, parameter[entry] + step)
            below, sides_below = loss_at(parameter, entry, parameter[entry] - step)
            if (sides_above != sides_below).any():
                continue
            a, n = analytic[entry], (above - below) / (2 * step)
            errors[name] = np.fmax(errors[name], abs(a - n) / max(1e-8, abs(a) + abs(n)))
    return {name: float(error) for name, error in errors.items()}
