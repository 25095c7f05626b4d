"""What the hyper-parameters rule out: each other, or methods, which `hasattr` then denies."""

from functools import update_wrapper
from types import MethodType


class NotAvailableError(ValueError, AttributeError):
    """A method that the hyper-parameters rule out, so that `hasattr` denies it too."""


class AvailableUnlessRefused:
    """scikit-learn's `available_if`, but the error is that of the check, which says what to do.

    Parameters
    ----------
    method : function
        Of an estimator.
    check : callable
        Given the estimator, raises an AttributeError if there is to be no such method.
    """

    def __init__(self, method, check):
        self.method, self.check = method, check
        update_wrapper(self, method)

    def __get__(self, model, owner):
        if model is None:  # documentation and metadata routing look at the class
            return self.method
        self.check(model)
        return MethodType(self.method, model)


def refuse_dropout(estimator):
    """Refuse dropout where the loss must be no random number."""
    if estimator.solver == "lbfgs" and estimator.dropout not in ("auto", 0):
        raise ValueError(
            f"dropout={estimator.dropout} makes the loss a random number, which the line search "
            f"of solver='lbfgs' cannot follow. Use 'adamw', 'adam' or 'sgd', or dropout=0."
        )


def refuse_partial_fit(estimator):
    """Refuse `partial_fit` where one pass over a chunk makes no sense."""
    if estimator.solver == "lbfgs":
        raise NotAvailableError(
            "partial_fit is only available for stochastic optimizers. solver='lbfgs' needs all "
            "rows at once: use 'adamw', 'adam' or 'sgd'."
        )
    if estimator.early_stopping:
        raise NotAvailableError(
            "partial_fit does not support early_stopping=True: it makes a single pass. "
            "Monitor the score on validation rows of your own between the calls."
        )
