/** What is used of WebGPU (https://www.w3.org/TR/webgpu), which TypeScript's library does not have yet. */

export interface Gpu {
  requestAdapter(): Promise<GpuAdapter | null>;
}

export interface GpuAdapter {
  /** Empty texts where the browser does not tell. */
  readonly info: {
    readonly vendor: string;
    readonly architecture: string;
    readonly device: string;
    readonly description: string;
  };
  readonly features: { has(feature: string): boolean };
}

export interface GpuDevice {
  readonly lost: Promise<{ readonly reason: string; readonly message: string }>;
  readonly queue: { submit(commands: readonly GpuCommands[]): void };
  createBuffer(descriptor: { readonly size: number; readonly usage: number }): GpuBuffer;
  createCommandEncoder(): GpuEncoder;
}

export interface GpuBuffer {
  readonly size: number;
  readonly mapState: "unmapped" | "pending" | "mapped";
  destroy(): void;
}

export interface GpuEncoder {
  copyBufferToBuffer(
    source: GpuBuffer,
    sourceOffset: number,
    destination: GpuBuffer,
    destinationOffset: number,
    size: number,
  ): void;
  finish(): GpuCommands;
}

/** Recorded commands; nothing is done with them but to submit them. */
export type GpuCommands = object;

/** GPUBufferUsage: to be copied from, copied to, and read by shaders. */
export const BUFFER_USAGE = 0x0004 | 0x0008 | 0x0080;
