"""A few hundred random calls of benchmarks/fuzz, in which nothing may break."""

import subprocess
import sys
from pathlib import Path

FUZZ = Path(__file__).parent.parent / "benchmarks" / "fuzz"


def test_nothing_breaks_in_random_calls():
    command = [sys.executable, FUZZ, "--fits", "450", "--seed", "7"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert "; 0 cases broke" in done.stdout
