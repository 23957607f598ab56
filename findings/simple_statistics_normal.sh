#!/usr/bin/env bash
# simple-statistics looks the normal distribution up in a table that ends at 3.09: no p-value is below 0.001, whatever the data; and its quantile for an interval of 95 % is 1.957.
# It needs Node.js 20 or later and npm.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install_node simple-statistics@7.12.1 jstat@1.9.6
cat >"$folder/try.mjs" <<'J'
import { readFileSync } from "fs";
import { createRequire } from "module";
const require = createRequire(import.meta.url);
const { cumulativeStdNormalProbability, errorFunction, probit } = require("simple-statistics");
const { jStat } = require("jstat");

const version = (name) => JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url))).version;
console.log(`simple-statistics ${version("simple-statistics")}, jstat ${version("jstat")}, node ${process.version}`);
const twoSided = (z) => 2 * (1 - cumulativeStdNormalProbability(z));
const found = {};
for (const z of [1.955, 1.9649, 2.5758, 3.3, 4.5, 8]) {
  const [exact, own] = [2 * jStat.normal.cdf(-z, 0, 1), 1 - errorFunction(z / Math.SQRT2)];
  found[z] = twoSided(z);
  console.log(`z = ${z}: p = ${found[z].toPrecision(3)}; by its own error function ${own.toPrecision(3)}, by jstat ${exact.toPrecision(3)}`);
}
const quantiles = Object.fromEntries([0.9, 0.975, 0.995, 0.9995].map((share) => [share, probit(share)]));
for (const [share, quantile] of Object.entries(quantiles)) console.log(`probit(${share}) = ${quantile.toFixed(4)}; by jstat ${jStat.normal.inv(Number(share), 0, 1).toFixed(4)}`);
const tests = 40;
console.log(`the smallest p after Bonferroni's correction for ${tests} tests, for any data: ${(found[8] * tests).toFixed(2)}`);
const ends = found[4.5] === found[8] && Math.abs(found[8] - 0.002) < 1e-9 && Math.abs(found[3.3] - 0.002) < 1e-9;
process.exit(ends && Math.abs(quantiles[0.975] - 1.9572) < 1e-3 ? 0 : 1);
J
echo "expected: p = 7e-6 for z = 4.5, and 1.960"
check_node try.mjs
