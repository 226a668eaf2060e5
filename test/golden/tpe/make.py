"""Best values that Optuna's TPESampler finds in 40 trials, on three functions and 30 seeds each: optuna.json.

pip install optuna==4.5.0; python make.py

The functions are those of packages/runner/src/sweep/search/tpe.test.ts.
"""

import json
import math
import statistics

import optuna


def branin(trial):
    x = trial.suggest_float("x", -5.0, 10.0)
    y = trial.suggest_float("y", 0.0, 15.0)
    b, c, t = 5.1 / (4 * math.pi**2), 5 / math.pi, 1 / (8 * math.pi)
    return (y - b * x * x + c * x - 6) ** 2 + 10 * (1 - t) * math.cos(x) + 10 - 0.39788735772973816


def mixed(trial):
    rate = trial.suggest_float("rate", 1e-5, 1e-1, log=True)
    batch = trial.suggest_categorical("batch", [8, 16, 32, 64])
    blocks = trial.suggest_int("blocks", 1, 12)
    return (math.log10(rate) + 3) ** 2 + {8: 0.4, 16: 0.0, 32: 0.2, 64: 0.8}[batch] + 0.05 * (blocks - 7) ** 2


def conditional(trial):
    strategy = trial.suggest_categorical("strategy", ["head", "partial", "full"])
    rate = trial.suggest_float("rate", 1e-5, 1e-1, log=True)
    best = {"head": -2.0, "partial": -3.5, "full": -4.5}[strategy]
    loss = (math.log10(rate) - best) ** 2 + {"head": 0.5, "partial": 0.1, "full": 0.0}[strategy]
    if strategy != "head":
        decay = trial.suggest_float("decay", 0.5, 1.0)
        loss += 10 * (decay - 0.85) ** 2
    return loss


def best(function, seed):
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    study.optimize(function, n_trials=40)
    return study.best_value


optuna.logging.set_verbosity(optuna.logging.WARNING)
result = {"optuna": optuna.__version__, "trials": 40, "seeds": 30, "functions": {}}
for function in (branin, mixed, conditional):
    values = [best(function, seed) for seed in range(30)]
    result["functions"][function.__name__] = {
        "mean": round(statistics.mean(values), 6),
        "sd": round(statistics.stdev(values), 6),
        "median": round(statistics.median(values), 6),
    }
print(json.dumps(result, indent=2))
