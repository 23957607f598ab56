"use strict";
// Names of files are other people's text: everything goes into the page as text or as a property, never as markup.
performance.mark("lesionflow: begins");
const data = JSON.parse(document.getElementById("data").textContent);
const WHOLE = 1000000, ROW_HEIGHT = 72, MARGIN = 8;
const find = (selector) => document.querySelector(selector);
const percent = (share) => (share / WHOLE * 100).toFixed(1) + " %";

function make(tag, className, ...content) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...content);
  return element;
}

performance.mark("lesionflow: data read");
const likeliest = (probabilities) => probabilities.indexOf(Math.max(...probabilities));
const rows = data.rows.map(([file, probabilities, called, malignant, refer, thumbnail, other], index) => ({
  file, probabilities, called, malignant, refer, thumbnail, index, share: data.malignant_shares[index],
  address: data.addresses[index], likeliest: likeliest(probabilities),
  other: other && { probabilities: other[0], called: other[1], malignant: other[2], refer: other[3],
    likeliest: likeliest(other[0]) },
  path: (data.paths[index] || [file])[0], source: (data.paths[index] || [file, file])[1] }));

const disagree = (row) => row.other && (row.other.called !== row.called || row.other.malignant !== row.malignant);

const columns = [
  { title: "", className: "image" },
  { title: "file", className: "file", key: (row) => row.file, first: 1 },
  { title: "diagnosis", className: "called", key: (row) => data.diagnoses[row.called], first: 1 },
  ...(data.also ? [{ title: "also", className: "also", key: (row) => +Boolean(disagree(row)), first: -1 }] : []),
  { title: "malignant", className: "number malignant", key: (row) => row.share, first: -1 },
  { title: "refer", className: "refer", key: (row) => row.refer, first: -1 },
  { title: "reviewed", className: "reviewed", key: (row) => reviewOf(row).diagnosis || "", first: -1 },
  ...data.diagnoses.map((name, index) => (
    { title: name, className: "number each", key: (row) => row.probabilities[index], first: -1 })),
];
// Of two models the disagreement comes first, else the malignant probability.
let sorted = columns[3], direction = -1, shown = rows.slice();

function picture(row) {
  if (!row.thumbnail) return make("span", "none", "no picture");
  const image = make("img");
  image.alt = "";
  image.src = "data:image/jpeg;base64," + row.thumbnail;
  return image;
}

function bar(share) {
  const filled = make("i");
  filled.style.width = share / WHOLE * 100 + "%";
  return make("span", "bar", filled, percent(share));
}

function diagnosisOf(row) {
  return make("span", data.malignant.includes(row.called) ? "risk" : "", data.diagnoses[row.called]);
}

function likeliestOf(row) {  // beside the call, which would else read as a mistake where another one is more probable
  if (row.likeliest === row.called) return "";
  const text = data.diagnoses[row.likeliest] + " " + percent(row.probabilities[row.likeliest]);
  return make("small", "likeliest", make("span", "wide", "most probable: "), make("span", "slim", "most: "), text);
}

function alsoOf(row) {  // what the second model says
  if (!row.other) return "";
  const { called, probabilities, malignant } = row.other;
  return make("span", disagree(row) ? "differs" : "", diagnosisOf(row.other), " " + percent(probabilities[called]),
    likeliestOf(row.other), malignant === row.malignant ? "" : make("small", "likeliest", malignant ? "malignant" : "not malignant"));
}

function malignantMark(row) {
  return row.malignant ? make("span", "mark full", "yes") : make("span", "mark plain", "no");
}

function referMark(row, where) {
  return make("span", "mark " + (row.refer ? data.refer_words[row.refer] : "plain") + where, data.refer_words[row.refer]);
}

function tableRow(row) {
  const folder = row.file.slice(0, Math.max(row.file.lastIndexOf("/"), row.file.lastIndexOf("\\")) + 1);
  const name = make("button", "", row.file.slice(folder.length) || row.file, make("small", "", folder));
  name.type = "button";
  name.title = row.file;
  const line = make("tr", "row",
    make("td", "image", picture(row)), make("td", "file", name),
    make("td", "called", diagnosisOf(row), " " + percent(row.probabilities[row.called]),
      likeliestOf(row), row.refer ? referMark(row, " narrow") : ""),
    ...(data.also ? [make("td", "also", alsoOf(row))] : []),
    make("td", "number malignant", bar(row.share), malignantMark(row)),
    make("td", "refer", referMark(row, "")),
    make("td", "reviewed", reviewOf(row).diagnosis || ""),
    ...row.probabilities.map((share) => make("td", "number each", percent(share))));
  line.addEventListener("click", () => open(row));
  return line;
}

function space(height) {
  const cell = make("td");
  cell.style.height = height + "px";
  return make("tr", "space", cell);
}

const body = find("tbody");
let drawn = "";
function draw() {  // only the rows in view, and a few around them
  const top = body.getBoundingClientRect().top;
  const first = Math.min(Math.max(0, Math.floor(-top / ROW_HEIGHT) - MARGIN), shown.length);
  const last = Math.min(shown.length, first + Math.ceil(innerHeight / ROW_HEIGHT) + 2 * MARGIN);
  if (drawn === first + "-" + last) return;
  drawn = first + "-" + last;
  body.replaceChildren(space(first * ROW_HEIGHT), ...shown.slice(first, last).map(tableRow),
    space((shown.length - last) * ROW_HEIGHT));
}

function arrange() {
  const words = find("#search").value.toLowerCase(), wanted = find("#diagnosis").value, refer = find("#refer").value;
  const review = REVIEW_FILTERS[find("#review").value];
  shown = rows.filter((row) => (!wanted || data.diagnoses[row.called] === wanted)
    && (!refer || (refer === "any" ? row.refer > 0 : data.refer_words[row.refer] === refer))
    && review(row) && row.file.toLowerCase().includes(words));
  const key = sorted.key;
  shown.sort((one, other) => {
    const a = key(one), b = key(other);
    return a === b ? one.index - other.index : (a < b ? -1 : 1) * direction;
  });
  find("#shown").value = shown.length + " of " + rows.length + " shown";
  document.querySelectorAll("thead th").forEach((head, index) => {
    if (columns[index] === sorted) head.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
    else head.removeAttribute("aria-sort");
  });
  drawn = "";
  draw();
}

find("#model").textContent = "Model: " + data.model +
  (data.time && "; scored " + data.time.slice(0, 16).replace("T", " ") + " UTC");
if (data.demo) find("#demo").textContent = "Demo model: trained on synthetic images, its numbers mean nothing.";
find("#counts").textContent = data.scored + (data.grouped ? " groups of" : "") + " images scored, " + data.failed + " failed. " +
  data.diagnoses.map((name, index) => name + " " + data.counts[index]).join(", ") + ".";
find("#decided").textContent = "Malignant at the operating point: " + data.malignant_count + ". Refer: " +
  Object.entries(data.referred).map(([why, count]) => count + " " + why).join(", ") + ".";
if (data.also) find("#order").textContent = "those on which the models disagree first";
if (data.also) find("#also").textContent = "Also asked: " + data.also + ". On " + data.disagree + " of the " +
  rows.length + " images shown the two models disagree, on the call or on whether it is malignant; these come first.";
if (data.scored > rows.length) find("#left-out").textContent =
  "This page shows the " + rows.length + " most suspicious of them; the report beside it has every row.";
if (data.images_failed) {
  find("#failures").hidden = false;
  find("#failures summary").textContent = data.images_failed + (data.images_failed === 1 ? " image" : " images") + " failed";
  find("#failures ul").append(...data.failures.map(([file, error]) =>
    make("li", "", make("strong", "", file), " \u2014 ", error)));
  if (data.images_failed > data.failures.length)
    find("#failures details > p").textContent = "The first " + data.failures.length + " are listed.";
}
columns.forEach((column) => {
  const head = make("th", column.className);
  head.scope = "col";
  if (column.key) {
    const button = make("button", "", column.title);
    button.type = "button";
    button.addEventListener("click", () => {
      direction = sorted === column ? -direction : column.first;
      sorted = column;
      arrange();
    });
    head.append(button);
  }
  find("thead tr").append(head);
});
data.diagnoses.forEach((name) => find("#diagnosis").append(make("option", "", name)));
data.refer_words.forEach((word) => find("#refer").append(make("option", "", word)));
find("main form").addEventListener("submit", (event) => event.preventDefault());
find("#search").addEventListener("input", arrange);
find("#diagnosis").addEventListener("change", arrange);
find("#refer").addEventListener("change", arrange);
find("#failures details").addEventListener("toggle", draw);
addEventListener("scroll", draw, { passive: true });
addEventListener("resize", draw);
