"""skops, imported without its walk through all of scikit-learn, and trusting no estimator by itself.

skops builds its own list of trusted types at import: it imports every module of scikit-learn, and with them torch and
pytest, which took 5 s of CPU in each worker and server replica (skops 0.16). Our lists stand beside our algorithms, so
we give it an empty one: what is not written there is refused.
"""

from __future__ import annotations

import sys
import threading
from typing import Any

_turn = threading.Lock()


def skops_io() -> Any:
    """Return the module `skops.io`."""
    with _turn:
        if "skops.io" not in sys.modules:
            import sklearn.utils

            walk = sklearn.utils.all_estimators
            sklearn.utils.all_estimators = list
            try:
                import skops.io
            finally:
                sklearn.utils.all_estimators = walk
    import skops.io

    return skops.io
