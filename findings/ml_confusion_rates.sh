#!/usr/bin/env bash
# ml-confusion-matrix returns the share of missed melanomas as false omission rate: 0.200 instead of 0.024, and it does not add up to 1 with the negative predictive value.
# It needs Node.js 20 or later and npm.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install_node ml-confusion-matrix@2.0.0
cat >"$folder/try.mjs" <<'J'
import { readFileSync } from "fs";
import { ConfusionMatrix } from "ml-confusion-matrix";

const version = JSON.parse(readFileSync(new URL("node_modules/ml-confusion-matrix/package.json", import.meta.url))).version;
console.log(`ml-confusion-matrix ${version}, node ${process.version}`);
const [hits, misses, alarms, quiet] = [80, 20, 100, 800];
const repeat = (count, label) => Array(count).fill(label);
const truth = [...repeat(hits + misses, "melanoma"), ...repeat(alarms + quiet, "nevus")];
const answers = [...repeat(hits, "melanoma"), ...repeat(misses, "nevus"), ...repeat(alarms, "melanoma"), ...repeat(quiet, "nevus")];
const matrix = ConfusionMatrix.fromLabels(truth, answers);
console.log(`${hits} melanomas found, ${misses} missed, ${alarms} false alarms, ${quiet} nevi known: ${JSON.stringify(matrix.getMatrix())} of ${matrix.getLabels()}`);
const rates = {
  TruePositiveRate: hits / (hits + misses),
  TrueNegativeRate: quiet / (quiet + alarms),
  FalsePositiveRate: alarms / (alarms + quiet),
  FalseNegativeRate: misses / (misses + hits),
  PositivePredictiveValue: hits / (hits + alarms),
  NegativePredictiveValue: quiet / (quiet + misses),
  FalseDiscoveryRate: alarms / (alarms + hits),
  FalseOmissionRate: misses / (misses + quiet),
};
const wrong = [];
for (const [name, expected] of Object.entries(rates)) {
  const found = matrix[`get${name}`]("melanoma");
  console.log(`${name}: ${found.toFixed(3)}, by the formula ${expected.toFixed(3)}`);
  if (Math.abs(found - expected) > 1e-9) wrong.push(name);
}
const sum = matrix.getNegativePredictiveValue("melanoma") + matrix.getFalseOmissionRate("melanoma");
console.log(`negative predictive value and false omission rate add up to ${sum.toFixed(3)}`);
process.exit(String(wrong) === "FalseOmissionRate" && sum > 1.1 ? 0 : 1);
J
echo "expected: of 820 images called a nevus 20 are melanomas, a false omission rate of 0.024"
check_node try.mjs
