"use strict";

/* The page: files in, a worker asked, rows shown and kept. */

const AHEAD = 16; // images that wait in the worker, twice as many as it reads and answers at once
const ON_PAGE = 100; // rows of the table that are in the document
const UNREAD = ["not_found", "no_permission", "unreadable"]; // reasons that are not about what a file holds
const REFRESH = 2000; // milliseconds between two looks of the table while images are scored

const byId = (id) => document.getElementById(id);
const state = {
  model: null, worker: null, ready: false, kept: null,
  rows: new Map(), // by key: { key, path, said, sample } or { key, path, error, sample }
  files: new Map(), // by key, of this visit
  leftOut: new Set(), // keys of those that are no images
  queue: [], // keys that wait
  asked: new Map(), // by number: the key that the worker was asked about
  lines: new Map(), // of the table, by the row that each shows
  number: 0, total: 0, first: 0, restored: 0, timer: null, shown: null, target: null, map: null, message: ["loading", {}],
  alert: null, detail: () => "", // what they say, so that it can be said in another language
};

function translate() {
  document.documentElement.lang = language;
  for (const each of document.querySelectorAll("[data-say]")) each.textContent = say(each.dataset.say);
  byId("forget").title = say("forgetTitle");
  tell(...state.message);
  tellDetail(state.detail);
  if (state.alert) byId("alert").textContent = say(...state.alert);
  if (!state.model) return;
  const { demo, licence } = state.model;
  byId("terms").hidden = !demo && !licence;
  byId("terms").textContent = demo ? say("demo") : licence ? say("licence", { licence }) : "";
  byId("rows").replaceChildren();
  state.lines.clear();
  showRows();
  if (state.shown) showDetail(state.shown, false);
}

function tell(name, values = {}) {
  state.message = [name, values];
  const more = name === "finished" && state.leftOut.size ? ` ${say("leftOut", { count: state.leftOut.size })}` : "";
  byId("status").textContent = say(name, values) + more;
}

/** said: makes the text in the language chosen. */
function tellDetail(said) {
  state.detail = said;
  byId("detail-status").textContent = said();
}

function warn(name, values) {
  state.alert = [name, values];
  byId("alert").textContent = say(name, values);
  byId("alert").hidden = false;
}

/** Say why nothing works; what is found first is the cause of what follows. */
function cannotWork(name, values) {
  if (byId("status").hidden) return;
  warn(name, values);
  byId("status").hidden = true;
}

function start() {
  const loaded = {
    "signatures.js": typeof isImage, "report.js": typeof csvReport, "state.js": typeof KeptRows,
    "detail.js": typeof verdictOf, "worker-source.js": typeof lesionflowWorkerSource, "runtime.js": typeof lesionflowRuntime,
    "model.js": typeof lesionflowBundle,
  };
  const missing = Object.keys(loaded).filter((name) => loaded[name] === "undefined");
  if (missing.length) {
    cannotWork("missing", { files: missing.join(", ") });
    return;
  }
  startWorker();
  state.worker.postMessage({ kind: "model", bundle: lesionflowBundle });
  state.model = lesionflowBundle.model;
  byId("model").textContent = state.model.label;
  translate();
  restore();
  if (location.protocol.startsWith("http")) makeInstallable();
}

/** Have the page kept by the browser, and offered as an app; from the disk there is nothing to keep. */
function makeInstallable() {
  document.head.append(element("link", "", { rel: "manifest", href: "manifest.webmanifest" }));
  if ("serviceWorker" in navigator) {
    navigator.serviceWorker.register("service-worker.js").catch(() => {}); // without it the page works, but not offline
  }
}

/** Have the runtime compiled while the model is still being read. */
function startWorker() {
  if (state.worker) return;
  state.worker = new Worker(URL.createObjectURL(new Blob([lesionflowWorkerSource], { type: "text/javascript" })));
  state.worker.onmessage = ({ data }) => heard(data);
  state.worker.onerror = (event) => heard({ kind: "broken", detail: event.message });
  state.worker.postMessage({ kind: "runtime", ...lesionflowRuntime });
}

async function restore() {
  state.kept = new KeptRows(`${state.model.digest} ${lesionflowBundle.scripts}`, (error) => warn("storageFull", { reason: error?.name ?? "" }));
  const rows = await state.kept.open();
  for (const row of rows) if (!state.rows.has(row.key)) state.rows.set(row.key, row);
  if (rows.length) {
    if (state.ready && !state.total) tell("restored", { count: rows.length });
    state.restored = rows.length;
  }
  showRows();
}

/** What the worker says. */
function heard(data) {
  if (data.kind === "ready") {
    state.ready = true;
    document.documentElement.dataset.ready = Math.round(performance.now());
    document.documentElement.dataset.threads = data.threads;
    if (state.queue.length) ask();
    else if (!state.total) tell(...(state.restored ? ["restored", { count: state.restored }] : ["ready"]));
  } else if (data.kind === "broken") {
    cannotWork("broken", { reason: data.detail });
  } else if (data.kind === "damaged") {
    cannotWork("missing", { files: data.file });
  } else if (data.kind === "answers") {
    const wanted = data.answers.filter(({ id }) => state.asked.has(id)); // nobody started over since
    if (wanted.length) finish(wanted);
  } else if (data.id === state.target) heardOfDetail(data);
}

function finish(answers) {
  for (const { id, said, error, sample } of answers) {
    const key = state.asked.get(id), path = pathOf(key), row = error ? { key, path, error, sample } : { key, path, said, sample };
    state.asked.delete(id);
    state.rows.set(key, row);
    if (!isUnread(row)) state.kept?.add(row);
  }
  ask();
  if (!state.queue.length && !state.asked.size) {
    byId("progress").hidden = true;
    tellFinished();
    refresh(true);
  } else refresh();
}

function tellFinished() {
  tell("finished", { total: state.total, failed: [...state.rows.values()].filter((each) => each.error).length });
}

/** Give the worker as many images as it can prepare. */
function ask() {
  const keys = state.ready ? state.queue.splice(0, AHEAD - state.asked.size) : [];
  if (!keys.length) return;
  state.worker.postMessage({
    kind: "score",
    jobs: keys.map((key) => {
      state.asked.set(++state.number, key);
      return { kind: "score", id: state.number, file: state.files.get(key) };
    }),
  });
}

/** Whether a row is of a file that could not be read, which may be otherwise when it is chosen again. */
const isUnread = ({ error }) => error !== undefined && UNREAD.includes(error.reason);

/** The key of a file, which is that of a row only where both have the same content. */
async function keyFor(path, file) {
  const key = keyOf(path, file), row = state.rows.get(key), known = state.files.get(key);
  if (!row && !known) state.files.set(key, file); // what comes next may have the same
  if (known === file || (!row && !known)) return key;
  const sample = await sampleOf(file), before = row?.sample ?? (known ? await sampleOf(known) : sample);
  return !sample || !before || sample === before ? key : keyOf(path, file, sample);
}

/** Forget failures to read files that are chosen again, also under another key where they have changed since. */
function forgetUnread(paths) {
  for (const [key, row] of state.rows) if (isUnread(row) && paths.has(row.path)) state.rows.delete(key);
}

/** Take files, each with its path; fromFolder: names or contents decide which are images. */
async function take(found, fromFolder) {
  const kinds = await Promise.all(found.map(({ path, file, error }) => error || !fromFolder || isImage(path, file)));
  const images = found.filter((_, i) => kinds[i]);
  if (!images.length) {
    tell("nothing", { count: found.length });
    return;
  }
  found.forEach(({ path, file }, i) => { if (!kinds[i]) state.leftOut.add(keyOf(path, file)); });
  images.sort((one, other) => byBytes(one.path, other.path));
  forgetUnread(new Set(images.map(({ path }) => path)));
  const keys = await Promise.all(images.map(({ path, file }) => keyFor(path, file)));
  const waiting = new Set([...state.queue, ...state.asked.values()]);
  for (const [i, { path, file, error }] of images.entries()) {
    const key = keys[i];
    state.files.set(key, file);
    if (error) state.rows.set(key, { key, path, error });
    if (!state.rows.has(key) && !waiting.has(key)) state.queue.push(key);
  }
  state.total = new Set([...state.rows.keys(), ...state.queue, ...state.asked.values()]).size;
  byId("progress").hidden = !state.queue.length;
  if (state.queue.length) ask();
  else tellFinished();
  refresh(true);
}

/** Show what there is now, or soon: the table is not drawn anew for every image. */
function refresh(now = false) {
  if (now) {
    clearTimeout(state.timer);
    state.timer = null;
    showRows();
  } else state.timer ??= setTimeout(() => refresh(true), REFRESH);
}

function orderedRows() {
  const rows = [...state.rows.values()];
  if (byId("order").value === "path") return rows.sort((one, other) => byBytes(one.path, other.path));
  const rank = ({ said }) => (said ? said.malignantProbability : -1);
  return rows.sort((one, other) => rank(other) - rank(one) || byBytes(one.path, other.path));
}

function showRows() {
  const rows = orderedRows(), total = rows.length;
  if (state.total && (state.queue.length || state.asked.size)) {
    tell("working", { done: total, total: state.total });
    byId("progress").value = total / state.total;
  }
  byId("results").hidden = !total;
  state.first = Math.max(0, Math.min(state.first, Math.floor((total - 1) / ON_PAGE) * ON_PAGE));
  const focused = document.activeElement?.closest("#rows tr")?.dataset.key; // who goes through the rows by keyboard is there
  showLines(rows.slice(state.first, state.first + ON_PAGE));
  const again = [...byId("rows").children].find(({ dataset }) => dataset.key === focused);
  again?.querySelector("button")?.focus({ preventScroll: true });
  const last = Math.min(total, state.first + ON_PAGE);
  byId("pager").hidden = total <= ON_PAGE;
  byId("page").textContent = say("pageOf", { first: state.first + 1, last, total });
  byId("previous").disabled = !state.first;
  byId("next").disabled = last >= total;
  const count = (test) => rows.reduce((sum, row) => sum + (test(row) ? 1 : 0), 0);
  byId("summary").textContent = say("summary", {
    malignant: count(({ said }) => said?.malignant), uncertain: count(({ said }) => said?.refer === UNCERTAIN_WORD),
    unfamiliar: count(({ said }) => said?.refer === UNFAMILIAR_WORD), failed: count(({ error }) => error),
  });
}

const UNCERTAIN_WORD = "uncertain", UNFAMILIAR_WORD = "unfamiliar";

/** Have the table show rows: what it shows already is left where it is, as a browser lays out anew whatever is put in. */
function showLines(rows) {
  const body = byId("rows"), earlier = state.lines;
  state.lines = new Map(rows.map((row) => [row, earlier.get(row) ?? tableRow(row)]));
  for (const [row, line] of earlier) if (!state.lines.has(row)) line.remove();
  let place = body.firstChild;
  for (const [row, line] of state.lines) {
    if (line === place) place = place.nextSibling;
    else body.insertBefore(line, place);
    if (state.shown === row.key) line.setAttribute("aria-current", "true");
    else line.removeAttribute("aria-current");
  }
}

function tableRow(row) {
  const line = element("tr"), heading = element("th", "", { scope: "row" }), { said, error } = row;
  line.dataset.key = row.key;
  if (error) {
    heading.textContent = row.path;
    const why = element("td", failureSaid(error), { colSpan: 4, className: "failed" });
    line.append(heading, why);
    return line;
  }
  const cell = element("td"), button = element("button", row.path, { type: "button" });
  button.addEventListener("click", () => showDetail(row.key, true));
  cell.append(button);
  const { model } = state;
  const malignant = `${say(said.malignant ? "yes" : "no")} (${percent(said.malignantProbability)})`;
  line.append(
    cell, element("td", diagnosisName(model.fullNames[said.called])),
    element("td", percent(said.probabilities[said.called])),
    element("td", malignant, { className: said.malignant ? "is-malignant" : "" }),
    element("td", say(said.refer), { className: said.refer === "no" ? "" : "referred" }),
  );
  return line;
}

/** Show one image; ask: have its map drawn. */
function showDetail(key, ask) {
  const row = state.rows.get(key), { model } = state, file = state.files.get(key);
  if (!row?.said) return;
  state.shown = key;
  byId("detail").hidden = byId("shares").hidden = false;
  byId("detail-heading").textContent = say("details", { name: `\u2068${row.path}\u2069` });
  byId("verdict").textContent = verdictOf(row.said, model);
  byId("bars").replaceChildren(...shareRows(row.said, model));
  if (!ask) {
    describePictures();
    return;
  }
  byId("seen").hidden = byId("map").hidden = true;
  state.map = null;
  tellDetail(() => say(file ? "looking" : "fileGone"));
  refresh(true);
  byId("detail-heading").focus();
  byId("detail").scrollIntoView({ block: "start" });
  if (!file) return;
  state.target = ++state.number;
  state.worker.postMessage({ kind: "explain", id: state.target, file });
}

function heardOfDetail(data) {
  const { model } = state;
  if (data.kind === "progress") {
    tellDetail(() => say("mapping", { share: percent(data.share) }));
  } else if (data.kind === "seen") {
    for (const id of ["seen", "map"]) drawPixels(byId(id).querySelector("canvas"), data.pixels, data.height, data.width);
    byId("seen").hidden = false;
    describePictures();
  } else if (data.error) {
    tellDetail(() => failureSaid(data.error));
  } else {
    state.map = data.map;
    drawMap(byId("map").querySelector("canvas"), data.map.drop, model.height, model.width);
    describePictures();
    byId("map").hidden = false;
    tellDetail(() => "");
  }
}

/** Say what the pictures show, the map once it is there. */
function describePictures() {
  byId("seen").querySelector("canvas").setAttribute("aria-label", say("seen"));
  if (!state.map) return;
  const { diagnosis, probability, lowest } = state.map, name = diagnosisName(state.model.fullNames[diagnosis]);
  const figure = byId("map"), values = { name, probability: percent(probability), lowest: percent(lowest) };
  figure.querySelector("canvas").setAttribute("aria-label", say("map", { name }));
  figure.querySelector("figcaption").textContent = `${say("map", { name })}. ${say("mapHelp", values)}`;
}

function saveReport() {
  const rows = [...state.rows.values()].sort((one, other) => byBytes(one.path, other.path));
  const address = URL.createObjectURL(new Blob([csvReport(rows, state.model)], { type: "text/csv" }));
  element("a", "", { href: address, download: "results.csv" }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

async function forget() {
  for (const each of ["rows", "files", "leftOut", "asked"]) state[each].clear();
  Object.assign(state, { queue: [], total: 0, first: 0, shown: null, target: null, restored: 0 });
  byId("detail").hidden = byId("progress").hidden = byId("alert").hidden = true;
  tell("ready");
  showRows();
  document.querySelector("[data-input]").focus(); // the button that was pressed is gone
  await state.kept.clear();
}

/** The files of what was dropped, with their paths; folders are entered. What cannot be read has an error for its row. */
async function droppedFiles(items) {
  const found = [], entries = [...items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const enter = (entry) => list(entry).catch((error) => found.push({
    path: entry.fullPath.replace(/^\//, ""), file: new File([], entry.name, { lastModified: 0 }),
    error: { reason: "unreadable", detail: String(error) } }));
  const list = async (entry) => {
    if (entry.isFile) {
      const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
      found.push({ path: entry.fullPath.replace(/^\//, ""), file });
      return;
    }
    const reader = entry.createReader();
    for (;;) { // a browser gives at most a hundred at a time
      const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      if (!some.length) return;
      for (const each of some) await enter(each);
    }
  };
  for (const entry of entries) await enter(entry);
  return found;
}

function listen() {
  for (const button of document.querySelectorAll("[data-input]")) {
    button.addEventListener("click", () => byId(button.dataset.input).click());
  }
  for (const id of ["files", "folder", "photo"]) {
    byId(id).addEventListener("change", ({ target }) => {
      const found = [...target.files].map((file) => ({ path: file.webkitRelativePath || file.name, file }));
      target.value = ""; // the same folder may be chosen again
      take(found, id === "folder");
    });
  }
  const zone = byId("drop");
  for (const kind of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(kind, (event) => {
      event.preventDefault(); // a file that misses the zone must not replace the page
      zone.classList.toggle("over", kind === "dragover");
      if (kind === "drop") droppedFiles(event.dataTransfer.items).then((found) => take(found, true));
    });
  }
  // As where the tab is closed; a page that has gone may be given no more than half a second, so before it goes, too.
  for (const event of ["visibilitychange", "beforeunload"]) addEventListener(event, () => state.kept?.flush());
  byId("order").addEventListener("change", () => {
    state.first = 0;
    showRows();
  });
  byId("previous").addEventListener("click", () => turnPage(-ON_PAGE));
  byId("next").addEventListener("click", () => turnPage(ON_PAGE));
  byId("save").addEventListener("click", saveReport);
  byId("forget").addEventListener("click", forget);
  byId("language").addEventListener("change", ({ target }) => {
    language = target.value;
    translate();
  });
}

function turnPage(by) {
  state.first += by;
  showRows();
}

language = preferredLanguage(navigator.languages ?? []);
byId("language").append(...Object.entries(LANGUAGES).map(([value, name]) => new Option(name, value, false, value === language)));
listen();
translate();
byId("alert").hidden = true; // without the scripts before this one it stays
document.querySelector("script[src^='runtime.js']").addEventListener("load", () => {
  if (typeof lesionflowWorkerSource !== "undefined") startWorker();
});
if (document.readyState === "complete") start();
else window.addEventListener("load", start);
