"""The formats that are read: what of each, with which extra, what becomes of colours, and what damage is noticed.

`docs/reference/formats.md` is made from this table.
"""

from __future__ import annotations

from typing import NamedTuple


class ImageFormat(NamedTuple):
    """What is to be known of a format."""

    name: str  # as reports and `describe` say it
    endings: tuple[str, ...]  # the usual ones; content decides
    extra: str  # that reads it; nothing where the base does
    read: str
    colours: str
    damage: str  # what makes a file `damaged`, beside one that breaks off
    surprise: str  # what a simpler reader would have made of it


IMAGE_FORMATS = (
    ImageFormat(
        "JPEG", (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"), "",
        "baseline, extended and progressive of 8 bits, with Huffman or arithmetic coding, grey, RGB, YCbCr, "
        "CMYK and YCCK; "
        "lossless of 8 bits. Of several files behind one another, as in MPO, the first; the note says `picture 1 of "
        "2` where another is as large. Up to 256 megapixels, "
        "decoded at the "
        "scale that is needed.",
        "ICC profile, or Adobe RGB that EXIF names; CMYK without one by Pillow's formula",
        "whatever libjpeg complains of: a cut or spliced scan, lost restart markers, bad codes, garbage between "
        "segments. Holes of zeros (in progressive files, one in ten holes of 100 zeros goes unseen), missing scans of "
        "a progressive file, quantization tables with zeros. Up to 64 zeros in front of the end marker, scan "
        "parameters as Samsung wrote them and odd versions of JFIF are accepted. After a few wrong bytes the decoder "
        "often finds its way again without a complaint, although all that follows has another colour: of 4 random "
        "bytes in a sequential file half go unseen, of 64 a fifth, of 512 one in fifty; with restart markers one in "
        "ten, in progressive files few. If pieces of a sequential file were exchanged or copied over others, up to "
        "two in five go unseen. In progressive arithmetic coding even a cut may go unseen, and the note says so of "
        "all arithmetic coding. Compare the checksums of a transfer.",
        "a damaged file gives a picture that is grey or shifted from the damage on, and the decoder's "
        "warning is dropped",
    ),
    ImageFormat(
        "PNG", (".png", ".apng"), "",
        "every depth and interlacing; of an animation the first frame, which the note says",
        "the first of cICP, ICC profile, sRGB, and gAMA with cHRM in front of the pixels; a gAMA of 1/2.2 means sRGB; "
        "a narrow range is brought to the full one. High dynamic range (PQ, HLG) is not converted, and the note says "
        "so; Adobe RGB in EXIF is not believed, since converters copy it from JPEG",
        "a wrong checksum of any chunk, no end chunk, fewer rows than announced, colours that the palette lacks",
        "the checksums of pixels are not looked at, and missing rows are black, as are colours that a palette lacks",
    ),
    ImageFormat(
        "TIFF", (".tif", ".tiff"), "",
        "what libtiff and Pillow decode: grey, RGB, palette, CMYK, YCbCr and Lab of 8 bits, grey and RGB of "
        "16; strips and "
        "tiles, chunky and planar, BigTIFF. The first page, unless that is the preview or the mask of another; "
        "of several images the note says `page 1 of 2`, and the others have no row. Channels of a microscope, in grey "
        "pages of their own (ImageJ, OME) or several in one, are `unsupported`.",
        "ICC profile; colours that it defines by numbers are not converted, and the note says so",
        "whatever libtiff complains of; strips that are empty, short, within another or beyond the end; a wrong "
        "checksum of Deflate; a JPEG strip that a JPEG file could not be. A thousand zeros in Zstandard, 16 in LZW "
        "and CCITT (64 in G3). A hole in pixels that are not compressed cannot be told from black ones. The note "
        "says, as for BMP and DICOM, where such pixels end in 4,096 or more zeros or bytes of 255 from a multiple of "
        "512 bytes on, or have whole blocks of 512 of them between others, and where bytes follow that the file does "
        "not name or, in TIFF, are missing of what it names. Of wrong bytes in Zstandard up to a third go unseen, "
        "in LZW a few. Compare the checksums of a transfer.",
        "the preview in place of the image; planes of 16 bits mixed up; palettes of 8-bit entries black",
    ),
    ImageFormat(
        "WEBP", (".webp",), "", "lossy and lossless; of an animation the first frame, which the note says",
        "ICC profile; EXIF as in PNG",
        "what the decoder refuses, and more bytes than the pixels, or their opacity, take: of 2,000 zeros nearly all. "
        "It has no checksums: in lossless files one in four of 2,000 wrong or copied bytes goes unseen, and half of a "
        "few; so does half of what is wrong in opacity. Compare the checksums of a transfer",
        "a hole gives other pixels, without an error",
    ),
    ImageFormat(
        "BMP", (".bmp", ".dib"), "", "what Pillow decodes, from 1 to 32 bits; unusual masks of bits are "
        "`unsupported`", "an embedded ICC profile; calibrated colours as in TIFF",
        "too few bytes, pixels that begin within the header, run lengths that go beyond their rows, colours that the "
        "palette lacks, line ends converted",
        "an alpha of 0 everywhere, which many programs write, makes a black picture",
    ),
    ImageFormat(
        "GIF", (".gif",), "", "the first frame, and the note says `frame 1 of 2`; what it leaves free is black",
        "none", "what the decoder refuses, and more bytes than the pixels of the first frame take",
        "what the first frame leaves free has the first colour of the palette",
    ),
    ImageFormat(
        "JPEG 2000", (".jp2", ".j2k", ".jpx", ".jpc"), "",
        "of 8 bits, grey and colour, and grey of 10 to 16, at the scale that is needed; with the extra `dicom` RGB "
        "of 9 to 16; palettes of 8 bits. JPX with a picture in one piece; documents of layers and films are "
        "`unsupported`",
        "ICC profile",
        "a codestream that breaks off, 512 zeros in a row (1,500 where bits are stored as they are, as in HTJ2K) "
        "unless its packets are so many that they may all be empty, bytes that only a marker may have: of 2,000 random "
        "bytes nearly always, of 400 every second time, of 64 one time in ten. Its decoders say nothing of others",
        "its profile is passed over; white of more than 8 bits is black; sampled colours of odd sizes are shifted; "
        "blue, green and red taken for red, green and blue; numbers of a palette averaged",
    ),
    ImageFormat(
        "AVIF", (".avif",), "", "8, 10 and 12 bits, where Pillow has AVIF; cut as clap, turned as irot and imir say; "
        "where only EXIF says how to turn it, which does not count, the note says so. Pictures derived from others, "
        "and those mirrored before they are turned, are `unsupported`",
        "ICC profile, or Display P3, BT.2020 and others by number; high dynamic range is not converted, and the note "
        "says so",
        "what the decoder refuses, holes of zeros, and tiles that do not end where their bytes do, where dav1d can be "
        "asked, as on Linux and macOS: of 4 and of 64 wrong bytes all that were tried, in grids and opacity too",
        "passed over, for its ending is unknown; what clap cuts off is shown; mirrored last, whatever the order",
    ),
    ImageFormat(
        "HEIF", (".heic", ".heif", ".hif"), "heif",
        "the primary picture, which the note says where there are several, turned as AVIF", "as AVIF",
        "what libde265 conceals, which libheif tells nobody, and pixels that end before their bytes do, where pillow-"
        "heif brings that decoder along: all of 72 holes of 4 to 1,000 random bytes in three files, one of an iPhone. "
        "Holes of zeros",
        "passed over, or turned twice",
    ),
    ImageFormat(
        "DICOM", (".dcm", ".dicom", ".ima"), "dicom",
        "grey with windows and tables, of a frame's functional groups too, RGB, YBR, palette; every frame "
        "has a row, with `frame 1 of 2` in its note. Pixels that are not square are made so, and the note says it. "
        "With or without preamble. "
        "JPEG, progressive and lossless too, JPEG-LS, JPEG 2000, HTJ2K and RLE; data sets that are deflated.",
        "the ICC profile of the file, of its optical path, or else of its JPEG frames; Adobe RGB by name",
        "frames that are not there, that the file does not count, or are not what it says of them; more pixels than "
        "those of its rows and columns; in JPEG frames "
        "what makes JPEG `damaged`, run lengths that come to another number of pixels. Decoders of lossless JPEG of "
        "16 bits pass over what has no marker by chance, as 2,000 random bytes have; holes of 256 zeros are seen",
        "planar configuration believed for JPEG, palettes shown black, YCbCr turned into RGB twice, the high bit "
        "of samples and the windows of functional groups passed over",
    ),
)  # fmt: skip
