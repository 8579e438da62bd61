import assert from "node:assert/strict";
import { test } from "node:test";

import {
  appended,
  commonPrefix,
  emptyCache,
  rewound,
} from "../../../../extension_src/src/worker/backends/cache.ts";

const SHAPE = { layers: 2, kv_heads: 2, head_dim: 3 };

/** Values (1, heads, tokens, head_dim) that say which head, token and dimension they are. */
function labelled(tokens: number, base: number): Float32Array {
  const values: number[] = [];
  for (let head = 0; head < SHAPE.kv_heads; head += 1) {
    for (let token = 0; token < tokens; token += 1) {
      for (let dim = 0; dim < SHAPE.head_dim; dim += 1) values.push(base + head * 100 + token * 10 + dim);
    }
  }
  return Float32Array.from(values);
}

const layers = (tokens: number): { key: Float32Array; value: Float32Array }[] =>
  [0, 1].map((layer) => ({
    key: labelled(tokens, layer * 1000),
    value: labelled(tokens, layer * 1000 + 500),
  }));

const PREFIXES: readonly (readonly [readonly number[], readonly number[], number])[] = [
  [[], [1, 2], 0],
  [[1, 2, 3], [1, 2, 4], 2],
  [[1, 2], [1, 2, 3], 2],
  [[9], [1], 0],
];

for (const [a, b, length] of PREFIXES) {
  test(`[${a.join()}] and [${b.join()}] have ${length} in common`, () => {
    assert.equal(commonPrefix(a, b), length);
    assert.equal(commonPrefix(b, a), length);
  });
}

test("a cache cut back holds what a shorter text would have left, head by head", () => {
  const long = appended(emptyCache(SHAPE), [5, 6, 7, 8], layers(4));
  assert.deepEqual(rewound(long, 2, SHAPE), { ids: [5, 6], layers: layers(2) });
});

test("a cache that is kept whole is not copied", () => {
  const cache = appended(emptyCache(SHAPE), [5], layers(1));
  assert.equal(rewound(cache, 1, SHAPE), cache);
});

test("a cache can be cut back to nothing", () => {
  const cache = appended(emptyCache(SHAPE), [5], layers(1));
  assert.deepEqual(rewound(cache, 0, SHAPE), emptyCache(SHAPE));
});
