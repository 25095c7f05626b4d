"""Files of checkpoints, written whole or not at all.

A file is written beside its place, pushed to the disk, and put in its place in one step. Whoever
is killed while writing leaves the file that was there before, and perhaps a part of another
one, which the next to write overwrites.
"""

import os
import pickle
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from zipfile import BadZipFile

# What a skops file may hold besides the types that skops trusts.
OURS = [
    "sk_twolayer.classifier.TwoLayerClassifier",
    "sk_twolayer.regressor.TwoLayerRegressor",
]


def is_safe(path):
    """Return whether a file of this name is to be one of skops, which runs no code when loaded."""
    return Path(path).suffix == ".skops"


def refuse_path(path):
    """Refuse a path that nothing can be written to, before there is anything to write."""
    if is_safe(path) and find_spec("skops") is None:
        raise ImportError(
            f'path={str(path)!r} asks for a skops file: pip install "sk_twolayer[skops]", or '
            f"choose another ending for a pickle."
        )
    folder = Path(path).absolute().parent
    if not folder.is_dir():
        raise FileNotFoundError(f"path={str(path)!r} is in no folder: make {folder} first.")


def write_whole(checkpoint, path):
    """Write a checkpoint in place of the last one.

    Parameters
    ----------
    checkpoint : estimator
    path : str or Path
    """
    path = Path(path)
    part = path.with_name(path.name + ".part")
    try:
        with open(part, "wb") as file:
            if is_safe(path):
                import skops.io

                skops.io.dump(checkpoint, file)
            else:
                pickle.dump(checkpoint, file, protocol=5)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise


def read_whole(path):
    """Read what was written.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    checkpoint : estimator

    Raises
    ------
    ValueError
        If the file holds no checkpoint.
    """
    try:
        if is_safe(path):
            refuse_path(path)
            import skops.io

            checkpoint = skops.io.load(path, trusted=OURS)
        else:
            with open(path, "rb") as file:
                checkpoint = pickle.load(file)
    except (pickle.UnpicklingError, EOFError, BadZipFile) as error:
        raise ValueError(f"{path} is damaged, or no checkpoint: {error}") from error
    state = getattr(checkpoint, "_training_state", None)
    if not getattr(state, "under_way", False):
        raise ValueError(
            f"{path} holds no checkpoint, but an object of type {type(checkpoint).__name__}. A "
            f"model that was fitted to the end is loaded with pickle.load or skops.io.load."
        )
    return checkpoint
