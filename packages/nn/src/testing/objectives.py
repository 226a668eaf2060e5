"""Reference numbers for ops/objective.test.ts, by PyTorch 2.15: each loss and its gradient by the logits.

    python objectives.py > objectives.json
"""
import json

import torch
import torch.nn.functional as F

z = torch.tensor([[0.3, -1.2, 2.1], [1.7, 0.4, -0.6], [-2.5, 0.9, 0.1], [4.0, -3.0, 0.5]])
y = torch.tensor([2, 1, 0, -100])
w = torch.tensor([0.5, 2.0, 1.25])
several = torch.tensor([[1.0, 0, 1], [0, 0, 0], [0, 1, 0], [1, 1, 1]])
values = torch.tensor([0.5, -1.25, 3.0, 0.0])


def focal(z, gamma, weight):
    known = y != -100
    log_p = F.log_softmax(z[known], 1).gather(1, y[known, None])[:, 0]
    return (-weight[y[known]] * (1 - log_p.exp()) ** gamma * log_p).sum() / weight[y[known]].sum()


cases = {
    "smoothed": lambda z: F.cross_entropy(z, y, label_smoothing=0.1),
    "weighted": lambda z: F.cross_entropy(z, y, weight=w),
    "weighted and smoothed": lambda z: F.cross_entropy(z, y, weight=w, label_smoothing=0.2),
    "focal 2": lambda z: focal(z, 2.0, torch.ones(3)),
    "focal 0.5, weighted": lambda z: focal(z, 0.5, w),
    "several": lambda z: F.binary_cross_entropy_with_logits(z, several),
    "several, weighted": lambda z: F.binary_cross_entropy_with_logits(z, several, pos_weight=w),
    "squared": lambda z: F.mse_loss(z[:, 0], values),
}
goldens = []
for name, loss in cases.items():
    x = z.clone().requires_grad_()
    value = loss(x)
    value.backward()
    goldens.append({"name": name, "loss": value.item(), "gradient": x.grad.flatten().tolist()})
print(json.dumps(goldens, indent=2))
