"use strict";

/* JPEG files: what their segments say, and whether they are whole: as lesionflow/images/jpeg.py.

   Browsers show damaged files without a word, so what can be told from the markers is looked at first, and then every
   code. */

const MAXIMUM_PIXELS = 64_000_000; // in memory at once
const MAXIMUM_STORED_PIXELS = 256_000_000; // of a file that is scaled down while it is read
const MAXIMUM_SCANS = 100; // of a JPEG; encoders write about ten
const ENOUGH_HALVES = 1.75; // times the frame show what the frame can show
const PADDING = 64; // zeros that some cameras' encoders leave between the scan and the end marker
const HOLE = 16; // as many zeros are more than a block of coefficients in most files

const BASELINE = 0xc0, EXTENDED = 0xc1, PROGRESSIVE = 0xc2, LOSSLESS = 0xc3;
const ARITHMETIC = 0xc9, ARITHMETIC_PROGRESSIVE = 0xca;
const PROCESSES = {
  [BASELINE]: "baseline", [EXTENDED]: "extended", [PROGRESSIVE]: "progressive", [LOSSLESS]: "lossless",
  [ARITHMETIC]: "arithmetic", [ARITHMETIC_PROGRESSIVE]: "progressive arithmetic",
};

const damaged = (detail) => new ImageFailure("damaged", detail);
const isFrame = (marker) => marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
const standsAlone = (marker) => marker === 0x01 || (marker >= 0xd0 && marker <= 0xd7);

/** What the segments before a file's first scan say. Throws `ImageFailure`. */
function readLayout(data) {
  const layout = { exif: null, xmp: null, profiles: [], tables: [], restart: 0, process: null, adobe: false };
  let position = 2;
  while (position + 4 <= data.length) {
    if (data[position] !== 0xff) throw damaged(`no segment begins at byte ${position}`);
    const marker = data[position + 1];
    if (marker === 0xff || standsAlone(marker)) {
      position += marker === 0xff ? 1 : 2;
      continue;
    }
    if (marker === 0xda) {
      if (layout.process === null) throw damaged("its pixels come before their size");
      return Object.assign(layout, { scan: position });
    }
    if (marker === 0xd9) throw damaged("it ends before its pixels");
    if (marker === 0xf7) throw new ImageFailure("unsupported", "JPEG-LS outside of DICOM; save it as PNG");
    const start = position + 4;
    const end = position + 2 + ((data[position + 2] << 8) | data[position + 3]);
    if (end < start || end > data.length) throw damaged("it breaks off within its header");
    readSegment(layout, data, marker, start, end);
    position = end;
  }
  throw damaged("it breaks off within its header");
}

function readSegment(layout, data, marker, start, end) {
  const begins = (text) => latin1(data, start, Math.min(end, start + text.length)) === text;
  if (marker === 0xe1 && !layout.exif && begins("Exif\0\0")) layout.exif = data.subarray(start + 6, end);
  else if (marker === 0xe1 && begins("http://ns.adobe.com/xap/1.0/\0")) layout.xmp = data.subarray(start + 29, end);
  else if (marker === 0xe2 && begins("ICC_PROFILE\0") && end >= start + 14) {
    layout.profiles.push({ number: data[start + 12], count: data[start + 13], bytes: data.subarray(start + 14, end) });
  }
  else if (marker === 0xee && begins("Adobe") && end - start >= 12) layout.adobe = true;
  else if (marker === 0xc4) layout.tables.push([start, end]);
  else if (marker === 0xdb) checkQuantization(data.subarray(start, end));
  else if (marker === 0xdd) layout.restart = (data[start] << 8) | data[start + 1];
  else if (isFrame(marker)) {
    const count = data[start + 5];
    if (layout.process !== null || end - start < 6 || end - start !== 6 + 3 * count) {
      throw damaged("its size is stated wrongly");
    }
    layout.process = marker;
    layout.precision = data[start];
    layout.height = (data[start + 1] << 8) | data[start + 2];
    layout.width = (data[start + 3] << 8) | data[start + 4];
    layout.components = [];
    for (let i = start + 6; i < end; i += 3) {
      layout.components.push({ id: data[i], across: data[i + 1] >> 4, down: data[i + 1] & 15 });
    }
  }
}

function checkQuantization(tables) {
  let position = 0;
  while (position < tables.length) {
    const wide = tables[position] >> 4 ? 2 : 1;
    for (let i = 0; i < 64 && position + 1 + i * wide < tables.length; i++) {
      const at = position + 1 + i * wide;
      if (!(wide === 2 ? (tables[at] << 8) | tables[at + 1] : tables[at])) {
        throw damaged("a quantization table has zeros");
      }
    }
    position += 1 + 64 * wide;
  }
}

/** The ICC profile of a layout, which may be in several segments; null without one, or where one is missing. */
function jpegProfile({ profiles }) {
  const parts = [...profiles].sort((one, other) => one.number - other.number);
  if (!parts.length || parts.some((part, i) => part.number !== i + 1) || parts.length !== parts.at(-1).count) return null;
  const joined = new Uint8Array(parts.reduce((sum, { bytes }) => sum + bytes.length, 0));
  let offset = 0;
  for (const { bytes } of parts) {
    joined.set(bytes, offset);
    offset += bytes.length;
  }
  return joined;
}

/** Make a browser pass over orientation and profile, which are ours to apply: not all do as they are asked. */
function hideFromBrowser(data, { exif, profiles }, hideProfile) {
  if (exif) data[exif.byteOffset - data.byteOffset - 6] = 0; // the first letter of the segment's name
  for (const { bytes } of hideProfile ? profiles : []) data[bytes.byteOffset - data.byteOffset - 14] = 0;
}

/** The scale that Python's decoder works at, as how many pixels of a side become one: 1, 2, 4 or 8. */
function jpegFactor(layout, width, height) {
  const ratio = Math.min(layout.width / width, layout.height / height);
  if (ratio >= 16) return 8;
  if (ratio >= 8) return 4;
  if (ratio >= 2 * ENOUGH_HALVES) return 2;
  return layout.width * layout.height > MAXIMUM_PIXELS && ratio >= 2 ? 2 : 1;
}

function checkPixels(width, height, most = MAXIMUM_PIXELS) {
  if (width * height > most) {
    throw new ImageFailure("too_large", `${width} x ${height} is more than ${most.toLocaleString("en")} pixels`);
  }
  if (width * height === 0) throw damaged("an image without pixels");
}

/** Throw `ImageFailure` for a file that is damaged, too large, or of a kind that is not decoded. */
function checkJpeg(data, layout, factor) {
  const count = layout.components.length;
  if (!PROCESSES[layout.process] || layout.precision !== 8 || ![1, 3, 4].includes(count)) {
    const process = PROCESSES[layout.process] ?? "hierarchical";
    throw new ImageFailure(
      "unsupported",
      `JPEG, ${process}, ${layout.precision} bits a sample, ${count} components; save it as a baseline JPEG or as PNG`,
    );
  }
  if (![BASELINE, EXTENDED, PROGRESSIVE].includes(layout.process)) { // of which nobody would see what is damaged
    throw new ImageFailure("unsupported", `JPEG (${PROCESSES[layout.process]}) in a browser; 'lesionflow score' reads it`);
  }
  if (count === 4 && !layout.adobe) { // browsers take ink for light as Adobe's files do, and Python does not
    throw new ImageFailure("unsupported", "CMYK without Adobe's marker in a browser; 'lesionflow score' reads it");
  }
  if (!layout.height) throw new ImageFailure("unsupported", "JPEG whose height stands behind its pixels; save it again");
  checkPixels(layout.width, layout.height, MAXIMUM_STORED_PIXELS);
  checkPixels(Math.ceil(layout.width / factor), Math.ceil(layout.height / factor));
  checkScans(data, layout);
  checkHole(data, layout);
  checkCodes(data, layout);
}

/** Where the next marker is that is neither a stuffed zero nor a restart, nor fill; -1 without one. */
function nextMarker(data, from) {
  for (let offset = data.indexOf(0xff, from); offset >= 0; offset = data.indexOf(0xff, offset + 1)) {
    const next = data[offset + 1];
    if (next !== undefined && next !== 0 && next !== 0xff && !(next >= 0xd0 && next <= 0xd7)) return offset;
  }
  return -1;
}

/** A file of several scans: how many passes over all pixels they are, and whether they bring every coefficient. */
function checkScans(data, layout) {
  const sequential = layout.process !== PROGRESSIVE;
  if (sequential && data[layout.scan + 4] === layout.components.length) return;
  const missing = new Map(layout.components.map(({ id }) => [id, new Uint8Array(64).fill(64)]));
  const symbols = shortestCodes(data, layout.tables);
  let position = layout.scan, scans = 0;
  while (position + 4 <= data.length && data[position] === 0xff) {
    const marker = data[position + 1];
    if (marker === 0xff) {
      position += 1;
      continue;
    }
    if (marker === 0xd9) break;
    let end = position + 2 + ((data[position + 2] << 8) | data[position + 3]);
    if (marker === 0xc4) shortestCodes(data, [[position + 4, end]]).forEach((symbol, table) => symbols.set(table, symbol));
    if (marker === 0xda) {
      scans += 1;
      if (scans > MAXIMUM_SCANS) throw new ImageFailure("too_large", `a JPEG of more than ${MAXIMUM_SCANS} scans`);
      const header = data.subarray(position + 4, end);
      noteScan(header, missing, sequential);
      const start = end;
      end = nextMarker(data, start);
      if (end < 0) throw damaged("it breaks off");
      if (layout.process === PROGRESSIVE) checkHoleInScan(data, start, end, header, symbols);
    }
    position = end;
  }
  if ([...missing.values()].some((bits) => bits.some(Boolean))) throw damaged("some of its scans are missing");
}

function noteScan(header, missing, whole) {
  const count = header[0];
  if (header.length !== 4 + 2 * count) return;
  const [start, end, low] = whole ? [0, 63, 0] : [header.at(-3), Math.min(header.at(-2), 63), header.at(-1) & 15];
  for (let i = 1; i < 1 + 2 * count; i += 2) missing.get(header[i])?.fill(low, start, end + 1);
}

/** Zeros in place of coefficients in a scan of a progressive file: which there may be, jpeg.py says. */
function checkHoleInScan(data, start, end, header, symbols) {
  const first = header.at(-3), refines = header.at(-1) >> 4;
  const chosen = header.subarray(2, -3).filter((_, i) => i % 2 === 0);
  if (!first && refines) return;
  if (!chosen.some((each) => symbols.get(first ? 0x10 | (each & 15) : each >> 4))) return;
  const hole = runOfZeros(data, start, end, first ? (refines ? 400 : PADDING + 16) : 1000);
  if (hole >= 0) throw damaged(`zeros in place of pixels from byte ${hole} on`);
}

/** Where the first run of at least `length` zeros begins; -1 without one. */
function runOfZeros(data, start, end, length) {
  for (let offset = data.indexOf(0, start), run = 0; offset >= 0 && offset < end; offset = data.indexOf(0, offset + 1)) {
    run = offset > start && data[offset - 1] === 0 ? run + 1 : 1;
    if (run === length) return offset - length + 1;
  }
  return -1;
}

/** Zeros where a sequential file's coefficients should be: a decoder may find its way again behind them. */
function checkHole(data, layout) {
  if (layout.process === PROGRESSIVE) return;
  const scan = layout.scan + 2;
  const found = nextMarker(data, scan + ((data[scan] << 8) | data[scan + 1]));
  const end = found < 0 ? data.length : found;
  const hole = runOfZeros(data, layout.scan, end, HOLE);
  if (hole < 0 || zerosAreEmptyBlocks(data, layout)) return;
  if (end - hole <= PADDING && data.subarray(hole, end).every((value) => value === 0)) return;
  throw damaged(`zeros in place of pixels from byte ${hole} on`);
}

/** Whether the shortest code, which is all zeros, stands for "nothing here" in each Huffman table of the scan. */
function zerosAreEmptyBlocks(data, layout) {
  const symbols = shortestCodes(data, layout.tables);
  const count = data[layout.scan + 4];
  for (let i = layout.scan + 6; i < layout.scan + 5 + 2 * count; i += 2) {
    for (const table of [data[i] >> 4, 0x10 | (data[i] & 15)]) if (symbols.get(table) ?? 1) return false;
  }
  return true;
}

/** What the code that is all zeros stands for in each Huffman table. */
function shortestCodes(data, tables) {
  const symbols = new Map();
  for (let [start, end] of tables) {
    while (start + 17 < end) {
      symbols.set(data[start], data[start + 17]);
      start += 17 + data.subarray(start + 1, start + 17).reduce((sum, count) => sum + count, 0);
    }
  }
  return symbols;
}
