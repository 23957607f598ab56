#!/usr/bin/env bash
# Optuna's load_if_exists=True takes the stored direction and drops the one that is given: the best trial is the worst.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv optuna==5.0.0 sqlalchemy==2.1.9 alembic==1.20.1 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
import optuna

messages = []
optuna.logging.set_verbosity(optuna.logging.WARNING)
optuna.logging._get_library_root_logger().addFilter(lambda record: messages.append(record) or False)
store = f"sqlite:///{sys.argv[1]}/studies.db"
print(f"Optuna {optuna.__version__}")


def accuracy(trial):  # balanced accuracy by learning rate, in this example
    return 0.9 - abs(trial.suggest_float("rate", 0, 1, step=0.25) - 0.5)


for number, options in enumerate(({}, {"direction": "maximize", "sampler": optuna.samplers.RandomSampler(seed=0)}), 1):
    study = optuna.create_study(study_name="lesions", storage=store, load_if_exists=True, **options)
    study.optimize(accuracy, n_trials=15)
    values = [trial.value for trial in study.trials]
    print(f"script {number}, direction {options.get('direction', 'not given')}: {study.direction.name}, values {min(values):.2f} to {max(values):.2f}, best_value {study.best_value:.2f}, {study.best_params}")
print(f"warnings: {len(messages)}")
sys.exit(not (study.best_value == min(values) < max(values) and not messages))
P
echo "expected: a study that exists with another direction is refused"
check "$folder"
