"""Reference numbers for ../tasks.test.ts, by scikit-learn and SciPy.

    pip install scikit-learn==1.9.1 scipy==1.17.1 numpy==2.4.6
    python tasks.py > tasks.json
"""
import json

import numpy as np
from scipy.stats import pearsonr, spearmanr
from sklearn.linear_model import Ridge
from sklearn.metrics import (accuracy_score, average_precision_score, f1_score, mean_absolute_error, mean_squared_error,
                             precision_recall_fscore_support, r2_score, roc_auc_score)

random = np.random.default_rng(7)
truth = np.round(random.normal(3, 1, 60), 1)  # rounded: ranks are tied
predicted = np.round(truth + random.normal(0.2, 0.7, 60), 1)

several = (random.random((50, 4)) < [0.5, 0.2, 0.1, 0.0]).astype(int)
scores = np.round(np.clip(several * 0.3 + random.random((50, 4)) * 0.7, 0, 1), 2).astype(np.float32)
said = (scores >= 0.5).astype(int)
precision, recall, f1, support = precision_recall_fscore_support(several, said, zero_division=0)

x = random.normal(size=(40, 6)).astype(np.float32)
y = x @ random.normal(size=6) * 20 + 100 + random.normal(size=40)
ridge = Ridge(alpha=2.5, solver="cholesky").fit(x.astype(np.float64), y)

print(json.dumps({
    "regression": {
        "truth": truth.tolist(), "predicted": predicted.tolist(),
        "mae": mean_absolute_error(truth, predicted), "rmse": mean_squared_error(truth, predicted) ** 0.5,
        "r2": r2_score(truth, predicted), "pearson": float(pearsonr(truth, predicted)[0]),
        "spearman": float(spearmanr(truth, predicted)[0]),
    },
    "several": {
        "truth": several.flatten().tolist(), "scores": scores.flatten().tolist(), "labels": 4,
        "f1_micro": f1_score(several, said, average="micro"), "f1_macro": f1_score(several, said, average="macro", zero_division=0),
        "subset_accuracy": accuracy_score(several, said), "precision": precision.tolist(), "recall": recall.tolist(),
        "f1": f1.tolist(), "support": support.tolist(),
        "average_precision": [average_precision_score(several[:, k], scores[:, k]) for k in range(3)],
        "auroc": [roc_auc_score(several[:, k], scores[:, k]) for k in range(3)],
    },
    "ridge": {"x": x.flatten().tolist(), "y": y.tolist(), "columns": 6, "alpha": 2.5,
              "weights": ridge.coef_.tolist(), "intercept": float(ridge.intercept_), "predicted": ridge.predict(x[:5].astype(np.float64)).tolist()},
}))
