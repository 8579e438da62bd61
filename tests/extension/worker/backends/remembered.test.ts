import assert from "node:assert/strict";
import { test } from "node:test";

import {
  rememberedVerdicts,
  type Verdict,
} from "../../../../extension_src/src/worker/backends/remembered.ts";
import { FakeIndexedDb, factoryOf } from "../../support/fake_indexed_db.ts";

const PASSED: Verdict = { state: "passed", ms: 12 };

test("a verdict outlives the worker", async () => {
  const indexedDB = factoryOf(new FakeIndexedDb());
  const first = rememberedVerdicts({ indexedDB }, "Chromium 156");
  assert.equal(await first.get("model backend"), null);
  await first.set("model backend", PASSED);
  const second = rememberedVerdicts({ indexedDB }, "Chromium 156");
  assert.deepEqual(await second.get("model backend"), PASSED);
  assert.equal(await second.get("model other"), null);
});

test("another version of the browser trusts nothing of the one before", async () => {
  const fake = new FakeIndexedDb();
  const indexedDB = factoryOf(fake);
  await rememberedVerdicts({ indexedDB }, "Chromium 156").set("key", PASSED);
  const updated = rememberedVerdicts({ indexedDB }, "Chromium 157");
  assert.equal(await updated.get("key"), null);
  await updated.set("key", { state: "failed", reason: "wrong" });
  assert.deepEqual([...fake.stores.values()].map((store) => store.size), [1]);
});

test("a verdict that is taken back is gone, also from the store", async () => {
  const fake = new FakeIndexedDb();
  const verdicts = rememberedVerdicts({ indexedDB: factoryOf(fake) }, "b");
  await verdicts.set("key", PASSED);
  await verdicts.delete("key");
  assert.equal(await verdicts.get("key"), null);
  assert.deepEqual([...fake.stores.values()].map((store) => store.size), [0]);
});

for (const refuses of ["event", "exception"] as const) {
  test(`a browser that refuses by ${refuses} keeps nothing for the next worker`, async () => {
    const fake = new FakeIndexedDb();
    fake.refuses = refuses;
    const verdicts = rememberedVerdicts({ indexedDB: factoryOf(fake) }, "b");
    await verdicts.set("key", PASSED);
    assert.deepEqual(await verdicts.get("key"), PASSED);
    assert.equal(await rememberedVerdicts({ indexedDB: factoryOf(fake) }, "b").get("key"), null);
  });
}

test("a browser without IndexedDB, and one whose database breaks later, do the same", async () => {
  const fake = new FakeIndexedDb();
  const broken = rememberedVerdicts({ indexedDB: factoryOf(fake) }, "b");
  assert.equal(await broken.get("key"), null);
  fake.stores.clear();
  for (const verdicts of [rememberedVerdicts({}, "b"), broken]) {
    await verdicts.set("key", PASSED);
    assert.deepEqual(await verdicts.get("key"), PASSED);
  }
});

test("self-tests of two workers wait for one another", async () => {
  const log: string[] = [];
  let queue: Promise<unknown> = Promise.resolve();
  const request = (name: string, task: () => Promise<unknown>): Promise<unknown> => {
    log.push(name);
    return (queue = queue.then(task));
  };
  const locks = { request } as unknown as LockManager;
  const [one, other] = [rememberedVerdicts({ locks }, "b"), rememberedVerdicts({ locks }, "b")];
  const task = (name: string) => async (): Promise<string> => {
    log.push(`${name} begins`);
    await Promise.resolve();
    log.push(`${name} ends`);
    return name;
  };
  const results = await Promise.all([
    one.exclusively("starts", task("one")),
    other.exclusively("starts", task("other")),
  ]);
  assert.deepEqual(results, ["one", "other"]);
  assert.deepEqual(log, [
    ...["self-tests: starts", "self-tests: starts"],
    ...["one begins", "one ends", "other begins", "other ends"],
  ]);
});
