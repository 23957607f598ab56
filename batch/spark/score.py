"""Score a folder of images on Spark, with the registered model as a function of Spark's.

spark-submit batch/spark/score.py s3a://images/2026-07 s3a://reports/2026-07 --model models:/lesionflow@champion

The driver needs lesionflow with the extra `spark` and reads the registry that MLFLOW_TRACKING_URI names. Executors get
the model from the driver, with lesionflow's code in it, which they run: use it with a registry that you trust. They
need the packages of the model's requirements.txt and `pyarrow`, the same versions as the driver.
"""

from __future__ import annotations

import argparse
import fnmatch
import os
import re
import sys
from collections.abc import Set
from typing import TYPE_CHECKING
from urllib.parse import unquote

from lesionflow.defaults import DEFAULT_NAME
from lesionflow.errors import LesionflowError, UsageError, first_few
from lesionflow.images.read_bytes import MAXIMUM_BYTES
from lesionflow.images.signatures import SUFFIXES
from lesionflow.model.columns import FAILED, SCORED, report_columns
from lesionflow.model.pyfunc import output_columns
from lesionflow.registry.versions import Version, find_version, number_by_alias, parse_address
from lesionflow.tracking.client import registry_errors
from lesionflow.tracking.tracking_store import connect
from lesionflow.usage_data import SWITCHES

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

FORMATS = ("parquet", "csv")
NOT_READ = (
    f"unreadable: Spark did not read it: no bytes, more than {MAXIMUM_BYTES // 2**20} MiB, gone, not permitted, or a "
    "name that begins with _ or ."
)


def main(arguments: list[str] | None = None) -> int:
    """Run the job; returns the exit code: 0 where every image has a row, 1 where no report was written."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="folder of images, in any file system that Spark reads")
    parser.add_argument("out", help="folder to write the report's files to; it must not exist")
    parser.add_argument("--model", default=f"models:/{DEFAULT_NAME}@champion", help="default: %(default)s")
    parser.add_argument("--format", choices=FORMATS, default="parquet", help="default: %(default)s")
    parser.add_argument("--pattern", help="names of files to take, such as '*.png'; default: by ending")
    parser.add_argument("--batch-size", type=int, default=64, help="images in a worker at once; default: %(default)s")
    options = parser.parse_args(arguments)
    if options.batch_size < 1:
        parser.error("--batch-size must be 1 or more")

    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.appName("lesionflow score")
    for name, *_ in SWITCHES.values():  # executors import MLflow before lesionflow
        builder = builder.config(f"spark.executorEnv.{name}", os.environ[name])
    spark = builder.getOrCreate()
    bound_batches(spark, options.batch_size)
    try:
        check_absent(spark, options.out)
        version = find_model(options.model)
        listed = list_images(spark, options.source, options.pattern)
        write(report(spark, listed, options.source, options.pattern, version), options.out, options.format)
    except (LesionflowError, PySparkException) as error:
        print(f"Error: {str(error).splitlines()[0]}", file=sys.stderr)
        return 1
    written = spark.read.format(options.format).options(header=True).load(options.out)
    failed, images = written.where(written.status == FAILED).count(), written.count()
    print(f"{images} images, {images - failed} scored with {version.label}, {failed} failed")
    return 0


def bound_batches(spark: SparkSession, images: int) -> None:
    """Let a Python worker hold so many images at once, and no more bytes of them than the largest that is decoded."""
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", images)
    spark.conf.set("spark.sql.execution.arrow.maxBytesPerBatch", MAXIMUM_BYTES)  # of Spark 4.0; others ignore it


def check_absent(spark: SparkSession, out: str) -> None:
    """Raise `UsageError` where there is something at `out` already: a report, or what a killed driver left of one."""
    folder = spark._jvm.org.apache.hadoop.fs.Path(out)  # type: ignore[union-attr]
    system = folder.getFileSystem(spark._jsc.hadoopConfiguration())
    if system.exists(spark._jvm.org.apache.hadoop.fs.Path(folder, "_SUCCESS")):  # type: ignore[union-attr]
        raise UsageError(f"{out}: exists already; name another folder")
    if system.exists(folder):
        raise UsageError(
            f"{out}: exists already and is no finished report (it has no _SUCCESS); remove what a run that was stopped "
            "has left there, or name another folder"
        )


def find_model(address: str) -> Version:
    """The version that `models:/NAME@ALIAS` or `models:/NAME/VERSION` names now."""
    name, alias, number = parse_address(address)
    connect()
    if alias is not None:
        number = number_by_alias(name, alias)
    if number is None:
        raise UsageError(f"no {alias} of {name} in the registry that MLFLOW_TRACKING_URI names")
    return find_version(name, number)


def list_images(spark: SparkSession, source: str, pattern: str | None) -> list[str]:
    """The path of each image file in a folder or below it. Raises `UsageError` where there are none.

    Spark's list is fast, but leaves out names that begin with `_` or `.`; where Hadoop counts other files than those,
    its own list is taken, which costs some milliseconds a file.
    """
    found = spark.read.format("binaryFile").option("recursiveFileLookup", True).load(source)
    joined = spark._jvm.org.apache.hadoop.util.StringUtils.join("\n", found._jdf.inputFiles())  # type: ignore[union-attr]
    # As an address, a local file begins with file:///; in the column that the rows are joined by, with file:/.
    paths = [re.sub("^file:///", "file:/", unquote(path)) for path in joined.split("\n")]
    asked = spark._jvm.org.apache.hadoop.fs.Path(source)  # type: ignore[union-attr]
    system = asked.getFileSystem(spark._jsc.hadoopConfiguration())
    folders = [status.getPath() for status in system.globStatus(asked)]
    if sum(system.getContentSummary(folder).getFileCount() for folder in folders) != len(paths):
        paths = []
        for folder in folders:
            files = system.listFiles(folder, True)
            while files.hasNext():
                paths.append(files.next().getPath().toString())
    images = [path for path in paths if _is_wanted(path.rpartition("/")[2], pattern)]
    local = [folder.toUri().getPath() for folder in folders if system.getScheme() == "file"]
    if unseen := _local_images(local, pattern) - set(images):
        raise UsageError(
            f"{source}: Spark does not see {first_few(sorted(unseen))}: broken links, or names that are not UTF-8; "
            "remove or rename these, or score them with 'lesionflow score'"
        )
    if not images:
        kind = pattern or ", ".join(SUFFIXES)
        raise UsageError(f"{source}: no image files ({kind}) in this folder or those below it")
    return images


def _local_images(folders: list[str], pattern: str | None) -> set[str]:
    """Image files of this machine, which Hadoop passes over without a word where it cannot name or open them."""
    return {
        f"file:{os.path.join(root, name)}"
        for folder in folders
        for root, _, names in os.walk(folder)
        for name in names
        if _is_wanted(name, pattern) and not name.endswith(".crc")  # Hadoop's own checksums, which it hides
    }


def _is_wanted(name: str, pattern: str | None) -> bool:
    return name.lower().endswith(SUFFIXES) if pattern is None else fnmatch.fnmatchcase(name, pattern)


def any_image() -> str:
    """What Hadoop takes for the names of image files, whatever the case of their endings."""
    endings = ("".join(f"[{letter}{letter.upper()}]" for letter in suffix[1:]) for suffix in SUFFIXES)
    return f"*.{{{','.join(endings)}}}"


def report(spark: SparkSession, listed: list[str], source: str, pattern: str | None, version: Version) -> DataFrame:
    """The report's columns, a row for each file that was listed, in the order of the bytes of its path."""
    import mlflow.pyfunc
    from pyspark.sql.functions import col, lit, when

    with registry_errors(f"fetching {version.label}"):
        predict = mlflow.pyfunc.spark_udf(spark, f"models:/{version.name}/{version.number}", env_manager="local")
    files = (
        spark.read.format("binaryFile")
        .option("recursiveFileLookup", True)
        .option("pathGlobFilter", pattern or any_image())
        # A file that is gone or cannot be read fails nobody else's: it has no row here, and one that says so below.
        .option("ignoreMissingFiles", True)
        .option("ignoreCorruptFiles", True)
        .load(source)
        .where(col("length") <= MAXIMUM_BYTES)  # others are not opened; of 2 GiB and more Spark would fail
    )
    scored = files.select("path", predict(col("content")).alias("said"))
    # With `merge` both sides are sorted by path: so what was scored lies on disk when Spark looks for the parts of the
    # final order, and no image is scored twice.
    all_files = spark.createDataFrame([(path,) for path in listed], "path string").hint("merge")
    error = when(col("said").isNull(), lit(NOT_READ)).when(col("said.error") != "", col("said.error"))
    rows = all_files.join(scored.hint("merge"), "path", "left").withColumn("error", error)
    rows = rows.withColumn("status", when(col("error").isNull(), SCORED).otherwise(FAILED))
    rows = rows.withColumn("model", lit(version.label))
    said = set(output_columns(version.card.labels)) - {"error", "status", "model"}
    return rows.select([_column(name, said) for name in report_columns(version.card.labels)]).orderBy("path")


def _column(name: str, said: Set[str]) -> Column:
    """One of the report's: what the model says is null where there is an error."""
    from pyspark.sql.functions import col, when

    if name not in said:
        return col(name)
    return when(col("error").isNull(), col(f"said.{name}")).alias(name)


def write(rows: DataFrame, out: str, kind: str) -> None:
    """Write the rows in their order: the parts of a report follow each other by name."""
    if kind == "parquet":
        rows.write.parquet(out)
        return
    from pyspark.sql.functions import col, format_string, when

    numbers = [name for name, type in rows.dtypes if type == "double"]
    six = {name: when(col(name).isNotNull(), format_string("%.6f", name)) for name in numbers}  # not "null"
    rows = rows.withColumns(six)
    as_others_quote = {"escape": '"', "ignoreLeadingWhiteSpace": False, "ignoreTrailingWhiteSpace": False}
    rows.write.csv(out, header=True, **as_others_quote)


if __name__ == "__main__":
    sys.exit(main())
