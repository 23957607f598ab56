"use strict";

/* Colour profiles of three primaries and their curves, such as Display P3 of phones, as lesionflow/images/colour.py: an
   image that is scaled already is brought to sRGB. Of other profiles the browser makes sRGB before it is scaled. */

const SAME = 2; // levels of 255: what a conversion changes at most where a profile is sRGB by another name
const D50 = [0.9642, 1, 0.8249];
const BRADFORD = [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]; // ICC.1:2010, annex E
const D65 = [0.3127, 0.329], SRGB = [D65, [0.64, 0.33], [0.3, 0.6], [0.15, 0.06]]; // white, red, green, blue: x and y
const PRIMARIES = { // of ITU-T H.273, those that are not sRGB's: BT.470 M, film, BT.2020, DCI-P3, Display P3
  4: [[0.31, 0.316], [0.67, 0.33], [0.21, 0.71], [0.14, 0.08]], 8: [[0.31, 0.316], [0.681, 0.319], [0.243, 0.692], [0.145, 0.049]],
  9: [D65, [0.708, 0.292], [0.17, 0.797], [0.131, 0.046]], 11: [[0.314, 0.351], [0.68, 0.32], [0.265, 0.69], [0.15, 0.06]],
  12: [D65, [0.68, 0.32], [0.265, 0.69], [0.15, 0.06]],
};
const HDR = [16, 18]; // transfers of H.273: PQ and HLG, which are not converted
const GAMMAS = { 4: 2.2, 5: 2.8, 8: 1 }; // of other transfers of H.273; all that are not here are taken for sRGB's
const ADOBE_RGB = [D65, [0.64, 0.33], [0.21, 0.71], [0.15, 0.06]], ADOBE_GAMMA = 563 / 256;
const SRGB_CURVE = [2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045]; // IEC 61966-2-1, as a profile has it
const STEPS = 65530; // of linear light, as in Python: sums that were rounded thrice stay within 16 bits

/** What makes sRGB of an image's numbers: a function that changes pixels in place, null where there is nothing to do or
    no profile, and undefined where only the browser can. */
function profileConversion(profile) {
  const opened = profile && readProfile(profile);
  if (!opened) return opened;
  return opened.columns ? conversion(opened.columns, opened.curves) : greyConversion(opened.curves[0]);
}

/** The same for what PNG's cICP and AVIF say in two numbers of ITU-T H.273. */
function namedConversion(primaries, transfer) {
  const gamma = GAMMAS[transfer];
  if (HDR.includes(transfer) || (!PRIMARIES[primaries] && gamma === undefined)) return null;
  return pointsConversion(PRIMARIES[primaries] ?? SRGB, gamma);
}

/** The same for three primaries and a curve; without an exponent sRGB's. Python makes a profile of them, with its digits. */
function pointsConversion(points, gamma) {
  const fixed = (value) => Math.round(65536 * value) / 65536;
  const columns = columnsOf(points).map((column) => column.map(fixed));
  return conversion(columns, Array(3).fill(parametric((gamma === undefined ? SRGB_CURVE : [gamma]).map(fixed))));
}

/** The same for what PNG's chunks gAMA and cHRM say, where that makes sense. */
function gammaConversion(gamma, chromaticities) {
  const numbers = (bytes) => Array.from({ length: bytes.length / 4 }, (_, i) =>
    new DataView(bytes.buffer, bytes.byteOffset).getUint32(4 * i) / 100_000);
  const [exponent] = numbers(gamma);
  if (!(exponent >= 0.1 && exponent <= 2)) return null;
  const given = chromaticities?.length === 32 ? numbers(chromaticities) : SRGB.flat();
  const points = [0, 2, 4, 6].map((i) => given.slice(i, i + 2));
  if (points.some(([, y]) => y <= 0)) return null;
  const isSrgb = Math.abs(exponent - 1 / 2.2) < 0.005; // how sRGB is said in this chunk
  return pointsConversion(points, isSrgb ? undefined : 1 / exponent);
}

const srgbEncoded = (light) => (light <= 0.0031308 ? 12.92 * light : 1.055 * light ** (1 / 2.4) - 0.055);
const levelOf = (light) => Math.round(255 * srgbEncoded(Math.min(1, Math.max(0, light))));
const lightOf = (lightness) => (lightness > 0.08 ? ((100 * lightness + 16) / 116) ** 3 : lightness / 9.033); // CIE 15, 8.2.1
const curveOf = (decoded) => Float64Array.from({ length: 256 }, (_, i) => decoded(i / 255));
const times = (matrix, vector) => matrix.map((row) => row.reduce((sum, value, i) => sum + value * vector[i], 0));
const transposed = (rows) => [0, 1, 2].map((i) => rows.map((row) => row[i]));

/** The vector that a matrix, (3, 3), makes another of: Cramer's rule. */
function solved(matrix, vector) {
  const determinant = ([[a, b, c], [d, e, f], [g, h, i]]) => a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
  const replaced = (column) => matrix.map((row, i) => row.map((value, k) => (k === column ? vector[i] : value)));
  return [0, 1, 2].map((column) => determinant(replaced(column)) / determinant(matrix));
}

/** The XYZ of three primaries that add up to white, seen in D50's light; points: x and y of white, red, green, blue. */
function columnsOf(points) {
  const [white, ...primaries] = points.map(([x, y]) => [x / y, 1, (1 - x - y) / y]);
  const shares = solved(transposed(primaries), white), from = times(BRADFORD, white), to = times(BRADFORD, D50);
  return primaries.map((primary, i) => {
    const cones = times(BRADFORD, primary).map((value, k) => (shares[i] * value * to[k]) / from[k]);
    return solved(BRADFORD, cones);
  });
}

const latest = { key: "", convert: null }; // images of one phone have one profile

/** The conversion of three primaries, of which columns has the XYZ, and of their curves: see `profileConversion`. */
function conversion(columns, curves) {
  const key = String([columns, ...curves]);
  if (latest.key !== key) {
    const convert = byTables(columns, curves);
    Object.assign(latest, { key, convert: convert && largestChange(convert) <= SAME ? null : convert });
  }
  return latest.convert;
}

/** The same by tables of whole numbers, as Python's, so that not one pixel is rounded otherwise; undefined where they make
    no sense. */
function byTables(columns, curves) {
  const srgb = transposed(columnsOf(SRGB)), channels = [0, 1, 2];
  const light = columns.map((column, from) => solved(srgb, column).map((share) => curves[from].map((value) => value * share)));
  const least = light.map((each) => each.map((values) => Math.min(...values)));
  const most = light.map((each) => each.map((values) => Math.max(...values)));
  const added = (table) => channels.map((to) => table[0][to] + table[1][to] + table[2][to]);
  const sums = added(least), lowest = Math.min(...sums), steps = STEPS / (Math.max(...added(most)) - lowest);
  if (!(steps > 0 && steps < Infinity)) return undefined;
  const tables = light.map((each, from) => each.map((values, to) => {
    const offset = (from ? 0 : sums[to] - lowest) - least[from][to];
    return Uint16Array.from(values, (value) => Math.round((value + offset) * steps));
  }));
  const levels = Uint8Array.from({ length: 2 ** 16 }, (_, i) => levelOf(i / steps + lowest));
  return (pixels) => {
    for (let i = 0; i < pixels.length; i += 3) {
      const r = pixels[i], g = pixels[i + 1], b = pixels[i + 2];
      for (let to = 0; to < 3; to++) pixels[i + to] = levels[tables[0][to][r] + tables[1][to][g] + tables[2][to][b]];
    }
  };
}

/** The conversion of grey, which leaves colours alone. */
function greyConversion(curve) {
  const levels = curve.map(levelOf);
  if (levels.every((level, i) => Math.abs(level - i) <= SAME)) return null;
  return (pixels) => {
    if (pixels.every((value, i) => value === pixels[i - (i % 3)])) pixels.forEach((value, i) => { pixels[i] = levels[value]; });
  };
}

function largestChange(convert) {
  const steps = Array.from({ length: 9 }, (_, i) => Math.round((255 * i) / 8)), colours = [];
  for (const r of steps) for (const g of steps) for (const b of steps) colours.push(r, g, b);
  const after = Uint8Array.from(colours);
  convert(after);
  return after.reduce((most, value, i) => Math.max(most, Math.abs(value - colours[i])), 0);
}

/** The primaries' XYZ, but of grey, and the curves of 256 levels; null of a profile that is broken or for other than light,
    undefined of one of tables. */
function readProfile(profile) {
  const view = new DataView(profile.buffer, profile.byteOffset, profile.byteLength);
  try {
    const space = latin1(profile, 16, 20);
    if (latin1(profile, 36, 40) !== "acsp" || (space !== "RGB " && space !== "GRAY")) return null;
    const isLab = latin1(profile, 20, 24) === "Lab "; // in which the curve of grey gives lightness
    if (latin1(profile, 20, 24) !== "XYZ " && !(isLab && space === "GRAY")) return undefined;
    const tags = new Map();
    for (let i = 0, count = view.getUint32(128); i < count; i++) {
      const offset = 132 + 12 * i;
      tags.set(latin1(profile, offset, offset + 4), view.getUint32(offset + 4));
    }
    if (tags.has("A2B0")) return undefined; // tables
    if (space === "GRAY") {
      const curve = readCurve(view, tags.get("kTRC"));
      return { columns: null, curves: [isLab ? curve.map(lightOf) : curve] };
    }
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

/** The curve of a profile's kinds 0, 3 and 4, in linear light. */
const parametric = ([g, a = 1, b = 0, c = 0, d = 0, e = 0, f = 0]) =>
  curveOf((x) => (x >= d ? (a * x + b) ** g + e : c * x + f));

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
    const [g, a, b, c] = parameters;
    if (kind === 1) curve = (x) => (x >= -b / a ? (a * x + b) ** g : 0);
    else if (kind === 2) curve = (x) => (x >= -b / a ? (a * x + b) ** g + c : c);
    else return parametric(parameters);
  } else throw new TypeError("a curve of another kind");
  return curveOf(curve);
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
