"""Explain rows as a Ray job: `python jobs/explain.py MODEL DATA… --rows N --out FILE [options of assay explain]`.

One process explains row after row, near the data and the model; give it the CPUs with `--entrypoint-num-cpus`.
"""

from door import refuse_lost_output, run_verb

if __name__ == "__main__":
    refuse_lost_output()
    run_verb("explain")
