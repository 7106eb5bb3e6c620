// Writing files: in pieces, under another name until they are whole. Whoever reads the file meanwhile, or after a crash,
// finds the one that was there before.

/** Bytes written in one call of the operating system, which takes no more than 2 GiB. */
const MAX_WRITE = 1 << 30;

/** Makes a file of these pieces, one after the other. */
export async function writeFile(
  path: string,
  pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<void> {
  const { open, rename, rm } = await import("node:fs/promises");
  const temporary = `${path}.${process.pid}-${Math.random().toString(36).slice(2)}.part`;
  const file = await open(temporary, "wx");
  try {
    for await (const bytes of pieces) {
      for (let done = 0; done < bytes.byteLength; ) {
        const { bytesWritten } = await file.write(bytes, done, Math.min(MAX_WRITE, bytes.byteLength - done));
        done += bytesWritten;
      }
    }
    await file.sync();
    await file.close();
    await rename(temporary, path);
  } catch (error) {
    await file.close().catch(() => {});
    await rm(temporary, { force: true });
    throw error;
  }
}
