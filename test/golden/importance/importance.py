"""Importances of three params by Optuna's fANOVA, for packages/runner/src/sweep/importance/importance.test.ts.

    python importance.py > golden.json        (optuna 5.0.0, scikit-learn 1.9.1)

The rate is a plain number here: of a logarithmic one Optuna's fANOVA takes all values as equally likely, and not its logarithms.
"""

import json
import random

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.importance import FanovaImportanceEvaluator

SPACE = {
    "rate": FloatDistribution(-5, -3),
    "tuned.batch_size": CategoricalDistribution([8, 16, 32]),
    "trainable.last_blocks": IntDistribution(1, 6),
}
SEEDS = 10


def objective(params):
    rate = params["rate"] + 4
    batch = {8: 0.02, 16: 0.0, 32: -0.03}[params["tuned.batch_size"]]
    return 0.8 - 0.08 * (rate - 0.3) ** 2 + batch + 0.006 * params["trainable.last_blocks"] * (1 + 0.5 * rate)


def drawn(rng):
    return {
        "rate": rng.uniform(-5, -3),
        "tuned.batch_size": rng.choice([8, 16, 32]),
        "trainable.last_blocks": rng.randint(1, 6),
    }


def main():
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    rng = random.Random(7)
    trials = [{"params": params, "objective": objective(params)} for params in (drawn(rng) for _ in range(120))]
    study = optuna.create_study(direction="maximize")
    for trial in trials:
        study.add_trial(
            optuna.trial.create_trial(params=trial["params"], distributions=SPACE, value=trial["objective"])
        )
    told = [
        optuna.importance.get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=seed))
        for seed in range(SEEDS)
    ]
    importances = {path: sum(one[path] for one in told) / SEEDS for path in SPACE}
    spread = {path: [min(one[path] for one in told), max(one[path] for one in told)] for path in SPACE}
    print(json.dumps({"optuna": optuna.__version__, "importances": importances, "spread": spread, "trials": trials}))


if __name__ == "__main__":
    main()
