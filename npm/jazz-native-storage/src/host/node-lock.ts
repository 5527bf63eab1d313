/**
 * The lock on a store's directory, without the call of the operating system that Node lacks.
 *
 * The engine's own lock is the system's on the file `LOCK` (`flock`, on Windows `LockFileEx`), which ends with the process
 * however that ends; the holder's process id stands in `OWNER`, for messages only. Here the same lock is taken
 *
 * - on Linux by the program `flock`, to which the open file is lent: the lock belongs to what is open, not to the program,
 *   so that it stays when that ends;
 * - on macOS and BSDs by opening `LOCK` with `O_EXLOCK`, which is `flock`;
 * - on Windows by opening `LOCK` so that nobody else can, which excludes those who lock it and those who open it.
 *
 * So it excludes, and is excluded by, everybody: other processes with this package or the engine's own addon, and other
 * modules and threads of this process.
 *
 * Where that cannot be had (no program `flock`, a file system without locks), what remains is files: each holder announces
 * itself by a hidden file with its process id in the name, and then looks for those of others whose process lives, and for
 * the id in `OWNER`. As everybody announces first and looks then, no two can miss each other; both may give up. This
 *
 * - excludes other processes and threads with this package, and respects the engine's own addon;
 * - does not keep out the addon when it comes later;
 * - sees no processes of other machines or containers that share the directory;
 * - takes a process for the holder that was given the id of one that was killed. Then the file that bears it must be
 *   removed, or that process end. Ids are not mistaken for one's own: files older than this process are none of its own.
 */
import { spawnSync } from "node:child_process";
import {
  closeSync,
  constants,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { threadId } from "node:worker_threads";

/** Held until it is released. */
export interface StoreLock {
  release(): void;
}

const { O_RDWR, O_CREAT, O_NONBLOCK } = constants;

/** `O_EXLOCK` of macOS and BSDs; what libuv calls so on Windows, where it opens a file for this process alone. */
const O_EXLOCK: Partial<Record<NodeJS.Platform, number>> = {
  darwin: 0x20,
  freebsd: 0x20,
  openbsd: 0x20,
  netbsd: 0x20,
  win32: 0x1000_0000,
};

/** Names of announcements: hidden, as nothing that is hidden makes a directory somebody else's. */
const ANNOUNCEMENT = /^\.OWNER-(\d+)-\d+$/;

/** How much older than it is a file may look, by how file systems round times. */
const ROUNDING_MS = 2_000;

/** Takes a directory; nothing if it is taken. */
export function takeLock(path: string): StoreLock | undefined {
  const taken = takeFile(join(path, "LOCK"));
  if (taken === "held") return undefined;
  if (taken === "impossible") return takeByAnnouncing(path);
  const owner = join(path, "OWNER");
  // If this fails, others are told "another process": no reason not to open.
  quietly(() => writeFileSync(owner, String(process.pid)));
  const release = () => {
    // Still under the lock, so that it cannot be the next holder's.
    quietly(() => unlinkSync(owner));
    closeSync(taken);
  };
  if (announcedId(path) === undefined) return { release };
  release();
  return undefined;
}

/** The process that holds a directory, if it left its id. */
export function readHolder(path: string): number | undefined {
  return ownerId(path) ?? announcedId(path);
}

/** The lock's open file; or why there is none. */
function takeFile(file: string): number | "held" | "impossible" {
  const exclusive = O_EXLOCK[process.platform];
  if (exclusive !== undefined) return takeByOpening(file, exclusive);
  const opened = openSync(file, O_RDWR | O_CREAT);
  const taken = process.platform === "linux" ? lendToFlock(opened) : "impossible";
  if (taken === "taken") return opened;
  closeSync(opened);
  return taken;
}

function takeByOpening(file: string, exclusive: number): number | "held" | "impossible" {
  try {
    // Not to wait for the lock. Windows has no such flag, and does not wait.
    return openSync(file, O_RDWR | O_CREAT | exclusive | (O_NONBLOCK ?? 0));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EAGAIN" || code === "EBUSY") return "held";
    if (code !== "ENOTSUP" && code !== "EOPNOTSUPP") throw error;
    closeSync(openSync(file, O_RDWR | O_CREAT));
    return "impossible";
  }
}

/** Has the program lock an open file of ours. */
function lendToFlock(opened: number): "taken" | "held" | "impossible" {
  try {
    const { status, stderr } = spawnSync("flock", ["-n", "3"], {
      encoding: "utf8",
      stdio: ["ignore", "ignore", "pipe", opened],
    });
    if (status === 0) return "taken";
    // It says nothing when the lock is held; everything else is a failure of its own.
    return status === 1 && stderr === "" ? "held" : "impossible";
  } catch {
    // Starting programs may be forbidden.
    return "impossible";
  }
}

function takeByAnnouncing(path: string): StoreLock | undefined {
  const own = join(path, `.OWNER-${process.pid}-${threadId}`);
  // Another module of this thread has it; else it was left behind.
  if (isOfThisProcess(own)) return undefined;
  quietly(() => unlinkSync(own));
  writeFileSync(own, "", { flag: "wx" });
  const release = () => quietly(() => unlinkSync(own));
  if (ownerId(path) === undefined && announcedId(path, own) === undefined) return { release };
  release();
  return undefined;
}

/** A process that has announced itself and lives, by another file than this one. What the dead left is removed. */
function announcedId(path: string, own?: string): number | undefined {
  for (const name of readdirSync(path)) {
    const pid = Number(ANNOUNCEMENT.exec(name)?.[1]);
    const file = join(path, name);
    if (Number.isNaN(pid) || file === own) continue;
    if (pid === process.pid ? isOfThisProcess(file) : isAlive(pid)) return pid;
    // Those with our id may be another thread's by now.
    if (pid !== process.pid) quietly(() => unlinkSync(file));
  }
  return undefined;
}

/** Whether a file with the id of this process was written by this process, and not by an earlier one of that id. */
function isOfThisProcess(file: string): boolean {
  const written = statSync(file, { throwIfNoEntry: false })?.mtimeMs;
  const started = Date.now() - process.uptime() * 1000;
  return written !== undefined && written >= started - ROUNDING_MS;
}

/** The living process whose id stands in `OWNER`. */
function ownerId(path: string): number | undefined {
  const owner = join(path, "OWNER");
  let text = "";
  quietly(() => {
    text = readFileSync(owner, "utf8").trim();
  });
  const pid = /^\d+$/.test(text) ? Number(text) : 0;
  const lives = pid === process.pid ? isOfThisProcess(owner) : isAlive(pid);
  return lives ? pid : undefined;
}

function isAlive(pid: number): boolean {
  if (pid === 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // A process of another user exists too.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Does what may fail without harm. */
function quietly(action: () => void): void {
  try {
    action();
  } catch {
    // As said.
  }
}
