/** The storage in a browser, with what only makes sense there. */
import type { StorageStats } from "../generated/native.js";
import type { OriginUsage } from "../jazz-native-storage.js";
import type { Backing, Listeners } from "../options.js";
import { NativeStorageAsync } from "../storage-async.js";
import { type UpkeepOptions, watched } from "../upkeep.js";
import { originUsage } from "./origin.js";
import type { RemoteStorage } from "./remote-storage.js";

export class BrowserStorage extends NativeStorageAsync {
  constructor(
    private readonly remote: RemoteStorage,
    { onDegraded, onEvent }: Listeners,
    readonly backing: Backing,
  ) {
    super(remote, { onDegraded, onEvent });
  }

  override async stats(): Promise<StorageStats & { readonly origin: OriginUsage }> {
    const [stats, origin] = await Promise.all([super.stats(), originUsage()]);
    return { ...stats, origin };
  }

  /** The store as it is now as an archive, as `backup` writes it elsewhere, while loads and stores go on. */
  async exportArchive(options: UpkeepOptions = {}): Promise<Blob> {
    return await watched(this.remote.task(), options, (task) => this.remote.archiveAsync(task));
  }
}
