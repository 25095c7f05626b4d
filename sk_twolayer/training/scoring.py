"""The score of validation samples after each epoch, the larger the better.

By default it is the accuracy or R2, which the network computes with the loss. `scoring` may ask for
minus the loss, or for a scorer of scikit-learn. The scorer is called with a temporary, read-only
view of the estimator.
"""

from contextlib import suppress
from inspect import Parameter, signature
from math import isnan
from numbers import Real

from sklearn.metrics import check_scoring

from sk_twolayer.sklearn_private import scored_function


def scoring_name(scoring):
    """Return the name of the scores that `scoring` asks for, or None for the network's own."""
    if scoring is None or isinstance(scoring, str):
        return "minus the loss" if scoring == "loss" else scoring
    return getattr(scoring, "__name__", None) or repr(scoring)


def resolve_scorer(estimator):
    """Return the scorer that `scoring` asks for, or None if the network needs none.

    Raises
    ------
    ValueError
        If `scoring` is not a scorer.
    """
    if estimator.scoring is None or estimator.scoring == "loss":
        return None
    return check_scoring(estimator, estimator.scoring)


def score_function(scoring, scorer, view, validation, y):
    """Return a function of `Progress`, loss and accuracy (or R2) that returns the score.

    Parameters
    ----------
    scoring : str, callable or None
        The hyper-parameter.
    scorer : callable or None
        From `resolve_scorer`: ``scorer(estimator, X, y)``, also with `sample_weight` if it takes
        that.
    view : callable
        Makes an estimator of parameters.
    validation : Data or None
        The validation samples. If they are some of a larger X, they are copied once.
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        Their y before it was encoded.

    Returns
    -------
    score : callable or None
        None for the accuracy or R2. The function raises a ValueError if the scorer returns
        anything but a number. An exception of the scorer keeps its type, and gets a note.
    """
    if validation is None or scoring is None:
        return None
    if scorer is None:
        return lambda progress, loss, own_score: -loss
    whole = len(validation.indices) == len(y)

    def chosen(values):
        return values if whole else values[validation.indices]

    X, y, weights = chosen(validation.X), chosen(y), {}
    if validation.sample_weight is not None and takes_weights(scorer):
        weights["sample_weight"] = chosen(validation.sample_weight)

    def score(progress, loss, own_score):
        parameters = progress.current_parameters()
        name = f"scoring={scoring_name(scoring)}"
        when = f"on the validation samples after {progress.state.n_updates} updates"
        parameters.flags.writeable = False  # nor can views of it be made writeable now
        try:
            value = scorer(view(parameters), X, y, **weights)
        except Exception as error:  # its type may mean something to the user's code
            error.add_note(f"{name} failed {when}.")
            raise
        finally:
            parameters.flags.writeable = True
        with suppress(OverflowError):  # of integers beyond float64
            if isinstance(value, Real) and not isnan(value):
                return float(value)
        raise ValueError(
            f"{name} gave {value!r:.50} {when}, and must give a number, the larger the better. "
            f"Some scores are undefined for samples of a single class: validate with more samples, "
            f"or choose another score."
        )

    return score


def takes_weights(scorer):
    """Return True if a scorer takes weights of samples."""
    # A scorer of `make_scorer` takes them, but passes them to a function that may not.
    parameters = signature(scored_function(scorer)).parameters
    takes_all = any(item.kind is Parameter.VAR_KEYWORD for item in parameters.values())
    return takes_all or "sample_weight" in parameters
