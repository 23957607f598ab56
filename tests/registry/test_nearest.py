import mlflow
import pytest

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
    assert result.exit_code == 2 and "did you mean 'pretrained'?" in error_line(result)
