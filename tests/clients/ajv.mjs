// Compile every schema of the documents, then say which of the samples they accept.
// Ajv compiles patterns with the flag `u`, as JSON Schema asks.
//
//   node ajv.mjs < [[document, schema, value], …]  ->  [true, …]
import Ajv from "ajv";
import addFormats from "ajv-formats";
import { readFileSync } from "node:fs";

const ajv = new Ajv({ strict: false });
addFormats(ajv);
for (const file of ["openapi.json", "asyncapi.json"]) {
  const document = JSON.parse(readFileSync(file, "utf8"));
  ajv.addSchema(document, file);
  const compile = (node, pointer) => {
    if (node === null || typeof node !== "object") return;
    for (const [key, value] of Object.entries(node)) {
      if (key === "example" || key === "examples") continue;
      const at = `${pointer}/${encodeURIComponent(key.replace(/~/g, "~0").replace(/\//g, "~1"))}`;
      const schema = key === "schema" || key === "payload" || pointer.endsWith("/schemas");
      if (schema && !pointer.endsWith("/properties")) ajv.compile({ $ref: `${file}#${at}` });
      else compile(value, at);
    }
  };
  compile(document, "");
}
const samples = JSON.parse(readFileSync(0, "utf8"));
const accepts = ([file, name, value]) => ajv.validate({ $ref: `${file}#/components/schemas/${name}` }, value);
console.log(JSON.stringify(samples.map(accepts)));
