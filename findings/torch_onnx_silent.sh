#!/usr/bin/env bash
# torch.onnx.export(dynamo=True) drops what an operator says, without a message: the mean of scatter_reduce is the last value, avg_pool2d's divisor_override is ignored, and log-sigmoid of -100 is minus infinity.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv torch==2.13.0 onnx==1.23.2 onnxscript==0.7.2 onnxruntime==1.32.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import contextlib, io, logging, sys, warnings
from importlib.metadata import version
import numpy as np, onnxruntime, torch
from torch.nn import functional

print(*(f"{name} {version(name)}" for name in ("torch", "onnx", "onnxscript", "onnxruntime")))
torch.set_num_threads(1)
lesion = torch.tensor([0, 0, 0, 1, 2, 2])  # six photographs of three lesions


def per_lesion(kind):
    return lambda scores: torch.zeros(3).scatter_reduce(0, lesion, scores, kind, include_self=False)


scores = torch.tensor([0.9, 0.6, 0.3, 0.5, 0.2, 0.4])
image = torch.arange(16, dtype=torch.float32).reshape(1, 1, 4, 4)
cases = {
    "scatter_reduce mean, by lesion": (per_lesion("mean"), scores),
    "scatter_reduce sum": (per_lesion("sum"), scores),
    "scatter_reduce amax": (per_lesion("amax"), scores),
    "avg_pool2d, divisor_override=1": (lambda x: functional.avg_pool2d(x, 2, divisor_override=1), image),
    "avg_pool2d": (lambda x: functional.avg_pool2d(x, 2), image),
    "logsigmoid": (functional.logsigmoid, torch.tensor([-100.0, -20.0, 1.0, 30.0])),
    "log_softmax": (lambda x: functional.log_softmax(x, 0), torch.tensor([-100.0, -20.0, 1.0, 30.0])),
    "pixels << 1, uint8": (lambda x: x << 1, torch.tensor([10, 60, 100, 200], dtype=torch.uint8)),
    "pixels * 2, uint8": (lambda x: x * 2, torch.tensor([10, 60, 100, 200], dtype=torch.uint8)),
}


class Network(torch.nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


found = {}
logging.disable(logging.CRITICAL)
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    for name, (function, given) in cases.items():
        network = Network(function).eval()
        right = network(given).numpy()
        with contextlib.redirect_stdout(io.StringIO()):
            torch.onnx.export(network, (given,), dynamo=True).save("graph.onnx")
        session = onnxruntime.InferenceSession("graph.onnx")
        answer = session.run(None, {session.get_inputs()[0].name: given.numpy()})[0]
        found[name] = np.allclose(answer.astype(float), right.astype(float), atol=1e-6)
        print(f"{name}: {'equal' if found[name] else 'different'}; PyTorch {right.ravel().round(4).tolist()}, exported {answer.ravel().round(4).tolist()}")
mine = {str(each.message)[:70] for each in said if any(word in str(each.message) for word in ("reduce", "divisor", "sigmoid", "shift"))}
print("warnings of these operators:", sorted(mine) or "none")
wrong = [name for name, equal in found.items() if not equal]
sys.exit(not (wrong == ["scatter_reduce mean, by lesion", "avg_pool2d, divisor_override=1", "logsigmoid", "pixels << 1, uint8"] and not mine))
P
echo "expected: the numbers of PyTorch, or an error, as for a median"
cd "$folder" && check
