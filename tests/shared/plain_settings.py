"""Settings that tests rely on, in full, so that they do not change with the defaults."""

from sk_twolayer import TwoLayerClassifier, TwoLayerRegressor

# Momentum, a penalty in the gradient, a rate that decays after each epoch, and a length that
# progress decides. Nothing is planned ahead, and only weights and batches are drawn.
PLAIN = {
    "hidden_size": 100,
    "solver": "sgd",
    "alpha": 1e-3,
    "learning_rate_schedule": "exponential",
    "warmup_fraction": 0.0,
    "learning_rate_decay": 0.95,
    "momentum": 0.9,
    "nesterov": True,
    "beta_1": 0.9,
    "beta_2": 0.999,
    "dropout": 0.0,
    "max_iter": 200,
    "n_iter_no_change": 10,
}


def plain_classifier(hidden_size=100, **options):
    """Make an estimator with `PLAIN` settings, except for the options."""
    return TwoLayerClassifier(**PLAIN | {"hidden_size": hidden_size} | options)


# No update depends on the length of the training, and only initial weights and batches are random.
PLAIN_REGRESSOR = {
    "hidden_size": 6,
    "alpha": 0.01,
    "learning_rate": 0.02,
    "learning_rate_schedule": "constant",
    "warmup_fraction": 0.0,
    "dropout": 0.0,
    "n_iter_no_change": None,
    "random_state": 0,
}


def plain_regressor(**options):
    """Make a regressor with `PLAIN_REGRESSOR` settings, except for the options."""
    return TwoLayerRegressor(**PLAIN_REGRESSOR | options)
