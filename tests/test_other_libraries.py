"""The estimators work in the tools of Optuna, MLflow, skrub and imbalanced-learn."""

import numpy as np
import optuna
import pandas as pd
import pytest
from imblearn.over_sampling import SMOTE
from imblearn.pipeline import make_pipeline
from numpy.testing import assert_array_equal
from optuna.trial import TrialState
from sklearn.datasets import load_iris
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler, scale
from skrub import tabular_pipeline

from sk_twolayer import TwoLayerClassifier, TwoLayerRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, y = load_iris(return_X_y=True)
X = scale(X)

EPOCHS = 6


class Pruner:
    """Report the accuracy of each epoch to a trial, as a scorer or as a callback."""

    def __init__(self, trial):
        self.trial, self.n_epochs = trial, 0

    def __call__(self, estimator, X, y):
        accuracy = estimator.score(X, y)
        self.trial.report(accuracy, self.n_epochs)
        self.n_epochs += 1
        if self.trial.should_prune():
            raise optuna.TrialPruned(f"accuracy {accuracy}")
        return accuracy

    def setup(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, fitted_estimator=None):
        if context.task_name == "epoch":
            self(fitted_estimator, X, y)

    def teardown(self, estimator, context):
        pass


def fit_with_scorer(network, pruner):
    network.set_params(early_stopping=True, n_iter_no_change=None, scoring=pruner).fit(X, y)


def fit_with_callback(network, pruner):
    network.set_callbacks(pruner).fit(X, y)


def fit_by_passes(network, pruner):
    for _ in range(EPOCHS):
        pruner(network.partial_fit(X, y, classes=[0, 1, 2]), X, y)


@pytest.mark.parametrize(
    "fit",
    [
        fit_with_scorer,
        pytest.param(fit_with_callback, marks=pytest.mark.callbacks),
        fit_by_passes,
    ],
)
def test_optuna_prunes_trials(fit):
    def objective(trial):
        learning_rate = trial.suggest_float("learning_rate", 1e-9, 1e-1)
        network = TwoLayerClassifier(
            learning_rate=learning_rate, batch_size=10, max_iter=EPOCHS, random_state=0
        )
        fit(network, Pruner(trial))
        return network.score(X, y)

    rates = {"learning_rate": [1e-9, 1e-1]}
    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.GridSampler(rates, seed=0),
        pruner=optuna.pruners.ThresholdPruner(lower=0.8, n_warmup_steps=2),
    )
    study.optimize(objective)
    pruned, complete = sorted(study.trials, key=lambda trial: trial.params["learning_rate"])
    assert pruned.state == TrialState.PRUNED
    assert list(pruned.intermediate_values) == [0, 1, 2]
    assert complete.state == TrialState.COMPLETE
    assert len(complete.intermediate_values) == EPOCHS
    assert study.best_value > 0.9


@pytest.mark.callbacks
def test_mlflow_logs_epochs_and_the_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # MLflow puts its files there
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")  # read on import
    import mlflow

    class Log:
        def setup(self, estimator, context):
            mlflow.log_params(estimator.get_params())

        def on_fit_task_begin(self, estimator, context):
            pass

        def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
            if context.task_name == "epoch":
                accuracy = fitted_estimator.train_scores_[-1]
                values = {"loss": fitted_estimator.loss_, "accuracy": accuracy}
                mlflow.log_metrics(values, step=context.task_id)

        def teardown(self, estimator, context):
            pass

    mlflow.set_tracking_uri("sqlite:///mlflow.db")
    network = TwoLayerClassifier(alpha=1e-3, max_iter=EPOCHS, random_state=0)
    with mlflow.start_run() as run:
        network.set_callbacks(Log()).fit(X, y)
        logged = mlflow.sklearn.log_model(
            network.set_callbacks(),
            name="model",
            skops_trusted_types=["sk_twolayer.TwoLayerClassifier"],
            pip_requirements=[],
        )
    client = mlflow.MlflowClient()
    for name, curve in [("loss", network.loss_curve_), ("accuracy", network.train_scores_)]:
        history = client.get_metric_history(run.info.run_id, name)
        assert [(metric.step, metric.value) for metric in history] == list(enumerate(curve))
    assert client.get_run(run.info.run_id).data.params["alpha"] == "0.001"
    loaded = mlflow.sklearn.load_model(logged.model_uri)
    assert_array_equal(loaded.predict_proba(X), network.predict_proba(X))


def test_a_sampler_of_imbalanced_learn_precedes_the_classifier():
    few = np.r_[:50, 50:100, 100:110]
    rows, labels = X[few], y[few]
    network = TwoLayerClassifier(max_iter=20, random_state=0)
    model = make_pipeline(SMOTE(random_state=0), StandardScaler(), network).fit(rows, labels)
    more, more_labels = SMOTE(random_state=0).fit_resample(rows, labels)
    assert_array_equal(np.bincount(more_labels), [50, 50, 50])
    scaler = StandardScaler().fit(more)
    expected = TwoLayerClassifier(max_iter=20, random_state=0)
    expected.fit(scaler.transform(more), more_labels)
    p = expected.predict_proba(scaler.transform(X))
    assert_array_equal(model.predict_proba(X), p)
    search = GridSearchCV(model, {"twolayerclassifier__alpha": [1e-3, 1e-2]}, cv=3)
    assert search.fit(rows, labels).score(X, y) > 0.9


@pytest.mark.parametrize("network", [TwoLayerClassifier, TwoLayerRegressor])
def test_skrub_prepares_a_table_for_the_network(network):
    random = np.random.default_rng(0)
    city = random.choice(["Bern", "Oslo", "Rome"], 600)
    size = random.normal(size=600)
    table = pd.DataFrame(
        {
            "city": np.where(random.random(600) < 0.05, None, city),
            "size": np.where(random.random(600) < 0.05, np.nan, size),
            "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(600), unit="D"),
            "name": [f"{'large' if large else 'small'} no {i}" for i, large in enumerate(size > 0)],
        }
    )
    value = size + 2 * (city == "Oslo")
    target = np.where(value > 1, "high", "low") if network is TwoLayerClassifier else value
    model = tabular_pipeline(network(random_state=0)).fit(table[::2], target[::2])
    assert any(isinstance(step, SimpleImputer) for step in model)  # the network refuses nan
    assert model.score(table[1::2], target[1::2]) > 0.75
