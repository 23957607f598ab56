"use strict";

/* How image files begin, and which names are listed: as lesionflow/images/signatures.py and discovery.py. */

const HEAD = 512; // bytes that `sniff` looks at
const FORMATS = ["JPEG", "PNG", "TIFF", "WEBP", "BMP", "GIF", "JPEG 2000", "AVIF", "HEIF", "DICOM"];
const MEDIA_TYPES = {
  JPEG: "image/jpeg", PNG: "image/png", TIFF: "image/tiff", WEBP: "image/webp", BMP: "image/bmp", GIF: "image/gif",
  "JPEG 2000": "image/jp2", AVIF: "image/avif", HEIF: "image/heic",
};
const SUFFIXES = new Set((
  ".jpg .jpeg .jpe .jfif .jfi .jif .pjpeg .pjp .mpo .png .apng .gif .webp .tif .tiff .bmp .dib .heic .heif .heics " +
  ".heifs .hif .avif .avifs .jp2 .j2k .jpf .jpx .jpm .j2c .jpc .jph .jhc .jls .jxl .dcm .dicom .dic .ima"
).split(" "));
const LEFTOVERS = new Set([
  "__macosx", "@eadir", "@tmp", "#recycle", "#snapshot", "@recycle", "@recently-snapshot", "~snapshot",
  "$recycle.bin", "recycler", "system volume information", "network trash folder", "temporary items",
  "thumbs.db", "ehthumbs.db", "desktop.ini", "lost+found", "dicomdir",
]);
const STARTS = [
  ["\xff\xd8\xff", "JPEG"], ["\x89PNG\r\n\x1a\n", "PNG"], ["GIF87a", "GIF"], ["GIF89a", "GIF"], ["II*\0", "TIFF"],
  ["MM\0*", "TIFF"], ["II+\0", "TIFF"], ["MM\0+", "TIFF"], ["\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"],
  ["\xff\x4f\xff\x51", "JPEG 2000"], ["\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"], ["\xff\x0a", "JPEG XL"],
  ["II\xbc\x01", "JPEG XR"], ["DICM\x02\0", "DICOM"],
];
const BMP_HEADERS = [12, 16, 40, 52, 56, 64, 108, 124]; // bytes, by version of the format
const VALUE_REPRESENTATIONS = new Set(( // of DICOM
  "AE AS AT CS DA DS DT FL FD IS LO LT OB OD OF OL OV OW PN SH SL SQ SS ST SV TM UC UI UL UN UR US UT UV"
).split(" "));
const LONG = new Set("OB OD OF OL OV OW SQ SV UC UN UR UT UV".split(" "));
const OTHERS = [ // what often has an image's name without being one: how it begins, what it is, and what to do
  [/^(<!--|<(!doctype html|html|head|body|script|meta|title|br|div|p)\b|<\?xml[^>]*>[ \t-\r]*<!doctype html)/i,
    "a web page, as of a failed download; download it again"],
  [new RegExp("^((<\\?xml[^>]*>[ \\t-\\r]*)?<error\\b|\\{[ \\t-\\r]*\"|\\[[ \\t-\\r]*\\{|[45]\\d\\d\\b|access denied|" +
    "forbidden|not found|unauthorized)", "i"), "a server's message, as of a failed download; download it again"],
  [/^version https:\/\/git-lfs/i, "a pointer of Git LFS; fetch the file with git lfs pull"],
  [/^(\.\.\/)*(\.git)?\/?annex\/objects\//i, "a pointer of git-annex; fetch the file with git annex get"],
  [/^outs:[ \t-\r]/i, "a pointer of DVC; fetch the file with dvc pull"],
  [new RegExp("^(L\\0\\0\\0\\x01\\x14\\x02\\0|\\[(internetshortcut|desktop entry)\\]|!<symlink>|IntxLNK|XSym\\n|" +
    "book\\0\\0\\0\\0mark|bplist00|(<\\?xml[^>]*>[ \\t-\\r]*)?<(!doctype )?plist)", "i"),
    "a link, or what stands for a file elsewhere; copy the file itself"],
  [/^\0\x05\x16\x07/, "what a Mac keeps beside a file (AppleDouble); copy the file itself"],
  [new RegExp("^((content-[a-z-]+|mime-version|received|return-path|delivered-to|from|date|subject|message-id|" +
    "x-[a-z0-9-]+): |from [^ \\t-\\r]+@|--[^ \\t-\\r]+[ \\t-\\r]+content-)", "i"), "an e-mail; save what is attached to it"],
  [/^(begin [0-7]{3} |=ybegin |\(this file must be converted with binhex)/i, "a file packed for e-mail; unpack it"],
  [/^(\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1|\{\\rtf)/i, "a document of Office, or an e-mail; save the image in it"],
  [/^(salted__|-----begin pgp|age-encryption\.org)/i, "encrypted; decrypt it"],
  [new RegExp("^(\\x1f[\\x8b\\x9d\\xa0]|BZh[1-9]|\\xfd7zXZ\\0|\\x28\\xb5\\x2f\\xfd|\\x04\\x22\\x4d\\x18|" +
    "7z\\xbc\\xaf\\x27\\x1c|PK[\\x03\\x05][\\x04\\x06]|Rar!|MSCF|LZIP|x[\\x9c\\xda]|.{257}ustar)", "is"),
    "an archive; unpack it"],
  [/^\x89HDF\r\n\x1a\n/i, "an HDF5 file; name its images in a table of paths, such as images.hdf5/ISIC_0000001"],
  [/^(PAR1|ARROW1|SQLite format 3|\x93NUMPY|MATLAB \d)/i, "a table or arrays; save the images in it as PNG or JPEG"],
  [/^%PDF-/i, "a PDF document; save its image as PNG or JPEG"],
  [/^8BPS/i, "a document of Photoshop; save it as PNG or JPEG"],
  [new RegExp("^(P[1-7f][ \\t-\\r]|PG [ml][lm] |qoif|v/1\\x01|#\\?RADIANCE|DDS |\\0\\0[\\x01\\x02]\\0|icns\\0|SIMPLE  =|" +
    "AT&TFORM|%!PS|\\xc5\\xd0\\xd3\\xc6|\\x0a[\\0-\\x05]\\x01[\\x01\\x02\\x04\\x08]|\\x01\\xda[\\0\\x01][\\x01\\x02]|" +
    "\\x59\\xa6\\x6a\\x95|/\\* xpm|FLIF|BPG\\xfb|gimp xcf|NRRD|ObjectType =|ZISRAWFILE|\\xd7\\xcd\\xc6\\x9a|" +
    "\\x01\\0\\0\\0.{36} EMF|#define \\w+_width|<svg\\b|<\\?xml.{0,450}<svg\\b)", "is"),
    "an image of a format that is not read; save it as PNG or JPEG"],
  [/^(FUJIFILMCCD-RAW|....ftypcrx |II(RO|RS|U\0|\x1a\0\0\0HEAPCCDR)|MMOR|FOVb|\0MRM)/is,
    "a camera's raw image; save it as PNG or JPEG"],
  [new RegExp("^(....ftyp|\\0\\0..(moov|mdat|wide|free|skip)|RIFF....(AVI |WAVE)|\\x1aE\\xdf\\xa3|\\0\\0\\x01[\\xb3\\xba]|" +
    "ID3|OggS|fLaC)", "is"), "a film, a sound, or another file of their kind"],
];
const BEHIND_JPEG = /^\xff\xd8\xff[\xdb\xe0-\xef\xfe]/; // the segments that begin it
const LONGEST_PATH = 4096; // bytes
const ELEMENTS = ["\x02\0", "\x08\0", "\0\x02", "\0\x08"]; // how data elements of DICOM begin, in either order of bytes
const SAMPLES = 16, SAMPLED = 16; // places in a file, and bytes at each
const MORE = 16; // zeros that nothing begins with; line feeds that have carriage returns in front of them by no chance
const HEIC_BRANDS = ["heic", "heix", "heim", "heis", "hevc", "hevx", "hevm", "hevs", "mif1", "msf1", "mif2"];

/** Bytes as a text of as many characters. */
function latin1(bytes, start, end) {
  return String.fromCharCode(...bytes.subarray(start, end));
}

/** The format of the file that begins so, or null for what is no image. */
function sniff(head) {
  const text = latin1(head, 0, HEAD);
  if (text.slice(128, 132) === "DICM") return "DICOM";
  for (const [start, name] of STARTS) if (text.startsWith(start)) return name;
  if (text.startsWith("RIFF") && text.slice(8, 12) === "WEBP") return "WEBP";
  if (text.startsWith("BM") && head.length >= 18) {
    const length = head[14] | (head[15] << 8) | (head[16] << 16) | (head[17] << 24);
    if (BMP_HEADERS.includes(length)) return "BMP";
  }
  if (text.slice(4, 8) === "ftyp") return isoMedia(head, text);
  return beginsWithElements(head, text) ? "DICOM" : null;
}

/** Whether a file begins with three data elements of DICOM in the order of their tags, from group 2 or 8 on. */
function beginsWithElements(head, text) {
  const order = ELEMENTS.indexOf(text.slice(0, 2)), little = order < 2, view = new DataView(head.buffer, head.byteOffset);
  if (order < 0) return false;
  let offset = 0, before = -1;
  for (let count = 0; count < 3; count++) {
    if (offset + 12 > text.length) return false;
    const group = view.getUint16(offset, little), tag = 0x10000 * group + view.getUint16(offset + 2, little);
    const representation = text.slice(offset + 4, offset + 6);
    const [length, start] = LONG.has(representation) ? [view.getUint32(offset + 8, little), offset + 12]
      : VALUE_REPRESENTATIONS.has(representation) ? [view.getUint16(offset + 6, little), offset + 8]
      : [view.getUint32(offset + 4, little), offset + 8];
    if (tag <= before || group > 0x10 || length % 2) return false;
    if (start + length + 12 > text.length) return before >= 0 && length < 2 ** 16; // what follows is not in sight
    [offset, before] = [start + length, tag];
  }
  return true;
}

/** Why a file is of no known format: a word of the report, and an explanation. */
function unrecognised(data) {
  const text = latin1(data, 0, HEAD), zeros = text.length - text.replace(/^\0+/, "").length;
  for (const [start, kind] of STARTS) {
    if (data.length >= 2 && data.length < start.length && start.startsWith(text)) {
      return ["damaged", "it breaks off within its first bytes"];
    }
    if (changedAsText(start).some((changed) => text.startsWith(changed))) {
      return ["damaged", `${kind} that was changed by a transfer as text; transfer it again, as binary data`];
    }
    const at = text.indexOf(start);
    if (at > 0 && start.length > 2 && /^(\xef\xbb\xbf)?[\t\n\r -~]*$/.test(text.slice(0, at))) {
      return ["damaged", `text in front of ${kind}, which begins at byte ${at}; remove the text`];
    }
  }
  if (data.length >= MORE && data.every((value) => value === data[0])) {
    return ["damaged", "all its bytes are the same, as of a copy that was not finished; copy it again"];
  }
  if (zeros >= MORE) {
    return ["damaged", `its first ${zeros} bytes are zeros, as of a copy that was not finished; copy it again`];
  }
  const written = writtenAsText(text);
  if (written) return ["not_an_image", `${written} written as text, in base64 or hexadecimal digits; decode it`];
  const [, told] = OTHERS.find(([begins]) => begins.test(text) || begins.test(textOf(text))) ?? [];
  if (told) return ["not_an_image", told];
  const path = data.length < LONGEST_PATH ? latin1(data, 0).replace(/^[ \t-\r]+|[ \t-\r]+$/g, "").toLowerCase() : "";
  if (/^[ -~]+$/.test(path) && [...SUFFIXES].some((suffix) => path.endsWith(suffix))) {
    return ["not_an_image", "the path of another file, as of a link that was not kept; copy that file"];
  }
  for (const [start, kind] of STARTS) {
    const at = text.indexOf(start);
    if (at > 0 && (start.length >= 8 || (kind === "JPEG" && BEHIND_JPEG.test(text.slice(at))))) {
      return ["damaged", `other bytes in front of ${kind}, which begins at byte ${at}; save the image in it`];
    }
  }
  return ["not_an_image", `the content is none of ${FORMATS.join(", ")}`];
}

/** The format of an image whose bytes are written in base64 or as hexadecimal digits; null for anything else. */
function writtenAsText(text) {
  const bare = textOf(text).replace(/[ \t-\r]/g, "").replace(/^(b?["'])?(data:[^,]{0,99},|0x|\\x)?/i, "");
  const decoders = [
    [/^[0-9a-f]+/i, 2, (digits) => digits.replace(/../g, (each) => String.fromCharCode(parseInt(each, 16)))],
    [/^[0-9a-z+/_-]+/i, 4, (digits) => atob(digits.replaceAll("-", "+").replaceAll("_", "/"))],
  ];
  for (const [digits, size, decoded] of decoders) {
    const found = digits.exec(bare)?.[0] ?? "", whole = found.slice(0, found.length - (found.length % size));
    const kind = sniff(Uint8Array.from(decoded(whole), (each) => each.charCodeAt(0)));
    if (FORMATS.includes(kind)) return kind;
  }
  return null;
}

/** The beginning of a text without marks of their order, zeros of UTF-16 and blanks in front. */
function textOf(text) {
  const bare = /^(\xff\xfe|\xfe\xff)/.test(text) ? text.slice(2).replaceAll("\0", "") : text.replace(/^\xef\xbb\xbf/, "");
  return bare.replace(/^[ \t-\r]+/, "");
}

/** How a format's first bytes look after line ends, bytes beyond ASCII or their highest bits were changed. */
function changedAsText(start) {
  const bytes = Uint8Array.from(start, (each) => each.charCodeAt(0)), lines = start.replaceAll("\r\n", "\n");
  const asUtf8 = (text) => latin1(new TextEncoder().encode(text), 0);
  const changed = [
    lines, lines.replaceAll("\n", "\r\n"), start.replaceAll("\n", "\r\n"), asUtf8(start),
    asUtf8(new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes)), latin1(bytes.map((byte) => byte & 0x7f), 0),
    start.slice(1),
  ];
  const isShort = start === "\xff\xd8\xff";
  return changed.filter((each) => each !== start && (each.length > 4 || (isShort && each !== start.slice(1))));
}

/** Whether a carriage return stands in front of every line feed, as a transfer of text puts it there. */
function wasSentAsText(data) {
  const before = new Set();
  let lines = 0, from = 0;
  for (let at = data.indexOf(10); at >= 0; at = data.indexOf(10, at + 1), lines++) {
    if (data[at - 1] !== 13) return false;
    const value = data[at - 2]; // behind letters, as in metadata, the two may belong there
    if (at - 2 >= from && (value < 32 || value > 126)) {
      before.add(value);
      from = at + 1;
    }
  }
  return lines >= MORE && before.size > MORE / 2;
}

function isoMedia(head, text) {
  const length = Math.min(new DataView(head.buffer, head.byteOffset).getUint32(0), head.length);
  const brands = [];
  for (let offset = 8; offset < length; offset += 4) brands.push(text.slice(offset, offset + 4));
  if (brands.includes("avif") || brands.includes("avis")) return "AVIF";
  return brands.some((brand) => HEIC_BRANDS.includes(brand)) ? "HEIF" : null;
}

/** Bytes from all over a file, as a text; files of the same name, size and time are told apart by it. */
async function sampleOf(file) {
  try {
    const parts = sampledPlaces(file.size).map((at) => file.slice(at, at + SAMPLED));
    return latin1(new Uint8Array(await new Blob(parts).arrayBuffer()), 0);
  } catch {
    return ""; // it cannot be read, which decoding it will say
  }
}

/** The same of a file's bytes, where all of them were read: the browser takes milliseconds to read sixteen places. */
const sampleOfBytes = (data) => sampledPlaces(data.length).map((at) => latin1(data, at, at + SAMPLED)).join("");

function sampledPlaces(size) {
  const last = Math.max(0, size - SAMPLED);
  return Array.from({ length: SAMPLES }, (_, i) => Math.floor((i * last) / (SAMPLES - 1)));
}

/** Whether a path is passed over: system files, and what is hidden unless its ending is an image's. */
function isLeftOut(path) {
  const parts = path.split("/");
  const name = parts.pop();
  if (LEFTOVERS.has(name.toLowerCase()) || name.startsWith("._")) return true;
  const isHidden = (part) => part.startsWith(".") && part !== "." && part !== "..";
  if (parts.some((part) => LEFTOVERS.has(part.toLowerCase()) || isHidden(part))) return true;
  return name.startsWith(".") && !SUFFIXES.has(endingOf(name));
}

function endingOf(name) {
  const dot = name.lastIndexOf(".");
  return dot < 0 ? "" : name.slice(dot).toLowerCase();
}

/** Whether a file of a folder is an image: a known ending says so, of any other file its first bytes. */
async function isImage(path, file) {
  if (isLeftOut(path)) return false;
  if (SUFFIXES.has(endingOf(path.split("/").pop()))) return true;
  try {
    return sniff(new Uint8Array(await file.slice(0, HEAD).arrayBuffer())) !== null;
  } catch {
    return false;
  }
}
