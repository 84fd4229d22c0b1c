/** Write src/schema.ts from openapi.json. With --check, only fail if that would change it. */
import { readFile, writeFile } from "node:fs/promises";

import openapiTS, { astToString } from "openapi-typescript";

const HEADER = "// Written by `npm run generate` from openapi.json.\n\n";
const OTHERS = "/v1/"; // protocols that have clients of their own

const document = JSON.parse(await readFile(new URL("../../openapi.json", import.meta.url), "utf-8"));
const target = new URL("src/schema.ts", import.meta.url);
const paths = Object.entries(document.paths).filter(([path]) => !path.startsWith(OTHERS));

/** The schemas that these paths need, and the events. */
const needed = new Set(["TurnEvent", ...named(paths)]);
for (const name of needed) for (const other of named(document.components.schemas[name])) needed.add(other);

function named(part) {
  return [...JSON.stringify(part).matchAll(/"#\/components\/schemas\/(\w+)"/g)].map(([, name]) => name);
}

const schemas = Object.entries(document.components.schemas).filter(([name]) => needed.has(name));
const components = { ...document.components, schemas: Object.fromEntries(schemas) };
const types = HEADER + astToString(await openapiTS({ ...document, paths: Object.fromEntries(paths), components }));

const isCurrent = (await readFile(target, "utf-8")) === types;
if (process.argv.includes("--check") && !isCurrent) {
  console.error("src/schema.ts is out of step with openapi.json: run `npm run generate`");
  process.exit(1);
}
if (!isCurrent) await writeFile(target, types);
console.log(isCurrent ? "src/schema.ts is in step with openapi.json" : "src/schema.ts written");
