// Prints the Khronos validator's report on a file: node validate.cjs NODE_MODULES FILE
const fs = require("fs");
const path = require("path");
const [modules, file] = process.argv.slice(2);
const validator = require(path.resolve(modules, "gltf-validator"));

validator
  .validateBytes(new Uint8Array(fs.readFileSync(file)), { maxIssues: 0 })
  .then((report) => console.log(JSON.stringify(report)));
