/**
 * Bundles scripts with esbuild. Run by extbuild/bundle/scripts.py, which decides everything:
 * a list of esbuild options comes in on standard input, the packages that went into the bundles go
 * out on standard output. One process for all, because starting Node costs more than bundling.
 */

import { build } from "esbuild";
import { text } from "node:stream/consumers";

const requests = JSON.parse(await text(process.stdin));
const bundles = {};
for (const options of requests) {
  const { metafile } = await build({ ...options, metafile: true, logLevel: "silent" }).catch((failure) => {
    for (const { text: message, location } of failure.errors ?? []) {
      const place = location ? `${location.file}:${location.line}:${location.column + 1}: ` : "";
      console.error(`${place}${message}`);
    }
    if (!failure.errors) throw failure;
    process.exit(1);
  });
  for (const [output, { inputs, bytes }] of Object.entries(metafile.outputs)) {
    bundles[output] = { bytes, inputs: Object.keys(inputs) };
  }
}
console.log(JSON.stringify(bundles));
