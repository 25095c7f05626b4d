"""Settings of the whole suite."""

import os

# scikit-learn skips its array API check unless SciPy was told before its first import.
os.environ["SCIPY_ARRAY_API"] = "1"
