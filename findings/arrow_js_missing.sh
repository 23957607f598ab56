#!/usr/bin/env bash
# tableFromJSON of Apache Arrow for JavaScript fills what a record lacks: a missing text is "", a missing number NaN and a missing boolean false, none of them null; and toArray makes a null 0.
# It needs Node.js and npm.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install_node apache-arrow@21.2.0
cat >"$folder/try.cjs" <<'J'
const { tableFromJSON, tableFromIPC, tableToIPC } = require("apache-arrow");
console.log(`apache-arrow ${JSON.parse(require("fs").readFileSync(`${__dirname}/node_modules/apache-arrow/package.json`)).version}, node ${process.version}`);
const lacking = [{ image: "a", site: "back", age: 60, ulcerated: true }, { image: "b" }, { image: "c", site: "arm", age: 40, ulcerated: true }];
const stated = lacking.map((record) => ({ site: null, age: null, ulcerated: null, ...record }));
const found = {};
for (const [name, records] of [["null in the record", stated], ["not in the record", lacking]]) {
  const table = tableFromIPC(tableToIPC(tableFromJSON(records)));
  found[name] = ["site", "age", "ulcerated"].map((column) => table.getChild(column).get(1));
  const nulls = ["site", "age", "ulcerated"].map((column) => table.getChild(column).nullCount);
  console.log(`${name}: site, age and ulcerated of the second row ${found[name].map((value) => (value === "" ? '""' : String(value))).join(", ")}; nulls counted ${nulls.join(", ")}`);
}
const ages = tableFromJSON(stated).getChild("age");
const plain = Array.from(ages.toArray());
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
console.log(`age as toArray: ${plain.join(", ")}, mean ${mean(plain).toFixed(1)}; iterated: ${[...ages].join(", ")}, mean of those there ${mean([...ages].filter((age) => age !== null)).toFixed(1)}`);
const wrong = found["not in the record"];
const held = found["null in the record"].every((value) => value === null) && wrong[0] === "" && Number.isNaN(wrong[1]) && wrong[2] === false;
process.exit(held && plain[1] === 0 ? 0 : 1);
J
echo "expected: null for what is not there, or an error"
check_node try.cjs
