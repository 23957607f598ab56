#!/usr/bin/env bash
# ml-logistic-regression fits no intercept, and does not say so: with features that are never negative, such as a diameter, all lesions get the same answer.
# It needs Node.js 20 or later and npm.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
npm install --silent --no-audit --no-fund --prefix "$folder" ml-logistic-regression@2.0.0 ml-matrix@6.15.1 >"$folder/npm.log" 2>&1 || {
    cat "$folder/npm.log" >&2
    exit 2
}
cat >"$folder/try.mjs" <<'J'
import { readFileSync } from "fs";
import { createRequire } from "module";
const require = createRequire(import.meta.url);
const { Matrix } = require("ml-matrix");
const loaded = require("ml-logistic-regression");
const LogisticRegression = loaded.default ?? loaded;

const version = (name) => JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url))).version;
console.log(`ml-logistic-regression ${version("ml-logistic-regression")}, ml-matrix ${version("ml-matrix")}, node ${process.version}`);
let state = 1;
const uniform = () => (state = (state * 48271) % 2147483647) / 2147483647;
const normal = () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
const melanoma = Array.from({ length: 200 }, (_, row) => row % 2);
const diameter = melanoma.map((label) => (label ? 10 : 4) + normal());
const mean = diameter.reduce((sum, value) => sum + value, 0) / 200;
const features = {
  "diameter in mm": diameter.map((value) => [value]),
  "diameter, and a column of ones": diameter.map((value) => [value, 1]),
  "diameter less its mean": diameter.map((value) => [value - mean]),
};
const found = {};
for (const [name, rows] of Object.entries(features)) {
  const model = new LogisticRegression({ numSteps: 3000, learningRate: 5e-4 });
  model.train(new Matrix(rows), Matrix.columnVector(melanoma));
  const called = model.predict(new Matrix(rows));
  const accuracy = called.filter((label, row) => label === melanoma[row]).length / 200;
  found[name] = accuracy;
  console.log(`${name}: ${called.filter((label) => label === 1).length} of 200 called a melanoma, accuracy ${accuracy.toFixed(3)}; weights for melanoma ${model.classifiers[1].weights.to1DArray().map((value) => (-value).toFixed(2))}`);
}
const [plain, ones, centred] = Object.values(found);
process.exit(plain === 0.5 && ones > 0.97 && centred > 0.97 ? 0 : 1);
J
echo "expected: a threshold near 7 mm, half of the lesions called a melanoma"
node "$folder/try.mjs" 2>"$folder/errors" || {
    tail -n 20 "$folder/errors"
    echo changed
    exit 1
}
