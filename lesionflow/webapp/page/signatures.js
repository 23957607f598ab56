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
  ["DICM\x02\0", "DICOM"],
];
const BMP_HEADERS = [12, 16, 40, 52, 56, 64, 108, 124]; // bytes, by version of the format
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
  return text.slice(4, 8) === "ftyp" ? isoMedia(head, text) : null;
}

function isoMedia(head, text) {
  const length = Math.min(new DataView(head.buffer, head.byteOffset).getUint32(0), head.length);
  const brands = [];
  for (let offset = 8; offset < length; offset += 4) brands.push(text.slice(offset, offset + 4));
  if (brands.includes("avif") || brands.includes("avis")) return "AVIF";
  return brands.some((brand) => HEIC_BRANDS.includes(brand)) ? "HEIF" : null;
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
