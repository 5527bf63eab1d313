/** What the tests import of Node, as far as it has a meaning where paths are names. */
export const existsSync = () => false;
export const mkdtempSync = (prefix: string) => `${prefix}${crypto.randomUUID()}`;
export const rmSync = () => {};
export const tmpdir = () => "tests";
export const join = (...parts: string[]) => parts.join("/");
