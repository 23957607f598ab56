#!/usr/bin/env bash
# Spark turns the larger half of unsigned integers of 64 bits in a pandas frame into null: of 1,000 fingerprints of images 527 are gone; a warning only says that Arrow does not take them.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
# It needs Java 17 or later.
install venv pyspark==4.3.0 pandas==3.1.1 pyarrow==26.0.1 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
import numpy as np, pandas as pd, pyspark
from pyspark.sql import SparkSession

spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").config("spark.driver.host", "127.0.0.1").getOrCreate()
print(f"Spark {pyspark.__version__}, pandas {pd.__version__}")
frame = pd.DataFrame({"fingerprint": np.random.default_rng(0).integers(0, 2**64, 1000, dtype=np.uint64)})
large = int((frame["fingerprint"] >= 2**63).sum())
found = {}
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    for name, arrow in (("Arrow", "true"), ("without Arrow", "false")):
        spark.conf.set("spark.sql.execution.arrow.pyspark.enabled", arrow)
        table = spark.createDataFrame(frame)
        found[name] = table.filter("fingerprint is null").count(), table.dtypes[0][1]
        print(f"{name}: of 1,000 fingerprints, {large} of them 2^63 or more, null: {found[name][0]} ({found[name][1]})")
told = {" ".join(str(each.message).split()) for each in warned if "uint64" in str(each.message)}
lost = [str(each.message) for each in warned if any(word in str(each.message).lower() for word in ("null", "overflow", "out of range", "lost"))]
print(f"warnings: {sorted(told)}")
spark.stop()
sys.exit(not (found["Arrow"] == found["without Arrow"] == (large, "bigint") and len(told) <= 1 and not lost))
P
echo "expected: 1,000 fingerprints, or an exception, as from pyarrow for a cast to int64"
check
