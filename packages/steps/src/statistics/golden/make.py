"""Reference numbers for packages/steps/src/statistics, by scikit-learn and SciPy.

    pip install scikit-learn==1.9.1 scipy==1.17.1 numpy==2.4.6
    python make.py > golden.json
"""
import json
import warnings

import numpy as np
import scipy
import sklearn
from scipy.stats import binomtest, bootstrap
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (accuracy_score, confusion_matrix, f1_score, log_loss, matthews_corrcoef,
                             precision_recall_fscore_support)

warnings.filterwarnings("ignore")
random = np.random.default_rng(20)


def expected_calibration_error(scores, y, bins=15):
    confidence, correct = scores.max(1), scores.argmax(1) == y
    place = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    return float(sum((place == b).mean() * abs(correct[place == b].mean() - confidence[place == b].mean())
                     for b in range(bins) if (place == b).any()))


def classification(y, scores):
    scores = (scores / scores.sum(1, keepdims=True)).astype(np.float32)
    predicted = scores.argmax(1)
    precision, recall, f1, support = precision_recall_fscore_support(y, predicted)
    return {
        "y": y.tolist(), "scores": scores.astype(float).tolist(),
        "accuracy": accuracy_score(y, predicted), "confusion": confusion_matrix(y, predicted).tolist(),
        "f1_macro": f1_score(y, predicted, average="macro"), "f1_micro": f1_score(y, predicted, average="micro"),
        "f1_weighted": f1_score(y, predicted, average="weighted"), "mcc": matthews_corrcoef(y, predicted),
        "precision": precision.tolist(), "recall": recall.tolist(), "f1": f1.tolist(), "support": support.tolist(),
        "log_loss": log_loss(y, scores.astype(float)), "ece": expected_calibration_error(scores.astype(float), y),
    }


def logistic(classes, C):
    X = random.normal(size=(45, 4)).round(4)
    y = (X @ random.normal(size=(4, classes)) + random.gumbel(size=(45, classes))).argmax(1)
    model = LogisticRegression(C=C, tol=1e-12, max_iter=100_000).fit(X, y)
    return {"X": X.tolist(), "y": y.tolist(), "C": C, "coef": model.coef_.tolist(), "intercept": model.intercept_.tolist(),
            "probabilities": model.predict_proba(X[:5]).tolist()}


def tfidf(**options):
    vectorizer = TfidfVectorizer(**options)
    matrix = vectorizer.fit_transform(TEXTS)
    return {"options": {**options, "ngram_range": list(options.get("ngram_range", (1, 1)))},
            "vocabulary": vectorizer.get_feature_names_out().tolist(), "matrix": matrix.toarray().tolist(),
            "unseen": vectorizer.transform(["a good und völlig unseen film film"]).toarray().tolist()}


TEXTS = ["A good film, a GOOD film!", "bad bad bad film", "not a good one: it's bad", "Völlig gut 12 3 x_y",
         "the film's plot <br /> was good", "", "one film"]
BOOTSTRAP_BASE = (random.random(400) < 0.70).astype(int)
BOOTSTRAP_TUNED = np.where(random.random(400) < 0.25, random.random(400) < 0.9, BOOTSTRAP_BASE).astype(int)
interval = bootstrap((BOOTSTRAP_BASE, BOOTSTRAP_TUNED), lambda base, tuned, axis: tuned.mean(axis) - base.mean(axis),
                     paired=True, vectorized=True, n_resamples=100_000, method="percentile",
                     rng=np.random.default_rng(1)).confidence_interval

y3 = random.integers(0, 3, 60)
golden = {
    "made_with": {"sklearn": sklearn.__version__, "scipy": scipy.__version__, "numpy": np.__version__},
    "classification": [
        classification(y3, random.dirichlet(np.ones(3), 60) + 0.9 * np.eye(3)[y3] * random.random((60, 1))),
        classification(random.integers(0, 2, 50), random.dirichlet([0.4, 0.4], 50)),
        # One class is never predicted: its precision is 0 of 0.
        classification(np.array([0, 0, 1, 1, 2, 2]), np.array([[5, 1, 1], [4, 2, 1], [1, 5, 1], [6, 1, 1], [1, 3, 1], [3, 1, 1]]) / 1.0),
    ],
    "mcnemar": [[b, c, binomtest(b, b + c, 0.5).pvalue] for b, c in [(120, 44), (44, 120), (5, 5), (0, 1), (0, 30), (1, 9), (700, 800)]],
    "logistic": [logistic(2, 1.0), logistic(3, 1.0), logistic(4, 0.05)],
    "tfidf": {"texts": TEXTS, "cases": [tfidf(), tfidf(sublinear_tf=True, ngram_range=(1, 2), min_df=2)]},
    "bootstrap": {"base": BOOTSTRAP_BASE.tolist(), "tuned": BOOTSTRAP_TUNED.tolist(), "low": interval.low, "high": interval.high},
}
print(json.dumps(golden))
