"""The work of pipelines/sentiment.yaml as a Hugging Face Trainer script, on the very rows that Hone split.

Called with a job.json (see bench/job/rows.ts); prints one JSON line: accuracies, and the seconds of each part. Frozen blocks
stay in evaluation mode, as in Hone: it spares them dropout, and so favours this script.
"""

import json
import sys
import tempfile
import time

STARTED = time.perf_counter()

import numpy as np
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from tokenizers import Tokenizer
from classifier import Classifier, load_bert, make_trainer, pooled, read_rows
from transformers import set_seed

PARTS = {"import": time.perf_counter() - STARTED}


class timed:
    def __init__(self, part):
        self.part = part

    def __enter__(self):
        self.start = time.perf_counter()

    def __exit__(self, *_):
        PARTS[self.part] = PARTS.get(self.part, 0) + time.perf_counter() - self.start


def tokenize(tokenizer, rows, max_length):
    """A quarter of the room from the head, the rest from the tail, in [CLS] ... [SEP]."""
    cls, sep = tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]")
    room = max_length - 2
    head = room // 4
    for row, encoding in zip(rows, tokenizer.encode_batch([row["text"] for row in rows], add_special_tokens=False)):
        ids = encoding.ids
        kept = ids if len(ids) <= room else ids[:head] + ids[len(ids) - (room - head) :]
        row["ids"] = [cls, *kept, sep]


def tokenize_parts(job, parts):
    with open(job["tokenizer"], encoding="utf-8") as file:
        settings = {**json.load(file), "truncation": None, "padding": None}
    tokenizer = Tokenizer.from_str(json.dumps(settings))
    for rows in parts.values():
        tokenize(tokenizer, rows, job["max_length"])


def tuned_accuracy(job, bert, parts, folder):
    model = Classifier(bert, outputs=2, frozen_blocks=job["frozen_blocks"])
    trainer = make_trainer(model, job, parts, folder)
    with timed("train"):
        trainer.train()
    with timed("predict"):
        logits = trainer.predict(parts["test"]).predictions
    return accuracy(logits.argmax(-1), parts["test"])


def accuracy(predicted, rows):
    return float(np.mean(predicted == labels_of(rows)))


def labels_of(rows):
    return np.array([row["label"] for row in rows])


def probe_accuracy(bert, train, test):
    with timed("probe"):
        model = LogisticRegression(C=1.0, max_iter=1000).fit(pooled(bert, train), labels_of(train))
        return accuracy(model.predict(pooled(bert, test)), test)


def bag_of_words_accuracy(train, test):
    with timed("bag_of_words"):
        words = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
        x = words.fit_transform(row["text"] for row in train)
        model = LogisticRegression(C=10.0, max_iter=1000).fit(x, labels_of(train))
        return accuracy(model.predict(words.transform(row["text"] for row in test)), test)


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        job = json.load(file)
    set_seed(job["seed"])
    with timed("load"):
        parts = {name: read_rows(path) for name, path in job["rows"].items()}
        bert = load_bert(job)
    with timed("tokenize"):
        tokenize_parts(job, parts)
    rows = [row for part in parts.values() for row in part]
    probe = probe_accuracy(bert, parts["train"], parts["test"])
    words = bag_of_words_accuracy(parts["train"], parts["test"])
    with tempfile.TemporaryDirectory() as folder:
        tuned = tuned_accuracy(job, bert, parts, folder)
    answer = {
        "same_ids": all(row["ids"] == row["input_ids"] for row in rows),
        "accuracy": {"probe": probe, "bag_of_words": words, "tuned": tuned},
        "seconds": PARTS,
        "total_seconds": time.perf_counter() - STARTED,
        "torch": torch.__version__,
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
