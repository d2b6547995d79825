"""What the jobs share: the command line is the door, and a job must not forget what it made."""

from __future__ import annotations

import json
import os
import sys
from itertools import pairwise
from pathlib import Path

CONFIG = "RAY_JOB_CONFIG_JSON_ENV_VAR"  # what Ray 2.60 sets for the entrypoint of a job
LASTING = Path.home() / ".assay"


def in_job() -> bool:
    """Whether Ray started this process as a job's entrypoint."""
    return CONFIG in os.environ


def submission_id() -> str:
    """Return the id that a job was submitted under, empty outside of one."""
    metadata = json.loads(os.environ.get(CONFIG, "{}")).get("metadata") or {}
    return str(metadata.get("job_submission_id", ""))


def lasting_storage() -> None:
    """In a job, remember under the home folder unless told otherwise: its working directory is a copy that goes away.

    Nodes that share no home folder need ASSAY_STORAGE in `jobs/runtime_env.yaml`, a folder that all of them see.
    """
    given = os.environ.get("ASSAY_STORAGE") or any(word.split("=")[0] == "--storage" for word in sys.argv[1:])
    if in_job() and not given:
        os.environ["ASSAY_STORAGE"] = str(LASTING)
        print(f"ASSAY_STORAGE is not set; what this job makes is kept in {LASTING} on this node", file=sys.stderr)


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


def run_verb(verb: str) -> None:
    """Run `assay VERB` with this program's arguments; exits with its exit code."""
    lasting_storage()
    from assay.cli import main

    sys.argv[1:1] = [verb]
    main()
