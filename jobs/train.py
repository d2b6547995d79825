"""Train one network on many workers as a Ray job: `python jobs/train.py FILE [options] [options of assay run]`.

FILE is an experiment file. Its data, columns, steps, metric and test stay; of its search one trial is left, the network
with the settings that FILE gives it, else with its defaults, judged on a tenth of the rows and then trained on all.

ray job submit --working-dir . --runtime-env jobs/runtime_env.yaml \
  -- python jobs/train.py jobs/experiments/adult.yaml --network torch_module --workers 4
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from door import run_verb
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError


def main() -> None:
    """Write the experiment of one network beside nothing else, and run it."""
    asking = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asking.add_argument("file", type=Path, help="experiment file")
    asking.add_argument("--network", default="cnn", help="cnn, rnn or torch_module (default cnn)")
    asking.add_argument("--workers", type=int, default=2, help="processes that train together (default 2)")
    asking.add_argument("--min-workers", type=int, help="fewest to go on with while the cluster is smaller")
    asking.add_argument("--gpus", type=float, default=0.0, help="GPUs of each worker (default 0)")
    asking.add_argument("--threads", type=int, help="CPUs of each worker")
    asked, others = asking.parse_known_args()
    try:
        settings = YAML(typ="safe", pure=True).load(asked.file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, YAMLError):
        settings = None
    if not isinstance(settings, dict):  # the verb says what is wrong with it
        sys.argv[1:] = [str(asked.file), *others]
        run_verb("run")
        return
    with tempfile.TemporaryDirectory(prefix="assay-train-") as folder:
        changed = Path(folder) / asked.file.name
        with changed.open("w", encoding="utf-8") as file:
            YAML(typ="safe", pure=True).dump(of_one_network(settings, asked), file)
        sys.argv[1:] = [str(changed), *others]
        run_verb("run")


def of_one_network(settings: Mapping[str, Any], asked: argparse.Namespace) -> dict[str, Any]:
    """Return the settings with one network and one trial."""
    compute = {**(settings.get("compute") or {}), "gpus_per_fit": asked.gpus, "workers_per_fit": asked.workers}
    if asked.min_workers:
        compute["workers_per_fit"] = [asked.min_workers, asked.workers]
    if asked.threads:
        compute["threads_per_fit"] = asked.threads
    return {
        **settings,
        "algorithms": [named(settings.get("algorithms"), asked.network)],
        "ensembles": [],
        "search": {"trials": 1},
        "split": {**(settings.get("split") or {}), "folds": 1, "repeats": 1},
        "compute": compute,
    }


def named(algorithms: Any, key: str) -> Any:
    """Return the network as a list of algorithms names it, with its settings; else its name alone."""
    known = [entry for entry in algorithms if isinstance(entry, dict)] if isinstance(algorithms, list) else []
    return next((entry for entry in known if entry.get("name") == key), key)


if __name__ == "__main__":
    main()
