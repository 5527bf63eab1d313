/**
 * Finds and loads the Node-API addon: a local build first, else the optional package of this platform. A binding is used
 * only if it has this package's version, and of the version of what crosses between the two.
 */
import { createRequire } from "node:module";
import { NativeStorageError } from "./errors.js";
import { ABI_VERSION } from "./generated/definitions.js";
import type { LibraryVersion, NativeBinding } from "./generated/native.js";

interface Attempt {
  readonly request: string;
  readonly failure: unknown;
}

/** The packages of single platforms are named after this and the platform. */
const PACKAGES = "@jazz-native-storage/node";

let loaded: NativeBinding | undefined;

/** The binding for this process. Throws `BINDING_MISSING` or `BINDING_VERSION`. */
export function loadBinding(): NativeBinding {
  loaded ??= load(createRequire(import.meta.url));
  return loaded;
}

function load(require: NodeJS.Require): NativeBinding {
  const attempts: Attempt[] = [];
  for (const request of candidateTriples().flatMap(requestsFor)) {
    let binding: NativeBinding;
    try {
      binding = require(request) as NativeBinding;
    } catch (failure) {
      attempts.push({ request, failure });
      continue;
    }
    const { version } = require("../package.json") as { version: string };
    checkVersion({ package: version, abi: ABI_VERSION }, versionOf(binding), request);
    return binding;
  }
  throw new NativeStorageError("BINDING_MISSING", missingMessage(platformTriple(), attempts), {
    cause: new AggregateError(attempts.map((attempt) => attempt.failure)),
  });
}

function requestsFor(triple: string): string[] {
  return [`../native/jazz-native-storage.${triple}.node`, `${PACKAGES}-${triple}`];
}

/** The addons that may work here: asking which C library a Linux has costs more than trying the other one. */
function candidateTriples(): string[] {
  const { platform, arch } = process;
  if (platform !== "linux" || arch === "arm") return [platformTriple()];
  return [`linux-${arch}-gnu`, `linux-${arch}-musl`];
}

/** The versions of a binding; one made before it could be asked has none. */
function versionOf(binding: Partial<NativeBinding>): LibraryVersion {
  return binding.libraryVersion?.() ?? { package: "unknown", abi: 0 };
}

/** Throws `BINDING_VERSION`, with all versions, unless the binding is of the same as the package. */
export function checkVersion(own: LibraryVersion, binding: LibraryVersion, from: string): void {
  if (own.package === binding.package && own.abi === binding.abi) return;
  throw new NativeStorageError(
    "BINDING_VERSION",
    `jazz-native-storage ${own.package} (ABI ${own.abi}) found a native binding of version ${binding.package} ` +
      `(ABI ${binding.abi}) at ${from}: reinstall the package, so that both have one version`,
  );
}

function missingMessage(triple: string, attempts: readonly Attempt[]): string {
  const tried = attempts.map(({ request, failure }) => {
    const reason = failure instanceof Error ? failure.message.split("\n", 1)[0] : String(failure);
    return `${request} (${reason})`;
  });
  return (
    `there is no native binding for ${triple}; tried ${tried.join(", ")}. ` +
    `Install ${PACKAGES}-${triple} (an optional dependency that npm leaves out with --omit=optional), ` +
    "or build it in a checkout with `npm run build`"
  );
}

/** The name by which addons of this platform are published, e.g. `linux-x64-gnu`. */
export function platformTriple(): string {
  const { platform, arch } = process;
  switch (platform) {
    case "linux":
      if (arch === "arm") return "linux-arm-gnueabihf";
      return `linux-${arch}-${usesMusl() ? "musl" : "gnu"}`;
    case "win32":
      return `win32-${arch}-msvc`;
    default:
      return `${platform}-${arch}`;
  }
}

function usesMusl(): boolean {
  const report = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return report.header?.glibcVersionRuntime === undefined;
}
