// The compiled code that is kept between processes: how much there is, and how to be rid of it.

export interface KeptCode {
  readonly directory: string;
  readonly files: number;
  readonly bytes: number;
  /** Bytes beyond which what was not used for longest goes; BRISC_CACHE_MB sets it. */
  readonly limit: number;
}

const openCache = async () => new (await import("../device/disk-cache.js")).DiskCache();

/** What compiled code is kept on this machine. Node only. */
export async function keptCode(): Promise<KeptCode> {
  const cache = await openCache();
  return { directory: cache.directory, limit: cache.limit, ...cache.size() };
}

/** Removes all compiled code that is kept; schedules that searches found stay. Node only. */
export async function clearKeptCode(): Promise<void> {
  (await openCache()).clear();
}
