/** The storage in a browser, with what only makes sense there. */
import type { Listeners } from "../options.js";
import { NativeStorageAsync } from "../storage-async.js";
import { type UpkeepOptions, watched } from "../upkeep.js";
import type { RemoteStorage } from "./remote-storage.js";

export class BrowserStorage extends NativeStorageAsync {
  constructor(
    private readonly remote: RemoteStorage,
    listeners: Listeners,
  ) {
    super(remote, listeners);
  }

  /** The store as it is now as an archive, as `backup` writes it elsewhere, while loads and stores go on. */
  async exportArchive(options: UpkeepOptions = {}): Promise<Blob> {
    return await watched(this.remote.task(), options, (task) => this.remote.archiveAsync(task));
  }
}
