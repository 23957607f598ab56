// The review: a diagnosis and a note for each image, by keyboard. The browser keeps them, an entry an image, so that two
// windows do not overwrite each other's; `labels.csv` is what leaves it.
const KEPT = "lesionflow review " + data.report + " ", SAVED = KEPT + "saved", REVIEWER = "lesionflow reviewer";
const DIGITS = "1234567890", ZOOMS = [1, 2, 4];
const HEADER = ["path", "diagnosis", "reviewer", "time", "note"];
const NOTHING = Object.freeze({ diagnosis: "", note: "" });
const REASONS = ["", ": the diagnosis called is too improbable to rely on it.",
  ": the image is unlike those that the model was trained on."];

let keeps = true;  // whether the browser does: it may be told not to
function recall(name) {
  try { return localStorage.getItem(name); } catch { keeps = false; return null; }
}
function keep(name, text) {
  try { if (text === null) localStorage.removeItem(name); else localStorage.setItem(name, text); } catch { keeps = false; }
}

const reviews = new Map();  // by path
function reread() {  // what the browser keeps, which other windows of the page change as well
  const kept = rows.map((row) => [row.path, recall(KEPT + row.path)]);
  if (keeps) kept.forEach(([path, text]) => { if (text) reviews.set(path, JSON.parse(text)); else reviews.delete(path); });
}
reread();
const reviewOf = (row) => reviews.get(row.path) || NOTHING;
const sampled = new Set(data.sampled.map((index) => rows[index]));
const REVIEW_FILTERS = {
  "": () => true,
  ...(sampled.size ? { "sampled": (row) => sampled.has(row),
    "sampled, not yet reviewed": (row) => sampled.has(row) && !reviewOf(row).diagnosis } : {}),
  ...(data.also ? { "the models disagree": disagree } : {}),
  "not yet reviewed": (row) => !reviewOf(row).diagnosis,
  "reviewed": (row) => reviewOf(row).diagnosis,
  "differs from the call": (row) => reviewOf(row).diagnosis && reviewOf(row).diagnosis !== data.diagnoses[row.called],
};

function change(row, changed) {
  const entry = { ...reviewOf(row), ...changed, reviewer: find("#reviewer").value.trim(),
    time: new Date().toISOString() };
  const empty = !entry.diagnosis && !entry.note;
  if (empty) reviews.delete(row.path); else reviews.set(row.path, entry);
  keep(KEPT + row.path, empty ? null : JSON.stringify(entry));
  tell();
}

function tell(message = "") {
  const labelled = rows.filter((row) => reviewOf(row).diagnosis);
  const differ = labelled.filter(REVIEW_FILTERS["differs from the call"]).length;
  const saved = recall(SAVED) || "", unsaved = labelled.filter((row) => reviewOf(row).time > saved).length;
  const alone = [...reviews.values()].filter((entry) => !entry.diagnosis).length;
  find("#reviewed").value = [
    labelled.length + " of " + rows.length + " reviewed" + (differ ? ", " + differ + " differ from the call" : ""),
    labelled.length ? (unsaved ? unsaved + " not saved to a file yet" : "all saved to a file") : "",
    alone ? alone + " notes without a diagnosis, which labels.csv has no row for" : "",
    keeps ? "" : "this browser keeps nothing: save before you close it", message,
  ].filter(Boolean).join("; ");
}

// labels.csv: cells that a spreadsheet would take for a formula begin with an apostrophe, as in the report.
function cell(text) {
  const safe = /^[=+\-@\t\r\n]/.test(text) ? "'" + text : text;
  return /[,"\r\n]/.test(safe) ? '"' + safe.replaceAll('"', '""') + '"' : safe;
}

function save() {
  reread();
  const lines = rows.filter((row) => reviewOf(row).diagnosis).map((row) => {
    const { diagnosis, reviewer, time, note } = reviewOf(row);
    return [row.path, diagnosis, reviewer, time, note].map(cell).join(",");
  });
  if (!lines.length) return tell("nothing to save yet");
  const link = make("a");
  link.href = URL.createObjectURL(new Blob([[HEADER.join(","), ...lines, ""].join("\n")], { type: "text/csv" }));
  link.download = "labels.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  keep(SAVED, new Date().toISOString());
  tell();
}

function cellsOf(text) {  // a CSV file as lists of cells
  const lines = [];
  let line = [];
  for (const [, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/g)) {
    const read = quoted === undefined ? plain : quoted.replaceAll('""', '"');
    line.push(/^'[=+\-@\t\r\n]/.test(read) ? read.slice(1) : read);
    if (end === ",") continue;
    if (line.some(Boolean)) lines.push(line);
    line = [];
  }
  return lines;
}

async function load(file) {
  const [header = [], ...lines] = cellsOf((await file.text()).replace(/^\ufeff/, ""));
  const columns = HEADER.map((name) => header.indexOf(name)), byPath = new Map(rows.map((row) => [row.path, row]));
  if (columns[0] < 0 || columns[1] < 0) return tell(file.name + " is not a labels.csv: it needs the columns path and diagnosis");
  const entries = lines.map((line) => columns.map((column) => (column < 0 ? "" : line[column] || "")));
  const strange = entries.filter(([path]) => !byPath.has(path));
  if (strange.length) return tell(file.name + " is of another report: " + strange.length + " of its " + entries.length +
    " images are not on this page, the first " + strange[0][0] + "; nothing was taken from it");
  const unknown = entries.find(([, diagnosis]) => !data.diagnoses.includes(diagnosis));
  if (unknown) return tell(file.name + ": " + unknown[1] + " is none of " + data.diagnoses.join(", ") +
    "; nothing was taken from it");
  let kept = 0;
  for (const [path, diagnosis, reviewer, time, note] of entries) {
    if (reviewOf(byPath.get(path)).diagnosis) { kept += 1; continue; }
    reviews.set(path, { diagnosis, reviewer, time, note });
    keep(KEPT + path, JSON.stringify(reviews.get(path)));
  }
  arrange();
  tell(entries.length - kept + " taken from " + file.name + (kept ? ", " + kept + " were reviewed here already" : ""));
}

// One image.
const dialog = find("dialog"), pane = find("#picture");
let current = null, zoom = 1;

function open(row) {
  current = row;
  zoom = 1;
  const index = shown.indexOf(row);
  find("#where").value = (index < 0 ? "" : index + 1 + " of " + shown.length + ", ") +
    rows.filter((each) => reviewOf(each).diagnosis).length + " reviewed";
  find("#name").textContent = row.file;
  find("#note").value = reviewOf(row).note || "";
  find("#explained").replaceChildren(explainButton(row));
  showPicture(row);
  showChoices(row);
  showAnswer(row);
  if (!dialog.open) dialog.showModal();
  dialog.focus();
}

function showPicture(row) {  // the file itself where the page finds it and the browser can show it, else its thumbnail
  const small = picture(row), from = make("span", "from", row.address ? "" : "thumbnail");
  pane.replaceChildren(small, from);
  magnify();
  if (!row.address) return;
  const whole = make("img");
  whole.alt = "";
  whole.addEventListener("load", () => { if (current === row) { small.replaceWith(whole); magnify(); } });
  whole.addEventListener("error", () => { from.textContent = "thumbnail: the browser cannot show the file"; });
  whole.src = row.address;
}

function magnify(event) {
  const image = pane.querySelector("img");
  if (!image) return;
  const box = pane.getBoundingClientRect();
  if (event) image.style.transformOrigin =
    (event.clientX - box.left) / box.width * 100 + "% " + (event.clientY - box.top) / box.height * 100 + "%";
  image.style.transform = "scale(" + zoom + ")";
}

function zoomOn(event) {
  zoom = ZOOMS[(ZOOMS.indexOf(zoom) + 1) % ZOOMS.length];
  magnify(event);
}

function showChoices(row) {
  const mine = reviewOf(row).diagnosis;
  find("#choices").replaceChildren(...data.diagnoses.map((name, index) => {
    const key = index < DIGITS.length ? make("kbd", "", DIGITS[index]) : "";
    const button = make("button", "", key, " ", make("span", data.malignant.includes(index) ? "risk" : "", name),
      make("br"), make("small", "", data.full_names[index]));
    button.type = "button";
    button.setAttribute("aria-pressed", mine === name);
    button.addEventListener("click", () => answer(name));
    return button;
  }));
}

const isHidden = (row) => find("#blind").checked && !reviewOf(row).diagnosis;  // the model's answer

function showAnswer(row) {
  if (isHidden(row)) {
    find("#said").replaceChildren(make("p", "", "The model's answer shows when yours is given."));
    return;
  }
  const list = make("dl");
  data.diagnoses.map((name, index) => [row.probabilities[index], index]).sort((a, b) => b[0] - a[0])
    .forEach(([share, index]) => list.append(make("dt", data.malignant.includes(index) ? "risk" : "",
      data.diagnoses[index] + ", " + data.full_names[index]), make("dd", "", bar(share))));
  const lines = [make("p", "", "Called: ", make("strong", "", data.full_names[row.called]), " " + oddsOf(row, row.called))];
  if (row.likeliest !== row.called) lines.push(make("p", "", "Most probable: ",
    make("strong", "", data.full_names[row.likeliest]), " " + oddsOf(row, row.likeliest) + ". " + data.calls));
  find("#said").replaceChildren(...lines,
    make("p", "", "Malignant at the operating point: ", malignantMark(row)),
    make("p", "", "Refer: ", referMark(row, ""), REASONS[row.refer]), list,
    make("p", "", "malignant diagnoses (\u25b4) together: " + percent(row.share)));
  if (row.other) find("#said").append(make("p", disagree(row) ? "differs" : "", data.also + " says: ", diagnosisOf(row.other), " " +
    percent(row.other.probabilities[row.other.called]) + ", malignant: ", malignantMark(row.other), likeliestOf(row.other)));
}

function oddsOf(row, index) {
  const share = row.probabilities[index] / WHOLE, prior = data.prior[index];
  return percent(row.probabilities[index]) + ", " + (share / prior).toPrecision(2) +
    " times its share of the training images (" + (prior * 100).toFixed(1) + " %)";
}

function answer(name) {
  change(current, { diagnosis: name });
  const index = shown.indexOf(current);
  open(index + 1 < shown.length ? shown[index + 1] : current);
}

function move(step) {
  const next = shown[shown.indexOf(current) + step];
  if (next) open(next);
}

function nextUnreviewed(from) {
  return shown.slice(from).concat(shown.slice(0, from)).find((row) => !reviewOf(row).diagnosis);
}

function quoted(text) { return "'" + text.replaceAll("'", "'\\''") + "'"; }

// The last parts of a path as one name, as `lesionflow explain` calls the pictures of images that are given to it at once.
function ending(path, depth) { return path.split("/").filter((part) => !["", ".", ".."].includes(part)).slice(-depth).join("_"); }

function explainButton(row) {
  const button = make("button", "", make("kbd", "", "e"), " what the call depends on");
  button.type = "button";
  button.addEventListener("click", () => explain(row));
  return button;
}

function explain(row) {  // the picture that `lesionflow explain` drew, or the command that draws it
  const frame = row.path.slice(row.source.length), folder = data.explanations_address, depths = row.source.split("/").length;
  const others = rows.filter((other) => other.source !== row.source);
  const names = Array.from({ length: depths }, (_, index) => [ending(row.source, index + 1), index + 1])
    .filter(([name, depth]) => !others.some((other) => ending(other.source, depth) === name)).map(([name]) => name);
  const base = ending(row.source, 1), inside = names[0] === base ? "" : "/" + (row.index + 1);
  const addresses = [...new Set([inside + "/" + base, ...names.map((name) => "/" + name)])];
  const image = make("img"), put = (...content) => {
    if (current !== row) return;
    find("#explained").replaceChildren(...content);
    find("#explained").scrollIntoView({ block: "nearest" });  // it is below the probabilities
  };
  if (isHidden(row)) return put(make("p", "", "What the call depends on shows when your diagnosis is given."));
  image.alt = "What the call depends on";
  image.addEventListener("load", () => put(image));
  const next = () => {
    if (addresses.length) image.src = folder + addresses.shift().replace(/[^/]+$/, (name) => encodeURIComponent(name + frame + ".png"));
    else put(make("p", "", "What the call depends on, drawn by this command; then press e again:"), make("code", "", "lesionflow explain " + quoted(row.source) + " --model " + quoted(data.model_asked) +
        (data.store && " --tracking-uri " + quoted(data.store)) + " --out " + quoted(data.explanations + inside)));
  };
  image.addEventListener("error", next);
  next();
}

const KEYS = {
  " ": () => { const next = nextUnreviewed(shown.indexOf(current) + 1); if (next) open(next); },
  "ArrowRight": () => move(1), "ArrowLeft": () => move(-1),
  "z": () => zoomOn(), "e": () => explain(current), "n": () => find("#note").focus(), "s": save,
  "Backspace": () => { change(current, { diagnosis: "" }); open(current); },
};
const KEY_WORDS = [["1 \u2026 " + DIGITS[Math.min(data.diagnoses.length, DIGITS.length) - 1], "your diagnosis, then the next image"],
  ["space", "the next one without"], ["\u2190 \u2192", "previous, next"], ["\u232b", "take it back"], ["z", "zoom, the mouse moves"],
  ["e", "what the call depends on"], ["n", "note"], ["s", "save"], ["esc", "close"]];

function pressed(event) {
  const typing = event.target.matches("input:not([type=checkbox], [type=file]), textarea, select");
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  if (typing) {
    if (event.key === "Escape" && dialog.open) { event.preventDefault(); dialog.focus(); }  // leaves the note alone
    return;
  }
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const index = DIGITS.indexOf(key);
  if (!dialog.open) {
    if (key === "r") begin();
    if (key === "s") save();
    return;
  }
  if (key === " " && event.target.tagName === "BUTTON") return;  // who came to a button by tab, presses that
  if (index >= 0 && key.length === 1 && index < data.diagnoses.length) answer(data.diagnoses[index]);
  else if (KEYS[key]) KEYS[key]();
  else return;
  event.preventDefault();
}

function begin() {
  const next = nextUnreviewed(0) || shown[0];
  if (next) open(next);
}

find("#reviewer").value = recall(REVIEWER) || "";
find("#reviewer").addEventListener("input", () => keep(REVIEWER, find("#reviewer").value));
find("#blind").checked = recall(REVIEWER + " blind") === "yes";
find("#blind").addEventListener("change", () => keep(REVIEWER + " blind", find("#blind").checked ? "yes" : null));
find("#start").addEventListener("click", begin);
find("#save").addEventListener("click", save);
find("#load").addEventListener("change", async (event) => {
  if (event.target.files.length) await load(event.target.files[0]);
  event.target.value = "";
});
find("#previous").addEventListener("click", () => move(-1));
find("#next").addEventListener("click", () => move(1));
find("#close").addEventListener("click", () => dialog.close());
find("#note").addEventListener("input", () => change(current, { note: find("#note").value }));
pane.addEventListener("click", zoomOn);
pane.addEventListener("mousemove", (event) => { if (zoom > 1) magnify(event); });
dialog.addEventListener("close", arrange);
addEventListener("keydown", pressed);
addEventListener("storage", ({ key }) => {
  if (key !== null && !key.startsWith(KEPT)) return;
  reread();
  tell();
  if (!dialog.open) arrange();  // else when it closes: the order of what is being looked at stays
});
Object.keys(REVIEW_FILTERS).slice(1).forEach((words) => find("#review").append(make("option", "", words)));
find("#review").addEventListener("change", arrange);
find("#calls").textContent = data.calls;
KEY_WORDS.forEach(([key, words]) => find("#keys").append(make("kbd", "", key), " " + words + "  "));
tell();
arrange();  // not before: the table shows what was reviewed
performance.measure("lesionflow: script", "lesionflow: begins");
