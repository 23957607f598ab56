import keras
import pytest

from lesionflow.errors import UsageError
from lesionflow.training import determinism


def test_jax_on_a_gpu_names_what_has_to_be_set_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    monkeypatch.setattr(determinism, "has_gpu", lambda: False)
    determinism.make_deterministic()
    monkeypatch.setattr(determinism, "has_gpu", lambda: True)
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    with pytest.raises(UsageError, match="XLA_FLAGS=--xla_gpu_deterministic_ops=true"):
        determinism.make_deterministic()
    monkeypatch.setenv("XLA_FLAGS", "--xla_gpu_autotune_level=0 --xla_gpu_deterministic_ops=true")
    determinism.make_deterministic()
