"""Run an experiment as a Ray job: `python jobs/run.py FILE [options of assay run]`.

ray job submit --working-dir . --runtime-env jobs/runtime_env.yaml -- python jobs/run.py jobs/experiments/adult.yaml
"""

from door import run_verb

if __name__ == "__main__":
    run_verb("run")
