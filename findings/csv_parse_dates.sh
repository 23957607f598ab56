#!/usr/bin/env bash
# csv-parse with cast_date takes words with a number for dates: "lesion 12" is the first of December 2001, and "lesion 13" text.
# It needs Node.js 20 or later and npm.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install_node csv-parse@7.0.3
cat >"$folder/try.mjs" <<'J'
import { readFileSync } from "fs";
import { parse } from "csv-parse/sync";

const VALUES = ["2026-01-02", "lesion 12", "lesion 13", "patient 7", "grade 2", "site 2026", "back, upper 3", "ISIC_0024306", "nevus", "12 mm", "1.5 mm", "T1 N0"];
const version = JSON.parse(readFileSync(new URL("node_modules/csv-parse/package.json", import.meta.url))).version;
console.log(`csv-parse ${version}, node ${process.version}, time zone ${Intl.DateTimeFormat().resolvedOptions().timeZone}`);
const rows = parse(["value", ...VALUES.map((value) => `"${value}"`)].join("\n"), { columns: true, cast: true, cast_date: true });
const dates = [];
for (const [at, { value }] of rows.entries()) {
  console.log(`${VALUES[at]}: ${value instanceof Date ? `date ${value.toISOString()}` : `${typeof value} ${value}`}`);
  if (value instanceof Date) dates.push(VALUES[at]);
}
const twice = parse("image,age,age\nISIC_1,45,50\n", { columns: true });
console.log(`a table with the column age twice, 45 and 50: ${JSON.stringify(twice)}`);
process.exit(dates.includes("lesion 12") && !dates.includes("lesion 13") && dates.includes("grade 2") && JSON.stringify(twice) === '[{"image":"ISIC_1","age":"50"}]' ? 0 : 1);
J
echo "expected: dates are what is written as a date, and a column that stands twice is not lost without a message"
TZ=UTC check_node try.mjs
