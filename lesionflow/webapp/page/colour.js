"use strict";

/* Colour profiles of three primaries and their curves, such as Display P3 of phones, as lesionflow/images/colour.py: an
   image that is scaled already is brought to sRGB. Of other profiles the browser makes sRGB before it is scaled. */

const SAME = 2; // levels of 255: what a conversion changes at most where a profile is sRGB by another name
const XYZ_TO_SRGB = [ // from the profile connection space, whose white is D50: ICC.1:2010, 6.3.4, and IEC 61966-2-1
  [3.1338561, -1.6168667, -0.4906146], [-0.9787684, 1.9161415, 0.033454], [0.0719453, -0.2289914, 1.4052427],
];
const SRGB_STEPS = 16384; // of linear light, in the table that goes back to levels

/** What makes sRGB of an image's numbers: a function that changes pixels in place, null where there is nothing to do,
    and undefined where only the browser can. */
function profileConversion(profile) {
  const opened = readProfile(profile);
  if (!opened) return opened;
  const matrix = XYZ_TO_SRGB.map((row) => [0, 1, 2].map((i) => row.reduce((sum, value, k) => sum + value * opened.columns[i][k], 0)));
  const levels = Array.from({ length: SRGB_STEPS + 1 }, (_, i) => Math.round(255 * srgbEncoded(i / SRGB_STEPS)));
  const convert = (pixels) => {
    const [red, green, blue] = opened.curves;
    for (let i = 0; i < pixels.length; i += 3) {
      const r = red[pixels[i]], g = green[pixels[i + 1]], b = blue[pixels[i + 2]];
      for (let channel = 0; channel < 3; channel++) {
        const light = matrix[channel][0] * r + matrix[channel][1] * g + matrix[channel][2] * b;
        pixels[i + channel] = levels[Math.round(SRGB_STEPS * Math.min(1, Math.max(0, light)))];
      }
    }
  };
  return largestChange(convert) <= SAME ? null : convert;
}

const srgbEncoded = (light) => (light <= 0.0031308 ? 12.92 * light : 1.055 * light ** (1 / 2.4) - 0.055);

function largestChange(convert) {
  const steps = Array.from({ length: 9 }, (_, i) => Math.round((255 * i) / 8)), colours = [];
  for (const r of steps) for (const g of steps) for (const b of steps) colours.push(r, g, b);
  const after = Uint8Array.from(colours);
  convert(after);
  return after.reduce((most, value, i) => Math.max(most, Math.abs(value - colours[i])), 0);
}

/** The primaries' XYZ and the curves of 256 levels; null of a profile that is broken, undefined of another kind. */
function readProfile(profile) {
  const view = new DataView(profile.buffer, profile.byteOffset, profile.byteLength);
  try {
    if (latin1(profile, 36, 40) !== "acsp") return null;
    if (latin1(profile, 16, 20) !== "RGB " || latin1(profile, 20, 24) !== "XYZ ") return undefined;
    const tags = new Map();
    for (let i = 0, count = view.getUint32(128); i < count; i++) {
      const offset = 132 + 12 * i;
      tags.set(latin1(profile, offset, offset + 4), view.getUint32(offset + 4));
    }
    if (tags.has("A2B0")) return undefined; // tables
    const columns = ["rXYZ", "gXYZ", "bXYZ"].map((name) => {
      const offset = tags.get(name);
      return [8, 12, 16].map((behind) => view.getInt32(offset + behind) / 65536);
    });
    return { columns, curves: ["rTRC", "gTRC", "bTRC"].map((name) => readCurve(view, tags.get(name))) };
  } catch (error) {
    if (error instanceof RangeError || error instanceof TypeError) return null;
    throw error;
  }
}

/** A curve, of linear light for each of 256 levels. */
function readCurve(view, offset) {
  const fixed = (index) => view.getInt32(offset + 12 + 4 * index) / 65536;
  let curve;
  if (view.getUint32(offset) === 0x63757276) { // curv
    const count = view.getUint32(offset + 8);
    const value = (i) => view.getUint16(offset + 12 + 2 * i);
    if (count === 0) curve = (x) => x;
    else if (count === 1) curve = (x) => x ** (value(0) / 256);
    else {
      curve = (x) => {
        const exact = x * (count - 1), low = Math.min(Math.floor(exact), count - 2);
        return (value(low) + (value(low + 1) - value(low)) * (exact - low)) / 65535;
      };
    }
  } else if (view.getUint32(offset) === 0x70617261) { // para: ICC.1:2010, 10.15
    const kind = view.getUint16(offset + 8), parameters = Array.from({ length: [1, 3, 4, 5, 7][kind] }, (_, i) => fixed(i));
    const [g, a = 1, b = 0, c = 0, d = 0, e = 0, f = 0] = parameters;
    if (kind === 0) curve = (x) => x ** g;
    else if (kind === 1) curve = (x) => (x >= -b / a ? (a * x + b) ** g : 0);
    else if (kind === 2) curve = (x) => (x >= -b / a ? (a * x + b) ** g + c : c);
    else curve = (x) => (x >= d ? (a * x + b) ** g + e : c * x + f);
  } else throw new TypeError("a curve of another kind");
  return Float64Array.from({ length: 256 }, (_, i) => curve(i / 255));
}

/** Bytes that a PNG keeps compressed; null where they are broken. */
async function inflated(bytes) {
  try {
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  } catch {
    return null;
  }
}
