import mlflow
import pytest
from click.testing import CliRunner

from lesionflow.cli import main
from tests.conftest import error_line, invoke
from tests.contenders import NAME


@pytest.mark.usefixtures("contenders")
def test_a_misspelt_model_or_alias_is_answered_with_the_nearest() -> None:
    mlflow.MlflowClient().set_registered_model_alias(NAME, "champion", "1")
    misspelt, meant = NAME[:-1], f"did you mean '{NAME}'?"
    for arguments in (
        ("score", ".", "--out", "x.csv", "--model", f"models:/{misspelt}@champion"),
        ("score", ".", "--out", "x.csv", "--model", f"models:/{misspelt}/1"),
        ("compare", f"models:/{misspelt}@champion"),
        ("history", misspelt),
        ("promote", misspelt, "1"),
    ):
        result = invoke(*arguments)
        assert result.exit_code == 1 and meant in error_line(result), arguments
    result = invoke("score", ".", "--out", "x.csv", "--model", f"models:/{NAME}@champoin")
    assert "did you mean 'champion'?" in error_line(result)
    result = invoke("score", ".", "--out", "x.csv", "--model", "pretraind")
    assert result.exit_code == 1 and "did you mean 'pretrained'?" in error_line(result)


@pytest.mark.usefixtures("contenders")
@pytest.mark.parametrize("command", [("history", "zzz"), ("rollback", "zzz"), ("promote", "zzz", "1")])
def test_of_a_model_that_is_not_registered_the_names_are_listed(command: tuple[str, ...]) -> None:
    result = invoke(*command)
    assert f"no model of that name, only {NAME}" in error_line(result)


@pytest.mark.usefixtures("contenders")
def test_a_model_without_versions_is_not_said_to_be_missing() -> None:
    mlflow.MlflowClient().create_registered_model("emptied")
    told = error_line(invoke("promote", "emptied", "1"))
    assert "that model has no versions; 'lesionflow train'" in told and "did you mean" not in told


@pytest.mark.usefixtures("contenders")
def test_no_color_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow.MlflowClient().set_registered_model_alias(NAME, "champion", "1")  # which the history warns of
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured = CliRunner().invoke(main, ["history", NAME], color=True)
    monkeypatch.setenv("NO_COLOR", "1")
    plain = CliRunner().invoke(main, ["history", NAME], color=True)
    assert coloured.exit_code == 0 and "\x1b[33m\x1b[1mWARNING: " in coloured.stderr
    assert plain.exit_code == 0 and plain.stderr.startswith("WARNING: ") and "\x1b" not in plain.stderr
