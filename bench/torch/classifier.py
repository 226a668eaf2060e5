"""What the scripts here share: a BERT with a linear head on the masked mean, its rows, and the Trainer that tunes it.

Frozen blocks stay in evaluation mode, as in Hone: it spares them dropout. The weights are those of the package that Hone takes them
from, float16 widened to float32.
"""

import json

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F
from transformers import BertConfig, BertModel, Trainer, TrainingArguments


def masked_mean(hidden, mask):
    weights = mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * weights).sum(1) / weights.sum(1)


class Classifier(nn.Module):
    """Classes where there are several outputs, a number where there is one. `frozen_blocks` None: the embeddings train, too."""

    def __init__(self, bert, outputs, frozen_blocks, class_weights=None):
        super().__init__()
        self.bert = bert
        self.dropout = nn.Dropout(bert.config.hidden_dropout_prob)
        self.classifier = nn.Linear(bert.config.hidden_size, outputs)
        nn.init.normal_(self.classifier.weight, std=bert.config.initializer_range)
        nn.init.zeros_(self.classifier.bias)
        self.class_weights = None if class_weights is None else torch.tensor(class_weights)
        self.frozen = [] if frozen_blocks is None else [bert.embeddings, *bert.encoder.layer[:frozen_blocks]]
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
        return {"loss": None if labels is None else self.loss(logits, labels), "logits": logits}

    def loss(self, logits, labels):
        if self.classifier.out_features == 1:
            return F.mse_loss(logits.squeeze(-1), labels)
        # Validation losses are plain, as in Hone.
        return F.cross_entropy(logits, labels, weight=self.class_weights if self.training else None)


def read_rows(path):
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


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


def make_trainer(model, job, parts, folder, collator=collate, metrics=None):
    """Hone's defaults: AdamW, a linear schedule with a tenth of warm-up; with validation rows the weights of the best epoch."""
    validates = "validation" in parts
    arguments = TrainingArguments(
        output_dir=folder,
        use_cpu=True,
        seed=job["seed"],
        learning_rate=job["learning_rate"],
        num_train_epochs=job["epochs"],
        per_device_train_batch_size=job.get("batch_size", 16),
        per_device_eval_batch_size=32,
        weight_decay=0.01,
        lr_scheduler_type="linear",
        warmup_steps=0.1,
        max_grad_norm=1.0,
        optim="adamw_torch_fused",
        eval_strategy="epoch" if validates else "no",
        save_strategy="epoch" if validates else "no",
        load_best_model_at_end=validates,
        metric_for_best_model="eval_loss",
        greater_is_better=False,
        logging_strategy="epoch",
        disable_tqdm=True,
        report_to="none",
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        label_names=["labels"],
    )
    return Trainer(
        model=model,
        args=arguments,
        data_collator=collator,
        train_dataset=parts["train"],
        eval_dataset=parts.get("validation"),
        compute_metrics=metrics,
    )
