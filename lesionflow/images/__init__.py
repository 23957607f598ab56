"""A file's bytes, their format, pixels."""

# Increase this whenever `decode` gives different pixels for the same file: caches and bundles record it. Not for other
# rounding, in which versions of the decoders differ as well.
# 2: JPEG files of 3.5 to 4 and of 7 to 8 times the frame are halved once more on the way, such as 600 x 450 to 64 x 64
# and to 128 x 128: 0.3 grey levels on average. Colour profiles are converted to sRGB. What 1 decoded wrongly, such as
# transparent colours of PNG, sampled JPEG 2000 and high bits of DICOM, is right.
PIXELS_VERSION = 2
READ_PIXELS_VERSIONS = (1, PIXELS_VERSION)  # of bundles that go on to work: the differences are that small
