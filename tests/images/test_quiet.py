"""Image libraries say nothing on stderr, and nothing is changed for those who import lesionflow."""

import subprocess
import sys

IMPORT = """
import importlib.util, logging, warnings
import PIL.Image, numpy, simplejpeg
pydicom = importlib.util.find_spec("pydicom") and __import__("pydicom")
def state():
    names = ("", "PIL", "pydicom")
    return [list(warnings.filters), warnings.showwarning, PIL.Image.MAX_IMAGE_PIXELS,
            [(logging.getLogger(name).handlers[:], logging.getLogger(name).level) for name in names]]
before = state()
import lesionflow, lesionflow.images.decode, lesionflow.images.discovery
if pydicom:
    import lesionflow.images.dicom
assert state() == before, (before, state())
"""


def test_an_import_changes_no_filter_no_logger_and_no_limit() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
