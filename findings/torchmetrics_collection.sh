#!/usr/bin/env bash
# torchmetrics: MetricCollection computes metrics that agree on the first batch as one ever after: recall at thresholds of 0.5, 0.3 and 0.2 is one number, top-3 accuracy is the top-1.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv torch==2.13.0 torchmetrics==1.9.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
import torch, torchmetrics
from torchmetrics import MetricCollection
from torchmetrics.classification import BinaryRecall, MulticlassAccuracy

print(f"torchmetrics {torchmetrics.__version__}, torch {torch.__version__}")
random = torch.Generator().manual_seed(0)
melanoma = [(torch.tensor([0.9, 0.8, 0.1, 0.05]), torch.tensor([1, 1, 0, 0]))]  # the first batch is easy
for _ in range(20):
    truth = torch.randint(0, 2, (64,), generator=random)
    melanoma.append((torch.sigmoid(torch.randn(64, generator=random) + 2.0 * truth - 2), truth))
seven = []
for batch in range(20):
    truth = torch.randint(0, 7, (32,), generator=random)
    logits = torch.randn(32, 7, generator=random)
    logits[torch.arange(32), truth] += 20 if batch == 0 else 1
    seven.append((logits.softmax(1), truth))
metrics = {
    "recall": lambda: {f"at {threshold} %": BinaryRecall(threshold=threshold / 100) for threshold in (20, 30, 50)},
    "accuracy": lambda: {f"top {k}": MulticlassAccuracy(7, top_k=k) for k in (1, 2, 3)},
}
found = {}
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    for name, batches in (("recall", melanoma), ("accuracy", seven)):
        collection, alone = MetricCollection(metrics[name]()), metrics[name]()
        for batch in batches:
            collection.update(*batch)
            for metric in alone.values():
                metric.update(*batch)
        together = collection.compute()
        found[name] = [(float(together[key]), float(metric.compute())) for key, metric in alone.items()]
        for key, (in_collection, by_itself) in zip(alone, found[name]):
            print(f"{name} {key}: in the collection {in_collection:.2f}, alone {by_itself:.2f}")
print(f"warnings: {len(told)}; with compute_groups=False the collection's are those of each alone")
one = all(len({round(together, 6) for together, _ in pairs}) == 1 for pairs in found.values())
sys.exit(not (one and all(max(alone for _, alone in pairs) - min(alone for _, alone in pairs) > 0.3 for pairs in found.values()) and not told))
P
echo "expected: each metric of a collection is what it is alone"
check
