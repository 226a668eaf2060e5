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
from safetensors.torch import load_file
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from tokenizers import Tokenizer
from torch import nn
from torch.nn import functional as F
from transformers import BertConfig, BertModel, Trainer, TrainingArguments, set_seed

PARTS = {"import": time.perf_counter() - STARTED}


class timed:
    def __init__(self, part):
        self.part = part

    def __enter__(self):
        self.start = time.perf_counter()

    def __exit__(self, *_):
        PARTS[self.part] = PARTS.get(self.part, 0) + time.perf_counter() - self.start


def masked_mean(hidden, mask):
    weights = mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * weights).sum(1) / weights.sum(1)


class Classifier(nn.Module):
    def __init__(self, bert, frozen_blocks):
        super().__init__()
        self.bert = bert
        self.dropout = nn.Dropout(bert.config.hidden_dropout_prob)
        self.classifier = nn.Linear(bert.config.hidden_size, 2)
        nn.init.normal_(self.classifier.weight, std=bert.config.initializer_range)
        nn.init.zeros_(self.classifier.bias)
        self.frozen = [bert.embeddings, *bert.encoder.layer[:frozen_blocks]]
        for part in self.frozen:
            part.requires_grad_(False)

    def train(self, mode=True):
        super().train(mode)
        for part in self.frozen:
            part.eval()
        return self

    def forward(self, input_ids, attention_mask, labels=None):
        hidden = self.bert(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        logits = self.classifier(self.dropout(masked_mean(hidden, attention_mask)))
        loss = None if labels is None else F.cross_entropy(logits, labels)
        return {"loss": loss, "logits": logits}


def read_rows(path):
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def tokenize(tokenizer, rows, max_length):
    """A quarter of the room from the head, the rest from the tail, in [CLS] ... [SEP]."""
    cls, sep = tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]")
    room = max_length - 2
    head = room // 4
    for row, encoding in zip(rows, tokenizer.encode_batch([row["text"] for row in rows], add_special_tokens=False)):
        ids = encoding.ids
        kept = ids if len(ids) <= room else ids[:head] + ids[len(ids) - (room - head) :]
        row["ids"] = [cls, *kept, sep]


def collate(rows):
    length = max(len(row["ids"]) for row in rows)
    pad = lambda values: values + [0] * (length - len(values))
    return {
        "input_ids": torch.tensor([pad(row["ids"]) for row in rows]),
        "attention_mask": torch.tensor([pad([1] * len(row["ids"])) for row in rows]),
        "labels": torch.tensor([row["label"] for row in rows]),
    }


def load_bert(job):
    bert = BertModel._from_config(BertConfig(**job["config"]), attn_implementation="sdpa")
    weights = {name.removeprefix("bert."): tensor.float() for name, tensor in load_file(job["weights"]).items()}
    missing, _ = bert.load_state_dict(weights, strict=False)
    missing = [name for name in missing if not name.endswith("_ids") and not name.startswith("pooler.")]
    if missing:
        raise ValueError(f"weights lack {missing}")
    bert.pooler = None
    return bert


def pooled(bert, rows):
    """Mean-pooled features [rows, width], in the order of the rows."""
    order = sorted(range(len(rows)), key=lambda row: -len(rows[row]["ids"]))
    features = np.empty((len(rows), bert.config.hidden_size), dtype=np.float32)
    bert.eval()
    with torch.inference_mode():
        for start in range(0, len(rows), 32):
            places = order[start : start + 32]
            batch = collate([rows[place] for place in places])
            hidden = bert(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).last_hidden_state
            features[places] = masked_mean(hidden, batch["attention_mask"]).numpy()
    return features


def tuned_accuracy(job, bert, parts, folder):
    model = Classifier(bert, frozen_blocks=job["frozen_blocks"])
    arguments = TrainingArguments(
        output_dir=folder,
        use_cpu=True,
        seed=job["seed"],
        learning_rate=job["learning_rate"],
        num_train_epochs=job["epochs"],
        per_device_train_batch_size=16,
        per_device_eval_batch_size=32,
        weight_decay=0.01,
        lr_scheduler_type="linear",
        warmup_steps=0.1,
        max_grad_norm=1.0,
        optim="adamw_torch_fused",
        eval_strategy="epoch",
        save_strategy="epoch",
        load_best_model_at_end=True,
        metric_for_best_model="eval_loss",
        greater_is_better=False,
        logging_strategy="epoch",
        disable_tqdm=True,
        report_to="none",
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        label_names=["labels"],
    )
    trainer = Trainer(
        model=model,
        args=arguments,
        data_collator=collate,
        train_dataset=parts["train"],
        eval_dataset=parts["validation"],
    )
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
        with open(job["tokenizer"], encoding="utf-8") as file:
            settings = {**json.load(file), "truncation": None, "padding": None}
        tokenizer = Tokenizer.from_str(json.dumps(settings))
        for rows in parts.values():
            tokenize(tokenizer, rows, job["max_length"])
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
