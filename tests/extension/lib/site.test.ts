import assert from "node:assert/strict";
import { test } from "node:test";

import { labelName } from "../../../extension_src/src/lib/labels.ts";
import { siteOf } from "../../../extension_src/src/lib/site.ts";

const page = (hostname: string): { readonly location: { readonly hostname: string } } => ({
  location: { hostname },
});
/** A top page of another origin: its address is refused. */
const foreign = {
  get location(): { readonly hostname: string } {
    throw new DOMException("Blocked a frame", "SecurityError");
  },
};

test("the site of a page and of its own frames is that of the page", () => {
  assert.equal(siteOf({ ...page("example.org"), top: page("example.org") }), "example.org");
  assert.equal(siteOf({ ...page(""), top: page("example.org") }), "example.org");
});

test("a frame of another origin belongs to the page around it where the browser tells", () => {
  const ancestorOrigins = ["https://ads.example", "https://news.example:8443"];
  const location = { hostname: "video.example", ancestorOrigins };
  assert.equal(siteOf({ location, top: foreign }), "news.example");
});

test("and to itself where it does not", () => {
  assert.equal(siteOf({ ...page("video.example"), top: foreign }), "video.example");
  const location = { hostname: "video.example", ancestorOrigins: ["null"] };
  assert.equal(siteOf({ location, top: foreign }), "video.example");
});

test("a label has a name in the person's language, or its own in words", () => {
  const translate = (key: string): string => (key === "label_insult" ? "Beleidigung" : key);
  assert.equal(labelName("insult", translate), "Beleidigung");
  assert.equal(labelName("self_harm", translate), "self harm");
});
