/**
 * A panel that shows what a storage holds and how its engine does, for development: CoValues with their sizes and sessions,
 * who leads among the tabs, and verifying, compacting, export and import. An entry of its own, so that apps without it do not
 * carry it.
 */
import type { StorageStats } from "../generated/native.js";
import type { Hosting, JazzNativeStorage } from "../jazz-native-storage.js";
import { button, bytes, count, element, number } from "./dom.js";
import { STYLES } from "./styles.js";
import { Upkeep } from "./upkeep.js";
import { Values } from "./values.js";

/** How often figures are read again while the panel can be seen. */
const REFRESH_MS = 1000;

export interface InspectorOptions {
  /** Where the panel goes; it fills the height that this has. Default: the end of the page. */
  readonly target?: ParentNode & Node;
  /** What the database is called, in the title and for exported files. Default: `"jazz-storage"`. */
  readonly name?: string;
  /** Called when the user closes the panel, which is gone then. */
  readonly onClose?: () => void;
}

/** A panel that is shown. */
export interface Inspector {
  /** Its element. It dispatches `import`, with `detail.dbName`, when an archive has become a database. */
  readonly element: HTMLElement;
  /** Takes it away. */
  close(): void;
}

/** Shows a panel on a storage, which may be used by a node at the same time. */
export function mountInspector(storage: JazzNativeStorage, options: InspectorOptions = {}): Inspector {
  const { target = document.body, name = "jazz-storage", onClose } = options;
  const host = element("section", { "aria-label": `Storage ${name}` });
  const root = host.attachShadow({ mode: "open" });
  const panel = new Panel(storage, name, () => {
    close();
    onClose?.();
  });
  const close = () => {
    panel.stop();
    host.remove();
  };
  root.append(element("style", {}, STYLES), panel.element);
  target.append(host);
  panel.start();
  return { element: host, close };
}

class Panel {
  readonly element: HTMLElement;
  readonly #badges = element("div", { class: "badges" });
  readonly #figures = element("dl", { class: "figures" });
  readonly #values: Values;
  readonly #upkeep: Upkeep;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isStopped = false;
  #hasFailed = false;

  constructor(
    private readonly storage: JazzNativeStorage,
    name: string,
    closed: () => void,
  ) {
    this.#values = new Values(storage, (error) => this.#upkeep.fail(error));
    this.#upkeep = new Upkeep(storage, name, () => void this.#reload());
    const close = button("×", closed, { class: "quiet icon", "aria-label": "Close the inspector" });
    this.element = element(
      "div",
      { class: "panel" },
      element("div", { class: "top" }, element("h2", {}, name), this.#badges, close),
      this.#figures,
      element("div", { class: "tools" }, this.#search(), this.#upkeep.actions),
      this.#upkeep.element,
      this.#values.element,
    );
    this.element.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      if (this.#values.isOpen) this.#values.close();
      else closed();
    });
  }

  start(): void {
    void this.#reload().then(() => this.#refreshLater());
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  #search(): HTMLElement {
    const field = element("input", {
      type: "search",
      placeholder: "Id of a CoValue",
      "aria-label": "Id of a CoValue",
      spellcheck: "false",
      autocomplete: "off",
    });
    const form = element("form", { role: "search" }, field, element("button", { type: "submit" }, "Find"));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#values.search(field.value.trim());
    });
    field.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || field.value === "") return;
      event.stopPropagation();
      event.preventDefault();
      field.value = "";
      void this.#values.search("");
    });
    return form;
  }

  async #reload(): Promise<void> {
    const stats = await this.#stats();
    if (stats) await this.#values.refresh(stats.coValues);
  }

  #refreshLater(): void {
    if (this.#isStopped) return;
    this.#timer = setTimeout(async () => {
      if (document.visibilityState === "visible") {
        const stats = await this.#stats();
        if (stats) await this.#values.update(stats.coValues);
      }
      this.#refreshLater();
    }, REFRESH_MS);
  }

  async #stats(): Promise<(StorageStats & { readonly hosting?: Hosting }) | undefined> {
    try {
      const stats = await this.storage.stats();
      this.#hasFailed = false;
      this.#showStats(stats);
      return stats;
    } catch (error) {
      // Once: it is tried again every second.
      if (!this.#hasFailed) this.#upkeep.fail(error);
      this.#hasFailed = true;
      return undefined;
    }
  }

  #showStats(stats: StorageStats & { readonly hosting?: Hosting }): void {
    const { hosting, durability, writeFailure, stalled } = stats;
    const badges: HTMLElement[] = [];
    if (hosting) {
      const role = hosting.isHere ? "This tab leads" : "Another tab leads";
      badges.push(element("span", { class: "badge strong", title: `Engine ${hosting.engine}` }, role));
      badges.push(element("span", { class: "badge" }, `${count(hosting.connections, "connection")}`));
    }
    badges.push(
      element(
        "span",
        { class: "badge", title: "What a completed operation promises" },
        `durability ${durability}`,
      ),
    );
    if (writeFailure)
      badges.push(element("span", { class: "badge bad", title: writeFailure }, "Writes are refused"));
    if (stalled) badges.push(element("span", { class: "badge warn", title: stalled }, "Merging rests"));
    if (
      badges.map(({ textContent }) => textContent).join() !==
      [...this.#badges.children].map(({ textContent }) => textContent).join()
    ) {
      this.#badges.replaceChildren(...badges);
    }
    const figures: [string, string][] = [
      ["CoValues", number(stats.coValues)],
      ["On disk", bytes(stats.logBytes + stats.runBytes)],
      ["Not needed", bytes(stats.deadBytes)],
      ["Layers", number(stats.layers)],
      ["In memory", bytes(stats.cacheBytes + stats.residentBytes)],
      ["Written", bytes(stats.bytesWritten)],
    ];
    this.#figures.replaceChildren(
      ...figures.map(([name, value]) =>
        element("div", {}, element("dt", {}, name), element("dd", {}, value)),
      ),
    );
  }
}
