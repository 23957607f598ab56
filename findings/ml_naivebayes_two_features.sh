#!/usr/bin/env bash
# ml-naivebayes' Gaussian classifier looks at the first two features only: its loop over the features ends at the length of a pair of constants.
# It needs Node.js 20 or later and npm.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
npm install --silent --no-audit --no-fund --prefix "$folder" ml-naivebayes@4.0.0 ml-matrix@6.15.1 >"$folder/npm.log" 2>&1 || {
    cat "$folder/npm.log" >&2
    exit 2
}
cat >"$folder/try.mjs" <<'J'
import { readFileSync } from "fs";
import { createRequire } from "module";
const require = createRequire(import.meta.url);
const { GaussianNB, MultinomialNB } = require("ml-naivebayes");

const version = (name) => JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url))).version;
console.log(`ml-naivebayes ${version("ml-naivebayes")}, node ${process.version}`);
let state = 1;
const uniform = () => (state = (state * 48271) % 2147483647) / 2147483647;
const normal = () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
const melanoma = Array.from({ length: 400 }, (_, row) => row % 2);
const draw = { age: () => 55 + 15 * normal(), hue: () => 20 + 4 * normal(), diameter: (label) => (label ? 10 : 4) + 1.5 * normal() };
const measured = melanoma.map((label) => Object.fromEntries(Object.entries(draw).map(([name, value]) => [name, value(label)])));

// The same model, written out: the mean and deviation of each feature by class.
const byHand = (rows) => {
  const fit = [0, 1].map((label) => {
    const own = rows.filter((_, row) => melanoma[row] === label);
    return rows[0].map((_, column) => {
      const mean = own.reduce((sum, row) => sum + row[column], 0) / own.length;
      return [mean, Math.sqrt(own.reduce((sum, row) => sum + (row[column] - mean) ** 2, 0) / (own.length - 1))];
    });
  });
  return rows.map((row) => {
    const logs = fit.map((features) => features.reduce((sum, [mean, deviation], column) => sum - Math.log(deviation) - ((row[column] - mean) / deviation) ** 2 / 2, 0));
    return logs[1] > logs[0] ? 1 : 0;
  });
};
const accuracy = (called) => called.filter((label, row) => label === melanoma[row]).length / called.length;
const found = {};
for (const order of [["diameter", "age", "hue"], ["age", "diameter", "hue"], ["age", "hue", "diameter"]]) {
  const rows = measured.map((row) => order.map((name) => row[name]));
  const model = new GaussianNB();
  model.train(rows, melanoma);
  const counts = new MultinomialNB();
  counts.train(rows, melanoma);
  found[order] = [model.predict(rows), byHand(rows), counts.predict(rows)].map(accuracy);
  const stored = model.toJSON().calculateProbabilities[0].length - 1;
  console.log(`${order.join(", ")}: accuracy ${found[order][0].toFixed(3)}, by hand ${found[order][1].toFixed(3)}, MultinomialNB ${found[order][2].toFixed(3)}; the model has constants for ${stored} features`);
}
const [first, second, third] = Object.values(found);
const right = [first, second, third].every(([, byHand, counts]) => byHand > 0.95 && counts === first[2]);
process.exit(right && first[0] === first[1] && second[0] > 0.95 && third[0] < 0.65 ? 0 : 1);
J
echo "expected: the same accuracy, whatever the order of the columns"
node "$folder/try.mjs" 2>"$folder/errors" || {
    tail -n 20 "$folder/errors"
    echo changed
    exit 1
}
