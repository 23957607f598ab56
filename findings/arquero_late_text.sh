#!/usr/bin/env bash
# Arquero decides what a CSV column holds by its first 1,000 rows: below them a text id is NaN and the word "unknown" is true, without a message.
# It needs Node.js and npm.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install_node arquero@7.2.1
cat >"$folder/try.mjs" <<'J'
import { readFileSync } from "fs";
import { fromCSV } from "arquero";
console.log(`arquero ${JSON.parse(readFileSync(new URL("node_modules/arquero/package.json", import.meta.url))).version}, node ${process.version}`);
// patients of one hospital have numbers, those of another, further down, letters as well; a yes or no is explained only there
const rows = (first) => [...Array.from({ length: first }, (_, i) => `${i},true,2026-01-02`), ...["K12,unknown,not known", "K13,true,2026-01-03"]];
const read = (first, options) => fromCSV(["patient,ulcerated,day", ...rows(first)].join("\n"), options).slice(-2).objects().map((row) => Object.values(row).map((value) => (value instanceof Date ? (Number.isNaN(+value) ? "Invalid Date" : value.toISOString().slice(0, 10)) : value)));
const early = read(900), late = read(1100), all = read(1100, { autoMax: 1e9 }), text = read(1100, { autoType: false });
console.log("below 900 rows:", JSON.stringify(early.map((row) => row.map(String))));
console.log("below 1,100 rows:", JSON.stringify(late.map((row) => row.map(String))));
console.log("below 1,100 rows with autoMax: 1e9:", JSON.stringify(all.map((row) => row.map(String))), "with autoType: false:", JSON.stringify(text));
const right = early[0][0] === "K12" && early[0][1] === "unknown" && all[0][0] === "K12";
process.exit(right && Number.isNaN(late[0][0]) && Number.isNaN(late[1][0]) && late[0][1] === true ? 0 : 1);
J
echo "expected: the texts that are in the file, or an error"
check_node try.mjs
