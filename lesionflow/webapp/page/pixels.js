"use strict";

/* From a decoded image to the frame that a network sees, to the last bit as Pillow does it: averages of whole pixels
   (ImageReduce.c), a triangle filter in fixed point (Resample.c), and the turn that EXIF asks for.

   An image is { data, width, height }, where a pixel is a number of 32 bits, as browsers give them: from the lowest byte
   on red, green, blue, and one that is passed over. Scripts read such a pixel at once. */

const PRECISION = 22, HALF = 2 ** (PRECISION - 1); // bits behind the point of Pillow's coefficients, and what rounds
const ON_ITS_SIDE = [5, 6, 7, 8]; // EXIF's orientations

/** The part of an image that just covers a frame, as left, top, right and bottom: `lesionflow.images.picture.scaled`. */
function coveringBox(width, height, frameWidth, frameHeight) {
  const scale = Math.min(width / frameWidth, height / frameHeight);
  const left = (width - scale * frameWidth) / 2, top = (height - scale * frameHeight) / 2;
  return [Math.max(left, 0), Math.max(top, 0), Math.min(width - left, width), Math.min(height - top, height)];
}

/** How Pillow's `resize` with a `reducing_gap` begins: factors, the part that is averaged, and what remains to scale. */
function reduction(box, frameWidth, frameHeight, gap, width, height) {
  const [left, top, right, bottom] = box;
  const factorX = Math.trunc((right - left) / frameWidth / gap) || 1;
  const factorY = Math.trunc((bottom - top) / frameHeight / gap) || 1;
  if (factorX === 1 && factorY === 1) return { factorX, factorY, part: [0, 0, width, height], box };
  const supportX = (0.5 * (right - left)) / frameWidth, supportY = (0.5 * (bottom - top)) / frameHeight;
  const part = [
    Math.max(0, Math.trunc(left - supportX)), Math.max(0, Math.trunc(top - supportY)),
    Math.min(width, Math.ceil(right + supportX)), Math.min(height, Math.ceil(bottom + supportY)),
  ];
  return {
    factorX, factorY, part,
    box: [
      (left - part[0]) / factorX, (top - part[1]) / factorY, (right - part[0]) / factorX, (bottom - part[1]) / factorY,
    ],
  };
}

/** Averages of `factorX` x `factorY` pixels, taken row by row, so that a large image is never in memory as a whole. */
class Averager {
  constructor(width, height, factorX, factorY) {
    Object.assign(this, { sourceWidth: width, sourceHeight: height, factorX, factorY });
    this.width = Math.ceil(width / factorX);
    this.height = Math.ceil(height / factorY);
    this.data = new Uint32Array(this.width * this.height);
    this.sums = new Uint32Array(3 * this.width);
    this.row = 0; // of the source
  }

  /** Take rows of pixels. */
  add(pixels, rows) {
    const { sourceWidth, factorX, factorY, sums, data } = this;
    if (factorX === 1 && factorY === 1) {
      data.set(pixels.subarray(0, rows * sourceWidth), this.row * sourceWidth);
      this.row += rows;
      return;
    }
    for (let row = 0, from = 0; row < rows; row++) {
      for (let column = 0, to = 0; column < sourceWidth; to += 3) {
        const stop = Math.min(column + factorX, sourceWidth);
        let red = 0, green = 0, blue = 0;
        for (; column < stop; column++, from++) {
          const pixel = pixels[from];
          red += pixel & 255;
          green += (pixel >>> 8) & 255;
          blue += (pixel >>> 16) & 255;
        }
        sums[to] += red;
        sums[to + 1] += green;
        sums[to + 2] += blue;
      }
      this.row += 1;
      if (this.row % factorY === 0 || this.row === this.sourceHeight) this.#divide();
    }
  }

  #divide() {
    const rows = (this.row - 1) % this.factorY + 1;
    const from = this.width * (Math.ceil(this.row / this.factorY) - 1);
    for (let column = 0; column < this.width; column++) {
      const columns = Math.min(this.factorX, this.sourceWidth - column * this.factorX);
      const count = rows * columns;
      const share = Math.floor(Math.fround(2 ** 32 / (256 * count)));
      const mean = (channel) => ((this.sums[3 * column + channel] + (count >> 1)) * share) / 2 ** 24;
      this.data[from + column] = mean(0) | (mean(1) << 8) | (mean(2) << 16);
    }
    this.sums.fill(0);
  }
}

/** Average a part of an image that is in memory. */
function averaged(image, factorX, factorY, part) {
  const [left, top, right, bottom] = part;
  const found = new Averager(right - left, bottom - top, factorX, factorY);
  for (let y = top; y < bottom; y++) found.add(image.data.subarray(y * image.width + left, y * image.width + right), 1);
  return { data: found.data, width: found.width, height: found.height };
}

/** What each pixel of a scaled line is made of: where it begins, how many pixels, and whole numbers to multiply with. */
function coefficients(size, from, to, length) {
  const scale = Math.fround(to - from) / length;
  const filterScale = Math.max(scale, 1), support = filterScale, most = 2 * Math.ceil(support) + 1;
  const firsts = new Int32Array(length), counts = new Int32Array(length), weights = new Int32Array(length * most);
  for (let index = 0; index < length; index++) {
    const center = from + (index + 0.5) * scale;
    const first = Math.max(0, Math.trunc(center - support + 0.5));
    const last = Math.min(size, Math.trunc(center + support + 0.5));
    const exact = [];
    let total = 0;
    for (let x = first; x < last; x++) {
      const weight = Math.max(0, 1 - Math.abs((x - center + 0.5) / filterScale));
      exact.push(weight);
      total += weight;
    }
    firsts[index] = first;
    counts[index] = exact.length;
    weights.set(exact.map((weight) => Math.trunc(0.5 + (total ? weight / total : weight) * 2 ** PRECISION)), index * most);
  }
  return { firsts, counts, weights, most };
}

/** Scale a part of an image as Pillow's bilinear filter does; the pixels alone. */
function resized(image, box, width, height) {
  const [left, top, right, bottom] = box.map(Math.fround); // as Pillow takes them
  if (left === 0 && top === 0 && right === width && bottom === height && image.width === width && image.height === height) {
    return image.data;
  }
  if (image.height > 100 * image.width && height < image.height) { // Pillow's order where the image is very tall
    const rows = { data: filtered(image, [0, top, image.width, bottom], image.width, height), width: image.width, height };
    return filtered(rows, [left, 0, right, height], width, height);
  }
  return filtered(image, [left, top, right, bottom], width, height);
}

/** The same, first across and then down. */
function filtered(image, [left, top, right, bottom], width, height) {
  const across = coefficients(image.width, left, right, width), down = coefficients(image.height, top, bottom, height);
  const firstRow = down.firsts[0], lastRow = down.firsts[height - 1] + down.counts[height - 1];
  const wide = new Uint32Array(width * (lastRow - firstRow)), found = new Uint32Array(width * height);
  for (let y = firstRow, to = 0; y < lastRow; y++) {
    for (let x = 0; x < width; x++) {
      wide[to++] = blended(image.data, y * image.width + across.firsts[x], 1, across.weights, x * across.most, across.counts[x]);
    }
  }
  for (let y = 0, to = 0; y < height; y++) {
    const row = (down.firsts[y] - firstRow) * width;
    for (let x = 0; x < width; x++) found[to++] = blended(wide, row + x, width, down.weights, y * down.most, down.counts[y]);
  }
  return found;
}

/** Some pixels, each so many places behind the one before, by their weights: one pixel. In whole numbers of 32 bits, which
    the products and their sums fit. */
function blended(pixels, from, step, weights, first, count) {
  let red = HALF, green = HALF, blue = HALF;
  for (let i = first, last = first + count; i < last; i++, from += step) {
    const pixel = pixels[from], weight = weights[i];
    red = (red + Math.imul(pixel & 255, weight)) | 0;
    green = (green + Math.imul((pixel >>> 8) & 255, weight)) | 0;
    blue = (blue + Math.imul((pixel >>> 16) & 255, weight)) | 0;
  }
  return (red >> PRECISION) | ((green >> PRECISION) << 8) | ((blue >> PRECISION) << 16);
}

/** Scale an image that is in memory until it just covers a frame, and cut what overhangs: `frame` is added, (height, width, 3). */
function fitted(image, width, height, gap) {
  const box = coveringBox(image.width, image.height, width, height);
  const plan = reduction(box, width, height, gap, image.width, image.height);
  const reduced = plan.factorX > 1 || plan.factorY > 1 ? averaged(image, plan.factorX, plan.factorY, plan.part) : image;
  return { ...reduced, frame: withoutFourth(resized(reduced, plan.box, width, height)) };
}

/** Pixels without their fourth byte: (height, width, 3). */
function withoutFourth(pixels) {
  const found = new Uint8Array(3 * pixels.length);
  for (let i = 0, to = 0; i < pixels.length; i++) {
    found[to++] = pixels[i] & 255;
    found[to++] = (pixels[i] >>> 8) & 255;
    found[to++] = (pixels[i] >>> 16) & 255;
  }
  return found;
}

/** An image, (height, width, 3), turned as EXIF's orientation says: { data, width, height }. */
function turned(data, width, height, orientation) {
  if (!(orientation >= 2 && orientation <= 8)) return { data, width, height };
  const onItsSide = ON_ITS_SIDE.includes(orientation);
  const [wide, tall] = onItsSide ? [height, width] : [width, height];
  const found = new Uint8Array(data.length);
  const source = {
    2: (x, y) => [width - 1 - x, y], 3: (x, y) => [width - 1 - x, height - 1 - y], 4: (x, y) => [x, height - 1 - y],
    5: (x, y) => [y, x], 6: (x, y) => [y, height - 1 - x], 7: (x, y) => [width - 1 - y, height - 1 - x],
    8: (x, y) => [width - 1 - y, x],
  }[orientation];
  for (let y = 0, to = 0; y < tall; y++) {
    for (let x = 0; x < wide; x++, to += 3) {
      const [column, row] = source(x, y);
      found.set(data.subarray(3 * (row * width + column), 3 * (row * width + column) + 3), to);
    }
  }
  return { data: found, width: wide, height: tall };
}

/** How the camera was held: of EXIF's first directory or, where that does not say, of XMP; else 1, upright. */
function exifOrientation(exif, xmp) {
  if (exif && latin1(exif, 0, 6) === "Exif\0\0") exif = exif.subarray(6); // as some write it outside of JPEG too
  const stated = exifNumbers(exif).get(0x0112);
  if (stated !== undefined) return stated;
  const text = xmp ? new TextDecoder("latin1").decode(xmp) : "";
  const found = /tiff:Orientation\s*(?:=\s*["']|>\s*)([0-9])/.exec(text);
  return found ? Number(found[1]) : 1;
}

/** Whether EXIF names Adobe RGB: rules of `R03` (DCF 2.0), or colour space 2, which some cameras write. */
function exifSaysAdobe(exif) {
  const more = exifNumbers(exif, exifNumbers(exif).get(0x8769) ?? 0);
  const rules = exifNumbers(exif, more.get(0xa005) ?? 0).get(1);
  return more.get(0xa001) === 2 || (rules !== undefined && rules === (exif[0] === 0x49 ? 0x00333052 : 0x52303300));
}

/** The first number of each entry of a directory of EXIF, by tag; without an offset, of the first directory. */
function exifNumbers(exif, directory) {
  const numbers = new Map(), start = exif ? latin1(exif, 0, 4) : "";
  if (start !== "II*\0" && start !== "MM\0*") return numbers;
  const view = new DataView(exif.buffer, exif.byteOffset, exif.byteLength), little = start[0] === "I";
  try {
    directory ??= view.getUint32(4, little);
    for (let left = directory && view.getUint16(directory, little), entry = directory + 2; left > 0; left--, entry += 12) {
      const tag = view.getUint16(entry, little), kind = view.getUint16(entry + 2, little);
      const value = kind === 3 ? view.getUint16(entry + 8, little)
        : kind === 2 || kind === 4 ? view.getUint32(entry + 8, little) : view.getUint8(entry + 8);
      if (!numbers.has(tag)) numbers.set(tag, value);
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // broken; the pixels are none the worse for it
  }
  return numbers;
}
