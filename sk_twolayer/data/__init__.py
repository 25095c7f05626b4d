"""Samples, targets and weights: checked, and brought into the form of the network.

``validation`` checks samples, and ``misfits`` finds values that are no numbers; ``class_targets``
and ``regression_targets`` encode y for the network and decode its scores; ``weights`` turns the
weights of samples and classes into one; ``totals`` and ``statistics`` summarise the columns; and
``batches`` draws samples. Nothing here knows the network.
"""

from sk_twolayer.data.batches import Data, draw_batches, gather, updates_per_epoch
from sk_twolayer.data.class_targets import ClassTargets
from sk_twolayer.data.regression_targets import RegressionTargets
from sk_twolayer.data.statistics import DataSummary
from sk_twolayer.data.totals import Totals, look_up
from sk_twolayer.data.validation import (
    computing_dtype,
    hold_out,
    refuse_infinite_outputs,
    validate_samples,
    validate_samples_to_predict,
    validate_validation_samples,
)
