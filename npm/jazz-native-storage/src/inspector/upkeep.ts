/** Verifying, compacting, exporting and importing: one at a time, with how far it has come, and what came of it. */
import type { VerifyReport } from "../generated/native.js";
import type { JazzNativeStorage } from "../jazz-native-storage.js";
import type { UpkeepOptions } from "../upkeep.js";
import { restoreBackup } from "../web/browser.js";
import { button, bytes, count, element, messageOf } from "./dom.js";

/** So much of a damaged store's report is listed. */
const MOST_DAMAGE = 100;

export class Upkeep {
  /** The buttons. */
  readonly actions = element("div", { class: "actions", role: "group", "aria-label": "Upkeep" });
  /** What goes on, and what came of it. */
  readonly element = element("div", {});
  readonly #buttons: HTMLButtonElement[];
  readonly #said = element("div", { class: "note", hidden: "", role: "status" });
  readonly #failure = element("div", { class: "note bad", hidden: "", role: "alert" });
  readonly #dialog: HTMLDialogElement;
  readonly #name = element("input", { type: "text", required: "", autocomplete: "off", name: "database" });
  readonly #file = element("input", { type: "file", required: "", name: "archive" });

  constructor(
    private readonly storage: JazzNativeStorage,
    private readonly name: string,
    /** Told when the store may have changed. */
    private readonly changed: () => void,
  ) {
    this.#buttons = [
      button("Verify", () => void this.#run("Verifying", (options) => this.#verify(options))),
      button("Compact", () => void this.#run("Compacting", () => this.#compact(), { isCancellable: false })),
    ];
    if (storage.exportArchive) {
      this.#buttons.push(
        button("Export", () => void this.#run("Exporting", (options) => this.#export(options))),
      );
      this.#buttons.push(button("Import…", () => this.#dialog.showModal()));
    }
    this.actions.append(...this.#buttons);
    this.#dialog = this.#importDialog();
    this.element.append(this.#said, this.#failure, this.#dialog);
  }

  /** Says that something failed. */
  fail(error: unknown): void {
    const dismiss = button("Dismiss", () => {
      this.#failure.hidden = true;
    });
    this.#failure.replaceChildren(element("p", {}, messageOf(error)), dismiss);
    this.#failure.hidden = false;
  }

  #say(...content: Node[]): void {
    this.#said.className = "note";
    this.#said.replaceChildren(...content);
    this.#said.hidden = false;
  }

  #sayDone(text: string, isGood = true): void {
    const dismiss = button("Dismiss", () => {
      this.#said.hidden = true;
    });
    this.#say(element("p", {}, text), dismiss);
    this.#said.classList.add(isGood ? "good" : "bad");
  }

  async #run(
    doing: string,
    work: (options: UpkeepOptions) => Promise<void>,
    { isCancellable = true } = {},
  ): Promise<void> {
    const asked = (this.actions.getRootNode() as ShadowRoot).activeElement as HTMLElement | null;
    const cancelled = new AbortController();
    const bar = element("progress", { "aria-label": doing, max: "1" });
    const cancel = button("Cancel", () => cancelled.abort());
    this.#failure.hidden = true;
    this.#say(element("p", {}, `${doing}…`), bar, ...(isCancellable ? [cancel] : []));
    for (const one of this.#buttons) one.disabled = true;
    if (isCancellable) cancel.focus();
    try {
      await work({
        signal: cancelled.signal,
        onProgress: ({ done, total }) => {
          if (total > 0) bar.value = done / total;
        },
      });
    } catch (error) {
      this.#said.hidden = true;
      if (cancelled.signal.aborted) this.#sayDone(`${doing} was cancelled.`, false);
      else this.fail(error);
    } finally {
      for (const one of this.#buttons) one.disabled = false;
      asked?.focus();
      this.changed();
    }
  }

  async #verify(options: UpkeepOptions): Promise<void> {
    const report = await this.storage.verify(options);
    const looked = `${count(report.records, "record")}, ${count(report.coValues, "CoValue")} and ${count(report.transactions, "transaction")} in ${bytes(report.bytes)}`;
    if (report.damage.length === 0) {
      this.#sayDone(`No damage: ${looked} are as they were stored.`);
      return;
    }
    this.#sayDone(`Damage in ${count(report.damage.length, "place")}; looked at ${looked}.`, false);
    this.#said.append(damageList(report));
  }

  async #compact(): Promise<void> {
    const before = await this.storage.stats();
    await this.storage.compact();
    const after = await this.storage.stats();
    const size = (of: typeof before) => of.logBytes + of.runBytes;
    this.#sayDone(`Compacted: ${bytes(size(before))} before, ${bytes(size(after))} now.`);
  }

  async #export(options: UpkeepOptions): Promise<void> {
    const archive = (await this.storage.exportArchive?.(options)) as Blob;
    const url = URL.createObjectURL(archive);
    const day = new Date().toISOString().slice(0, 10);
    const link = element("a", { href: url, download: `${this.name}-${day}.jazzbackup` });
    link.click();
    // The browser has begun to copy it by then.
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
    this.#sayDone(`Exported ${bytes(archive.size)} to ${link.download}.`);
  }

  #importDialog(): HTMLDialogElement {
    const cancel = button("Cancel", () => dialog.close());
    const send = element("button", { type: "submit", class: "primary" }, "Import");
    const form = element(
      "form",
      { method: "dialog" },
      element("h3", { id: "import-title" }, "Import an archive"),
      element("p", { class: "hint" }, "It becomes a database of its own. Nothing that exists is replaced."),
      element("label", {}, "Archive", this.#file),
      element("label", {}, "Name of the new database", this.#name),
      element("div", { class: "actions" }, cancel, send),
    );
    const dialog = element("dialog", { "aria-labelledby": "import-title" }, form);
    // Escape closes the dialog, nothing else.
    dialog.addEventListener("keydown", (event) => event.key === "Escape" && event.stopPropagation());
    form.addEventListener("submit", () => {
      const [archive] = this.#file.files ?? [];
      const dbName = this.#name.value;
      if (archive) void this.#run("Importing", (options) => this.#import(archive, dbName, options));
      form.reset();
    });
    return dialog;
  }

  async #import(from: File, dbName: string, options: UpkeepOptions): Promise<void> {
    const { bytes: size } = await restoreBackup({ from, dbName, ...options });
    this.#sayDone(`Imported ${bytes(size)} to the new database ${JSON.stringify(dbName)}.`);
    this.element.dispatchEvent(
      new CustomEvent("import", { detail: { dbName }, bubbles: true, composed: true }),
    );
  }
}

function damageList({ damage }: VerifyReport): HTMLElement {
  const list = element("ul", { "aria-label": "Damage", tabindex: "0" });
  for (const { file, offset, detail, coValues } of damage.slice(0, MOST_DAMAGE)) {
    const concerned = coValues.length > 0 ? ` · ${coValues.join(", ")}` : "";
    list.append(element("li", {}, element("code", {}, `${file}+${offset}`), ` ${detail}${concerned}`));
  }
  if (damage.length > MOST_DAMAGE) list.append(element("li", {}, `and ${damage.length - MOST_DAMAGE} more`));
  return list;
}
