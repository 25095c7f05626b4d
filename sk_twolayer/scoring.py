"""What validation rows are scored by after each epoch, the bigger the better.

By default it is the accuracy or R2, which the network computes with the loss. It may be minus that
loss. Or any scorer of scikit-learn's tells it, which is shown an estimator whose weights are those
in training, not copies of them, but cannot be written to.
"""

from inspect import Parameter, signature
from math import isnan
from numbers import Real

from sklearn.metrics import check_scoring


def scoring_name(scoring):
    """Return what to call scores that `scoring` asks for; None where they are the network's."""
    if scoring is None or isinstance(scoring, str):
        return "minus the loss" if scoring == "loss" else scoring
    return getattr(scoring, "__name__", None) or repr(scoring)


def resolve_scorer(estimator):
    """Return the scorer that `scoring` asks for, or None where the network needs none.

    Raises
    ------
    ValueError
        If it is none.
    """
    if estimator.scoring is None or estimator.scoring == "loss":
        return None
    return check_scoring(estimator, estimator.scoring)


def make_score(scoring, scorer, view, validation, y):
    """Return what training asks for the score: a function of `Progress`, loss and own score.

    Parameters
    ----------
    scoring : str, callable or None
        The hyper-parameter.
    scorer : callable or None
        What `resolve_scorer` made of it.
    view, validation, y
        As for `ScorerScore`; `validation` is None where no rows are scored.
    """
    if scorer is None or validation is None:
        return negative_loss if scoring == "loss" else own_score
    return ScorerScore(scoring_name(scoring), scorer, view, validation, y)


def own_score(progress, loss, score):
    """Take the score that the network has computed."""
    return score


def negative_loss(progress, loss, score):
    """Take minus the loss."""
    return -loss


class ScorerScore:
    """Take what a scorer says of an estimator.

    Parameters
    ----------
    name : str
        What `scoring` calls it.
    scorer : callable
        ``scorer(estimator, X, y)``, also with `sample_weight` if it takes that.
    view : callable
        Makes an estimator of the parameters in training.
    data : Data
        The rows to validate with. Some of a larger X are copied, once.
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        What `data.y` was made of.
    """

    def __init__(self, name, scorer, view, data, y):
        self.name, self.scorer, self.view = name, scorer, view
        rows = slice(None) if len(data.rows) == len(y) else data.rows
        self.X, self.y, self.weights = data.X, y[rows], {}
        if not isinstance(rows, slice):
            self.X = data.X[rows]
        if data.sample_weight is not None and takes_weights(scorer):
            self.weights["sample_weight"] = data.sample_weight[rows]

    def __call__(self, progress, loss, score):
        """Ask the scorer.

        Raises
        ------
        ValueError
            If it fails, or says anything but a number.
        """
        estimator = self.view(progress.current_parameters())
        when = f"on the validation rows after {progress.state.history.n_updates} updates"
        try:
            value = self.scorer(estimator, self.X, self.y, **self.weights)
        except MemoryError:  # which says nothing of the scorer
            raise
        except Exception as error:
            raise ValueError(f"scoring={self.name} failed {when}: {error}") from error
        if not isinstance(value, Real) or isnan(value):
            raise ValueError(
                f"scoring={self.name} gave {value!r} {when}, and must give a number, the bigger "
                f"the better. Some scores are undefined for rows of a single class: validate with "
                f"more rows, or choose another score."
            )
        return float(value)


def takes_weights(scorer):
    """Return whether a scorer takes weights of rows."""
    # One that `make_scorer` made takes them, but hands them on to a function that need not. That
    # function has no public name.
    parameters = signature(getattr(scorer, "_score_func", scorer)).parameters
    takes_all = any(item.kind is Parameter.VAR_KEYWORD for item in parameters.values())
    return takes_all or "sample_weight" in parameters
