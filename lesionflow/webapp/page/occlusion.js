"use strict";

/* Where a network looks: the call's odds while a patch of the image is covered, as lesionflow/evaluation/heatmaps.py. */

const PATCH = 1 / 4, STRIDE = 3 / 32; // of the image's height and width
const AT_ONCE = 8; // covered copies that go through the network together

/** Half to even, as Python rounds. */
function roundEven(value) {
  const floor = Math.floor(value), rest = value - floor;
  if (rest === 0.5) return floor % 2 ? floor + 1 : floor;
  return Math.round(value);
}

const patchLength = (side, share) => Math.max(1, Math.min(side, roundEven(side * share)));

/** Where patches begin along a side: evenly, without gaps, and the last one ends with it. */
function patchStarts(side) {
  const length = patchLength(side, PATCH), last = side - length;
  const steps = Math.ceil(last / Math.max(1, Math.min(side * STRIDE, length)));
  return Array.from({ length: steps + 1 }, (_, step) => roundEven((last * step) / Math.max(1, steps)));
}

/** Weights of a patch's pixels along a side: it speaks for its middle most. */
const triangle = (length) =>
  Float64Array.from({ length }, (_, i) => 1 - Math.abs(((i + 1) - (length + 1) / 2) / ((length + 1) / 2)));

function logOdds(chance) {
  const kept = Math.min(Math.max(chance, 1e-9), 1 - 1e-9);
  return Math.log(kept) - Math.log1p(-kept);
}

/** Occlusion sensitivity of pixels, (height, width, 3); predict: pixels of several images to what is said of each.
    Returns the diagnosis, its probability, the lowest one, and the fall of its log odds, (height, width). */
async function occlude(predict, pixels, height, width, asked, progress = () => {}) {
  const [whole] = await predict(pixels, 1);
  const diagnosis = asked ?? whole.called, probability = whole.probabilities[diagnosis];
  const tall = patchLength(height, PATCH), wide = patchLength(width, PATCH);
  const corners = patchStarts(height).flatMap((top) => patchStarts(width).map((left) => [top, left]));
  const grey = [0, 1, 2].map((channel) => {
    let sum = 0;
    for (let i = channel; i < pixels.length; i += 3) sum += pixels[i];
    return roundEven(sum / (height * width));
  });
  const rows = triangle(tall), columns = triangle(wide);
  const total = new Float64Array(height * width), weights = new Float64Array(height * width);
  let lowest = probability;
  for (let first = 0; first < corners.length; first += AT_ONCE) {
    const members = corners.slice(first, first + AT_ONCE);
    const covered = new Uint8Array(members.length * pixels.length);
    members.forEach(([top, left], i) => {
      const copy = covered.subarray(i * pixels.length, (i + 1) * pixels.length);
      copy.set(pixels);
      for (let y = top; y < top + tall; y++) {
        for (let x = left; x < left + wide; x++) copy.set(grey, 3 * (y * width + x));
      }
    });
    (await predict(covered, members.length)).forEach((said, i) => {
      const [top, left] = members[i], chance = said.probabilities[diagnosis];
      const fall = logOdds(probability) - logOdds(chance);
      lowest = Math.min(lowest, chance);
      for (let y = 0; y < tall; y++) {
        for (let x = 0; x < wide; x++) {
          const pixel = (top + y) * width + left + x, weight = rows[y] * columns[x];
          total[pixel] += fall * weight;
          weights[pixel] += weight;
        }
      }
    });
    progress(Math.min(1, (first + AT_ONCE) / corners.length));
  }
  return { diagnosis, probability, lowest, drop: total.map((value, i) => value / weights[i]) };
}
