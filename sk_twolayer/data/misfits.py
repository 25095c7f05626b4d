"""Values that are no numbers, found after a conversion has failed, for errors that name them."""

from decimal import Decimal
from reprlib import repr as short_repr

import numpy as np


def find_misfit(values):
    """Return the first value that cannot be converted to float64.

    Parameters
    ----------
    values : ndarray

    Returns
    -------
    misfit : str or None
        The value, and what is wrong with it where that is not plain; None if all are numbers.
    error : Exception or None

    Examples
    --------
    >>> import numpy as np
    >>> from sk_twolayer.data.misfits import find_misfit
    >>> find_misfit(np.array([1, 10**400], dtype=object))[0]
    '1e+400, a value too large for float64'
    """
    values = values.astype(object).ravel()
    try:
        values.astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        for i, value in enumerate(values):
            try:
                values[i : i + 1].astype(np.float64)
            except OverflowError as error:
                return f"{Decimal(int(value)):.0e}, a value too large for float64", error
            except (TypeError, ValueError) as error:
                reason = f" ({error})" if isinstance(error, TypeError) else ""
                return short_repr(value) + reason, error
    return None, None
