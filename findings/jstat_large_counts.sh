#!/usr/bin/env bash
# jStat's binomial probability is infinite from about 1,030 images on, and NaN for 10,015; so is Poisson's, with its cumulative one, from 150 on.
# It needs Node.js and npm.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install_node jstat@1.9.6
cat >"$folder/try.cjs" <<'J'
const { jStat } = require("jstat");
console.log(`jstat ${JSON.parse(require("fs").readFileSync(`${__dirname}/node_modules/jstat/package.json`)).version}, node ${process.version}`);
const found = {};
// by logarithms, which no count is too large for
const lnFactorial = (n) => jStat.gammaln(n + 1);
for (const images of [100, 1000, 2000, 10015]) {
  const half = Math.round(images / 2);
  const right = Math.exp(lnFactorial(images) - lnFactorial(half) - lnFactorial(images - half) + images * Math.log(0.5));
  found[images] = [jStat.binomial.pdf(half, images, 0.5), right, jStat.binomial.cdf(half, images, 0.5) - jStat.binomial.cdf(half - 1, images, 0.5)];
  console.log(`${half} of ${images} images, at 0.5 each: probability ${found[images][0]}; by logarithms ${right.toPrecision(4)}; as a difference of its cdf ${found[images][2].toPrecision(4)}`);
}
for (const count of [140, 150, 200]) {
  const right = Math.exp(count * Math.log(count) - count - lnFactorial(count));
  found[`p${count}`] = [jStat.poisson.pdf(count, count), right];
  console.log(`${count} melanomas where ${count} are expected: probability ${found[`p${count}`][0]}; by logarithms ${right.toPrecision(4)}; cdf ${jStat.poisson.cdf(count, count).toPrecision(4)}`);
}
const near = ([value, right]) => Math.abs(value / right - 1) < 1e-6;
const held = near(found[100]) && near(found[1000]) && found[2000][0] === Infinity && Number.isNaN(found[10015][0]) && Math.abs(found[10015][2] / found[10015][1] - 1) < 0.01;
process.exit(held && near(found.p140) && found.p150[0] === Infinity && Number.isNaN(found.p200[0]) ? 0 : 1);
J
echo "expected: a probability between 0 and 1, about 0.01 to 0.08"
check_node try.cjs
