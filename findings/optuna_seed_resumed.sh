#!/usr/bin/env bash
# Optuna's RandomSampler with a seed repeats itself when a study is resumed, or in a second process: the same trials again, and nothing new, without a message.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv optuna==5.0.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
from pathlib import Path
import optuna

optuna.logging.set_verbosity(optuna.logging.WARNING)
store = f"sqlite:///{Path(sys.argv[0]).with_name('studies.db')}"
SAMPLERS = {
    "RandomSampler(seed=0)": lambda: optuna.samplers.RandomSampler(seed=0),
    "RandomSampler()": lambda: optuna.samplers.RandomSampler(),
    "TPESampler(seed=0)": lambda: optuna.samplers.TPESampler(seed=0),
}


def loss(trial):
    rate = trial.suggest_float("learning rate", 1e-5, 1e-1, log=True)
    return (rate * 100 - 0.3) ** 2 + trial.suggest_float("dropout", 0, 1) + trial.suggest_int("layers", 1, 8)


print(f"optuna {optuna.__version__}")
found = {}
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    for name, sampler in SAMPLERS.items():
        best = []
        for _ in range(2):  # the same program, started again
            study = optuna.create_study(study_name=name, storage=store, load_if_exists=True, sampler=sampler())
            study.optimize(loss, n_trials=20)
            best.append(study.best_value)
        trials = [tuple(trial.params.values()) for trial in study.trials]
        found[name] = len(set(trials))
        print(f"{name}: {len(trials)} trials, {found[name]} different ones; the best loss is {best[0]:.3f} after 20 and {best[1]:.3f} after 40")
print(f"warnings other than of experimental parts: {len([each for each in told if not issubclass(each.category, optuna.exceptions.ExperimentalWarning)])}")
sys.exit(list(found.values()) != [20, 40, 40])
P
echo "expected: a study that goes on tries something new"
check
