"""Log-probabilities of texts by a folder that `hone export` wrote, as transformers loads it.

python classify.py FOLDER TEXTS.json MAX_LENGTH -> JSON on standard output: { "model": class name, "tokenizer": class name,
"labels": [name of each logit], "problems": what loading complained of, "rows": [[log-probability of each label]] }.

Nothing of Hone is read but the folder; the texts are cut at their end, as `truncate: head` does.
"""

import json
import sys

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

folder, texts_file, max_length = sys.argv[1], sys.argv[2], int(sys.argv[3])
with open(texts_file, encoding="utf-8") as file:
    texts = json.load(file)
with open(f"{folder}/config.json", encoding="utf-8") as file:
    needs_code = "auto_map" in json.load(file)

tokenizer = AutoTokenizer.from_pretrained(folder)
# Only where the folder brings a class of its own: BERT's own must load without trusting anything.
trust = {"trust_remote_code": True} if needs_code else {}
model, loading = AutoModelForSequenceClassification.from_pretrained(folder, output_loading_info=True, **trust)
model.eval()

rows = []
with torch.no_grad():
    for start in range(0, len(texts), 16):
        batch = tokenizer(
            texts[start : start + 16], truncation=True, max_length=max_length, padding=True, return_tensors="pt"
        )
        rows += model(**batch).logits.double().log_softmax(-1).tolist()

print(
    json.dumps(
        {
            "model": type(model).__name__,
            "tokenizer": type(tokenizer).__name__,
            "labels": [model.config.id2label[at] for at in range(model.config.num_labels)],
            "problems": {name: sorted(map(str, found)) for name, found in loading.items() if found},
            "rows": rows,
        }
    )
)
