"use strict";

/* The CSV that `lesionflow score` writes: lesionflow/model/columns.py and scoring/report.py. */

const FORMULA_STARTS = ["=", "+", "-", "@", "\t", "\r", "\n"]; // a cell that begins so is a formula to a spreadsheet

function csvText(value) {
  const text = FORMULA_STARTS.includes(value[0]) ? `'${value}` : value;
  return /[,"\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** The report of rows, { path, said } or { path, error }, in order. */
function csvReport(rows, model) {
  const columns = [
    "path", "status", "error", "diagnosis", "probability", ...model.names.map((name) => `p_${name}`), "p_malignant",
    "malignant", "refer", "model",
  ];
  const label = csvText(model.label), lines = [columns.join(",")];
  for (const { path, said, error } of rows) {
    const name = csvText(path.toWellFormed ? path.toWellFormed() : path);
    if (error) {
      const empty = Array(columns.length - 4).fill("");
      lines.push([name, "error", csvText(`${error.reason}: ${error.detail}`), ...empty, label].join(","));
      continue;
    }
    const numbers = [said.probabilities[said.called], ...said.probabilities, said.malignantProbability];
    lines.push([
      name, "ok", "", model.names[said.called], ...numbers.map((number) => number.toFixed(6)),
      said.malignant ? "yes" : "no", said.refer, label,
    ].join(","));
  }
  return lines.join("\n") + "\n";
}

/** The order of two texts by their UTF-8 bytes, in which Python lists files. */
function byBytes(one, other) {
  const most = Math.min(one.length, other.length);
  let place = 0;
  while (place < most && one.charCodeAt(place) === other.charCodeAt(place)) place += 1;
  if (place === most) return one.length - other.length;
  // Halves of characters beyond the first 65,536 come after all others.
  const rank = (unit) => (unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit);
  return rank(one.charCodeAt(place)) - rank(other.charCodeAt(place));
}
