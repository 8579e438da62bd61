/** stdin: {tokenizer: path, texts}. stdout: a list of ids per text, as the worker makes them. */

import { readFileSync } from "node:fs";

import { parseTokenizer, TextTokenizer } from "../../extension_src/src/worker/tokenizer/tokenizer.ts";

interface Input {
  readonly tokenizer: string;
  readonly texts: readonly string[];
}

const { tokenizer: path, texts } = JSON.parse(readFileSync(0, "utf-8")) as Input;
const tokenizer = new TextTokenizer(parseTokenizer(readFileSync(path)));
process.stdout.write(JSON.stringify(texts.map((text) => tokenizer.encode(text))));
