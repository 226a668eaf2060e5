"""Steps of a model in PyTorch, on request: one JSON object a line in, one a line out.

`{"open": {...}}` makes the model and answers with the batch's loss, `{"steps": n}` runs n steps and answers with their
milliseconds. This is PyTorch at its best without compilation: SDPA attention where the model has it, fused AdamW,
gradients freed rather than zeroed. With `compiled`, `torch.compile` on top.
"""

import json
import math
import sys
import time

import torch
import transformers
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F
from transformers import BertModel

transformers.utils.logging.disable_progress_bar()

CLASSES = {
    "bert-base": "BertForSequenceClassification",
    "gpt2": "GPT2LMHeadModel",
    "smollm2-135m": "LlamaForCausalLM",
    "t5-small": "T5ForConditionalGeneration",
    "vit-s14": "ViTForImageClassification",
}


class MeanClassifier(nn.Module):
    """BERT, the mean over its real tokens, and a linear head."""

    def __init__(self, config, labels):
        super().__init__()
        self.bert = BertModel._from_config(config, attn_implementation="sdpa")
        self.bert.pooler = None
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.classifier = nn.Linear(config.hidden_size, labels)

    def forward(self, input_ids, attention_mask, labels=None):
        hidden = self.bert(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        weights = attention_mask.unsqueeze(-1).to(hidden.dtype)
        logits = self.classifier(self.dropout((hidden * weights).sum(1) / weights.sum(1)))
        loss = None if labels is None else F.cross_entropy(logits, labels)
        return transformers.modeling_outputs.SequenceClassifierOutput(loss=loss, logits=logits)


class LowRank(nn.Module):
    """A dense layer with an adapter, as peft has it."""

    def __init__(self, plain, rank):
        super().__init__()
        self.plain = plain
        self.a = nn.Linear(plain.in_features, rank, bias=False)
        self.b = nn.Linear(rank, plain.out_features, bias=False)
        self.scale = 2.0

    def forward(self, x):
        return self.plain(x) + self.b(self.a(x)) * self.scale


def peak_rss_mb():
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def minilm(config, tensors):
    model = MeanClassifier(transformers.BertConfig(**config), labels=2)
    named = {n if n.startswith("classifier.") else f"bert.{n}": t for n, t in tensors.items()}
    missing, unexpected = model.load_state_dict(named, strict=False)
    return model, [name for name in missing if not name.endswith("_ids")], unexpected


def task_model(name, config, tensors):
    """Through transformers' own loading, which knows the names that a checkpoint may have."""
    kind = getattr(transformers, CLASSES[name])
    options = {"config": kind.config_class(**config), "state_dict": tensors, "output_loading_info": True}
    try:
        model, info = kind.from_pretrained(None, attn_implementation="sdpa", **options)
    except ValueError:  # a model without SDPA
        model, info = kind.from_pretrained(None, attn_implementation="eager", **options)
    return model, list(info["missing_keys"]), list(info["unexpected_keys"])


class Server:
    def open(self, case, config, weights, batch, threads, compiled=False):
        torch.set_num_threads(threads)
        torch.manual_seed(0)
        self.case = case
        tensors = load_file(weights)
        self.inputs = {name: torch.tensor(v["data"]).view(v["shape"]) for name, v in batch["inputs"].items()}
        if "inputs.pixel_values" in tensors:
            self.inputs["pixel_values"] = tensors.pop("inputs.pixel_values")
        self.labels = torch.tensor(batch["labels"]["data"]).view(batch["labels"]["shape"])
        adapters = {name: tensors.pop(name) for name in list(tensors) if ".lora_" in name}
        self.model = self.load(case["model"], config, tensors)
        if adapters:
            self.adapt(adapters, case["lora_rank"])
        if case["mode"] == "train":
            self.freeze(case["frozen_blocks"])
            self.optimizer = torch.optim.AdamW(self.groups(), lr=case["learning_rate"], fused=True)
        self.model.eval()
        loss = self.loss()
        self.model.train(case["mode"] == "train")
        self.run = torch.compile(self.model) if compiled else self.model
        return {"loss": loss, "version": torch.__version__}

    def loss(self):
        """Of the batch before the first step; for writing, the mean square of the logits that follow the prompt."""
        with torch.inference_mode():
            if self.case["mode"] == "generate":
                return self.model(**self.inputs).logits[:, -1].square().mean().item()
            return self.model(**self.inputs, labels=self.labels).loss.item()

    def load(self, name, config, tensors):
        loaded = minilm(config, tensors) if name == "minilm" else task_model(name, config, tensors)
        model, missing, unexpected = loaded
        if missing or unexpected:
            raise ValueError(f"weights do not fit: missing {missing}, left over {unexpected}")
        return model

    def adapt(self, adapters, rank):
        self.model.requires_grad_(False)
        for name in [n.removesuffix(".lora_A.weight") for n in adapters if n.endswith(".lora_A.weight")]:
            parent, own = name.rsplit(".", 1)
            layer = LowRank(self.model.get_submodule(name), rank)
            layer.a.weight.data.copy_(adapters[f"{name}.lora_A.weight"])
            layer.b.weight.data.copy_(adapters[f"{name}.lora_B.weight"])
            setattr(self.model.get_submodule(parent), own, layer)

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
        mode = self.case["mode"]
        if mode == "generate":
            count = self.case["new_tokens"]
            with torch.inference_mode():
                return self.run.generate(
                    **self.inputs, max_new_tokens=count, min_new_tokens=count, do_sample=False, pad_token_id=0
                )[0, -1]
        if mode == "infer":
            with torch.inference_mode():
                return self.run(**self.inputs, **self.asked()).logits
        loss = self.run(**self.inputs, labels=self.labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.case["max_grad_norm"])
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return loss.detach()

    def asked(self):
        """A decoder needs something to read: the labels, shifted."""
        return {"labels": self.labels} if self.case["model"] == "t5-small" else {}

    def steps(self, count):
        times = []
        for _ in range(count):
            start = time.perf_counter()
            result = self.step()
            scalar = result.flatten()[0].item()
            times.append((time.perf_counter() - start) * 1000)
        return {"ms": times, "last": scalar if math.isfinite(scalar) else None, "peak_rss_mb": peak_rss_mb()}


def main():
    server = Server()
    for line in sys.stdin:
        request = json.loads(line)
        answer = server.open(**request["open"]) if "open" in request else server.steps(request["steps"])
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
