// The memory behind realised tensors: on one device, or still on the host or in a file, waiting for its first use.

import type { Device, DeviceBuffer } from "../device/device.js";
import type { NodeStorage } from "../graph/node.js";

/** Bytes that are read when they are needed: a file, a part of an archive, something behind a URL. */
export interface ByteSource {
  /** Exactly `length` bytes from `offset` on; rejects if there are fewer. */
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** Bytes read from a source at once on their way to a device. */
const CHUNK = 1 << 26;

export class Storage implements NodeStorage {
  /** Mostly one. */
  private places: { readonly device: Device; readonly buffer: DeviceBuffer }[] = [];
  private host: Uint8Array | undefined;
  private source: { readonly bytes: ByteSource; readonly offset: number } | undefined;
  private loading: Promise<DeviceBuffer> | undefined;
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

  static fromSource(source: ByteSource, offset: number, bytes: number): Storage {
    const storage = new Storage(bytes);
    storage.source = { bytes: source, offset };
    return storage;
  }

  static onDevice(
    device: Device,
    buffer: DeviceBuffer,
    bytes: number,
    variables?: Readonly<Record<string, number>>,
  ): Storage {
    const storage = new Storage(bytes, variables);
    storage.places.push({ device, buffer });
    return storage;
  }

  get unread(): NodeStorage["unread"] {
    const { source } = this;
    if (source === undefined) return undefined;
    return { part: (offset, bytes) => Storage.fromSource(source.bytes, source.offset + offset, bytes) };
  }

  /** The elements while no device has taken them over. Not to be changed. */
  get hostBytes(): Uint8Array | undefined {
    return this.host;
  }

  /** The device that holds the elements, if one does. */
  get device(): Device | undefined {
    return this.places[0]?.device;
  }

  /** The buffer on `device` if it can be had without waiting: it is there, or still on the host. */
  bufferNow(device: Device): DeviceBuffer | undefined {
    this.check();
    for (const place of this.places) if (place.device === device) return place.buffer;
    return this.host && this.upload(device, this.host);
  }

  /** The buffer on `device`, copied there from wherever the elements are. */
  async bufferOn(device: Device): Promise<DeviceBuffer> {
    const known = this.bufferNow(device);
    if (known !== undefined) return known;
    if (this.source === undefined) return this.upload(device, await this.read());
    // Whoever asks meanwhile waits for the same bytes.
    this.loading ??= this.load(device, this.source).finally(() => {
      this.loading = undefined;
    });
    await this.loading;
    return this.bufferOn(device);
  }

  /** From a source in pieces, so that the host never holds all of a large tensor. */
  private async load(device: Device, source: NonNullable<typeof this.source>): Promise<DeviceBuffer> {
    const buffer = device.allocate(Math.max(16, this.bytes));
    try {
      for (let done = 0; done < this.bytes; done += CHUNK) {
        const length = Math.min(CHUNK, this.bytes - done);
        device.write(buffer, await source.bytes.read(source.offset + done, length), done);
      }
    } catch (error) {
      device.release(buffer);
      throw error;
    }
    if (this.disposed) {
      device.release(buffer);
      this.check();
    }
    this.places.push({ device, buffer });
    this.source = undefined;
    return buffer;
  }

  private upload(device: Device, bytes: Uint8Array): DeviceBuffer {
    const buffer = device.allocate(Math.max(16, bytes.byteLength));
    if (bytes.byteLength > 0) device.write(buffer, bytes);
    this.places.push({ device, buffer });
    this.host = undefined;
    return buffer;
  }

  /** A copy of the elements' bytes. */
  async read(): Promise<Uint8Array> {
    this.check();
    if (this.host !== undefined) return this.host.slice();
    if (this.source !== undefined) return this.source.bytes.read(this.source.offset, this.bytes);
    const [{ device, buffer }] = this.places;
    if (this.bytes === 0) return new Uint8Array(0);
    return device.read(buffer, 0, this.bytes);
  }

  /** Gives the memory back now. Safe to call twice. */
  dispose(): void {
    for (const { device, buffer } of this.places) device.release(buffer);
    this.places = [];
    this.host = undefined;
    this.source = undefined;
    this.disposed = true;
  }

  private check(): void {
    if (this.disposed) throw new Error("this tensor was disposed; its elements are gone");
  }
}
