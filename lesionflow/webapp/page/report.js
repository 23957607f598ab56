"use strict";

/* The CSV that `lesionflow score` writes: lesionflow/model/columns.py and scoring/report.py. */

const FORMULA_STARTS = ["=", "+", "-", "@", "\t", "\r", "\n"]; // a cell that begins so is a formula to a spreadsheet

function csvText(value) {
  const text = FORMULA_STARTS.includes(value[0]) ? `'${value}` : value;
  return /[,"\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** The report of rows, { path, said } or { path, error }, in order. */
function csvReport(rows, model) {
  const lines = rows.map((row) => {
    const cells = cellsOf(row, model);
    return model.columns.map((column) => cells[column] ?? "").join(",");
  });
  return [model.columns.map(csvText).join(","), ...lines].join("\n") + "\n";
}

/** The cells of a row by their columns. */
function cellsOf({ path, said, error }, model) {
  const known = { path: csvText(path.toWellFormed ? path.toWellFormed() : path), model: csvText(model.label) };
  if (error) return { ...known, status: "error", error: csvText(`${error.reason}: ${error.detail}`) };
  const cells = {
    ...known, status: "ok", diagnosis: model.names[said.called], probability: said.probabilities[said.called].toFixed(6),
    malignant: said.malignant ? "yes" : "no", refer: said.refer,
  };
  model.names.forEach((name, i) => {
    cells[`p_${name}`] = said.probabilities[i].toFixed(6);
  });
  cells.p_malignant = said.malignantProbability.toFixed(6); // also where a diagnosis has that name
  return cells;
}

/** The order of two texts by their UTF-8 bytes, in which Python lists files. */
function byBytes(one, other) {
  const most = Math.min(one.length, other.length);
  let index = 0;
  while (index < most && one.charCodeAt(index) === other.charCodeAt(index)) index += 1;
  if (index === most) return one.length - other.length;
  // Halves of characters beyond the first 65,536 come after all others.
  const rank = (unit) => (unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit);
  return rank(one.charCodeAt(index)) - rank(other.charCodeAt(index));
}
