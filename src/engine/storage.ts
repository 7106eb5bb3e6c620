// The memory behind realised tensors: on one device, or still on the host, waiting for its first use.

import type { Device, DeviceBuffer } from "../device/device.js";
import type { NodeStorage } from "../graph/node.js";

export class Storage implements NodeStorage {
  private buffers = new Map<Device, DeviceBuffer>();
  private host: Uint8Array | undefined;
  private disposed = false;
  /** Several nodes have these elements: none may give the memory back for the others. */
  shared = false;

  private constructor(
    readonly bytes: number,
    /** Values of the symbolic variables that its size depends on. */
    readonly variables: Readonly<Record<string, number>> = {},
  ) {}

  static fromHost(bytes: Uint8Array): Storage {
    const storage = new Storage(bytes.byteLength);
    storage.host = bytes;
    return storage;
  }

  static onDevice(
    device: Device,
    buffer: DeviceBuffer,
    bytes: number,
    variables?: Readonly<Record<string, number>>,
  ): Storage {
    const storage = new Storage(bytes, variables);
    storage.buffers.set(device, buffer);
    return storage;
  }

  /** The device that holds the elements, if one does. */
  get device(): Device | undefined {
    return this.buffers.keys().next().value;
  }

  /** The buffer on `device` if it can be had without waiting: it is there, or still on the host. */
  bufferNow(device: Device): DeviceBuffer | undefined {
    this.check();
    const known = this.buffers.get(device);
    if (known !== undefined || this.host === undefined) return known;
    return this.upload(device, this.host);
  }

  /** The buffer on `device`, copied there from wherever the elements are. */
  async bufferOn(device: Device): Promise<DeviceBuffer> {
    return this.bufferNow(device) ?? this.upload(device, await this.read());
  }

  private upload(device: Device, bytes: Uint8Array): DeviceBuffer {
    const buffer = device.allocate(Math.max(16, bytes.byteLength));
    if (bytes.byteLength > 0) device.write(buffer, bytes);
    this.buffers.set(device, buffer);
    this.host = undefined;
    return buffer;
  }

  /** A copy of the elements' bytes. */
  async read(): Promise<Uint8Array> {
    this.check();
    if (this.host !== undefined) return this.host.slice();
    const [device, buffer] = this.buffers.entries().next().value!;
    if (this.bytes === 0) return new Uint8Array(0);
    return device.read(buffer, 0, this.bytes);
  }

  /** Gives the memory back now. Safe to call twice. */
  dispose(): void {
    for (const [device, buffer] of this.buffers) device.release(buffer);
    this.buffers.clear();
    this.host = undefined;
    this.disposed = true;
  }

  private check(): void {
    if (this.disposed) throw new Error("this tensor was disposed; its elements are gone");
  }
}
