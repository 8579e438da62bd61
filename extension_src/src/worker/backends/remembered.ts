/**
 * What self-tests found, kept from one start of the worker to the next in IndexedDB.
 *
 * A verdict holds for one model, one backend with its fingerprint, and one version of the browser:
 * what browsers tell of theirs is the major one, so that they are tested anew about once a month.
 * Where nothing can be kept (Firefox refuses in some private modes) each worker tests anew.
 */

export type Verdict =
  /** Under test: what is found at the next start is a backend that took the worker with it. */
  | { readonly state: "testing"; readonly deaths: number }
  /** Died `deaths` times in its self-test. */
  | { readonly state: "died"; readonly deaths: number }
  /** `ms`: median time of its golden inputs; null where it had nothing to be compared with. */
  | { readonly state: "passed"; readonly ms: number | null }
  | { readonly state: "failed"; readonly reason: string };

/** `key` names model and backend. A verdict of another version of the browser counts as none. */
export interface Verdicts {
  get(key: string): Promise<Verdict | null>;
  /** Resolves once it is kept. */
  set(key: string, verdict: Verdict): Promise<void>;
  delete(key: string): Promise<void>;
  /**
   * Runs a task while no other worker of this browser runs one of the same name: a self-test that
   * is under way elsewhere must not look like one that died, and is worth waiting for.
   */
  exclusively<T>(name: string, task: () => Promise<T>): Promise<T>;
}

const DATABASE = "self-tests";
const STORE = "verdicts";

/** What lies in the store. */
interface Kept {
  readonly browser: string;
  readonly verdict: Verdict;
}

/** What a browser has for this; undefined where it has none. */
export interface Keeping {
  readonly indexedDB?: IDBFactory | undefined;
  readonly locks?: LockManager | undefined;
}

/** `browser` names its version. */
export function rememberedVerdicts({ indexedDB, locks }: Keeping, browser: string): Verdicts {
  const database = openDatabase(indexedDB);
  /** For want of a database; also answers if one refuses later. */
  const session = new Map<string, Verdict>();

  async function request<T>(
    mode: IDBTransactionMode,
    make: (store: IDBObjectStore) => IDBRequest<T>,
  ): Promise<T | undefined> {
    const opened = await database;
    if (opened === null) return undefined;
    try {
      return await completed(opened.transaction(STORE, mode), make);
    } catch {
      return undefined; // refused: as if there were none
    }
  }

  return {
    async get(key) {
      const own = session.get(key);
      if (own !== undefined) return own;
      const kept = await request<Kept | undefined>("readonly", (store) => store.get(key));
      return kept?.browser === browser ? kept.verdict : null;
    },
    async set(key, verdict) {
      session.set(key, verdict);
      const kept: Kept = { browser, verdict };
      await request("readwrite", (store) => store.put(kept, key));
    },
    async delete(key) {
      session.delete(key);
      await request("readwrite", (store) => store.delete(key));
    },
    async exclusively(name, task) {
      return locks === undefined ? task() : locks.request(`${DATABASE}: ${name}`, task);
    },
  };
}

/** The result of a request after its transaction is complete. */
function completed<T>(
  transaction: IDBTransaction,
  make: (store: IDBObjectStore) => IDBRequest<T>,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const made = make(transaction.objectStore(STORE));
    transaction.oncomplete = () => resolve(made.result);
    transaction.onabort = () => reject(transaction.error);
    transaction.onerror = () => reject(transaction.error);
  });
}

/** Null where there is none to be had. */
function openDatabase(factory: IDBFactory | undefined): Promise<IDBDatabase | null> {
  return new Promise((resolve) => {
    if (factory === undefined) return resolve(null);
    try {
      const opening = factory.open(DATABASE, 1);
      opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
      opening.onsuccess = () => resolve(opening.result);
      opening.onerror = () => resolve(null);
    } catch {
      resolve(null);
    }
  });
}
