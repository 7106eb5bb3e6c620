// Files are read by ranges, and only where tensors are used: large ones, ones that change, ones behind a URL.

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import {
  mkdtempSync,
  openSync,
  closeSync,
  ftruncateSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { sourceNode } from "../../src/engine/engine.js";
import { grad, jit, loadSafetensors, saveSafetensors, setDefaultDevice, Tensor } from "../../src/index.js";
import { openSource } from "../../src/formats/source.js";

const folder = mkdtempSync(join(tmpdir(), "brisc-source-"));
const path = (name: string): string => join(folder, name);
beforeAll(() => setDefaultDevice("wasm"));
afterAll(() => rmSync(folder, { recursive: true }));

/** A float32 tensor of 0, 1, 2, ... that notes which bytes are read. */
function counted(...shape: number[]): { tensor: Tensor; reads: [number, number][] } {
  const bytes = new Uint8Array(
    Float32Array.from({ length: shape.reduce((n, d) => n * d, 1) }, (_, i) => i).buffer,
  );
  const reads: [number, number][] = [];
  const read = async (offset: number, length: number) => {
    reads.push([offset, length]);
    return bytes.slice(offset, offset + length);
  };
  return { tensor: Tensor.ofNode(sourceNode({ read }, 0, "float32", shape)), reads };
}

describe("23. slices and reshapes of a file read what they show", () => {
  it("rows that lie side by side", async () => {
    const { tensor, reads } = counted(6, 4, 5);
    const rows = tensor.slice([[2, 4]]);
    expect(await rows.sum().item()).toBe(
      Array.from({ length: 40 }, (_, i) => i + 40).reduce((a, b) => a + b),
    );
    expect(reads).toEqual([[160, 160]]);
    expect(await tensor.reshape([24, 5]).at(7, [1, 3]).tolist()).toEqual([36, 37]);
    expect(reads.slice(1)).toEqual([[144, 8]]);
    // Of columns the rows around them are read.
    expect(await tensor.at([1, 2], null, 4).tolist()).toEqual([[24, 29, 34, 39]]);
    expect(reads.slice(2)).toEqual([[80, 80]]);
  });

  it("the whole once, whatever is made of it", async () => {
    const { tensor, reads } = counted(3, 4);
    await Tensor.realize([tensor.add(1), tensor.transpose(0, 1).mul(2)]);
    expect(await tensor.at(1).tolist()).toEqual([4, 5, 6, 7]);
    expect(reads).toEqual([[0, 48]]);
  });

  it("written and differentiated tensors are read whole", async () => {
    const { tensor } = counted(3, 4);
    tensor.at(1).assign(-1);
    expect(await tensor.tolist()).toEqual([
      [0, 1, 2, 3],
      [-1, -1, -1, -1],
      [8, 9, 10, 11],
    ]);
    const weights = counted(3, 2).tensor.requiresGrad_();
    weights.at(2).square().sum().backward();
    expect(await weights.grad!.tolist()).toEqual([
      [0, 0],
      [0, 0],
      [8, 10],
    ]);
    const slope = grad((x: Tensor) => x.at(0).square().sum());
    expect(await slope(counted(2, 2).tensor).tolist()).toEqual([
      [0, 2],
      [0, 0],
    ]);
  });

  it("a captured function sees what is written later", async () => {
    const { tensor } = counted(3, 2);
    expect(await tensor.at(1).tolist()).toEqual([2, 3]);
    const step = jit((x: Tensor) => x.add(tensor.at(1)));
    for (let i = 0; i < 3; i++) expect(await (await step(Tensor.zeros([2]))).tolist()).toEqual([2, 3]);
    tensor.at(1).assign(7);
    expect(await (await step(Tensor.zeros([2]))).tolist()).toEqual([7, 7]);
  });

  it("of 5 gigabytes, beyond 4", async () => {
    const rows = 1280;
    const columns = 2 ** 20;
    const file = path("large.safetensors");
    const json = `{"x":{"dtype":"F32","shape":[${rows},${columns}],"data_offsets":[0,${rows * columns * 4}]}}  `;
    const header = Buffer.alloc(8 + Math.ceil(json.length / 8) * 8, " ");
    header.writeBigUInt64LE(BigInt(header.length - 8));
    header.write(json, 8);
    const fd = openSync(file, "w");
    writeSync(fd, header);
    // Nothing is written between: the file takes some kilobytes of the disk.
    ftruncateSync(fd, header.length + rows * columns * 4);
    const place = ((rows - 1) * columns + 5) * 4;
    writeSync(fd, new Uint8Array(Float32Array.of(2.5, -1).buffer), 0, 8, header.length + place);
    closeSync(fd);
    const before = process.memoryUsage.rss();
    const { x } = await loadSafetensors(file);
    expect(x.shape).toEqual([rows, columns]);
    expect(await x.at(-1, [4, 8]).tolist()).toEqual([0, 2.5, -1, 0]);
    expect(
      await x
        .reshape([rows * 2, columns / 2])
        .at(-2)
        .sum()
        .item(),
    ).toBe(1.5);
    expect(process.memoryUsage.rss() - before).toBeLessThan(200e6);
  });
});

describe("a file that is not what it was", () => {
  const save = (name: string) => saveSafetensors(path(name), { x: Tensor.arange(1000), y: Tensor.ones([3]) });

  it("cut off while open, is an error and not a crash", async () => {
    await save("cut");
    const { x, y } = await loadSafetensors(path("cut"));
    truncateSync(path("cut"), 200);
    await expect(x.data()).rejects.toThrow("changed since it was opened");
    await expect(y.add(1).data()).rejects.toThrow("changed since it was opened");
    expect(await Tensor.ones([2]).sum().item()).toBe(2);
  });

  it("changed in place, is an error", async () => {
    await save("changed");
    const { x } = await loadSafetensors(path("changed"));
    await new Promise((resolve) => setTimeout(resolve, 20));
    writeFileSync(path("changed"), readFileSync(path("changed")));
    await expect(x.data()).rejects.toThrow("changed since it was opened");
  });

  it("replaced under its name, is still read", async () => {
    await save("first");
    await saveSafetensors(path("second"), { x: Tensor.zeros([1000]) });
    const { x } = await loadSafetensors(path("first"));
    renameSync(path("second"), path("first"));
    expect(await x.at(-1).item()).toBe(999);
    // So a model may be saved over the file it came from.
    await saveSafetensors(path("first"), { x: x.add(1) });
    expect(await (await loadSafetensors(path("first"))).x.at(-1).item()).toBe(1000);
  });

  it("missing, or a range beyond its end, is an error", async () => {
    await expect(openSource(path("nowhere"))).rejects.toThrow("ENOENT");
    const source = await openSource(new Uint8Array(10));
    await expect(source.read(8, 4)).rejects.toThrow("bytes 8 to 12 do not lie in its 10 bytes");
  });
});

describe("other places", () => {
  it("bytes and blobs", async () => {
    await saveSafetensors(path("bytes"), { x: Tensor.arange(6).reshape([2, 3]) });
    const bytes = readFileSync(path("bytes"));
    for (const input of [bytes, new Uint8Array(bytes).buffer, new Blob([bytes])]) {
      expect(await (await loadSafetensors(input)).x.tolist()).toEqual([
        [0, 1, 2],
        [3, 4, 5],
      ]);
    }
  });

  it.each([true, false])("a URL, of a server that knows ranges: %s", async (knows) => {
    await saveSafetensors(path("served"), { x: Tensor.arange(1000), y: Tensor.ones([3]) });
    const bytes = readFileSync(path("served"));
    let sent = 0;
    const server = createServer((request, response) => {
      const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "");
      const part = knows && range !== null ? bytes.subarray(Number(range[1]), Number(range[2]) + 1) : bytes;
      sent += part.length;
      if (knows && range !== null) {
        response.writeHead(206, { "content-range": `bytes ${range[1]}-${range[2]}/${bytes.length}` });
      }
      response.end(part);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/model.safetensors`;
      const { x, y } = await loadSafetensors(url);
      expect(await x.at([10, 12]).tolist()).toEqual([10, 11]);
      expect(await y.tolist()).toEqual([1, 1, 1]);
      if (knows) expect(sent).toBeLessThan(bytes.length / 4);
      else expect(sent).toBe(bytes.length);
    } finally {
      server.close();
    }
  });
});
