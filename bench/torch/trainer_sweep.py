"""Trials of a sweep as Hugging Face Trainer runs them, one after the other in one process, on the rows that Hone split.

Called with a job.json (see bench/sweep/peer.ts); prints one JSON line: of each trial its seconds and the validation accuracy of the
weights it keeps, and the seconds of what comes before the first. The base is read once and copied for each trial.
"""

import copy
import json
import sys
import tempfile
import time

from trainer_job import STARTED, tokenize_parts

import torch
from classifier import Classifier, load_bert, make_trainer, read_rows
from transformers import set_seed


def with_accuracy(prediction):
    return {"accuracy": float((prediction.predictions.argmax(-1) == prediction.label_ids).mean())}


def kept_accuracy(history):
    """Of the epoch whose weights are kept: that of the least validation loss."""
    told = [entry for entry in history if "eval_loss" in entry]
    return min(told, key=lambda entry: entry["eval_loss"])["eval_accuracy"]


def run_trial(job, base, parts, params):
    started = time.perf_counter()
    set_seed(job["seed"])
    with tempfile.TemporaryDirectory() as folder:
        model = Classifier(copy.deepcopy(base), outputs=2, frozen_blocks=job["frozen_blocks"])
        trainer = make_trainer(model, {**job, **params}, parts, folder, metrics=with_accuracy)
        trainer.train()
    return {"seconds": time.perf_counter() - started, "accuracy": kept_accuracy(trainer.state.log_history)}


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        job = json.load(file)
    parts = {name: read_rows(path) for name, path in job["rows"].items()}
    base = load_bert(job)
    tokenize_parts(job, parts)
    same_ids = all(row["ids"] == row["input_ids"] for rows in parts.values() for row in rows)
    before = time.perf_counter() - STARTED
    trials = [run_trial(job, base, parts, params) for params in job["trials"]]
    answer = {"before_seconds": before, "trials": trials, "same_ids": same_ids, "torch": torch.__version__}
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
