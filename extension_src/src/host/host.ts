/** What the background needs of the page that hosts the engine. */
export interface Host {
  /** Resolves when the host page takes ports. Safe to call as often and as concurrently as you like. */
  ensure(): Promise<void>;
}
