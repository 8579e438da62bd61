import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

const ROOT = new URL("../../../extension_src/", import.meta.url);
const LOCALES = ["en", "de", "es"] as const;

interface Message {
  readonly message: string;
  readonly placeholders?: { readonly [name: string]: { readonly content: string } };
}

const read = (path: string): string => readFileSync(new URL(path, ROOT), "utf8");
const messages = Object.fromEntries(
  LOCALES.map((locale) => [
    locale,
    JSON.parse(read(`static/_locales/${locale}/messages.json`)) as { readonly [key: string]: Message },
  ]),
);
const english = messages["en"] ?? {};

/** The files that may name a string: all scripts and all pages. */
const sources = [
  ...readdirSync(new URL("src/", ROOT), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts"))
    .map((path) => read(`src/${path}`)),
  ...readdirSync(new URL("static/ui/", ROOT))
    .filter((path) => path.endsWith(".html"))
    .map((path) => read(`static/ui/${path}`)),
].join("\n");

for (const locale of LOCALES) {
  test(`${locale} has the same strings as English, and none is empty`, () => {
    assert.deepEqual(Object.keys(messages[locale] ?? {}).sort(), Object.keys(english).sort());
    for (const [key, { message }] of Object.entries(messages[locale] ?? {})) {
      assert.ok(message.trim() !== "", key);
    }
  });

  test(`${locale} fills in the same things as English`, () => {
    for (const [key, { message, placeholders }] of Object.entries(messages[locale] ?? {})) {
      assert.deepEqual(placeholders ?? {}, english[key]?.placeholders ?? {}, key);
      const used = [...message.matchAll(/\$(\w+)\$/g)].map(([, name]) => name?.toLowerCase());
      assert.deepEqual([...new Set(used)].sort(), Object.keys(placeholders ?? {}).sort(), key);
    }
  });
}

test("every string that a page or a script names exists", () => {
  const named = [
    ...sources.matchAll(/data-i18n="(\w+)"/g),
    ...sources.matchAll(/translate\(\s*"(\w+)"/g),
  ].map(([, key]) => key ?? "");
  assert.ok(named.length > 40);
  assert.deepEqual(named.filter((key) => !Object.hasOwn(english, key)), []);
});

test("every string is used", () => {
  // Built from a label, a feature, a backend, a lane or a preset: label_insult, feature_completion …
  const built = /^(?:label|feature|model|backend|lane|preset)_/;
  const unused = Object.keys(english).filter((key) => !built.test(key) && !sources.includes(`"${key}"`));
  assert.deepEqual(unused, []);
});
