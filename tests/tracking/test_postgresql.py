"""A PostgreSQL database as the store: several processes that touch it first, and one that did not come to its end."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy

from lesionflow.tracking.database import CURRENT, MISSING, MissingStoreError, prepare, read_schema
from tests.registry.postgres import REQUIRED, Cluster, binaries, postgres
from tests.tracking.first_touch import touch

pytestmark = pytest.mark.skipif(
    binaries() is None and not REQUIRED, reason="no PostgreSQL on this machine: apt-get install postgresql"
)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with postgres() as running:
        yield running


def database(cluster: Cluster, name: str) -> str:
    """Make an empty database; returns its address."""
    subprocess.run([cluster.programs / "createdb", name], env=os.environ | cluster.environment, check=True)
    return f"postgresql+psycopg://postgres@/{name}?host={cluster.folder}&port={cluster.port}"


def ask(address: str, question: str) -> list[object]:
    engine = sqlalchemy.create_engine(address, poolclass=sqlalchemy.pool.NullPool)
    with engine.connect() as connection:
        return list(connection.exec_driver_sql(question).scalars())


def test_first_touches_at_once(cluster: Cluster, tmp_path: Path) -> None:
    address = database(cluster, "at_once")
    touch(tmp_path, tmp_path, tmp_path, address=address)
    assert ask(address, "SELECT count(*) FROM runs") == [3]
    assert sorted(map(str, ask(address, "SELECT name FROM experiments"))) == ["Default", "lesionflow"]


def test_who_reads_makes_nothing_and_who_writes_completes_what_was_begun(cluster: Cluster) -> None:
    from mlflow.store.tracking.dbmodels.initial_models import Base

    address = database(cluster, "begun")
    with pytest.raises(MissingStoreError, match="there is none"):
        prepare(address, writes=False)
    assert ask(address, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == []
    Base.metadata.create_all(sqlalchemy.create_engine(address))  # MLflow's first step, of two
    assert read_schema(address).state == MISSING
    prepare(address, writes=True)
    assert read_schema(address).state == CURRENT
