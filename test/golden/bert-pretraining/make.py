"""A tiny random BertForPreTraining with golden numbers from transformers: masked tokens and next sentences at once.

drawn.json is what Hone draws of eight rows: WRITE_DRAWN=1 npx vitest run packages/steps/src/train/pretraining.test.ts writes it, before this is run.
usage: python make.py OUT_FOLDER     (torch and transformers of bench/torch/requirements.txt; CPU, one thread, fp32, eager attention)
"""
import json, sys
from pathlib import Path
import torch, transformers
from transformers import BertConfig, BertForPreTraining

torch.set_num_threads(1)
torch.manual_seed(0)
out = Path(sys.argv[1])
V = 60
config = BertConfig(vocab_size=V, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, max_position_embeddings=16,
                    initializer_range=0.2, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, pad_token_id=0)
config._attn_implementation = "eager"
model = BertForPreTraining(config).train()
with torch.no_grad():  # biases and norms that an implementation cannot leave out
    noise = torch.Generator().manual_seed(7)
    for _, p in sorted(model.named_parameters()):
        if p.ndim == 1:
            p.add_(0.1 * torch.randn(p.shape, generator=noise))
model.save_pretrained(out)

g = torch.Generator().manual_seed(3)
lengths, split = [11, 8, 5], [6, 4, 2]
ids = torch.randint(4, V, (3, 11), generator=g)
mask = (torch.arange(11)[None] < torch.tensor(lengths)[:, None]).long()
types = ((torch.arange(11)[None] >= torch.tensor(split)[:, None]) & (mask == 1)).long()
ids = ids.masked_fill(mask == 0, 0)
labels = torch.full_like(ids, -100)
for row, place in [(0, 2), (0, 7), (1, 1), (2, 3)]:
    labels[row, place] = ids[row, place]
    ids[row, place] = 3
feeds = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types, "labels": labels, "next_sentence_label": torch.tensor([0, 1, 0])}

flat = lambda t: [float(f"{x:.9g}") for x in t.detach().flatten().tolist()]
first = model(**feeds)
loss_of = torch.nn.functional.cross_entropy
first.loss.backward()
gradients = {name: {"norm": float(p.grad.norm()), "first_3": flat(p.grad.flatten()[:3])} for name, p in model.named_parameters() if p.grad is not None}
goldens = {
    "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
    "inputs": {name: value.tolist() for name, value in feeds.items()},
    "prediction_logits": flat(first.prediction_logits),
    "seq_relationship_logits": flat(first.seq_relationship_logits),
    "loss": first.loss.item(),
    "masked_loss": loss_of(first.prediction_logits.view(-1, V), labels.view(-1)).item(),
    "next_sentence_loss": loss_of(first.seq_relationship_logits, feeds["next_sentence_label"]).item(),
    "first_gradients": gradients,
}
# What Hone drew of eight rows (packages/steps/src/train/pretraining.test.ts): its losses under the same weights.
drawn = json.loads((out / "drawn.json").read_text())
matrix = lambda name: torch.tensor(drawn[name]["data"]).reshape(drawn[name]["shape"])
with torch.no_grad():
    seen = model(**{name: matrix(name) for name in ("input_ids", "attention_mask", "token_type_ids")})
    guesses = seen.prediction_logits.reshape(-1, V)[torch.tensor(drawn["positions"])]
    goldens["drawn"] = {"masked_loss": loss_of(guesses, torch.tensor(drawn["labels"])).item(),
                        "next_sentence_loss": loss_of(seen.seq_relationship_logits, torch.tensor(drawn["labels_next_sentence"])).item()}
model.zero_grad()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)
goldens["losses_of_ten_steps"] = []
for _ in range(10):
    loss = model(**feeds).loss
    goldens["losses_of_ten_steps"].append(loss.item())
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
(out / "goldens.json").write_text(json.dumps(goldens) + "\n")
