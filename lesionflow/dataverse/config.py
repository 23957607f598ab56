"""Options of `lesionflow download`; the command line is made from its fields."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from lesionflow.datasets.licences import AUTHORS, LICENCE
from lesionflow.errors import UsageError
from lesionflow.options import Config, option

SERVER = "https://dataverse.harvard.edu"
TERMS = (
    f"HAM10000 is licensed {LICENCE}, https://creativecommons.org/licenses/by-nc/4.0/: for no commercial use, and its "
    f"authors are to be cited: {AUTHORS}, doi:10.1038/sdata.2018.161"
)
# What each part consists of: the published file, and what it becomes. The table, without which a folder is no data set,
# comes last.
PUBLISHED_FILES = {
    "training": {
        "HAM10000_images_part_1.zip": "HAM10000_images_part_1",
        "HAM10000_images_part_2.zip": "HAM10000_images_part_2",
        "HAM10000_metadata": "HAM10000_metadata.csv",
    },
    "test": {
        "ISIC2018_Task3_Test_Images.zip": "ISIC2018_Task3_Test_Images",
        "ISIC2018_Task3_Test_GroundTruth": "ISIC2018_Task3_Test_GroundTruth.csv",
    },
}


@dataclass(frozen=True)
class DownloadConfig(Config):
    """What to download and how. Values out of range raise `UsageError`."""

    part: str = option(
        "training", "The 10,015 images of HAM10000, or the test images of ISIC 2018 Task 3, published beside them.",
        choices=tuple(PUBLISHED_FILES),
    )  # fmt: skip
    accept_licence: bool = option(False, f"Accept the licence, {LICENCE}, without being asked.")
    keep_archives: bool = option(False, "Keep the zip archives after unpacking.")
    parallel: int = option(3, "Files to download at the same time.", low=1, high=16)
    server: str = option(
        None, "Dataverse installation to download from, such as a mirror.", kind=str, unset=SERVER, metavar="URL"
    )
    tries: int = option(7, "Consecutive attempts without progress before giving up.", low=1, high=1000)

    def __post_init__(self) -> None:
        """Check what can be checked without a network."""
        super().__post_init__()
        try:
            address = urlsplit(self.address)
        except ValueError:
            address = urlsplit("")
        if address.scheme not in ("http", "https") or not address.hostname:
            raise UsageError(f"--server {self.address}: give the address of a Dataverse installation, such as {SERVER}")
        if address.username or address.password:
            raise UsageError("--server: leave name and password out of the address; published data needs none")

    @property
    def address(self) -> str:
        """The installation to ask, without a slash at its end."""
        return (self.server or SERVER).rstrip("/")
