"""Steps of a BERT classifier in PyTorch, on request: one JSON object a line in, one a line out.

`{"open": {...}}` makes the model and answers with the batch's loss, `{"steps": n}` runs n steps and answers with their
milliseconds. This is PyTorch at its best without compilation: SDPA attention, fused AdamW, gradients freed rather than zeroed.
"""

import json
import sys
import time

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F
from transformers import BertConfig, BertModel


class Classifier(nn.Module):
    """BERT, the mean over its real tokens, and a linear head."""

    def __init__(self, config, labels):
        super().__init__()
        self.bert = BertModel._from_config(config, attn_implementation="sdpa")
        self.bert.pooler = None
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.classifier = nn.Linear(config.hidden_size, labels)

    def forward(self, ids, mask):
        hidden = self.bert(input_ids=ids, attention_mask=mask).last_hidden_state
        weights = mask.unsqueeze(-1).to(hidden.dtype)
        return self.classifier(self.dropout((hidden * weights).sum(1) / weights.sum(1)))


def peak_rss_mb():
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


class Server:
    def open(self, case, config, weights, batch, threads):
        torch.set_num_threads(threads)
        torch.manual_seed(0)
        rate = case["dropout"]
        settings = {**config, "hidden_dropout_prob": rate, "attention_probs_dropout_prob": rate}
        self.case = case
        self.model = Classifier(BertConfig(**settings), labels=2)
        self.load(weights)
        shape = (case["rows"], case["length"])
        self.ids = torch.tensor(batch["input_ids"]).view(shape)
        self.mask = torch.tensor(batch["attention_mask"]).view(shape)
        self.labels = torch.tensor(batch["labels"])
        if case["mode"] == "train":
            self.freeze(case["frozen_blocks"])
            self.optimizer = torch.optim.AdamW(self.groups(), lr=case["learning_rate"], fused=True)
        self.model.eval()
        with torch.inference_mode():
            loss = F.cross_entropy(self.model(self.ids, self.mask), self.labels).item()
        self.model.train(case["mode"] == "train")
        return {"loss": loss, "version": torch.__version__}

    def load(self, path):
        tensors = {name if name.startswith("classifier.") else f"bert.{name}": t for name, t in load_file(path).items()}
        missing, unexpected = self.model.load_state_dict(tensors, strict=False)
        missing = [name for name in missing if not name.endswith("_ids")]
        if missing or unexpected:
            raise ValueError(f"weights do not fit: missing {missing}, left over {unexpected}")

    def freeze(self, blocks):
        if blocks == 0:
            return
        for part in [self.model.bert.embeddings, *self.model.bert.encoder.layer[:blocks]]:
            part.requires_grad_(False)

    def groups(self):
        trained = [p for p in self.model.parameters() if p.requires_grad]
        return [
            {"params": [p for p in trained if p.dim() > 1], "weight_decay": self.case["weight_decay"]},
            {"params": [p for p in trained if p.dim() <= 1], "weight_decay": 0.0},
        ]

    def step(self):
        if self.case["mode"] == "infer":
            with torch.inference_mode():
                return self.model(self.ids, self.mask)
        loss = F.cross_entropy(self.model(self.ids, self.mask), self.labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.case["max_grad_norm"])
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return loss.detach()

    def steps(self, count):
        times = []
        for _ in range(count):
            start = time.perf_counter()
            result = self.step()
            scalar = result.flatten()[0].item()
            times.append((time.perf_counter() - start) * 1000)
        return {"ms": times, "last": scalar, "peak_rss_mb": peak_rss_mb()}


def main():
    server = Server()
    for line in sys.stdin:
        request = json.loads(line)
        answer = server.open(**request["open"]) if "open" in request else server.steps(request["steps"])
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
