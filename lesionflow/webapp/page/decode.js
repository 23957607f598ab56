"use strict";

/* The one function that turns an image file into pixels, as lesionflow/images/decode.py: the browser decodes, and what is
   read, refused, scaled, cut and turned follows Python's rules. */

const MAXIMUM_BYTES = 256 * 2 ** 20;
const DICOM_NAME = /\.(dcm|dicom|dic|ima)$/i;
const AVIF_HEAD = 2 ** 16; // bytes in which it says what it is of
const AVIF_HOLE = 64; // so many zeros are no pixels of one: a browser shows something in their place
const WEBP_UNUSED = 16; // bytes; of whole files at most the last 1 to 4 are not needed
const STRIP = 2 ** 20; // pixels that are read from a decoded image at a time
const STREAM_OPEN = 10_000; // milliseconds after which a decoder is taken for one that waits for the end of an open stream
const decoding = { openStreams: true };
const RGB = ["RGBA", "RGBX", "BGRA", "BGRX"]; // a decoder's formats without brightness and colour apart
const canvas = { element: null, context: null }; // kept: a new one for every image would cost as much as reading it

/** Decode a file to { pixels, format, sample }, pixels (height, width, 3) uint8 RGB. Throws `ImageFailure`, and nothing
    else; that has the sample too where the file could be read. */
async function decodeImage(file, height, width, read = () => readBytes(file)) {
  let sample;
  try {
    const data = await read();
    sample = sampleOfBytes(data); // before anything is hidden in them
    const kind = sniff(data.subarray(0, HEAD)) ?? (isCutDicom(file, data) ? "DICOM" : null);
    if (kind === null) throw new ImageFailure(...unrecognised(data));
    if (kind === "DICOM") throw new ImageFailure("unsupported", "DICOM in a browser; 'lesionflow score' reads it");
    if (!FORMATS.includes(kind)) throw new ImageFailure("unsupported", `${kind}; save it as PNG or JPEG`);
    if (kind === "BMP" && wasSentAsText(data)) {
      throw damaged("changed by a transfer as text; transfer it again, as binary data");
    }
    return { pixels: await decodeKind(kind, data, height, width), format: kind, sample };
  } catch (error) {
    throw Object.assign(asFailure(error), { sample });
  }
}

function asFailure(error) {
  if (error instanceof ImageFailure) return error;
  if (error instanceof RangeError) return new ImageFailure("too_large", "there is not enough memory to decode it");
  return damaged(String(error.message ?? error));
}

/** Whether a file with a name of DICOM's begins like its data elements, but has too few to be told by them. */
const isCutDicom = (file, data) => DICOM_NAME.test(file.name) && ELEMENTS.includes(latin1(data, 0, 2));

/** For each of some files a function that reads it as `readBytes` does. A browser needs a millisecond and more to read a
    file, and little longer for several that are one to it; where that fails, as one of them has changed, each is read. */
function readersOf(files) {
  if (files.length === 1) return [() => readBytes(files[0])];
  const total = files.reduce((sum, { size }) => sum + size, 0);
  const together = new Blob(files).arrayBuffer().then((content) => (content.byteLength === total ? content : null), () => null);
  let end = 0;
  return files.map((file) => {
    const start = end;
    end += file.size;
    return async () => {
      const content = file.size ? await together : null;
      return content ? new Uint8Array(content.slice(start, start + file.size)) : readBytes(file);
    };
  });
}

async function readBytes(file) {
  if (file.size > MAXIMUM_BYTES) throw new ImageFailure("too_large", `more than ${MAXIMUM_BYTES / 2 ** 20} MiB`);
  let content;
  try {
    content = await file.arrayBuffer();
  } catch (error) {
    const reason = { NotFoundError: "not_found", NotReadableError: "unreadable" }[error.name] ?? "unreadable";
    throw new ImageFailure(reason, "the file cannot be read, or has changed since it was chosen");
  }
  if (!content.byteLength) throw new ImageFailure("empty", "the file has no bytes");
  return new Uint8Array(content);
}

async function decodeKind(kind, data, height, width) {
  const about = await describe(kind, data, width, height), gap = kind === "JPEG" ? ENOUGH_HALVES : 2;
  const frame = ON_ITS_SIDE.includes(about.orientation) ? [height, width] : [width, height];
  const read = kind === "JPEG" ? await decodeJpeg(data, about) : null;
  let image = read ? fitted(read, ...frame, gap) : await decodeWhole(kind, about, frame, gap);
  image ??= await decodeWhole(kind, await withoutAlpha(kind, data, about), frame, gap);
  if (!image) throw new ImageFailure("unsupported", "its alpha is 0 everywhere; save it without alpha");
  if (kind === "WEBP") await checkWebp(data);
  about.convert?.(image.frame);
  return turned(image.frame, ...frame, about.orientation).data;
}

/** Decode in full and scale to a frame; null of an image whose alpha is 0 everywhere. */
async function decodeWhole(kind, about, [width, height], gap) {
  const bitmap = await openBitmap(kind, about);
  try {
    checkPixels(bitmap.width, bitmap.height, kind === "JPEG" ? MAXIMUM_STORED_PIXELS : MAXIMUM_PIXELS);
    if (about.screen && (bitmap.width < about.screen[0] || bitmap.height < about.screen[1])) { // as Firefox does
      throw new ImageFailure("unsupported", "a GIF that this browser cuts to its first frame; 'lesionflow score' reads it");
    }
    const image = fittedBitmap(bitmap, width, height, about.factor, gap);
    if (about.png && image.data.subarray(-image.width).every(isBlack)) await checkRows(about.png);
    return kind === "JPEG" || !isTransparent(image, bitmap) ? image : null;
  } finally {
    bitmap.close();
  }
}

/** What a file says of itself before it is decoded, and what of it the browser is given: pixels alone, for turning and
    colours are ours, as no two browsers do the same. Throws `ImageFailure` for what Python's decoders would refuse. */
async function describe(kind, data, width, height) {
  if (kind === "JPEG") {
    const layout = readLayout(data), orientation = exifOrientation(layout.exif, layout.xmp);
    const onItsSide = ON_ITS_SIDE.includes(orientation);
    const factor = onItsSide ? jpegFactor(layout, height, width) : jpegFactor(layout, width, height);
    checkJpeg(data, layout, factor);
    const isAdobe = layout.components.length === 3 && !layout.profiles.length && exifSaysAdobe(layout.exif);
    const colours = isAdobe ? coloursOf(pointsConversion(ADOBE_RGB, ADOBE_GAMMA))
      : layout.components.length < 4 ? coloursOf(profileConversion(jpegProfile(layout)))
      : coloursOf(layout.profiles.length ? undefined : null);
    hideFromBrowser(data, layout, colours.conversion === "none");
    return { width: layout.width, height: layout.height, orientation, factor, ...colours, parts: [data] };
  }
  if (kind === "PNG") {
    const png = readPng(data);
    checkPixels(png.width, png.height);
    const colours = coloursOf(await pngConversion(png)), parts = pngParts(data, png, colours.conversion === "none");
    const orientation = exifOrientation(await pngExif(png), await pngText(png, "XML:com.adobe.xmp"));
    return { width: png.width, height: png.height, png, orientation, factor: 1, ...colours, parts };
  }
  if (kind === "WEBP") {
    const chunks = webpChunks(data), content = (name) => (chunks.has(name) ? data.subarray(...chunks.get(name)) : null);
    const orientation = exifOrientation(content("EXIF"), content("XMP "));
    const colours = coloursOf(profileConversion(content("ICCP")));
    for (const name of colours.conversion === "none" ? ["EXIF", "ICCP"] : ["EXIF"]) hideChunk(data, chunks, name);
    return { orientation, factor: 1, ...colours, parts: [data] };
  }
  if (kind === "BMP" && data[14] >= 40 && [1, 2].includes(data[30])) {
    throw new ImageFailure("unsupported", "BMP (RLE) in a browser; 'lesionflow score' reads it");
  }
  const convert = kind === "AVIF" ? avifConversion(data) : kind === "BMP" ? profileConversion(bmpProfile(data)) : null;
  const screen = kind === "GIF" ? [data[6] | (data[7] << 8), data[8] | (data[9] << 8)] : null;
  return { screen, orientation: 1, factor: 1, ...coloursOf(convert), parts: [data] };
}

/** How the colours of an image become sRGB: by a function, by nothing (null), or by the browser (undefined). */
const coloursOf = (convert) =>
  convert === undefined ? { conversion: "default", convert: null } : { conversion: "none", convert };

/** Where the contents of a WebP file's chunks are, by name: [start, end]. Throws `ImageFailure` where it breaks off. */
function webpChunks(data) {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength), found = new Map();
  if (data.length < 16 || data.length < view.getUint32(4, true) + 8) throw damaged("it breaks off");
  for (let offset = 12, end; offset + 8 <= data.length; offset = end + (end & 1)) {
    end = offset + 8 + view.getUint32(offset + 4, true);
    const name = latin1(data, offset, offset + 4);
    if (!found.has(name)) found.set(name, [offset + 8, end]);
  }
  return found;
}

/** Throw `ImageFailure` for a WebP that has more bytes than its pixels, or their opacity, need: behind damage its decoder
    stops elsewhere. */
async function checkWebp(data) {
  for (const shorter of shortenedWebp(data)) {
    if (!(await opensWebp(shorter))) continue;
    shortWebpOpens ??= drawnWebp().then((drawn) => !drawn || opensWebp(shortenedWebp(drawn)[0]));
    if (!(await shortWebpOpens)) throw damaged("its pixels end before its bytes do");
  }
}

let shortWebpOpens = null; // whether this browser shows a WebP that breaks off, and so tells nothing of the others

/** A WebP, or its first frame, without the last bytes of its pixels, and the same of its opacity, as far as there are. */
function shortenedWebp(data) {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength), end = view.getUint32(4, true) + 8;
  const chunks = new Map(), found = [];
  for (let offset = 12; offset + 8 <= Math.min(end, data.length) && !chunks.has("VP8 ") && !chunks.has("VP8L");) {
    const name = latin1(data, offset, offset + 4), length = view.getUint32(offset + 4, true);
    if (name !== "ANMF") chunks.set(name, data.subarray(offset + 8, offset + 8 + length));
    offset += name === "ANMF" ? 24 : 8 + length + (length & 1); // a frame of an animation has its own chunks
  }
  const shortened = (name, least) => chunks.get(name)?.length > least && chunks.get(name).subarray(0, -WEBP_UNUSED);
  for (const name of ["VP8 ", "VP8L"]) { // shorter ones are of one colour, or transparent all over
    if (shortened(name, WEBP_UNUSED)) found.push(webp([[name, shortened(name, WEBP_UNUSED)]]));
  }
  const opacity = shortened("ALPH", 2 * WEBP_UNUSED), colours = chunks.get("VP8 ");
  if (opacity && colours?.length > 10) {
    const sides = [6, 8].flatMap((at) => {
      const side = ((colours[at] | (colours[at + 1] << 8)) & 0x3fff) - 1;
      return [side & 0xff, side >> 8, 0];
    });
    found.push(webp([["VP8X", Uint8Array.of(0x10, 0, 0, 0, ...sides)], ["ALPH", opacity], ["VP8 ", colours]]));
  }
  return found;
}

/** A WebP of chunks, given as name and content. */
function webp(chunks) {
  const size = chunks.reduce((sum, [, content]) => sum + 8 + content.length + (content.length & 1), 4);
  const made = new Uint8Array(8 + size), view = new DataView(made.buffer);
  const write = (text, at) => made.set(new TextEncoder().encode(text), at);
  write("RIFF", 0);
  view.setUint32(4, size, true);
  write("WEBP", 8);
  let offset = 12;
  for (const [name, content] of chunks) {
    write(name, offset);
    view.setUint32(offset + 4, content.length, true);
    made.set(content, offset + 8);
    offset += 8 + content.length + (content.length & 1);
  }
  return made;
}

async function opensWebp(data) {
  try {
    (await createImageBitmap(new Blob([data], { type: MEDIA_TYPES.WEBP }))).close();
    return true;
  } catch {
    return false;
  }
}

/** A WebP that this browser wrote itself; null where it writes none. */
async function drawnWebp() {
  const drawn = new OffscreenCanvas(64, 64), context = drawn.getContext("2d");
  for (let i = 0; i < 64; i++) {
    context.fillStyle = `hsl(${137 * i} 80% 50%)`;
    context.fillRect(8 * (i % 8), i - (i % 8), 8, 8);
  }
  const made = await drawn.convertToBlob({ type: MEDIA_TYPES.WEBP });
  return made.type === MEDIA_TYPES.WEBP ? new Uint8Array(await made.arrayBuffer()) : null;
}

function hideChunk(data, chunks, name) {
  if (chunks.has(name)) data[chunks.get(name)[0] - 8] = 0; // a name that nobody knows is passed over
}

/** The ICC profile of a BMP's fifth kind of header, whose colours are said to be embedded. */
function bmpProfile(data) {
  if (data.length < 138 || latin1(data, 14, 18) !== "\x7c\0\0\0" || latin1(data, 70, 74) !== "DEBM") return null;
  const view = new DataView(data.buffer, data.byteOffset), start = 14 + view.getUint32(126, true);
  return data.subarray(start, start + view.getUint32(130, true));
}

/** How the colours of an AVIF file become sRGB; what it says of them is hidden from the browser. */
function avifConversion(data) {
  for (const [from, to] of avifPixels(data)) {
    const hole = runOfZeros(data, from, to, AVIF_HOLE);
    if (hole >= 0) throw damaged(`zeros in place of pixels from byte ${hole} on`);
  }
  const start = new TextDecoder("latin1").decode(data.subarray(0, AVIF_HEAD)), view = new DataView(data.buffer);
  if (start.includes("clap")) throw new ImageFailure("unsupported", "a cut AVIF in a browser; 'lesionflow score' reads it");
  let convert = null;
  for (let offset = start.indexOf("colr"); offset >= 0; offset = start.indexOf("colr", offset + 1)) {
    const kind = start.slice(offset + 4, offset + 8);
    if (kind === "nclx") {
      convert ??= namedConversion(view.getUint16(offset + 8), view.getUint16(offset + 10));
      data.set([0, 1, 0, 13], offset + 8); // sRGB's
    } else if (kind === "prof" || kind === "rICC") {
      convert = profileConversion(data.subarray(offset + 8, offset - 4 + view.getUint32(offset - 4)));
      if (convert === undefined) { // which Chromium converts otherwise than in files of other formats
        throw new ImageFailure("unsupported", "AVIF (ICC) in a browser; 'lesionflow score' reads it");
      }
      data.set([102, 114, 101, 101], offset); // free
    }
  }
  return convert;
}

/** Where the pixels of an AVIF are, [start, end], as far as its boxes can be read: ISO/IEC 14496-12, 8.11.3 and 8.11.6. */
function avifPixels(data) {
  const number = (at, size) => data.subarray(at, at + size).reduce((sum, value) => 256 * sum + value, 0);
  const [, ...meta] = [...boxes(data, 0, data.length)].find(([kind]) => kind === "meta") ?? [];
  const places = new Map([...boxes(data, meta[0] + 4, meta[1])].map(([kind, ...place]) => [kind, place]));
  if (!places.has("iinf") || !places.has("iloc")) return [];
  const [list, listEnd] = places.get("iinf"), coded = new Set(), found = [];
  for (const [, start] of boxes(data, list + (data[list] ? 8 : 6), listEnd)) {
    const wide = data[start] === 3 ? 4 : 2;
    if (latin1(data, start + 6 + wide, start + 10 + wide) === "av01") coded.add(number(start + 4, wide));
  }
  let [at] = places.get("iloc");
  const version = data[at], wide = version === 2 ? 4 : 2, sizes = [...data.subarray(at + 4, at + 6)];
  const [offsetSize, lengthSize, baseSize, indexSize] = sizes.flatMap((each) => [each >> 4, each & 15]);
  const next = (size) => number((at += size) - size, size);
  at += 6;
  for (let items = next(wide); items > 0 && at < data.length; items--) {
    const item = next(wide), isElsewhere = version && next(2) & 15;
    next(2); // which file
    const base = next(baseSize);
    for (let extents = next(2); extents > 0; extents--) {
      next(version ? indexSize : 0);
      const start = base + next(offsetSize), length = next(lengthSize);
      if (coded.has(item) && !isElsewhere) found.push([start, length ? start + length : data.length]);
    }
  }
  return found;
}

/** The boxes between two places: kind, and where the content starts and ends. */
function* boxes(data, from, to) {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  for (let at = from, head, length; at + 8 <= to; at += length) {
    [head, length] = [8, view.getUint32(at) || to - at];
    if (length === 1 && at + 16 <= to) [head, length] = [16, Number(view.getBigUint64(at + 8))];
    if (length < head) return;
    yield [latin1(data, at + 4, at + 8), at + head, Math.min(at + length, to)];
  }
}

/** A file without its alpha, which Python passes over where it is 0 everywhere; where it is not apart, as it was. */
async function withoutAlpha(kind, data, about) {
  if (kind === "BMP") data.fill(0, 66, 70); // the mask of alpha, which the longer headers have
  else if (kind === "PNG" && about.png.chunks.has("tRNS")) {
    const parts = pngParts(data, { hidden: [...about.png.hidden, about.png.chunks.get("tRNS")] }, about.conversion === "none");
    return { ...about, parts };
  } else if (kind === "PNG" && ALPHA_CHANNEL.includes(about.png.header[9])) {
    return { ...about, parts: await withoutAlphaChannel(data, about.png, about.conversion === "none") };
  } else if (kind === "WEBP") {
    const chunks = webpChunks(data);
    if (chunks.has("VP8X")) data[chunks.get("VP8X")[0]] &= ~0x10;
    if (chunks.has("VP8L")) data[chunks.get("VP8L")[0] + 4] &= ~0x10; // a flag behind width and height
    hideChunk(data, chunks, "ALPH");
  } else if (kind === "AVIF") {
    const start = new TextDecoder("latin1").decode(data.subarray(0, AVIF_HEAD));
    for (let offset = start.indexOf("auxl"); offset >= 0; offset = start.indexOf("auxl", offset + 1)) data[offset] = 0;
  }
  return about;
}

async function openBitmap(kind, { parts, conversion, width, height }) {
  const options = { imageOrientation: "from-image", colorSpaceConversion: conversion, premultiplyAlpha: "default" };
  try {
    return await createImageBitmap(new Blob(parts, { type: MEDIA_TYPES[kind] }), options);
  } catch (error) {
    if (["TIFF", "JPEG 2000", "HEIF"].includes(kind)) {
      const name = kind === "HEIF" ? "HEIC" : kind;
      throw new ImageFailure("unsupported", `this browser cannot decode ${name}; save it as JPEG or PNG`);
    }
    if (width * height > MAXIMUM_PIXELS / 4) {
      throw new ImageFailure("too_large", `this browser cannot decode ${width} x ${height} pixels`);
    }
    throw damaged(`the browser cannot decode it (${error.message})`);
  }
}

/** Decode a JPEG in full, a half, a quarter or an eighth, as Python does; null where the browser has no such decoder.

    What Python's decoder gives at a reduced scale is the mean of the pixels of a whole decode, but for colours that are
    stored more coarsely: without such a decoder they are 0.2 levels of 255 off on average. */
async function decodeJpeg(data, { width, height, factor, conversion }) {
  const isWhole = factor === 1;
  if (typeof ImageDecoder === "undefined" || (isWhole && (width * height > STRIP || !decoding.openStreams))) return null;
  const reduced = { width: Math.ceil(width / factor), height: Math.ceil(height / factor) };
  // Of bytes that end, Chromium's decoder gives a whole image's brightness and colour, which are more coarse and which the
  // browser would convert less exactly; while a stream is open, it gives RGB.
  const decoder = new ImageDecoder({
    data: isWhole ? new ReadableStream({ start: (stream) => stream.enqueue(data) }) : data,
    type: MEDIA_TYPES.JPEG, colorSpaceConversion: conversion,
    desiredWidth: reduced.width, desiredHeight: reduced.height,
  });
  let frame = null, timer = null;
  const patience = new Promise((_, reject) => {
    if (!isWhole) return;
    timer = setTimeout(() => {
      decoding.openStreams = false; // of the images that follow, too
      reject(new Error("no answer"));
    }, STREAM_OPEN);
  });
  try {
    frame = (await Promise.race([decoder.decode({ completeFramesOnly: true }), patience])).image;
    const { codedWidth, codedHeight, format } = frame;
    if (codedWidth !== reduced.width || codedHeight !== reduced.height || !RGB.includes(format)) return null;
    const pixels = new Uint32Array(reduced.width * reduced.height);
    await frame.copyTo(pixels, { format: "RGBA" });
    return { data: pixels, ...reduced };
  } catch {
    return null;
  } finally {
    clearTimeout(timer);
    frame?.close();
    decoder.close();
  }
}

/** `fitted` of an image of the browser's, of which only averages come into our memory. */
function fittedBitmap(bitmap, width, height, factor, gap) {
  if (factor > 1) return fitted(readAveraged(bitmap, [0, 0, bitmap.width, bitmap.height], factor, factor), width, height, gap);
  const box = coveringBox(bitmap.width, bitmap.height, width, height);
  const plan = reduction(box, width, height, gap, bitmap.width, bitmap.height);
  const image = readAveraged(bitmap, plan.part, plan.factorX, plan.factorY);
  return { ...image, frame: withoutFourth(resized(image, plan.box, width, height)) };
}

/** Averages of a part of a decoded image, read strip by strip; what is transparent is black. */
function readAveraged(bitmap, [left, top, right, bottom], factorX, factorY) {
  const width = right - left, height = bottom - top;
  const rows = Math.min(height, Math.max(1, Math.floor(STRIP / width / factorY)) * factorY);
  const context = contextOf(width, rows), found = new Averager(width, height, factorX, factorY);
  for (let row = 0; row < height; row += rows) {
    const count = Math.min(rows, height - row);
    context.fillRect(0, 0, width, count); // black, as not every browser's canvas is that has no alpha
    context.drawImage(bitmap, left, top + row, width, count, 0, 0, width, count);
    found.add(new Uint32Array(context.getImageData(0, 0, width, count).data.buffer), count);
  }
  return { data: found.data, width: found.width, height: found.height };
}

function contextOf(width, height) {
  const { element } = canvas;
  if (!element || element.width < width || element.height < height || element.width * element.height > 4 * STRIP) {
    canvas.element = new OffscreenCanvas(width, height);
    canvas.context = canvas.element.getContext("2d", { alpha: false, willReadFrequently: true, colorSpace: "srgb" });
    canvas.context.imageSmoothingEnabled = false;
  }
  return canvas.context;
}

const isBlack = (pixel) => (pixel & 0xffffff) === 0;

/** Whether an image that is black all over is so because it is transparent all over. */
function isTransparent(image, bitmap) {
  if (!image.data.every(isBlack)) return false;
  const small = new OffscreenCanvas(64, 64), context = small.getContext("2d");
  context.drawImage(bitmap, 0, 0, 64, 64);
  const { data } = context.getImageData(0, 0, 64, 64);
  for (let offset = 3; offset < data.length; offset += 4) if (data[offset]) return false;
  return true;
}
