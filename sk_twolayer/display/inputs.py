"""The inputs that both displays share: an estimator that contains a network, and an axes."""

from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted


def find_network(estimator, attribute):
    """Return the steps before the network inside `estimator`, and the fitted network."""
    steps, network, unfinished_search = [], estimator, None
    while not hasattr(network, "hidden_size"):
        if hasattr(network, "best_estimator_"):
            network = network.best_estimator_
        elif hasattr(network, "refit") and hasattr(network, "estimator"):
            # Even if the search's initial estimator is fitted, it is not the search's result.
            unfinished_search, network = network, network.estimator
        elif hasattr(network, "steps"):
            *before, (_, network) = network.steps
            steps += [(name, step) for name, step in before if step not in (None, "passthrough")]
        else:
            raise TypeError(
                "estimator must be a TwoLayerClassifier or TwoLayerRegressor, or a pipeline or "
                "search that ends in one; "
                f"this {type(estimator).__name__} ends in {network!r}."
            )
    if unfinished_search is not None:
        raise NotFittedError(
            f"This {type(unfinished_search).__name__} has no best_estimator_. Call fit, with "
            "refit=True, before drawing it."
        )
    check_is_fitted(network, attribute)
    return steps, network


def turn_off(ax):
    """Turn off an axes that others replace, and raise if it is off already."""
    if not ax.axison:
        raise ValueError(
            "The ax was already used in another plot function, please set ax=display.axes_ instead."
        )
    ax.set_axis_off()
