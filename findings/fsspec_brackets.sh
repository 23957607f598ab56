#!/usr/bin/env bash
# fsspec reads a name with brackets as a pattern, even where a file has just that name: rm("lesion[1].jpg") removes lesion1.jpg, and put, get and mv move that one as well.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv fsspec==2026.9.0
cat >"$folder/try.py" <<'P'
import pathlib, sys, tempfile
import fsspec

print(f"fsspec {fsspec.__version__}")
names = ("lesion1.jpg", "lesion[1].jpg")  # as browsers and cameras call a second copy
found = {}
for what in ("rm", "mv", "copy", "get", "put", "cat"):
    with tempfile.TemporaryDirectory() as local:
        store = fsspec.filesystem("memory", skip_instance_cache=True)
        for path in store.find("/"):
            store.rm_file(path)
        for name in names:
            store.pipe_file(f"/images/{name}", name.encode())
            pathlib.Path(local, name).write_text(name)
        image = "/images/lesion[1].jpg"
        if what == "rm":
            store.rm(image)
            found[what] = [path.rsplit("/", 1)[1] for path in store.find("/images")]
        elif what == "cat":
            found[what] = store.cat(image)
        elif what == "get":
            (pathlib.Path(local) / "got").mkdir()
            store.get(image, f"{local}/got/")
            found[what] = [path.name for path in (pathlib.Path(local) / "got").iterdir()]
        else:
            {"mv": store.mv, "copy": store.copy, "put": store.put}[what](f"{local}/lesion[1].jpg" if what == "put" else image, "/moved/")
            found[what] = [path.rsplit("/", 1)[1] for path in store.find("/moved")]
    print(f"{what} lesion[1].jpg: {'left' if what == 'rm' else 'result'} {found[what]}")
print("open and cat_file take the file itself:", store.cat_file("/images/lesion[1].jpg"))
wrong = all(found[what] == ["lesion1.jpg"] for what in ("mv", "copy", "get", "put"))
sys.exit(not (wrong and found["rm"] == ["lesion[1].jpg"] and found["cat"] == {"/images/lesion1.jpg": b"lesion1.jpg"}))
P
echo "expected: a name that exists is that file; the other one stays where it is"
check
