"""The forward pass of a fitted network: its scores, or the activations of its hidden layer.

Samples are computed in chunks, sparse samples are never made dense, and pending updates of W1 stay
pending.
"""

import numpy as np
from scipy.sparse import issparse
from sklearn.utils.validation import check_is_fitted

from sk_twolayer.data import refuse_infinite_outputs, validate_samples_to_predict
from sk_twolayer.network import compute_hidden, compute_scores
from sk_twolayer.sparse import keep_columns, occurring_features, read_weights


def predict_scores(estimator, X):
    """Return the scores of samples, of shape (n_samples, n_outputs)."""
    X, samples, (W1, W2), (b1, b2), activation = samples_and_parameters(estimator, X)
    scores = compute_scores(samples, W1, W2, b1, b2, activation)
    if not np.isfinite(scores).all():
        refuse_infinite_outputs(X, scores, "scores")
    return scores


def hidden_activations(estimator, X):
    """Return the hidden activations of samples, of shape (n_samples, hidden_size)."""
    X, samples, (W1, _), (b1, _), activation = samples_and_parameters(estimator, X)
    hidden = compute_hidden(samples, W1, b1, activation)
    if not np.isfinite(hidden).all():
        refuse_infinite_outputs(X, hidden, "hidden activations")
    return hidden


def samples_and_parameters(estimator, X):
    """Return the validated samples, their columns that W1 has rows for, and the parameters."""
    fitted = dict(vars(estimator))  # another thread may train the estimator
    if "out_activation_" not in fitted:  # the check takes a fifth of the time of one sample
        check_is_fitted(estimator, "out_activation_")
    samples = X = validate_samples_to_predict(estimator, X)
    if "coefs_" in fitted:
        coefs = fitted["coefs_"]
    elif issparse(X):
        features = occurring_features(X)
        samples = keep_columns(X, features, np.empty(X.shape[1], np.int32))
        fitted, coefs = read_weights(estimator, features)
    else:
        fitted, coefs = read_weights(estimator)
    (W1, W2), (b1, b2) = coefs, fitted["intercepts_"]
    # Users may have set the parameters to lists.
    weights, biases = (np.asarray(W1), np.asarray(W2)), (np.asarray(b1), np.asarray(b2))
    return X, samples, weights, biases, fitted["activation"]
