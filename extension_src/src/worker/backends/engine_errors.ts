/** The engine's negative results by name: the enum at the top of extension_src/engine/engine.h. */

export const ENGINE_ERRORS: { readonly [code: number]: string } = {
  [-1]: "NOT_A_PROGRAM",
  [-2]: "BAD_HEADER",
  [-3]: "BAD_WEIGHT",
  [-4]: "BAD_SLOT",
  [-5]: "BAD_OPERATION",
  [-6]: "BAD_LIMITS",
  [-7]: "NO_MEMORY",
  [-8]: "NOT_OPEN",
  [-9]: "ALREADY_OPEN",
  [-10]: "BAD_ID",
  [-11]: "BAD_LENGTH",
  [-12]: "BAD_STREAM",
  [-13]: "BAD_OUTPUT",
  [-14]: "CACHE_FULL",
  [-15]: "TOO_LONG",
  [-16]: "NOT_FINITE",
  [-17]: "BAD_ARGUMENT",
};

/** The engine refused, or found that its result is none. `code` is its negative result. */
export class EngineError extends Error {
  readonly code: number;

  constructor(call: string, code: number, more = "") {
    super(`${call}: ${ENGINE_ERRORS[code] ?? `unknown error ${code}`}${more}`);
    this.code = code;
  }
}
