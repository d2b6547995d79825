"""Predict files as a Ray job: `python jobs/batch_predict.py MODEL DATA… --out FILE [options of assay predict]`.

Ray Data reads the files and a pool of actors, each with the model in memory, predicts them block by block.
"""

import sys
from itertools import pairwise
from pathlib import Path

from door import in_job, run_verb


def refuse_lost_output() -> None:
    """Exit with 2 when a job would write into its working directory, which is a copy that goes away."""
    words = sys.argv[1:]
    given = [word.partition("=")[2] for word in words if word.startswith("--out=")]
    given += [after for word, after in pairwise(words) if word == "--out"]
    lost = [out for out in given if not Path(out).is_absolute()]
    if in_job() and lost:
        print(f"--out {lost[0]}: would be lost with the job's working directory. Fix: give an absolute path that "
              "outlives the job.", file=sys.stderr)  # fmt: skip
        sys.exit(2)


if __name__ == "__main__":
    refuse_lost_output()
    run_verb("predict")
