#!/usr/bin/env bash
# numpy before 2.2: `savez` has no parameter `allow_pickle`, so that it becomes the name of an array.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
cat >"$folder/try.py" <<'P'
import io, sys
import numpy as np
file = io.BytesIO()
np.savez(file, weights=np.ones(3), allow_pickle=False)
file.seek(0)
names = np.load(file).files
print(f"numpy {np.__version__}: savez(file, weights=..., allow_pickle=False) stored {names}")
sys.exit("allow_pickle" not in names)
P
install old numpy==2.1.3
install new numpy==2.2.6
echo "expected: one array, weights, and pickling refused, as in numpy.save(file, array, allow_pickle=False)"
"$folder/old/bin/python" "$folder/try.py" || { echo "changed: the old version is right, too"; exit 1; }
! "$folder/new/bin/python" "$folder/try.py" || { echo "changed: the new version is wrong again"; exit 1; }
echo "true: numpy 2.1 stores a second array named allow_pickle, and load hands it to whoever iterates over the names"
