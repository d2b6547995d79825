"""Predict files as a Ray job: `python jobs/batch_predict.py MODEL DATA… --out FILE [options of assay predict]`.

Ray Data reads the files and a pool of actors, each with the model in memory, predicts them block by block.
"""

from door import refuse_lost_output, run_verb

if __name__ == "__main__":
    refuse_lost_output()
    run_verb("predict")
