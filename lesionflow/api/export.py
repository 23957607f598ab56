"""Export: a model's bundle, out of the registry into a folder."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from lesionflow.errors import ReportError
from lesionflow.model.card import CARD_FILE
from lesionflow.model.files import check_whole, read_bundle
from lesionflow.registry.training_artifacts import BUNDLE_FILES
from lesionflow.registry.versions import resolve


@dataclass(frozen=True)
class Exported:
    """A bundle that was copied."""

    label: str  # as reports name the model
    folder: Path
    files: tuple[str, ...]


def export(
    model: str | os.PathLike[str], folder: str | os.PathLike[str], *, tracking_uri: str | None = None
) -> Exported:
    """Copy the bundle of a model into a folder.

    Parameters
    ----------
    model : str or path
        As `registry.versions.resolve` takes it.
    folder : str or path
        A new folder, or an empty one. It is whole or not there.
    tracking_uri : str, optional
        Where the model is registered.

    Returns
    -------
    Exported

    Raises
    ------
    ReportError
        Where the folder holds something, or cannot be written.
    LesionflowError
        Where the model is not there, or one of its files is missing or altered.
    """
    target = Path(folder)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ReportError(f"{target}: not an empty folder; name a new one")
    with tempfile.TemporaryDirectory(prefix="lesionflow-model-") as downloaded:
        found = resolve(os.fspath(model), Path(downloaded), tracking_uri, BUNDLE_FILES)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.partial-") as made:
                partial = Path(made) / target.name
                partial.mkdir()
                for name in BUNDLE_FILES:
                    if (found.folder / name).is_file():
                        shutil.copyfile(found.folder / name, partial / name)
                read_bundle(partial)
                check_whole(partial)
                partial.replace(target)
        except OSError as error:
            raise ReportError(f"{target}: cannot be written ({error.strerror}); choose another place") from error
    files = tuple(sorted(file.name for file in target.iterdir()))
    assert CARD_FILE in files
    return Exported(found.label, target, files)
