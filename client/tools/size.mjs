// Says how much a first visit loads, and fails when that is more than the budget: the entry and what it imports.
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const BUDGET = 200_000; // bytes of script, compressed
const root = new URL("../../services/gateway/page/app/", import.meta.url);
const html = readFileSync(new URL("index.html", root), "utf8");
const size = (path) => gzipSync(readFileSync(new URL(`.${path}`, root)), { level: 9 }).length;

const scripts = [...new Set([...html.matchAll(/(?:src|href)="(\/assets\/[^"]+\.js)"/g)].map((m) => m[1]))];
const styles = [...new Set([...html.matchAll(/href="(\/assets\/[^"]+\.css)"/g)].map((m) => m[1]))];
const sum = (paths) => paths.reduce((total, path) => total + size(path), 0);
console.log(`first load: ${(sum(scripts) / 1000).toFixed(1)} kB of script and ${(sum(styles) / 1000).toFixed(1)} kB of style, gzip; the budget is ${BUDGET / 1000} kB of script`);
if (scripts.length === 0 || sum(scripts) > BUDGET) {
  console.error("the first load is over its budget, or has no script at all");
  process.exit(1);
}
