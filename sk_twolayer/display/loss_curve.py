"""Learning curves: the loss and the score during the training of a network."""

import numpy as np

from sk_twolayer.display.inputs import find_network, turn_off
from sk_twolayer.training import scoring_name

BATCH_STYLE = {"color": "tab:blue", "alpha": 0.35, "linewidth": 0.7, "label": "update"}
SMOOTHED_STYLE = {"color": "tab:blue", "linewidth": 2, "label": "update, smoothed"}
EPOCH_STYLE = {"color": "0.2", "linewidth": 1, "label": "epoch mean"}
TRAIN_STYLE = {"color": "tab:green", "label": "training"}
VALIDATION_STYLE = {"color": "tab:orange", "label": "validation"}


def moving_average(values, window):
    """Average over `window` neighbours, and over fewer at the steep start and at the end."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    i = np.arange(len(values))
    before = np.minimum(window // 2, i // 4)
    after = np.minimum(before, i[::-1])
    return (sums[i + after + 1] - sums[i - before]) / (before + after + 1)


def lay_side_by_side(ax):
    """Replace an axes by two axes, and keep the current axes of the figure."""
    figure, current = ax.figure, ax.figure.gca()
    turn_off(ax)
    if ax.get_subplotspec() is not None:
        # A layout engine makes room for the labels. Without one, the space is a guess.
        wspace = None if figure.get_layout_engine() else 0.4
        cells = ax.get_subplotspec().subgridspec(1, 2, wspace=wspace)
        pair = [figure.add_subplot(cell) for cell in cells]
    else:  # the user chose the position
        x, y, width, height = ax.get_position().bounds
        places = [(x + share * width, y, 0.42 * width, height) for share in (0, 0.58)]
        pair = [figure.add_axes(place) for place in places]
    figure.sca(current)
    return pair


class LossCurveDisplay:
    """Learning curves of a network: the loss and the score, accuracy or R2, during training.

    It is recommended to use `from_estimator` to create a display. All parameters are
    stored as attributes.

    Parameters
    ----------
    batch_loss_curve : array-like of shape (n_updates,) or None
        Loss of each update. Pickles do not store it: None draws the losses of the epochs alone.
    loss_curve, train_scores : array-like of shape (n_epochs,)
        Mean loss and training score of each epoch.
    validation_scores : array-like of shape (n_epochs,), default=None
        Validation score of each epoch. None draws no validation scores.
    score_name : str, default="accuracy"
        Name of the scores.
    validation_name : str, default=None
        Name of the validation scores, if it is not `score_name`.

    Attributes
    ----------
    figure_ : matplotlib Figure
        Figure that holds the curves.
    axes_ : ndarray of shape (2,)
        The axes of the loss and of the score.
    bounding_ax_ : matplotlib Axes or None
        The axes that the two axes replaced. None if `ax` was an array of axes.
    batch_line_, smoothed_line_ : matplotlib Line2D or None
        Loss of each update, and its moving average. None without a `batch_loss_curve`.
    epoch_steps_ : matplotlib StepPatch
        Mean loss of each epoch, constant over the updates of the epoch.
    train_line_, validation_line_ : matplotlib Line2D
        The scores. `validation_line_` is None without validation scores.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sk_twolayer import TwoLayerClassifier
    >>> from sk_twolayer.display import LossCurveDisplay
    >>> model = make_pipeline(StandardScaler(), TwoLayerClassifier(random_state=0))
    >>> display = LossCurveDisplay.from_estimator(model.fit(*load_digits(return_X_y=True)))
    >>> plt.show()
    """

    __module__ = "sk_twolayer.display"

    def __init__(
        self,
        *,
        batch_loss_curve,
        loss_curve,
        train_scores,
        validation_scores=None,
        score_name="accuracy",
        validation_name=None,
    ):
        self.batch_loss_curve = batch_loss_curve
        self.loss_curve = loss_curve
        self.train_scores = train_scores
        self.validation_scores = validation_scores
        self.score_name = score_name
        self.validation_name = validation_name

    @classmethod
    def from_estimator(cls, estimator, *, ax=None, **kwargs):
        """Draw the learning curves of a fitted network.

        Parameters
        ----------
        estimator : TwoLayerClassifier, TwoLayerRegressor, Pipeline or search
            The fitted network, a pipeline that ends in one, or a search that found one.
        ax : matplotlib Axes or two of them, default=None
            As in `plot`.
        **kwargs : dict
            Other keyword arguments of `plot`.

        Returns
        -------
        display : LossCurveDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If `estimator` contains no network.
        NotFittedError
            If the network is not fitted.
        """
        _, network = find_network(estimator, "loss_curve_")
        display = cls(
            batch_loss_curve=network.batch_loss_curve_,
            loss_curve=network.loss_curve_,
            train_scores=network.train_scores_,
            validation_scores=getattr(network, "validation_scores_", None),
            score_name=network._targets.of(network).score_name,
            validation_name=scoring_name(network.scoring),
        )
        return display.plot(ax=ax, **kwargs)

    def plot(
        self, ax=None, *, window=None, batch_kw=None, smoothed_kw=None, epoch_kw=None, score_kw=None
    ):
        """Draw the loss and the score side by side.

        The scale of the loss is logarithmic if the loss falls by more than a factor of 20.

        Parameters
        ----------
        ax : matplotlib Axes or two of them, default=None
            Two new axes replace a single axes, which is turned off. None makes a new figure.
        window : int, default=None
            Number of updates in the moving average. None is a twentieth of all updates.
        batch_kw, smoothed_kw, epoch_kw, score_kw : dict, default=None
            Keyword arguments passed to matplotlib: to `plot` for the loss of each update
            and its moving average, to `stairs` for the loss of each epoch, and to `plot`
            for both scores.

        Returns
        -------
        display : LossCurveDisplay
            The display itself.
        """
        from matplotlib.axes import Axes
        from matplotlib.cbook import normalize_kwargs
        from matplotlib.lines import Line2D
        from matplotlib.patches import StepPatch
        from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

        if ax is None:
            import matplotlib.pyplot as plt

            _, ax = plt.subplots(figsize=(6.4, 3.2), layout="constrained")
        self.bounding_ax_ = None
        if isinstance(ax, Axes):
            self.bounding_ax_ = ax
            ax = lay_side_by_side(ax)
        self.axes_ = np.asarray(ax, dtype=object).ravel()
        if len(self.axes_) != 2:
            raise ValueError(f"Expected ax to have 2 axes, got {len(self.axes_)}.")
        loss_ax, score_ax = self.axes_
        self.figure_ = loss_ax.figure

        def draw(ax, x, y, style, kwargs):
            return ax.plot(x, y, **{**style, **normalize_kwargs(kwargs, Line2D)})[0]

        n_epochs = len(self.loss_curve)
        epochs = np.arange(1, n_epochs + 1)
        losses = self.loss_curve if self.batch_loss_curve is None else self.batch_loss_curve
        n_updates = len(losses)
        updates = np.arange(1, n_updates + 1)
        window = max(n_updates // 20, 1) if window is None else window
        smoothed = moving_average(losses, window)
        # The history does not store the number of updates of each epoch. All epochs have the same
        # number, unless max_updates ended the last one, or they are the chunks of a stream: then
        # the epochs are spread evenly over the updates.
        epoch_edges = np.arange(n_epochs + 1) * (n_updates / n_epochs)
        epoch_style = {**EPOCH_STYLE, **normalize_kwargs(epoch_kw, StepPatch)}
        # Many markers would overlap, but a single point is only visible with a marker.
        batch_style = BATCH_STYLE | ({"marker": "."} if n_updates <= 30 else {})
        marks = {"marker": "o", "markersize": 4} if n_epochs <= 30 else {}

        self.batch_line_ = self.smoothed_line_ = None
        if self.batch_loss_curve is not None:
            self.batch_line_ = draw(loss_ax, updates, losses, batch_style, batch_kw)
            self.smoothed_line_ = draw(loss_ax, updates, smoothed, SMOOTHED_STYLE, smoothed_kw)
        self.epoch_steps_ = loss_ax.stairs(
            self.loss_curve, epoch_edges, baseline=None, **epoch_style
        )
        self.train_line_ = draw(score_ax, epochs, self.train_scores, TRAIN_STYLE | marks, score_kw)
        self.validation_line_ = None
        if self.validation_scores is not None:
            style = VALIDATION_STYLE | marks
            if self.validation_name is not None:
                style |= {"label": f"validation, {self.validation_name}"}
            self.validation_line_ = draw(score_ax, epochs, self.validation_scores, style, score_kw)

        if np.min(losses) > 0 and smoothed.max() > 20 * smoothed.min():
            loss_ax.set_yscale("log")
            loss_ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            loss_ax.yaxis.set_major_formatter("{x:g}")
            loss_ax.yaxis.set_minor_formatter(NullFormatter())
        else:  # a loss that hardly falls is not labelled by "+2.3025"
            loss_ax.ticklabel_format(axis="y", useOffset=False)
        xlabel = "epoch" if self.batch_loss_curve is None else "update"
        loss_ax.set(xlabel=xlabel, ylabel="loss")
        both = self.validation_line_ is not None and self.validation_name is not None
        score_name = "score" if both else self.score_name
        score_ax.set(xlabel="epoch", ylabel=score_name)
        for axes in self.axes_:
            whole = MaxNLocator("auto", steps=(1, 2, 5, 10), integer=True, min_n_ticks=1)
            axes.xaxis.set_major_locator(whole)
            axes.legend()
        return self
