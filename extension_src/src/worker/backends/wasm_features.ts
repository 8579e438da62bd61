/** What this browser's WebAssembly has, found out by asking it to validate the smallest use of it. */

/** Begins every module: "\0asm" and version 1. */
const MAGIC_AND_VERSION = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];

/**
 * (module (func (result v128)
 *   (i32x4.relaxed_dot_i8x16_i7x16_add_s
 *     (i8x16.splat (i32.const 0)) (i8x16.splat (i32.const 0)) (i8x16.splat (i32.const 0)))))
 *
 * Opcodes: WebAssembly 3.0, vector instructions; relaxed_dot_…_add_s is 0xfd 275 (LEB128 93 02).
 */
const RELAXED_SIMD = Uint8Array.from([
  ...MAGIC_AND_VERSION,
  ...[0x01, 0x05, 0x01, 0x60, 0x00, 0x01, 0x7b], // types: one, () → v128
  ...[0x03, 0x02, 0x01, 0x00], // functions: one, of type 0
  ...[0x0a, 0x13, 0x01, 0x11, 0x00], // code: one body of 17 bytes, no locals
  ...[0x41, 0x00, 0xfd, 0x0f], // i32.const 0, i8x16.splat
  ...[0x41, 0x00, 0xfd, 0x0f],
  ...[0x41, 0x00, 0xfd, 0x0f],
  ...[0xfd, 0x93, 0x02, 0x0b], // relaxed_dot_i8x16_i7x16_add_s, end
]);

export function hasRelaxedSimd(): boolean {
  return WebAssembly.validate(RELAXED_SIMD);
}

/** Whether memory can be shared with other workers. Firefox gives none to extensions. */
export function hasSharedMemory(): boolean {
  if (!("SharedArrayBuffer" in globalThis)) return false;
  try {
    const { buffer } = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
    structuredClone(buffer); // refused where it may not leave this thread
    return !(buffer instanceof ArrayBuffer);
  } catch {
    return false;
  }
}
