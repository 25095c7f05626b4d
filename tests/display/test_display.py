"""The displays find the network, draw its data, and do not change the state of pyplot."""

import pickle
import subprocess
import sys
import warnings
from itertools import pairwise

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.kernel_approximation import AdditiveChi2Sampler
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    MinMaxScaler,
    Normalizer,
    StandardScaler,
)

from sk_twolayer import TwoLayerClassifier
from sk_twolayer.display import LossCurveDisplay, WeightsDisplay

X, y = load_digits(return_X_y=True)
X, y = X[:300] / 16, y[:300]
N_EPOCHS, N_UPDATES = 6, 18  # three batches of 100 samples per epoch

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def network(**parameters):
    defaults = {"hidden_size": 7, "batch_size": 100, "max_iter": N_EPOCHS, "random_state": 0}
    return TwoLayerClassifier(**{**defaults, **parameters})


def search(model, **parameters):
    alphas = {"twolayerclassifier__alpha": [0.001]}
    return GridSearchCV(model, alphas, cv=2, **parameters)


@pytest.fixture(scope="module")
def fitted():
    return network().fit(X, y)


@pytest.fixture(scope="module")
def fitted_pipeline():
    return make_pipeline(StandardScaler(), PCA(10, random_state=0), network()).fit(X, y)


# Finding the network


def find_alone(model):
    return model


def find_in_pipeline(model):
    return model[-1]


def find_in_search(model):
    return model.best_estimator_[-1]


def find_in_nest(model):
    return model[-1].best_estimator_[-1][-1]


@pytest.mark.parametrize(
    ("model", "find"),
    [
        (network(), find_alone),
        (make_pipeline(StandardScaler(), network()), find_in_pipeline),
        (search(make_pipeline(StandardScaler(), network())), find_in_search),
        (
            make_pipeline(
                StandardScaler(),
                GridSearchCV(
                    Pipeline([("pca", PCA(9)), ("inner", make_pipeline("passthrough", network()))]),
                    {"pca__whiten": [True]},
                    cv=2,
                ),
            ),
            find_in_nest,
        ),
    ],
    ids=["alone", "pipeline", "search", "nest"],
)
@pytest.mark.parametrize("frozen", [False, True])
def test_the_network_is_found_alone_and_inside_pipelines_and_searches(model, find, frozen):
    found = find(model.fit(X, y))
    model = FrozenEstimator(model) if frozen else model
    display = LossCurveDisplay.from_estimator(model)
    assert display.batch_loss_curve is found.batch_loss_curve_
    display = WeightsDisplay.from_estimator(model, (8, 8))
    W1, W2 = found.coefs_
    assert_allclose(display.importances, np.sqrt((W1**2).sum(axis=0) * (W2**2).sum(axis=1)))


@pytest.mark.parametrize("draw", [LossCurveDisplay.from_estimator, WeightsDisplay.from_estimator])
@pytest.mark.parametrize(
    "model",
    [
        LogisticRegression(),
        make_pipeline(StandardScaler(), LogisticRegression()),
        GridSearchCV(LogisticRegression(), {}),
        make_pipeline(network(), "passthrough"),
        TwoLayerClassifier,
        "network",
    ],
)
def test_an_estimator_without_a_network_raises(draw, model):
    arguments = ((8, 8),) if draw == WeightsDisplay.from_estimator else ()
    with pytest.raises(
        TypeError, match="must be a TwoLayerClassifier or TwoLayerRegressor, or a pip"
    ):
        draw(model, *arguments)


@pytest.mark.parametrize("draw", [LossCurveDisplay.from_estimator, WeightsDisplay.from_estimator])
@pytest.mark.parametrize("kind", ["alone", "pipeline", "search", "fitted inside", "no refit"])
def test_an_unfitted_estimator_raises_and_is_named(draw, kind, fitted_pipeline):
    model = {
        "alone": network(),
        "pipeline": make_pipeline(StandardScaler(), network()),
        "search": search(make_pipeline(StandardScaler(), network())),
        "fitted inside": search(fitted_pipeline),
        "no refit": search(make_pipeline(network()), refit=False).fit(X, y),
    }[kind]
    arguments = ((8, 8),) if draw == WeightsDisplay.from_estimator else ()
    names = "TwoLayerClassifier" if kind in ("alone", "pipeline") else "GridSearchCV has no best_"
    with pytest.raises(NotFittedError, match=names):
        draw(model, *arguments)


def test_an_unfitted_step_raises_not_fitted_error(fitted):
    with pytest.raises(NotFittedError, match="StandardScaler"):
        WeightsDisplay.from_estimator(make_pipeline(StandardScaler(), fitted), (8, 8))


# The loss curve


def test_the_curves_show_the_history(fitted):
    display = LossCurveDisplay.from_estimator(fitted)
    updates, epochs = np.arange(1, N_UPDATES + 1), np.arange(1, N_EPOCHS + 1)
    assert_array_equal(display.batch_line_.get_data(), [updates, fitted.batch_loss_curve_])
    assert_array_equal(display.smoothed_line_.get_xdata(), updates)
    steps = display.epoch_steps_.get_data()
    assert_array_equal(steps.values, fitted.loss_curve_)
    assert_array_equal(steps.edges, [0, 3, 6, 9, 12, 15, 18])
    assert_array_equal(display.train_line_.get_data(), [epochs, fitted.train_scores_])

    loss_ax, score_ax = display.axes_
    assert list(loss_ax.lines) == [display.batch_line_, display.smoothed_line_]
    assert (loss_ax.get_xlabel(), loss_ax.get_ylabel()) == ("update", "loss")
    assert (score_ax.get_xlabel(), score_ax.get_ylabel()) == ("epoch", "accuracy")
    labels = [text.get_text() for text in loss_ax.get_legend().get_texts()]
    assert labels == ["update", "update, smoothed", "epoch mean"]


def test_the_loss_of_a_pickled_network_is_drawn_per_epoch(fitted):
    display = LossCurveDisplay.from_estimator(pickle.loads(pickle.dumps(fitted)))
    assert display.batch_line_ is None
    assert_array_equal(display.epoch_steps_.get_data().values, fitted.loss_curve_)
    assert_array_equal(display.epoch_steps_.get_data().edges, np.arange(N_EPOCHS + 1))
    assert display.axes_[0].get_xlabel() == "epoch"


@pytest.mark.parametrize("validation_scores", [None, [0.1, 0.2, 0.3, 0.4, 0.5, 0.5]])
def test_validation_scores_are_drawn_if_there_are_any(fitted, validation_scores):
    model = network().fit(X, y)
    model.validation_scores_ = validation_scores
    display = LossCurveDisplay.from_estimator(model)
    labels = [text.get_text() for text in display.axes_[1].get_legend().get_texts()]
    if validation_scores is None:
        assert display.validation_line_ is None
        assert labels == ["training"]
    else:
        drawn = display.validation_line_.get_data()
        assert_array_equal(drawn, [np.arange(1, N_EPOCHS + 1), validation_scores])
        assert labels == ["training", "validation"]
        assert display.validation_line_.get_color() != display.train_line_.get_color()


def test_the_smoothed_line_is_the_mean_of_the_neighbours():
    losses = np.random.RandomState(0).uniform(1, 2, size=200)
    curves = {"batch_loss_curve": losses, "loss_curve": [1.0], "train_scores": [1.0]}
    smoothed = LossCurveDisplay(**curves).plot(window=11).smoothed_line_.get_ydata()
    for i in range(20, 195):
        assert smoothed[i] == pytest.approx(losses[i - 5 : i + 6].mean())
    assert smoothed[0] == losses[0]  # the steep start is not smoothed
    assert smoothed[9] == pytest.approx(losses[7:12].mean())
    assert smoothed[-1] == pytest.approx(losses[-6:].mean())
    assert smoothed[-3] == pytest.approx(losses[-8:].mean())

    by_default = LossCurveDisplay(**curves).plot().smoothed_line_.get_ydata()
    assert by_default[100] == pytest.approx(losses[95:106].mean())  # 200 / 20


@pytest.mark.parametrize(
    ("losses", "scale"),
    [([2.0, 1.0, 0.5], "linear"), ([2.0, 0.2, 0.02], "log"), ([2.0, 0.2, 0.0], "linear")],
)
def test_the_loss_has_a_logarithmic_scale_if_it_falls_far_and_stays_positive(losses, scale):
    display = LossCurveDisplay(
        batch_loss_curve=losses, loss_curve=losses, train_scores=[0.0, 0.5, 1.0]
    ).plot()
    assert display.axes_[0].get_yscale() == scale
    assert display.axes_[1].get_yscale() == "linear"
    if scale == "log":
        display.figure_.draw_without_rendering()
        ticks = [text.get_text() for text in display.axes_[0].get_yticklabels()]
        assert {"0.02", "0.1", "0.5", "2"} <= set(ticks)


def test_labels_of_a_loss_that_hardly_falls_need_no_offset():
    losses = np.linspace(2.302585, 2.302584, 50)
    display = LossCurveDisplay(
        batch_loss_curve=losses, loss_curve=losses[::10], train_scores=np.full(5, 0.1)
    ).plot()
    display.figure_.canvas.draw()
    axis = display.axes_[0].yaxis
    assert axis.get_offset_text().get_text() == ""
    labels = {label.get_text() for label in axis.get_ticklabels()}
    assert len(labels) > 2


def test_a_single_update_has_a_marker_and_integer_ticks():
    display = LossCurveDisplay.from_estimator(network(max_updates=1).fit(X, y))
    display.figure_.draw_without_rendering()
    for line in (display.batch_line_, display.train_line_):
        assert line.get_xdata() == [1]
        assert line.get_marker() != "None"
    for ax in display.axes_:
        ticks = ax.get_xticks()
        assert 1 in ticks
        assert_array_equal(ticks, np.round(ticks))


def test_epochs_of_one_update_each_are_drawn_at_their_updates():
    model = network(replacement=True, batch_size=300, max_updates=40, n_iter_no_change=None)
    model = model.set_params(max_iter=100).fit(X, y)
    display = LossCurveDisplay.from_estimator(model)
    assert_array_equal(display.epoch_steps_.get_data().edges, np.arange(41))
    assert_allclose(display.epoch_steps_.get_data().values, model.batch_loss_curve_)
    assert display.train_line_.get_marker() == "None"  # 40 markers would touch


def test_chunks_of_a_stream_are_spread_evenly_over_the_updates():
    model = network(batch_size=50)
    for rows in (slice(0, 100), slice(100, 250), slice(250, 300)):
        model.partial_fit(X[rows], y[rows], classes=np.arange(10))
    display = LossCurveDisplay.from_estimator(model)
    assert len(display.batch_line_.get_xdata()) == 2 + 3 + 1
    assert_array_equal(display.epoch_steps_.get_data().edges, [0, 2, 4, 6])
    assert_array_equal(display.epoch_steps_.get_data().values, model.loss_curve_)


def test_keyword_arguments_of_the_loss_curve_reach_matplotlib(fitted):
    display = LossCurveDisplay.from_estimator(
        fitted,
        batch_kw={"c": "red"},
        smoothed_kw={"lw": 5},
        epoch_kw={"color": "blue"},
        score_kw={"linestyle": ":"},
    )
    assert display.batch_line_.get_color() == "red"
    assert display.batch_line_.get_alpha() == 0.35
    assert display.smoothed_line_.get_linewidth() == 5
    assert display.epoch_steps_.get_edgecolor() == (0, 0, 1, 1)
    assert display.train_line_.get_linestyle() == ":"


# The weights


def difference_quotients(model):
    """Compute the weights of the pixels as differences of the inputs of the hidden units."""
    *steps, (_, last) = model.steps

    def hidden_input(images):
        for _, step in steps:
            images = images if step == "passthrough" else step.transform(images)
        return images @ last.coefs_[0] + last.intercepts_[0]

    images = X[:1] + np.vstack([np.eye(64), -np.eye(64)])
    above, below = np.split(hidden_input(images), 2)
    return (above - below) / 2


AFFINE_STEPS = {
    "scaler": [StandardScaler()],
    "scaler, mean only": [StandardScaler(with_std=False)],
    "scaler, std only": [StandardScaler(with_mean=False)],
    "pca": [PCA(10, random_state=0)],
    "whitening": [PCA(10, whiten=True, random_state=0)],
    "several": [MinMaxScaler(), "passthrough", PCA(12, whiten=True), StandardScaler()],
    "svd": [TruncatedSVD(10, random_state=0)],
    "nested": [make_pipeline(StandardScaler(), PCA(9)), StandardScaler()],
    "columns": [
        ColumnTransformer([("a", MinMaxScaler(), slice(8, 64)), ("b", PCA(3), [0, 9, 30])])
    ],
    "affine function": [FunctionTransformer(lambda X: 2 * X - 0.5)],
    "single precision": [FunctionTransformer(lambda X: X.astype(np.float32)), StandardScaler()],
}


@pytest.mark.parametrize("steps", AFFINE_STEPS.values(), ids=AFFINE_STEPS)
def test_weights_behind_affine_steps_equal_difference_quotients_of_the_pixels(steps):
    model = make_pipeline(*steps, network(max_iter=2)).fit(X, y)
    expected = difference_quotients(model)
    display = WeightsDisplay.from_estimator(model, (8, 8))
    tolerance = (1e-3 if "float32" in str(model[-1].coefs_[0].dtype) else 1e-9) * abs(
        expected
    ).max()
    assert_allclose(display.weights, expected, rtol=0, atol=tolerance)
    for unit, image in zip(display.units_, display.images_, strict=True):
        drawn = np.asarray(image.get_array())
        assert_allclose(drawn, expected[:, unit].reshape(8, 8), rtol=0, atol=tolerance)


def test_weights_behind_scaler_and_whitening_equal_the_formula():
    model = make_pipeline(StandardScaler(), PCA(10, whiten=True, random_state=0), network())
    scaler, pca, net = (step for _, step in model.fit(X, y).steps)
    M = (pca.components_ / np.sqrt(pca.explained_variance_)[:, np.newaxis] / scaler.scale_).T
    display = WeightsDisplay.from_estimator(model, (8, 8))
    assert_allclose(display.weights, M @ net.coefs_[0], rtol=1e-9, atol=1e-9)


def test_weights_of_pixels_in_several_chunks_equal_the_formula():
    X = np.random.RandomState(0).normal(size=(60, 600))
    model = make_pipeline(StandardScaler(), network(max_iter=1)).fit(X, y[:60])
    display = WeightsDisplay.from_estimator(model, (10, 20, 3))
    expected = model[-1].coefs_[0] / model[0].scale_[:, np.newaxis]
    assert_allclose(display.weights, expected, rtol=1e-9)


def test_weights_of_the_network_alone_are_its_coefs(fitted_pipeline):
    net = fitted_pipeline[-1]
    display = WeightsDisplay.from_estimator(net, (2, 5))
    assert_array_equal(display.weights, net.coefs_[0])


def test_feature_names_cause_no_warning():
    frame = pd.DataFrame(X, columns=[f"pixel{i}" for i in range(64)])
    model = make_pipeline(StandardScaler(), PCA(10), network())
    model.set_output(transform="pandas").fit(frame, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        display = WeightsDisplay.from_estimator(model, (8, 8))
    M = (model[1].components_ / model[0].scale_).T
    assert_allclose(display.weights, M @ model[-1].coefs_[0], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    "step",
    [
        Normalizer(),
        Binarizer(threshold=0.5),
        MinMaxScaler(clip=True),
        KBinsDiscretizer(4, encode="ordinal", strategy="uniform"),
        FunctionTransformer(np.log1p),
        FunctionTransformer(np.exp2),
        FunctionTransformer(np.abs),
        AdditiveChi2Sampler(),  # raises for negative values
    ],
    ids=lambda step: type(step).__name__,
)
@pytest.mark.filterwarnings("ignore:Feature")
def test_a_step_that_is_not_affine_raises_and_is_named(step):
    steps = [("shift", FunctionTransformer(lambda X: X + 1)), ("bent", step), ("net", network())]
    model = Pipeline(steps).fit(X, y)
    with pytest.raises(ValueError, match=r"Step 'bent' .* is not linear.* Pass the network alone"):
        WeightsDisplay.from_estimator(model, (8, 8))


def test_grey_images_share_a_symmetric_scale(fitted_pipeline):
    display = WeightsDisplay.from_estimator(fitted_pipeline, (8, 8), max_units=4)
    limit = abs(display.weights[:, display.units_]).max()
    assert [image.get_clim() for image in display.images_] == [(-limit, limit)] * 4
    assert display.colorbar_.mappable is display.images_[0]
    assert display.colorbar_.extend == "neither"


def test_scale_unit_gives_each_image_its_own_scale(fitted):
    display = WeightsDisplay.from_estimator(fitted, (8, 8), scale="unit", sort=False)
    limits = abs(fitted.coefs_[0]).max(axis=0)
    assert [image.get_clim() for image in display.images_] == list(
        zip(-limits, limits, strict=True)
    )
    assert display.colorbar_ is None  # it would hold for one image only


@pytest.mark.parametrize("scale", ["shared", "unit"])
@pytest.mark.parametrize("quantile", [1.0, 0.8])
def test_colour_images_are_scaled_and_clipped_around_mid_grey(scale, quantile, caplog):
    weights = np.random.RandomState(0).normal(size=(48, 5))
    weights[:, 3] = 0
    display = WeightsDisplay(weights=weights, importances=np.arange(5.0), image_shape=(4, 4, 3))
    display.plot(scale=scale, quantile=quantile)
    assert_array_equal(display.units_, [4, 3, 2, 1, 0])
    assert display.colorbar_ is None
    for unit, image in zip(display.units_, display.images_, strict=True):
        own = weights if scale == "shared" else weights[:, unit]
        limit = np.quantile(abs(own), quantile) or 1
        expected = np.clip(0.5 + weights[:, unit] / limit / 2, 0, 1).reshape(4, 4, 3)
        drawn = np.ma.getdata(image.get_array())  # imshow would mask nan
        assert_allclose(drawn, expected, atol=1e-12)
        if unit == 3:
            assert_array_equal(drawn, 0.5)
    assert not caplog.records  # imshow logs a warning if it clips colours


def test_quantile_limits_the_scale(fitted):
    display = WeightsDisplay.from_estimator(fitted, (8, 8), quantile=0.9)
    limit = np.quantile(abs(fitted.coefs_[0]), 0.9)
    assert display.images_[0].get_clim() == pytest.approx((-limit, limit))
    assert display.colorbar_.extend == "both"


def test_most_important_units_come_first(fitted):
    W1, W2 = fitted.coefs_
    importances = [np.sqrt(sum(W1[:, j] ** 2)) * np.sqrt(sum(W2[j] ** 2)) for j in range(7)]
    order = sorted(range(7), key=lambda j: -importances[j])
    assert order != list(range(7))

    display = WeightsDisplay.from_estimator(fitted, (8, 8))
    assert_allclose(display.importances, importances)
    assert display.units_.tolist() == order
    assert_array_equal(display.images_[0].get_array(), W1[:, order[0]].reshape(8, 8))
    assert display.bounding_ax_.get_title() == "weights of 7 hidden units"

    some = WeightsDisplay.from_estimator(fitted, (8, 8), max_units=3)
    assert some.units_.tolist() == order[:3]
    assert len(some.images_) == len(some.axes_) == 3
    assert some.bounding_ax_.get_title() == "weights of 3 of 7 hidden units"

    as_they_come = WeightsDisplay.from_estimator(fitted, (8, 8), sort=False, max_units=3)
    assert as_they_come.units_.tolist() == [0, 1, 2]


def test_at_most_a_hundred_units_are_drawn_by_default():
    rng = np.random.RandomState(0)
    weights, importances = rng.normal(size=(4, 102)), rng.uniform(size=102)
    display = WeightsDisplay(weights=weights, importances=importances, image_shape=(2, 2))
    assert len(display.plot().images_) == 100
    assert len(display.plot(max_units=None).images_) == 102


@pytest.mark.parametrize(
    ("figsize", "image_shape", "n_rows"),
    [((6, 6), (8, 8), 3), ((12, 2), (8, 8), 1), ((2, 12), (8, 8), 7), ((8, 4), (4, 16), 4)],
)
def test_images_fill_the_axes_row_by_row(fitted, figsize, image_shape, n_rows):
    ax = Figure(figsize=figsize).subplots()
    place = ax.get_window_extent()
    display = WeightsDisplay.from_estimator(fitted, image_shape, ax=ax)
    display.figure_.draw_without_rendering()
    boxes = [axes.get_window_extent() for axes in display.axes_]
    height, width = image_shape
    for box in boxes:
        assert place.x0 - 1e-6 <= box.x0 < box.x1 <= place.x1 + 1e-6
        assert place.y0 - 1e-6 <= box.y0 < box.y1 <= place.y1 + 1e-6
        assert box.width / box.height == pytest.approx(width / height)
    row_starts = 0
    for one, other in pairwise(boxes):
        gap = 0.06 * one.width
        if other.y0 == pytest.approx(one.y0):
            assert other.x0 - one.x1 == pytest.approx(gap)
        else:
            row_starts += 1
            assert other.x0 == pytest.approx(boxes[0].x0)
            assert one.y0 - other.y1 == pytest.approx(gap)
    assert row_starts + 1 == n_rows


def test_keyword_arguments_of_the_weights_reach_imshow(fitted):
    display = WeightsDisplay.from_estimator(fitted, (8, 8), cmap="RdBu_r", vmax=9)
    assert display.images_[0].get_cmap().name == "RdBu_r"
    assert display.images_[0].get_clim()[1] == 9


@pytest.mark.parametrize(
    ("image_shape", "parameters", "error", "message"),
    [
        ((8, 9), {}, ValueError, r"image_shape=\(8, 9\) holds 72 values, .* 64 features"),
        ((64,), {}, ValueError, r"must be \(height, width\) or \(height, width, 3\)"),
        ((4, 4, 4), {}, ValueError, r"got \(4, 4, 4\)"),
        ((8, 8), {"scale": "log"}, ValueError, "scale must be .*'log'"),
        ((8, 8), {"max_units": 0}, ValueError, "max_units == 0"),
        ((8, 8), {"max_units": 2.5}, TypeError, "max_units"),
        ((8, 8), {"quantile": 2}, ValueError, "[0, 1]"),
    ],
)
def test_an_invalid_argument_raises_and_is_named(
    fitted_pipeline, image_shape, parameters, error, message
):
    with pytest.raises(error, match=message):
        WeightsDisplay.from_estimator(fitted_pipeline, image_shape, **parameters)


# Axes and pyplot


def draw_loss(model, **kwargs):
    return LossCurveDisplay.from_estimator(model, **kwargs)


def draw_weights(model, **kwargs):
    return WeightsDisplay.from_estimator(model, (8, 8), **kwargs)


@pytest.mark.parametrize("draw", [draw_loss, draw_weights])
def test_one_figure_is_made_if_no_ax_is_given(draw, fitted):
    display = draw(fitted)
    assert plt.get_fignums() == [1]
    assert display.figure_ is plt.gcf()
    assert display.bounding_ax_ is plt.gca()


@pytest.mark.parametrize("draw", [draw_loss, draw_weights])
@pytest.mark.parametrize(
    ("layout", "by_hand"), [(None, False), ("constrained", False), (None, True)]
)
def test_a_given_ax_is_replaced_without_changing_the_state_of_pyplot(
    draw, fitted, layout, by_hand, monkeypatch
):
    other = plt.figure()
    figure = plt.figure(layout=layout)
    ax = figure.add_axes((0.3, 0.2, 0.4, 0.6)) if by_hand else figure.subplots(2, 2)[1, 0]
    current_ax = figure.gca()
    plt.figure(other.number)
    with monkeypatch.context() as context:
        for name in ("gcf", "gca", "figure", "subplots", "sca", "get_current_fig_manager"):
            context.delattr(plt, name)
        display = draw(fitted, ax=ax)
    assert plt.get_fignums() == [1, 2]
    assert plt.gcf() is other
    assert figure.gca() is current_ax

    assert display.bounding_ax_ is ax
    assert not ax.axison
    assert display.figure_ is figure
    figure.draw_without_rendering()
    place = ax.get_window_extent().padded(15 if layout else 1e-6)  # layout engines pad
    for axes in display.axes_:
        box = axes.get_window_extent()
        assert place.x0 <= box.x0 < box.x1 <= place.x1
        assert place.y0 <= box.y0 < box.y1 <= place.y1

    with pytest.raises(ValueError, match=r"please set ax=display\.axes_"):
        draw(fitted, ax=ax)
    again = draw(fitted, ax=display.axes_)
    assert_array_equal(again.axes_, display.axes_)
    assert again.bounding_ax_ is None


@pytest.mark.parametrize(
    ("layout", "by_hand"), [(None, False), ("constrained", False), (None, True)]
)
def test_labels_of_the_score_do_not_overlap_the_loss(fitted, layout, by_hand):
    figure = Figure(figsize=(10, 4), layout=layout)
    ax = figure.add_axes((0.1, 0.1, 0.8, 0.8)) if by_hand else figure.subplots()
    display = draw_loss(fitted, ax=ax)
    figure.draw_without_rendering()
    left, right = (axes.get_window_extent() for axes in display.axes_)
    assert display.axes_[1].get_tightbbox().x0 > left.x1
    assert right.width == pytest.approx(left.width)
    assert right.width > 0.4 * (right.x1 - left.x0)


@pytest.mark.parametrize(("draw", "expected"), [(draw_loss, 2), (draw_weights, 7)])
def test_an_array_of_axes_must_have_one_for_each_plot(draw, expected, fitted):
    axes = Figure().subplots(1, expected)
    assert draw(fitted, ax=list(axes)).axes_.tolist() == axes.tolist()
    with pytest.raises(ValueError, match=f"Expected ax to have {expected} axes, got 3"):
        draw(fitted, ax=Figure().subplots(1, 3))


def test_a_title_of_the_ax_is_kept(fitted):
    ax = Figure().subplots()
    ax.set_title("mine")
    draw_weights(fitted, ax=ax)
    assert ax.get_title() == "mine"


def test_matplotlib_is_imported_at_the_first_plot_and_pyplot_not_at_all():
    script = """
import sys
import numpy as np
import sk_twolayer
from sk_twolayer.display import LossCurveDisplay, WeightsDisplay
assert not any(name.startswith("matplotlib") for name in sys.modules)
from matplotlib.figure import Figure
loss_ax, weights_ax = Figure().subplots(1, 2)
LossCurveDisplay(batch_loss_curve=[2, 1], loss_curve=[2, 1], train_scores=[0, 1]).plot(loss_ax)
WeightsDisplay(weights=np.eye(4), importances=np.ones(4), image_shape=(2, 2)).plot(weights_ax)
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True)
