/** As much of IndexedDB as one store of key and value needs; each request is answered a tick later. */

export class FakeIndexedDb {
  readonly stores = new Map<string, Map<IDBValidKey, unknown>>();
  /** What opening is answered with: a database, an error event, or an exception. */
  refuses: "no" | "event" | "exception" = "no";

  open(): IDBOpenDBRequest {
    if (this.refuses === "exception") throw new DOMException("no storage", "InvalidStateError");
    const request = this.#request({
      result: {
        createObjectStore: (name: string) => this.stores.set(name, new Map()),
        transaction: (name: string) => this.#transaction(name),
      },
    });
    setImmediate(() => {
      if (this.refuses === "event") return request.onerror?.(new Event("error"));
      if (this.stores.size === 0) request.onupgradeneeded?.(new Event("upgrade") as IDBVersionChangeEvent);
      request.onsuccess?.(new Event("success"));
    });
    return request;
  }

  #transaction(name: string): IDBTransaction {
    const store = this.stores.get(name);
    if (store === undefined) throw new DOMException(`no store ${name}`, "NotFoundError");
    const transaction = {
      oncomplete: null as (() => void) | null,
      objectStore: () => ({
        get: (key: IDBValidKey) => this.#request({ result: structuredClone(store.get(key)) }),
        put: (value: unknown, key: IDBValidKey) =>
          this.#request({ result: store.set(key, structuredClone(value)) }),
        delete: (key: IDBValidKey) => this.#request({ result: store.delete(key) }),
      }),
    };
    setImmediate(() => transaction.oncomplete?.());
    return transaction as unknown as IDBTransaction;
  }

  #request(fields: { readonly result: unknown }): IDBOpenDBRequest {
    return { ...fields } as unknown as IDBOpenDBRequest;
  }
}

export function factoryOf(fake: FakeIndexedDb): IDBFactory {
  return fake as unknown as IDBFactory;
}
