"""Pictures of a fitted network: how it learned, and what its hidden units look for.

Both displays follow scikit-learn: `from_estimator` reads the fitted attributes of the network,
alone or inside pipelines and searches, `plot` draws them, and the object keeps the numbers and
the artists. matplotlib is imported only when something is drawn, and pyplot is used only to
make a figure where no `ax` is given.
"""

import warnings
from numbers import Integral

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.utils import check_scalar
from sklearn.utils._optional_dependencies import check_matplotlib_support
from sklearn.utils.validation import check_is_fitted

BATCH_STYLE = {"color": "tab:blue", "alpha": 0.35, "linewidth": 0.7, "label": "update"}
SMOOTHED_STYLE = {"color": "tab:blue", "linewidth": 2, "label": "update, smoothed"}
EPOCH_STYLE = {"color": "0.2", "linewidth": 1, "label": "epoch mean"}
TRAIN_STYLE = {"color": "tab:green", "label": "training"}
VALIDATION_STYLE = {"color": "tab:orange", "label": "validation"}


def find_network(estimator, attribute):
    """Return the steps before the network inside `estimator`, and the network, if fitted."""
    steps, network, unfinished_search = [], estimator, None
    while not hasattr(network, "hidden_size"):
        if hasattr(network, "best_estimator_"):
            network = network.best_estimator_
        elif hasattr(network, "refit") and hasattr(network, "estimator"):
            # What a search was given is not what it would find, even if it is fitted.
            unfinished_search, network = network, network.estimator
        elif hasattr(network, "steps"):
            *before, (_, network) = network.steps
            steps += [(name, step) for name, step in before if step not in (None, "passthrough")]
        else:
            raise TypeError(
                "estimator must be a TwoLayerClassifier, or a pipeline or search that ends in one; "
                f"this {type(estimator).__name__} ends in {network!r}."
            )
    if unfinished_search is not None:
        raise NotFittedError(
            f"This {type(unfinished_search).__name__} has no best_estimator_. Call fit, with "
            "refit=True, before drawing it."
        )
    check_is_fitted(network, attribute)
    return steps, network


def pixel_weights(steps, W1, n_pixels, chunk=256):
    """Return what each pixel adds to the input of each hidden unit, through affine steps.

    An affine map ``A(x) = x M + A(0)`` shows M by what it makes of the identity, whatever
    it is made of; the weights are ``M W1``. Whether a step is affine shows in whether it
    keeps ``A(x + y) = A(x) + A(y) - A(0)`` for two random images.
    """
    x, y = np.random.RandomState(0).normal(scale=255, size=(2, n_pixels))
    images = np.stack([np.zeros(n_pixels), x, y, x + y])
    weights = np.empty((n_pixels, W1.shape[1]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # such as that these images have no feature names
        for name, step in steps:
            refusal = None
            try:
                images = np.asarray(step.transform(images), dtype=float)
                zero, x, y, total = images
                affine = np.allclose(total, x + y - zero, rtol=0, atol=1e-4 * abs(images).max())
            except NotFittedError:
                raise
            except (TypeError, ValueError) as error:
                affine, refusal = False, error
            if not affine:
                raise ValueError(
                    f"Step {name!r} of the pipeline, {step!r}, is not linear: the weights after it "
                    "have no equivalent in the pixels. Pass the classifier alone to see the "
                    "weights of its own inputs."
                ) from refusal
        for start in range(0, n_pixels, chunk):  # of the identity, which is large
            rows = np.eye(min(chunk, n_pixels - start), n_pixels, start)
            for _, step in steps:
                rows = step.transform(rows)
            zero = images[0] if steps else 0.0
            weights[start : start + chunk] = (np.asarray(rows) - zero) @ W1
    return weights


def moving_average(values, window):
    """Average over `window` neighbours; over fewer at the steep start and at the very end."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    i = np.arange(len(values))
    before = np.minimum(window // 2, i // 4)
    after = np.minimum(before, i[::-1])
    return (sums[i + after + 1] - sums[i - before]) / (before + after + 1)


def turn_off(ax):
    """Turn off an axes in whose place others are laid; it can be used for that only once."""
    if not ax.axison:
        raise ValueError(
            "The ax was already used in another plot function, please set ax=display.axes_ instead."
        )
    ax.set_axis_off()


class LossCurveDisplay:
    """Loss and accuracy over the training of a network.

    It is recommended to use `from_estimator` to create a display. All parameters are
    stored as attributes.

    Parameters
    ----------
    batch_loss_curve : array-like of shape (n_updates,) or None
        Loss of each update. None, as pickles have it, draws the losses of the epochs alone.
    loss_curve, train_scores : array-like of shape (n_epochs,)
        Mean loss and training accuracy of each epoch.
    validation_scores : array-like of shape (n_epochs,), default=None
        Validation accuracy of each epoch, if it was measured.

    Attributes
    ----------
    figure_ : matplotlib Figure
        Figure that holds the curves.
    axes_ : ndarray of shape (2,)
        The axes of the loss and of the accuracy.
    bounding_ax_ : matplotlib Axes or None
        The axes in whose place the two were laid, if it was one.
    batch_line_, smoothed_line_ : matplotlib Line2D or None
        Loss of each update, and its moving average; None without a `batch_loss_curve`.
    epoch_steps_ : matplotlib StepPatch
        Mean loss of each epoch, level over the updates of the epoch.
    train_line_, validation_line_ : matplotlib Line2D
        The accuracies; `validation_line_` is None if there is no validation accuracy.

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

    def __init__(self, *, batch_loss_curve, loss_curve, train_scores, validation_scores=None):
        self.batch_loss_curve = batch_loss_curve
        self.loss_curve = loss_curve
        self.train_scores = train_scores
        self.validation_scores = validation_scores

    @classmethod
    def from_estimator(cls, estimator, *, ax=None, **kwargs):
        """Draw the training of a fitted network.

        Parameters
        ----------
        estimator : TwoLayerClassifier, Pipeline or search
            The fitted network, or what it is the last step or the best estimator of.
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
            If there is no network in `estimator`.
        NotFittedError
            If the network is not fitted.
        """
        check_matplotlib_support(f"{cls.__name__}.from_estimator")
        _, network = find_network(estimator, "loss_curve_")
        display = cls(
            batch_loss_curve=network.batch_loss_curve_,
            loss_curve=network.loss_curve_,
            train_scores=network.train_scores_,
            validation_scores=getattr(network, "validation_scores_", None),
        )
        return display.plot(ax=ax, **kwargs)

    def plot(
        self, ax=None, *, window=None, batch_kw=None, smoothed_kw=None, epoch_kw=None, score_kw=None
    ):
        """Draw loss and accuracy side by side.

        The loss has a logarithmic scale where it falls by more than a factor of 20.

        Parameters
        ----------
        ax : matplotlib Axes or two of them, default=None
            One axes is turned off and the two are laid in its place. If None, a new
            figure is made.
        window : int, default=None
            Updates that the moving average spans; None is a twentieth of them all.
        batch_kw, smoothed_kw, epoch_kw, score_kw : dict, default=None
            Keyword arguments passed to matplotlib: to `plot` for the loss of each update
            and its moving average, to `stairs` for the loss of each epoch, and to `plot`
            for both accuracies.

        Returns
        -------
        display : LossCurveDisplay
            The display itself.
        """
        check_matplotlib_support(f"{type(self).__name__}.plot")
        from matplotlib.axes import Axes
        from matplotlib.cbook import normalize_kwargs
        from matplotlib.lines import Line2D
        from matplotlib.patches import StepPatch
        from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

        if ax is None:
            import matplotlib.pyplot as plt

            _, ax = plt.subplots(figsize=(10, 4), layout="constrained")
        self.bounding_ax_ = None
        if isinstance(ax, Axes):
            self.bounding_ax_, figure, current = ax, ax.figure, ax.figure.gca()
            turn_off(ax)
            if ax.get_subplotspec() is not None:
                # A layout engine makes the room that the labels need; else it is a guess.
                wspace = None if figure.get_layout_engine() else 0.4
                cells = ax.get_subplotspec().subgridspec(1, 2, wspace=wspace)
                ax = [figure.add_subplot(cell) for cell in cells]
            else:  # placed by hand
                x, y, width, height = ax.get_position().bounds
                places = [(x + share * width, y, 0.42 * width, height) for share in (0, 0.58)]
                ax = [figure.add_axes(place) for place in places]
            figure.sca(current)
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
        # The history does not say how many updates an epoch held. All hold the same number,
        # except the last one if max_updates cut it short, and the chunks of a stream; their
        # epochs are spread evenly over the updates.
        epoch_edges = np.arange(n_epochs + 1) * (n_updates / n_epochs)
        epoch_style = {**EPOCH_STYLE, **normalize_kwargs(epoch_kw, StepPatch)}
        # Marks run into one another where there are many, but a point alone needs its mark.
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
            self.validation_line_ = draw(score_ax, epochs, self.validation_scores, style, score_kw)

        if np.min(losses) > 0 and smoothed.max() > 20 * smoothed.min():
            loss_ax.set_yscale("log")
            loss_ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            loss_ax.yaxis.set_major_formatter("{x:g}")
            loss_ax.yaxis.set_minor_formatter(NullFormatter())
        xlabel = "epoch" if self.batch_loss_curve is None else "update"
        loss_ax.set(xlabel=xlabel, ylabel="loss")
        score_ax.set(xlabel="epoch", ylabel="accuracy")
        for axes in self.axes_:
            whole = MaxNLocator("auto", steps=(1, 2, 5, 10), integer=True, min_n_ticks=1)
            axes.xaxis.set_major_locator(whole)
            axes.legend()
        return self


class WeightsDisplay:
    """The incoming weights of each hidden unit of a network, as pictures.

    It is recommended to use `from_estimator` to create a display. All parameters are
    stored as attributes.

    Parameters
    ----------
    weights : ndarray of shape (n_pixels, n_units)
        The incoming weights of each unit.
    importances : ndarray of shape (n_units,)
        How much each unit matters.
    image_shape : tuple
        (height, width) of a grey picture or (height, width, 3) of a colour picture.

    Attributes
    ----------
    figure_ : matplotlib Figure
        Figure that holds the pictures.
    axes_ : ndarray of shape (n_shown,)
        The axes of each picture.
    bounding_ax_ : matplotlib Axes or None
        The axes in whose place the pictures were laid, if it was one.
    units_ : ndarray of shape (n_shown,)
        The hidden unit in each picture.
    images_ : list of matplotlib AxesImage
        The pictures.
    colorbar_ : matplotlib Colorbar or None
        The scale of grey pictures that share it; None if `ax` was an array of axes.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import PCA
    >>> from sklearn.pipeline import make_pipeline
    >>> from sk_twolayer import TwoLayerClassifier
    >>> from sk_twolayer.display import WeightsDisplay
    >>> model = make_pipeline(PCA(20, whiten=True), TwoLayerClassifier(36, random_state=0))
    >>> model = model.fit(*load_digits(return_X_y=True))
    >>> display = WeightsDisplay.from_estimator(model, (8, 8), cmap="RdBu_r")
    >>> plt.show()
    """

    def __init__(self, *, weights, importances, image_shape):
        self.weights = weights
        self.importances = importances
        self.image_shape = image_shape

    @classmethod
    def from_estimator(cls, estimator, image_shape, *, ax=None, **kwargs):
        """Draw the incoming weights of a fitted network's hidden units.

        Behind linear steps of a pipeline, such as StandardScaler or PCA, the weights are
        those of the pixels: what each pixel adds to the input of the unit.

        Parameters
        ----------
        estimator : TwoLayerClassifier, Pipeline or search
            The fitted network, or what it is the last step or the best estimator of.
        image_shape : tuple
            The shape in which a row of X is a picture: (height, width) of a grey one or
            (height, width, 3) of a colour one.
        ax : matplotlib Axes or array of them, default=None
            As in `plot`.
        **kwargs : dict
            Other keyword arguments of `plot`.

        Returns
        -------
        display : WeightsDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If there is no network in `estimator`.
        NotFittedError
            If the network is not fitted.
        ValueError
            If the features do not fit `image_shape`, or a step before the network is
            neither linear nor affine.
        """
        check_matplotlib_support(f"{cls.__name__}.from_estimator")
        steps, network = find_network(estimator, "coefs_")
        W1, W2 = network.coefs_
        image_shape = tuple(image_shape)
        if len(image_shape) not in (2, 3) or image_shape[2:] not in ((), (3,)):
            raise ValueError(
                f"image_shape must be (height, width) or (height, width, 3), got {image_shape}."
            )
        n_pixels = int(np.prod(image_shape))
        n_features = getattr(estimator, "n_features_in_", n_pixels)
        if n_features != n_pixels:
            raise ValueError(
                f"image_shape={image_shape} holds {n_pixels} values, but the estimator was "
                f"fitted on {n_features} features."
            )
        # Of the network's own inputs, which the steps before it have brought to one scale.
        importances = np.linalg.norm(W1, axis=0) * np.linalg.norm(W2, axis=1)
        weights = pixel_weights(steps, W1, n_pixels)
        display = cls(weights=weights, importances=importances, image_shape=image_shape)
        return display.plot(ax=ax, **kwargs)

    def plot(self, ax=None, *, sort=True, max_units=100, scale="shared", quantile=1.0, **kwargs):
        """Draw a picture of each hidden unit.

        Parameters
        ----------
        ax : matplotlib Axes or array of them, default=None
            One axes is turned off and a grid laid in its place; of an array there must be
            one for each picture. If None, a new figure is made.
        sort : bool, default=True
            Show the most important units first, rather than as they come. The importance
            is the norm of a unit's incoming weights times that of its outgoing ones.
        max_units : int, default=100
            Most units to show; None shows all.
        scale : {"shared", "unit"}, default="shared"
            Whether a shade means the same weight in all pictures, or each has a scale of
            its own. Zero is always in the middle of the scale: mid-grey.
        quantile : float, default=1.0
            The scale ends at this quantile of the absolute weights. Below 1, a few large
            weights, such as those of pixels that hardly vary, do not leave the others pale.
        **kwargs : dict
            Keyword arguments passed to matplotlib's `imshow`, such as the (diverging)
            `cmap` of grey pictures.

        Returns
        -------
        display : WeightsDisplay
            The display itself.
        """
        check_matplotlib_support(f"{type(self).__name__}.plot")
        from matplotlib.axes import Axes

        if scale not in ("shared", "unit"):
            raise ValueError(f'scale must be "shared" or "unit", got {scale!r}.')
        if max_units is not None:
            check_scalar(max_units, "max_units", Integral, min_val=1)
        n_units = len(self.importances)
        order = np.argsort(-self.importances, kind="stable") if sort else np.arange(n_units)
        self.units_ = order[:max_units]
        n_shown = len(self.units_)
        height, width, *colors = self.image_shape
        weights = self.weights[:, self.units_].T
        limits = np.quantile(abs(weights), quantile, axis=None if scale == "shared" else 1)
        limits = np.broadcast_to(np.where(limits > 0, limits, 1), n_shown)  # all zero: all grey

        if ax is None:
            import matplotlib.pyplot as plt

            _, ax = plt.subplots(figsize=(6.4, 6.4), layout="constrained")
        self.bounding_ax_ = self.colorbar_ = bar_ax = None
        if isinstance(ax, Axes):
            self.bounding_ax_ = ax
            turn_off(ax)
            # It becomes a canvas measured in pixels of the pictures, which keeps them equally
            # close to each other whatever its shape.
            box, gap = ax.get_window_extent(), 0.06 * width

            def picture_size(n_cols):
                n_rows = -(-n_shown // n_cols)
                return min(box.width / (n_cols * width), box.height / (n_rows * height))

            n_cols = max(range(1, n_shown + 1), key=picture_size)
            rows, cols = np.divmod(np.arange(n_shown), n_cols)
            x = cols * (width + gap)
            y = (rows[-1] - rows) * (height + gap)
            right, top = x.max() + width, y.max() + height
            has_bar = not colors and scale == "shared"
            ax.set(xlim=(0, right * (1.12 if has_bar else 1)), ylim=(0, top), aspect="equal")
            if has_bar:
                place = (1.02 * right, 0, 0.03 * right, top)
                bar_ax = ax.inset_axes(place, transform=ax.transData)
            if not ax.get_title():
                part = f"{n_shown} of " if n_shown < n_units else ""
                ax.set_title(f"weights of {part}{n_units} hidden units")
            places = [(*corner, width, height) for corner in zip(x, y, strict=True)]
            ax = [ax.inset_axes(place, transform=ax.transData) for place in places]
        self.axes_ = np.asarray(ax, dtype=object).ravel()
        if len(self.axes_) != n_shown:
            raise ValueError(f"Expected ax to have {n_shown} axes, got {len(self.axes_)}.")
        self.figure_ = self.axes_[0].figure

        self.images_ = []
        pictures = weights.reshape(n_shown, *self.image_shape)
        for axes, picture, limit in zip(self.axes_, pictures, limits, strict=True):
            style = {"cmap": "gray", "vmin": -limit, "vmax": limit}
            if colors:  # imshow scales no colours
                picture, style = np.clip(0.5 + 0.5 * picture / limit, 0, 1), {}
            self.images_.append(axes.imshow(picture, **{**style, **kwargs}))
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set(color="0.7", linewidth=0.5)
        if bar_ax is not None:
            extend = "both" if quantile < 1 else "neither"
            self.colorbar_ = self.figure_.colorbar(self.images_[0], cax=bar_ax, extend=extend)
        return self
