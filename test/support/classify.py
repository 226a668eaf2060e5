"""What folders that `hone export` wrote say of texts, as transformers loads them.

python classify.py JOBS.json -> JSON on standard output. Of each job { "folder", "texts", "max_length" }, whose texts are strings or
pairs of them: { "model": class name, "labels": [name of each logit], "problem_type", "problems": what loading complained of,
"rows": [[logit of each label]] }.

Nothing of Hone is read but the folder; texts are cut at their end, as `truncate: head` does.
"""

import json
import sys

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer


def classify(folder, texts, max_length):
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
            part = [text if isinstance(text, list) else [text] for text in texts[start : start + 16]]
            columns = [list(column) for column in zip(*part)]
            batch = tokenizer(*columns, truncation=True, max_length=max_length, padding=True, return_tensors="pt")
            rows += model(**batch).logits.double().tolist()
    return {
        "model": type(model).__name__,
        "labels": [model.config.id2label[at] for at in range(model.config.num_labels)],
        "problem_type": model.config.problem_type,
        "problems": {name: sorted(map(str, found)) for name, found in loading.items() if found},
        "rows": rows,
    }


with open(sys.argv[1], encoding="utf-8") as file:
    print(json.dumps([classify(**job) for job in json.load(file)]))
