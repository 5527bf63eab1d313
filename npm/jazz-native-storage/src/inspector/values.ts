/**
 * The list of CoValues, a page at a time, and what is stored of the one that is chosen.
 *
 * The list has the focus, not its rows (`aria-activedescendant`): arrows, Page Up and Down, Home and End choose, Enter opens,
 * Escape closes. What a row says of its value is read when the page is shown, one value after the other.
 */
import type { CoValueReport } from "../inspect.js";
import type { JazzNativeStorage } from "../jazz-native-storage.js";
import { button, bytes, count, element, messageOf, number } from "./dom.js";

const PAGE = 100;

interface Row {
  readonly id: string;
  readonly element: HTMLElement;
  readonly kind: HTMLElement;
  readonly size: HTMLElement;
}

export class Values {
  readonly element: HTMLElement;
  readonly #list = element("div", {
    class: "list",
    role: "listbox",
    tabindex: "0",
    "aria-label": "CoValues",
  });
  readonly #detail = element("section", { class: "detail", hidden: "", "aria-live": "polite" });
  readonly #range = element("span", { "aria-live": "polite" });
  readonly #previous = button("Previous", () => this.#turn(-1));
  readonly #next = button("Next", () => this.#turn(1));
  #rows: Row[] = [];
  #chosen = -1;
  #offset = 0;
  #total = 0;
  /** Searched for; the list is only this one then. */
  #sought: string | undefined;
  /** What is read for an earlier page is dropped. */
  #page = 0;

  constructor(
    private readonly storage: JazzNativeStorage,
    private readonly failed: (error: unknown) => void,
  ) {
    const pages = element("div", { class: "pages" }, this.#previous, this.#range, this.#next);
    const values = element("div", { class: "values" }, this.#list, pages);
    this.element = element("div", { class: "body" }, values, this.#detail);
    this.#list.addEventListener("keydown", (event) => this.#pressed(event));
    this.#list.addEventListener("click", (event) => {
      const at = this.#rows.findIndex(({ element: row }) => row.contains(event.target as Node));
      if (at < 0) return;
      this.#choose(at);
      void this.#open();
    });
  }

  /** Whether a value is shown; then Escape closes it. */
  get isOpen(): boolean {
    return !this.#detail.hidden;
  }

  close(): void {
    this.#detail.hidden = true;
    this.element.classList.remove("open");
    this.#list.focus();
  }

  /** Shows the value of this id, or all again. */
  async search(id: string): Promise<void> {
    this.#sought = id === "" ? undefined : id;
    this.#offset = 0;
    await this.refresh();
    if (this.#sought !== undefined && this.#rows.length > 0) await this.#open();
  }

  /** Reads the page again, of `total` values. What is chosen stays so. */
  async refresh(total = this.#total): Promise<void> {
    this.#total = total;
    const page = ++this.#page;
    const chosen = this.#rows[this.#chosen]?.id;
    try {
      const ids = await this.#ids();
      if (page !== this.#page) return;
      this.#show(ids);
      this.#choose(Math.max(0, ids.indexOf(chosen ?? "")));
      await this.#describe(page);
    } catch (error) {
      this.failed(error);
    }
  }

  /** Reads the page again if it may have changed. */
  async update(total: number): Promise<void> {
    if (total === this.#total) return;
    const isOnPage = this.#sought === undefined && this.#rows.length < PAGE;
    this.#total = total;
    if (isOnPage) await this.refresh();
    else this.#showRange();
  }

  async #ids(): Promise<string[]> {
    const sought = this.#sought;
    if (sought !== undefined) return (await this.storage.inspect(sought)) ? [sought] : [];
    return await new Promise((resolve) => {
      this.storage.getCoValueIDs(PAGE, this.#offset, (batch) => resolve(batch.map(({ id }) => id)));
    });
  }

  #show(ids: readonly string[]): void {
    this.#rows = ids.map((id, at) => {
      const kind = element("span", { class: "badge" }, "…");
      const size = element("span", { class: "size" }, "");
      const row = element(
        "div",
        { class: "row", role: "option", id: `value-${at}`, "aria-selected": "false" },
        element("span", { class: "id", title: id }, id),
        kind,
        size,
      );
      return { id, element: row, kind, size };
    });
    const nothing = this.#sought === undefined ? "Nothing is stored yet." : "No CoValue has this id.";
    this.#list.replaceChildren(...this.#rows.map((row) => row.element));
    if (ids.length === 0) {
      this.#list.append(element("p", { class: "empty", role: "option", "aria-disabled": "true" }, nothing));
    }
    this.#list.scrollTop = 0;
    this.#showRange();
  }

  #showRange(): void {
    const { length } = this.#rows;
    const isOne = this.#sought !== undefined;
    this.#previous.disabled = isOne || this.#offset === 0;
    this.#next.disabled = isOne || this.#offset + length >= this.#total;
    const from = number(this.#offset + 1);
    const to = number(this.#offset + length);
    this.#range.textContent = isOne
      ? `${number(length)} found`
      : length === 0
        ? "0 CoValues"
        : `${from}–${to} of ${number(this.#total)}`;
  }

  async #describe(page: number): Promise<void> {
    for (const row of this.#rows) {
      const report = await this.storage.inspect(row.id).catch(() => undefined);
      if (page !== this.#page) return;
      row.kind.textContent = report ? kindOf(report) : "unreadable";
      row.kind.classList.toggle("bad", !report);
      row.kind.classList.toggle("warn", report !== undefined && report.deletion !== "none");
      row.size.textContent = report ? bytes(report.bytes) : "";
    }
  }

  #choose(at: number): void {
    this.#rows[this.#chosen]?.element.setAttribute("aria-selected", "false");
    this.#chosen = Math.min(Math.max(at, 0), this.#rows.length - 1);
    const row = this.#rows[this.#chosen];
    row?.element.setAttribute("aria-selected", "true");
    if (!row) {
      this.#list.removeAttribute("aria-activedescendant");
      return;
    }
    this.#list.setAttribute("aria-activedescendant", row.element.id);
    row.element.scrollIntoView({ block: "nearest" });
  }

  #pressed(event: KeyboardEvent): void {
    const far = Math.max(1, Math.floor(this.#list.clientHeight / 34) - 1);
    const moves: Record<string, number> = {
      ArrowDown: this.#chosen + 1,
      ArrowUp: this.#chosen - 1,
      PageDown: this.#chosen + far,
      PageUp: this.#chosen - far,
      Home: 0,
      End: this.#rows.length - 1,
    };
    const to = moves[event.key];
    if (to !== undefined) {
      this.#choose(to);
      if (this.isOpen) void this.#open();
    } else if (event.key === "Enter" || event.key === " ") {
      void this.#open();
    } else {
      return;
    }
    event.preventDefault();
  }

  #turn(by: number): void {
    this.#offset = Math.max(0, this.#offset + by * PAGE);
    this.#chosen = -1;
    void this.refresh();
  }

  async #open(): Promise<void> {
    const id = this.#rows[this.#chosen]?.id;
    if (id === undefined) return;
    let content: (Node | string)[];
    try {
      const report = await this.storage.inspect(id);
      content = report ? factsOf(report) : ["It is not stored any more."];
    } catch (error) {
      content = [element("p", { class: "note bad", role: "alert" }, messageOf(error))];
    }
    if (this.#rows[this.#chosen]?.id !== id) return;
    const close = button("×", () => this.close(), {
      class: "quiet icon",
      "aria-label": "Close this CoValue",
    });
    const title = element("h3", { class: "id", id: "detail-title" }, id);
    this.#detail.replaceChildren(element("header", {}, title, close), ...content);
    this.#detail.setAttribute("aria-labelledby", "detail-title");
    this.#detail.hidden = false;
    this.element.classList.add("open");
    this.#rows[this.#chosen]?.element.scrollIntoView({ block: "nearest" });
  }
}

/** The type, and what it is made for if that is said. */
function kindOf({ header, deletion }: CoValueReport): string {
  const { type } = (header.meta ?? {}) as { type?: unknown };
  const kind = typeof type === "string" ? `${header.type} · ${type}` : header.type;
  return deletion === "none" ? kind : `${kind} · ${deletion === "pending" ? "deleted" : "erased"}`;
}

const DELETIONS = {
  none: "not deleted",
  pending: "deleted; its content waits to be erased",
  erased: "deleted and erased",
};

function factsOf(report: CoValueReport): Node[] {
  const { header, sessions } = report;
  const { type, group } = header.ruleset as { type: string; group?: string };
  const transactions = sessions.reduce((sum, session) => sum + session.transactions, 0);
  const facts: [string, string | undefined][] = [
    ["Type", header.type],
    ["Meta", header.meta ? JSON.stringify(header.meta) : "none"],
    ["Rules", group ? `${type} ${group}` : type],
    ["Created", (header as { createdAt?: string | null }).createdAt ?? "unknown"],
    ["Size", bytes(report.bytes)],
    ["Content", `${count(transactions, "transaction")} in ${count(sessions.length, "session")}`],
    ["Deletion", DELETIONS[report.deletion]],
  ];
  const list = element("dl", { class: "facts" });
  for (const [name, value] of facts) {
    if (value !== undefined) list.append(element("dt", {}, name), element("dd", {}, value));
  }
  return [list, sessionTable(report)];
}

function sessionTable({ sessions }: CoValueReport): Node {
  const rows = sessions.map(({ id, transactions, bytes: size, lastSignature = "" }) =>
    element(
      "tr",
      {},
      element("td", {}, element("span", { class: "id", title: id }, id)),
      element("td", { class: "figure" }, number(transactions)),
      element("td", { class: "figure" }, bytes(size)),
      element("td", {}, element("span", { class: "id", title: lastSignature }, lastSignature)),
    ),
  );
  const head = element(
    "tr",
    {},
    element("th", { scope: "col" }, "Session"),
    element("th", { scope: "col", class: "figure" }, "Count"),
    element("th", { scope: "col", class: "figure" }, "Size"),
    element("th", { scope: "col" }, "Last signature"),
  );
  const table = element(
    "table",
    { "aria-label": "Sessions" },
    element("thead", {}, head),
    element("tbody", {}, ...rows),
  );
  return element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Sessions" }, table);
}
