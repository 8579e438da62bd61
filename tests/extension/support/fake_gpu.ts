/** A GPU that keeps its buffers in memory and copies between them, and ONNX Runtime Web's tensors on it. */

import type {
  GpuBuffer,
  GpuCommands,
  GpuDevice,
} from "../../../extension_src/src/worker/backends/gpu.ts";
import type { Tensors } from "../../../extension_src/src/worker/backends/gpu_cache.ts";

type Tensor = InstanceType<Tensors["Tensor"]>;

export interface FakeGpu {
  readonly device: GpuDevice;
  readonly ort: Tensors;
  /** How many buffers there are that have not been destroyed. */
  readonly buffers: number;
  /** Ends it, as a reset does. */
  readonly lose: (message: string) => void;
  readonly read: (buffer: object) => Float32Array;
  readonly write: (values: Float32Array) => GpuBuffer;
}

class Buffer implements GpuBuffer {
  readonly mapState = "unmapped";
  readonly bytes: Uint8Array;
  readonly #live: Set<Buffer>;

  constructor(size: number, live: Set<Buffer>) {
    this.bytes = new Uint8Array(size);
    this.#live = live;
    live.add(this);
  }

  get size(): number {
    return this.bytes.length;
  }

  destroy(): void {
    this.#live.delete(this);
  }
}

/** What is used of a tensor. */
class FakeTensor {
  readonly location: "cpu" | "gpu-buffer";
  readonly data: unknown;
  readonly gpuBuffer: GpuBuffer | undefined;
  readonly dims: readonly number[];
  readonly #end: () => void;

  constructor(_type: string, data: unknown, dims: readonly number[]) {
    this.location = data instanceof Buffer ? "gpu-buffer" : "cpu";
    this.data = data;
    this.gpuBuffer = data instanceof Buffer ? data : undefined;
    this.dims = dims;
    this.#end = data instanceof Buffer ? (): void => data.destroy() : (): void => undefined;
  }

  static fromGpuBuffer(buffer: GpuBuffer, { dims }: { readonly dims: readonly number[] }): FakeTensor {
    return new FakeTensor("float32", buffer, dims);
  }

  dispose(): void {
    this.#end();
  }
}

export function fakeGpu(): FakeGpu {
  const live = new Set<Buffer>();
  let lose: FakeGpu["lose"] = () => undefined;
  const lost: GpuDevice["lost"] = new Promise((resolve) => {
    lose = (message) => resolve({ reason: "unknown", message });
  });
  const submitted = (commands: GpuCommands): void => {
    for (const copy of commands as readonly (() => void)[]) copy();
  };
  const device: GpuDevice = {
    lost,
    queue: { submit: (all) => all.forEach(submitted) },
    createBuffer: ({ size }) => new Buffer(size, live),
    createCommandEncoder() {
      const copies: (() => void)[] = [];
      return {
        copyBufferToBuffer(source, from, destination, to, size) {
          const [bytes, place] = [source as Buffer, destination as Buffer].map((one) => one.bytes);
          copies.push(() => place?.set(bytes?.subarray(from, from + size) ?? [], to));
        },
        finish: () => copies,
      };
    },
  };
  return {
    device,
    ort: { Tensor: FakeTensor } as unknown as Tensors,
    get buffers() {
      return live.size;
    },
    lose,
    read: (buffer) => new Float32Array((buffer as Buffer).bytes.slice().buffer),
    write(values) {
      const buffer = new Buffer(values.byteLength, live);
      buffer.bytes.set(new Uint8Array(values.buffer));
      return buffer;
    },
  };
}

/** A tensor on the GPU with these values. */
export function gpuTensor(gpu: FakeGpu, values: Float32Array, dims: readonly number[]): Tensor {
  return new FakeTensor("float32", gpu.write(values), dims) as unknown as Tensor;
}
