"""From a table to the inputs of a network.

``tabular`` makes a pipeline from a data frame to a network. ``encoder`` encodes its numbers,
``levels`` its categories, and ``dates`` its dates; ``columns`` and ``read_dates`` read the columns
of a table.
"""

from sk_twolayer.preprocessing.dates import DateParts
from sk_twolayer.preprocessing.encoder import PiecewiseLinearEncoder
from sk_twolayer.preprocessing.levels import TextLevels
from sk_twolayer.preprocessing.tabular import ColumnsOfKind, tabular_pipeline

__all__ = [
    "ColumnsOfKind",
    "DateParts",
    "PiecewiseLinearEncoder",
    "TextLevels",
    "tabular_pipeline",
]
