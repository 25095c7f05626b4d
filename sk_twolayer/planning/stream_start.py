"""The start of a stream, which learns the scales of columns and targets as it goes.

A first chunk of one sample does not tell the scale of a column or of a target, nor a learning rate.
So a stream adds up the statistics of its samples until it has seen 300. Until then, each chunk
first brings the scales up to date: a row of W1 is multiplied by the old scale of its column over
the new one, and b1 keeps the hidden units centred. Scores keep their meaning in units of the scale
of y. What 300 samples have told stays.
"""

from dataclasses import asdict, dataclass

import numpy as np

from sk_twolayer.data import Totals, look_up
from sk_twolayer.network import unpack
from sk_twolayer.optimizers import OPTIMIZERS
from sk_twolayer.sparse import apply_all_pending, inner_products

ENOUGH_SAMPLES = 300


@dataclass
class StreamStart:
    """What the first samples of a stream have told.

    Attributes
    ----------
    totals : Totals or None
        Sums over the samples; None before the first.
    scales : ndarray of shape (n,)
        For each column in `totals.features`, the scale that its row of W1 is divided by.
    unseen : float
        The scale for all other rows.
    y, sample_weight : ndarray or None
        The targets of a regressor, and their weights.
    """

    totals: Totals | None = None
    scales: np.ndarray | None = None
    unseen: float = 1.0
    y: np.ndarray | None = None
    sample_weight: np.ndarray | None = None

    @classmethod
    def of(cls, fitted):
        """Return the start of the stream in these attributes, or None if it is over."""
        if not fitted:
            return cls()
        state = fitted["_training_state"]
        if state is None or state.stream_start is None:
            return None
        stored = dict(state.stream_start)
        return cls(**stored | {"totals": Totals(**stored["totals"])})

    def add_targets(self, targets, y, sample_weight):
        """Add the targets of a chunk; return the targets of all samples so far."""
        weights = np.ones(len(y)) if sample_weight is None else sample_weight
        if self.y is not None:
            y = np.concatenate([self.y, y])
            weights = np.concatenate([self.sample_weight, weights])
        self.y, self.sample_weight = y, weights
        return targets.measured_again(y, weights)

    def is_over(self, summary):
        """Return True if the samples so far are enough."""
        return summary.totals.n_samples >= ENOUGH_SAMPLES

    def rescale(self, state, summary, features):
        """Bring rows of W1 to the scales of all samples so far, and centre the hidden units.

        These are the rows whose features occur in the chunk, or all rows once the start is over: so
        a chunk of sparse samples costs what its non-zeros cost.

        Parameters
        ----------
        state : TrainingState
            A copy of the state of the stream, changed in place.
        summary : DataSummary
            Of all samples so far.
        features : ndarray of intp of shape (n,) or None
            The features that the state has rows of, in ascending order; None for all.
        """
        if state.pending is not None:
            apply_all_pending(state.rows, state.pending, OPTIMIZERS[state.solver])
        totals, known, unseen = summary.totals, summary.totals.features, self.unseen
        columns = summary.occurring
        if over := self.is_over(summary):
            columns, unseen = np.arange(state.shape[0]), summary.scale_of_unseen
        at = columns if features is None else np.searchsorted(features, columns)
        at = slice(None) if len(at) == state.shape[0] else at
        old_scales = look_up(columns, self.totals.features, self.scales, self.unseen)
        scales = look_up(columns, known, summary.scales, unseen)
        old_means = look_up(columns, self.totals.features, self.totals.means(), 0.0)
        means = look_up(columns, known, totals.means(), 0.0)

        (W1, *moments), dtype = state.rows, state.parameters.dtype
        tracks = state.pending is not None and state.pending.products is not None
        products = inner_products(W1[at], *(rows[at] for rows in moments)) if tracks else 0.0
        b1 = unpack(state.parameters, *state.shape)[2]
        b1 += old_means.astype(dtype) @ W1[at]
        # A velocity is in units of the weights; the running means of gradients are not.
        for rows in (W1, *moments) if state.solver == "sgd" else (W1,):
            rows[at] *= (old_scales / scales).astype(dtype)[:, np.newaxis]
        b1 -= means.astype(dtype) @ W1[at]
        if tracks:
            products = inner_products(W1[at], *(rows[at] for rows in moments)) - products
            state.pending.products = state.pending.products + products
        if not over:  # else there is no next time
            self.scales = look_up(known, self.totals.features, self.scales, self.unseen)
            self.scales[np.searchsorted(known, columns)] = scales

    def as_dict(self, totals):
        """Return what the next chunk continues from, once these are the totals."""
        return asdict(self) | {"totals": asdict(totals)}
