/** Making elements, and figures as people read them. */

type Child = Node | string | undefined;

/** An element with attributes (`undefined` for those it is not to have) and children. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, string | undefined> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== undefined));
  return made;
}

export function button(label: string, pressed: () => void, attributes: Record<string, string> = {}) {
  const made = element("button", { type: "button", ...attributes }, label);
  made.addEventListener("click", pressed);
  return made;
}

const UNITS = ["B", "KB", "MB", "GB", "TB"];

/** Bytes, in the unit that suits. */
export function bytes(count: number): string {
  let value = count;
  let unit = 0;
  for (; value >= 1000 && unit < UNITS.length - 1; unit++) value /= 1000;
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  return `${value.toLocaleString(undefined, { maximumFractionDigits: digits })} ${UNITS[unit]}`;
}

export function number(count: number): string {
  return count.toLocaleString();
}

/** A number of things, in words. */
export function count(of: number, one: string, many = `${one}s`): string {
  return `${number(of)} ${of === 1 ? one : many}`;
}

export function messageOf(error: unknown): string {
  const { code, message } = error as { code?: unknown; message?: unknown };
  const text = typeof message === "string" ? message : String(error);
  return typeof code === "string" ? `${text} (${code})` : text;
}
