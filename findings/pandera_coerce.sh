#!/usr/bin/env bash
# pandera's coerce=True, which should make a column's type sure, reads the text "False" and a missing boolean as true, and cuts 59.75 to 59, without an error; numbers outside of the type, and such texts in polars, are refused.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv pandera==0.35.0 pandas==3.1.1 polars==2.1.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
from importlib.metadata import version

with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    import pandas as pd, polars as pl
    import pandera.pandas, pandera.polars

    print(*(f"{name} {version(name)}" for name in ("pandera", "pandas", "polars")))
    found = {}
    cases = {
        "ulcerated": (bool, pl.Boolean, ["False", "no", "", "True"]), "ulcerated, one missing": (bool, pl.Boolean, ["False", None]), "age": ("int64", pl.Int64, [59.75, 60.0]),
        "age as text": ("int64", pl.Int64, ["59.75", "60"]), "level": ("uint8", pl.UInt8, [1.9, 255.0]), "level, too large": ("uint8", pl.UInt8, [300, 2]), "factor": ("float16", pl.Float32, [70000.0, 1.0]),
    }
    for name, (kind, polars_kind, values) in cases.items():
        for library, schema, frame in (
            ("pandas", pandera.pandas.DataFrameSchema({"x": pandera.pandas.Column(kind, coerce=True)}), pd.DataFrame({"x": values})),
            ("polars", pandera.polars.DataFrameSchema({"x": pandera.polars.Column(polars_kind, coerce=True)}), pl.DataFrame({"x": values})),
        ):
            try:
                found[name, library] = list(schema.validate(frame)["x"])
            except Exception as error:
                found[name, library] = type(error).__name__
        print(f"{name} {values} as {kind if isinstance(kind, str) else kind.__name__}: pandas {found[name, 'pandas']}, polars {found[name, 'polars']}")
print("warnings:", sorted({str(each.message)[:60] for each in said if "coerc" in str(each.message).lower()}) or "none")
read = found["ulcerated", "pandas"] == [True, True, False, True] and found["ulcerated, one missing", "pandas"] == [True, True] and found["age", "pandas"] == [59, 60] == found["age", "polars"]
sys.exit(not (read and found["level", "pandas"] == [1, 255] and isinstance(found["level, too large", "pandas"], str) and isinstance(found["ulcerated", "polars"], str) and isinstance(found["age as text", "pandas"], str)))
P
echo "expected: an error for values that the type cannot hold, as for 300 in uint8"
check
