"""Retrain a model as a Ray job: `python jobs/retrain.py NAME --data NEW [options of assay retrain]`.

Submitted again under the same id, as a scheduler does after a failure, it goes on where it was, and a finished one
gives its recorded outcome. Ray takes no two jobs of one `ray job submit --submission-id`, so the id is given here; left
out, it is that of the job.

ray job submit --working-dir . --runtime-env jobs/runtime_env.yaml \
  -- python jobs/retrain.py churn --data /mnt/rows/2026-11-28.parquet --submission-id churn-2026-11-28
"""

import sys

from door import run_verb, submission_id

if __name__ == "__main__":
    given = any(word.split("=")[0] in ("--submission-id", "--watch") for word in sys.argv[1:])
    if not given and (job := submission_id()):
        sys.argv += ["--submission-id", job]
    run_verb("retrain")
