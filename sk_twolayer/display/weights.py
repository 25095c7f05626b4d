"""First-layer weights: the incoming weights of each hidden unit, as images."""

import warnings
from numbers import Integral

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.utils import check_scalar

from sk_twolayer.display.inputs import find_network, turn_off


def pixel_weights(steps, W1, n_pixels, chunk=256):
    """Return the weights from each pixel to each hidden unit, through affine steps.

    The steps together are an affine map ``A(x) = x M + A(0)``. Transforming the identity matrix
    gives M, and the weights are ``M W1``. A step counts as affine if
    ``A(x + y) = A(x) + A(y) - A(0)`` for two random images.
    """
    x, y = np.random.RandomState(0).normal(scale=255, size=(2, n_pixels))
    images = np.stack([np.zeros(n_pixels), x, y, x + y])
    weights = np.empty((n_pixels, W1.shape[1]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # such as the warning about missing feature names
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
                    f"Step {name!r} of the pipeline, {step!r}, is not linear, so that the network "
                    "has no weights per pixel. Pass the network alone to see the weights of its "
                    "own inputs."
                ) from refusal
        for start in range(0, n_pixels, chunk):  # as the identity matrix is large
            rows = np.eye(min(chunk, n_pixels - start), n_pixels, start)
            for _, step in steps:
                rows = step.transform(rows)
            zero = images[0] if steps else 0.0
            weights[start : start + chunk] = (np.asarray(rows) - zero) @ W1
    return weights


def lay_grid(ax, n_pictures, height, width, has_bar):
    """Replace an axes by a grid: one axes for each image, and one for the colour bar or None.

    The data coordinates of the replaced axes count pixels of the images, so that the gaps between
    the images are equal whatever the shape of the axes.
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
    """The incoming weights of each hidden unit of a network, as images.

    It is recommended to use `from_estimator` to create a display. All parameters are
    stored as attributes.

    Parameters
    ----------
    weights : ndarray of shape (n_pixels, n_units)
        The incoming weights of each unit.
    importances : ndarray of shape (n_units,)
        The importance of each unit, see `plot`.
    image_shape : tuple
        (height, width) of a grey image or (height, width, 3) of a colour image.

    Attributes
    ----------
    figure_ : matplotlib Figure
        Figure that holds the images.
    axes_ : ndarray of shape (n_shown,)
        The axes of each image.
    bounding_ax_ : matplotlib Axes or None
        The axes that the grid replaced. None if `ax` was an array of axes.
    units_ : ndarray of shape (n_shown,)
        The hidden unit in each image.
    images_ : list of matplotlib AxesImage
        The images.
    colorbar_ : matplotlib Colorbar or None
        The colour bar of grey images on a shared scale. None if `ax` was an array of axes.

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

    __module__ = "sk_twolayer.display"

    def __init__(self, *, weights, importances, image_shape):
        self.weights = weights
        self.importances = importances
        self.image_shape = image_shape

    @classmethod
    def from_estimator(cls, estimator, image_shape, *, ax=None, **kwargs):
        """Draw the incoming weights of a fitted network's hidden units.

        In a pipeline with linear steps before the network, such as StandardScaler or PCA, the
        weights are the weights of the pixels: they include the effect of these steps.

        Parameters
        ----------
        estimator : TwoLayerClassifier, TwoLayerRegressor, Pipeline or search
            The fitted network, a pipeline that ends in one, or a search that found one.
        image_shape : tuple
            The shape of a sample as an image: (height, width) if it is grey, or
            (height, width, 3) if it is coloured.
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
            If `estimator` contains no network.
        NotFittedError
            If the network is not fitted.
        ValueError
            If the number of features does not match `image_shape`, or a step before the network
            is not affine.
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
        # The importances use the network's own inputs, which the earlier steps may have scaled.
        importances = np.linalg.norm(W1, axis=0) * np.linalg.norm(W2, axis=1)
        weights = pixel_weights(steps, W1, n_pixels)
        display = cls(weights=weights, importances=importances, image_shape=image_shape)
        return display.plot(ax=ax, **kwargs)

    def plot(self, ax=None, *, sort=True, max_units=100, scale="shared", quantile=1.0, **kwargs):
        """Draw an image of each hidden unit.

        Parameters
        ----------
        ax : matplotlib Axes or array of them, default=None
            A grid of new axes replaces a single axes, which is turned off. An array must have one
            axes for each image. None makes a new figure.
        sort : bool, default=True
            Whether to show the most important units first. The importance of a unit is the norm of
            its incoming weights times the norm of its outgoing weights.
        max_units : int, default=100
            Maximum number of units to show. None shows all.
        scale : {"shared", "unit"}, default="shared"
            Whether all images share one colour scale, or each has its own. Zero is always in the
            middle of the scale: mid-grey.
        quantile : float, default=1.0
            The scale ends at this quantile of the absolute weights. With a value below 1, a few
            large weights do not compress the contrast of the rest. Pixels that hardly vary often
            have such weights.
        **kwargs : dict
            Keyword arguments passed to matplotlib's `imshow`, such as a diverging `cmap` for grey
            images.

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
        limits = np.broadcast_to(np.where(limits > 0, limits, 1), n_shown)  # all zero is all grey

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
            if colors:  # imshow does not scale colours
                picture, style = np.clip(0.5 + 0.5 * picture / limit, 0, 1), {}
            self.images_.append(axes.imshow(picture, **{**style, **kwargs}))
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set(color="0.7", linewidth=0.5)
        if bar_ax is not None:
            extend = "both" if quantile < 1 else "neither"
            self.colorbar_ = self.figure_.colorbar(self.images_[0], cax=bar_ax, extend=extend)
        return self
