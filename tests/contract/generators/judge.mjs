// Reads {schemas: {name: schema}, values: [[name, value]]}, compiles each schema in strict mode, and writes the messages
// about each value.
import { readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import formats from "ajv-formats";

const { schemas, values } = JSON.parse(readFileSync(0, "utf8"));
const ajv = new Ajv2020({ strict: true, allErrors: true });
formats.default(ajv);
for (const schema of Object.values(schemas)) {
  ajv.addSchema(schema);
  ajv.compile(schema);
}
const judged = values.map(([name, value]) => {
  const valid = ajv.validate(schemas[name].$id, value);
  // An `if` above a wrong field says so once more, and names no other field.
  return valid ? [] : ajv.errors.filter((one) => one.keyword !== "if").map((one) => `${one.instancePath} ${one.message}`);
});
console.log(JSON.stringify(judged));
