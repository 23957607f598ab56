"use strict";

/* What there is to say of one image: what the network sees, where its call comes from, and how probable each is. */

const FOR = [0, 77, 230], AGAINST = [255, 235, 26]; // told apart with every kind of colour vision; skin has neither
const STRONGEST = 0.55; // opacity: the image has to be seen through it
const FULL = Math.log(10); // log odds at which a colour is full, or more where the map has more
const LEAST_LINED = Math.log(2); // of the greatest loss: lines around smaller ones would lie about noise
const SHOWN = 384; // pixels of the pictures' shorter side

const shareFormats = {}; // by language: making one takes longer than drawing a row of the table

/** A probability for people, who are told neither 0% nor 100% where it is not. */
function percent(chance) {
  const format = (shareFormats[language] ??= new Intl.NumberFormat(language, {
    style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1,
  }));
  const told = (share) => format.format(share);
  if (chance > 0 && chance < 0.0005) return `<${told(0.001)}`;
  return chance >= 0.9995 && chance < 1 ? `>${told(0.999)}` : told(chance);
}

/** An element of a kind with a text, and what else it has. */
function element(kind, text = "", properties = {}) {
  const made = document.createElement(kind);
  made.textContent = text;
  return Object.assign(made, properties);
}

/** A bar as wide as a probability; its value stands beside it as text. */
function bar(chance, malignant) {
  const outer = element("span", "", { className: malignant ? "bar malignant" : "bar" });
  const inner = outer.appendChild(element("span"));
  inner.style.width = `${100 * chance}%`;
  outer.setAttribute("aria-hidden", "true");
  return outer;
}

function verdictOf(said, model) {
  const share = percent(said.malignantProbability);
  const point = say("operatingPoint", { share: percent(model.calibration.malignant_threshold) });
  const malignant = `${say("malignant")}: ${say(said.malignant ? "yes" : "no")} (${share}, ${point}).`;
  return `${say("call")}: ${diagnosisName(model.fullNames[said.called])}. ${malignant} ${say(`why_${said.refer}`)}`;
}

/** The rows of the table of probabilities. */
function shareRows(said, model) {
  return model.names.map((name, i) => {
    const row = element("tr"), heading = element("th", diagnosisName(model.fullNames[i]), { scope: "row" });
    const chance = element("td");
    chance.append(bar(said.probabilities[i], model.malignantIndices.includes(i)), percent(said.probabilities[i]));
    if (i === said.called) chance.append(` · ${say("called")}`);
    row.append(heading, chance, element("td", percent(model.prior[i])));
    return row;
  });
}

/** Draw pixels, (height, width, 3), as large as they are shown. */
function drawPixels(canvas, pixels, height, width) {
  const small = new OffscreenCanvas(width, height), image = new ImageData(width, height);
  for (let i = 0, to = 0; i < pixels.length; i += 3, to += 4) {
    image.data.set([pixels[i], pixels[i + 1], pixels[i + 2], 255], to);
  }
  small.getContext("2d").putImageData(image, 0, 0);
  const scale = SHOWN / Math.min(height, width);
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(small, 0, 0, canvas.width, canvas.height);
}

/** Lay a map over an image that is drawn; drop: the fall of log odds, (height, width). */
function drawMap(canvas, drop, height, width) {
  const context = canvas.getContext("2d"), image = context.getImageData(0, 0, canvas.width, canvas.height);
  const values = enlarged(drop, height, width, canvas.height, canvas.width);
  const greatest = values.reduce((most, value) => Math.max(most, value), 0);
  const full = values.reduce((most, value) => Math.max(most, Math.abs(value)), FULL);
  values.forEach((value, i) => {
    const share = (STRONGEST * Math.abs(value)) / full, colour = value > 0 ? FOR : AGAINST;
    for (let channel = 0; channel < 3; channel++) {
      image.data[4 * i + channel] = (1 - share) * image.data[4 * i + channel] + share * colour[channel];
    }
  });
  if (greatest >= LEAST_LINED) {
    drawLine(image, values, greatest / 2, 1);
    drawLine(image, values, 0.8 * greatest, 2);
  }
  context.putImageData(image, 0, 0);
}

/** Values of a map between its own, bilinear. */
function enlarged(drop, height, width, tall, wide) {
  const found = new Float32Array(tall * wide);
  const at = (index, length, size) => {
    const exact = Math.min(Math.max(((index + 0.5) / length) * size - 0.5, 0), size - 1), low = Math.floor(exact);
    return [low, Math.min(low + 1, size - 1), exact - low];
  };
  for (let y = 0; y < tall; y++) {
    const [above, below, down] = at(y, tall, height);
    for (let x = 0; x < wide; x++) {
      const [left, right, across] = at(x, wide, width);
      const upper = drop[above * width + left] * (1 - across) + drop[above * width + right] * across;
      const lower = drop[below * width + left] * (1 - across) + drop[below * width + right] * across;
      found[y * wide + x] = upper * (1 - down) + lower * down;
    }
  }
  return found;
}

/** Draw a white line with black edges, which shows on any ground, where values cross a level. */
function drawLine(image, values, level, thickness) {
  const { width, height, data } = image, paint = (reach, shade) => {
    for (let y = 0; y < height - 1; y++) {
      for (let x = 0; x < width - 1; x++) {
        const inside = values[y * width + x] >= level;
        if (inside === values[y * width + x + 1] >= level && inside === values[(y + 1) * width + x] >= level) continue;
        for (let j = Math.max(0, y - reach); j <= Math.min(height - 1, y + reach); j++) {
          for (let i = Math.max(0, x - reach); i <= Math.min(width - 1, x + reach); i++) {
            data.fill(shade, 4 * (j * width + i), 4 * (j * width + i) + 3);
          }
        }
      }
    }
  };
  paint(thickness, 0);
  paint(thickness - 1, 255);
}
