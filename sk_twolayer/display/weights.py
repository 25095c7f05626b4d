"""First-layer weights: the incoming weights of each hidden unit, as pictures."""

import warnings
from numbers import Integral

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.utils import check_scalar

from sk_twolayer.display.inputs import find_network, turn_off


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
                    "have no equivalent in the pixels. Pass the network alone to see the "
                    "weights of its own inputs."
                ) from refusal
        for start in range(0, n_pixels, chunk):  # of the identity, which is large
            rows = np.eye(min(chunk, n_pixels - start), n_pixels, start)
            for _, step in steps:
                rows = step.transform(rows)
            zero = images[0] if steps else 0.0
            weights[start : start + chunk] = (np.asarray(rows) - zero) @ W1
    return weights


def lay_grid(ax, n_pictures, height, width, has_bar):
    """Lay an axes for each picture, and one for their colour bar or None, in the place of one.

    That one becomes a canvas measured in pixels of the pictures, which keeps them equally
    close to each other whatever its shape.
    """
    turn_off(ax)
    box, gap = ax.get_window_extent(), 0.06 * width

    def picture_size(n_cols):
        n_rows = -(-n_pictures // n_cols)
        return min(box.width / (n_cols * width), box.height / (n_rows * height))

    n_cols = max(range(1, n_pictures + 1), key=picture_size)
    rows, cols = np.divmod(np.arange(n_pictures), n_cols)
    x = cols * (width + gap)
    y = (rows[-1] - rows) * (height + gap)
    right, top = x.max() + width, y.max() + height
    ax.set(xlim=(0, right * (1.12 if has_bar else 1)), ylim=(0, top), aspect="equal")
    bar_ax = None
    if has_bar:
        bar_ax = ax.inset_axes((1.02 * right, 0, 0.03 * right, top), transform=ax.transData)
    places = [(*corner, width, height) for corner in zip(x, y, strict=True)]
    return [ax.inset_axes(place, transform=ax.transData) for place in places], bar_ax


class WeightsDisplay:
    """The incoming weights of each hidden unit of a network, as pictures.

    It is recommended to use `from_estimator` to create a display. All parameters are
    stored as attributes.

    Parameters
    ----------
    weights : ndarray of shape (n_pixels, n_units)
        The incoming weights of each unit.
    importances : ndarray of shape (n_units,)
        The importance of each unit, see `plot`.
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
        The scale that grey pictures share; None if `ax` was an array of axes.

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
        estimator : TwoLayerClassifier, TwoLayerRegressor, Pipeline or search
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
            Whether all pictures share one colour scale, or each has its own. Zero is
            always in the middle of the scale: mid-grey.
        quantile : float, default=1.0
            The scale ends at this quantile of the absolute weights. Below 1, a few large
            weights, such as those of pixels that hardly vary, do not compress the rest.
        **kwargs : dict
            Keyword arguments passed to matplotlib's `imshow`, such as the (diverging)
            `cmap` of grey pictures.

        Returns
        -------
        display : WeightsDisplay
            The display itself.
        """
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
            has_bar = not colors and scale == "shared"
            if not ax.get_title():
                part = f"{n_shown} of " if n_shown < n_units else ""
                ax.set_title(f"weights of {part}{n_units} hidden units")
            ax, bar_ax = lay_grid(ax, n_shown, height, width, has_bar)
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
