"""A shipped pipeline's trainings in PyTorch, on the very rows and tokens that Hone made, with its recipe.

Called with a job.json (see bench/peers/job.ts); prints one JSON line: the score of each training, of a probe, of a bag of words, and of
the most frequent class. A score is accuracy, or Pearson's correlation where rows have numbers.
"""

import json
import sys
import tempfile

import numpy as np
import torch
from classifier import Classifier, collate, load_bert, make_trainer, pooled, read_rows
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from transformers import BertConfig, BertForMaskedLM, set_seed


def labels_of(rows):
    return np.array([row["label"] for row in rows])


def score(outputs, rows):
    """Of logits [rows, classes], or of numbers [rows, 1]."""
    labels = labels_of(rows)
    if outputs.shape[1] == 1:
        return float(np.corrcoef(outputs[:, 0], labels)[0, 1])
    return float(np.mean(outputs.argmax(-1) == labels))


def linear_score(job, x, parts, strength):
    """scikit-learn's linear models on features {train, test}, with Hone's penalties."""
    train, test = parts["train"], parts["test"]
    if job["outputs"] == 1:
        model = Ridge(alpha=strength["alpha"]).fit(x["train"], labels_of(train))
        return score(model.predict(x["test"])[:, None], test)
    model = LogisticRegression(C=strength["C"], max_iter=1000).fit(x["train"], labels_of(train))
    return float(np.mean(model.predict(x["test"]) == labels_of(test)))


def probe_score(job, parts):
    bert = load_bert(job)
    x = {part: pooled(bert, parts[part]) for part in ("train", "test")}
    return linear_score(job, x, parts, {"C": 1.0, "alpha": 1.0})


def bag_of_words_score(job, parts):
    words = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    x = {"train": words.fit_transform(row["text"] for row in parts["train"])}
    x["test"] = words.transform(row["text"] for row in parts["test"])
    return linear_score(job, x, parts, {"C": 10.0, "alpha": 1.0})


def balanced_weights(rows, classes):
    counts = np.bincount(labels_of(rows), minlength=classes)
    return (len(rows) / (classes * np.maximum(counts, 1))).astype(np.float32)


def standardised(parts):
    """Numbers in units of their spread over the training rows, as Hone trains them; a correlation does not see it."""
    labels = labels_of(parts["train"])
    scaled = lambda row: {**row, "label": float((row["label"] - labels.mean()) / labels.std())}
    return {part: [scaled(row) for row in rows] for part, rows in parts.items()}


class Masking:
    """A collator that masks whole words: 15 % of a row's tokens; of these 80 % the mask, 10 % any token, 10 % as they are."""

    def __init__(self, vocabulary, seed):
        self.mask, self.size = vocabulary["mask"], vocabulary["size"]
        self.special, self.continuing = set(vocabulary["special"]), set(vocabulary["continuing"])
        self.random = np.random.default_rng(seed)

    def words(self, ids):
        words = []
        for place, token in enumerate(ids):
            if token in self.special:
                continue
            if token in self.continuing and words and words[-1][-1] == place - 1:
                words[-1].append(place)
            else:
                words.append([place])
        return words

    def chosen(self, ids):
        words = self.words(ids)
        self.random.shuffle(words)
        most = max(1, round(0.15 * sum(map(len, words))))
        places = []
        for word in words:
            if len(places) + len(word) <= most:
                places += word
        return places or words[0]

    def masked(self, row):
        ids, labels = list(row["ids"]), [-100] * len(row["ids"])
        for place in self.chosen(row["ids"]):
            labels[place] = ids[place]
            draw = self.random.random()
            if draw < 0.8:
                ids[place] = self.mask
            elif draw < 0.9:
                ids[place] = int(self.random.integers(self.size))
        return {"ids": ids, "label": labels}

    def __call__(self, rows):
        masked = [self.masked(row) for row in rows]
        length = max(len(row["ids"]) for row in masked)
        for row in masked:
            row["label"] += [-100] * (length - len(row["label"]))
        return collate(masked)


def read_masked(job):
    """The encoder after continued pre-training on the job's texts."""
    masked = job["masked"]
    model = BertForMaskedLM(BertConfig(**job["config"]))
    model.bert.load_state_dict(load_bert(job).state_dict())
    model.tie_weights()
    special = set(masked["vocabulary"]["special"])
    rows = [row for row in read_rows(masked["rows"]) if set(row["ids"]) - special]
    with tempfile.TemporaryDirectory() as folder:
        recipe = {**masked, "seed": job["seed"]}
        trainer = make_trainer(model, recipe, {"train": rows}, folder, Masking(masked["vocabulary"], job["seed"]))
        trainer.train()
    model.bert.pooler = None
    return model.bert.state_dict()


def tuned_score(job, training, parts, start):
    bert = load_bert(job)
    if training["after_masked"]:
        bert.load_state_dict(start)
    weights = balanced_weights(parts["train"], job["outputs"]) if training["balanced"] else None
    set_seed(job["seed"])
    model = Classifier(bert, job["outputs"], training["frozen_blocks"], weights)
    with tempfile.TemporaryDirectory() as folder:
        trainer = make_trainer(model, {**training, "seed": job["seed"]}, parts, folder)
        trainer.train()
        return score(trainer.predict(parts["test"]).predictions, parts["test"])


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        job = json.load(file)
    set_seed(job["seed"])
    parts = {name: read_rows(path) for name, path in job["rows"].items()}
    scores = {"probe": probe_score(job, parts), "bag_of_words": bag_of_words_score(job, parts)}
    if job["outputs"] == 1:
        parts = standardised(parts)
    else:
        common = np.bincount(labels_of(parts["train"])).argmax()
        scores["majority"] = float(np.mean(labels_of(parts["test"]) == common))
    start = None if job["masked"] is None else read_masked(job)
    for training in job["trainings"]:
        scores[training["name"]] = tuned_score(job, training, parts, start)
    print(json.dumps({"scores": scores, "torch": torch.__version__}))


if __name__ == "__main__":
    main()
